"""Runs past calls of the journal through flows as they are now, and reports which calls would go elsewhere.

Nothing is guessed: a call is compared as far as its keys, the answers of the rung parties and its lookups are known. The
report counts and names what is not known.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import os
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from callflows.errors import FlowFileError, UnknownCallError
from callflows.flows.loader.folder_loader import list_flow_files, load_flow_files, load_folder_options
from callflows.flows.suppositions import Suppositions
from callflows.journal.call_story import format_moment
from callflows.journal.cpu_budget import BUSY_CHECK_SECONDS, CpuBudget, read_main_thread_seconds
from callflows.rehearsal.simulated_outside import CallFixture, activate_fixture
from callflows.telephony.phone_numbers import parse_e164
from callflows.testing.call_route import (
    CALLER_ENDED_CALL,
    KnownCaller,
    RecordedDocuments,
    ReplayNetwork,
    RouteTurn,
    build_route,
    describe_failure,
    describe_route,
    find_route_difference,
    hide_unknown_part,
    read_replayed_places,
)
from callflows.testing.journal_replay import read_recorded_call
from callflows.testing.scenario_runner import ScenarioFolder, serve_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from callflows.flows.compiler.compiling_flow import CompilerOptions
    from callflows.flows.flow_book import FlowBook
    from callflows.flows.loader.folder_loader import ProgressCallback
    from callflows.journal.sql_store import SqlStore
    from callflows.journal.stored_rows import CallFilter, JournalRow, StoredCall
    from callflows.rehearsal.platform_network import PlatformNetwork
    from callflows.settings import Settings
    from callflows.testing.call_route import CallRoute, RouteDifference
    from callflows.testing.journal_replay import RecordedCall

    ReplayProgress = Callable[[int, int], None]


_CALLS_AT_ONCE: Final = 100
"""Number of calls that are loaded together."""
_CPU_SHARE_BESIDE_CALLERS: Final = 0.05
"""Share of a processor while the server that replays is busy with answers; nobody but the author waits for a replay."""
_CPU_BURST_SECONDS: Final = 0.005
"""About two calls: a longer burst takes a core from callers for as long as many of their answers last."""
_MAX_GROUP_EXAMPLES: Final = 5
_MAX_REASON_EXAMPLES: Final = 5
NO_REPORTS: Final = "Opentact reported no steps: compared as if the caller had stayed on the line"


class ReplayedCall(NamedTuple):
    """A call with both routes. Without routes, ``unknown`` says why the call cannot be compared.

    ``difference`` is None if the call takes the same route as far as is known; then ``unknown`` says what is not known.
    """

    call: JournalRow
    was: CallRoute | None = None
    now: CallRoute | None = None
    difference: RouteDifference | None = None
    unknown: str = ""
    has_reports: bool = True

    @property
    def state(self) -> str:
        """Return ``elsewhere``, ``same``, ``same-so-far`` (the rest is unknown) or ``not-compared``."""
        if self.was is None:
            return "not-compared"
        if self.difference is not None:
            return "elsewhere"
        return "same-so-far" if self.unknown else "same"


class CallReplayer:
    """Replays calls with the flows of a folder. Use as ``async with open_call_replayer(...)``."""

    def __init__(self, folder: ScenarioFolder, settings: Settings, stack: contextlib.AsyncExitStack) -> None:
        self._folder = folder
        self._settings = settings
        self._stack = stack
        self._engines: dict[int, PlatformNetwork] = {}

    async def replay_call(self, stored: StoredCall) -> ReplayedCall:
        """Replay a call with its recorded documents and with the flows, and compare both routes."""
        try:
            recorded = read_recorded_call(stored)
            was, caller = await _run_recorded_call(recorded)
            engine, book = await self._open_engine(recorded)
        except UnknownCallError as error:
            return ReplayedCall(stored.call, unknown=str(error))
        except FlowFileError:
            return ReplayedCall(stored.call, unknown="the flow has an error under the overrides of the call")
        now = await _run_with_flows(recorded, caller.wrong_key_menus, engine, book)
        difference = find_route_difference(was, now)
        unknown = "" if was.unknown == CALLER_ENDED_CALL else was.unknown
        if difference is None and len(now.points) < len(was.points):
            unknown = now.unknown
        if difference is not None:
            now = hide_unknown_part(now, difference.common)
        return ReplayedCall(stored.call, was, now, difference, unknown, has_reports=recorded.reached is not None)

    async def _open_engine(self, recorded: RecordedCall) -> tuple[PlatformNetwork, FlowBook]:
        """Return the engine of the flows, with the overrides of opening hours that held in the call."""
        number = recorded.rehearsal.number
        flow = self._folder.loaded_flows.book.find_answering_flow(parse_e164(number) or number)
        supposed = Suppositions()
        if flow is not None:
            hours = {name: state for name, state in recorded.overridden_hours.items() if name in flow.hours_names}
            supposed = Suppositions(hours=tuple(sorted(hours.items())))
        book = self._folder.suppose(flow.name if flow is not None else "", supposed)
        if id(book) not in self._engines:
            served = serve_folder(self._folder, self._settings, book)
            self._engines[id(book)] = await self._stack.enter_async_context(served)
        return self._engines[id(book)], book


@contextlib.asynccontextmanager
async def open_call_replayer(folder: ScenarioFolder, settings: Settings) -> AsyncIterator[CallReplayer]:
    """Open the engines for replays with the flows of a folder, which must have been compiled with coverage."""
    async with contextlib.AsyncExitStack() as stack:
        yield CallReplayer(folder, settings, stack)


async def _run_recorded_call(recorded: RecordedCall) -> tuple[CallRoute, KnownCaller]:
    """Run the recorded documents; return the caller, too.

    Raises UnknownCallError if the documents cannot lead to what Opentact reported.
    """
    caller = KnownCaller(recorded.facts)
    network = RecordedDocuments(caller, recorded.documents)
    rehearsal = recorded.rehearsal
    rehearsal.caller = rehearsal.callees = caller
    call = rehearsal.build_interpreter(network)
    await call.run_from_url(rehearsal.url, rehearsal.method)
    if network.has_strayed:
        raise UnknownCallError("the rehearsal of the documents takes another way than the call did")
    reached = recorded.reached
    if reached is not None:
        last = len(recorded.documents)
        first_path = next((step["path"] for turn, step in caller.heard if turn == last), "")
        reached = {*reached, (last, first_path)}
    return build_route(caller, recorded.turns, call.transcript, reached), caller


async def _run_with_flows(
    recorded: RecordedCall, wrong_key_menus: Sequence[frozenset[str]], engine: PlatformNetwork, book: FlowBook
) -> CallRoute:
    """Run the call with flows, without effects."""
    caller = KnownCaller(recorded.facts, wrong_key_menus)
    network = ReplayNetwork(caller, recorded.facts, engine)
    rehearsal = recorded.rehearsal
    rehearsal.caller = rehearsal.callees = caller
    call = rehearsal.build_interpreter(network)
    network.transcript = call.transcript
    activate_fixture(CallFixture(call, rehearsal.lookups, rehearsal.calls_today))
    await call.run_from_url(rehearsal.url, rehearsal.method)
    turns = [
        RouteTurn(
            request.flow,
            request.node,
            book.flows[request.flow].file if request.flow in book.flows else "",
            None
            if index < len(recorded.turns) and recorded.turns[index].places is None
            else read_replayed_places(document),
            request.trail,
            describe_failure(request.outcome),
        )
        for index, (request, document) in enumerate(zip(call.transcript.requests, caller.documents, strict=False))
    ]
    return build_route(caller, turns, call.transcript)


def load_replay_folder(
    folder: Path, options: CompilerOptions, on_progress: ProgressCallback | None = None
) -> ScenarioFolder:
    """Load the flows of a folder for replays, without today's overrides. Raises OSError if it cannot be listed."""
    for_all, problems = load_folder_options(folder, dataclasses.replace(options, records_coverage=True))
    loaded = load_flow_files(sorted({*list_flow_files(folder), *options.drafts}), for_all, problems, on_progress)
    return ScenarioFolder(loaded, for_all, (), (), loaded.problems)


async def replay_calls(
    store: SqlStore,
    call_filter: CallFilter,
    folder: ScenarioFolder,
    settings: Settings,
    on_progress: ReplayProgress | None = None,
) -> dict[str, Any]:
    """Replay the calls of a filter, newest first, and return the report (see ``ReplayReport.build_report``)."""
    calls = [*store.list_calls(call_filter)]
    report = ReplayReport()
    # A server replays in a process of its own, and is the parent of it; of a shell, nobody waits for an answer.
    budget = CpuBudget(
        _CPU_SHARE_BESIDE_CALLERS,
        _CPU_BURST_SECONDS,
        read_used_seconds=time.process_time,
        read_answering_seconds=functools.partial(read_main_thread_seconds, os.getppid()),
    )
    async with open_call_replayer(folder, settings) as replayer:
        for start in range(0, len(calls), _CALLS_AT_ONCE):
            for stored in store.load_calls(calls[start : start + _CALLS_AT_ONCE]):
                with budget:
                    report.add_call(await _replay_safely(replayer, stored))
                if on_progress is not None:
                    on_progress(report.count, len(calls))
                await asyncio.sleep(0)
                while not budget.has_budget():  # noqa: ASYNC110 - time passes, and nothing happens, until there is some
                    await asyncio.sleep(BUSY_CHECK_SECONDS)
    return report.build_report()


async def _replay_safely(replayer: CallReplayer, stored: StoredCall) -> ReplayedCall:
    """Replay a call; a defect is counted, so that one call does not spoil the report about all others."""
    try:
        return await replayer.replay_call(stored)
    except Exception as error:  # noqa: BLE001 - rows of a journal may be damaged in any way
        return ReplayedCall(stored.call, unknown=f"the replay failed, please report it: {type(error).__name__}: {error}")


class ReplayReport:
    """Counts replayed calls, and groups those that go elsewhere by the first difference of their routes."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._states = dict.fromkeys(("same", "same-so-far", "elsewhere", "not-compared"), 0)
        self._groups: dict[tuple[str, ...], dict[str, Any]] = {}
        self._reasons: dict[tuple[str, str], dict[str, Any]] = {}

    @property
    def count(self) -> int:
        return sum(self._states.values())

    def add_call(self, replayed: ReplayedCall) -> None:
        self._states[replayed.state] += 1
        call_id = replayed.call["id"]
        if replayed.state in ("same-so-far", "not-compared"):
            self._add_reason(replayed.state, replayed.unknown, call_id)
        if replayed.was is not None and not replayed.has_reports:
            self._add_reason("no-reports", NO_REPORTS, call_id)
        if replayed.difference is not None:
            self._add_difference(replayed, replayed.difference)

    def _add_reason(self, kind: str, reason: str, call_id: str) -> None:
        group = self._reasons.setdefault((kind, reason), {"kind": kind, "reason": reason, "calls": 0, "examples": []})
        group["calls"] += 1
        group["examples"] += [call_id] if len(group["examples"]) < _MAX_REASON_EXAMPLES else []

    def _add_difference(self, replayed: ReplayedCall, difference: RouteDifference) -> None:
        described = describe_replayed_call(replayed)
        flow = replayed.was.turns[0].flow if replayed.was is not None else ""
        fields = {
            "flow": flow,
            "node": difference.node,
            "why": difference.reason,
            "was": described["was_next"],
            "now": described["now_next"],
            "place": difference.place,
        }
        group = self._groups.setdefault(tuple(fields.values()), {**fields, "calls": 0, "examples": []})
        group["calls"] += 1
        group["examples"] += [described] if len(group["examples"]) < _MAX_GROUP_EXAMPLES else []

    def build_report(self) -> dict[str, Any]:
        """Return the report as plain data: counts, ``groups`` (the largest first), and ``unknown`` with reasons."""
        return {
            "calls": self.count,
            "same": self._states["same"],
            "same_as_far_as_known": self._states["same-so-far"],
            "elsewhere": self._states["elsewhere"],
            "not_compared": self._states["not-compared"],
            "groups": sorted(self._groups.values(), key=lambda group: -group["calls"]),
            "unknown": sorted(self._reasons.values(), key=lambda reason: -reason["calls"]),
            "seconds": round(time.monotonic() - self._began, 1),
        }


def describe_replayed_call(replayed: ReplayedCall) -> dict[str, Any]:
    """Return a replayed call as plain data, with both routes as lists of words.

    ``common`` is the number of words that both routes have in common at their beginning, ``unknown`` what is not known
    after the routes.
    """
    call = replayed.call
    fields: dict[str, Any] = {
        "call": call["id"],
        "started": format_moment(call["started"]),
        "from": call["caller"] or "",
        "number": call["number"] or "",
        "state": replayed.state,
        "unknown": replayed.unknown,
    }
    was, now, difference = replayed.was, replayed.now, replayed.difference
    if was is None or now is None:
        return fields
    fields |= {"was": describe_route(was), "now": describe_route(now)}
    fields |= {"was_unknown": was.unknown, "now_unknown": now.unknown}
    if difference is None:
        return {**fields, "common": len(fields["was"])}
    common = len(describe_route(was, difference.common, is_whole=False))
    return {
        **fields,
        "common": common,
        "why": difference.reason,
        "place": difference.place,
        "was_next": _describe_next(fields["was"], common, was),
        "now_next": _describe_next(fields["now"], common, now),
    }


def _describe_next(words: Sequence[str], common: int, route: CallRoute) -> str:
    """Return the first word after the common ones; if there is none, what ended the route."""
    return words[common] if common < len(words) else route.unknown or "ends"
