"""The journal: stores calls, turns, decisions, events and messages without delaying an answer."""
