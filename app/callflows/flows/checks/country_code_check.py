"""Numbers that are taken for those of another country."""

from __future__ import annotations

import re
from typing import Final

_TEN_DIGITS_WITHOUT_PLUS: Final = re.compile(r"[ ().\-]*[2-9](?:[ ().\-]*[0-9]){9}[ ().\-]*")
"""Ten digits without a plus."""


MISSING_COUNTRY_CODE_MESSAGE: Final = "{} has no plus, and its first digits are taken for a country's code"


def suggest_country_code(text: str) -> str:
    """The mend: what such a number may be meant for."""
    digits = re.sub("[^0-9]", "", text)
    return f"write +1{digits} if it is North American, else +{digits}"


def lacks_country_code(text: str) -> bool:
    """Whether a number is written as people at home write it, and so is another's abroad."""
    if not _TEN_DIGITS_WITHOUT_PLUS.fullmatch(text):
        return False
    from callflows.flows.dial_policy import numbering_plans  # noqa: PLC0415 - heavy, and few numbers are written so

    return numbering_plans.is_nanp_without_country_code(text)
