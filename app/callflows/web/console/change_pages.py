"""Changing a flow without fear: a draft is checked, tested and run on past calls before it goes live; or rolled back."""

from __future__ import annotations

import json
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
from callflows.flows.authoring.value_edits import ValueEdit, edit_values, list_editable_values
from callflows.flows.source.yaml_source import MAX_FLOW_FILE_BYTES
from callflows.web.command_process import TriedDraft
from callflows.web.journal_lists import ask_journal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response

    from callflows.web.console.console_frame import Console
    from callflows.web.console.console_sessions import ConsoleSession
    from callflows.web.flow_workshop import FlowWorkshop


_REPLAYED_DAYS: Final = "7d"
_REPLAYED_CALLS: Final = "200"
_VALUE_FIELD: Final = "value "
"""Beginning of the name of a field for a value; the rest is the value's path as JSON."""
_SHOWN_FIELD: Final = "shown "
"""Beginning of the name of a field with the value that the page had shown."""


def add_change_pages(console: Console, workshop: FlowWorkshop) -> None:
    """Add the page of a draft, the way back to a version, and what would happen now to a past call."""
    pages = _ChangePages(console, workshop)
    console.add_page("/flows/{flow}/edit", pages.show_file, "author")
    console.add_page("/flows/{flow}/edit", pages.try_draft, "author", ["POST"])
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
        """Do with a draft what its button says: check, test, impact or live."""
        fields = await self._console.access.read_form(request, session)
        flow, current = request.path_params["flow"], await self._read_source(request)
        text, digest = fields.get("source", "").replace("\r\n", "\n"), fields.get("digest", "")
        if not text.strip() or len(text) > MAX_FLOW_FILE_BYTES:
            raise HTTPException(400, "The draft is empty or too long.")
        found: dict[str, Any] = {}
        try:
            text = _apply_values(text, fields)
            if fields.get("do") == "live":
                change = self._console.access.build_person_change(request, session.user)
                await ask_journal(self._workshop.publish(flow, text, digest, change))
                return self._console.redirect(f"/flows/{flow}?view=versions")
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
            return {**found, "impact": await _read_report(self._workshop.replay_calls(filters, TriedDraft(flow, text)))}
        return {**found, "notice": "No mistake was found."}

    async def _render(self, request: Request, session: ConsoleSession, text: str, digest: str, **found: Any) -> Response:  # noqa: ANN401 - what was found
        current = await self._read_source(request)
        values = [
            {"name": _VALUE_FIELD + json.dumps(value.path), "label": _describe_path(value.path), **value._asdict()}
            for value in list_editable_values(text)
            if isinstance(value.value, str)
        ]
        defaults: dict[str, Any] = {"problems": (), "notice": "", "tests": None, "impact": None, "refusal": "", "patch": ""}
        return await self._console.render(
            request,
            session,
            "draft.html",
            flow=request.path_params["flow"],
            text=text,
            digest=digest,
            is_changed=text != current.text,
            values=values,
            **{**defaults, **found},
        )

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


def _apply_values(text: str, fields: dict[str, str]) -> str:
    """Return a draft with the values that were changed in the form. Raises ValueEditError."""
    known = {value.path: value.value for value in list_editable_values(text)}
    edits = []
    for name, value in fields.items():
        if not name.startswith(_VALUE_FIELD):
            continue
        written, shown = value.replace("\r\n", "\n").strip(), fields.get(_SHOWN_FIELD + name, "").replace("\r\n", "\n")
        if written == shown.strip():
            continue  # the text of the file counts, where the same value may have been changed
        try:
            path = tuple(json.loads(name.removeprefix(_VALUE_FIELD)))
        except (ValueError, TypeError):
            continue
        if isinstance(known.get(path), str) and known[path] != written:
            edits.append(ValueEdit("set", path, written))
    return edit_values(text, edits) if edits else text


def _describe_path(path: tuple[str | int, ...]) -> str:
    """Return the place of a value in words, as ``nodes, closed, say``."""
    return ", ".join(str(part) for part in path if not isinstance(part, int))


async def _read_report(lines: AsyncIterator[str]) -> dict[str, Any]:
    """Return the last line, which is the report."""
    last = "{}"
    async for line in lines:
        last = line
    report: dict[str, Any] = json.loads(last)
    return report
