"""Calls that Opentact makes for us: lists of people, hours in which they may be called, and the calls one by one."""
