"""Corrects misspelt keys of a mapping in a file, so that their values are checked too."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from callflows.flows.source.foreign_words import suggest_own_word
from callflows.text import Suggestion, find_nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from callflows.flows.source.positions import ProblemReport, SourcePath


_MIN_SPELLING_SIMILARITY: Final = 0.75
"""Minimum similarity to read the value of a misspelt key as the value of the right key."""


def find_misspelt_word(word: str, known: Iterable[str]) -> str:
    """Return the known word that a misspelt word surely means; an empty text if there is none."""
    return find_nearest(word, known, _MIN_SPELLING_SIMILARITY)


def correct_misspelt_keys(
    data: Mapping[Any, Any],
    known: Collection[str],
    path: SourcePath,
    report: ProblemReport,
    *,
    report_key: Callable[[str, str], None] | None = None,
    other_words: Mapping[str, str] = MappingProxyType({}),
) -> dict[Any, Any]:
    """Return a mapping with the right key for each clearly misspelt one, and report these keys.

    ``report_key`` reports a misspelt key and gets the right one, too. ``other_words`` are words of another spelling for
    known keys, in lower case.
    """
    corrected: dict[Any, Any] = {}
    for key, value in data.items():
        right = "" if key in known else other_words.get(str(key).casefold(), "") or find_misspelt_word(str(key), known)
        if right and suggest_own_word(str(key), known) not in ("", Suggestion(right)):
            right = ""  # it is another word for another key, as on_timeout
        if not right or right in data or right in corrected:
            corrected[key] = value
            continue
        if report_key is not None:
            report_key(key, right)
        else:
            message = f"there is no key {key!r} here"
            report.error((*path, key), "unknown-key", message, Suggestion(right), key=True)
        report.alias_subtree((*path, key), (*path, right))
        corrected[right] = value
    return corrected
