"""What is said of a rule."""

from __future__ import annotations

from typing import NamedTuple


class CheckRule(NamedTuple):
    """A page of two lines: what a rule means and why it hurts, and how to mend it."""

    means: str
    fix: str
