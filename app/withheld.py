"""The many ways in which networks write that a caller withholds the number, or that they do not know it."""

from __future__ import annotations

import re
from typing import Final

_WORDS: Final = frozenset({
    "anonymous", "anonymouscaller", "anonym", "anonyme", "anonimo", "anónimo", "anônimo", "private", "privatenumber",
    "privatecaller", "privat", "privé", "privado", "restricted", "restrictednumber", "withheld", "numberwithheld",
    "withheldnumber", "blocked", "blockednumber", "blockedcaller", "callerblocked", "calleridblocked", "hidden",
    "hiddennumber", "unavailable", "notavailable", "numberunavailable", "calleridunavailable", "outofarea", "unknown",
    "unknowncaller", "unknownnumber", "unbekannt", "inconnu", "desconocido", "desconhecido", "nocallerid", "nonumber",
    "null", "none", "nil", "undefined",
})  # fmt: skip
"""Without what stands between their letters."""
_KEYPAD: Final = frozenset(
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
_SHORT: Final = "+8566"
"""As above; without its plus it may be somebody's extension."""
RESTRICTED: Final = "7378742833"
"""The one of them that is long enough to be a North American number."""
_BETWEEN: Final = re.compile(r"[\s_./()<>\[\]{}'\"-]+")
_NAMED: Final = re.compile(r"([^<]*)<([^<>]*)>.*", re.DOTALL)
"""RFC 3261: ``"Anonymous" <sip:anonymous@anonymous.invalid>;tag=…``."""
_ADDRESS: Final = re.compile(r"(?:sips?:|tel:)?([^@;?>]*)(?:@(\[[^\]]*\]|[^;?:>]*))?.*", re.IGNORECASE | re.DOTALL)


def address_of(written: str) -> str:
    """The address within ``"Ann" <sip:ann@host>;tag=1``; what stands alone stands for itself."""
    named = _NAMED.fullmatch(written)
    return (named[2] if named and ":" in named[2] else written).strip()


def is_withheld(written: str) -> bool:
    """Whether a ``from`` names nobody: a word, digits that spell one, only zeros, or a host that cannot be."""
    named = _NAMED.fullmatch(written)
    if named and _plain(named[1]).startswith(_PRIVACY):
        return True
    parts = _ADDRESS.fullmatch(address_of(written))
    if parts is None:
        return False
    host = (parts[2] or "").strip().rstrip(".").lower()
    return _is_word(_plain(parts[1])) or host == "invalid" or host.endswith(".invalid")


_PRIVACY: Final = ("anonym", "anónim", "anônim")
"""RFC 3323: how a name begins that asks for privacy; ``Unknown`` only says that the network knows no name."""


def _plain(written: str) -> str:
    return _BETWEEN.sub("", written).casefold()


def _is_word(plain: str) -> bool:
    digits = plain.removeprefix("+")
    return (
        not digits.strip("0")
        or plain in _WORDS
        or plain == _SHORT
        or digits in _KEYPAD
        or digits.removeprefix("1") in _KEYPAD
    )
