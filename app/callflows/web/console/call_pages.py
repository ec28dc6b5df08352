"""The pages of calls: the list with its filters, and one call with what was heard and decided."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from starlette.exceptions import HTTPException

from callflows.errors import JournalRejectionError
from callflows.journal.call_ending import ENDING_WORDS
from callflows.journal.call_story import (
    CALL_LOG_FIELDS,
    build_call_story,
    build_named_row,
    format_moment,
    name_story_parties,
)
from callflows.journal.flow_history import FLOW_CHANGE_ACTIONS, name_version
from callflows.journal.inbox import CALL_KIND
from callflows.journal.story_words import describe_story_entry, indent_document, skip_repeated_entries
from callflows.web.console.flow_picture import DrawnFlow, count_ways, draw_flow, light_picture
from callflows.web.journal_lists import (
    DEFAULT_LISTED_ROWS,
    MAX_LISTED_ROWS,
    CallQuery,
    answer_json,
    answer_list_page,
    ask_journal,
    build_call_filter,
    write_page_cursor,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from callflows.journal.flow_history import VersionName
    from callflows.journal.stored_rows import JournalRow
    from callflows.web.console.console_frame import Console
    from callflows.web.console.console_sessions import ConsoleSession


PERIODS: Final = {
    "today": "today",
    "yesterday": "yesterday",
    "week": "this week",
    "7d": "last 7 days",
    "30d": "last 30 days",
    "": "any time",
}
"""Periods of the list of calls, each with its label."""
_PERIOD_DAYS: Final = {"yesterday": 1, "7d": 7, "30d": 30}
SEARCH_SECONDS: Final = 0.12
"""Seconds that a page looks for a part of a number or name among the newest calls; it offers to look further."""
_FILTER_FIELDS: Final = ("q", "number", "from", "flow", "outcome", "node", "period", "since", "until")
STORY_VIEWS: Final = {"heard": "As heard", "why": "Why", "reports": "Opentact's reports", "documents": "Documents"}


def add_call_pages(console: Console) -> None:
    """Add the list of calls, also as ``.csv`` and ``.json``, and the page of one call."""
    pages = _CallPages(console)
    console.add_page("/calls", pages.show_calls)
    for suffix in (".csv", ".json"):
        console.add_page(f"/calls{suffix}", pages.export_calls)
    console.add_page("/calls/{call}.json", pages.export_call)
    console.add_page("/calls/{call}", pages.show_call)
    console.add_page("/calls/{call}/notes", pages.add_note, "operate", ["POST"])


class _CallPages:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._journal = console.sources.journal

    async def show_calls(self, request: Request, session: ConsoleSession) -> Response:
        query = self._read_query(request.query_params, DEFAULT_LISTED_ROWS)
        found = await ask_journal(self._journal.search_calls(build_call_filter(query), SEARCH_SECONDS))
        calls = found.calls
        has_more = len(calls) > DEFAULT_LISTED_ROWS
        shown = calls[:DEFAULT_LISTED_ROWS]
        paths = await ask_journal(self._journal.list_paths([call["id"] for call in shown]))
        outlines = self._console.get_outlines()
        rows = [
            {**build_named_row(call, outlines), "name": call["name"] or "", "path": paths.get(call["id"], [])}
            for call in shown
        ]
        fields = {name: request.query_params.get(name, "") for name in _FILTER_FIELDS}
        chosen = {name: value for name, value in fields.items() if value}
        cursor = write_page_cursor((shown[-1]["started"], shown[-1]["id"])) if has_more else ""
        looked_back_to = found.looked_back_to if not has_more else None
        if looked_back_to is not None:
            cursor = write_page_cursor((looked_back_to, ""))
        return await self._console.render(
            request,
            session,
            "calls.html",
            rows=rows,
            given=fields,
            is_filtered=bool(chosen),
            query=urlencode(chosen),
            more=urlencode({**chosen, "cursor": cursor}) if cursor else "",
            looked_back_to=format_moment(looked_back_to),
            is_first="cursor" not in request.query_params,
            flows=sorted(self._console.sources.get_loaded_flows().book.flows),
            endings=ENDING_WORDS,
            periods=PERIODS,
            zone_of=self._console.find_zone_name,
            zone=str(self._console.find_midnight(fields["flow"]).tzinfo),
        )

    def _read_query(self, values: Mapping[str, str], limit: int) -> CallQuery:
        """Return the query of a list of calls. A period begins at midnight on the clock of the flows."""
        fields = {name: values.get(name, "") for name in (*_FILTER_FIELDS, "cursor")}
        period = fields.pop("period")
        if period not in PERIODS:
            raise HTTPException(400, f"period: use {', '.join(filter(None, PERIODS))}")
        if period:
            today = self._console.find_midnight(fields["flow"])
            # Days are taken on the clock of the flow: one of them may have 23 or 25 hours.
            days = today.weekday() if period == "week" else _PERIOD_DAYS.get(period, 0)
            fields["since"] = fields["since"] or (today - timedelta(days=days)).isoformat()
            if period == "yesterday":
                fields["until"] = fields["until"] or today.isoformat()
        return CallQuery.model_validate({**{name: value.strip() for name, value in fields.items()}, "limit": limit})

    async def export_calls(self, request: Request, _session: ConsoleSession) -> Response:
        query = self._read_query(request.query_params, MAX_LISTED_ROWS)
        calls = await ask_journal(self._journal.list_calls(build_call_filter(query)))
        outlines = self._console.get_outlines()
        rows = [build_named_row(call, outlines) for call in calls]
        places = [(call["started"], call["id"]) for call in calls]
        return answer_list_page(request, rows, places, MAX_LISTED_ROWS, CALL_LOG_FIELDS)

    async def _load_story(self, call_id: str) -> dict[str, Any]:
        stored = await ask_journal(self._journal.load_call(call_id))
        if stored is None:
            raise HTTPException(404, "There is no such call. It may have been erased, or the link is cut off.")
        story = await asyncio.to_thread(build_call_story, stored, self._journal.shortest_message_seconds)
        name_story_parties(story, self._console.get_outlines())
        return story

    async def export_call(self, request: Request, _session: ConsoleSession) -> Response:
        return answer_json(await self._load_story(request.path_params["call"]))

    async def show_call(self, request: Request, session: ConsoleSession) -> Response:
        view = request.query_params.get("view", "heard")
        if view not in STORY_VIEWS:
            raise HTTPException(404, "There is no such view of a call.")
        story = await self._load_story(request.path_params["call"])
        call, path = story["call"], story["path"]
        stored = await self._load_version_of_call(path)
        drawn = await self._draw_version(stored) if stored is not None else None
        visited, ways = count_ways([visit["node"] for visit in path])
        picture = None
        if drawn is not None:
            picture = light_picture(
                drawn,
                {node: _describe_count(count) for node, count in visited.items()},
                dict.fromkeys(ways, ""),
                passed=visited.keys() - {words["node"] for words in story["heard"]} if story["heard"] else (),
            )
        return await self._console.render(
            request,
            session,
            "call.html",
            call=call,
            story=story,
            steps=[*_time_steps(story)],
            view=view,
            views=STORY_VIEWS,
            picture=picture,
            version=await self._name_version(stored) if stored is not None else None,
            boxes=drawn.diagram.boxes if drawn is not None else (),
            visited=visited,
            path=[*_time_path(path, call)],
            recordings=[entry for entry in story["story"] if entry["what"] == "recorded"],
            transcripts=[entry["text"] for entry in story["story"] if entry["what"] == "transcribed" and entry["text"]],
            entries=_list_reasons(story) if view == "why" else [*_list_view_entries(story["story"], view)],
            zone=self._console.find_zone_name(call["flow"]),
        )

    async def _load_version_of_call(self, path: Sequence[Mapping[str, Any]]) -> JournalRow | None:
        """Return the version of the flow that the call met; None if it is not stored."""
        if not path:
            return None
        stored: JournalRow | None = await ask_journal(self._journal.load_version(path[-1]["flow"], path[-1]["version"]))
        return stored

    async def _draw_version(self, stored: JournalRow) -> DrawnFlow | None:
        if not stored["source"]:
            return None
        file = self._console.sources.flows_folder / (stored["file"] or "")
        return await asyncio.to_thread(draw_flow, stored["flow"], file, stored["source"].encode())

    async def _name_version(self, stored: JournalRow) -> VersionName:
        return name_version(stored, await ask_journal(self._journal.list_audit_rows(FLOW_CHANGE_ACTIONS, stored["flow"])))

    async def add_note(self, request: Request, session: ConsoleSession) -> Response:
        fields = await self._console.access.read_form(request, session)
        call = request.path_params["call"]
        if not await ask_journal(self._journal.has_thing(CALL_KIND, call)):
            raise HTTPException(404, "There is no such call.")
        change = self._console.access.build_person_change(request, session.user)
        try:
            await ask_journal(self._journal.add_note(CALL_KIND, call, change, fields.get("text", "")))
        except JournalRejectionError as error:
            raise HTTPException(400, f"The note was not stored: {error}.") from None
        return self._console.redirect(f"/calls/{quote(call)}", "last-note")


def _describe_count(count: int) -> str:
    return f"{count} times" if count > 1 else ""


def _compute_seconds(at: str | None, began: str | None) -> float:
    """Return the seconds from the beginning of a call to a moment."""
    if not at or not began:
        return 0.0
    return max(0.0, (datetime.fromisoformat(at) - datetime.fromisoformat(began)).total_seconds())


def _time_steps(story: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the heard steps, each with its seconds since the call began."""
    began = story["call"]["started"]
    for words in story["heard"]:
        yield {**words, "seconds": _compute_seconds(words["at"], began)}


def _time_path(path: Sequence[Mapping[str, Any]], call: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the visits of a call, each with its seconds since the call began, and its duration."""
    ended = call["ended"] or (format_moment(time.time()) if call["outcome"] == "ongoing" else None)
    for visit, following in zip(path, [*[later["at"] for later in path[1:]], ended], strict=True):
        lasted = _compute_seconds(following, visit["at"]) if following else None
        yield {**visit, "seconds": _compute_seconds(visit["at"], call["started"]), "lasted": lasted}


def _list_reasons(story: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return why the call went its way: what was decided, pressed and rung, and where it came to, in their order."""
    entries = [
        {"at": words["at"], "what": words["who"], "words": words["text"]}
        for words in story["heard"]
        if words["sure"] and not words["text"].startswith("“")
    ]
    for number, visit in enumerate(story["path"]):
        words = f"came to {visit['node']}" if number else f"the call began in {visit['node']}"
        entries.insert(len(entries) if number else 0, {"at": visit["at"], "what": "went", "words": words})
    # What led to a node, and the node itself, have the same moment: the order of the list counts.
    return sorted([*entries, *_list_view_entries(story["story"], "why")], key=lambda entry: entry["at"] or "")


def _list_view_entries(story: Sequence[dict[str, Any]], view: str) -> Iterator[dict[str, Any]]:
    """Yield the entries of a story that a view shows, described in sentences."""
    kinds = {"why": ("decided",), "documents": ("answered",)}.get(view)
    for entry in skip_repeated_entries(story):
        if view == "heard" or (kinds is not None and entry["what"] not in kinds):
            continue
        if view == "reports" and entry["what"] in ("asked", "decided", "answered"):
            continue
        document = "\n".join(indent_document(entry["document"])) if entry["what"] == "answered" else ""
        yield {**entry, "words": describe_story_entry(entry), "document": document}
