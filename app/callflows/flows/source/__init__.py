"""Flow files as data: YAML read to values that know their place in the file."""
