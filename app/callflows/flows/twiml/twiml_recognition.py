"""Recognises TwiML, the XML of Twilio, where a document of Opentact is expected."""

from __future__ import annotations

import re
from typing import Final

TWIML_MESSAGE: Final = "this is TwiML, the XML of Twilio: Opentact has elements and attributes of its own"


def is_twiml(document: bytes) -> bool:
    """Return True if a document has elements, attributes or texts that TwiML has, and Opentact's XML has not."""
    return _TWIML_MARKS.search(document) is not None


_TWIML_MARKS: Final = re.compile(
    rb"<(?:Enqueue|Queue|Conference|Client|Leave|Refer|Message|Sms|Connect|Stream|Pay|Prompt|Start|Stop)\b"
    rb"|<(?:Gather|Dial|Record|Say|Play|Redirect|Pause|Number)\b[^<>]*\s"
    rb"(?:action|voice|language|callerId|input|speechTimeout|transcribe|transcribeCallback|playBeep|maxLength"
    rb"|statusCallback|statusCallbackEvent|hangupOnStar|answerOnBridge|actionOnEmptyResult|actionOnEmptyInput)\s*="
    rb"|<Reject\b[^<>]*\sreason\s*=|<Play\b[^<>]*\sdigits\s*=|<(?:Number|Sip)\b[^<>]*\s(?:url|username|sendDigits)\s*="
    rb"|<(?:Redirect|Dial)\b[^<>]*>\s*[^\s<]"
)
"""Elements and attributes that TwiML has, and Opentact's XML has not."""
