"""Opening hours of flows, and the spoken form of times."""
