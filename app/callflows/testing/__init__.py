"""Tests of flows: scenarios in flow files, calls in pytest, coverage, and random callers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from callflows.testing.rehearsal_phone import RehearsalPhone, RehearsedCall, rehearse

__all__ = ["RehearsalPhone", "RehearsedCall", "rehearse"]


def __getattr__(name: str) -> object:
    """Import the heavy modules on first use: pytest imports this package wherever callflows is installed."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from callflows.testing import rehearsal_phone  # noqa: PLC0415 - imported on first use

    return getattr(rehearsal_phone, name)
