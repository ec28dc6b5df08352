"""Policy for dialed targets, and the numbering plans behind the policy."""
