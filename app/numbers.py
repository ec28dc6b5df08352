"""Telephone numbers, however they are written."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from app.withheld import RESTRICTED, address_of, is_withheld

if TYPE_CHECKING:
    from collections.abc import Callable

UNKNOWN: Final = "unknown"
"""Stands for what was not told."""

_NANP: Final = re.compile(r"[+ ]?(1[2-9][0-9]{9})")
_NANP_CALLER: Final = re.compile(rf"\+1(?!{RESTRICTED})[2-9][0-9]{{9}}")
_NUMBER: Final = re.compile(r"(?:tel:|sips?:)?(\+?[0-9][0-9 ().\-]{0,40})(?:[@;].*)?", re.IGNORECASE)
_ATTESTED: Final = re.compile(
    r"(?:(?:tn[-_ ]?validation[-_ ]?)?passed[-_ ]|attest(?:ation)?[-_ :=]*|level[-_ :=]*)?"
    r"(a|b|c|full|partial|gateway)(?:[-_ ](?:attestation|attested|passthrough|diverted))?",
    re.IGNORECASE,
)
_EMERGENCY: Final = frozenset({"000", "110", "112", "118", "119", "911", "933", "988", "999"})
_STRANGE: Final = re.compile("[^A-Za-z0-9@._+-]")
_NUMBERS: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\+?[0-9]{7,}")
_LEVELS: Final = {"full": "A", "partial": "B", "gateway": "C"}


def e164(written: str) -> str:
    """A number however it is written, in E.164; nothing where it is none.

    Digits without a plus, as Opentact sends them, are international: ``12015550123`` is ``+12015550123``. A default
    region is never assumed.
    """
    nanp = _NANP.fullmatch(written)
    return f"+{nanp[1]}" if nanp else _international(written)


@lru_cache(maxsize=16_384)
def _international(written: str) -> str:
    found = _NUMBER.fullmatch(written.strip())
    if not found:
        return ""
    import phonenumbers  # noqa: PLC0415 - heavy, and most calls do without

    try:
        number = phonenumbers.parse(f"+{found[1].lstrip('+')}", None)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_possible_number(number):
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def plain(target: str) -> str:
    """Whom one may ring, in one spelling: a number in E.164, else the address or the name without its scheme."""
    return e164(target) or target.lower().removeprefix("sip:")


def caller_number(written: str) -> str:
    """Who rings, as a request says it: a number in E.164, a login name, or nothing where it is withheld."""
    return written if _NANP_CALLER.fullmatch(written) else _caller_otherwise(written)


@lru_cache(maxsize=16_384)
def _caller_otherwise(written: str) -> str:
    if is_withheld(written):
        return ""
    address = address_of(written)
    return e164(address) or address


def _national(number: str) -> str:
    if number.startswith("+1") and len(number) == len("+12015550123"):
        return f"({number[2:5]}) {number[5:8]}-{number[8:]}"
    return _national_elsewhere(number)


@lru_cache(maxsize=4096)
def _national_elsewhere(number: str) -> str:
    import phonenumbers  # noqa: PLC0415 - as above

    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)


@lru_cache(maxsize=4096)
def _region(number: str) -> str:
    import phonenumbers  # noqa: PLC0415 - as above

    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(number, None)) or UNKNOWN
    except phonenumbers.NumberParseException:
        return UNKNOWN


def _state(number: str) -> str:
    if not number.startswith("+1"):
        return UNKNOWN
    from app.states import state_of  # noqa: PLC0415 - very heavy, and few flows ask

    return state_of(number) or UNKNOWN


class Number(str):
    """A telephone number in E.164, or what stood in its place; a text like any other."""

    __slots__ = ()

    @property
    def national(self) -> str:
        """As it is written in its own country: ``(201) 555-0123``."""
        return _national(self)

    @property
    def state(self) -> str:
        """The state or province of a North American number, as ``NJ``; ``unknown`` where the number does not tell."""
        return _state(self)

    @property
    def region(self) -> str:
        """The country, as ``US``; ``unknown`` where the number does not tell."""
        return _region(self)


def attested(written: str) -> str:
    """STIR/SHAKEN's level however it is written (``A``, ``full``, ``TN-Validation-Passed-A``): A, B, C, else unknown."""
    found = _ATTESTED.fullmatch(written.strip())
    level = found[1].lower() if found else ""
    return _LEVELS.get(level, level.upper()) or UNKNOWN


def is_emergency(written: str) -> bool:
    """Whether it is a number of emergency services, or one as short that is like them."""
    return re.sub(r"[ ().\-]", "", written.strip()).removeprefix("+") in _EMERGENCY


def masked(number: str) -> str:
    """A number for logs: its last four digits. Plain ASCII, so that it stands alike in every log."""
    shown = _STRANGE.sub("?", number[-4:]) if len(number) > 4 else ""  # noqa: PLR2004 - the four
    return f"...{shown}" if number else ""


def masked_in(text: str, mask: Callable[[str], str] = masked) -> str:
    """A text for logs: all numbers in it as ``mask`` writes them; what only looks like one within a uuid stays."""
    return _NUMBERS.sub(lambda found: found[0] if "-" in found[0] else mask(found[0]), text)


class Mask:
    """Writes numbers for logs: the last four digits, and a hash by which who has the key finds all lines of a number."""

    def __init__(self, key: bytes) -> None:
        own = hashlib.blake2b(key, digest_size=32, person=b"callflows mask").digest()
        self._begun = hashlib.blake2b(digest_size=4, key=own)
        self._cached = lru_cache(maxsize=2_048)(self._written)

    def __call__(self, number: str) -> str:
        """As ``...0999.3fa9c1d2``; the same however the number is written."""
        return self._cached(number)

    def _written(self, number: str) -> str:
        if not number:
            return ""
        digest = self._begun.copy()
        digest.update((e164(number) or number).encode("utf-8", "replace"))
        return f"{masked(number)}.{digest.hexdigest()}"
