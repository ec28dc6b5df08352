"""Opentact's text message object, as in events, webhooks and REST answers."""

from __future__ import annotations

import dataclasses
from typing import Final

from callflows.telephony.platform_entity import PlatformEntity
from callflows.text import clean_field, clean_text

INBOUND_MESSAGE_TYPE: Final = "smsi"
OUTBOUND_MESSAGE_TYPE: Final = "smso"
_INBOUND_TYPES: Final = frozenset({INBOUND_MESSAGE_TYPE, "smsr"})
"""platform: only the name of ``smsr`` is documented."""
ARRIVED_MESSAGE_STATE: Final = "success"
"""The state of a message that has arrived completely."""


@dataclasses.dataclass(frozen=True, slots=True)
class MessageEntity(PlatformEntity):
    """A text message; ``from_`` and ``to`` are numbers as Opentact writes numbers."""

    @property
    def type(self) -> str:
        """``smso`` if sent, ``smsi`` if received, or empty: callbacks have no type."""
        return self._read_text("type")

    @property
    def direction(self) -> str:
        """``in``, ``out``, or empty if unknown."""
        return "out" if self.type == OUTBOUND_MESSAGE_TYPE else "in" if self.type in _INBOUND_TYPES else ""

    @property
    def from_(self) -> str:
        return self._read_text("from")

    @property
    def to(self) -> str:
        return self._read_text("to")

    @property
    def text(self) -> str:
        """The complete text."""
        message = self.raw.get("message")
        return clean_text(message) if isinstance(message, str) else clean_field(message)

    @property
    def thread(self) -> str:
        return self._read_text("thread")

    @property
    def state(self) -> str:
        return self._read_text("state")

    @property
    def delivered(self) -> bool | None:
        delivered = self.raw.get("delivered")
        return delivered if isinstance(delivered, bool) else None

    @property
    def automated(self) -> bool:
        """True if a machine wrote the message; a form has the word ``true`` or a 1."""
        return str(self.raw.get("automated")).lower() in ("true", "1")

    @property
    def reason(self) -> str:
        """The reason of a failure."""
        return self._read_text("reason")
