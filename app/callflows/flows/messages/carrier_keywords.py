"""Detects STOP, START and HELP: the words that carriers require every number to honour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from callflows.flows.messages.message_signatures import list_unsigned_texts
from callflows.flows.messages.message_words import make_word_set, split_message_words
from callflows.flows.messages.phone_reactions import is_reaction
from callflows.flows.messages.stop_grammar import means_stop

if TYPE_CHECKING:
    from collections.abc import Iterable


CarrierKeyword: TypeAlias = Literal["stop", "start", "help"]
STOP_WORDS: Final = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"})
START_WORDS: Final = frozenset({"start", "unstop", "yes"})
HELP_WORDS: Final = frozenset({"help", "info"})
UNAMBIGUOUS_KEYWORDS: Final = frozenset({"stop", "stopall", "unsubscribe", "optout", "start", "unstop"})
"""Carrier keywords without another meaning. A rule with such a keyword customizes the confirmation and has no other use."""
_BUSINESS_KEYWORDS: Final = frozenset({"cancel", "end", "quit", "revoke", "yes", "info"})
"""Keywords that often belong to an order or an appointment: a name under ``Cancel`` may be its subject."""
_START_COMPANIONS: Final = make_word_set(
    "please pls plz now thanks thx again me us and or"
    " text texts texting txt txts txting message messages messaging msg msgs sms sending"
    " receiving getting"
)
"""Words allowed beside START without a change of meaning, as in ``Start texting me again``."""
_HELP_COMPANIONS: Final = make_word_set("please pls plz thanks thx thank you me")
"""Words allowed beside HELP after a STOP."""


class CarrierWords(NamedTuple):
    """The words that mean STOP, START and HELP, apart from their polite forms: single words, or phrases of words."""

    stop: frozenset[str] = STOP_WORDS
    start: frozenset[str] = START_WORDS
    help: frozenset[str] = HELP_WORDS

    @property
    def unambiguous(self) -> frozenset[str]:
        """Return the words for STOP and START without another meaning, words of the settings included."""
        return UNAMBIGUOUS_KEYWORDS | ((self.stop | self.start) - STOP_WORDS - START_WORDS)


DEFAULT_CARRIER_WORDS: Final = CarrierWords()
"""Keywords that carriers require every number to honour, with their synonyms."""


def extend_carrier_words(stop: Iterable[str], start: Iterable[str], help_: Iterable[str]) -> CarrierWords:
    """Return the carriers' words and those of other languages; the latter may be phrases."""
    added = ({" ".join(split_message_words(text)) for text in texts} - {""} for texts in (stop, start, help_))
    return CarrierWords(*(own | more for own, more in zip(DEFAULT_CARRIER_WORDS, added, strict=True)))


def detect_carrier_keyword(
    text: str, *, opted_out: bool, carrier_words: CarrierWords = DEFAULT_CARRIER_WORDS
) -> CarrierKeyword | None:
    """Return STOP, START or HELP if the whole text means one, apart from a signature.

    YES means START only for an opted-out sender. A phone's report of a reaction quotes a message, and means nothing.
    """
    if is_reaction(text):
        return None
    for unsigned in list_unsigned_texts(text):
        keyword = _read_keyword(unsigned.text, carrier_words, opted_out=opted_out)
        if keyword and (unsigned.has_certain_signature or not _may_be_business(unsigned.text)):
            return keyword
    return None


def _may_be_business(text: str) -> bool:
    return not _BUSINESS_KEYWORDS.isdisjoint(split_message_words(text))


def _read_keyword(text: str, carrier_words: CarrierWords, *, opted_out: bool) -> CarrierKeyword | None:
    words = _join_letters(split_message_words(text))
    alone = " ".join(words)
    known: CarrierKeyword
    for known in ("stop", "start", "help"):
        if alone in getattr(carrier_words, known) and (alone != "yes" or opted_out):
            return known
    if opted_out and " ".join(word for word in words if word not in _HELP_COMPANIONS) in carrier_words.help:
        return "help"  # nothing else of this sender is answered, so that no rule could have been meant
    if means_stop(text, carrier_words.stop - STOP_WORDS):
        return "stop"
    starts = {*words} - _START_COMPANIONS
    if starts and starts <= carrier_words.start & carrier_words.unambiguous:
        return "start"
    return None


def _join_letters(words: list[str]) -> list[str]:
    """Return one word for letters that stand alone, as in ``S T O P``."""
    return ["".join(words)] if len(words) > 1 and all(len(word) == 1 for word in words) else words
