"""Requests to an app that answers with TwiML: the parameters and the signature that Twilio would send."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlencode, urlsplit, urlunsplit

from callflows.telephony.ports import LookupRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callflows.telephony.turn import Turn


TWIML_TIMEOUT_MS: Final = 15_000
"""Time for an answer of the app, as Twilio gives it. The deadline of the server (DEADLINE_MS) is shorter by default."""
_ATTESTATION_WORDS: Final = {"A": "TN-Validation-Passed-A", "B": "TN-Validation-Passed-B", "C": "TN-Validation-Passed-C"}


class TwilioAccount(NamedTuple):
    """The account that the app knows; without ``auth_token`` requests are not signed."""

    sid: str = ""
    auth_token: str = ""


NO_TWILIO_ACCOUNT: Final = TwilioAccount()


def make_twilio_sid(prefix: str, key: str) -> str:
    """Return an id as Twilio has it, as CA and 32 hexadecimal digits; a uuid keeps its digits."""
    digits = key.replace("-", "").lower()
    if not re.fullmatch("[0-9a-f]{32}", digits):
        digits = hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=16).hexdigest()
    return f"{prefix}{digits}"


def build_call_parameters(turn: Turn, account_sid: str, call_sid: str, call_status: str) -> dict[str, str]:
    """Return the parameters about the call that Twilio sends with each request."""
    caller = str(turn.caller.number) or "anonymous"
    parameters = {
        "CallSid": call_sid,
        "AccountSid": account_sid,
        "From": caller,
        "To": str(turn.number),
        "Caller": caller,
        "Called": str(turn.number),
        "CallStatus": call_status,
        "ApiVersion": "2010-04-01",
        "Direction": "inbound",
        "CallerName": turn.caller.name,
        "FromCountry": str(turn.caller.region or ""),
        "ToCountry": str(turn.number.region or ""),
        "StirVerstat": _ATTESTATION_WORDS.get(str(turn.call.attestation), ""),
    }
    return {name: value for name, value in parameters.items() if value}


def normalize_app_url(url: str) -> str:
    """Return a URL with a path and without a fragment, as it is requested and signed."""
    parts = urlsplit(url.strip())
    return urlunsplit(parts._replace(path=parts.path or "/", fragment=""))


def build_app_request(
    url: str, method: str, parameters: Mapping[str, str], auth_token: str, cookies: Mapping[str, str], place: str
) -> LookupRequest:
    """Return the request of a document: a form with POST, a query with GET."""
    headers = {"accept": "text/xml, application/xml, text/html;q=0.8, */*;q=0.5"}
    if method == "GET":
        url = f"{url}{'&' if '?' in url else '?'}{urlencode(parameters)}"
    else:
        headers["content-type"] = "application/x-www-form-urlencoded; charset=utf-8"
    if auth_token:
        headers["x-twilio-signature"] = sign_twilio_request(auth_token, url, {} if method == "GET" else parameters)
    if cookies:
        headers["cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
    body = "" if method == "GET" else urlencode(parameters)
    return LookupRequest(url, method, (*headers.items(),), body, TWIML_TIMEOUT_MS, place, wants_document=True)


def sign_twilio_request(auth_token: str, url: str, parameters: Mapping[str, str]) -> str:
    """Return the header X-Twilio-Signature for a URL and the parameters of a form."""
    signed = url + "".join(f"{name}{parameters[name]}" for name in sorted(parameters))
    return base64.b64encode(hmac.digest(auth_token.encode(), signed.encode("utf-8", "replace"), hashlib.sha1)).decode()
