"""The platform as a client: its REST API (``Opentact``) and its events (``Events``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.opentact.api import Opentact
    from app.opentact.events import Events

__all__ = ["Events", "Opentact"]


def __getattr__(name: str) -> object:
    """What loads httpx and websockets is imported when it is used."""
    if name == "Opentact":
        from app.opentact.api import Opentact  # noqa: PLC0415 - as said

        return Opentact
    if name == "Events":
        from app.opentact.events import Events  # noqa: PLC0415 - as said

        return Events
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
