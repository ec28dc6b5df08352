"""Who can ring, and what can be rung, in calls that people make up."""

from __future__ import annotations

import re
from typing import Final

from app.flows.checks.country import TAKEN, lacks_country, meant
from app.numbers import e164
from app.withheld import address_of, is_withheld


def no_number(written: str) -> str:
    """Why no call can come to this, and the mend; nothing where one can."""
    if lacks_country(written):
        return f"{TAKEN.format(repr(written))}: {meant(written)}"
    return "" if e164(written) else f"{written!r} is no number: write it with its country code, as +12015550123"


def no_caller(written: str) -> str:
    """Why nobody can ring as this, and the mend; nothing where somebody can: a number, a SIP user, or who withholds it.

    platform 1.7: a SIP user's address is a login name; a caller may be anonymous or empty.
    """
    address = address_of(written)
    if is_withheld(written) or (e164(address) and not lacks_country(address)) or _USER.fullmatch(address):
        return "" if not lacks_country(address) else no_number(address)
    return f"{written!r} is nobody who can ring: write a number as +12015550999, a SIP user as ann, or nothing: withheld"


_USER: Final = re.compile(r"(?:sips?:)?[a-z0-9][a-z0-9._~!$&'*=-]{0,63}(?:@[a-z0-9.-]+(?::[0-9]+)?)?", re.IGNORECASE)
"""The login name of a SIP user, or a SIP address."""
