"""Detects the texts that phones send if somebody taps a reaction to a message."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from callflows.flows.messages.message_words import MAX_MESSAGE_CHARACTERS

_QUOTED: Final = (
    "[\"'\u2018\u201a\u201c\u201d\u201e\u00ab\u00bb\u300c\u300e].*[\"'\u2019\u2018\u201c\u201d\u00ab\u00bb\u300d\u300f]"
)
_TO: Final = "to|an?|\u00e0|au|auf|zu|op|naar|na|em|para|\u043d\u0430|til|till|p\u00e5|al|su|do|per|sur|in|en"
"""Words of several languages between an emoji and the message."""
_REACTION: Final = re.compile(
    # Apple: Liked “Hi”, Loved an image, Removed a heart from “Hi”, Reacted 😂 to “Hi”.
    "(?:liked|loved|disliked|laughed at|emphasi[sz]ed|questioned|reacted .{1,40}? to|removed .{1,40}? (?:from|to))"
    f" (?:{_QUOTED}|(?:an?|the|your|\\d+) (?:animated |audio |voice |digital )?(?:image|photo|picture|movie|video|audio"
    "|message|memo|sticker|gif|attachment|link|location|contact|file|memoji|pdf|document|touch)s?)"
    # Android: 👍 to “Hi”, Reacted to “Hi” with 👍.
    f"|(?:[^\\w\\s]{{1,40}}|reacted) (?:{_TO}) {_QUOTED}(?: with [^\\w\\s]{{1,40}})?"
    # Words, an emoji and a short word before the text, as in Reageerde met 👍 op “Hi”, A réagi 👍 à « Hi ».
    f"|(?:\\w+ ){{1,3}}(?:[^\\w\\s]{{1,40}}) \\w{{1,3}} {_QUOTED}(?: reagiert)?"
    # The words of Apple in other languages.
    "|(?:(?:a|n.a pas) (?:aimé|adoré|ri (?:de|à)|souligné|réagi .{1,40}? à)|a mis en évidence|s.est interrogée? sur|hat"
    "|gefällt|liebt|lacht über|betont|bezweifelt|(?:no )?le (?:gustó|encantó|dio risa|gusta|encanta)|se rió de|enfatizó"
    "|cuestionó|reaccionó .{1,40}? a|me (?:gusta|encanta)|(?:não )?gostou de|adorou|curtiu|amou|riu de|enfatizou|questionou"
    f"|ha messo .{{1,40}}? a"
    "|mi piace|te (?:gust\u00f3|encant\u00f3)|non ha gradito|vond|vindt|gillade|\u00e4lskade|likte|elsket|syntes godt om"
    "|polubi\u0142(?:\\(a\\)|a)?|понравилось"
    f") {_QUOTED}(?: (?:geliked|geliebt|leuk|geweldig|grappig|markiert))?",
    re.IGNORECASE | re.DOTALL,
)
"""Matches the texts that phones send if somebody taps a reaction to a message."""


def is_reaction(text: str) -> bool:
    """Return True if a phone wrote the text because somebody tapped a reaction, as in ``Liked “See you”``."""
    plain = "".join(char for char in text[:MAX_MESSAGE_CHARACTERS] if unicodedata.category(char) != "Cf")
    return bool(_REACTION.fullmatch(" ".join(plain.split())))
