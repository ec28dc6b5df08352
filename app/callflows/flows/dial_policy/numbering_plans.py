"""Classifies numbers by their digits with libphonenumber, and parses large amounts of numbers quickly."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

import phonenumbers
from phonenumbers import PhoneNumberType

from callflows.telephony.phone_numbers import parse_e164

if TYPE_CHECKING:
    from collections.abc import Iterable


NUMBER_TYPES: Final = {
    "fixed_line": PhoneNumberType.FIXED_LINE,
    "mobile": PhoneNumberType.MOBILE,
    "fixed_line_or_mobile": PhoneNumberType.FIXED_LINE_OR_MOBILE,
    "toll_free": PhoneNumberType.TOLL_FREE,
    "voip": PhoneNumberType.VOIP,
    "personal_number": PhoneNumberType.PERSONAL_NUMBER,
    "pager": PhoneNumberType.PAGER,
    "uan": PhoneNumberType.UAN,
    "voicemail": PhoneNumberType.VOICEMAIL,
    "premium_rate": PhoneNumberType.PREMIUM_RATE,
    "shared_cost": PhoneNumberType.SHARED_COST,
    "unknown": PhoneNumberType.UNKNOWN,
}
"""Types of numbers in libphonenumber's terms."""
_NUMBER_TYPE_NAMES: Final = {kind: name for name, kind in NUMBER_TYPES.items()}
E164_DIGITS_PATTERN: Final = re.compile(r"\+?([1-9][0-9]{6,14})")
_NANP_COUNTRY_CODE: Final = 1
_INVALID_NUMBER: Final = "is not a valid number"
NO_COUNTRY: Final = "no country"
"""The region of digits that begin with no country code."""
_UNKNOWN_TYPE: Final = "is of no known type"
HARMLESS_BLOCK_REASONS: Final = frozenset({_INVALID_NUMBER, _UNKNOWN_TYPE})
"""Reasons to call nobody there that cost nothing if they are wrong: the tables of numbers are older than some numbers."""
_NON_COUNTRY_REGIONS: Final = frozenset({"001", "ZZ", ""})
_SATELLITE_COUNTRY_CODES: Final = frozenset({870, 881})
_SATELLITE_PREFIXES: Final = ("88213", "88216", "88232", "88233", "88234", "88235", "88239", "88298", "88299")


class ClassifiedNumber(NamedTuple):
    """A number in E.164 with its country and type.

    ``regions`` are all countries that share the number, several only for North American toll-free numbers.
    ``block_reason`` says why no policy may allow the number, "" for ordinary numbers.
    """

    number: str
    region: str
    regions: frozenset[str]
    type: str
    block_reason: str


@lru_cache(maxsize=8192)
def classify_number(digits: str) -> ClassifiedNumber:
    """Classify the digits of a number, including the country code.

    Digits without country get the type ``unknown`` and the block reason "is not a valid number".
    """
    try:
        parsed = phonenumbers.parse(f"+{digits}", None)
    except phonenumbers.NumberParseException:
        return ClassifiedNumber(f"+{digits}", NO_COUNTRY, frozenset(), "unknown", _INVALID_NUMBER)
    number = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    region = phonenumbers.region_code_for_number(parsed) or ""
    kind = _NUMBER_TYPE_NAMES[phonenumbers.number_type(parsed)]
    regions = frozenset({region})
    if (
        parsed.country_code == _NANP_COUNTRY_CODE and kind == "toll_free"
    ):  # toll-free numbers are shared by several countries
        sharing = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[_NANP_COUNTRY_CODE]
        regions = frozenset(other for other in sharing if phonenumbers.is_valid_number_for_region(parsed, other))
    return ClassifiedNumber(number, region, regions, kind, _find_block_reason(number, parsed, region, kind))


def _find_block_reason(number: str, parsed: phonenumbers.PhoneNumber, region: str, kind: str) -> str:
    """Return the reason to refuse a number under every policy; "" if none."""
    if parsed.country_code in _SATELLITE_COUNTRY_CODES or number[1:].startswith(_SATELLITE_PREFIXES):
        return "is a satellite number"
    is_valid = phonenumbers.is_valid_number(parsed)
    # Before the validity, which is no reason against a text to a caller: a forged one may be invalid, too.
    code_region = phonenumbers.region_code_for_country_code(parsed.country_code or 0)
    if code_region in _NON_COUNTRY_REGIONS or (is_valid and region in _NON_COUNTRY_REGIONS):
        return f"has the code +{parsed.country_code}, which belongs to no country"
    if parsed.country_code == _NANP_COUNTRY_CODE and _is_costly(str(parsed.national_number)):
        return "is a premium-rate number"
    if not is_valid:
        return _INVALID_NUMBER
    return {
        "premium_rate": "is a premium-rate number",
        "shared_cost": "is a shared-cost number",
        "unknown": _UNKNOWN_TYPE,
    }.get(kind, "")


def _is_costly(national: str) -> bool:
    """Return True if a North American number is costly: area code 900, 976 exchanges, directory assistance."""
    return national[:3] == "900" or national[3:6] == "976" or national[3:] == "5551212"


def find_regions(numbers: Iterable[str]) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the countries of numbers (E.164, ``+1201*``, ``rest``), and the prefixes that span several countries.

    Spanning prefixes add no country.
    """
    found: set[str] = set()
    spanning = []
    for number in numbers:
        if number.endswith("*"):
            regions = _regions_of_prefix(number[1:-1])
            if len(regions) > 1:
                spanning.append(number)
                continue
        else:
            regions = _regions_of_number(number)
        found |= regions
    return frozenset(found), tuple(spanning)


def _regions_of_number(number: str) -> frozenset[str]:
    digits = E164_DIGITS_PATTERN.fullmatch(number)
    region = classify_number(digits[1]).region if digits else ""
    return frozenset({region}) & phonenumbers.SUPPORTED_REGIONS


@lru_cache(maxsize=4096)
def _regions_of_prefix(digits: str) -> frozenset[str]:
    """Return the countries of all numbers with a prefix, from sample numbers if needed."""
    known = phonenumbers.COUNTRY_CODE_TO_REGION_CODE
    shared = {region for code, regions in known.items() if str(code).startswith(digits) for region in regions}
    shared -= _NON_COUNTRY_REGIONS
    code = next((code for code in (digits[:1], digits[:2], digits[:3]) if code and int(code) in known), "")
    if shared or not code:
        return frozenset(shared)
    if len(known[int(code)]) == 1:
        return frozenset(known[int(code)]) - _NON_COUNTRY_REGIONS
    return frozenset(_sample_regions(digits)) - _NON_COUNTRY_REGIONS


_LONG_PREFIX_DIGITS: Final = 8


def _sample_regions(digits: str) -> Iterable[str]:
    # Of a long prefix, only the next digit can still decide the country.
    for two in range(0, 100, 1 if len(digits) < _LONG_PREFIX_DIGITS else 10):
        for filler in ("2345678", "5550123", "0123456"):
            for length in range(max(11, len(digits)), 13):
                written = f"{digits}{two:02}{filler}"[:length]
                parsed = phonenumbers.parse(f"+{written}", None)
                if phonenumbers.is_valid_number(parsed):
                    yield phonenumbers.region_code_for_number(parsed) or ""


# Fast parsing


_NANP_DIGITS: Final = 10
"""Length of a number of North America without its country code."""


def parse_e164_digits(text: str) -> str:
    """Return the digits of a number in E.164, as ``parse_e164`` does; "" if invalid.

    Numbers already in E.164, the usual case, skip the slow parser of phonenumbers.
    """
    found = E164_DIGITS_PATTERN.fullmatch(text)
    # Ten digits alone may be of North America, without its country code.
    if found and len(text) != _NANP_DIGITS and _is_international_number(found[1]):
        return found[1]
    return parse_e164(text)[1:]


def _is_international_number(digits: str) -> bool:
    """Return True if digits have a valid length for their country and no national trunk prefix."""
    for length in (1, 2, 3):
        plan = _get_numbering_plan(int(digits[:length]))
        if plan is not None:
            national = digits[length:]
            return len(national) in plan.lengths and not plan.trunk_prefix.match(national)
    return False


class _NumberingPlan(NamedTuple):
    lengths: frozenset[int]
    trunk_prefix: re.Pattern[str]


@lru_cache(maxsize=1024)
def _get_numbering_plan(code: int) -> _NumberingPlan | None:
    """Return the lengths of national numbers and the trunk prefix of a country code."""
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(code)
    if not regions:
        return None
    known = phonenumbers.PhoneMetadata.metadata_for_region(regions[0], None)
    if known is None or known.general_desc is None:  # a code without country, as +800
        return _NumberingPlan(frozenset(), re.compile(""))
    trunk = known.national_prefix_for_parsing
    return _NumberingPlan(frozenset(known.general_desc.possible_length), re.compile(trunk or "(?!)"))
