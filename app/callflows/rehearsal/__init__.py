"""Plays Opentact for one call, with callers and callees that follow a script or a person."""
