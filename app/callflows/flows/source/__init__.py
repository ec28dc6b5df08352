"""Flow files as data: YAML, read to values with positions in the file."""
