"""Tests of flows: scenarios in their files, calls in your own tests, what no test reached, and callers at random."""

from __future__ import annotations

from app.testing.calls import Call, Calls, rehearse

__all__ = ["Call", "Calls", "rehearse"]
