"""What authors write, and what it means."""
