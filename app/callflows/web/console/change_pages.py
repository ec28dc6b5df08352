"""Changing a flow without fear: a draft is checked, tested and run on past calls before it goes live; or rolled back."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from starlette.exceptions import HTTPException

from callflows.errors import (
    CommandBusyError,
    CommandFailedError,
    DraftConflictError,
    DraftRefusedError,
    ReadOnlyFlowsError,
    ValueEditError,
)
from callflows.flows.authoring.scenario_edits import add_scenario
from callflows.flows.authoring.value_edits import read_file_data
from callflows.web.command_process import TriedDraft
from callflows.web.console.draft_form import apply_form_values, build_value_form, read_draft_text
from callflows.web.console.phone_page import read_phone_fields, render_phone, ring_flow
from callflows.web.journal_lists import ask_journal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response

    from callflows.web.console.console_frame import Console
    from callflows.web.console.console_sessions import ConsoleSession
    from callflows.web.flow_workshop import FlowWorkshop


_REPLAYED_DAYS: Final = "7d"
_REPLAYED_SECONDS: Final = 7 * 86_400
_REPLAYED_CALLS: Final = "200"


def add_change_pages(console: Console, workshop: FlowWorkshop) -> None:
    """Add the page of a draft, the way back to a version, and what would happen now to a past call."""
    pages = _ChangePages(console, workshop)
    console.add_page("/flows/{flow}/edit", pages.show_file, "author")
    console.add_page("/flows/{flow}/edit", pages.try_draft, "author", ["POST"])
    console.add_page("/flows/{flow}/ring", pages.ring_draft, "author", ["POST"])
    console.add_page("/flows/{flow}/versions/{version}/rollback", pages.roll_back, "author", ["POST"])
    console.add_page("/calls/{call}/now", pages.show_call_now)


class _ChangePages:
    def __init__(self, console: Console, workshop: FlowWorkshop) -> None:
        self._console = console
        self._workshop = workshop

    async def show_file(self, request: Request, session: ConsoleSession) -> Response:
        current = await self._read_source(request)
        return await self._render(request, session, current.text, current.digest)

    async def _read_source(self, request: Request) -> Any:  # noqa: ANN401 - a FlowSource
        try:
            current = await self._workshop.read_source(request.path_params["flow"])
        except (LookupError, OSError):
            raise HTTPException(404, "There is no such flow file that can be read.") from None
        if not current.digest:
            raise HTTPException(404, "This flow has no file that can be changed here.")
        return current

    async def try_draft(self, request: Request, session: ConsoleSession) -> Response:
        """Do with a draft what its button says: check, test, impact, live, or show, which does nothing."""
        fields = await self._console.access.read_form(request, session)
        flow, current = request.path_params["flow"], await self._read_source(request)
        text, digest = read_draft_text(fields, current.text), fields.get("digest", "")
        found: dict[str, Any] = {}
        try:
            text = apply_form_values(text, fields)
            if fields.get("do") == "live":
                change = self._console.access.build_person_change(request, session.user)
                await ask_journal(self._workshop.publish(flow, text, digest, change))
                return self._console.redirect(f"/flows/{flow}?view=versions")
            if fields.get("do") != "show":
                found = await self._examine(flow, text, fields.get("do", "check"))
        except DraftRefusedError as error:
            found["problems"] = error.problems
        except (DraftConflictError, ValueEditError, CommandFailedError) as error:
            found["refusal"] = str(error)
        except CommandBusyError:
            found["refusal"] = "Other trials are running. Wait a moment, and try again."
        except ReadOnlyFlowsError as error:
            found |= {"refusal": str(error), "patch": error.patch}
        except OSError as error:
            found["refusal"] = f"The file cannot be written: {error.strerror}"
        return await self._render(request, session, text, digest or current.digest, **found)

    async def _examine(self, flow: str, text: str, what: str) -> dict[str, Any]:
        """Check a draft; if it has no error, run its tests, or past calls through it."""
        draft = await self._workshop.check_draft(flow, text)
        found: dict[str, Any] = {"problems": [problem for problem in draft.problems if problem.severity != "note"]}
        if draft.errors:
            return found
        if what == "test":
            return {**found, "tests": (await self._workshop.test_draft(flow, text))["scenarios"]}
        if what == "impact":
            filters = {"since": _REPLAYED_DAYS, "flow": flow, "limit": _REPLAYED_CALLS}
            report = await _read_report(self._workshop.replay_calls(filters, TriedDraft(flow, text)))
            return {**found, "impact": {**report, "changed_nodes": await self._count_calls_of_changed_nodes(flow, text)}}
        return {**found, "notice": "No mistake was found."}

    async def _count_calls_of_changed_nodes(self, flow: str, text: str) -> list[dict[str, Any]]:
        """Return the nodes that differ from those of the file, each with the calls that came there in the last days."""
        current = await self._workshop.read_source(flow)
        before, after = (read_file_data(source).get("nodes") or {} for source in (current.text, text))
        if not isinstance(before, dict) or not isinstance(after, dict):
            return []
        since = time.time() - _REPLAYED_SECONDS
        calls: Counter[str] = Counter()
        for _, node, count in await ask_journal(self._console.sources.journal.count_traffic(flow, since)):
            calls[node] += count
        return [{"name": name, "calls": calls[name]} for name in before if before[name] != after.get(name)]

    async def _render(self, request: Request, session: ConsoleSession, text: str, digest: str, **found: Any) -> Response:  # noqa: ANN401 - what was found
        current = await self._read_source(request)
        defaults: dict[str, Any] = {"problems": (), "notice": "", "tests": None, "impact": None, "refusal": "", "patch": ""}
        return await self._console.render(
            request,
            session,
            "draft.html",
            flow=request.path_params["flow"],
            text=text,
            digest=digest,
            is_changed=text != current.text,
            values=build_value_form(text),
            opens_values=not any(problem.severity == "error" for problem in found.get("problems", ())),
            **{**defaults, **found},
        )

    async def ring_draft(self, request: Request, session: ConsoleSession) -> Response:
        """Ring a draft up to the next decision, or make the finished call a test of the draft."""
        form = await self._console.access.read_form(request, session)
        current = await self._read_source(request)
        text, digest = read_draft_text(form, current.text), form.get("digest", "")
        fields = {**read_phone_fields(form), "flow": request.path_params["flow"]}
        rung, refusal = None, ""
        try:
            text = apply_form_values(text, form)
            checked = await self._workshop.check_draft(fields["flow"], text)
            if checked.flow is None or checked.errors:
                return await self._render(request, session, text, digest, problems=checked.errors)
            rung = await ring_flow(self._console, checked.flow, fields, form.get("make_test", form.get("acts", "")))
            if "make_test" in form:
                text = add_scenario(text, rung.record_scenario())
                return await self._render(
                    request, session, text, digest, notice="The call is a test of the draft now, at the end of the file."
                )
        except ValueEditError as error:
            return await self._render(request, session, text, digest, refusal=str(error))
        except ValueError as error:
            refusal = str(error)
        return await render_phone(self._console, request, session, fields, rung, refusal, {"text": text, "digest": digest})

    async def roll_back(self, request: Request, session: ConsoleSession) -> Response:
        """Make an earlier version live again."""
        await self._console.access.read_form(request, session)
        flow, version = request.path_params["flow"], request.path_params["version"]
        change = self._console.access.build_person_change(request, session.user)
        try:
            await ask_journal(self._workshop.roll_back(flow, version, "", change))
        except LookupError:
            raise HTTPException(404, "There is no such version.") from None
        except (DraftRefusedError, DraftConflictError, ReadOnlyFlowsError) as error:
            raise HTTPException(409, f"The version did not go live: {error}") from None
        return self._console.redirect(f"/flows/{flow}?view=versions")

    async def show_call_now(self, request: Request, session: ConsoleSession) -> Response:
        """Show what would happen now to a past call, with the same keys and the same people who answer."""
        call = request.path_params["call"]
        try:
            replayed = await self._workshop.replay_call(call)
        except CommandBusyError:
            raise HTTPException(429, "Other trials are running. Wait a moment, and try again.") from None
        except CommandFailedError as error:
            raise HTTPException(404, f"The call cannot be rung again: {error}") from None
        return await self._console.render(request, session, "call_now.html", call=call, replayed=replayed)


async def _read_report(lines: AsyncIterator[str]) -> dict[str, Any]:
    """Return the last line, which is the report."""
    last = "{}"
    async for line in lines:
        last = line
    report: dict[str, Any] = json.loads(last)
    return report
