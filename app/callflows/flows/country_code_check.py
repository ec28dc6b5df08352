"""Explains numbers without their country's code: their first digits would be read as the code of another country."""

from __future__ import annotations

import contextlib
import functools
import re
from typing import TYPE_CHECKING, Final

from callflows.telephony.phone_numbers import (
    find_calling_code,
    lacks_country_code,
    parse_e164,
    strip_international_prefix,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

MISSING_COUNTRY_CODE_MESSAGE: Final = "{} has no plus, and its first digits are taken for a country's code"


def suggest_country_code(text: str, own_numbers: Iterable[str] = ()) -> str:
    """Return the fix for a number without country code.

    ``own_numbers`` are the numbers that the file answers: their countries are probably that of the number.
    """
    regions = _find_regions((*own_numbers,))
    if not regions or regions & _list_nanp_regions():
        digits = re.sub("[^0-9]", "", text)
        star = "*" if text.endswith("*") else ""
        return f"write +1{digits}{star} if it is North American, {_OTHER_COUNTRY_FIX}"
    home = _suggest_home_number(text, regions)
    return f"{home}, {_OTHER_COUNTRY_FIX}" if home else _OTHER_COUNTRY_FIX.removeprefix("else ")


def lacks_code_of_prefix(text: str, own_numbers: Iterable[str]) -> bool:
    """Return True if a prefix without plus begins with an area code, as ``201*``, and no other number is of its country."""
    digits = text.strip().removesuffix("*")
    if not (text.strip().endswith("*") and _AREA_CODE.match(digits) and digits.isdecimal()):
        return False
    return find_calling_code(f"+{digits}") not in _find_calling_codes((*own_numbers,))


@functools.lru_cache(maxsize=16)
def _find_calling_codes(numbers: tuple[str, ...]) -> frozenset[str]:
    return frozenset(find_calling_code(strip_international_prefix(number.strip())) for number in numbers) - {""}


_AREA_CODE: Final = re.compile(r"[2-9][0-8][0-9](?:[2-9]|\Z)")
"""An area code of North America, and the next digit of a number there."""


def suggest_home_number(text: str, own_numbers: Iterable[str]) -> str:
    """Return the fix that a text is a number of the file's country without its code, as ``020 7946 0018``; "" if not."""
    return _suggest_home_number(text, _find_regions((*own_numbers,)))


def _suggest_home_number(text: str, regions: Collection[str]) -> str:
    import phonenumbers  # noqa: PLC0415 - heavy, and only needed for a message

    found = {}
    for region in sorted(regions)[:_MAX_REGIONS]:
        with contextlib.suppress(phonenumbers.NumberParseException):
            number = phonenumbers.parse(text, region)
            if phonenumbers.is_valid_number_for_region(number, region):
                found[phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)] = region
    return " or ".join(f"write {number} if it is a number of {region}" for number, region in found.items())


@functools.lru_cache(maxsize=16)  # a file with many wrong numbers asks for each of them
def _find_regions(numbers: tuple[str, ...]) -> frozenset[str]:
    """Return the countries of numbers that are written with their country code, and of prefixes."""
    import phonenumbers  # noqa: PLC0415 - as above

    regions: set[str | None] = set()
    for written in map(str.strip, numbers):
        if written.endswith("*"):
            digits = strip_international_prefix(written[:-1]).lstrip("+")
            codes = (digits[:length] for length in (1, 2, 3) if digits[:length].isdecimal())
            shared = (phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(code), ()) for code in codes)
            regions.update(countries[0] for countries in shared if countries)
        elif number := "" if lacks_country_code(written) else parse_e164(written):
            regions.add(phonenumbers.region_code_for_number(phonenumbers.parse(number, None)))
    return frozenset(region for region in regions if region in phonenumbers.SUPPORTED_REGIONS)


def _list_nanp_regions() -> frozenset[str]:
    import phonenumbers  # noqa: PLC0415 - as above

    return frozenset(phonenumbers.COUNTRY_CODE_TO_REGION_CODE[1])


def suggest_written_number(text: str, otherwise: str, own_numbers: Iterable[str] = ()) -> str:
    """Return the fix for a text that is no number: plus or country code if only that is missing, else ``otherwise``."""
    own_numbers = [*own_numbers]
    if lacks_country_code(text):
        return suggest_country_code(text, own_numbers)
    home = suggest_home_number(text, own_numbers)
    if home:
        return home
    with_plus = parse_e164(f"+{text.strip()}") if text.strip()[:1] in _FIRST_DIGITS else ""
    if not with_plus:
        return otherwise
    import phonenumbers  # noqa: PLC0415 - as above

    is_valid = phonenumbers.is_valid_number(phonenumbers.parse(with_plus, None))
    return f"write {with_plus} if its first digits are its country's code" if is_valid else otherwise


def explain_invalid_number(text: str) -> str:
    """Explain why a number that somebody wrote is not one, and the fix; empty if it is one."""
    if parse_e164(text) and not lacks_country_code(text):
        return ""
    if lacks_country_code(text):
        return f"{MISSING_COUNTRY_CODE_MESSAGE.format(repr(text))}: {suggest_country_code(text)}"
    return f"{text!r} is not a number: {suggest_written_number(text, 'write it with its country code, as +12015550123')}"


def read_written_party(text: str) -> str:
    """Return a number that somebody wrote in E.164, and any other party, as a SIP user or a short code, unchanged.

    Raises ValueError with the fix for a number without its country.
    """
    looks_like_number = len(re.sub("[^0-9]", "", text)) >= _MIN_NUMBER_DIGITS and _DIGITS_WITH_PUNCTUATION.fullmatch(text)
    explanation = explain_invalid_number(text) if looks_like_number else ""
    if explanation:
        raise ValueError(explanation)
    return parse_e164(text) or text


_DIGITS_WITH_PUNCTUATION: Final = re.compile(r"[0-9 ()./+\-]+")
_MIN_NUMBER_DIGITS: Final = 7
_FIRST_DIGITS: Final = frozenset("123456789")
_OTHER_COUNTRY_FIX: Final = "else put its own country code with a plus before it"
_MAX_REGIONS: Final = 3
"""A file with numbers of more countries gets suggestions for these only."""
