"""The HTTP API for operators, ``/api/v1``: calls, voicemails, messages, flows with their versions, numbers, health.

A request needs a token of ``callflows token``. Without CALLFLOWS_TOKEN in the settings, direct requests from this machine
need none, as everywhere. Lists are pages with a cursor, as JSON or (with ``.csv``) as a table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from callflows.errors import JournalRejectionError
from callflows.journal.api_tokens import TokenOwner
from callflows.journal.call_story import CALL_LOG_FIELDS, build_call_log_row, build_call_story, format_moment
from callflows.journal.inbox import (
    CALL_KIND,
    MAX_NOTE_CHARACTERS,
    MESSAGE_FIELDS,
    MESSAGE_KIND,
    VOICEMAIL_FIELDS,
    VOICEMAIL_KIND,
)
from callflows.web.bounded_bodies import create_body_route
from callflows.web.flow_change_api import add_flow_change_routes, build_token_change
from callflows.web.hours_api import add_hours_routes
from callflows.web.journal_lists import (
    NO_STORE_HEADERS,
    CallQuery,
    MessageQuery,
    VoicemailQuery,
    answer_json,
    answer_list_page,
    ask_journal,
    build_call_filter,
    build_inbox_filter,
)
from callflows.web.request_trust import find_header, is_of_another_site

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from callflows.flows.flow_book import FlowBook
    from callflows.flows.loader.folder_loader import LoadedFlows
    from callflows.journal.journal_queries import JournalQueries
    from callflows.web.flow_workshop import FlowWorkshop
    from callflows.web.request_trust import RequestTrust


API_ROOT: Final = "/api/v1"
_PROBLEM: Final[dict[str, Any]] = {"content": {"application/problem+json": {}}}
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    400: {"description": "A field has a value that is not valid", **_PROBLEM},
    401: {"description": "The token is missing, wrong, expired or revoked", **_PROBLEM},
    403: {"description": "The token does not have this scope", **_PROBLEM},
    404: {"description": "There is no such thing", **_PROBLEM},
    408: {"description": "The body did not come in time", **_PROBLEM},
    413: {"description": "The body is too long", **_PROBLEM},
    503: {"description": "The database is away: ask again", **_PROBLEM},
}
_Id = Annotated[str, Path(description="the id, as a list gives it")]


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
    workshop: FlowWorkshop,
    *,
    needs_token: bool,
) -> APIRouter:
    """Serve ``/api/v1``. Without ``needs_token``, direct requests from this machine need no token."""
    guard = _TokenGuard(journal, trust, needs_token=needs_token)
    router = APIRouter(prefix=API_ROOT, responses=_ANSWERS, route_class=create_body_route(guard.require_read))
    _add_call_routes(router, journal, guard)
    _add_inbox_routes(router, journal, guard)
    _add_flow_routes(router, journal, guard, get_loaded_flows)
    add_flow_change_routes(router, workshop, get_loaded_flows, guard.require_scope)
    add_hours_routes(router, journal, workshop, get_loaded_flows, guard.require_scope)

    @router.get("/health", summary="State of the server", dependencies=[Depends(guard.require_read)])
    async def read_health() -> Response:
        loaded = get_loaded_flows()
        flows = {"flows": loaded.state_counts, "broken": loaded.broken_flows, "stale": [*loaded.stale_flows]}
        return answer_json({**flows, **get_status()})

    return router


class _TokenGuard:
    """Decides who may use the API. The methods are dependencies of FastAPI."""

    def __init__(self, journal: JournalQueries, trust: RequestTrust, *, needs_token: bool) -> None:
        self._journal = journal
        self._trust = trust
        self._needs_token = needs_token

    async def require_read(self, request: Request) -> TokenOwner:
        return await self.require_scope(request, "read")

    async def require_operate(self, request: Request) -> TokenOwner:
        return await self.require_scope(request, "operate")

    async def require_scope(self, request: Request, scope: str) -> TokenOwner:
        request.state.source_address = self._trust.describe_source(request.scope)
        kind, _, token = find_header(request.scope, b"authorization").partition(" ")
        if not token and not self._needs_token and self._trust.is_local(request.scope):
            if is_of_another_site(request.scope):
                raise HTTPException(403, "a page of another site may not do this without a token")
            return TokenOwner("this machine", "author")
        owner: TokenOwner | None = None
        if kind.lower() == "bearer" and token:
            owner = await ask_journal(self._journal.find_token_owner(token.strip()))
        if owner is None:
            detail = "the token is missing or not valid: send Authorization: Bearer with a token of callflows token create"
            raise HTTPException(401, detail, headers={"WWW-Authenticate": "Bearer"})
        if not owner.has_scope(scope):
            raise HTTPException(403, f"the token may {owner.scope}; this needs a token with --scope {scope}")
        return owner


def _add_list_routes(router: APIRouter, path: str, summary: str, endpoint: Callable[..., Any], guard: _TokenGuard) -> None:
    """Add a list at three paths: without a suffix and with ``.json`` as JSON, with ``.csv`` as a table."""
    name = path.strip("/")
    for suffix, words in (("", ""), (".json", " (JSON)"), (".csv", " (CSV)")):
        router.add_api_route(
            f"{path}{suffix}",
            endpoint,
            methods=["GET"],
            summary=f"{summary}{words}",
            operation_id=f"list_{name}{suffix.replace('.', '_')}",
            dependencies=[Depends(guard.require_read)],
            response_class=Response if suffix == ".csv" else JSONResponse,
        )


def _add_call_routes(router: APIRouter, journal: JournalQueries, guard: _TokenGuard) -> None:
    async def list_calls(request: Request, query: Annotated[CallQuery, Query()]) -> Response:
        calls = await ask_journal(journal.list_calls(build_call_filter(query)))
        rows = [build_call_log_row(call) for call in calls]
        return answer_list_page(
            request, rows, [(call["started"], call["id"]) for call in calls], query.limit, CALL_LOG_FIELDS
        )

    _add_list_routes(router, "/calls", "Calls, the newest first", list_calls, guard)

    @router.get("/calls/{call}", summary="The story of a call", dependencies=[Depends(guard.require_read)])
    async def read_call(call: _Id) -> Response:
        stored = await ask_journal(journal.load_call(call))
        if stored is None:
            raise HTTPException(404, "there is no such call")
        return answer_json(build_call_story(stored, journal.shortest_message_seconds))

    _add_note_route(router, journal, guard, CALL_KIND)


def _inject_owner(endpoint: Callable[..., Any], guard: _TokenGuard) -> Callable[..., Any]:
    """Make FastAPI pass the owner of a token with the scope operate as ``owner``."""
    endpoint.__annotations__["owner"] = Annotated[TokenOwner, Depends(guard.require_operate)]
    return endpoint


async def _require_thing(journal: JournalQueries, kind: str, id_: str) -> None:
    if not await ask_journal(journal.has_thing(kind, id_)):
        raise HTTPException(404, f"there is no such {kind}")


def _add_note_route(router: APIRouter, journal: JournalQueries, guard: _TokenGuard, kind: str) -> None:
    async def add_note(request: Request, thing: _Id, body: NoteBody, owner: TokenOwner) -> Response:
        await _require_thing(journal, kind, thing)
        try:
            row = await ask_journal(journal.add_note(kind, thing, build_token_change(request, owner), body.text))
        except JournalRejectionError as error:
            raise HTTPException(400, f"text: {error}") from None
        note = {"at": format_moment(row["at"]), "by": row["by"], "on": row["key"], "text": row["text"]}
        return JSONResponse(note, status_code=201, headers=NO_STORE_HEADERS)

    router.add_api_route(
        f"/{kind}s/{{thing}}/notes",
        _inject_owner(add_note, guard),
        methods=["POST"],
        summary=f"Add a note to a {kind}",
        operation_id=f"add_{kind}_note",
        status_code=201,
    )


def _add_inbox_routes(router: APIRouter, journal: JournalQueries, guard: _TokenGuard) -> None:
    async def list_voicemails(request: Request, query: Annotated[VoicemailQuery, Query()]) -> Response:
        rows = await ask_journal(journal.list_voicemails(build_inbox_filter(query)._replace(flow=query.flow)))
        return answer_list_page(request, rows, [row["cursor"] for row in rows], query.limit, VOICEMAIL_FIELDS)

    async def list_messages(request: Request, query: Annotated[MessageQuery, Query()]) -> Response:
        rows = await ask_journal(journal.list_messages(build_inbox_filter(query)._replace(direction=query.direction)))
        return answer_list_page(request, rows, [row["cursor"] for row in rows], query.limit, MESSAGE_FIELDS)

    _add_list_routes(router, "/voicemails", "Voicemails, the newest first", list_voicemails, guard)
    _add_list_routes(router, "/messages", "Text messages, the newest first", list_messages, guard)
    for kind in (VOICEMAIL_KIND, MESSAGE_KIND):
        _add_handled_route(router, journal, guard, kind)
        _add_note_route(router, journal, guard, kind)


def _add_handled_route(router: APIRouter, journal: JournalQueries, guard: _TokenGuard, kind: str) -> None:
    async def set_handled(request: Request, thing: _Id, body: HandledBody, owner: TokenOwner) -> Response:
        await _require_thing(journal, kind, thing)
        change = build_token_change(request, owner)
        changed = await ask_journal(journal.set_handled(kind, thing, change, handled=body.handled))
        return answer_json({"id": thing, "handled": body.handled, "changed": changed})

    router.add_api_route(
        f"/{kind}s/{{thing}}/handled",
        _inject_owner(set_handled, guard),
        methods=["PUT"],
        summary=f"Mark a {kind} as handled, or as new",
        operation_id=f"set_{kind}_handled",
    )


def _add_flow_routes(
    router: APIRouter, journal: JournalQueries, guard: _TokenGuard, get_loaded_flows: Callable[[], LoadedFlows]
) -> None:
    reader = [Depends(guard.require_read)]

    @router.get("/flows", summary="Flows that are loaded", dependencies=reader)
    async def list_flows() -> Response:
        loaded = get_loaded_flows()
        return answer_json(
            {"items": [describe_flow_state(name, loaded) for name in sorted(loaded.book.flows)], "next": None}
        )

    @router.get("/flows/{flow}", summary="A flow and its versions", dependencies=reader)
    async def read_flow(flow: _Id) -> Response:
        loaded = get_loaded_flows()
        versions = await ask_journal(journal.list_versions(flow))
        if flow not in loaded.book.flows and not versions:
            raise HTTPException(404, "there is no such flow")
        state = describe_flow_state(flow, loaded) if flow in loaded.book.flows else {"name": flow, "state": "gone"}
        return answer_json({**state, "versions": [_describe_version(row) for row in versions]})

    @router.get("/flows/{flow}/versions/{version}", summary="The source of a version of a flow", dependencies=reader)
    async def read_version(flow: _Id, version: _Id) -> Response:
        row = await ask_journal(journal.load_version(flow, version))
        if row is None:
            raise HTTPException(404, "there is no such version")
        return answer_json({"flow": flow, **_describe_version(row), "source": row["source"] or ""})

    @router.get("/numbers", summary="Numbers and the flows that answer them", dependencies=reader)
    async def list_numbers() -> Response:
        items = [{"number": number, "flow": flow} for number, flow in list_answered_numbers(get_loaded_flows().book)]
        return answer_json({"items": items, "next": None})


def list_answered_numbers(book: FlowBook) -> list[tuple[str, str]]:
    """Return each claimed number with the flow that answers it, in order."""
    claims = sorted({(claim.number, flow.name) for flow in book.flows.values() for claim in flow.claims})
    return [(number, name) for number, name in claims if book.find_claimants(number)[:1] == (book.flows[name],)]


def describe_flow_state(name: str, loaded: LoadedFlows) -> dict[str, Any]:
    """Return a flow's name, state (live, stale, broken), version, numbers and problems."""
    flow = loaded.book.flows[name]
    state = "broken" if flow.problems else "stale" if name in loaded.stale_flows else "live"
    problems = [str(problem) for problem in flow.problems or loaded.stale_flows.get(name, ())]
    numbers = [claim.number for claim in flow.claims]
    return {"name": name, "state": state, "version": flow.version, "numbers": numbers, "problems": problems}


def _describe_version(row: Mapping[str, Any]) -> dict[str, Any]:
    moments = {"since": format_moment(row["since"]), "until": format_moment(row["until"])}
    return {"version": row["version"], "file": row["file"] or "", **moments}
