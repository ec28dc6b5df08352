"""The pages of flows: the list, one flow with its traffic, its file and its versions, and the numbers."""

from __future__ import annotations

import asyncio
import itertools
import time
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from starlette.exceptions import HTTPException

from callflows.flows.authoring.flow_drafts import hash_flow_text
from callflows.flows.source.included_files import read_own_source
from callflows.journal.call_derivation import group_rows
from callflows.journal.call_ending import ENDING_WORDS
from callflows.journal.call_story import format_moment
from callflows.journal.flow_history import FLOW_CHANGE_ACTIONS, describe_flow_versions, find_live_since, name_version
from callflows.web.console.console_frame import COUNT_WAIT_SECONDS
from callflows.web.console.counts_cache import CountsCache
from callflows.web.console.draft_form import list_changeable_nodes
from callflows.web.console.flow_picture import draw_flow, light_picture
from callflows.web.console.kept_drafts import KeptDrafts, name_author
from callflows.web.console.number_routes import NumberRoutes
from callflows.web.console.text_changes import compare_lines, list_value_changes, summarize_changes
from callflows.web.journal_lists import ask_journal
from callflows.web.operator_api import describe_flow_state, list_answered_numbers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from callflows.flows.flow import Flow
    from callflows.journal.flow_history import VersionName
    from callflows.journal.stored_rows import JournalRow
    from callflows.web.console.console_frame import Console
    from callflows.web.console.console_sessions import ConsoleSession


_Counts: TypeAlias = "list[tuple[str, str, int]]"
FLOW_VIEWS: Final = {"picture": "Picture", "file": "File", "versions": "Versions"}
_TRAFFIC_DAYS: Final = 7
_SECONDS_PER_DAY: Final = 86_400
_TRAFFIC_LIFE_SECONDS: Final = 60.0
_TRAFFIC_SHOWN_SECONDS: Final = 3600.0
_MAX_NUMBERS: Final = 500
_HUNG_UP_ENDINGS: Final = frozenset({"hung-up", "hung-up-in-menu"})
_MAX_SUMMARIES: Final = 30
"""Number of versions for which the page says what changed."""
_MAX_DESCRIPTION_CHARACTERS: Final = 120


def add_flow_pages(console: Console) -> None:
    """Add the pages of flows and of numbers."""
    pages = _FlowPages(console)
    console.add_page("/flows", pages.show_flows)
    console.add_page("/flows/{flow}", pages.show_flow)
    console.add_page("/flows/{flow}/versions/{version}", pages.show_version)
    console.add_page("/numbers", pages.show_numbers)


class _FlowPages:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._journal = console.sources.journal
        self._drafts = KeptDrafts(self._journal)
        self._routes = NumberRoutes(console.sources.find_misrouted_numbers)
        self._traffic = CountsCache["tuple[_Counts, _Counts]"](_TRAFFIC_LIFE_SECONDS, _TRAFFIC_SHOWN_SECONDS)

    async def show_flows(self, request: Request, session: ConsoleSession) -> Response:
        loaded = self._console.sources.get_loaded_flows()
        flows = [describe_flow_state(name, loaded) for name in sorted(loaded.book.flows)]
        unread = [name for name in loaded.broken_flows if name not in loaded.book.flows]
        drafts = await self._drafts.list_drafts()
        return await self._console.render(
            request,
            session,
            "flows.html",
            flows=flows,
            live_since=await self._list_live_since(loaded.book.flows.values()),
            unread=unread,
            drafts=drafts,
            me=name_author(session.user),
            zone_of=self._console.find_zone_name,
        )

    async def _list_live_since(self, flows: Iterable[Flow]) -> dict[str, VersionName | None]:
        """Return since when each flow is live as it is, and by whom."""
        versions = group_rows(await ask_journal(self._journal.list_versions("")), column="flow")
        changes = group_rows(await ask_journal(self._journal.list_audit_rows(FLOW_CHANGE_ACTIONS, "")), column="key")
        return {
            flow.name: find_live_since(versions.get(flow.name, ()), changes.get(flow.name, ()), flow.version)
            for flow in flows
        }

    async def show_flow(self, request: Request, session: ConsoleSession) -> Response:
        name = request.path_params["flow"]
        view = request.query_params.get("view", "picture")
        if view not in FLOW_VIEWS:
            raise HTTPException(404, "There is no such view of a flow.")
        loaded = self._console.sources.get_loaded_flows()
        flow = loaded.book.flows.get(name)
        if flow is None:
            raise HTTPException(404, "There is no such flow. Its file may be gone, or have another name.")
        values: dict[str, Any] = {}
        if view == "picture":
            values = await self._collect_traffic(flow)
        elif view == "versions":
            values = await self._collect_versions(flow)
        problems = flow.problems or loaded.stale_flows.get(name, ())
        return await self._console.render(
            request,
            session,
            "flow.html",
            flow=describe_flow_state(name, loaded),
            live_since=find_live_since(
                await ask_journal(self._journal.list_versions(name)),
                await ask_journal(self._journal.list_audit_rows(FLOW_CHANGE_ACTIONS, name)),
                flow.version,
            ),
            problems=problems,
            hours=flow.hours_names,
            view=view,
            views=FLOW_VIEWS,
            lines=flow.source.decode("utf-8", "replace").splitlines(),
            marked={problem.line: problem for problem in problems},
            zone=self._console.find_zone_name(name),
            drafts=(await self._drafts.list_drafts()).get(name, ()),
            me=name_author(session.user),
            changeable=list_changeable_nodes(flow.source.decode("utf-8", "replace")),
            **values,
        )

    async def _collect_versions(self, flow: Flow) -> dict[str, Any]:
        """Return the versions of a flow, newest first, and the last change if it made the live version so."""
        rows = await ask_journal(self._journal.list_versions(flow.name))
        changes = await ask_journal(self._journal.list_audit_rows(FLOW_CHANGE_ACTIONS, flow.name))
        sources = await ask_journal(self._journal.list_version_sources(flow.name, _MAX_SUMMARIES + 1))
        if flow.version not in {row["version"] for row in rows}:  # it went live a moment ago
            now = time.time()
            live = {"version": flow.version, "since": now, "until": now, "file": PurePath(flow.file).name}
            rows = [live, *rows]
            sources = [{**live, "source": flow.source.decode("utf-8", "replace")}, *sources]
        texts = {row["version"]: row["source"] or "" for row in sources}
        last = next(iter(changes), None)
        undone = ""
        if last is not None and last["after"] == flow.version and last["before"] not in ("", flow.version):
            undone = last["before"] if last["before"] in texts else ""
        return {
            "versions": describe_flow_versions(rows, changes, flow.version),
            "names": {row["version"]: name_version(row, changes) for row in rows},
            "summaries": await asyncio.to_thread(_summarize_versions, sources),
            "undone": undone,
            "undo_summary": summarize_changes(texts[undone], texts.get(flow.version, "")) if undone else "",
            "undo_values": list_value_changes(texts[undone], texts.get(flow.version, "")) if undone else [],
            "last_change": {**last, "at": format_moment(last["at"])} if last is not None and undone else None,
            "digest": self._hash_live_file(flow.name),
        }

    def _hash_live_file(self, name: str) -> str:
        """Return the digest that the file of a live flow has; empty if it has an error, and may be replaced."""
        loaded = self._console.sources.get_loaded_flows()
        flow = loaded.book.flows.get(name)
        if flow is None or name in loaded.stale_flows:
            return ""
        return hash_flow_text(read_own_source(flow.source.decode("utf-8", "replace")))

    async def _collect_traffic(self, flow: Flow) -> dict[str, Any]:
        """Return the picture of a flow with the calls of the last days, and the same as lists."""
        counted = await self._traffic.get_within(flow.name, lambda: self._count_traffic(flow.name), COUNT_WAIT_SECONDS)
        ways, endings = counted if counted is not None else ([], [])
        calls: dict[str, int] = {}
        for _, node, count in ways:
            calls[node] = calls.get(node, 0) + count
        hung_up: dict[str, int] = {}
        for node, kind, count in endings:
            if kind in _HUNG_UP_ENDINGS and node:
                hung_up[node] = hung_up.get(node, 0) + count
        drawn = await asyncio.to_thread(draw_flow, flow.name, self._console.find_flow_file(flow.file), flow.source)
        picture = None
        if drawn is not None:
            texts = {node: f"{count:,}" for node, count in calls.items()}
            picture = light_picture(drawn, texts, {(before, node): "" for before, node, _ in ways if before})
        return {
            "picture": picture,
            "boxes": drawn.diagram.boxes if drawn is not None else (),
            "calls": calls,
            "hung_up": hung_up,
            "ways": sorted((way for way in ways if way[0]), key=lambda way: -way[2]),
            "total": sum(count for before, _, count in ways if not before),
            "days": _TRAFFIC_DAYS,
            "is_counted": counted is not None,
            "endings": ENDING_WORDS,
        }

    async def _count_traffic(self, flow: str) -> tuple[_Counts, _Counts]:
        """Count the ways and the endings of a flow's calls of the last days."""
        since = time.time() - _TRAFFIC_DAYS * _SECONDS_PER_DAY
        ways = await ask_journal(self._journal.count_traffic(flow, since))
        return ways, await ask_journal(self._journal.count_ending_nodes(flow, since))

    async def show_version(self, request: Request, session: ConsoleSession) -> Response:
        """Show the text of a version, and how it differs from the one before."""
        name, version = request.path_params["flow"], request.path_params["version"]
        stored = await ask_journal(self._journal.load_version(name, version))
        if stored is None:
            raise HTTPException(404, "There is no such version. It may have been erased with its calls.")
        rows = await ask_journal(self._journal.list_versions(name))
        changes = await ask_journal(self._journal.list_audit_rows(FLOW_CHANGE_ACTIONS, name))
        earlier = [row for row in rows if (row["since"] or 0.0) < (stored["since"] or 0.0)]
        before = await ask_journal(self._journal.load_version(name, earlier[0]["version"])) if earlier else None
        live = self._console.sources.get_loaded_flows().book.flows.get(name)
        live_text = read_own_source(live.source.decode("utf-8", "replace")) if live is not None else ""
        return await self._console.render(
            request,
            session,
            "version.html",
            is_live=live is not None and live.version == version,
            digest=self._hash_live_file(name),
            from_live=compare_lines(live_text, read_own_source(stored["source"] or "")),
            flow=name,
            stored=_describe_moments(stored),
            name=name_version(stored, changes),
            before=name_version(before, changes) if before is not None else None,
            changes=compare_lines(before["source"] or "", stored["source"] or "") if before is not None else [],
            lines=(stored["source"] or "").splitlines(),
            zone=self._console.find_zone_name(name),
        )

    async def show_numbers(self, request: Request, session: ConsoleSession) -> Response:
        self._routes.refresh_soon()
        routes = self._routes.answer
        loaded = self._console.sources.get_loaded_flows()
        numbers = list_answered_numbers(loaded.book)
        shown = numbers[:_MAX_NUMBERS]
        last = await ask_journal(self._journal.find_last_calls([number for number, _ in shown]))
        rows = [
            {
                "number": number,
                "flow": flow,
                "file": PurePath(loaded.book.flows[flow].file).name,
                "is_broken": bool(loaded.book.flows[flow].problems),
                "last": format_moment(last.get(number)),
                "description": read_first_comment(loaded.book.flows[flow].source),
                "route": routes.misrouted.get(number) if routes is not None else None,
            }
            for number, flow in shown
        ]
        conflicts = [str(problem) for problem in loaded.claim_conflicts]
        return await self._console.render(
            request,
            session,
            "numbers.html",
            rows=rows,
            left=len(numbers) - len(shown),
            conflicts=conflicts,
            has_account=self._console.sources.find_misrouted_numbers is not None,
            routes_known=format_moment(routes.checked_at if routes is not None else None),
            zone_of=self._console.find_zone_name,
        )


def read_first_comment(source: bytes) -> str:
    """Return the comment with which a flow file begins, as its description; empty if there is none."""
    lines = source.decode("utf-8", "replace").splitlines()
    comment = itertools.takewhile(lambda line: line.startswith("#"), lines)
    return " ".join(line.lstrip("# ").rstrip() for line in comment)[:_MAX_DESCRIPTION_CHARACTERS].strip()


def _describe_moments(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "since": format_moment(row["since"]), "until": format_moment(row["until"])}


def _summarize_versions(sources: Sequence[JournalRow]) -> dict[str, str]:
    """Return what changed in each version since the one before, by version; nothing for the oldest of them."""
    pairs = itertools.pairwise(sources)
    return {row["version"]: summarize_changes(before["source"] or "", row["source"] or "") for row, before in pairs}
