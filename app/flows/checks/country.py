"""Numbers that are taken for those of another country."""

from __future__ import annotations

import re
from typing import Final

_BARE: Final = re.compile(r"[ ().\-]*[2-9](?:[ ().\-]*[0-9]){9}[ ().\-]*")
"""Ten digits without a plus."""
TAKEN: Final = "{} has no plus, and its first digits are taken for a country's code"


def meant(written: str) -> str:
    """The mend: what such a number may be meant for."""
    digits = re.sub("[^0-9]", "", written)
    return f"write +1{digits} if it is North American, else +{digits}"


def lacks_country(written: str) -> bool:
    """Whether a number is written as people at home write it, and so is another's abroad."""
    if not _BARE.fullmatch(written):
        return False
    from app.flows.dialing import plans  # noqa: PLC0415 - heavy, and few numbers are written so

    return plans.lacks_country(written)
