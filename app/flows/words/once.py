"""What tells one call from another, so that what it causes is done once however often Opentact repeats a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from app.calls import Turn

EFFECT_KEY_WINDOW_SECONDS: Final = 60
"""Seconds within which calls that Opentact gives no id count as one where they are between the same numbers.

It is up to twice as long where they begin on both sides of a full minute.
"""


def call_keys_of_turn(turn: Turn) -> tuple[str, str]:
    """What tells a call from others; and what would have told it a while ago, where only the time does."""
    known = turn.request_fields.get("call")
    if known:
        return known, ""
    numbers, minute = f"{turn.caller.number}>{turn.number}", int(turn.timestamp) // EFFECT_KEY_WINDOW_SECONDS
    return f"{numbers}@{minute}", f"{numbers}@{minute - 1}"
