"""The part of the HTTP API that changes flows: drafts, replays, versions. Drafts need a token with the scope author."""

from __future__ import annotations

import dataclasses
import json
import time
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from fastapi import Depends, HTTPException, Path, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from callflows.disk_errors import describe_disk_error
from callflows.errors import (
    CommandBusyError,
    CommandFailedError,
    DraftConflictError,
    DraftRefusedError,
    ReadOnlyFlowsError,
    ValueEditError,
)
from callflows.flows.authoring.list_edits import ListEntry
from callflows.flows.authoring.value_edits import ValueEdit, edit_values, list_editable_values
from callflows.flows.source.yaml_source import MAX_FLOW_FILE_BYTES
from callflows.journal.api_tokens import TokenOwner
from callflows.journal.call_story import parse_moment
from callflows.journal.inbox import PersonChange
from callflows.journal.stored_rows import CallFilter
from callflows.web.command_process import TriedDraft
from callflows.web.flow_workshop import EMPTY_REPLAY_REPORT, MAX_REPLAYED_CALLS
from callflows.web.journal_lists import NO_STORE_HEADERS, answer_json, ask_journal, read_party_field
from callflows.web.problem_details import create_problem_response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from fastapi import APIRouter

    from callflows.errors import Problem
    from callflows.flows.authoring.flow_drafts import FlowSource
    from callflows.flows.loader.folder_loader import LoadedFlows
    from callflows.web.flow_workshop import FlowWorkshop

    RequireScope = Callable[[Request, str], Awaitable[TokenOwner]]


_FlowName = Annotated[str, Path(description="the name of a flow")]
_ListName = Annotated[str, Path(description="the name of a list of the flow")]
_EntryName = Annotated[str, Path(description="the number or prefix, as the list has it")]
_Version = Annotated[str, Path(description="a version, as the flow lists it")]
_Source = Annotated[str, Field(max_length=MAX_FLOW_FILE_BYTES, description="the whole text of the flow file")]
_LINES_TYPE: Final = "application/x-ndjson"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DraftBody(_Body):
    """A draft."""

    source: _Source


class PublishBody(DraftBody):
    """A draft that shall go live. ``digest`` is that of the file for which it was made."""

    digest: str = ""


class RingBody(_Body):
    """A call to rehearse. Without ``source``, the flow as it is."""

    number: str = Field(description="the number that is called, as +12015550123")
    source: _Source = ""
    from_: str = Field("+12015550999", alias="from", description="the caller; empty: anonymous")
    keys: str = Field("", description="the keys, as 1,2#; a comma waits for the next question")
    at: str = Field("", description="the time of the call, as 2026-12-25 10:00, on the flow's clock")
    callee: Literal["answer", "busy", "no-answer"] = "answer"


class EditBody(_Body):
    """A change of a value: set a text, add an item or a key, remove one."""

    action: Literal["set", "add", "remove"]
    path: list[str | int] = Field(min_length=1)
    value: str = ""


class EditsBody(_Body):
    """Changes of values, in the file as it is, or in a draft."""

    edits: list[EditBody] = Field(min_length=1, max_length=100)
    source: _Source = ""


class ReplayDraftBody(DraftBody):
    """A draft of a flow."""

    flow: str


class ReplayBody(_Body):
    """Past calls to replay: one by its id, or those of a filter."""

    call: str = Field("", description="the id of one call")
    since: str = Field("7d", description="a moment, or so long ago: 2h, 7d")
    until: str = ""
    number: str = ""
    flow: str = Field("", description="calls that this flow answered")
    limit: int = Field(1_000, ge=1, le=MAX_REPLAYED_CALLS, description="calls at most, the newest first")
    draft: ReplayDraftBody | None = None


def add_flow_change_routes(
    router: APIRouter, workshop: FlowWorkshop, get_loaded_flows: Callable[[], LoadedFlows], require_scope: RequireScope
) -> None:
    """Add the routes of drafts, replays and versions."""
    inject = OwnerInjection(require_scope)
    _add_draft_routes(router, workshop, inject)
    _add_trial_routes(router, workshop, inject)
    _add_list_routes(router, workshop, inject)
    _add_version_routes(router, workshop, get_loaded_flows, inject)

    @router.post("/replay", summary="Past calls, run through the flows as they are now or through a draft")
    @inject.with_scope("read")
    async def replay(request: Request, body: ReplayBody, owner: TokenOwner) -> Response:
        if body.draft is not None and not owner.has_scope("author"):
            raise HTTPException(403, f"the token may {owner.scope}; a draft needs a token with --scope author")
        draft = TriedDraft(body.draft.flow, body.draft.source) if body.draft is not None else None
        if draft is not None:
            await _require_valid_draft(workshop, draft.flow, draft.source)
        if body.call:
            if not await ask_journal(workshop.has_recorded_call(body.call)):
                detail = f"there is no record of a call {body.call[:100]!r}: GET /api/v1/calls lists them"
                raise HTTPException(400, detail)
            return answer_json(await _run_command(workshop.replay_call(body.call, draft)))
        is_stream = _LINES_TYPE in request.headers.get("accept", "")
        if not await ask_journal(workshop.has_recorded_calls(_read_replay_filter(body))):
            if not is_stream:
                return answer_json(dict(EMPTY_REPLAY_REPORT))
            line = json.dumps(dict(EMPTY_REPLAY_REPORT))
            return Response(f"{line}\n", media_type=_LINES_TYPE, headers=NO_STORE_HEADERS)
        filters = body.model_dump(exclude={"call", "draft"}, mode="json")
        lines = workshop.replay_calls({name: str(value) for name, value in filters.items()}, draft)
        if is_stream:
            first = await _run_command(anext(lines))
            return StreamingResponse(_join_lines(first, lines), media_type=_LINES_TYPE, headers=NO_STORE_HEADERS)
        return answer_json(json.loads(await _run_command(_read_last_line(lines))))


def _read_replay_filter(body: ReplayBody) -> CallFilter:
    """Read the filter of a replay. Raises HTTPException for one that cannot be read."""
    moments = []
    for name in ("since", "until"):
        text: str = getattr(body, name)
        try:
            moments.append(parse_moment(text) if text else None)
        except (ValueError, OverflowError):
            detail = f"{name}: {text[:40]!r} is no moment; write 2026-11-23T10:00:00Z, or 2h, 7d for so long ago"
            raise HTTPException(400, detail) from None
    return CallFilter(read_party_field(body.number, "number"), flow=body.flow, since=moments[0], until=moments[1])


class OwnerInjection:
    """Makes FastAPI pass the owner of the token of a request, which must have a scope."""

    def __init__(self, require_scope: RequireScope) -> None:
        self._require_scope = require_scope

    def with_scope(self, scope: str) -> Callable[[Any], Any]:
        async def require(request: Request) -> TokenOwner:
            return await self._require_scope(request, scope)

        def inject(endpoint: Any) -> Any:  # noqa: ANN401 - an endpoint
            endpoint.__annotations__["owner"] = Annotated[TokenOwner, Depends(require)]
            return endpoint

        return inject


async def _run_command(work: Awaitable[Any]) -> Any:  # noqa: ANN401 - JSON
    """Await a command; a busy server is status 429, a wrong field 400."""
    try:
        return await work
    except CommandBusyError:
        detail = "other replays and rehearsals are running: ask again"
        raise HTTPException(429, detail, headers={"Retry-After": "10"}) from None
    except CommandFailedError as error:
        raise HTTPException(400, str(error) or "the command failed") from None


async def _read_last_line(lines: AsyncIterator[str]) -> str:
    last = ""
    async for line in lines:
        last = line
    return last


async def _join_lines(first: str, lines: AsyncIterator[str]) -> AsyncIterator[str]:
    yield first
    async for line in lines:
        yield line


def _describe_problems(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    return [
        {**dataclasses.asdict(problem), "file": problem.file.rpartition("/")[2]}
        for problem in problems
        if problem.severity != "note"
    ]


async def _require_valid_draft(workshop: FlowWorkshop, flow: str, source: str) -> None:
    await _read_flow_source(workshop, flow)
    draft = await workshop.check_draft(flow, source)
    if draft.errors:
        raise HTTPException(400, "; ".join(map(str, draft.errors)))


async def _read_flow_source(workshop: FlowWorkshop, flow: str) -> FlowSource:
    """Read the file of a flow; a name that no flow can have is status 404."""
    try:
        return await workshop.read_source(flow)
    except LookupError:
        raise HTTPException(404, "there is no such flow, and no flow can have this name") from None
    except OSError as error:
        raise HTTPException(503, f"the file cannot be read: {error.strerror}") from None


def _add_draft_routes(router: APIRouter, workshop: FlowWorkshop, inject: OwnerInjection) -> None:
    @router.get("/flows/{flow}/source", summary="The file of a flow, with its digest and the values that forms change")
    @inject.with_scope("read")
    async def read_flow_file(flow: _FlowName, owner: TokenOwner) -> Response:  # noqa: ARG001 - has the scope
        source = await _read_flow_source(workshop, flow)
        if not source.digest:
            raise HTTPException(404, "there is no such flow file; a flow in Python has none that can be changed here")
        values = [value._asdict() for value in list_editable_values(source.text)]
        return answer_json(
            {"flow": flow, "file": source.file.name, "digest": source.digest, "source": source.text, "values": values}
        )

    @router.post("/flows/{flow}/check", summary="Check a draft")
    @inject.with_scope("author")
    async def check_flow_draft(flow: _FlowName, body: DraftBody, owner: TokenOwner) -> Response:  # noqa: ARG001
        await _read_flow_source(workshop, flow)
        draft = await workshop.check_draft(flow, body.source)
        version = draft.flow.version if draft.flow is not None else ""
        return answer_json({"flow": flow, "version": version, "problems": _describe_problems(draft.problems)})

    @router.post("/flows/{flow}/edit", summary="Change values of a flow's file or of a draft; gives the new text")
    @inject.with_scope("author")
    async def edit_flow_values(flow: _FlowName, body: EditsBody, owner: TokenOwner) -> Response:  # noqa: ARG001
        current = await _read_flow_source(workshop, flow)
        edits = [ValueEdit(edit.action, (*edit.path,), edit.value) for edit in body.edits]
        try:
            source = edit_values(body.source or current.text, edits)
        except ValueEditError as error:
            raise HTTPException(400, str(error)) from None
        return answer_json({"flow": flow, "digest": current.digest, "source": source})

    @router.put("/flows/{flow}/source", summary="Make a draft live: the whole file, at once")
    @inject.with_scope("author")
    async def publish_flow_draft(request: Request, flow: _FlowName, body: PublishBody, owner: TokenOwner) -> Response:
        await _read_flow_source(workshop, flow)
        return await _publish(workshop.publish(flow, body.source, body.digest, build_token_change(request, owner)), flow)


def _add_trial_routes(router: APIRouter, workshop: FlowWorkshop, inject: OwnerInjection) -> None:
    @router.post("/flows/{flow}/test", summary="Run the scenarios of a draft")
    @inject.with_scope("author")
    async def test_flow_draft(flow: _FlowName, body: DraftBody, owner: TokenOwner) -> Response:  # noqa: ARG001
        await _require_valid_draft(workshop, flow, body.source)
        return answer_json(await _run_command(workshop.test_draft(flow, body.source)))

    @router.post("/flows/{flow}/ring", summary="Rehearse a call to a flow or a draft; nothing is sent")
    @inject.with_scope("author")
    async def ring_flow_draft(flow: _FlowName, body: RingBody, owner: TokenOwner) -> Response:  # noqa: ARG001
        if body.source:
            await _require_valid_draft(workshop, flow, body.source)
        options = {"from": body.from_, "keys": body.keys, "callee": body.callee} | ({"at": body.at} if body.at else {})
        return answer_json(await _run_command(workshop.ring_draft(flow, body.source, body.number, options)))


async def _publish(work: Awaitable[Any], flow: str) -> Response:
    """Await a change of a flow file; a refusal is answered with problem details."""
    try:
        published = await ask_journal(work)
    except DraftRefusedError as error:
        return create_problem_response(400, str(error), problems=_describe_problems(error.problems))
    except DraftConflictError as error:
        return create_problem_response(409, str(error))
    except ReadOnlyFlowsError as error:
        return create_problem_response(409, str(error), patch=error.patch)
    except LookupError:
        raise HTTPException(404, "there is no such version") from None
    return answer_json({"flow": flow, "version": published.version, "digest": published.digest})


def build_token_change(request: Request, owner: TokenOwner) -> PersonChange:
    """Return who changes something by a request, for the audit log."""
    return PersonChange(owner.name, request.state.source_address, time.time())


class ListEntryBody(_Body):
    """An entry of a caller list: a number, a prefix with ``*``, or anonymous."""

    entry: str = Field(min_length=1, max_length=100)
    reason: str = Field("", max_length=200)
    until: str = Field("", max_length=40, description="the last day, as 2026-12-24")


def _add_list_routes(router: APIRouter, workshop: FlowWorkshop, inject: OwnerInjection) -> None:
    @router.get("/flows/{flow}/lists/{name}", summary="The entries of a caller list")
    @inject.with_scope("read")
    async def list_caller_entries(flow: _FlowName, name: _ListName, owner: TokenOwner) -> Response:  # noqa: ARG001
        entries = await _run_list_work(workshop.list_callers(flow, name))
        return answer_json({"items": [entry._asdict() for entry in entries], "next": None})

    @router.post("/flows/{flow}/lists/{name}", summary="Add an entry to a caller list", status_code=201)
    @inject.with_scope("author")
    async def add_caller_entry(
        request: Request, flow: _FlowName, name: _ListName, body: ListEntryBody, owner: TokenOwner
    ) -> Response:
        entry = ListEntry(body.entry, body.reason, body.until)
        change = build_token_change(request, owner)
        refusal = await _run_list_work(workshop.change_callers(flow, name, "add", entry, change))
        return refusal or JSONResponse(body.model_dump(), status_code=201, headers=NO_STORE_HEADERS)

    @router.delete("/flows/{flow}/lists/{name}/{entry}", summary="Remove an entry of a caller list")
    @inject.with_scope("author")
    async def remove_caller_entry(
        request: Request, flow: _FlowName, name: _ListName, entry: _EntryName, owner: TokenOwner
    ) -> Response:
        change = build_token_change(request, owner)
        refusal = await _run_list_work(workshop.change_callers(flow, name, "remove", ListEntry(entry), change))
        return refusal or answer_json({"entry": entry, "removed": True})


async def _run_list_work(work: Awaitable[Any]) -> Any:  # noqa: ANN401 - entries, or a response that refuses
    try:
        return await ask_journal(work)
    except LookupError:
        raise HTTPException(404, "there is no such list") from None
    except ValueEditError as error:
        raise HTTPException(400, str(error)) from None
    except ReadOnlyFlowsError as error:
        return create_problem_response(409, str(error), patch=error.patch)
    except (OSError, UnicodeDecodeError) as error:
        raise HTTPException(409, f"the list was not changed: {describe_disk_error(error)}") from None


def _add_version_routes(
    router: APIRouter, workshop: FlowWorkshop, get_loaded_flows: Callable[[], LoadedFlows], inject: OwnerInjection
) -> None:
    @router.get("/flows/{flow}/versions", summary="The versions of a flow, with who made each live")
    @inject.with_scope("read")
    async def list_flow_versions(flow: _FlowName, owner: TokenOwner) -> Response:  # noqa: ARG001
        live = get_loaded_flows().book.flows.get(flow)
        versions = await ask_journal(workshop.list_versions(flow, live.version if live is not None else ""))
        if not versions:
            raise HTTPException(404, "there is no such flow")
        return answer_json({"items": versions, "next": None})

    @router.get("/flows/{flow}/versions/{version}/diff", summary="What has changed since a version")
    @inject.with_scope("read")
    async def compare_flow_versions(
        flow: _FlowName,
        version: _Version,
        owner: TokenOwner,  # noqa: ARG001
        against: Annotated[str, Query(description="another version; empty: the file as it is now")] = "",
    ) -> Response:
        try:
            diff = await ask_journal(workshop.compare_versions(flow, version, against))
        except LookupError:
            raise HTTPException(404, "there is no such version") from None
        return answer_json({"flow": flow, "version": version, "against": against, "diff": diff})

    @router.post("/flows/{flow}/versions/{version}/rollback", summary="Make an earlier version live again")
    @inject.with_scope("author")
    async def roll_back_flow(
        request: Request,
        flow: _FlowName,
        version: _Version,
        owner: TokenOwner,
        digest: Annotated[str, Query(description="the digest of the file that was looked at; empty: any")] = "",
    ) -> Response:
        return await _publish(workshop.roll_back(flow, version, digest, build_token_change(request, owner)), flow)
