"""Effects of flows on the outside: lookups, webhooks and messages."""
