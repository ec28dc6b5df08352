"""Flow files: what authors write, compiled to nodes that answer calls."""
