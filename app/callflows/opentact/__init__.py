"""The platform as a client: its REST API (``Opentact``) and its events (``Events``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from callflows.opentact.event_stream import EventStream
    from callflows.opentact.rest_api import OpentactClient

__all__ = ["EventStream", "OpentactClient"]


def __getattr__(name: str) -> object:
    """What loads httpx and websockets is imported when it is used."""
    if name == "OpentactClient":
        from callflows.opentact.rest_api import OpentactClient  # noqa: PLC0415 - as said

        return OpentactClient
    if name == "EventStream":
        from callflows.opentact.event_stream import EventStream  # noqa: PLC0415 - as said

        return EventStream
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
