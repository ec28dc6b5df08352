"""What the HTTP API and the console share to ask the journal: fields, cursors, pages of lists as JSON or CSV, outages."""

from __future__ import annotations

import base64
import binascii
import csv
import io
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from fastapi import HTTPException
from fastapi.responses import JSONResponse, Response

from callflows.errors import JournalUnavailableError
from callflows.journal.call_ending import ENDING_WORDS
from callflows.journal.inbox import InboxFilter
from callflows.journal.stored_rows import CallFilter
from callflows.telephony.call_states import CALL_STATE_RANKS
from callflows.telephony.phone_numbers import parse_e164
from callflows.text import escape_spreadsheet_formula

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastapi import Request


MAX_LISTED_ROWS: Final = 1_000
DEFAULT_LISTED_ROWS: Final = 50
NO_STORE_HEADERS: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


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
    except (ValueError, TypeError, binascii.Error):
        raise HTTPException(400, "cursor: take it from the field next of the page before") from None


def answer_list_page(
    request: Request, rows: Sequence[dict[str, Any]], places: Sequence[tuple[float, str]], limit: int, fields: Sequence[str]
) -> Response:
    """Answer with up to ``limit`` rows and the cursor of the next page; ``rows`` has one more if there is one."""
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
        flat = {**item, "notes": "; ".join(f"{note['by']}: {note['text']}" for note in item.get("notes", ()))}
        writer.writerow({name: escape_spreadsheet_formula(flat[name]) for name in fields})
    return Response(table.getvalue(), media_type="text/csv; charset=utf-8", headers={**NO_STORE_HEADERS, **headers})


async def ask_journal(query: Any) -> Any:  # noqa: ANN401 - a query of the journal
    """Await a query; an outage of the database is status 503."""
    try:
        return await query
    except JournalUnavailableError:
        raise HTTPException(503, "the database is away: ask again", headers={"Retry-After": "5"}) from None


def build_call_filter(fields: Mapping[str, str], limit: int) -> CallFilter:
    """Build the filter of a page of calls from query fields, which may be absent; with one row more than ``limit``.

    Raises HTTPException for a value that is not valid.
    """
    given = {name: fields.get(name, "").strip() for name in ("number", "from", "flow", "outcome", "state", "node", "q")}
    return CallFilter(
        number=parse_e164(given["number"]) or given["number"],
        caller=parse_e164(given["from"]) or given["from"],
        flow=given["flow"],
        outcome=require_known_field(given["outcome"], [*ENDING_WORDS], "outcome"),
        state=require_known_field(given["state"], [*CALL_STATE_RANKS], "state"),
        since=read_moment_field(fields.get("since", ""), "since"),
        until=read_moment_field(fields.get("until", ""), "until"),
        limit=limit + 1,
        node=given["node"],
        after=read_page_cursor(fields.get("cursor", "")),
        text=given["q"],
    )


def build_inbox_filter(
    number: str, party: str, state: str, moments: tuple[str, str], cursor: str, limit: int
) -> InboxFilter:
    since, until = read_moment_field(moments[0], "since"), read_moment_field(moments[1], "until")
    ours, other = parse_e164(number) or number, parse_e164(party) or party
    return InboxFilter(ours, other, "", state, "", since, until, read_page_cursor(cursor), limit + 1)


def answer_json(body: Any, headers: Mapping[str, str] | None = None) -> Response:  # noqa: ANN401 - JSON
    return JSONResponse(body, headers={**NO_STORE_HEADERS, **(headers or {})})
