"""Checks of whole flows, and the table of explanations for each rule."""
