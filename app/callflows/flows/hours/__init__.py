"""Opening hours: when a flow is open, and how its times are spoken."""
