"""Suggests the code of a country that an author writes in another way: UK, USA, Germany."""

from __future__ import annotations

from typing import Final

from callflows.flows.hours.public_holidays import find_country_code
from callflows.telephony.phone_numbers import list_regions
from callflows.text import Suggestion

_FIXES: Final = {
    "UK": "did you mean 'GB', the United Kingdom?",
    "EN": "did you mean 'GB', the United Kingdom?",
    "EL": "did you mean 'GR', Greece?",
    "SP": "did you mean 'ES', Spain?",
    "EU": 'name each country, as ["DE", "FR"]',
    "EUROPE": 'name each country, as ["DE", "FR"]',
}
_OTHER_NAMES: Final = {"AMERICA": "US", "UNITED STATES OF AMERICA": "US", "ENGLAND": "GB", "GREAT BRITAIN": "GB"}


def suggest_region(text: str) -> str:
    """Return the fix for a country that is written as a name or in another code; "" if it is unknown.

    Never the nearest code: one letter beside it is the code of another country.
    """
    plain = text.upper().replace(".", "").strip()
    plain = _OTHER_NAMES.get(plain, plain)
    if plain in _FIXES:
        return _FIXES[plain]
    code = plain if len(plain) == len("US") else find_country_code(plain)
    return Suggestion(code if code in list_regions() else "")
