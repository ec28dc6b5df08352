"""Telephone numbers, however they are written."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable


UNKNOWN_VALUE: Final = "unknown"
"""Stands for what was not told."""


_NANP_PATTERN: Final = re.compile(r"[+ ]?(1[2-9][0-9]{9})")


# The many ways in which networks write that a caller withholds the number, or that they do not know it.


RESTRICTED_KEYPAD_NUMBER: Final = "7378742833"
"""The one of them that is long enough to be a North American number."""


_NANP_CALLER_PATTERN: Final = re.compile(rf"\+1(?!{RESTRICTED_KEYPAD_NUMBER})[2-9][0-9]{{9}}")


_NUMBER_PATTERN: Final = re.compile(r"(?:tel:|sips?:)?(\+?[0-9][0-9 ().\-]{0,40})(?:[@;].*)?", re.IGNORECASE)


_ATTESTATION_PATTERN: Final = re.compile(
    r"(?:(?:tn[-_ ]?validation[-_ ]?)?passed[-_ ]|attest(?:ation)?[-_ :=]*|level[-_ :=]*)?"
    r"(a|b|c|full|partial|gateway)(?:[-_ ](?:attestation|attested|passthrough|diverted))?",
    re.IGNORECASE,
)


_EMERGENCY_NUMBERS: Final = frozenset({"000", "110", "112", "118", "119", "911", "933", "988", "999"})


_UNLOGGABLE_CHARACTER: Final = re.compile("[^A-Za-z0-9@._+-]")


_NUMBER_OR_UUID_PATTERN: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\+?[0-9]{7,}")


_ATTESTATION_LEVELS: Final = {"full": "A", "partial": "B", "gateway": "C"}


def parse_e164(text: str) -> str:
    """A number however it is written, in E.164; nothing where it is none.

    Digits without a plus, as Opentact sends them, are international: ``12015550123`` is ``+12015550123``. A default
    region is never assumed.
    """
    nanp = _NANP_PATTERN.fullmatch(text)
    return f"+{nanp[1]}" if nanp else _parse_international(text)


@lru_cache(maxsize=16_384)
def _parse_international(text: str) -> str:
    found = _NUMBER_PATTERN.fullmatch(text.strip())
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


def normalize_target(target: str) -> str:
    """Whom one may ring, in one spelling: a number in E.164, else the address or the name without its scheme."""
    return parse_e164(target) or target.lower().removeprefix("sip:")


def parse_caller_number(text: str) -> str:
    """Who rings, as a request says it: a number in E.164, a login name, or nothing where it is withheld."""
    return text if _NANP_CALLER_PATTERN.fullmatch(text) else _parse_unusual_caller(text)


@lru_cache(maxsize=16_384)
def _parse_unusual_caller(text: str) -> str:
    if is_anonymous(text):
        return ""
    address = extract_sip_address(text)
    return parse_e164(address) or address


def _format_national(number: str) -> str:
    if number.startswith("+1") and len(number) == len("+12015550123"):
        return f"({number[2:5]}) {number[5:8]}-{number[8:]}"
    return _format_national_outside_nanp(number)


@lru_cache(maxsize=4096)
def _format_national_outside_nanp(number: str) -> str:
    import phonenumbers  # noqa: PLC0415 - as above

    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)


@lru_cache(maxsize=4096)
def _find_region(number: str) -> str:
    import phonenumbers  # noqa: PLC0415 - as above

    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(number, None)) or UNKNOWN_VALUE
    except phonenumbers.NumberParseException:
        return UNKNOWN_VALUE


def _find_state(number: str) -> str:
    if not number.startswith("+1"):
        return UNKNOWN_VALUE
    from callflows.telephony.us_states import find_number_state  # noqa: PLC0415 - very heavy, and few flows ask

    return find_number_state(number) or UNKNOWN_VALUE


class PhoneNumber(str):
    """A telephone number in E.164, or what stood in its place; a text like any other."""

    __slots__ = ()

    @property
    def national(self) -> str:
        """As it is written in its own country: ``(201) 555-0123``."""
        return _format_national(self)

    @property
    def state(self) -> str:
        """The state or province of a North American number, as ``NJ``; ``unknown`` where the number does not tell."""
        return _find_state(self)

    @property
    def region(self) -> str:
        """The country, as ``US``; ``unknown`` where the number does not tell."""
        return _find_region(self)


def parse_attestation(text: str) -> str:
    """STIR/SHAKEN's level however it is written (``A``, ``full``, ``TN-Validation-Passed-A``): A, B, C, else unknown."""
    found = _ATTESTATION_PATTERN.fullmatch(text.strip())
    level = found[1].lower() if found else ""
    return _ATTESTATION_LEVELS.get(level, level.upper()) or UNKNOWN_VALUE


def is_emergency_number(text: str) -> bool:
    """Whether it is a number of emergency services, or one as short that is like them."""
    return re.sub(r"[ ().\-]", "", text.strip()).removeprefix("+") in _EMERGENCY_NUMBERS


def mask_number(number: str) -> str:
    """A number for logs: its last four digits. Plain ASCII, so that it stands alike in every log."""
    shown = _UNLOGGABLE_CHARACTER.sub("?", number[-4:]) if len(number) > 4 else ""  # noqa: PLR2004 - the four
    return f"...{shown}" if number else ""


def mask_numbers_in_text(text: str, mask: Callable[[str], str] = mask_number) -> str:
    """A text for logs: all numbers in it as ``mask`` writes them; what only looks like one within a uuid stays."""
    return _NUMBER_OR_UUID_PATTERN.sub(lambda found: found[0] if "-" in found[0] else mask(found[0]), text)


class NumberMask:
    """Writes numbers for logs: the last four digits, and a hash by which who has the key finds all lines of a number."""

    def __init__(self, key: bytes) -> None:
        own = hashlib.blake2b(key, digest_size=32, person=b"callflows mask").digest()
        self._keyed_hash = hashlib.blake2b(digest_size=4, key=own)
        self._mask_cached = lru_cache(maxsize=2_048)(self._mask_with_hash)

    def __call__(self, number: str) -> str:
        """As ``...0999.3fa9c1d2``; the same however the number is written."""
        return self._mask_cached(number)

    def _mask_with_hash(self, number: str) -> str:
        if not number:
            return ""
        digest = self._keyed_hash.copy()
        digest.update((parse_e164(number) or number).encode("utf-8", "replace"))
        return f"{mask_number(number)}.{digest.hexdigest()}"


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
