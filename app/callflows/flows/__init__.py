"""Flow files of authors, compiled to nodes for answering calls."""
