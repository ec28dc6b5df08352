"""The way of a call through the nodes of its flow is known afterwards, by file and line, with the source as it was."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select
from store_helpers import load_call_story

from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.flow import Flow
from callflows.flows.flow_book import FlowBook
from callflows.flows.flow_compilation import compile_flow
from callflows.flows.loader.flow_versions import FlowVersions
from callflows.flows.loader.place_tracer import PlaceTracer
from callflows.journal.call_facts import derive_call_facts
from callflows.journal.call_story import build_call_story
from callflows.journal.erasure import compile_mention_pattern
from callflows.journal.inbox import PersonChange, add_note
from callflows.journal.journal import Journal
from callflows.journal.journal_queries import build_finished_call_record
from callflows.journal.journal_rows import build_journal_entries
from callflows.journal.journal_tables import (
    AUDIT_TABLE,
    CALLS_TABLE,
    ENDINGS_TABLE,
    NOTES_TABLE,
    PLACES_TABLE,
    VERSIONS_TABLE,
    VISITS_TABLE,
)
from callflows.journal.spool import Spool
from callflows.journal.sql_store import SqlStore
from callflows.journal.stored_rows import CallFilter
from callflows.telephony.call_entity import CallEntity
from callflows.telephony.events import AnsweredRequest, AnswerOutcome, LiveFlowVersion, PlatformEvent

sys.path.insert(0, str(Path(__file__).parents[1] / "flows"))
from flow_harness import APOLOGY, SIGNER, compile_valid_flow, make_turn

from waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Column

    from callflows.telephony.turn import Turn

BEGAN = 1795428000.0
FLOW = """\
numbers: rest
nodes:
  start:
    - say: Welcome.
      when: caller.number
    - goto: menu
  menu:
    - menu:
        prompt: For sales press 1. For support press 2.
        keys: {1: sales, 2: support}
        attempts: 1
  sales:
    - say: Sales.
    - dial: +12015550188
  support:
    - say: Support.
    - collect:
        prompt: Your number, please.
        digits: 4
        into: account
    - goto: done
  done:
    - say: Thank you.
"""


class Line:
    """A flow, and the journal entries of its calls."""

    def __init__(self, store: SqlStore, text: str = FLOW) -> None:
        self.store = store
        self.flow = compile_valid_flow(text)
        self.versions = FlowVersions(FlowBook([self.flow]))
        self.tracer = PlaceTracer(self.versions, SIGNER)

    def answer(self, at: float, node: str = "start", **fields: str) -> AnsweredRequest:
        turn = make_turn(lambda: datetime.fromtimestamp(at, UTC), call="one", **fields)
        document = self.flow.answer(node, turn)
        return self.record(at, turn, document, AnswerOutcome("answered", "acme", node, version=self.flow.version))

    def record(self, at: float, turn: Turn, document: bytes, outcome: AnswerOutcome) -> AnsweredRequest:
        fields = dict(turn.request_fields)
        parts = turn.document_parts if "".join(turn.document_parts).encode() == document else (document.decode(),)
        answered = AnsweredRequest(at, 0.001, "GET", "/call", b"", fields, 200, parts, outcome, turn)
        self.store.write_entries(build_journal_entries(answered, self.tracer.trace_document))
        return answered

    def report(self, *events: PlatformEvent) -> None:
        for event in events:
            self.store.write_entries(build_journal_entries(event))


def executed(path: str, at: float, *, success: bool = True, reason: str = "") -> PlatformEvent:
    name = path.rpartition(".")[2].partition("[")[0]
    raw = {"call_flow": {"name": name, "success": success, "reason": reason, "command": {"path": path}}}
    return PlatformEvent("call_flow", f"{path}@{at}", at, raw, "", "live", call=call_entity(state="live"))


def call_entity(**fields: object) -> CallEntity:
    return CallEntity({"uuid": "one", "direction": "in", "from": "+12015550999", "to": "12015550123", **fields})


def ended(at: float = BEGAN + 50) -> PlatformEvent:
    destroyed = datetime.fromtimestamp(at, UTC).isoformat()
    entity = call_entity(state="destroyed", destroy_on=destroyed)
    return PlatformEvent("call_state", "end", at, {"type": "call_state"}, "", "destroyed", call=entity)


def fetch_rows(store: SqlStore, *columns: Column[Any], derives: bool = True) -> list[Any]:
    if derives:
        store.derive_calls()
    return store.run_reading(lambda connection: [tuple(row) for row in connection.execute(select(*columns))])


def list_visits(store: SqlStore) -> list[tuple[str, str, int]]:
    columns = VISITS_TABLE.c
    rows = fetch_rows(store, columns.at, columns.number, columns.node, columns.way, columns.line)
    return [tuple(row[2:]) for row in sorted(rows)]


def load_ending(store: SqlStore) -> tuple[str, str]:
    (ending,) = fetch_rows(store, ENDINGS_TABLE.c.kind, ENDINGS_TABLE.c.node)
    return tuple(ending)


@pytest.fixture
def line(tmp_path):
    store = SqlStore(f"sqlite:///{tmp_path}/journal.db")
    store.open()
    yield Line(store)
    store.close()


KEY_2 = [executed("Answer[0]", BEGAN + 1), executed("Say[1]", BEGAN + 2), executed("Say[2]", BEGAN + 3)]
IN_SUPPORT = executed("Gather[3].DTMF[1].Say[0]", BEGAN + 6)
FULL_PATH = [("start", "", 3), ("menu", "", 7), ("support", "key 2", 15)]


def test_a_call_without_reports_is_known_to_have_begun(line):
    line.answer(BEGAN)
    assert list_visits(line.store) == [("start", "", 3)]


def test_reports_tell_the_nodes_and_keys_by_which_an_ended_call_came(line):
    line.answer(BEGAN)
    line.report(*KEY_2, IN_SUPPORT, ended())
    assert list_visits(line.store) == FULL_PATH
    assert load_ending(line.store) == ("hung-up", "support")


@pytest.mark.parametrize("order", [(1, 0, 2), (2, 1, 0), (2, 0, 1), (0, 2, 1)])
def test_the_path_is_the_same_in_whatever_order_the_reports_come(line, order):
    answered: Sequence[object] = ([line.answer], [line.report, *KEY_2, IN_SUPPORT], [line.report, ended()])
    for write, *what in (answered[number] for number in order):
        write(*(what or [BEGAN]))  # type: ignore[operator]
    assert list_visits(line.store) == FULL_PATH


def test_the_report_of_a_menu_at_its_end_and_a_report_that_comes_twice_lead_nowhere(line):
    line.answer(BEGAN)
    again = executed("Say[1]", BEGAN + 4)
    line.report(*KEY_2, again, IN_SUPPORT, executed("Gather[3]", BEGAN + 7), ended())
    assert list_visits(line.store) == FULL_PATH
    assert load_ending(line.store)[1] == "support"


def test_after_a_dial_that_failed_comes_its_branch_and_not_what_follows_in_the_document(line):
    text = FLOW.replace("    - dial: +12015550188\n", "    - dial: {to: +12015550188, no_answer: done}\n    - say: Bye.\n")
    other = Line(line.store, text)
    other.answer(BEGAN)
    other.report(*KEY_2, executed("Gather[3].DTMF[0].Dial[1]", BEGAN + 20, success=False), ended())
    said = [words["text"] for words in load_call_story(line.store, "one")["heard"]]
    assert said[-1].startswith("rings +1 201 555 0188: nobody answers")


def test_a_call_that_ends_in_a_menu_ends_in_its_node(line):
    line.answer(BEGAN)
    line.report(*KEY_2, ended())
    assert load_ending(line.store) == ("hung-up-in-menu", "menu")


def test_reports_without_a_place_count_if_only_one_element_can_be_meant(line):
    line.answer(BEGAN)
    raw = {"call_flow": {"name": "Dial", "success": False}}
    dialed = PlatformEvent("call_flow", "d", BEGAN + 5, raw, "", "live", call=call_entity(state="live"))
    line.report(dialed, ended())
    assert [visit[:2] for visit in list_visits(line.store)] == [("start", ""), ("menu", ""), ("sales", "key 1")]


def test_steps_after_a_call_know_its_last_node_and_what_was_pressed(line):
    line.answer(BEGAN)
    line.report(*KEY_2, IN_SUPPORT)
    turn = make_turn(call="one", dtmf="4711")
    document = line.flow.answer("done", turn)
    line.record(BEGAN + 9, turn, document, AnswerOutcome("answered", "acme", "done", version=line.flow.version))
    line.report(ended())
    stored = line.store.load_call("one")
    record = build_finished_call_record(stored, derive_call_facts(stored, 1.0), 1.0)
    assert (record.node, record.keys) == ("done", ("2", "••••"))  # no collect has said that these digits may be stored


def test_digits_are_no_way_that_tells_them(line):
    line.answer(BEGAN)
    turn = make_turn(call="one", dtmf="4711")
    document = line.flow.answer("done", turn)
    line.record(BEGAN + 9, turn, document, AnswerOutcome("answered", "acme", "done", version=line.flow.version))
    assert list_visits(line.store)[-1][:2] == ("done", "digits")


def test_the_places_of_a_document_are_stored_once_for_all_calls(line):
    for number in range(3):
        line.answer(BEGAN + number)
    line.tracer = PlaceTracer(line.versions, SIGNER)  # another process
    line.answer(BEGAN + 5)
    assert len(fetch_rows(line.store, PLACES_TABLE.c.id)) == 1


def test_documents_that_differ_in_what_callers_bring_are_looked_at_once(store, monkeypatch):
    line = Line(store, FLOW.replace("Welcome.", "Welcome, {{ caller.name }}, from {{ caller.number }}."))
    looked_at = []
    render = Flow.render_with_places
    monkeypatch.setattr(Flow, "render_with_places", lambda *given: looked_at.append(given) or render(*given))
    documents = {line.answer(BEGAN, name=name).document for name in ("Ann", "Bo <3", "'>", "{{ x }}")}
    assert (len(documents), len(looked_at)) == (4, 1)
    line.answer(BEGAN, from_="")
    assert len(looked_at) == 2


def test_a_condition_leads_to_other_places(line):
    line.answer(BEGAN, from_="")
    ((elements,),) = fetch_rows(line.store, PLACES_TABLE.c.elements)
    assert '"Say[1]":["menu",7,1,8,7,"",""]' in elements


def test_the_marks_of_places_never_stand_in_a_document(line):
    assert b"<!--" not in line.answer(BEGAN).document


def test_a_document_that_cannot_be_rendered_again_has_no_places(line):
    turn = make_turn(call="one")
    document = line.flow.answer("start", turn).replace(b"<Answer/>", b"")
    answered = line.record(BEGAN, turn, document, AnswerOutcome("answered", "acme", "start", version=line.flow.version))
    assert line.tracer.trace_document(answered, [document.decode()]) is None
    assert list_visits(line.store) == [("start", "", 0)]


def test_what_breaks_while_tracing_costs_no_record(line):
    with contextlib.suppress(KeyError):
        line.versions.replace_book(FlowBook([]))
    line.answer(BEGAN)
    assert [visit[0] for visit in list_visits(line.store)] == ["start"]


def test_either_database_stores_the_path_and_the_ending(store):
    line = Line(store)
    line.answer(BEGAN)
    line.report(*KEY_2, IN_SUPPORT, ended())
    store.derive_calls()
    path = load_call_story(store, "one")["path"]
    assert [(visit["node"], visit["way"]) for visit in path] == [("start", ""), ("menu", ""), ("support", "key 2")]
    assert [call["ending"].describe() for call in store.list_calls(CallFilter(ending="hung-up"))] == ["hung up in support"]


def live_version(version: str, since: float, until: float) -> LiveFlowVersion:
    return LiveFlowVersion("acme", version, "acme.yaml", f"# version {version}\nnumbers: +12015550999\n", since, until)


def test_a_version_that_several_processes_report_is_one_row_with_its_first_and_last_moment(line):
    for since, until in ((BEGAN + 5, BEGAN + 9), (BEGAN, BEGAN), (BEGAN + 7, BEGAN + 20)):
        line.store.write_entries(build_journal_entries(live_version("v1", since, until)))
    rows = fetch_rows(line.store, VERSIONS_TABLE.c.version, VERSIONS_TABLE.c.since, VERSIONS_TABLE.c.until)
    assert rows == [("v1", BEGAN, BEGAN + 20)]


def test_versions_that_no_call_has_met_are_erased_with_their_places_but_not_the_newest(line):
    day = 86_400.0
    line.answer(BEGAN)
    versions = [
        live_version("old", BEGAN - 9 * day, BEGAN - 5 * day),
        live_version("new", BEGAN - 5 * day, BEGAN - 4 * day),
    ]
    places = {"id": "p", "flow": "acme", "version": "old", "elements": "{}"}
    for version in (*versions, live_version(line.flow.version, BEGAN, BEGAN)):
        line.store.write_entries(build_journal_entries(version))
    line.store.write_entries([("places", places)])
    line.store.erase_rows_before(BEGAN - day, 100)
    assert fetch_rows(line.store, VERSIONS_TABLE.c.version) == [(line.flow.version,)]
    assert [row[0] for row in fetch_rows(line.store, PLACES_TABLE.c.version)] == [line.flow.version]
    line.store.erase_rows_before(BEGAN + 400 * day, 100)
    assert fetch_rows(line.store, VERSIONS_TABLE.c.version) == [(line.flow.version,)]
    assert [*fetch_rows(line.store, VISITS_TABLE.c.id), *fetch_rows(line.store, ENDINGS_TABLE.c.call)] == []


def test_who_is_forgotten_leaves_no_path_no_note_and_no_mention(line):
    line.answer(BEGAN)
    line.report(*KEY_2, IN_SUPPORT, ended())
    line.store.run_writing(
        add_note, "call", "one", PersonChange("ann", "terminal", BEGAN + 60), "call +1 201 555 0999 back"
    )
    line.store.write_entries(build_journal_entries(live_version("v1", BEGAN, BEGAN)))
    number = "+12015550999"
    line.store.forget_number(number, compile_mention_pattern(number), lambda _count: None)
    for table in (VISITS_TABLE, ENDINGS_TABLE, NOTES_TABLE, AUDIT_TABLE):
        assert fetch_rows(line.store, *table.c) == [], table.name
    assert [number in row[0] for row in fetch_rows(line.store, VERSIONS_TABLE.c.source)] == [False]


def test_what_waited_in_files_during_an_outage_is_there_with_its_path(line, tmp_path):
    spool = Spool(tmp_path / "spool")
    turn = make_turn(call="one")
    document = line.flow.answer("start", turn)
    outcome = AnswerOutcome("answered", "acme", "start", version=line.flow.version)
    parts = (document.decode(),)
    answered = AnsweredRequest(BEGAN, 0.001, "GET", "/call", b"", {"call": "one"}, 200, parts, outcome, turn)
    spool.append(build_journal_entries(answered, line.tracer.trace_document))
    spool.append(build_journal_entries(live_version(line.flow.version, BEGAN, BEGAN)))
    line.report(*KEY_2, IN_SUPPORT, ended())
    while spool.drain_oldest_entries(line.store.write_entries):
        pass
    assert list_visits(line.store) == FULL_PATH
    assert load_call_story(line.store, "one")["path"][1]["place"] == "acme.yaml:7"


def test_a_story_tells_the_call_as_it_was_heard(line):
    line.answer(BEGAN)
    line.report(*KEY_2, IN_SUPPORT, ended())
    heard = [(words["who"], words["text"]) for words in load_call_story(line.store, "one")["heard"]]
    assert heard == [
        ("line", "“Welcome.”"),
        ("line", "“For sales press 1. For support press 2.”"),
        ("caller", "pressed 2"),
        ("line", "“Support.”"),
        ("line", "“Your number, please.”"),
    ]


QUESTION = """\
numbers: rest
nodes:
  start:
    - collect: {prompt: Your number., digits: 4, into: account, otherwise: done}
    - goto: done
  done:
    - say: Thank you.
"""


RING = "numbers: rest\nnodes: {start: [dial: {to: +12015550188, no_answer: nobody}], nobody: [say: Nobody.]}\n"


@pytest.fixture
def question(line):
    asked = Line(line.store, QUESTION)
    asked.answer(BEGAN)
    asked.report(executed("Answer[0]", BEGAN + 1), executed("Say[1]", BEGAN + 2))
    return asked


def list_heard(line):
    return [(words["who"], words["text"]) for words in load_call_story(line.store, "one")["heard"] if words["sure"]]


def test_a_question_that_was_answered_was_not_asked_again(question):
    question.report(executed("Gather[2]", BEGAN + 6))
    question.answer(BEGAN + 6.1, "done", dtmf="1234")
    question.report(executed("Say[1]", BEGAN + 8), ended())
    assert list_heard(question)[:3] == [("line", "“Your number.”"), ("caller", "pressed ••••"), ("line", "“Thank you.”")]


@pytest.mark.parametrize(("success", "reason"), [(True, ""), (False, "the call ended")])
def test_a_caller_who_hangs_up_at_a_question_has_hung_up_there(question, success, reason):
    question.report(executed("Gather[2]", BEGAN + 6, success=success, reason=reason), ended())
    assert load_ending(question.store) == ("hung-up-in-menu", "start")
    assert list_heard(question) == [("line", "“Your number.”")]


def test_a_caller_who_pressed_nothing_is_asked_again(question):
    question.report(executed("Gather[2]", BEGAN + 6, success=False, reason="timeout"), ended())
    assert [text for _, text in list_heard(question)].count("“Your number.”") == 2


def test_a_ring_that_the_caller_did_not_wait_for_was_not_answered_and_the_line_did_not_hang_up(line):
    rung = Line(line.store, RING)
    rung.answer(BEGAN)
    rung.report(executed("Dial[0]", BEGAN + 6, success=False, reason="[originate] ERR ORIGINATOR_CANCEL"), ended())
    assert list_heard(rung) == [("line", "rings +1 201 555 0188: the caller hung up before")]


def test_after_a_conversation_the_line_has_not_hung_up_unless_opentact_says_so(line):
    talked = Line(line.store, RING)
    talked.answer(BEGAN)
    talked.report(executed("Dial[0]", BEGAN + 6), ended())
    assert list_heard(talked) == [("line", "rings +1 201 555 0188: answered")]


def test_a_story_without_reports_says_that_it_tells_only_what_was_sent(line):
    line.answer(BEGAN)
    assert {words["sure"] for words in load_call_story(line.store, "one")["heard"]} == {False}


REASONS = """\
numbers: rest
timezone: America/New_York
hours:
  office: {mon: "HOURS"}
nodes:
  start:
    - goto: menu
      when: hours.office.open
    - goto: message
  menu:
    - menu: {prompt: Press 1., keys: {1: sales, 0: message}, attempts: 2, otherwise: message}
  sales:
    - dial: {to: +12015550188, timeout: 25s, no_answer: message}
  message:
    - voicemail: {greeting: Please leave a message.}
"""


@pytest.mark.parametrize(
    ("hours", "reports", "why"),
    [
        ("10:00-11:00", [], "Went to voicemail because office was closed: on Monday it is open 10:00-11:00."),
        ("00:00-24:00", ["Gather[2].DTMF[1].Say[0]"], "Went to voicemail because the caller pressed 0."),
        (
            "00:00-24:00",
            ["-Gather[2]", "Say[3]", "-Gather[4]", "Say[5]"],
            "Went to voicemail because no key was pressed (2 times).",
        ),
        (
            "00:00-24:00",
            ["-Gather[2].DTMF[0].Dial[0]", "Gather[2].DTMF[0].Dial[0].Error[1].Say[0]"],
            "Went to voicemail because nobody answered at sales.",
        ),
    ],
)
def test_one_sentence_says_why_a_call_went_to_voicemail(line, hours, reports, why):
    line = Line(line.store, REASONS.replace("HOURS", hours))
    line.answer(BEGAN)
    steps = [executed(path.lstrip("-"), BEGAN + 5 + number, success=path[0] != "-") for number, path in enumerate(reports)]
    over = ended()
    records = [{"uuid": "r", "url": "https://records.invalid/r.wav", "duration": 41}]
    over = over._replace(call=CallEntity({**over.call.raw, "records": records}))
    line.report(executed("Answer[0]", BEGAN + 1), executed("Say[1]", BEGAN + 2), *steps, over)
    assert load_call_story(line.store, "one")["call"]["why"] == why


def test_a_wrong_key_is_the_reason_if_it_led_elsewhere_and_no_earlier_decision_is(line):
    line = Line(line.store, REASONS.replace("HOURS", "00:00-24:00").replace("attempts: 2", "no_match: message"))
    line.answer(BEGAN)
    wrong = [executed("Gather[2]", BEGAN + 5, success=False), executed("Gather[2].Default[2].Say[0]", BEGAN + 6)]
    line.report(executed("Answer[0]", BEGAN + 1), executed("Say[1]", BEGAN + 2), *wrong, ended())
    story = load_call_story(line.store, "one")
    assert story["path"][-1]["way"] == "no-match"
    assert "because the caller pressed a key that the menu does not have" in story["call"]["why"]


SILENT = """\
numbers: rest
timezone: America/New_York
hours:
  office: {mon: "HOURS"}
nodes:
  start:
    - goto: check
  check:
    - set: {asked: caller.number}
    - goto: rota
  rota:
    - when: not hours.office.open
      goto: message
    - menu: {prompt: Press 1., keys: {1: again, 2: message}}
  again:
    - when: caller.anonymous
      goto: message
    - when: asked == caller.number
      goto: message
    - goto: start
  message:
    - voicemail: {greeting: Please leave a message.}
"""
VOICEMAIL = [{"uuid": "r", "url": "https://records.invalid/r.wav", "duration": 41}]


def leave_message(line, *reports):
    line.answer(BEGAN)
    over = ended()
    over = over._replace(call=CallEntity({**over.call.raw, "records": VOICEMAIL}))
    line.report(executed("Answer[0]", BEGAN + 1), executed("Say[1]", BEGAN + 2), *reports, over)
    return load_call_story(line.store, "one")


def test_a_node_that_only_decides_is_on_the_path_and_its_condition_is_the_reason(line):
    story = leave_message(Line(line.store, SILENT.replace("HOURS", "10:00-11:00")), executed("Tone[2]", BEGAN + 3))
    assert [visit["node"] for visit in story["path"]] == ["start", "check", "rota", "message"]
    assert list_visits(line.store) == [("start", "", 6), ("check", "", 8), ("rota", "", 11), ("message", "", 21)]
    assert story["call"]["why"] == "Went to voicemail because office was closed: on Monday it is open 10:00-11:00."


def test_a_key_that_leads_to_a_node_without_words_is_the_way_to_that_node(line):
    key_1 = executed("Gather[2].DTMF[0].Say[0]", BEGAN + 6)
    story = leave_message(Line(line.store, SILENT.replace("HOURS", "00:00-24:00")), key_1)
    way = [(visit["node"], visit["way"]) for visit in story["path"]]
    assert way == [("start", ""), ("check", ""), ("rota", ""), ("again", "key 1"), ("message", "")]
    assert story["call"]["why"] == "Went to voicemail because asked was +12015550999, caller.number was +12015550999."


@pytest.mark.parametrize("reported", [True, False])
def test_a_request_that_opentact_repeats_is_one_way_of_the_call(line, reported):
    line = Line(line.store, SILENT.replace("HOURS", "10:00-11:00"))
    line.answer(BEGAN)
    line.answer(BEGAN + 3)
    if reported:
        line.report(executed("Answer[0]", BEGAN + 4), executed("Say[1]", BEGAN + 5), ended())
    story = load_call_story(line.store, "one")
    assert [visit["node"] for visit in story["path"]] == ["start", "check", "rota", "message"]
    assert [words["text"] for words in story["heard"]].count("“Please leave a message.”") == 1
    assert [entry["what"] for entry in story["story"]].count("asked") == 2


def test_digits_that_opentact_sends_twice_were_entered_once(line):
    line.answer(BEGAN)
    for seconds in (20, 23):
        line.answer(BEGAN + seconds, "done", dtmf="1234")
    story = load_call_story(line.store, "one")
    assert [visit["node"] for visit in story["path"]] == ["start", "done"]
    assert [words["text"] for words in story["heard"]].count("pressed ••••") == 1


@pytest.mark.parametrize("is_killed", [False, True])
def test_the_journal_derives_the_ending_of_a_call_by_itself_also_after_it_was_killed(tmp_path, line, is_killed):
    journal = Journal(SqlStore(f"sqlite:///{line.store.sqlite_file}"), Spool(tmp_path / "spool"))
    now = time.time()
    created = datetime.fromtimestamp(now - 60, UTC).isoformat()
    over = ended(now)._replace(call=call_entity(state="destroyed", created_on=created))
    if is_killed:
        line.report(over)  # written by a process that did not live to derive
    journal.start()
    if not is_killed:
        journal.record_soon(over)
    wait_until(lambda: fetch_rows(line.store, ENDINGS_TABLE.c.kind, derives=False), "an ending")
    journal.stop()


def test_the_log_names_the_line_of_a_node_in_the_file_that_it_was_included_from(line, tmp_path):
    (tmp_path / "common").mkdir()
    (tmp_path / "common" / "closed.yaml").write_text("nodes:\n\n  closed:\n    - say: We are closed.\n", encoding="utf-8")
    text = b"include: common/closed.yaml\nnumbers: rest\nnodes:\n  start:\n    - say: Acme.\n    - goto: closed\n"
    made = compile_flow("acme", text, str(tmp_path / "acme.yaml"), CompilerOptions(SIGNER, APOLOGY))
    assert made.flow is not None
    line.flow, line.versions = made.flow, FlowVersions(FlowBook([made.flow]))
    line.tracer = PlaceTracer(line.versions, SIGNER)
    version = LiveFlowVersion("acme", made.flow.version, "acme.yaml", "", BEGAN, BEGAN)
    line.store.write_entries(build_journal_entries(version))
    line.answer(BEGAN)
    line.report(executed("Answer[0]", BEGAN + 1), executed("Say[1]", BEGAN + 2), executed("Say[2]", BEGAN + 3), ended())
    story = build_call_story(line.store.load_call("one"), 1.0)
    assert [visit["place"] for visit in story["path"]] == ["acme.yaml:4", "common/closed.yaml:3"]


def test_a_call_that_goes_on_in_another_flow_is_a_call_of_the_first(line):
    other = dataclasses.replace(compile_valid_flow(FLOW), name="a-lesser-name")
    line.answer(BEGAN)
    turn = make_turn(call="one")
    document = other.answer("sales", turn)
    line.record(BEGAN + 9, turn, document, AnswerOutcome("answered", other.name, "sales", version=other.version))
    line.report(ended())
    columns = VISITS_TABLE.c
    visits = fetch_rows(line.store, columns.number, columns.flow, columns.node)
    assert [visit[1:] for visit in sorted(visits)] == [("acme", "start"), ("a-lesser-name", "sales")]
    assert fetch_rows(line.store, CALLS_TABLE.c.flow) == [("acme",)]
