"""Inbound text messages, and the rules of flows for answers."""
