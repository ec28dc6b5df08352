"""The client of the platform: the REST API (``Opentact``) and the events (``EventStream``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from callflows.opentact.event_stream import EventStream
    from callflows.opentact.rest_api import Opentact

__all__ = ["EventStream", "Opentact"]


def __getattr__(name: str) -> object:
    """Import httpx and websockets on first use only."""
    if name == "Opentact":
        from callflows.opentact.rest_api import Opentact  # noqa: PLC0415 - imported on first use

        return Opentact
    if name == "EventStream":
        from callflows.opentact.event_stream import EventStream  # noqa: PLC0415 - imported on first use

        return EventStream
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
