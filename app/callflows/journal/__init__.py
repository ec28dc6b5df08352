"""The journal: calls, turns, decisions, events and messages, remembered beside the callers."""
