"""Calls that check a line: the server answers them as any other call, but sends, counts and remembers nothing.

The id of such a call is signed, so that nobody else can make one. A comment at the end of each document says how the
server answered, because a caller could not tell a fallback from a flow.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from callflows.telephony.ports import LookupRequest, LookupResult

if TYPE_CHECKING:
    from callflows.flows.tickets import TicketSigner
    from callflows.telephony.events import AnswerOutcome

LINE_CHECK_PREFIX: Final = "line-check."
_LIFETIME_SECONDS: Final = 600.0
_COMMENT_PATTERN: Final = re.compile(rb"<!--callflows ([^ ]*) ([^ ]*) ([^ ]*)-->\s*\Z")
_UNSAFE_CHARACTERS: Final = re.compile(r"[^A-Za-z0-9_.]+")
_EMPTY_TWIML: Final = "<Response><Pause/></Response>"


class LineCheckOutcome(NamedTuple):
    """Outcome of a request of a line check; see ``AnswerOutcome``."""

    kind: str
    flow: str
    cause: str


def make_line_check_call(signer: TicketSigner) -> str:
    """Make the id of a call that checks a line."""
    at = f"{time.time():.0f}"
    return f"{LINE_CHECK_PREFIX}{at}.{signer.sign_permanently(f'{LINE_CHECK_PREFIX}{at}')}"


def is_line_check_call(call: str, signer: TicketSigner) -> bool:
    """Return True if a call's id was made by ``make_line_check_call`` within the last ten minutes."""
    at, _, signature = call.removeprefix(LINE_CHECK_PREFIX).partition(".")
    if not call.startswith(LINE_CHECK_PREFIX) or not (at.isascii() and at.isdecimal() and len(at) <= 12):  # noqa: PLR2004 - seconds
        return False
    is_recent = abs(time.time() - int(at)) < _LIFETIME_SECONDS
    return is_recent and signer.is_signed_permanently(f"{LINE_CHECK_PREFIX}{at}", signature)


def write_outcome_comment(outcome: AnswerOutcome) -> bytes:
    """Return the comment that follows a document."""
    texts = (_UNSAFE_CHARACTERS.sub("_", text) for text in (outcome.kind, outcome.flow, outcome.cause))
    return f"<!--callflows {' '.join(texts)}-->".encode()


def read_outcome_comment(document: bytes) -> LineCheckOutcome | None:
    """Return the outcome that follows a document; None if another server wrote it."""
    found = _COMMENT_PATTERN.search(document[-1_000:])
    return LineCheckOutcome(*(text.decode() for text in found.groups())) if found else None


def answer_line_check_lookup(request: LookupRequest) -> LookupResult:
    """Return the result of a lookup that is not made: it failed; an app of the author says nothing."""
    if request.wants_document:
        return LookupResult(_EMPTY_TWIML, ok=True)
    return LookupResult(None, ok=False, reason="a line check makes no lookups")
