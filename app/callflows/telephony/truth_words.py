"""Texts that mean true or false: in a flow file, in a scenario, and in the answers of servers."""

from __future__ import annotations

import re
from typing import Final

FALSE_WORDS: Final = frozenset(
    {"", "0", "false", "f", "no", "n", "off", "disabled", "null", "none", "nil", "undefined", "~"}
)
"""Texts that are false in a condition, in lower case: words of YAML, of programs and of databases, not of people."""
TRUE_WORDS: Final = frozenset({"true", "yes", "on", "1", "t", "y", "enabled"})
"""Texts that mean true, in lower case."""
_DOUBTFUL_WORDS: Final = frozenset({
    "inactive", "deactivated", "disable", "deactivate", "unset", "never", "nope", "nah", "not", "nothing", "empty",
    "missing", "unavailable", "stopped", "closed", "n/a", "na", "-", "--", "nein", "aus", "nie", "non", "jamais",
    "nunca", "desactivado", "\u2717", "\u2718", "\u2715", "\u2716", "\u274c", "nee", "nej", "ne", "nao",
})  # fmt: skip
"""Texts that are true, as any other text, and probably meant to be false."""
_ZERO: Final = re.compile(r"[+-]?0(?:\.0*)?")


def reads_like_no(text: str) -> bool:
    """Return True if a text is true, and people read a no in it: ``inactive``, ``no.``, ``'false'``, a cross."""
    word = text.strip().lower()
    return not says_no(text) and (word in _DOUBTFUL_WORDS or says_no(word.strip(_SIGNS_AROUND) or "x"))


_SIGNS_AROUND: Final = " .,;:!?'\"`()[]{}"


def says_no(text: str) -> bool:
    """Return True if a text is false in a condition: a word for no, an empty text, or a zero."""
    word = text.strip().lower()
    return word in FALSE_WORDS or (word[-1:] in ("0", ".") and _ZERO.fullmatch(word) is not None)
