"""Splits a text message into plain words."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

MAX_MESSAGE_CHARACTERS: Final = 5_000
"""Further characters of a text are ignored."""
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


def make_word_set(words: str) -> frozenset[str]:
    """Return the words of a text that has spaces between them."""
    return frozenset(words.split())


def split_message_words(text: str) -> list[str]:
    """Return the words of a text in lower case, without accents, punctuation and invisible characters.

    ``Opt-out!`` is ``optout``.
    """
    plain = _LETTERS_IN_BOXES.sub(_read_letter_in_box, text[:MAX_MESSAGE_CHARACTERS])
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
