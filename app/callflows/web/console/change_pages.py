"""Changing a flow without fear: a draft is checked, tested and run on past calls before it goes live; or rolled back.

A draft is kept in the database with each step. Every request that changes something leads to a page that can be opened
again: neither the way back in the browser nor the menu loses anything.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse

from callflows.errors import (
    CommandBusyError,
    CommandFailedError,
    DraftConflictError,
    DraftRefusedError,
    ReadOnlyFlowsError,
    ValueEditError,
)
from callflows.flows.authoring.scenario_edits import add_scenario
from callflows.journal.call_story import format_moment
from callflows.web.console.draft_form import apply_form_values, build_value_form, read_draft_text
from callflows.web.console.filled_values import explain_filled_values
from callflows.web.console.impact_trials import BUSY_REFUSAL, ImpactTrials, begin_report, is_lost
from callflows.web.console.kept_drafts import KeptDrafts
from callflows.web.console.page_rendering import format_clock
from callflows.web.console.phone_page import read_phone_fields, render_phone, ring_flow
from callflows.web.console.text_changes import compare_lines, list_value_changes, summarize_changes
from callflows.web.journal_lists import ask_journal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from callflows.flows.authoring.flow_drafts import CheckedDraft, FlowSource
    from callflows.journal.draft_store import KeptDraft
    from callflows.web.console.console_frame import Console
    from callflows.web.console.console_sessions import ConsoleSession
    from callflows.web.console.filled_values import FilledValue
    from callflows.web.console.kept_drafts import OpenDraft
    from callflows.web.flow_workshop import FlowWorkshop


_NO_FINDINGS: Final[Mapping[str, Any]] = {"refusal": "", "patch": "", "notice": "", "tests": None, "impact": None}


def add_change_pages(console: Console, workshop: FlowWorkshop) -> None:
    """Add the pages of a draft, the way back to a version, and what would happen now to a past call."""
    pages = _ChangePages(console, workshop)
    console.add_page("/flows/{flow}/edit", pages.show_draft, "author")
    console.add_page("/flows/{flow}/edit", pages.take_draft, "author", ["POST"])
    console.add_page("/flows/{flow}/edit/impact", pages.show_impact, "author")
    console.add_page("/flows/{flow}/edit/discard", pages.ask_about_discarding, "author")
    console.add_page("/flows/{flow}/edit/discard", pages.discard_draft, "author", ["POST"])
    console.add_page("/flows/{flow}/edit/live", pages.ask_about_draft, "author")
    console.add_page("/flows/{flow}/edit/live", pages.publish_draft, "author", ["POST"])
    console.add_page("/flows/{flow}/ring", pages.ring_draft, "author")
    console.add_page("/flows/{flow}/ring", pages.add_rung_call, "author", ["POST"])
    console.add_page("/flows/{flow}/versions/{version}/rollback", pages.roll_back, "author", ["POST"])
    console.add_page("/calls/{call}/now", pages.show_call_now)


class _ChangePages:
    def __init__(self, console: Console, workshop: FlowWorkshop) -> None:
        self._console = console
        self._workshop = workshop
        self._drafts = KeptDrafts(console.sources.journal)
        self._trials = ImpactTrials(workshop, self._drafts, console.sources.journal)

    async def _open(self, request: Request, session: ConsoleSession) -> OpenDraft:
        flow = request.path_params["flow"]
        return await self._drafts.open_draft(await self._read_source(request), flow, session.user)

    async def _read_source(self, request: Request) -> FlowSource:
        try:
            current = await self._workshop.read_source(request.path_params["flow"])
        except (LookupError, OSError):
            raise HTTPException(404, "There is no such flow file that can be read.") from None
        if not current.digest:
            raise HTTPException(404, "This flow has no file that can be changed here.")
        return current

    async def show_draft(self, request: Request, session: ConsoleSession) -> Response:
        """Show the draft of a person, or the file, with what the last trial has found."""
        flow, opened = request.path_params["flow"], await self._open(request, session)
        report, problems = opened.report, []
        if opened.is_changed or report:
            draft = await self._workshop.check_draft(flow, opened.text)
            problems = [problem for problem in draft.problems if problem.severity != "note"]
        has_errors = any(problem.severity == "error" for problem in problems)
        found = {**_NO_FINDINGS, **_describe_report(report, has_errors=has_errors)}
        if not opened.is_changed and "unchanged" in request.query_params:
            found |= {"refusal": "You have changed nothing yet: your text is the live one."}
        if not opened.is_changed and "discarded" in request.query_params:
            found |= {"notice": "Your draft is discarded. This is the live text."}
        live = self._console.sources.get_loaded_flows().book.flows.get(flow)

        def explain(text: str) -> Sequence[FilledValue]:
            return explain_filled_values(text, opened.text, live, datetime.now(UTC))

        return await self._console.render(
            request,
            session,
            "draft.html",
            flow=flow,
            opened=opened,
            at=format_moment(opened.kept.at) if opened.kept is not None else "",
            zone=self._console.find_zone_name(flow),
            changes=compare_lines(opened.current.text, opened.text) if opened.has_conflict else (),
            problems=problems,
            values=await asyncio.to_thread(build_value_form, opened.text, problems, explain),
            opens_values=not has_errors,
            **found,
        )

    async def take_draft(self, request: Request, session: ConsoleSession) -> Response:
        """Keep a draft, and do what its button says: check, ring, test, impact, live; keep does no more."""
        fields = await self._console.access.read_form(request, session)
        flow, current = request.path_params["flow"], await self._read_source(request)
        what, page = fields.get("do", "check"), f"/flows/{flow}/edit"
        text, refusal = read_draft_text(fields, current.text), ""
        try:
            text = apply_form_values(text, fields)
        except ValueEditError as error:
            refusal = str(error)
        base = fields.get("digest") or current.digest
        report = {"kind": "refusal", "text": refusal} if refusal else {"kind": "check"} if what == "check" else {}
        kept = await self._drafts.keep(flow, session.user, text, base, report)
        if what == "keep":
            return self._describe_kept_draft(kept, current, refusal)
        if refusal or what == "check":
            return self._console.redirect(page)
        if (await self._workshop.check_draft(flow, text)).errors:
            return self._console.redirect(page)
        if what in ("live", "impact") and kept.digest == current.digest:
            return self._console.redirect(f"{page}?unchanged")
        if what == "ring":
            return self._console.redirect(f"/flows/{flow}/ring", "call")
        if what == "live":
            return self._console.redirect(f"{page}/live", "question")
        await self._try_draft(kept, current.text, what)
        return self._console.redirect(page)

    def _describe_kept_draft(self, kept: KeptDraft, current: FlowSource, refusal: str) -> Response:
        """Answer the script of the page, which keeps what was typed."""
        clock = format_clock(format_moment(kept.at), self._console.find_zone_name(kept.flow), "%H:%M")
        words = f"Saved at {clock}. Callers do not hear it yet."
        if refusal:
            words = f"Saved at {clock}, but for a value: {refusal}."
        elif kept.digest == current.digest:
            words = "Unchanged: this is the live text."
        return JSONResponse({"words": words})

    async def _try_draft(self, kept: KeptDraft, current_text: str, what: str) -> None:
        """Run the tests of a draft, or begin to run past calls through it. What is found is stored beside the draft."""
        report: dict[str, Any] = begin_report()
        if what == "test":
            try:
                tests = (await self._workshop.test_draft(kept.flow, kept.source))["scenarios"]
                report = {"kind": "test", "tests": [{"name": test["name"], "passed": test["passed"]} for test in tests]}
            except CommandFailedError as error:
                report = {"kind": "refusal", "text": str(error)}
            except CommandBusyError:
                report = {"kind": "refusal", "text": BUSY_REFUSAL}
        is_stored = await self._drafts.store_report(kept, report)
        if what == "impact" and is_stored:
            self._trials.start(kept, current_text)

    async def show_impact(self, request: Request, session: ConsoleSession) -> Response:
        """Show how far the trial of a draft is, for a page that asks again and again."""
        opened = await self._open(request, session)
        found = {**_NO_FINDINGS, **_describe_report(opened.report, has_errors=False)}
        values = {"flow": request.path_params["flow"], "impact": found["impact"], "refusal": found["refusal"]}
        return HTMLResponse(self._console.render_part("impact.html", values), headers={"cache-control": "no-store"})

    async def ask_about_draft(self, request: Request, session: ConsoleSession) -> Response:
        """Show what goes live, and ask once."""
        flow, opened = request.path_params["flow"], await self._open(request, session)
        if not opened.is_changed:
            return self._console.redirect(f"/flows/{flow}/edit?unchanged")
        checked: CheckedDraft = await self._workshop.check_draft(flow, opened.text)
        if checked.errors:
            return self._console.redirect(f"/flows/{flow}/edit")
        before, after = opened.current.text, opened.text
        return await self._console.render(
            request,
            session,
            "go_live.html",
            flow=flow,
            opened=opened,
            is_asked_again="again" in request.query_params,
            summary=summarize_changes(before, after),
            values=list_value_changes(before, after),
            changes=compare_lines(before, after),
            warnings=[problem for problem in checked.problems if problem.severity == "warning"],
        )

    async def ask_about_discarding(self, request: Request, session: ConsoleSession) -> Response:
        """Show what is lost with a draft, and ask once."""
        flow, opened = request.path_params["flow"], await self._open(request, session)
        if opened.kept is None:
            return self._console.redirect(f"/flows/{flow}/edit")
        return await self._console.render(
            request,
            session,
            "discard.html",
            flow=flow,
            opened=opened,
            summary=summarize_changes(opened.current.text, opened.text) or "The draft is as the file",
            values=list_value_changes(opened.text, opened.current.text),
            changes=compare_lines(opened.text, opened.current.text),
        )

    async def discard_draft(self, request: Request, session: ConsoleSession) -> Response:
        """Discard a draft, if it is that which the person saw when asked."""
        fields = await self._console.access.read_form(request, session)
        flow, opened = request.path_params["flow"], await self._open(request, session)
        if opened.kept is not None and opened.kept.digest != fields.get("draft"):
            return self._console.redirect(f"/flows/{flow}/edit/discard", "question")
        await self._drafts.discard(flow, session.user)
        return self._console.redirect(f"/flows/{flow}/edit?discarded")

    async def publish_draft(self, request: Request, session: ConsoleSession) -> Response:
        """Make a draft live, if it and the file are those that the person saw when asked."""
        fields = await self._console.access.read_form(request, session)
        flow, opened = request.path_params["flow"], await self._open(request, session)
        question = f"/flows/{flow}/edit/live?again"
        if opened.kept is None:  # a second click: the first one made it live
            return self._console.redirect(f"/flows/{flow}?view=versions")
        if opened.kept.digest != fields.get("draft"):
            return self._console.redirect(question)
        change = self._console.access.build_person_change(request, session.user)
        try:
            await ask_journal(self._workshop.publish(flow, opened.text, fields.get("digest", ""), change))
        except DraftConflictError:
            return self._console.redirect(question)
        except DraftRefusedError:
            return self._console.redirect(f"/flows/{flow}/edit")
        except ReadOnlyFlowsError as error:
            await self._drafts.store_report(opened.kept, {"kind": "refusal", "text": str(error), "patch": error.patch})
            return self._console.redirect(f"/flows/{flow}/edit")
        except OSError as error:
            text = f"The file cannot be written: {error.strerror}"
            await self._drafts.store_report(opened.kept, {"kind": "refusal", "text": text})
            return self._console.redirect(f"/flows/{flow}/edit")
        await self._drafts.discard(flow, session.user)
        return self._console.redirect(f"/flows/{flow}?view=versions")

    async def ring_draft(self, request: Request, session: ConsoleSession) -> Response:
        """Ring a draft up to the next decision. The call is in the address, the draft is the kept one."""
        flow, opened = request.path_params["flow"], await self._open(request, session)
        fields = {**read_phone_fields(request.query_params), "flow": flow}
        checked = await self._workshop.check_draft(flow, opened.text)
        if checked.flow is None or checked.errors:
            return self._console.redirect(f"/flows/{flow}/edit")
        rung, refusal = None, ""
        try:
            rung = await ring_flow(self._console, checked.flow, fields, request.query_params.get("acts", ""))
        except ValueError as error:
            refusal = str(error)
        return await render_phone(self._console, request, session, fields, rung, refusal, is_draft=True)

    async def add_rung_call(self, request: Request, session: ConsoleSession) -> Response:
        """Make the finished call of the phone a test of the draft."""
        form = await self._console.access.read_form(request, session)
        flow, opened = request.path_params["flow"], await self._open(request, session)
        fields, acts = {**read_phone_fields(form), "flow": flow}, form.get("make_test", "")
        checked = await self._workshop.check_draft(flow, opened.text)
        if checked.flow is None or checked.errors:
            return self._console.redirect(f"/flows/{flow}/edit")
        text = opened.text
        report = {"kind": "notice", "text": "The call is a test of the draft now, at the end of the file."}
        try:
            rung = await ring_flow(self._console, checked.flow, fields, acts)
            text = await asyncio.to_thread(add_scenario, text, rung.record_scenario())
        except ValueEditError as error:
            report = {"kind": "refusal", "text": str(error)}
        except ValueError:  # the call is not over: the page says how it goes on
            query = {name: value for name, value in fields.items() if value and name != "flow"}
            return self._console.redirect(f"/flows/{flow}/ring?{urlencode({**query, 'acts': acts})}", "end")
        await self._drafts.keep(flow, session.user, text, opened.digest, report)
        return self._console.redirect(f"/flows/{flow}/edit")

    async def roll_back(self, request: Request, session: ConsoleSession) -> Response:
        """Make an earlier version live again, if the file is that which the person saw."""
        fields = await self._console.access.read_form(request, session)
        flow, version = request.path_params["flow"], request.path_params["version"]
        change = self._console.access.build_person_change(request, session.user)
        try:
            await ask_journal(self._workshop.roll_back(flow, version, fields.get("digest", ""), change))
        except LookupError:
            raise HTTPException(404, "There is no such version.") from None
        except (DraftRefusedError, DraftConflictError, ReadOnlyFlowsError) as error:
            live = self._console.sources.get_loaded_flows().book.flows.get(flow)
            if live is None or live.version != version:  # else it is a second click: the first one made it live
                raise HTTPException(409, f"The version did not go live: {error}") from None
        return self._console.redirect(f"/flows/{flow}?view=versions")

    async def show_call_now(self, request: Request, session: ConsoleSession) -> Response:
        """Show what would happen now to a past call, with the same keys and the same people who answer."""
        call = request.path_params["call"]
        try:
            replayed = await self._workshop.replay_call(call)
        except CommandBusyError:
            raise HTTPException(429, BUSY_REFUSAL) from None
        except CommandFailedError as error:
            raise HTTPException(404, f"The call cannot be rung again: {error}") from None
        return await self._console.render(request, session, "call_now.html", call=call, replayed=replayed)


def _describe_report(report: Mapping[str, Any], *, has_errors: bool) -> dict[str, Any]:
    """Return what the last trial of a draft has found, for the page."""
    kind = report.get("kind", "")
    if kind == "check":
        return {"notice": "" if has_errors else "No mistake was found."}
    if kind == "refusal" or is_lost(report):
        lost = "The trial of past calls was interrupted, as the server has started again. Ask for it once more."
        return {"refusal": report.get("text", lost), "patch": report.get("patch", "")}
    if kind == "notice":
        return {"notice": report["text"]}
    return {"tests": report["tests"]} if kind == "test" else {"impact": report} if kind == "impact" else {}
