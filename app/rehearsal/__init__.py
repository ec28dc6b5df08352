"""The platform played: documents are run as Opentact runs them, for callers and callees that a script or a person plays."""
