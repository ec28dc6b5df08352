"""Checks of an installation, each with the fix."""
