"""The HTTP API for operators, ``/api/v1``: calls, voicemails, messages, flows with their versions, numbers, health.

A request needs a token of ``callflows token``. Without CALLFLOWS_TOKEN in the settings, direct requests from this machine
need none, as everywhere. Lists are pages with a cursor, as JSON or (with ``.csv``) as a table.
"""

from __future__ import annotations

import base64
import binascii
import csv
import io
import json
import time
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from callflows.errors import JournalRejectionError, JournalUnavailableError
from callflows.flows.country_code_check import read_written_party
from callflows.journal.api_tokens import TokenOwner
from callflows.journal.call_ending import ENDING_WORDS
from callflows.journal.call_story import CALL_LOG_FIELDS, build_call_log_row, build_call_story, format_moment
from callflows.journal.inbox import (
    CALL_KIND,
    MAX_NOTE_CHARACTERS,
    MESSAGE_FIELDS,
    MESSAGE_KIND,
    VOICEMAIL_FIELDS,
    VOICEMAIL_KIND,
    InboxFilter,
    PersonChange,
    join_notes,
)
from callflows.journal.stored_rows import CallFilter
from callflows.telephony.call_states import CALL_STATE_RANKS
from callflows.text import escape_spreadsheet_formula
from callflows.web.request_trust import find_header

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from callflows.flows.loader.folder_loader import LoadedFlows
    from callflows.journal.journal_queries import JournalQueries
    from callflows.web.request_trust import RequestTrust


API_ROOT: Final = "/api/v1"
_MAX_PAGE_ROWS: Final = 1_000
_DEFAULT_PAGE_ROWS: Final = 50
_NO_STORE: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
_PROBLEM: Final[dict[str, Any]] = {"content": {"application/problem+json": {}}}
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    400: {"description": "A field has a value that is not valid", **_PROBLEM},
    401: {"description": "The token is missing, wrong, over or revoked", **_PROBLEM},
    403: {"description": "The token has not this scope", **_PROBLEM},
    404: {"description": "There is no such thing", **_PROBLEM},
    503: {"description": "The database is away: ask again", **_PROBLEM},
}
_Id = Annotated[str, Path(description="the id, as a list gives it")]
_INBOX_STATE: Final[Any] = Field("", description="new or handled; of texts, those that came in")


class PageQuery(BaseModel):
    """The query fields of every list."""

    number: str = Field("", description="a number of ours, as +12015550123")
    from_: str = Field("", alias="from", description="the caller, or the other side of a text")
    since: str = Field("", description="a moment, as 2026-11-23T10:00:00Z")
    until: str = Field("", description="a moment, as 2026-11-23T10:00:00Z")
    cursor: str = Field("", description="the field next of the page before")
    limit: int = Field(_DEFAULT_PAGE_ROWS, ge=1, le=_MAX_PAGE_ROWS, description="rows of a page")

    @property
    def numbers(self) -> tuple[str, str]:
        """Our number and that of the other side. Raises HTTPException."""
        return _read_party(self.number, "number"), _read_party(self.from_, "from")

    @property
    def period(self) -> tuple[float | None, float | None]:
        """The moments of ``since`` and ``until``, in seconds since 1970. Raises HTTPException."""
        return _read_moment(self.since, "since"), _read_moment(self.until, "until")

    @property
    def last_place(self) -> tuple[float, str] | None:
        """The last row of the page before. Raises HTTPException."""
        return _read_cursor(self.cursor)


class CallQuery(PageQuery):
    """The query fields of the list of calls."""

    flow: str = Field("", description="the flow that answered")
    outcome: str = Field("", description="how the call ended, as voicemail")
    state: str = Field("", description="the last reported state, as live")
    node: str = Field("", description="a node that the call came to")


class VoicemailQuery(PageQuery):
    """The query fields of the list of voicemails."""

    flow: str = Field("", description="the flow that recorded it")
    state: Literal["", "new", "handled"] = _INBOX_STATE


class MessageQuery(PageQuery):
    """The query fields of the list of text messages."""

    direction: Literal["", "in", "out"] = Field("", description="in or out")
    state: Literal["", "new", "handled"] = _INBOX_STATE


class HandledBody(BaseModel):
    """The wanted state of a voicemail or a text."""

    model_config = ConfigDict(extra="forbid")
    handled: bool


class NoteBody(BaseModel):
    """A note."""

    model_config = ConfigDict(extra="forbid")
    text: str = Field(min_length=1, max_length=MAX_NOTE_CHARACTERS)


def create_operator_router(
    journal: JournalQueries,
    trust: RequestTrust,
    get_loaded_flows: Callable[[], LoadedFlows],
    get_status: Callable[[], Mapping[str, Any]],
    *,
    needs_token: bool,
) -> APIRouter:
    """Serve ``/api/v1``. Without ``needs_token``, direct requests from this machine need no token."""
    router = APIRouter(prefix=API_ROOT, responses=_ANSWERS)
    door = _Door(journal, trust, needs_token=needs_token)
    _add_call_routes(router, journal, door)
    _add_inbox_routes(router, journal, door)
    _add_flow_routes(router, journal, door, get_loaded_flows)

    @router.get("/health", summary="State of the server", dependencies=[Depends(door.require_read)])
    async def read_health() -> Response:
        loaded = get_loaded_flows()
        flows = {"flows": loaded.state_counts, "broken": loaded.broken_flows, "stale": [*loaded.stale_flows]}
        return _answer({**flows, **get_status()})

    return router


class _Door:
    """Decides who may use the API. The methods are dependencies of FastAPI."""

    def __init__(self, journal: JournalQueries, trust: RequestTrust, *, needs_token: bool) -> None:
        self._journal = journal
        self._trust = trust
        self._needs_token = needs_token

    async def require_read(self, request: Request) -> TokenOwner:
        return await self._require(request, "read")

    async def require_operate(self, request: Request) -> TokenOwner:
        return await self._require(request, "operate")

    async def _require(self, request: Request, scope: str) -> TokenOwner:
        kind, _, token = find_header(request.scope, b"authorization").partition(" ")
        if not token and not self._needs_token and self._trust.is_local(request.scope):
            if find_header(request.scope, b"sec-fetch-site") not in ("", "same-origin", "none"):
                raise HTTPException(403, "a page of another site may not do this without a token")
            return TokenOwner("this machine", "author")
        owner: TokenOwner | None = None
        if kind.lower() == "bearer" and token:
            owner = await _ask(self._journal.find_token_owner(token.strip()))
        if owner is None:
            detail = "the token is missing or not valid: send Authorization: Bearer with a token of callflows token create"
            raise HTTPException(401, detail, headers={"WWW-Authenticate": "Bearer"})
        if not owner.has_scope(scope):
            raise HTTPException(403, f"the token may {owner.scope}; this needs a token with --scope {scope}")
        return owner


async def _ask(query: Any) -> Any:  # noqa: ANN401 - a query of the journal
    """Await a query; an outage of the database is status 503."""
    try:
        return await query
    except JournalUnavailableError:
        raise HTTPException(503, "the database is away: ask again", headers={"Retry-After": "5"}) from None


def _answer(body: Any, headers: Mapping[str, str] | None = None) -> Response:  # noqa: ANN401 - JSON
    return JSONResponse(body, headers={**_NO_STORE, **(headers or {})})


def _read_party(text: str, name: str) -> str:
    try:
        return read_written_party(text)
    except ValueError as error:
        raise HTTPException(400, f"{name}: {error}") from None


def _read_moment(text: str, name: str) -> float | None:
    from datetime import UTC, datetime  # noqa: PLC0415 - beside its only use

    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise HTTPException(400, f"{name}: {text[:40]!r} is no moment; write 2026-11-23T10:00:00Z") from None


def _require_known(value: str, known: Sequence[str], name: str) -> str:
    if value and value not in known:
        raise HTTPException(400, f"{name}: use {', '.join(known)}")
    return value


def _write_cursor(place: tuple[float, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def _read_cursor(text: str) -> tuple[float, str] | None:
    if not text:
        return None
    try:
        at, id_ = json.loads(base64.urlsafe_b64decode(f"{text}==="))
        return float(at), str(id_)
    except (ValueError, TypeError, binascii.Error):
        raise HTTPException(400, "cursor: take it from the field next of the page before") from None


def _answer_page(
    request: Request, rows: Sequence[dict[str, Any]], places: Sequence[tuple[float, str]], limit: int, fields: Sequence[str]
) -> Response:
    """Answer with up to ``limit`` rows and the cursor of the next page; ``rows`` has one more if there is one."""
    cursor = _write_cursor(places[limit - 1]) if len(rows) > limit else None
    items = [{name: row[name] for name in fields} for row in rows[:limit]]
    headers = {}
    if cursor:
        headers["link"] = f'<{request.url.include_query_params(cursor=cursor).replace(scheme="", netloc="")}>; rel="next"'
    if not request.url.path.endswith(".csv"):
        return _answer({"items": items, "next": cursor}, headers)
    table = io.StringIO()
    writer = csv.DictWriter(table, fields, lineterminator="\n")
    writer.writeheader()
    for item in items:
        writer.writerow({name: escape_spreadsheet_formula(value) for name, value in join_notes(item).items()})
    return Response(table.getvalue(), media_type="text/csv; charset=utf-8", headers={**_NO_STORE, **headers})


def _add_list_routes(router: APIRouter, path: str, summary: str, endpoint: Callable[..., Any], door: _Door) -> None:
    """Add a list at three paths: without a suffix and with ``.json`` as JSON, with ``.csv`` as a table."""
    name = path.strip("/")
    for suffix, words in (("", ""), (".json", " (JSON)"), (".csv", " (CSV)")):
        router.add_api_route(
            f"{path}{suffix}",
            endpoint,
            methods=["GET"],
            summary=f"{summary}{words}",
            operation_id=f"list_{name}{suffix.replace('.', '_')}",
            dependencies=[Depends(door.require_read)],
            response_class=Response if suffix == ".csv" else JSONResponse,
        )


def _add_call_routes(router: APIRouter, journal: JournalQueries, door: _Door) -> None:
    async def list_calls(request: Request, query: Annotated[CallQuery, Query()]) -> Response:
        wanted = CallFilter(
            *query.numbers,
            query.flow,
            _require_known(query.outcome, [*ENDING_WORDS], "outcome"),
            _require_known(query.state, [*CALL_STATE_RANKS], "state"),
            *query.period,
            query.limit + 1,
            query.node,
            after=query.last_place,
        )
        calls = await _ask(journal.list_calls(wanted))
        rows = [build_call_log_row(call) for call in calls]
        return _answer_page(request, rows, [(call["started"], call["id"]) for call in calls], query.limit, CALL_LOG_FIELDS)

    _add_list_routes(router, "/calls", "Calls, the newest first", list_calls, door)

    @router.get("/calls/{call}", summary="The story of a call", dependencies=[Depends(door.require_read)])
    async def read_call(call: _Id) -> Response:
        stored = await _ask(journal.load_call(call))
        if stored is None:
            raise HTTPException(404, "there is no such call")
        return _answer(build_call_story(stored, journal.shortest_message_seconds))

    _add_note_route(router, journal, door, CALL_KIND)


def _inject_owner(endpoint: Callable[..., Any], door: _Door) -> Callable[..., Any]:
    """Make FastAPI pass the owner of a token with the scope operate as ``owner``."""
    endpoint.__annotations__["owner"] = Annotated[TokenOwner, Depends(door.require_operate)]
    return endpoint


def _build_change(request: Request, owner: TokenOwner) -> PersonChange:
    address = request.client.host if request.client is not None else "unknown address"
    return PersonChange(owner.name, address, time.time())


async def _require_thing(journal: JournalQueries, kind: str, id_: str) -> None:
    if not await _ask(journal.has_thing(kind, id_)):
        raise HTTPException(404, f"there is no such {kind}")


def _add_note_route(router: APIRouter, journal: JournalQueries, door: _Door, kind: str) -> None:
    async def add_note(request: Request, thing: _Id, body: NoteBody, owner: TokenOwner) -> Response:
        await _require_thing(journal, kind, thing)
        try:
            row = await _ask(journal.add_note(kind, thing, _build_change(request, owner), body.text))
        except JournalRejectionError as error:
            raise HTTPException(400, f"text: {error}") from None
        note = {"at": format_moment(row["at"]), "by": row["by"], "on": row["key"], "text": row["text"]}
        return JSONResponse(note, status_code=201, headers=_NO_STORE)

    router.add_api_route(
        f"/{kind}s/{{thing}}/notes",
        _inject_owner(add_note, door),
        methods=["POST"],
        summary=f"Add a note to a {kind}",
        operation_id=f"add_{kind}_note",
        status_code=201,
    )


def _add_inbox_routes(router: APIRouter, journal: JournalQueries, door: _Door) -> None:
    async def list_voicemails(request: Request, query: Annotated[VoicemailQuery, Query()]) -> Response:
        rows = await _ask(journal.list_voicemails(_build_inbox_filter(query)._replace(flow=query.flow)))
        return _answer_page(request, rows, [row["cursor"] for row in rows], query.limit, VOICEMAIL_FIELDS)

    async def list_messages(request: Request, query: Annotated[MessageQuery, Query()]) -> Response:
        rows = await _ask(journal.list_messages(_build_inbox_filter(query)._replace(direction=query.direction)))
        return _answer_page(request, rows, [row["cursor"] for row in rows], query.limit, MESSAGE_FIELDS)

    _add_list_routes(router, "/voicemails", "Voicemails, the newest first", list_voicemails, door)
    _add_list_routes(router, "/messages", "Text messages, the newest first", list_messages, door)
    for kind in (VOICEMAIL_KIND, MESSAGE_KIND):
        _add_handled_route(router, journal, door, kind)
        _add_note_route(router, journal, door, kind)


def _build_inbox_filter(query: VoicemailQuery | MessageQuery) -> InboxFilter:
    (number, party), (since, until) = query.numbers, query.period
    return InboxFilter(
        number, party, state=query.state, since=since, until=until, after=query.last_place, limit=query.limit + 1
    )


def _add_handled_route(router: APIRouter, journal: JournalQueries, door: _Door, kind: str) -> None:
    async def set_handled(request: Request, thing: _Id, body: HandledBody, owner: TokenOwner) -> Response:
        await _require_thing(journal, kind, thing)
        change = _build_change(request, owner)
        changed = await _ask(journal.set_handled(kind, thing, change, handled=body.handled))
        return _answer({"id": thing, "handled": body.handled, "changed": changed})

    router.add_api_route(
        f"/{kind}s/{{thing}}/handled",
        _inject_owner(set_handled, door),
        methods=["PUT"],
        summary=f"Mark a {kind} as handled, or as new",
        operation_id=f"set_{kind}_handled",
    )


def _add_flow_routes(
    router: APIRouter, journal: JournalQueries, door: _Door, get_loaded_flows: Callable[[], LoadedFlows]
) -> None:
    reader = [Depends(door.require_read)]

    @router.get("/flows", summary="Flows that are loaded", dependencies=reader)
    async def list_flows() -> Response:
        loaded = get_loaded_flows()
        return _answer({"items": [_describe_flow(name, loaded) for name in sorted(loaded.book.flows)], "next": None})

    @router.get("/flows/{flow}", summary="A flow and its versions", dependencies=reader)
    async def read_flow(flow: _Id) -> Response:
        loaded = get_loaded_flows()
        versions = await _ask(journal.list_versions(flow))
        if flow not in loaded.book.flows and not versions:
            raise HTTPException(404, "there is no such flow")
        state = _describe_flow(flow, loaded) if flow in loaded.book.flows else {"name": flow, "state": "gone"}
        return _answer({**state, "versions": [_describe_version(row) for row in versions]})

    @router.get("/flows/{flow}/versions/{version}", summary="The source of a version of a flow", dependencies=reader)
    async def read_version(flow: _Id, version: _Id) -> Response:
        row = await _ask(journal.load_version(flow, version))
        if row is None:
            raise HTTPException(404, "there is no such version")
        return _answer({"flow": flow, **_describe_version(row), "source": row["source"] or ""})

    @router.get("/numbers", summary="Numbers and the flows that answer them", dependencies=reader)
    async def list_numbers() -> Response:
        book = get_loaded_flows().book
        claims = sorted({(claim.number, flow.name) for flow in book.flows.values() for claim in flow.claims})
        items = [
            {"number": number, "flow": name}
            for number, name in claims
            if book.find_claimants(number)[:1] == (book.flows[name],)
        ]
        return _answer({"items": items, "next": None})


def _describe_flow(name: str, loaded: LoadedFlows) -> dict[str, Any]:
    flow = loaded.book.flows[name]
    state = "broken" if flow.problems else "stale" if name in loaded.stale_flows else "live"
    problems = [str(problem) for problem in flow.problems or loaded.stale_flows.get(name, ())]
    numbers = [claim.number for claim in flow.claims]
    return {"name": name, "state": state, "version": flow.version, "numbers": numbers, "problems": problems}


def _describe_version(row: Mapping[str, Any]) -> dict[str, Any]:
    moments = {"since": format_moment(row["since"]), "until": format_moment(row["until"])}
    return {"version": row["version"], "file": row["file"] or "", **moments}
