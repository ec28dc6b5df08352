"""The compiler: nodes and steps become documents."""
