"""A journal of rehearsed calls: the turns of our own engine, and reports as Opentact makes them, at virtual times."""

from __future__ import annotations

import itertools
import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from scenario_folders import TEST_OPTIONS, TEST_SETTINGS, write_scenario_folder

from callflows.flows.loader.flow_versions import FlowVersions
from callflows.flows.loader.folder_loader import load_flow_folder
from callflows.flows.loader.place_tracer import PlaceTracer
from callflows.journal.journal_rows import build_journal_entries
from callflows.journal.sql_store import SqlStore
from callflows.journal.stored_rows import CallFilter
from callflows.rehearsal.call_parties import DialResult
from callflows.rehearsal.platform_network import HttpNetwork
from callflows.rehearsal.rehearsed_call import Rehearsal
from callflows.rehearsal.scripted_parties import ScriptedCallees, ScriptedCaller, parse_caller_script
from callflows.rehearsal.simulated_outside import CallFixture, activate_fixture
from callflows.rehearsal_engine import open_rehearsal_engine
from callflows.telephony.call_entity import CallEntity
from callflows.telephony.events import LiveFlowVersion, PlatformEvent
from callflows.testing.replay_runner import replay_calls
from waiting import run_bounded

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from callflows.journal.stored_rows import JournalEntry
    from callflows.language.element import Element
    from callflows.rehearsal.call_state import CallState
    from callflows.rehearsal.phone_call import PhoneCall
    from callflows.telephony.events import AnsweredRequest


REPLAY_FLOW = """\
numbers: +12015550123
timezone: America/New_York
hours:
  office: {mon-fri: 09:00-18:00}
groups:
  sales: {to: [ann@acme.sip.opentact.org, +12015550188]}
nodes:
  start:
    - when: not hours.office.open
      goto: closed
    - say: Welcome.
    - goto: menu
  menu:
    - menu:
        prompt: For sales press 1. For support press 2. For an order press 3.
        keys: {1: sales, 2: support, 3: order}
        attempts: 2
        otherwise: voicemail
  sales:
    - dial: {to: sales, no_answer: voicemail}
  support:
    - dial: {to: +12015550190, no_answer: voicemail}
  order:
    - collect: {into: order, digits: 4, prompt: Your order number., attempts: 1, otherwise: voicemail}
    - lookup: {url: "https://crm.example.com/{{ order }}", into: found, timeout: 800ms, default: {sent: false}}
    - choose:
        - when: found.sent
          goto: sent
        - goto: support
  sent:
    - say: It is on its way.
    - hangup
  closed:
    - say: We are closed.
    - goto: voicemail
  voicemail:
    - voicemail: {greeting: Please leave a message., max: 1m}
"""
MONDAY = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
SUNDAY = MONDAY - timedelta(days=1)


def build_call(keys="", callee="answer", at=MONDAY, **given):
    caller = ScriptedCaller(parse_caller_script(keys))
    return Rehearsal(number="+12015550123", at=at, caller=caller, callees=ScriptedCallees(callee), **given)


class Reporter:
    """Reports a call as Opentact does, and its callees."""

    def __init__(self, entries: list[JournalEntry], rehearsal: Rehearsal, *, reports_steps: bool) -> None:
        self.call: CallState
        self._entries, self._rehearsal = entries, rehearsal
        self._began = ""
        self._reports_steps = reports_steps
        self._callees = rehearsal.callees
        self._counter = itertools.count()

    @property
    def _id(self) -> str:
        return self.call.phone_call.id

    def report(self, kind: str, state: str, raw: dict[str, Any], **fields: object) -> None:
        now = self.call.clock.now()
        self._began = self._began or now.isoformat()
        whole = {"uuid": self._id, "direction": "in", "from": self._rehearsal.caller_id, "to": "12015550123"}
        whole |= {"created_on": self._began, "state": state, **fields}
        key = f"{self._id}/{next(self._counter)}"
        event = PlatformEvent(kind, key, now.timestamp(), raw, "", state, call=CallEntity(whole))
        self._entries += build_journal_entries(event)

    async def report_state(self, phone_call: PhoneCall, state: str) -> None:  # noqa: ARG002 - as the Protocol says
        over = {"destroy_on": self.call.clock.now().isoformat()} if state == "destroyed" else {}
        self.report("call_state", state, {"type": "call_state"}, **over)

    async def report_command(self, element: Element, path: str, reason: str) -> None:
        if self._reports_steps:
            step = {"name": element.spec.name, "success": not reason, "command": {"path": path}}
            self.report("call_flow", "live", {"call_flow": step})

    async def ring_targets(self, targets: Sequence[str], path: str) -> DialResult:
        result = await self._callees.ring_targets(targets, path)
        now = self.call.clock.now().isoformat()
        for number, target in enumerate(targets):
            took = {"answer_on": now} if result.answered_by == target else {}
            cause = {"q850_cause": 17, "q850_cause_string": "USER_BUSY"} if result.result == "busy" else {}
            parent = {"uuid": self._id, "direction": "in"}
            leg = {"uuid": f"leg{next(self._counter)}-{number}/{self._id}", "direction": "out", "parent": parent}
            to = target.partition("@")[0].lstrip("+")
            self.report("call_state", "destroyed", {}, **{**leg, "to": to, "destroy_on": now, **took, **cause})
        return result


async def write_rehearsed_calls(
    store: SqlStore, folder: Path, rehearsals: Iterable[Rehearsal], *, reports_steps: bool = True
) -> list[str]:
    """Rehearse calls with the flows of a folder, and write them as calls of a live server; return their ids.

    Without ``reports_steps`` Opentact reports states and legs only.
    """
    book = load_flow_folder(folder, TEST_OPTIONS).book
    tracer = PlaceTracer(FlowVersions(book), TEST_OPTIONS.signer)
    entries: list[JournalEntry] = []
    ids = []
    for flow in book.flows.values():
        live = LiveFlowVersion(flow.name, flow.version, f"{flow.name}.yaml", flow.source.decode(), 1.0, 2.0)
        entries += build_journal_entries(live)
    async with open_rehearsal_engine(TEST_SETTINGS, book, TEST_OPTIONS.signer) as door, HttpNetwork(door) as network:
        engine = door._engine  # noqa: SLF001 - a rehearsal keeps no journal of its own
        record_for_rehearsal = engine._record_answer  # noqa: SLF001
        current: CallState

        def record_answer(answered: AnsweredRequest) -> None:
            record_for_rehearsal(answered)
            at = current.clock.now().timestamp()
            of_call = {**answered.request_fields, "call": current.phone_call.id}
            moved = answered._replace(received_at=at, answer_seconds=0.0, request_fields=of_call)
            entries.extend(build_journal_entries(moved, tracer.trace_document))

        engine._record_answer = record_answer  # noqa: SLF001
        for rehearsal in rehearsals:
            reporter = Reporter(entries, rehearsal, reports_steps=reports_steps)
            rehearsal.observer = rehearsal.callees = reporter
            reporter.call = current = rehearsal.build_interpreter(network)
            ids.append(current.phone_call.id)
            activate_fixture(CallFixture(current, rehearsal.lookups, rehearsal.calls_today))
            await current.run_from_url(rehearsal.url, rehearsal.method)
            if len(entries) > 2_000:
                store.write_entries(entries)
                entries.clear()
    store.write_entries(entries)
    while store.has_underived_calls:
        store.derive_calls()
    return ids


class ReplayHarness:
    """A journal of calls with a flow, and replays of its calls with another."""

    def __init__(self, path):
        self._path = path
        self.live_folder = path / "live"
        self.live_folder.mkdir()
        self.store = SqlStore(f"sqlite:///{path}/journal.db")
        self.store.open()

    def record(self, rehearsals, flow=REPLAY_FLOW, **options):
        (self.live_folder / "acme.yaml").write_text(flow, encoding="utf-8")
        return run_bounded(write_rehearsed_calls(self.store, self.live_folder, rehearsals, **options))

    def replay(self, flow, **others):
        draft = self._path / "draft"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        folder = write_scenario_folder(draft, acme=flow, **others)
        assert not folder.errors, "\n".join(map(str, folder.errors))
        return run_bounded(replay_calls(self.store, CallFilter(), folder, TEST_SETTINGS))
