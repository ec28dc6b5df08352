"""Reads call flows of other platforms, and writes flow files."""
