"""Characters that XML 1.0 cannot hold: refused in what an author wrote, dropped from what a caller brought."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable


MAX_FIELD_CHARACTERS: Final = 256
"""Characters of a number, a name or an id that are looked at; nothing real is longer."""


def clean_field(value: object) -> str:
    """A field from outside as text: cleaned, and not longer than anything real."""
    if isinstance(value, str):
        return clean_text(value[:MAX_FIELD_CHARACTERS])
    if value is None or isinstance(value, (dict, list)):
        return ""
    return str(value).lower()[:MAX_FIELD_CHARACTERS]


XML_FORBIDDEN_CHARACTERS: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML cannot hold in any form."""


def clean_text(text: str) -> str:
    """``text`` without the characters that XML forbids."""
    return text if text.isprintable() else XML_FORBIDDEN_CHARACTERS.sub("", text)


MAX_SMS_CHARACTERS: Final = 918
"""Characters of a text message; documented: 1 to 918."""


def format_suggestion(word: str, candidates: Iterable[str]) -> str:
    """``did you mean 'sales'?`` where one of ``known`` is near enough, else nothing."""
    near = find_nearest(word, candidates)
    return f"did you mean {near!r}?" if near else ""


def find_nearest(word: str, candidates: Iterable[str], min_similarity: float = 0.6) -> str:
    """The one of ``known`` that is most like a word, in any case, with ``-`` or ``_``; nothing where none is ``alike``."""
    from difflib import get_close_matches  # noqa: PLC0415 - only where something is wrong already

    plain: dict[str, str] = {}
    for one in candidates:
        plain.setdefault(_fold_word(one), one)
    near = get_close_matches(_fold_word(word), plain, n=1, cutoff=min_similarity)
    return plain[near[0]] if near else ""


def _fold_word(word: str) -> str:
    return word.casefold().replace("_", "-").replace(" ", "-")
