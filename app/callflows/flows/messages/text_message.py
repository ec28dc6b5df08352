"""An inbound text message, and its interpretation before the rules of a flow: words, STOP, START and HELP."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import unicodedata
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from callflows.telephony.message_entity import ARRIVED_MESSAGE_STATE, INBOUND_MESSAGE_TYPE
from callflows.telephony.phone_numbers import parse_e164
from callflows.telephony.ports import normalize_party
from callflows.telephony.turn import Turn, Variables
from callflows.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callflows.telephony.message_entity import MessageEntity


_MAX_TEXT_CHARACTERS: Final = 5_000
"""Further characters of a text are ignored."""
_SAME_MESSAGE_SECONDS: Final = 60
"""Time within which equal texts between the same numbers are one message, if Opentact gives no uuid."""
_MAX_WORDS: Final = 500
"""Further words of a text are ignored."""
_WORD_JOINERS: Final = re.compile("(?<=\\w)['\u2019\u2018`\u00b4\\-\u2010\u2011]+(?=\\w)|(?<=\\b\\w)[.](?=\\w\\b)")
"""Matches signs inside a word, as in ``opt-out``, ``what's`` and ``S.T.O.P``."""
_SEPARATOR_CATEGORIES: Final = frozenset("PSZC")
"""Major Unicode categories of characters between words."""
_ACCENTS: Final = re.compile("[\u0300-\u036f]")
CarrierKeyword: TypeAlias = Literal["stop", "start", "help"]
STOP_WORDS: Final = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"})
START_WORDS: Final = frozenset({"start", "unstop", "yes"})
HELP_WORDS: Final = frozenset({"help", "info"})
UNAMBIGUOUS_KEYWORDS: Final = frozenset({"stop", "stopall", "unsubscribe", "optout", "start", "unstop"})
"""Carrier keywords without another meaning. A rule with such a keyword customizes the confirmation and has no other use."""
CARRIER_KEYWORDS: Final[Mapping[CarrierKeyword, frozenset[str]]] = {
    "stop": STOP_WORDS,
    "start": START_WORDS,
    "help": HELP_WORDS,
}
"""Keywords that carriers require every number to honour, with their synonyms."""
_POLITE_WORDS: Final = frozenset({"please", "pls", "now", "thanks"})
_POLITE_STOP_WORDS: Final = _POLITE_WORDS | {
    "all", "it", "from", "me", "message", "messages", "messaging", "number", "sending", "sms", "text", "texting", "texts",
    "thank", "these", "this", "to", "you",
}  # fmt: skip
"""Words allowed beside STOP without a change of meaning, as in ``Please stop texting me``."""
_MAX_POLITE_WORDS: Final = 8


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
        said = f"{self.sender}>{self.number}@{int(self.received_at) // _SAME_MESSAGE_SECONDS}#{self.text}"
        return hashlib.blake2b(said.encode("utf-8", "replace"), digest_size=16).hexdigest()

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
        seen = {"text": clean_text(self.text[:_MAX_TEXT_CHARACTERS]), "keyword": words[0] if words else "", "words": words}
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


def split_message_words(text: str) -> list[str]:
    """Return the words of a text in lower case, without accents, punctuation and invisible characters.

    ``Opt-out!`` is ``optout``.
    """
    plain = unicodedata.normalize("NFKD", text[:_MAX_TEXT_CHARACTERS]).casefold()
    plain = unicodedata.normalize("NFC", _ACCENTS.sub("", plain))
    plain = "".join(char for char in plain if unicodedata.category(char) != "Cf")
    plain = _WORD_JOINERS.sub("", plain)
    between = "".join(" " if unicodedata.category(char)[0] in _SEPARATOR_CATEGORIES else char for char in plain)
    return between.split()[:_MAX_WORDS]


def detect_carrier_keyword(text: str, *, opted_out: bool) -> CarrierKeyword | None:
    """Return STOP, START or HELP if the whole text means one; YES means START only for an opted-out sender."""
    words = split_message_words(text)
    if not words:
        return None
    alone = "".join(words) if words in (["opt", "out"], ["stop", "all"]) else words[0] if len(words) == 1 else ""
    for said, known in CARRIER_KEYWORDS.items():
        if alone in known and (alone != "yes" or opted_out):
            return said
    return "stop" if _is_polite_stop(words) else None


def _is_polite_stop(words: list[str]) -> bool:
    """Return whether a text contains STOP and, apart from polite words, no others."""
    said = {*words}
    if len(words) > _MAX_POLITE_WORDS or not STOP_WORDS & said:
        return False
    return said <= STOP_WORDS | (_POLITE_STOP_WORDS if STOP_WORDS & UNAMBIGUOUS_KEYWORDS & said else _POLITE_WORDS)


def can_receive_replies(sender: str) -> bool:
    """Return whether a sender can get a reply.

    Short codes and names belong to machines: no person reads a reply, a reply may cost money, and a word in the reply may
    subscribe to a service.
    """
    return bool(parse_e164(sender)) and len(sender.lstrip("+")) > _MAX_SHORT_CODE_DIGITS


_MAX_SHORT_CODE_DIGITS: Final = 6
"""Length of the longest short code."""
