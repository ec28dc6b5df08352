"""An inbound text message, and its interpretation before the rules of a flow: words, STOP, START and HELP."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import re
import unicodedata
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from callflows.telephony.message_entity import ARRIVED_MESSAGE_STATE, INBOUND_MESSAGE_TYPE
from callflows.telephony.phone_numbers import parse_e164
from callflows.telephony.ports import normalize_party
from callflows.telephony.turn import Turn, Variables
from callflows.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterable

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
_IGNORED_CHARACTERS: Final = re.compile(
    # Accents, and marks that enclose.
    "[\u0300-\u036f\u0488\u0489\ua670-\ua672\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
    # Invisible letters, and variation selectors.
    "\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)
_LETTERS_IN_BOXES: Final = re.compile("[\U0001f150-\U0001f169\U0001f170-\U0001f189]")
"""Letters in black circles and squares, which have no compatibility forms: 26 of each, in order."""
_LETTERLIKE_SYMBOLS: Final = re.compile("[\u2120\u2122\u3297\u3299\U0001f200-\U0001f2ff]|[\u2139\u24c2](?=\ufe0f)")
"""Symbols and emoji that Unicode's compatibility forms make letters, as the trade mark sign."""
CarrierKeyword: TypeAlias = Literal["stop", "start", "help"]
STOP_WORDS: Final = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"})
START_WORDS: Final = frozenset({"start", "unstop", "yes"})
HELP_WORDS: Final = frozenset({"help", "info"})
UNAMBIGUOUS_KEYWORDS: Final = frozenset({"stop", "stopall", "unsubscribe", "optout", "start", "unstop"})
"""Carrier keywords without another meaning. A rule with such a keyword customizes the confirmation and has no other use."""


def _split(text: str) -> frozenset[str]:
    return frozenset(text.split())


_POLITE_WORDS: Final = _split("please pls plz plse now thanks thx ty kindly immediately asap bitte danke svp merci gracias")
"""Words allowed beside every word for STOP, as in ``please cancel``."""
_POLITE_PHRASES: Final = {
    "thank you": "thanks",
    "at once": "now",
    "right now": "now",
    "por favor": "please",
    "i said": "please",
    "i repeat": "please",
    "no thanks": "thanks",
    "not interested": "thanks",
    "no thank": "thanks",
    "thanks you": "thanks",
    "i mean": "please",
    "un subscribe": "unsubscribe",
    "wrong person": "sorry",
    "best regards": "thanks",
    "kind regards": "thanks",
}
_TEXTING_WORDS: Final = _split(
    "text texts texting txt txts txting message messages messaging msg msgs sms mms sending receiving getting contacting"
)
"""Words that say what is to stop: messages."""
_STOP_COMPANIONS: Final = _split(
    "alerts all already annoying any bothering daily enough harassing omg promo promos promotion promotions re reminder"
    " reminders reply with"
    " everything forever from hello hey hi it just list mailing marketing me notifications number of ok"
    " okay promotional promotions send sorry spam spamming thank that the these this those to updates us"
    " weekly yeah yes you"
)
"""Words allowed beside STOP without a change of meaning, as in ``Please stop texting me``."""
_WISHES: Final = _split(
    "can could do get i id im like my need phone receive subscription want wanna will wish would we your"
)
"""Words of a wish, allowed beside an unambiguous word, or if the wish is about messages: ``I want to opt out``."""
_DETERMINERS: Final = _split("the this that my your")
"""Words that make a following STOP a noun, as in ``from the stop``."""
_WORDS_WITHIN_OPT_OUT: Final = _split("me us this my that number phone please")
_MAX_POLITE_WORDS: Final = 12
_STOP_SENTENCE: Final = re.compile(
    "no more (?:texts|messages|msgs|sms)"
    "|(?:do not|don ?t|never|dont you ever) (?:text|message|contact|sms|msg|write) (?:to )?(?:me|us|this number)"
    "(?: (?:again|anymore|any more|ever|ever again))?"
    "|(?:take me|take us|take this number|take my number) off(?: (?:of )?(?:your|the|this) (?:mailing |text )?lists?)?"
    "|leave (?:me|us) alone"
    "|(?:i|we) no longer (?:want|wish) (?:to (?:receive|get) )?(?:any |these |your |more |text )*(?:texts|messages|sms)"
    "|(?:(?:sorry|hi|hello) )?(?:(?:you have|you ve|you got|this is) )?(?:the |a )?wrong number(?: so)? stop"
    "|stop(?: this is| you have)?(?: the| a)? wrong number"
    "|(?:(?:i|we|id|wed) (?:want|wish|would like|d like|like) to be )?removed"
    "(?: from (?:your|the|this) (?:mailing |text )?lists?)?"
    "|(?:delete|erase|lose) (?:this number|my number)(?: from (?:your|the|this) (?:mailing |text )?lists?)?"
    "|(?:i )?(?:revoke|withdraw) (?:my )?consent(?: to (?:these |your |any |all )?(?:texts?|messages?|sms|texting))?"
    "|stop (?:it |this |texting |texting me |messaging me )?or (?:i|we|ill|well|im) (?:.{0,20} )?"
    "(?:sue|report|block|complain|lawyer|police|fcc|legal)\\b.{0,60}"
    "|remove (?:me|us|this number|my number)(?: from (?:your|the|this) (?:mailing |text )?lists?)?"
)
"""Whole texts that mean STOP without its word, apart from polite words."""
_STOP_REQUEST: Final = re.compile("(?:can|could|would|will) (?:you|u) (?:just )?stop(?: it| this| that)?")
"""Texts that mean STOP if a polite word stands with them: "can you stop" alone may be meant for a driver."""
_START_COMPANIONS: Final = _TEXTING_WORDS | _split("again me us")
"""Words allowed beside START without a change of meaning, as in ``Start texting me again``."""
_SENT_FROM: Final = (
    "sent (?:from|via|with|using|by) |get outlook for |envoy\u00e9 (?:de|depuis|avec) |enviado (?:desde|de|do|con) |"
    "inviato da|von mein\\w* \\S+ gesendet|gesendet (?:von|mit) |verzonden (?:vanaf|met|van) |verstuurd vanaf |"
    "skickat fr\u00e5n |sendt fra |wys\u0142ane z |on [^\n]{1,80} wrote:"
)
_SIGNATURE: Final = re.compile(
    f"(?i:(?:^|[\n.!?,;\u2013\u2014-]) ?(?:{_SENT_FROM})|\\bsent from my )"  # a line of a mail program
    "|\n ?(?:--|[-\u2013\u2014~]+ ?(?=\\w)|>|_{3})"  # a dash before a name, or a quoted text
    # A greeting on a line of its own, and names after an empty line.
    "|\n+(?i:(?:(?:with )?(?:best|kind|warm|many)[ ,]*)?(?:regards|wishes|thanks)|best|sincerely(?: yours)?|cheers"
    "|thank you|yours(?: truly)?|mit freundlichen gr\u00fc\u00dfen|viele gr\u00fc\u00dfe|cordialement|saludos)[ ,.!]*\n"
    "|\n\n(?=[A-Z\u00c0-\u00de][\\w.'\u2019-]*(?:[ ,\n]+[A-Z\u00c0-\u00de][\\w.'\u2019-]*){0,5}\\Z)"
    # A name at the end of the line, after a dash or a word of thanks. A day is none: "Cancel - Tuesday".
    "|(?<![ ,.!])[ ,.!]++(?:[-\u2013\u2014~]+ ?|(?i:thanks|thank you|thx|regards|cheers)[,.! ]+)"
    "(?!(?i:(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?|jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?"
    "|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?|today|tomorrow|the|my|this)\\b)"
    "(?=[A-Z\u00c0-\u00de][^\\W\\d_.'\u2019-]*[.]?(?: [A-Z\u00c0-\u00de][^\\W\\d_]*[.]?){0,2}\\Z)",
)
"""Matches the beginning of a signature under a text."""


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
    plain = _LETTERS_IN_BOXES.sub(_read_letter_in_box, text[:_MAX_TEXT_CHARACTERS])
    plain = _LETTERLIKE_SYMBOLS.sub(" ", plain)
    plain = unicodedata.normalize("NFKD", plain).casefold()
    plain = unicodedata.normalize("NFC", _IGNORED_CHARACTERS.sub("", plain))
    plain = "".join(char for char in plain if unicodedata.category(char) != "Cf")
    plain = _WORD_JOINERS.sub("", plain)
    between = "".join(" " if unicodedata.category(char)[0] in _SEPARATOR_CATEGORIES else char for char in plain)
    return between.split()[:_MAX_WORDS]


def _read_letter_in_box(found: re.Match[str]) -> str:
    code = ord(found[0])
    return chr(ord("a") + code - (0x1F170 if code >= 0x1F170 else 0x1F150))  # noqa: PLR2004 - the first of each kind


def detect_carrier_keyword(
    text: str, *, opted_out: bool, carrier_words: CarrierWords = DEFAULT_CARRIER_WORDS
) -> CarrierKeyword | None:
    """Return STOP, START or HELP if the whole text means one, apart from a signature.

    YES means START only for an opted-out sender.
    """
    known: CarrierKeyword
    for part in (text, _remove_signature(text)):
        words = _join_phrases(_join_letters(split_message_words(part)))
        alone = "".join(words) if words == ["stop", "all"] else " ".join(words)
        for known in ("stop", "start", "help"):
            if alone in getattr(carrier_words, known) and (alone != "yes" or opted_out):
                return known
        plain = " ".join(word for word in words if word not in _POLITE_WORDS)
        if _is_polite_stop(words, carrier_words) or _STOP_SENTENCE.fullmatch(plain):
            return "stop"
        if plain != " ".join(words) and _STOP_REQUEST.fullmatch(plain):
            return "stop"
        starts = {*words} - _POLITE_WORDS - _START_COMPANIONS
        if len(starts) == 1 and starts <= carrier_words.start & carrier_words.unambiguous:
            return "start"
    return None


def _remove_signature(text: str) -> str:
    """Return the text above its signature, as above ``Sent from my phone``; the text itself if there is no signature."""
    lines = (" ".join(line.split()) for line in text[:_MAX_TEXT_CHARACTERS].strip().splitlines())
    text = re.sub("\n{3,}", "\n\n", "\n".join(lines))
    found = _SIGNATURE.search(text)
    return text[: found.start()] if found else text


def _join_letters(words: list[str]) -> list[str]:
    """Return one word for letters that stand alone, as in ``S T O P``."""
    return ["".join(words)] if len(words) > 1 and all(len(word) == 1 for word in words) else words


def _join_phrases(words: list[str]) -> list[str]:
    """Replace phrases by one word: ``thank you``, and ``opt out``, also in ``opt me out``."""
    joined: list[str] = []
    for word in words:
        short = _POLITE_PHRASES.get(f"{joined[-1]} {word}") if joined else None
        joined[-1:] = [short] if short else [*joined[-1:], word]
    for first, word in enumerate(joined):
        if word in ("opt", "opting") and "out" in joined[first:]:
            last = joined.index("out", first)
            between = joined[first + 1 : last]
            if {*between} <= _WORDS_WITHIN_OPT_OUT:
                return [*joined[:first], "optout", *between, *joined[last + 1 :]]
    return joined


def _is_polite_stop(words: list[str], carrier_words: CarrierWords) -> bool:
    """Return True if a text contains a word for STOP and, apart from polite words, no others.

    How many other words are allowed depends on how clear the word is: ``cancel it`` may be an appointment.
    """
    stop_words = {*words} & carrier_words.stop
    if not stop_words or len(words) > _MAX_POLITE_WORDS:
        return False
    pairs = [*itertools.pairwise(words)]
    if ("end", "of") in pairs or any(word in ("stop", "end") and before in _DETERMINERS for before, word in pairs):
        return False
    allowed = stop_words | _POLITE_WORDS
    about_messages = bool({*words} & _TEXTING_WORDS)
    if about_messages or stop_words & carrier_words.unambiguous:
        allowed |= _STOP_COMPANIONS | _TEXTING_WORDS
    if about_messages or stop_words & carrier_words.unambiguous - {"stop"}:
        allowed |= _WISHES
    return {*words} <= allowed


_QUOTED: Final = '["\u201c\u201d\u201e\u00ab\u00bb\u300c].*["\u201c\u201d\u00ab\u00bb\u300d]'
_REACTION: Final = re.compile(
    # Apple: Liked “Hi”, Loved an image, Removed a heart from “Hi”, Reacted 😂 to “Hi”.
    "(?:liked|loved|disliked|laughed at|emphasi[sz]ed|questioned|reacted .{1,40}? to|removed .{1,40}? (?:from|to))"
    f" (?:{_QUOTED}|(?:an?|the|your|\\d+) (?:animated |audio |voice |digital )?(?:image|photo|picture|movie|video|audio"
    "|message|memo|sticker|gif|attachment|link|location|contact|file|memoji|pdf|document|touch)s?)"
    # Android: 👍 to “Hi”, Reacted to “Hi” with 👍.
    f"|(?:[^\\w\\s]{{1,40}}|reacted) to {_QUOTED}(?: with [^\\w\\s]{{1,40}})?"
    # Words, an emoji and a short word before the text, as in Reageerde met 👍 op “Hi”, A réagi 👍 à « Hi ».
    f"|(?:\\w+ ){{1,3}}(?:[^\\w\\s]{{1,40}}) \\w{{1,3}} {_QUOTED}"
    # The words of Apple in other languages.
    "|(?:(?:a|n.a pas) (?:aimé|adoré|ri (?:de|à)|souligné|réagi .{1,40}? à)|a mis en évidence|s.est interrogée? sur|hat"
    "|gefällt|liebt|lacht über|betont|bezweifelt|(?:no )?le (?:gustó|encantó|dio risa|gusta|encanta)|se rió de|enfatizó"
    "|cuestionó|reaccionó .{1,40}? a|me (?:gusta|encanta)|(?:não )?gostou de|adorou|curtiu|amou|riu de|enfatizou|questionou"
    f"|ha messo .{{1,40}}? a|non ha gradito|vond|vindt|gillade|\u00e4lskade|likte|elsket|syntes godt om"
    "|polubi\u0142(?:\\(a\\)|a)?|понравилось"
    f") {_QUOTED}(?: (?:geliked|geliebt|leuk|geweldig|grappig|markiert))?",
    re.IGNORECASE | re.DOTALL,
)
"""Matches the texts that phones send if somebody taps a reaction to a message."""


def is_reaction(text: str) -> bool:
    """Return True if a phone wrote the text because somebody tapped a reaction, as in ``Liked “See you”``."""
    plain = "".join(char for char in text[:_MAX_TEXT_CHARACTERS] if unicodedata.category(char) != "Cf")
    return bool(_REACTION.fullmatch(" ".join(plain.split())))


def can_receive_replies(sender: str) -> bool:
    """Return True if a sender can get a reply.

    Short codes and names belong to machines: no person reads a reply, a reply may cost money, and a word in the reply may
    subscribe to a service.
    """
    return bool(parse_e164(sender)) and len(sender.lstrip("+")) > _MAX_SHORT_CODE_DIGITS


_MAX_SHORT_CODE_DIGITS: Final = 6
"""Length of the longest short code."""
