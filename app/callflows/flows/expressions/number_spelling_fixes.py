"""Fixes for telephone numbers, and for their first digits, that no caller's number equals as they are written."""

from __future__ import annotations

import re
from typing import Final

from callflows.telephony.phone_numbers import is_impossible_number, lacks_country_code, parse_e164, strip_number_signs

_NUMBER_FIX: Final = "write it with its plus and its country code, as +12015550123"
_PREFIX_PATTERN: Final = re.compile(r"(\+[0-9]{1,9})\*?")
_AMERICAN_AREA_CODE: Final = re.compile("1[2-9][0-9]{2}")


def suggest_number_spelling(name: str, op: str, text: str, calling_code: str) -> str:
    """Return the fix for a number that is not written in E.164. ``calling_code`` is the country's, as ``+1``, or empty."""
    plain = strip_number_signs(text)
    prefix = _PREFIX_PATTERN.fullmatch(plain)
    if prefix and (plain.endswith("*") or len(plain) < len("+1201555")):
        return f"compare the first characters: {_compare_first(name, op, prefix[1])}"
    if lacks_country_code(text):
        return f'write it as "+1{re.sub("[^0-9]", "", text)}"' if calling_code == "+1" else _NUMBER_FIX
    number = parse_e164(f"+{plain[3:]}" if calling_code == "+1" and plain.startswith("011") else text)
    if number and not is_impossible_number(number):
        return f'write it as "{number}"'
    if re.fullmatch(r"\+[0-9]+", plain):
        return "no country has numbers of this length: count its digits"
    return _NUMBER_FIX


def suggest_first_digits(name: str, op: str, digits: str, calling_code: str) -> str:
    """Return the fix for first digits of a number that have no plus."""
    prefix = _find_prefix(digits, calling_code)
    if not prefix:
        return (
            f"numbers begin with a plus and the code of a country: put both before {digits}, and compare as many characters"
        )
    return f"numbers begin with a plus: {_compare_first(name, op, prefix)}"


def _find_prefix(digits: str, calling_code: str) -> str:
    """Return the first characters of a number in E.164; "" if its country is unknown."""
    if digits.startswith("00"):
        return f"+{digits[2:]}" if digits[2:3].strip("0") else ""
    if calling_code == "+1":
        if digits.startswith("011"):
            return f"+{digits[3:]}" if digits[3:] else ""
        return "" if digits[0] == "0" else f"+{digits}" if digits[0] == "1" else f"+1{digits}"
    if not calling_code:
        return f"+{digits}" if _AMERICAN_AREA_CODE.fullmatch(digits) else ""
    has_code = digits.startswith(calling_code[1:])
    return f"+{digits}" if has_code else f"{calling_code}{digits.removeprefix('0')}"


def _compare_first(name: str, op: str, prefix: str) -> str:
    return f'{name}[:{len(prefix)}] {"!=" if op in ("ne", "notin") else "=="} "{prefix}"'
