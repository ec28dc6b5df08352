"""Thin doors: the way in for Opentact, for programs and for people."""
