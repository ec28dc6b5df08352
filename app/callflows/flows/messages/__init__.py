"""Text messages that come in, and the rules by which flows answer them."""
