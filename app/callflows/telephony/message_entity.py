"""Opentact's text message object, as in events, webhooks and REST answers."""

from __future__ import annotations

import dataclasses
from typing import Final

from callflows.telephony.platform_entity import PlatformEntity
from callflows.text import clean_field, clean_text

INBOUND_MESSAGE_TYPE: Final = "smsi"
OUTBOUND_MESSAGE_TYPE: Final = "smso"
RECEIPT_MESSAGE_TYPE: Final = "smsr"
"""Type of Opentact's receipt of a message to be sent, as in the answer of a request that sends one."""
_MESSAGE_DIRECTIONS: Final = {INBOUND_MESSAGE_TYPE: "in", OUTBOUND_MESSAGE_TYPE: "out", RECEIPT_MESSAGE_TYPE: "out"}
ARRIVED_MESSAGE_STATE: Final = "success"
"""The state of a message that has arrived completely."""


@dataclasses.dataclass(frozen=True, slots=True)
class MessageEntity(PlatformEntity):
    """A text message; ``from_`` and ``to`` are numbers as Opentact writes numbers."""

    @property
    def type(self) -> str:
        """``smso`` if sent, ``smsi`` if received, ``smsr`` for the receipt of a sent one, or empty as in callbacks."""
        return self._read_text("type")

    @property
    def direction(self) -> str:
        """``in``, ``out``, or empty if unknown."""
        return _MESSAGE_DIRECTIONS.get(self.type, "")

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
