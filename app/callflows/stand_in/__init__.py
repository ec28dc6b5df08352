"""Opentact on this machine: REST, events, callers and faults, imitated from the documentation."""
