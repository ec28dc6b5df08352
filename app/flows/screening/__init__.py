"""Who calls: lists of callers, and what a number tells."""
