"""An inbound text message: its parties, its words for expressions, and who can get a reply."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING, Final

from callflows.flows.messages.message_words import MAX_MESSAGE_CHARACTERS, split_message_words
from callflows.telephony.message_entity import ARRIVED_MESSAGE_STATE, INBOUND_MESSAGE_TYPE
from callflows.telephony.phone_numbers import parse_e164
from callflows.telephony.ports import normalize_party
from callflows.telephony.turn import Turn, Variables
from callflows.text import clean_text

if TYPE_CHECKING:
    from callflows.telephony.message_entity import MessageEntity


_SAME_MESSAGE_SECONDS: Final = 60
"""Time within which equal texts between the same numbers are one message, if Opentact gives no uuid."""


@dataclasses.dataclass(frozen=True, slots=True)
class TextMessage:
    """A text message, with the field names of Opentact.

    ``type`` is ``smsi`` for inbound messages; ``state`` is ``success`` after arrival. ``automated``: a machine wrote the
    message. ``received_at`` is in seconds since 1970.
    """

    uuid: str
    from_: str
    to: str
    text: str
    received_at: float
    type: str = INBOUND_MESSAGE_TYPE
    state: str = ARRIVED_MESSAGE_STATE
    automated: bool = False

    @property
    def id(self) -> str:
        """Return the uuid, or a hash of parties, text and minute if the uuid is missing."""
        if self.uuid:
            return self.uuid
        identity = f"{self.sender}>{self.number}@{int(self.received_at) // _SAME_MESSAGE_SECONDS}#{self.text}"
        return hashlib.blake2b(identity.encode("utf-8", "replace"), digest_size=16).hexdigest()

    @property
    def number(self) -> str:
        """Return our number, in E.164."""
        return normalize_party(self.to)

    @property
    def sender(self) -> str:
        """Return the sender: E.164, a short code or a name."""
        return normalize_party(self.from_)

    def make_turn(self) -> Turn:
        """Return a turn for evaluating expressions about the message."""
        words = split_message_words(self.text)
        seen = {
            "text": clean_text(self.text[:MAX_MESSAGE_CHARACTERS]),
            "keyword": words[0] if words else "",
            "words": words,
        }
        turn = Turn({"from": self.from_, "to": self.to}, get_base_url=str, clock=self.received_at)
        turn.earlier_values = Variables({"message": seen})
        turn.reset_progress()
        return turn


def parse_text_message(entity: MessageEntity, received_at: float, message_type: str = INBOUND_MESSAGE_TYPE) -> TextMessage:
    """Make a message from an entity of Opentact, in an event or a callback.

    platform: a callback has at least ``state, from, to, message``, so ``message_type`` is for a message without type.
    """
    return TextMessage(
        uuid=entity.uuid,
        from_=entity.from_,
        to=entity.to,
        text=entity.text,
        received_at=received_at,
        type=entity.type or message_type,
        state=entity.state,
        automated=entity.automated,
    )


def can_receive_replies(sender: str) -> bool:
    """Return True if a sender can get a reply.

    Short codes and names belong to machines: no person reads a reply, a reply may cost money, and a word in the reply may
    subscribe to a service.
    """
    return bool(parse_e164(sender)) and len(sender.lstrip("+")) > _MAX_SHORT_CODE_DIGITS


_MAX_SHORT_CODE_DIGITS: Final = 6
"""Length of the longest short code."""
