"""The keys that fit a regular expression of another platform, because expressions of flows have no patterns."""

from __future__ import annotations

import itertools
import re
import warnings
from typing import Final

from callflows.flows.twiml.twiml_document import MAX_GATHERED_DIGITS

_KEYS: Final = "0123456789*#"
_MAX_PATTERN_CHARACTERS: Final = 60
_MAX_KEYS: Final = 24
_PATTERN_OF_KEYS: Final = re.compile(r"[0-9*#\\d^$()|\[\]?:+.-]*")
"""Patterns of keys only: without repetitions of groups, whose matching could take long."""
_REPEATED_GROUP: Final = re.compile(r"\)[*+{]|[*+]{2}")


def find_matching_length(pattern: str) -> tuple[int, int] | None:
    """Return the least and the most digits of a pattern that asks only for a number of digits; None for any other."""
    found = _PATTERN_OF_LENGTH.fullmatch(pattern)
    if found is None:
        return None
    least, comma, most = found["least"], found["comma"], found["most"]
    if least is None:
        return 1, MAX_GATHERED_DIGITS
    return int(least), int(most or MAX_GATHERED_DIGITS) if comma else int(least)


_PATTERN_OF_LENGTH: Final = re.compile(
    r"\^?\(?(?:\\d|\[0-9\]|\[\\d\])(?:\+|\{(?P<least>[0-9]{1,2})(?P<comma>,?)(?P<most>[0-9]{1,2})?\})\)?\$?"
)


def find_matching_keys(pattern: str) -> list[str]:
    """Return the inputs of one or two keys that fit a pattern; an empty list if there are none, or too many."""
    if len(pattern) > _MAX_PATTERN_CHARACTERS or not _PATTERN_OF_KEYS.fullmatch(pattern) or _REPEATED_GROUP.search(pattern):
        return []
    try:
        with warnings.catch_warnings(action="ignore"):  # patterns of others need not be beautiful
            fits = re.compile(pattern).fullmatch
        inputs = ["".join(keys) for length in (1, 2) for keys in itertools.product(_KEYS, repeat=length)]
        found = [keys for keys in inputs if fits(keys)]
    except (re.error, RecursionError, OverflowError):
        return []
    return found if len(found) <= _MAX_KEYS else []
