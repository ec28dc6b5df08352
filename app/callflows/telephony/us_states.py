"""Home state, province or territory of a United States or Canadian number, from the geocoder's tables.

The tables are heavy (about 100 MB and half a second): import this module only on demand.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import phonenumbers
from phonenumbers import geocoder

from callflows.telephony.state_codes import STATE_CODES, STATE_CODES_BY_NAME, US_TERRITORIES

_EXCHANGE_CODES: Final = range(200, 1000)


@lru_cache(maxsize=4096)
def find_number_state(number: str) -> str:
    """Return the two-letter state of an E.164 number, as ``NJ``; "" for none, or if several share its area code."""
    if not number.startswith("+1") or len(number) != len("+12015550123"):
        return ""
    parsed = phonenumbers.PhoneNumber(country_code=1, national_number=int(number[2:]))
    region = phonenumbers.region_code_for_number(parsed)
    if region in US_TERRITORIES:
        return region
    if region not in ("US", "CA") or not phonenumbers.is_number_geographical(parsed):
        return ""
    place = geocoder.description_for_valid_number(parsed, "en")
    if place in _COUNTRY_DESCRIPTIONS:
        return _find_area_code_state(number[2:5])
    return _parse_state_code(place)


_COUNTRY_DESCRIPTIONS: Final = frozenset({"", "United States", "Canada"})


def _parse_state_code(description: str) -> str:
    """Return the state of ``Newark, NJ`` or ``New Jersey``; "" for several (``Nova Scotia/Prince Edward Island``)."""
    if description in STATE_CODES_BY_NAME:
        return STATE_CODES_BY_NAME[description]
    tail = description.rpartition(", ")[2]
    return tail if tail in STATE_CODES else ""


@lru_cache(maxsize=512)
def _find_area_code_state(area_code: str) -> str:
    """Return the state of an area code if all its known exchanges are in one state, else ""."""
    found = {
        _parse_state_code(
            geocoder.description_for_valid_number(phonenumbers.PhoneNumber(1, int(f"{area_code}{exchange}0000")), "en")
        )
        for exchange in _EXCHANGE_CODES
    } - {""}
    return found.pop() if len(found) == 1 else ""
