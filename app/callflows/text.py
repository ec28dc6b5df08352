"""Cleaning of text for XML 1.0 and for the terminal, and suggestions for misspelled words.

Forbidden characters are refused in an author's text, and removed from data of a request.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import itertools
import re
import unicodedata
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from datetime import date


MAX_FIELD_CHARACTERS: Final = 256
"""Characters of a number, a name or an id to keep; real values are shorter."""


def clean_field(value: object) -> str:
    """Convert a text or an integer to clean text of at most ``MAX_FIELD_CHARACTERS``; any other value becomes ""."""
    if isinstance(value, str):
        return clean_text(value[:MAX_FIELD_CHARACTERS])
    # Opentact writes numbers as integers in some places, as in "tn": 12015550123.
    return str(value)[:MAX_FIELD_CHARACTERS] if isinstance(value, int) and not isinstance(value, bool) else ""


XML_FORBIDDEN_CHARACTERS: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters forbidden in XML 1.0 in any form, escaped ones included."""


def clean_text(text: str) -> str:
    """Return ``text`` without the characters forbidden in XML."""
    return text if text.isprintable() else XML_FORBIDDEN_CHARACTERS.sub("", text)


def replace_unprintable(text: str, allowed: str = "") -> str:
    """Replace each character that could control a terminal or break a line by a space, except those in ``allowed``."""
    return "".join(sign if sign.isprintable() or sign in allowed else " " for sign in text)


def format_date(moment: date, pattern: str) -> str:
    """Return a moment by the pattern of strftime, in which ``{day}`` is the day of the month without a zero."""
    return moment.strftime(pattern.replace("{day}", str(moment.day)))  # %-d is unknown to Windows


def has_crlf_lines(text: str) -> bool:
    """Return whether all lines end with CRLF, as programs on Windows write them."""
    return "\n" in text and text.count("\r\n") == text.count("\n")


MAIL_ADDRESS_PATTERN: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+){0,20}")
"""An address of a mail in ASCII, without a name."""
MAX_SMS_CHARACTERS: Final = 918
"""Characters of a text message; documented: 1 to 918, six parts of 153."""


class Suggestion(str):
    """A fix that names the word that was probably meant: ``did you mean 'sales'?``. Empty if ``word`` is empty."""

    __slots__ = ("word",)
    word: str

    def __new__(cls, word: str) -> Self:
        suggestion = super().__new__(cls, f"did you mean {word!r}?" if word else "")
        suggestion.word = word
        return suggestion

    def __getnewargs__(self) -> tuple[str]:
        # For copies and pickles, which would make a suggestion of the whole text.
        return (self.word,)


def split_error(error: Exception) -> tuple[str, str]:
    """Return the message and the fix of an error: its first argument, and the second one or an empty text."""
    message, *fixes = error.args or ("",)
    return str(message), str(fixes[0]) if fixes else ""


def format_host(host: str) -> str:
    """Format a host as it stands in a URL: an IPv6 address in brackets."""
    return f"[{host}]" if host.count(":") > 1 else host


def format_address(host: str, port: int) -> str:
    """Format the address of a server: 127.0.0.1:8000, [::1]:8000."""
    return f"{format_host(host)}:{port}"


def format_suggestion(word: str, candidates: Iterable[str], min_similarity: float = 0.6) -> Suggestion:
    """Return ``did you mean 'sales'?`` if a candidate is similar, or is a part of the word (max of max_length)."""
    known = [*itertools.islice(candidates, _MAX_CANDIDATES)]
    sure = find_nearest(word, known, _SURE_SIMILARITY) or _find_part(word, known)
    return Suggestion(sure or find_nearest(word, known, min_similarity))


def _find_part(word: str, candidates: Iterable[str]) -> str:
    """Return the longest candidate contained in the word as whole parts, as ``no_answer`` in no-answer-node."""
    folded = f"-{_fold_word(word)}-"
    parts = [one for one in candidates if len(one) >= _MIN_PART_CHARACTERS and f"-{_fold_word(one)}-" in folded]
    return max(parts, key=len, default="") if len(word) <= _MAX_WORD_CHARACTERS else ""


def suggest_list(text: str, is_item: Callable[[str], object], written: Callable[[str], str] = str) -> str:
    """Return ``several are a list: [a, b]`` for a text of several items, however they are separated; else "".

    ``written`` returns an item as the list must have it.
    """
    for separator in (_LIST_SEPARATOR, _SPACES):
        parts = [part for part in separator.split(text.strip()) if part]
        if len(parts) > 1 and all(map(is_item, parts)):
            return f"several are a list: [{', '.join(written(part) for part in parts)}]"
    return ""


_LIST_SEPARATOR: Final = re.compile(r"(?:(?<!\s)\s++)?[,;/|&]\s*|(?<!\s)\s++(?:and|or)\s+")
_SPACES: Final = re.compile(r"\s+")
_SURE_SIMILARITY: Final = 0.8
"""A less similar word is less probable than one that is a whole part of the word: goto_node is rather goto than tone."""
_MIN_PART_CHARACTERS: Final = 3


@contextlib.contextmanager
def limit_comparisons(comparisons: int) -> Iterator[None]:
    """Suggest nothing more after so many comparisons of words: a file may have thousands of mistakes."""
    token = _comparisons_left.set([comparisons])
    try:
        yield
    finally:
        _comparisons_left.reset(token)


_comparisons_left: Final[contextvars.ContextVar[list[int] | None]] = contextvars.ContextVar("comparisons", default=None)


def find_nearest(word: str, candidates: Iterable[str], min_similarity: float = 0.6) -> str:
    """Return the most similar candidate, ignoring case and ``-`` or ``_``; "" if all are below ``min_similarity`` (0-1)."""
    # The comparison takes time by the product of both lengths. Misspelt words are short; longer text is no such word.
    if len(word) > _MAX_WORD_CHARACTERS:
        return ""
    known = [*itertools.islice(candidates, _MAX_CANDIDATES)]
    budget = _comparisons_left.get()
    if budget is not None:
        budget[0] -= len(known)
        if budget[0] < 0:
            return ""
    return _find_nearest_word(word, tuple(one for one in known if len(one) <= _MAX_WORD_CHARACTERS), min_similarity)


@functools.lru_cache(maxsize=128)  # one file may repeat a mistake thousands of times
def _find_nearest_word(word: str, candidates: tuple[str, ...], min_similarity: float) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only needed for error messages

    plain: dict[str, str] = {}
    for one in candidates:
        plain.setdefault(_fold_word(one), one)
    folded = _fold_word(word)
    near = get_close_matches(folded, plain, n=3, cutoff=min_similarity)
    # If several are equally similar, one with the same letters is best: two letters were swapped.
    swapped = [one for one in near if sorted(one) == sorted(folded)]
    return plain[(swapped or near)[0]] if near else ""


def format_known_words(words: Collection[str]) -> str:
    """Return ``there are sales, support``, with the first ones of many."""
    return f"there are {format_first_items(words, _MAX_LISTED_WORDS)}"


def format_first_items(items: Collection[str], limit: int = 5) -> str:
    """Return ``a, b and 3 more``: all items, or the first ones of many and the number of the others."""
    shown = ", ".join(itertools.islice(items, limit))
    return f"{shown} and {len(items) - limit} more" if len(items) > limit else shown


_MAX_WORD_CHARACTERS: Final = 100
_MAX_CANDIDATES: Final = 5000
_MAX_LISTED_WORDS: Final = 60


def _fold_word(word: str) -> str:
    return word.casefold().replace("_", "-").replace(" ", "-")


_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\u2212")
_PLAIN_NUMBER_PATTERN: Final = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")


def escape_spreadsheet_formula(value: object) -> object:
    """Prefix texts that a spreadsheet would run as a formula: callers choose their own names.

    A plain number such as ``+12015550999`` is no formula, and stays a number.
    """
    if not isinstance(value, str) or _PLAIN_NUMBER_PATTERN.fullmatch(value):
        return value
    # Spreadsheets ignore spaces and invisible signs before a formula, and take wide and small signs for the plain ones.
    first = unicodedata.normalize("NFKC", next((sign for sign in value if sign.isprintable() and not sign.isspace()), ""))
    return f"'{value}" if value[:1] in _FORMULA_STARTS or first in _FORMULA_STARTS else value
