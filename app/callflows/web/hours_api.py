"""The part of the HTTP API that opens and closes lines by hand, with a preview of the words that callers hear."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import HTTPException, Path, Query, Request
from fastapi.responses import Response  # noqa: TC002 - FastAPI reads the annotation
from pydantic import BaseModel, ConfigDict, Field

from callflows.flows.hours.overrides import HoursOverride
from callflows.flows.hours.wall_clock import parse_override_end
from callflows.journal.api_tokens import TokenOwner  # noqa: TC001 - FastAPI reads the annotation
from callflows.web.console.hours_preview import HoursPreview, preview_hours
from callflows.web.flow_change_api import OwnerInjection, build_token_change
from callflows.web.journal_lists import answer_json, ask_journal

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import APIRouter

    from callflows.flows.flow import Flow
    from callflows.flows.loader.folder_loader import LoadedFlows
    from callflows.journal.journal_queries import JournalQueries
    from callflows.web.flow_change_api import RequireScope
    from callflows.web.flow_workshop import FlowWorkshop


_FlowName = Annotated[str, Path(description="the name of a flow")]
_HoursName = Annotated[str, Path(description="the name of opening hours")]


class OverrideBody(BaseModel):
    """The desired state of opening hours; ``normal`` removes the overrides."""

    model_config = ConfigDict(extra="forbid")
    state: Literal["open", "closed", "normal"]
    until: str = Field("", description="the end, on the flow's clock: 2026-12-24 18:00, 18:00, a date or 2h")


def add_hours_routes(
    router: APIRouter,
    journal: JournalQueries,
    workshop: FlowWorkshop,
    get_loaded_flows: Callable[[], LoadedFlows],
    require_scope: RequireScope,
) -> None:
    """Add the routes of opening hours."""
    inject = OwnerInjection(require_scope)

    def find_flow(name: str, hours: str) -> Flow:
        flow = get_loaded_flows().book.flows.get(name)
        if flow is None or flow.resolve is None or flow.problems or hours not in flow.hours_names:
            raise HTTPException(404, "there are no such opening hours")
        return flow

    @router.get("/flows/{flow}/hours/{hours}", summary="Opening hours now, or as an override would make them")
    @inject.with_scope("read")
    async def read_hours(
        flow: _FlowName,
        hours: _HoursName,
        owner: TokenOwner,  # noqa: ARG001 - has the scope
        state: Annotated[Literal["", "open", "closed"], Query(description="suppose this state")] = "",
        until: Annotated[str, Query(description="the end of the supposed override")] = "",
    ) -> Response:
        known, now = find_flow(flow, hours), datetime.now(UTC)
        supposed = _build_override(known, hours, state, until, now) if state else None
        return answer_json(_describe_hours(await asyncio.to_thread(preview_hours, known, hours, now, supposed)))

    @router.put("/flows/{flow}/hours/{hours}", summary="Open or close until a moment, or take that back")
    @inject.with_scope("operate")
    async def override_hours(
        request: Request, flow: _FlowName, hours: _HoursName, body: OverrideBody, owner: TokenOwner
    ) -> Response:
        known, now = find_flow(flow, hours), datetime.now(UTC)
        override = None if body.state == "normal" else _build_override(known, hours, body.state, body.until, now)
        try:
            removed_count = await workshop.override_hours(flow, hours, override, now)
        except ValueError as error:
            raise HTTPException(409, f"the hours were not changed: {error}") from None
        values = f"{removed_count} override(s)", "normal"
        if override is not None:
            values = "", f"{body.state} until {override.until.isoformat(' ', 'minutes')}"
        change = build_token_change(request, owner)
        await ask_journal(journal.add_audit_row(change, "override", f"{flow} {hours}", *values))
        if override is None:
            return answer_json({"flow": flow, "hours": hours, "removed": removed_count})
        return answer_json(_describe_hours(await asyncio.to_thread(preview_hours, known, hours, now, override)))


def _build_override(flow: Flow, hours: str, state: str, until: str, now: datetime) -> HoursOverride:
    try:
        return HoursOverride(flow.name, hours, state == "open", None, parse_override_end(until, now, flow.zone))
    except ValueError as error:
        raise HTTPException(400, f"until: {error}") from None


def _describe_hours(preview: HoursPreview) -> dict[str, Any]:
    ends = preview.override.until if preview.override is not None else None
    return {
        "flow": preview.flow,
        "hours": preview.hours,
        "state": "open" if preview.is_open else "closed",
        "reason": preview.reason,
        "changes_at": preview.changes_at.isoformat(timespec="minutes") if preview.changes_at is not None else None,
        "override_until": ends.isoformat(timespec="minutes") if ends is not None else None,
        "callers_hear": [*preview.first_words],
    }
