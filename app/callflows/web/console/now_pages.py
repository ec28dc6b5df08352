"""The first page: which lines are open and what callers hear, who is on the line, and how today's calls ended."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from starlette.exceptions import HTTPException

from callflows.flows.hours.overrides import HoursOverride
from callflows.flows.hours.wall_clock import parse_override_end
from callflows.journal.call_ending import ENDING_WORDS
from callflows.journal.call_story import build_named_row
from callflows.journal.stored_rows import CallFilter
from callflows.telephony.call_record import LONGEST_CALL_SECONDS
from callflows.web.console.console_frame import COUNT_WAIT_SECONDS
from callflows.web.console.counts_cache import CountsCache
from callflows.web.console.hours_preview import HoursPreview, preview_hours
from callflows.web.console.live_hub import LiveHub
from callflows.web.journal_lists import ask_journal

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from callflows.flows.flow import Flow
    from callflows.web.console.console_frame import Console
    from callflows.web.console.console_sessions import ConsoleSession
    from callflows.web.flow_workshop import FlowWorkshop


_MAX_SHOWN_GOING: Final = 30
_MAX_SHOWN_LATELY: Final = 8
_COUNTS_LIFE_SECONDS: Final = 5.0
_COUNTS_SHOWN_SECONDS: Final = 600.0
"""The page changes by itself as soon as there are new counts."""
_STATES: Final = {"open": True, "closed": False}
UNTIL_CHOICES: Final = {"1h": "for an hour", "4h": "for four hours", "18:00": "until 18:00", "": "until …"}
"""Ends of an override to choose from, each with its words."""


def add_now_pages(console: Console, workshop: FlowWorkshop) -> None:
    """Add the first page, its live part, and the pages on which the line is opened or closed."""
    pages = _NowPages(console, workshop)
    console.add_page("/", pages.show_now)
    console.add_page("/live", pages.stream_live_part)
    console.add_page("/hours/{flow}/{hours}", pages.show_switch, "operate")
    console.add_page("/hours/{flow}/{hours}", pages.switch_hours, "operate", ["POST"])


class _NowPages:
    def __init__(self, console: Console, workshop: FlowWorkshop) -> None:
        self._console = console
        self._workshop = workshop
        self._journal = console.sources.journal
        self._hub = LiveHub("now", self._render_live_part)
        self._counts = CountsCache["list[tuple[str, int, int]]"](_COUNTS_LIFE_SECONDS, _COUNTS_SHOWN_SECONDS)

    async def show_now(self, request: Request, session: ConsoleSession) -> Response:
        return await self._console.render(request, session, "now.html", **await self._collect_values())

    async def stream_live_part(self, request: Request, _session: ConsoleSession) -> Response:
        async def is_session_valid() -> bool:
            return await self._console.access.find_session(request) is not None

        return self._hub.watch(is_session_valid)

    async def _render_live_part(self) -> str:
        return self._console.render_part("now_live.html", await self._collect_values())

    async def _collect_values(self) -> dict[str, Any]:
        now = time.time()
        list_calls, outlines = self._journal.list_calls, self._console.get_outlines()
        going = await ask_journal(
            list_calls(CallFilter(is_going=True, since=now - LONGEST_CALL_SECONDS, limit=_MAX_SHOWN_GOING))
        )
        lately = await ask_journal(list_calls(CallFilter(limit=_MAX_SHOWN_LATELY + _MAX_SHOWN_GOING)))
        ids = {call["id"] for call in going}
        over = [call for call in lately if call["id"] not in ids][:_MAX_SHOWN_LATELY]
        paths = await ask_journal(self._journal.list_paths([*ids]))
        counts = await self._count_today()
        loaded = self._console.sources.get_loaded_flows()
        return {
            "hours": await asyncio.to_thread(self._list_hours),
            "going": [{**self._build_row(call, outlines), "path": paths.get(call["id"], [])} for call in going],
            "lately": [self._build_row(call, outlines) for call in over],
            "totals": _sum_by_ending(counts) if counts is not None else None,
            "bars": _build_bars(counts or []),
            "stale": loaded.stale_flows,
            "broken": loaded.broken_flows,
            "status": self._console.sources.get_status(),
            "has_flows": bool(loaded.book.flows),
            "zone_of": self._console.find_zone_name,
        }

    @staticmethod
    def _build_row(call: dict[str, Any], outlines: Any) -> dict[str, Any]:  # noqa: ANN401 - FlowOutlines
        return {**build_named_row(call, outlines), "name": call["name"] or ""}

    async def _count_today(self) -> list[tuple[str, int, int]] | None:
        """Count the calls of today; None if that takes longer: the page changes by itself as soon as they are counted."""
        midnight = self._console.find_midnight().timestamp()
        return await self._counts.get_within(
            str(midnight), lambda: ask_journal(self._journal.count_endings(midnight)), COUNT_WAIT_SECONDS
        )

    def _list_hours(self) -> list[HoursPreview]:
        now = datetime.now(UTC)
        flows = self._console.sources.get_loaded_flows().book.flows
        return [
            preview_hours(flow, name, now)
            for _, flow in sorted(flows.items())
            if flow.resolve is not None and not flow.problems
            for name in flow.hours_names
        ]

    def _find_flow(self, request: Request) -> tuple[Flow, str]:
        flow = self._console.sources.get_loaded_flows().book.flows.get(request.path_params["flow"])
        hours = request.path_params["hours"]
        if flow is None or flow.resolve is None or flow.problems or hours not in flow.hours_names:
            raise HTTPException(404, "There are no such opening hours now.")
        return flow, hours

    async def show_switch(self, request: Request, session: ConsoleSession) -> Response:
        """Show what callers will hear before the line is opened or closed."""
        flow, hours = self._find_flow(request)
        now = datetime.now(UTC)
        current = await asyncio.to_thread(preview_hours, flow, hours, now)
        state = request.query_params.get("state") or ("closed" if current.is_open else "open")
        if state not in _STATES:
            raise HTTPException(400, "state: use open or closed")
        until = request.query_params.get("other", "").strip() or request.query_params.get("until", "1h").strip()
        refusal, supposed, ends = "", None, None
        try:
            ends = parse_override_end(until, now, flow.zone)
            override = HoursOverride(flow.name, hours, _STATES[state], None, ends)
            supposed = await asyncio.to_thread(preview_hours, flow, hours, now, override)
        except ValueError as error:
            refusal = str(error)
        return await self._console.render(
            request,
            session,
            "switch.html",
            current=current,
            supposed=supposed,
            state=state,
            until=until,
            refusal=refusal,
            choices=UNTIL_CHOICES,
            ends=ends.astimezone(flow.zone or UTC) if ends is not None else None,
            zone=flow.zone.key if flow.zone is not None else "UTC",
        )

    async def switch_hours(self, request: Request, session: ConsoleSession) -> Response:
        """Open or close a line until a moment, or take that back."""
        fields = await self._console.access.read_form(request, session)
        flow, hours = self._find_flow(request)
        now = datetime.now(UTC)
        state = fields.get("state", "")
        override = None
        try:
            if state in _STATES:
                ends = parse_override_end(fields.get("until", ""), now, flow.zone)
                override = HoursOverride(flow.name, hours, _STATES[state], None, ends)
            elif state != "normal":
                raise HTTPException(400, "state: use open, closed or normal")
            removed_count = await self._workshop.override_hours(flow.name, hours, override, now)
        except ValueError as error:
            raise HTTPException(400, f"The hours were not changed: {error}") from None
        values = f"{removed_count} override(s)", "normal"
        if override is not None:
            values = "", f"{state} until {override.until.isoformat(' ', 'minutes')}"
        change = self._console.access.build_person_change(request, session.user)
        await self._console.access.record_change(change, "override", f"{flow.name} {hours}", *values)
        return self._console.redirect("/", f"hours-{flow.name}-{hours}")


def _sum_by_ending(counts: list[tuple[str, int, int]]) -> list[tuple[str, str, int]]:
    """Return the number of calls of each kind of ending, the most first, each with its words."""
    totals: dict[str, int] = {}
    for kind, _, count in counts:
        totals[kind] = totals.get(kind, 0) + count
    return [
        (kind, ENDING_WORDS.get(kind, kind), count) for kind, count in sorted(totals.items(), key=lambda total: -total[1])
    ]


def _build_bars(counts: list[tuple[str, int, int]]) -> list[tuple[int, int, int]]:
    """Return a bar for each hour of the day: hour, calls, height in percent of the fullest hour."""
    by_hour = [0] * 24
    for _, hour, count in counts:
        by_hour[min(max(hour, 0), 23)] += count
    most = max(by_hour) or 1
    return [(hour, count, round(100 * count / most)) for hour, count in enumerate(by_hour)]
