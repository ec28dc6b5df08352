"""Text messages that come in: what a flow does with them, and what stands before every flow."""
