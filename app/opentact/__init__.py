"""The platform as a client: its REST API (``Opentact``) and its events (``Events``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.opentact.api import OpentactClient
    from app.opentact.events import EventStream

__all__ = ["EventStream", "OpentactClient"]


def __getattr__(name: str) -> object:
    """What loads httpx and websockets is imported when it is used."""
    if name == "OpentactClient":
        from app.opentact.api import OpentactClient  # noqa: PLC0415 - as said

        return OpentactClient
    if name == "EventStream":
        from app.opentact.events import EventStream  # noqa: PLC0415 - as said

        return EventStream
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
