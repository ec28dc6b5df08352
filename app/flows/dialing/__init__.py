"""Whom a flow may ring: its policy, and the plans of numbers."""
