"""Finds North American numbers without country code: their first digits are read as a country code."""

from __future__ import annotations

import re
from typing import Final

_TEN_DIGITS_WITHOUT_PLUS: Final = re.compile(r"[ ().\-]*[2-9](?:[ ().\-]*[0-9]){9}[ ().\-]*")
"""Ten digits without a plus."""
MISSING_COUNTRY_CODE_MESSAGE: Final = "{} has no plus, and its first digits are taken for a country's code"


def suggest_country_code(text: str) -> str:
    """Return the fix for a number without country code."""
    digits = re.sub("[^0-9]", "", text)
    return f"write +1{digits} if it is North American, else put its own country code with a plus before it"


def lacks_country_code(text: str) -> bool:
    """Return whether a number is written in North American national form."""
    if not _TEN_DIGITS_WITHOUT_PLUS.fullmatch(text):
        return False
    from callflows.flows.dial_policy import numbering_plans  # noqa: PLC0415 - a heavy import, rarely needed

    return numbering_plans.is_nanp_without_country_code(text)
