"""Parsing, formatting and masking of telephone numbers, and detection of withheld caller IDs.

A default region is never assumed: digits without a plus, as Opentact sends them, are international. A number that somebody
wrote with punctuation and without its country's code has no country, and is no number here.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from callflows.telephony.truth_words import says_no

if TYPE_CHECKING:
    from collections.abc import Callable


class UnknownText(str):
    """A text for what nobody knows: false, and equal to "" in conditions; it reads ``unknown`` in a text."""

    __slots__ = ()

    def __len__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        return other == "" or super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


class RegionCode(str):
    """A country, as ``US``. ``NO`` is Norway, and true in a condition."""

    __slots__ = ()


_REGION_MARK: Final = "\ufdd4"
"""Begins a country in data that is JSON for a while; neither an author's text nor a caller's has this character."""


def mark_region_codes(data: Any) -> Any:  # noqa: ANN401 - plain data
    """Return plain data in which each country is a text that ``restore_region_codes`` knows, also after JSON."""
    # Only where the difference counts: other countries are true in a condition as any text, and tickets stay short.
    if isinstance(data, RegionCode) and says_no(data):
        return f"{_REGION_MARK}{data}"
    if isinstance(data, dict):
        return {key: mark_region_codes(value) for key, value in data.items()}
    return [mark_region_codes(value) for value in data] if isinstance(data, list) else data


def restore_region_codes(data: Any) -> Any:  # noqa: ANN401 - plain data
    """Return plain data with the countries that ``mark_region_codes`` marked."""
    if isinstance(data, str):
        return RegionCode(data[len(_REGION_MARK) :]) if data.startswith(_REGION_MARK) else data
    if isinstance(data, dict):
        return {key: restore_region_codes(value) for key, value in data.items()}
    return [restore_region_codes(value) for value in data] if isinstance(data, list) else data


UNKNOWN_VALUE: Final = UnknownText("unknown")
"""Value of a field that was not reported."""
_NANP_PATTERN: Final = re.compile(r"[+ ]?(1[2-9][0-9]{9})")
RESTRICTED_KEYPAD_NUMBER: Final = "7378742833"
"""The only keypad spelling of an anonymous word with the length of a North American number (RESTRICTED)."""
_NANP_CALLER_PATTERN: Final = re.compile(rf"\+1(?!{RESTRICTED_KEYPAD_NUMBER})[2-9][0-9]{{9}}")
_TEN_DIGITS_WITHOUT_PLUS: Final = re.compile(
    r"[ ().\-]*[2-9](?:[ ().\-]*[0-9]){2}[ ().\-]*[2-9](?:[ ().\-]*[0-9]){6}[ ().\-]*"
)
_NUMBER_PATTERN: Final = re.compile(
    r"(?:(?:tel|sips?):(?://)? *)?((?:\((?=\+|00))?(?:\+[ (]*)?[0-9][0-9 ()./\-]{0,40})(?:(?::.*)?@.*|[;?][ ]*[a-z].*)?",
    re.IGNORECASE,
)
_NUMBER_WITH_MORE_PATTERN: Final = re.compile(
    r"((?:(?:tel|sips?):(?://)? *+)?+[+( ]*+[0-9][0-9 ()./\-]{5,40}(?<=[0-9)]))"
    r"(?:\s*[,;:#*~&|=<>\"'\[]|\s*[(/\-]\s*[^0-9\s]|\s+[^0-9\s()./\-]|\s*(?:x|p|w|ext(?:n|ension)?)[ .:=]*[0-9])"
    r"|((?:(?:tel|sips?):)?+[+( ]*+1(?:[ ().\-/]*+[0-9]){10})[ ./\-]++[0-9]",
    re.IGNORECASE,
)
"""A number, and after it an extension, keys to press, a second number or a remark."""
_INTERNATIONAL_PREFIX: Final = re.compile(r"\(?\+?00[ ()./\-]*(?=[1-9])")
"""No country code begins with 0: 0033… is +33…."""
_PLAIN_PUNCTUATION: Final = {
    **dict.fromkeys((0xA0, 0x2007, 0x2009, 0x202F), " "),
    **dict.fromkeys((*range(0x2010, 0x2016), 0x2212), "-"),
    **dict.fromkeys((0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A), 0xFEFF), None),
}
"""Spaces, dashes and invisible characters that number formats of web pages and address books contain."""
_ATTESTATION_PATTERN: Final = re.compile(
    r"(?:(?:tn[-_ ]?validation[-_ ]?)?passed[-_ ]|attest(?:ation)?[-_ :=]*|level[-_ :=]*)?"
    r"(a|b|c|full|partial|gateway)(?:[-_ ](?:attestation|attested|passthrough|diverted))?",
    re.IGNORECASE,
)
_EMERGENCY_NUMBERS: Final = frozenset({"000", "110", "112", "118", "119", "911", "933", "988", "999"})
_UNLOGGABLE_CHARACTER: Final = re.compile("[^A-Za-z0-9@._+-]")
_NUMBER_OR_UUID_PATTERN: Final = re.compile(
    r"(?P<uuid>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|0x[0-9a-fA-F]+|(?<![0-9A-Za-z+])(?=(?:[0-9]*[a-f]){2})(?:[0-9a-f]{12}|[0-9a-f]{16,64})(?![0-9A-Za-z]))"
    r"|(?P<amount>(?<![0-9A-Za-z+])[0-9]+(?:\.[0-9]+)?(?= ?(?:bytes|characters|seconds|rows|bits|octets|items|entries|calls"
    r"|events|frames|files|times|s|ms|us|µs|ns|B|[kKMG]i?B)\b)"
    r"|(?<![0-9.])0\.[0-9]+|(?<![0-9A-Za-z+.])1[0-9]{9}\.[0-9]{1,9}\b"
    r"|(?<![0-9A-Za-z+])20[2-9][0-9](?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?:[01][0-9]|2[0-3])(?:[0-5][0-9]){2}(?![0-9])"
    r"|(?i:\b(?:pid|process|offset|position|size|length|limit|limit of|maximum|maximum of|exceeds)[ :=]{1,2})"
    r"[0-9]{1,10}(?![0-9]))"
    r"|\+[1-9](?:[ ().\-/\u00a0]{0,3}[0-9]){6,14}(?![0-9])|\([2-9][0-9]{2}\) ?[2-9][0-9]{2}[- .][0-9]{4}(?![0-9])"
    r"|\+?[0-9]{7,}"
)
"""Numbers to mask, and before them what has as many digits and is no telephone number.

That is a uuid or another hash, an amount with a unit or with the word for what it counts, a moment, a fraction.
"""
_ATTESTATION_LEVELS: Final = {"full": "A", "partial": "B", "gateway": "C"}


def parse_e164(text: str) -> str:
    """Convert a number to E.164, whatever its spelling; return "" if the text is not a number.

    Digits without a plus, as Opentact sends them, are international: ``12015550123`` is ``+12015550123``, and so is
    ``0012015550123``. A national spelling, as ``201-555-0123`` or ``612 345 678``, is not a number: its first digits would
    be taken for the code of another country. A number with an extension after it is none, either.
    """
    nanp = _NANP_PATTERN.fullmatch(text)
    return f"+{nanp[1]}" if nanp else _parse_international(text)


@lru_cache(maxsize=16_384)
def _parse_international(text: str) -> str:
    found = _NUMBER_PATTERN.fullmatch(fold_spelling(text).strip("<>\"' \t\r\n"))
    if not found:
        return ""
    written = strip_international_prefix(found[1]).rstrip()
    has_plus, digits = "+" in written, written.lstrip("(+ ")
    if not has_plus and not digits.isdecimal():
        plain = re.sub("[^0-9]", "", digits)
        return f"+{plain}" if _NANP_PATTERN.fullmatch(plain) else ""
    import phonenumbers  # noqa: PLC0415 - heavy, and most calls do not need it

    try:
        number = phonenumbers.parse(f"+{digits}", None)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_possible_number(number):
        return ""
    if not has_plus and lacks_country_code(digits) and not phonenumbers.is_valid_number(number):
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def fold_spelling(text: str) -> str:
    """Return a text in plain digits, signs and spaces: those of other scripts, and ``%2B`` for ``+``, are replaced."""
    if "%" in text:
        text = unquote(text)
    if text.isascii():
        return text
    plain = unicodedata.normalize("NFKC", text).translate(_PLAIN_PUNCTUATION)
    return "".join(str(unicodedata.decimal(sign)) if sign.isdecimal() else sign for sign in plain)


def parse_reported_number(text: str) -> str:
    """Convert the number of a party of a call, as a network reports it, to E.164; return "" if the text has none.

    Unlike ``parse_e164``, this reads a number inside ``"Ann" <sip:+12015550123@host>``, and drops what stands after it,
    as ``x5`` or ``,5``: the party is the number.
    """
    return parse_e164(text) or _parse_leading_number(text)


@lru_cache(maxsize=16_384)
def _parse_leading_number(text: str) -> str:
    address = extract_sip_address(text)
    found = _NUMBER_WITH_MORE_PATTERN.match(fold_spelling(address).strip("<>\"' \t\r\n"))
    written = (found[1] or found[2]) if found else ""
    # Without its plus, a number with more after it may be a login name, as 441234567-ann.
    is_number = "+" in written or _INTERNATIONAL_PREFIX.match(written) or parse_e164(written).startswith("+1")
    return parse_e164(address) or (parse_e164(written) if is_number else "")


def find_calling_code(number: str) -> str:
    """Return the country code of a number in E.164, or of the first digits of one, as ``+1``; "" if it is unknown."""
    if number.startswith("+1"):
        return "+1"
    import phonenumbers  # noqa: PLC0415 - as above

    # No country code is the beginning of another one.
    digits = re.sub("[^0-9]", "", number)
    codes = (digits[:length] for length in range(1, 4) if number.startswith("+"))
    return next(
        (f"+{code}" for code in codes if code.isdecimal() and int(code) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE), ""
    )


def lacks_country_code(text: str) -> bool:
    """Return True if a text is a number of North America without its country code, as ``2015550123``, ``201-555-0123``."""
    if not _TEN_DIGITS_WITHOUT_PLUS.fullmatch(text):
        return False
    import phonenumbers  # noqa: PLC0415 - as above

    return phonenumbers.is_valid_number(phonenumbers.parse(f"+1{text}", None))


def strip_international_prefix(number: str) -> str:
    """Replace the prefix 00 of a number by a plus: ``0033612345678`` is ``+33612345678``."""
    return _INTERNATIONAL_PREFIX.sub("+", number, count=1) if _INTERNATIONAL_PREFIX.match(number) else number


def normalize_target(target: str) -> str:
    """Normalize a dial target: a number to E.164, an address or name to lower case without its ``sip:`` scheme."""
    return parse_e164(target) or target.lower().removeprefix("sip:")


def parse_caller_number(text: str) -> str:
    """Parse the ``from`` of a request: return E.164, a login name, or "" if the caller ID is withheld."""
    return text if _NANP_CALLER_PATTERN.fullmatch(text) else _parse_unusual_caller(text)


@lru_cache(maxsize=16_384)
def _parse_unusual_caller(text: str) -> str:
    if is_anonymous(text):
        return ""
    return parse_reported_number(text) or extract_sip_address(text)


def _format_national(number: str) -> str:
    if number.startswith("+1") and len(number) == len("+12015550123"):
        return f"({number[2:5]}) {number[5:8]}-{number[8:]}"
    return _format_national_outside_nanp(number)


@lru_cache(maxsize=4096)
def _format_national_outside_nanp(number: str) -> str:
    import phonenumbers  # noqa: PLC0415 - heavy, and most calls do not need it

    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)


@lru_cache(maxsize=4096)
def format_international(number: str) -> str:
    """Return a number in groups, as ``+1 201 555 0123``; a text that is no number unchanged."""
    if number.startswith("+1") and len(number) == len("+12015550123"):
        return f"+1 {number[2:5]} {number[5:8]} {number[8:]}"
    import phonenumbers  # noqa: PLC0415 - heavy, and calls do not need it

    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL).replace("-", " ")


@lru_cache(maxsize=4096)
def _find_region(number: str) -> str:
    import phonenumbers  # noqa: PLC0415 - heavy, and most calls do not need it

    try:
        region = phonenumbers.region_code_for_number(phonenumbers.parse(number, None))
    except phonenumbers.NumberParseException:
        return UNKNOWN_VALUE
    # +882 and +800 are numbers of no country, which libphonenumber calls 001
    return RegionCode(region) if region and region.isalpha() else UNKNOWN_VALUE


def _find_state(number: str) -> str:
    if not number.startswith("+1"):
        return UNKNOWN_VALUE
    from callflows.telephony.us_states import find_number_state  # noqa: PLC0415 - very heavy, and few flows need it

    return find_number_state(number) or UNKNOWN_VALUE


class PhoneNumber(str):
    """A text: a telephone number in E.164, or the original value if not a number."""

    __slots__ = ()

    @property
    def national(self) -> str:
        """National format: ``(201) 555-0123``."""
        return _format_national(self)

    @property
    def state(self) -> str:
        """State or province of a North American number, as ``NJ``; UNKNOWN_VALUE if the number has no state."""
        return _find_state(self)

    @property
    def region(self) -> str:
        """Country, as ``US``; UNKNOWN_VALUE if the number has no country."""
        return _find_region(self)


def parse_attestation(text: str) -> str:
    """Parse STIR/SHAKEN's level in any spelling (``A``, ``full``, ``TN-Validation-Passed-A``) to A, B, C or unknown."""
    found = _ATTESTATION_PATTERN.fullmatch(text.strip())
    level = found[1].lower() if found else ""
    return _ATTESTATION_LEVELS.get(level, level.upper()) or UNKNOWN_VALUE


def is_impossible_number(text: str) -> bool:
    """Return True if a text is written as an international number, and no country has numbers of that form."""
    number = text.strip()
    if not re.fullmatch(r"\+[0-9]+", number) or _NANP_PATTERN.fullmatch(number) or is_emergency_number(number):
        return False
    import phonenumbers  # noqa: PLC0415 - heavy, and most calls do not need it

    try:
        return not phonenumbers.is_possible_number(phonenumbers.parse(number, None))
    except phonenumbers.NumberParseException:
        return True


def list_regions() -> frozenset[str]:
    """Return the countries of the world's numbering plans, as ``US``."""
    import phonenumbers  # noqa: PLC0415 - as above

    return frozenset(phonenumbers.SUPPORTED_REGIONS)


def strip_number_signs(text: str) -> str:
    """Return a number without the blanks, dots, dashes and parentheses with which people write it."""
    return re.sub(r"[ ().\-]", "", text)


def is_emergency_number(text: str) -> bool:
    """Return True if the number is an emergency number or a similar short crisis or service number."""
    return strip_number_signs(text.strip()).removeprefix("+") in _EMERGENCY_NUMBERS


def mask_number(number: str) -> str:
    """Mask a number for logs: ``...`` and its last four characters, in plain ASCII."""
    shown = _UNLOGGABLE_CHARACTER.sub("?", number[-4:]) if len(number) > 4 else ""  # noqa: PLR2004 - never the whole number
    return f"...{shown}" if number else ""


def mask_numbers_in_text(text: str, mask: Callable[[str], str] = mask_number) -> str:
    """Mask all numbers in a text for logs; digits inside a uuid, amounts with a unit and fractions stay unchanged."""
    return _NUMBER_OR_UUID_PATTERN.sub(lambda found: found[0] if found["uuid"] or found["amount"] else mask(found[0]), text)


class NumberMask:
    """Masks numbers for logs: the last four digits and a keyed hash.

    The owner of the key can find all log lines of a number.
    """

    def __init__(self, key: bytes) -> None:
        own = hashlib.blake2b(key, digest_size=32, person=b"callflows mask").digest()
        self._keyed_hash = hashlib.blake2b(digest_size=4, key=own)
        self._mask_cached = lru_cache(maxsize=2_048)(self._mask_with_hash)

    def __call__(self, number: str) -> str:
        """Return the masked number, as ``...0999.3fa9c1d2``; every spelling of a number gives the same result."""
        return self._mask_cached(number)

    def _mask_with_hash(self, number: str) -> str:
        if not number:
            return ""
        digest = self._keyed_hash.copy()
        digest.update((parse_reported_number(number) or number).encode("utf-8", "replace"))
        return f"{mask_number(number)}.{digest.hexdigest()}"


_ANONYMOUS_WORDS: Final = frozenset({
    "anonymous", "anonymouscaller", "anonym", "anonyme", "anonimo", "anónimo", "anônimo", "private", "privatenumber",
    "privatecaller", "privat", "privé", "privado", "restricted", "restrictednumber", "withheld", "numberwithheld",
    "withheldnumber", "blocked", "blockednumber", "blockedcaller", "callerblocked", "calleridblocked", "hidden",
    "hiddennumber", "unavailable", "notavailable", "numberunavailable", "calleridunavailable", "outofarea", "unknown",
    "unknowncaller", "unknownnumber", "unbekannt", "inconnu", "desconocido", "desconhecido", "nocallerid", "nonumber",
    "null", "none", "nil", "undefined",
})  # fmt: skip
"""Words of an anonymous caller ID, without separators; networks write many variants."""
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
"""Keypad spellings of the same words, from carriers that can only send digits."""
_ANONYMOUS_SHORT_NUMBER: Final = "+8566"
"""Another keypad spelling; without the plus the digits may be an extension."""
_SEPARATORS: Final = re.compile(r"[\s_./()<>\[\]{}'\"-]+")
_NAME_ADDRESS_PATTERN: Final = re.compile(r"([^<]*)<([^<>]*)>.*", re.DOTALL)
"""RFC 3261: ``"Anonymous" <sip:anonymous@anonymous.invalid>;tag=…``."""
_SIP_ADDRESS_PATTERN: Final = re.compile(
    r"(?:sips?:|tel:)?([^@;?>]*)(?:@(\[[^\]]*\]|[^;?:>]*))?.*", re.IGNORECASE | re.DOTALL
)


def extract_sip_address(text: str) -> str:
    """Return the address inside ``"Ann" <sip:ann@host>;tag=1``, or the text itself if not in this form."""
    named = _NAME_ADDRESS_PATTERN.fullmatch(text)
    return (named[2] if named and named[2].strip() else text).strip()


def is_anonymous(text: str) -> bool:
    """Return True if a ``from`` is anonymous: a word, its keypad digits, only zeros, or a host ending in ``invalid``."""
    named = _NAME_ADDRESS_PATTERN.fullmatch(text)
    if named and _fold_caller_word(named[1]).startswith(_ANONYMOUS_NAME_PREFIXES):
        return True
    parts = _SIP_ADDRESS_PATTERN.fullmatch(extract_sip_address(text))
    if parts is None:
        return False
    host = (parts[2] or "").strip().rstrip(".").lower()
    return _is_anonymous_word(_fold_caller_word(parts[1])) or host == "invalid" or host.endswith(".invalid")


_ANONYMOUS_NAME_PREFIXES: Final = ("anonym", "anónim", "anônim")
"""RFC 3323: display names that request privacy; ``Unknown`` only means that the network knows no name."""


def _fold_caller_word(text: str) -> str:
    return _SEPARATORS.sub("", fold_spelling(text)).casefold()


def _is_anonymous_word(word: str) -> bool:
    digits = word.removeprefix("+")
    return (
        not digits.strip("0")
        or word in _ANONYMOUS_WORDS
        or word == _ANONYMOUS_SHORT_NUMBER
        or digits in _ANONYMOUS_KEYPAD_NUMBERS
        or digits.removeprefix("1") in _ANONYMOUS_KEYPAD_NUMBERS
    )
