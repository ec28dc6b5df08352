"""Calls that are over: what a flow causes when Opentact reports the end of one."""
