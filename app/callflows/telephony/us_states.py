"""Home state, province or territory of a United States or Canadian number, from the geocoder's tables.

The tables are heavy (about 100 MB and half a second): import this module only on demand.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import phonenumbers
from phonenumbers import geocoder

_STATE_CODES_BY_NAME: Final = {
    name: code
    for code, name in (
        pair.split(" ", 1)
        for pair in """
AL Alabama; AK Alaska; AZ Arizona; AR Arkansas; CA California; CO Colorado; CT Connecticut; DE Delaware;
DC District of Columbia; DC Washington D.C.; DC Washington, D.C.; FL Florida; GA Georgia; HI Hawaii; ID Idaho;
IL Illinois; IN Indiana; IA Iowa; KS Kansas; KY Kentucky; LA Louisiana; ME Maine; MD Maryland; MA Massachusetts;
MI Michigan; MN Minnesota; MS Mississippi; MO Missouri; MT Montana; NE Nebraska; NV Nevada; NH New Hampshire;
NJ New Jersey; NM New Mexico; NY New York; NC North Carolina; ND North Dakota; OH Ohio; OK Oklahoma; OR Oregon;
PA Pennsylvania; RI Rhode Island; SC South Carolina; SD South Dakota; TN Tennessee; TX Texas; UT Utah; VT Vermont;
VA Virginia; WA Washington State; WA Washington; WV West Virginia; WI Wisconsin; WY Wyoming;
AB Alberta; BC British Columbia; BC British Colombia; MB Manitoba; NB New Brunswick; NL Newfoundland and Labrador;
NS Nova Scotia; NT Northwest Territories; NU Nunavut; ON Ontario; PE Prince Edward Island; QC Quebec;
SK Saskatchewan; YT Yukon
""".replace("\n", " ").split(";")
        for pair in (pair.strip(),)
    )
}
"""Names as written by the geocoder, including its misspelling."""
_TERRITORIES: Final = frozenset({"AS", "GU", "MP", "PR", "VI"})
"""Separate regions in the numbering plan, but part of the United States in postal addresses."""
_STATE_CODES: Final = frozenset(_STATE_CODES_BY_NAME.values()) | _TERRITORIES
_EXCHANGE_CODES: Final = range(200, 1000)


@lru_cache(maxsize=4096)
def find_number_state(number: str) -> str:
    """Return the two-letter state of an E.164 number, as ``NJ``; "" for none, or if several share its area code."""
    if not number.startswith("+1") or len(number) != len("+12015550123"):
        return ""
    parsed = phonenumbers.PhoneNumber(country_code=1, national_number=int(number[2:]))
    region = phonenumbers.region_code_for_number(parsed)
    if region in _TERRITORIES:
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
    if description in _STATE_CODES_BY_NAME:
        return _STATE_CODES_BY_NAME[description]
    tail = description.rpartition(", ")[2]
    return tail if tail in _STATE_CODES else ""


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
