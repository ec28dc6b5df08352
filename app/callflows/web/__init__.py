"""The HTTP doors: Opentact's requests, webhooks, status and metrics."""
