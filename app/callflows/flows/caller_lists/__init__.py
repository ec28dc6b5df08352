"""Lists of callers, and how often a caller has rung."""
