"""The difference between the desired and the current setup at Opentact, applied and undone."""
