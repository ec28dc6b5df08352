"""Conditions and texts of flows: Jinja expressions compiled to functions."""
