"""Public API for flow authors: the verbs, document reading and writing, and the decorator for Python flows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callflows.language import (
    DTMF,
    Answer,
    Call,
    Callback,
    Command,
    Curl,
    Default,
    Dial,
    Error,
    Gather,
    Geo,
    Hangup,
    Hold,
    Meta,
    Pause,
    Play,
    Record,
    RecordStart,
    RecordStop,
    RecordWait,
    Redirect,
    Reject,
    Response,
    Say,
    Schedule,
    To,
    Tone,
    Unhold,
    from_xml,
    to_xml,
)

if TYPE_CHECKING:
    from callflows.flows.python_flow import flow
    from callflows.telephony.turn import Turn

__all__ = [
    "DTMF",
    "Answer",
    "Call",
    "Callback",
    "Command",
    "Curl",
    "Default",
    "Dial",
    "Error",
    "Gather",
    "Geo",
    "Hangup",
    "Hold",
    "Meta",
    "Pause",
    "Play",
    "Record",
    "RecordStart",
    "RecordStop",
    "RecordWait",
    "Redirect",
    "Reject",
    "Response",
    "Say",
    "Schedule",
    "To",
    "Tone",
    "Turn",
    "Unhold",
    "flow",
    "from_xml",
    "to_xml",
]


def __getattr__(name: str) -> object:
    """Import ``flow`` and ``Turn`` lazily, because only Python flows need both."""
    if name == "flow":
        from callflows.flows.python_flow import flow  # noqa: PLC0415 - only Python flows need it

        return flow
    if name == "Turn":
        from callflows.telephony.turn import Turn  # noqa: PLC0415 - only Python flows need it

        return Turn
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
