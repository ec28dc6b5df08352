"""Flow files: written by authors, compiled to nodes that answer calls."""
