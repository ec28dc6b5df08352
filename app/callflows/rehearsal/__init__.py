"""Plays Opentact for one call. A script or a person acts as the caller and the callees."""
