"""The many ways in which networks write that a caller withholds the number, or that they do not know it."""

from __future__ import annotations

import re
from typing import Final

_ANONYMOUS_WORDS: Final = frozenset({
    "anonymous", "anonymouscaller", "anonym", "anonyme", "anonimo", "anónimo", "anônimo", "private", "privatenumber",
    "privatecaller", "privat", "privé", "privado", "restricted", "restrictednumber", "withheld", "numberwithheld",
    "withheldnumber", "blocked", "blockednumber", "blockedcaller", "callerblocked", "calleridblocked", "hidden",
    "hiddennumber", "unavailable", "notavailable", "numberunavailable", "calleridunavailable", "outofarea", "unknown",
    "unknowncaller", "unknownnumber", "unbekannt", "inconnu", "desconocido", "desconhecido", "nocallerid", "nonumber",
    "null", "none", "nil", "undefined",
})  # fmt: skip
"""Without what stands between their letters."""
_ANONYMOUS_KEYPAD_NUMBERS: Final = frozenset(
    {
        "266696687",  # ANONYMOUS
        "7378742833",  # RESTRICTED
        "2562533",  # BLOCKED
        "8656696",  # UNKNOWN
        "86282452253",  # UNAVAILABLE
        "7748483",  # PRIVATE
        "94844353",  # WITHHELD
    }
)
"""The same words as they are spelled on the keys, by carriers that can only send digits."""
_ANONYMOUS_SHORT_NUMBER: Final = "+8566"
"""As above; without its plus it may be somebody's extension."""
RESTRICTED_KEYPAD_NUMBER: Final = "7378742833"
"""The one of them that is long enough to be a North American number."""
_SEPARATORS: Final = re.compile(r"[\s_./()<>\[\]{}'\"-]+")
_NAME_ADDRESS_PATTERN: Final = re.compile(r"([^<]*)<([^<>]*)>.*", re.DOTALL)
"""RFC 3261: ``"Anonymous" <sip:anonymous@anonymous.invalid>;tag=…``."""
_SIP_ADDRESS_PATTERN: Final = re.compile(
    r"(?:sips?:|tel:)?([^@;?>]*)(?:@(\[[^\]]*\]|[^;?:>]*))?.*", re.IGNORECASE | re.DOTALL
)


def extract_sip_address(text: str) -> str:
    """The address within ``"Ann" <sip:ann@host>;tag=1``; what stands alone stands for itself."""
    named = _NAME_ADDRESS_PATTERN.fullmatch(text)
    return (named[2] if named and ":" in named[2] else text).strip()


def is_anonymous(text: str) -> bool:
    """Whether a ``from`` names nobody: a word, digits that spell one, only zeros, or a host that cannot be."""
    named = _NAME_ADDRESS_PATTERN.fullmatch(text)
    if named and _fold_caller_word(named[1]).startswith(_ANONYMOUS_NAME_PREFIXES):
        return True
    parts = _SIP_ADDRESS_PATTERN.fullmatch(extract_sip_address(text))
    if parts is None:
        return False
    host = (parts[2] or "").strip().rstrip(".").lower()
    return _is_anonymous_word(_fold_caller_word(parts[1])) or host == "invalid" or host.endswith(".invalid")


_ANONYMOUS_NAME_PREFIXES: Final = ("anonym", "anónim", "anônim")
"""RFC 3323: how a name begins that asks for privacy; ``Unknown`` only says that the network knows no name."""


def _fold_caller_word(text: str) -> str:
    return _SEPARATORS.sub("", text).casefold()


def _is_anonymous_word(word: str) -> bool:
    digits = word.removeprefix("+")
    return (
        not digits.strip("0")
        or word in _ANONYMOUS_WORDS
        or word == _ANONYMOUS_SHORT_NUMBER
        or digits in _ANONYMOUS_KEYPAD_NUMBERS
        or digits.removeprefix("1") in _ANONYMOUS_KEYPAD_NUMBERS
    )
