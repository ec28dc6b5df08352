"""Tests of flows: scenarios in their files, calls in your own tests, what no test reached, and callers at random."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from callflows.testing.rehearsal_phone import RehearsalPhone, RehearsedCall, rehearse

__all__ = ["RehearsalPhone", "RehearsedCall", "rehearse"]


def __getattr__(name: str) -> object:
    """What is heavy is imported when it is first asked for: pytest imports this room wherever callflows is installed."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from callflows.testing import rehearsal_phone  # noqa: PLC0415 - see above

    return getattr(rehearsal_phone, name)
