"""Conditions and what stands in braces: as functions, with what may come of them."""
