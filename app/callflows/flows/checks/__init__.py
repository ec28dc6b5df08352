"""Checks of whole flows, and the table that explains each rule."""
