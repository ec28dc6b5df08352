"""The states of the United States and the provinces of Canada, as ``caller.state`` names them."""

from __future__ import annotations

from typing import Final

STATE_CODES_BY_NAME: Final = {
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
US_TERRITORIES: Final = frozenset({"AS", "GU", "MP", "PR", "VI"})
"""Separate regions in the numbering plan, but part of the United States in postal addresses."""
STATE_CODES: Final = frozenset(STATE_CODES_BY_NAME.values()) | US_TERRITORIES
