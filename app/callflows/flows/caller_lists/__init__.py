"""Caller lists, and the number of calls per caller."""
