"""Templates of flows, written as files by ``callflows new``."""
