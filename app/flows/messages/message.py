"""A text message that came in, and what is known of it before any flow looks: its words, STOP, START and HELP."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import unicodedata
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from app.calls import Turn
from app.characters import clean
from app.consent import party
from app.kept import Values
from app.numbers import e164

if TYPE_CHECKING:
    from collections.abc import Mapping

INBOUND: Final = "smsi"
"""The type of messages to us; ``smso`` are ours, of ``smsr`` nothing is documented."""
ARRIVED: Final = "success"
"""The state of a message that has arrived whole."""
_LONGEST: Final = 5_000
"""Characters of a text that are looked at."""
_WINDOW: Final = 60
"""Seconds within which the same text between the same numbers is one message, where Opentact gives it no uuid."""
_MANY: Final = 500
"""Words of a text that are looked at."""
_INSIDE: Final = re.compile("(?<=\\w)['\u2019\u2018`\u00b4\\-\u2010\u2011]+(?=\\w)|(?<=\\b\\w)[.](?=\\w\\b)")
"""Joins the parts of a word, as in ``opt-out``, ``what's`` and ``S.T.O.P``."""
_SEPARATE: Final = frozenset("PSZC")
"""The categories of characters that stand between words."""
_ACCENTS: Final = re.compile("[\u0300-\u036f]")

Said: TypeAlias = Literal["stop", "start", "help"]
STOP: Final = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"})
START: Final = frozenset({"start", "unstop", "yes"})
HELP: Final = frozenset({"help", "info"})
PLAINLY: Final = frozenset({"stop", "stopall", "unsubscribe", "optout", "start", "unstop"})
"""Those of them that mean nothing else: a rule with such a word has the text of a confirmation, and no other use."""
SAID: Final[Mapping[Said, frozenset[str]]] = {"stop": STOP, "start": START, "help": HELP}
"""What carriers want every number to honour, with the words for it."""
_POLITE: Final = frozenset({"please", "pls", "now", "thanks"})
_POLITE_TO_STOP: Final = _POLITE | {
    "all", "it", "from", "me", "message", "messages", "messaging", "number", "sending", "sms", "text", "texting", "texts",
    "thank", "these", "this", "to", "you",
}  # fmt: skip
"""Words beside which STOP still means that nothing is wanted any more, as in ``Please stop texting me``."""
_POLITE_MOST: Final = 8


@dataclasses.dataclass(frozen=True, slots=True)
class Message:
    """A text message as Opentact tells of it, by its own names.

    ``type`` is ``smsi`` for one to us, ``state`` is ``success`` when it has arrived; ``automated`` whether a machine wrote
    it; ``at`` is when it came, in seconds since 1970.
    """

    uuid: str
    from_: str
    to: str
    text: str
    at: float
    type: str = INBOUND
    state: str = ARRIVED
    automated: bool = False

    @property
    def id(self) -> str:
        """The uuid; where there is none, one that the same text has again within a minute."""
        if self.uuid:
            return self.uuid
        said = f"{self.sender}>{self.number}@{int(self.at) // _WINDOW}#{self.text}"
        return hashlib.blake2b(said.encode("utf-8", "replace"), digest_size=16).hexdigest()

    @property
    def number(self) -> str:
        """The number of ours, in E.164."""
        return party(self.to)

    @property
    def sender(self) -> str:
        """Who wrote: E.164, else a short code or a name."""
        return party(self.from_)

    def turn(self) -> Turn:
        """The message as expressions see it."""
        words = words_of(self.text)
        seen = {"text": clean(self.text[:_LONGEST]), "keyword": words[0] if words else "", "words": words}
        turn = Turn({"from": self.from_, "to": self.to}, base=str, clock=self.at)
        turn.kept = Values({"message": seen})
        turn.begin()
        return turn


def message_of(entity: Mapping[str, Any], at: float) -> Message:
    """The message that an entity of Opentact's tells of (an event's, a callback's); ``at`` is when it came.

    platform: a callback has at least ``state, from, to, message``; of a missing type it is taken that it came to us.
    """
    said = {name: str(entity.get(name) or "") for name in ("uuid", "from", "to", "message", "type", "state")}
    return Message(
        uuid=said["uuid"],
        from_=said["from"],
        to=said["to"],
        text=said["message"],
        at=at,
        type=said["type"] or INBOUND,
        state=said["state"],
        automated=entity.get("automated") is True or str(entity.get("automated")).lower() in ("true", "1"),
    )


def words_of(text: str) -> list[str]:
    """The words of a text in small letters, without accents, signs and what cannot be seen; ``Opt-out!`` is ``optout``."""
    plain = unicodedata.normalize("NFKD", text[:_LONGEST]).casefold()
    plain = unicodedata.normalize("NFC", _ACCENTS.sub("", plain))
    plain = "".join(char for char in plain if unicodedata.category(char) != "Cf")
    plain = _INSIDE.sub("", plain)
    between = "".join(" " if unicodedata.category(char)[0] in _SEPARATE else char for char in plain)
    return between.split()[:_MANY]


def said_by(text: str, *, opted_out: bool) -> Said | None:
    """Whether a text as a whole says STOP, START or HELP; a YES is a START only to whoever is opted out."""
    words = words_of(text)
    if not words:
        return None
    alone = "".join(words) if words in (["opt", "out"], ["stop", "all"]) else words[0] if len(words) == 1 else ""
    for said, known in SAID.items():
        if alone in known and (alone != "yes" or opted_out):
            return said
    return "stop" if _politely(words) else None


def _politely(words: list[str]) -> bool:
    """Whether a text says STOP, and beside it nothing else."""
    said = {*words}
    if len(words) > _POLITE_MOST or not STOP & said:
        return False
    return said <= STOP | (_POLITE_TO_STOP if STOP & PLAINLY & said else _POLITE)


def is_person(sender: str) -> bool:
    """Whether somebody can be written back to.

    Short codes and names belong to machines: nobody reads an answer, it may cost, and a word in it may subscribe.
    """
    return bool(e164(sender)) and len(sender.lstrip("+")) > _SHORT


_SHORT: Final = 6
"""Digits of the longest short code."""
