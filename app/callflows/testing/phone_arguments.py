"""Checks caller IDs written by people."""

from __future__ import annotations

import re
from typing import Final

from callflows.flows.country_code_check import read_written_party
from callflows.telephony.phone_numbers import extract_sip_address, is_anonymous, parse_reported_number


def explain_invalid_caller(caller_text: str) -> str:
    """Explain why a caller ID cannot be used, and the fix; empty if valid: a number, a SIP user, or anonymous.

    platform 1.7: a SIP user's address is a login name; a caller may be anonymous or empty.
    """
    if is_anonymous(caller_text):
        return ""
    try:
        address = read_written_party(extract_sip_address(caller_text))
    except ValueError as error:
        return str(error)
    if parse_reported_number(caller_text) or _SIP_USER_PATTERN.fullmatch(address):
        return ""
    return (
        f"{caller_text!r} is not a caller: write a number as +12015550999, a SIP user as ann, "
        "or an empty text for an anonymous caller"
    )


_SIP_USER_PATTERN: Final = re.compile(
    r"(?:sips?:)?[a-z0-9][a-z0-9._~!$&'*=-]{0,63}(?:@[a-z0-9.-]+(?::[0-9]+)?)?", re.IGNORECASE
)
"""The login name of a SIP user, or a SIP address."""
