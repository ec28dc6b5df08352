"""What happened: calls, turns, decisions, events, messages."""
