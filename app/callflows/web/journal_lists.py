"""Lists of the journal over HTTP, for the API and the console: query fields, cursors, pages as JSON or CSV, outages."""

from __future__ import annotations

import base64
import csv
import io
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from fastapi import HTTPException
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from callflows.errors import JournalUnavailableError
from callflows.flows.country_code_check import read_written_party
from callflows.journal.call_ending import ENDING_WORDS
from callflows.journal.inbox import InboxFilter, join_notes
from callflows.journal.stored_rows import CallFilter
from callflows.telephony.call_states import CALL_STATE_RANKS
from callflows.text import escape_spreadsheet_formula

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastapi import Request


MAX_LISTED_ROWS: Final = 1_000
DEFAULT_LISTED_ROWS: Final = 50
NO_STORE_HEADERS: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


async def ask_journal(query: Any) -> Any:  # noqa: ANN401 - a query of the journal
    """Await a query; an outage of the database is status 503."""
    try:
        return await query
    except JournalUnavailableError:
        raise HTTPException(503, "the database is away: ask again", headers={"Retry-After": "5"}) from None


def answer_json(body: Any, headers: Mapping[str, str] | None = None) -> Response:  # noqa: ANN401 - JSON
    return JSONResponse(body, headers={**NO_STORE_HEADERS, **(headers or {})})


def read_party_field(text: str, name: str) -> str:
    """Return a number in E.164, or another party. Raises HTTPException for a number without its country."""
    try:
        return read_written_party(text)
    except ValueError as error:
        raise HTTPException(400, f"{name}: {error}") from None


def read_moment_field(text: str, name: str) -> float | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise HTTPException(400, f"{name}: {text[:40]!r} is no moment; write 2026-11-23T10:00:00Z") from None


def require_known_field(value: str, known: Sequence[str], name: str) -> str:
    if value and value not in known:
        raise HTTPException(400, f"{name}: use {', '.join(known)}")
    return value


def write_page_cursor(place: tuple[float, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def read_page_cursor(text: str) -> tuple[float, str] | None:
    if not text:
        return None
    try:
        at, id_ = json.loads(base64.urlsafe_b64decode(f"{text}==="))
        return float(at), str(id_)
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise HTTPException(400, "cursor: take it from the field next of the page before") from None


def answer_list_page(
    request: Request, rows: Sequence[dict[str, Any]], places: Sequence[tuple[float, str]], limit: int, fields: Sequence[str]
) -> Response:
    """Answer with up to ``limit`` rows and a cursor. An extra row means that there is a next page."""
    cursor = write_page_cursor(places[limit - 1]) if len(rows) > limit else None
    items = [{name: row[name] for name in fields} for row in rows[:limit]]
    headers = {}
    if cursor:
        headers["link"] = f'<{request.url.include_query_params(cursor=cursor).replace(scheme="", netloc="")}>; rel="next"'
    if not request.url.path.endswith(".csv"):
        return answer_json({"items": items, "next": cursor}, headers)
    table = io.StringIO()
    writer = csv.DictWriter(table, fields, lineterminator="\n")
    writer.writeheader()
    for item in items:
        writer.writerow({name: escape_spreadsheet_formula(value) for name, value in join_notes(item).items()})
    return Response(table.getvalue(), media_type="text/csv; charset=utf-8", headers={**NO_STORE_HEADERS, **headers})


_INBOX_STATE: Final[Any] = Field("", description="new or handled; of texts, those that came in")


class PageQuery(BaseModel):
    """The query fields of every list."""

    number: str = Field("", description="a number of ours, as +12015550123")
    from_: str = Field("", alias="from", description="the caller, or the other side of a text")
    since: str = Field("", description="a moment, as 2026-11-23T10:00:00Z")
    until: str = Field("", description="a moment, as 2026-11-23T10:00:00Z")
    cursor: str = Field("", description="the field next of the page before")
    limit: int = Field(DEFAULT_LISTED_ROWS, ge=1, le=MAX_LISTED_ROWS, description="rows of a page")

    @property
    def numbers(self) -> tuple[str, str]:
        """Our number and that of the other side. Raises HTTPException."""
        return read_party_field(self.number, "number"), read_party_field(self.from_, "from")

    @property
    def period(self) -> tuple[float | None, float | None]:
        """The moments of ``since`` and ``until``, in seconds since 1970. Raises HTTPException."""
        return read_moment_field(self.since, "since"), read_moment_field(self.until, "until")

    @property
    def last_place(self) -> tuple[float, str] | None:
        """The last row of the page before. Raises HTTPException."""
        return read_page_cursor(self.cursor)


class CallQuery(PageQuery):
    """The query fields of the list of calls."""

    flow: str = Field("", description="the flow that answered")
    outcome: str = Field("", description="how the call ended, as voicemail")
    state: str = Field("", description="the last reported state, as live")
    node: str = Field("", description="a node that the call came to")
    q: str = Field("", description="a part of a number, or of the caller's name")


class VoicemailQuery(PageQuery):
    """The query fields of the list of voicemails."""

    flow: str = Field("", description="the flow that recorded it")
    state: Literal["", "new", "handled"] = _INBOX_STATE


class MessageQuery(PageQuery):
    """The query fields of the list of text messages."""

    direction: Literal["", "in", "out"] = Field("", description="in or out")
    state: Literal["", "new", "handled"] = _INBOX_STATE


def build_call_filter(query: CallQuery) -> CallFilter:
    """Build the filter of a page of calls, with one row more than the page. Raises HTTPException."""
    return CallFilter(
        *query.numbers,
        query.flow,
        require_known_field(query.outcome, [*ENDING_WORDS], "outcome"),
        require_known_field(query.state, [*CALL_STATE_RANKS], "state"),
        *query.period,
        query.limit + 1,
        query.node,
        after=query.last_place,
        text=query.q,
    )


def build_inbox_filter(query: VoicemailQuery | MessageQuery) -> InboxFilter:
    (number, party), (since, until) = query.numbers, query.period
    return InboxFilter(
        number, party, state=query.state, since=since, until=until, after=query.last_place, limit=query.limit + 1
    )
