"""The compiler: turns nodes and steps into documents."""
