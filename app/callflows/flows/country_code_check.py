"""Explains numbers without their country's code: their first digits would be read as the code of another country."""

from __future__ import annotations

import re
from typing import Final

from callflows.telephony.phone_numbers import lacks_country_code, parse_e164

MISSING_COUNTRY_CODE_MESSAGE: Final = "{} has no plus, and its first digits are taken for a country's code"


def suggest_country_code(text: str) -> str:
    """Return the fix for a number without country code."""
    digits = re.sub("[^0-9]", "", text)
    return f"write +1{digits} if it is North American, else put its own country code with a plus before it"


def suggest_written_number(text: str, otherwise: str) -> str:
    """Return the fix for a text that is no number: plus or country code if only that is missing, else ``otherwise``."""
    if lacks_country_code(text):
        return suggest_country_code(text)
    with_plus = parse_e164(f"+{text.strip()}") if text.strip()[:1] in _FIRST_DIGITS else ""
    if not with_plus:
        return otherwise
    import phonenumbers  # noqa: PLC0415 - heavy, and only needed for a message

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
