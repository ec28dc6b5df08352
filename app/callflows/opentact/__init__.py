"""The client of the platform: the REST API (``OpentactClient``) and the events (``EventStream``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from callflows.opentact.event_stream import EventStream
    from callflows.opentact.rest_api import OpentactClient

__all__ = ["EventStream", "OpentactClient"]


def __getattr__(name: str) -> object:
    """Import httpx and websockets on first use only."""
    if name == "OpentactClient":
        from callflows.opentact.rest_api import OpentactClient  # noqa: PLC0415 - imported on first use

        return OpentactClient
    if name == "EventStream":
        from callflows.opentact.event_stream import EventStream  # noqa: PLC0415 - imported on first use

        return EventStream
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
