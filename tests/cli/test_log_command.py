"""``callflows log`` shows calls and the reasons for their answers; ``callflows forget`` erases them."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import shlex
import time
from pathlib import Path

import pytest
from command_runner import run_command

from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.loader.folder_loader import load_flow_folder
from callflows.flows.tickets import TicketSigner
from callflows.journal.journal_rows import build_journal_entries
from callflows.journal.spool import Spool
from callflows.journal.sql_store import SqlStore
from callflows.telephony.call_entity import CallEntity
from callflows.telephony.events import AnsweredRequest, AnswerOutcome, PlatformEvent
from callflows.telephony.turn import Turn
from callflows.text import escape_spreadsheet_formula
from each_case import each_case

FIELDS = ["id", "number", "from", "flow", "state", "started", "answered", "ended", "seconds", "cause", "cause_text"]
FIELDS += ["outcome", "outcome_text", "turns", "legs"]
NOW = time.time()
FLOW = """
numbers: +12015550123
timezone: America/New_York
nodes:
  start:
    - when: caller.anonymous
      say: Who are you?
    - say: Hello.
"""
MENU_FLOW = """
numbers: +12015550123
timezone: America/New_York
groups:
  team: {to: [ann@acme.example]}
nodes:
  start:
    - goto: menu
  menu:
    - menu: {prompt: Press 1., keys: {1: sales, 2: out}, otherwise: out}
  sales:
    - dial: {to: team, no_answer: out}
  out:
    - hangup
"""
DESTROYED = {
    "uuid": "one",
    "direction": "in",
    "from": "+12015550999",
    "to": "12015550123",
    "state": "destroyed",
    "created_on": "2026-11-23T10:00:00.000Z",
    "answer_on": "2026-11-23T10:00:01Z",
    "destroy_on": "2026-11-23T10:00:09.2Z",
    "q850_cause": 16,
    "q850_cause_string": "NORMAL_CLEARING",
}


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A journal with three calls, of which one is reported."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "callflows").mkdir()
    (tmp_path / "callflows" / "desk.yaml").write_text(FLOW, encoding="utf-8")
    flow = load_flow_folder(tmp_path / "callflows", CompilerOptions(TicketSigner([b"key"]), "Sorry.")).book.flows["desk"]
    store = SqlStore("sqlite:///data/callflows.db")
    store.open()

    def ring(at: float, **fields: str) -> None:
        turn = Turn({"from": "+12015550999", "to": "12015550123", **fields}, get_base_url=lambda: "http://here", clock=at)
        flow.answer("start", turn)
        parts = turn.document_parts
        outcome = AnswerOutcome("answered", "desk", "start", version=flow.version)
        query = b"from=%2B12015550999"
        store.write_entries(
            build_journal_entries(
                AnsweredRequest(at, 0.002, "GET", "/call", query, turn.request_fields, 200, parts, outcome, turn),
            )
        )

    ring(1795428000.5, call="one")
    ring(1795428100.0, call="two", **{"from": "anonymous"})
    ring(NOW - 60, call="three", to="12015550124", **{"from": "=cmd()"})
    raw = {"type": "call_state", "call": DESTROYED}
    event = PlatformEvent(
        "call_state", "k", 1795428009.2, raw, "CallSCA in - destroyed", "destroyed", 10, CallEntity(DESTROYED)
    )
    store.write_entries(build_journal_entries(event))
    store.derive_calls()  # as a server does a moment later
    store.close()
    return tmp_path


def listed(*arguments: str) -> list[dict]:
    done = run_command("log", *arguments, "--format", "json")
    assert done.code == 0, done.err
    found: list[dict] = json.loads(done.out)
    return found


@pytest.mark.usefixtures("kept")
def test_rows_in_json_have_the_fields_that_programs_rely_on():
    rows = listed()
    assert [row["id"] for row in rows] == ["three", "two", "one"]
    assert all([*row] == FIELDS for row in rows)
    assert rows[2] == {
        "id": "one",
        "number": "+12015550123",
        "from": "+12015550999",
        "flow": "desk",
        "state": "destroyed",
        "started": "2026-11-23T10:00:00.000Z",
        "answered": "2026-11-23T10:00:01.000Z",
        "ended": "2026-11-23T10:00:09.200Z",
        "seconds": 10,
        "cause": 16,
        "cause_text": "NORMAL_CLEARING",
        "outcome": "ended",
        "outcome_text": "ended without a conversation",
        "turns": 1,
        "legs": 0,
    }


HOSTILE = "Ann\x9b2J\r\x85\u202e\x7f\x1b[2J"


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("form", ["text", "json", "jsonl", "csv"])
def test_nothing_that_a_caller_brought_controls_the_terminal(form):
    raw = {"type": "inbound_sms", "sms": {"uuid": "m", "from": "+12015550999", "to": "+12015550123", "message": HOSTILE}}
    call = {**DESTROYED, "uuid": "four", "from": f"ann{HOSTILE}", "q850_cause_string": HOSTILE, "q850_cause": 999}
    store = SqlStore("sqlite:///data/callflows.db")
    store.open()
    for event in (
        PlatformEvent(
            "call_state", "k4", NOW, {"type": "call_state", "call": call}, HOSTILE, "destroyed", 10, CallEntity(call)
        ),
        PlatformEvent("inbound_sms", "k5", NOW, raw, HOSTILE, HOSTILE, 10),
    ):
        store.write_entries(build_journal_entries(event))
    store.close()
    for done in (run_command("log", "--format", form), run_command("log", "four", "--format", form)):
        assert [c for c in done.out + done.err if not (c.isprintable() or c == "\n")] == []
        assert done.out or form == "csv"


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--number", "12015550124"], ["three"]),
        (["--from", "+1 (201) 555-0999"], ["one"]),
        (["--flow", "desk", "--limit", "2"], ["three", "two"]),
        (["--outcome", "fallback"], []),
        (["--outcome", "ended"], ["one"]),
        (["--outcome", "Ended without a conversation"], ["one"]),
        (["--outcome", "end not reported", "--limit", "1"], ["three"]),
        (["--outcome", "unreported", "--limit", "1"], ["three"]),
        (["--state", "destroyed"], ["one"]),
        (["--since", "1h"], ["three"]),
        (["--until", "2026-11-23 10:01"], ["one"]),
        (["--since", "2026-11-23T10:01Z", "--until", "2026-11-24"], ["two"]),
    ],
    ids=str,
)
def test_calls_are_filtered(arguments, found):
    assert [row["id"] for row in listed(*arguments)] == found


@pytest.mark.usefixtures("kept")
def test_other_formats_say_the_same():
    rows = listed()
    lines = [json.loads(line) for line in run_command("log", "--format", "jsonl").out.splitlines()]
    assert lines == rows
    table = [*csv.DictReader(io.StringIO(run_command("log", "--format", "csv").out))]
    assert [row["id"] for row in table] == ["three", "two", "one"]
    assert [*table[0]] == FIELDS
    text = run_command("log").out.splitlines()
    assert text[0].split()[:3] == ["started", "from", "number"]
    assert "2026-11-23 05:00:00 America/New_York" in text[3]
    assert text[3].endswith("one")


@pytest.mark.usefixtures("kept")
def test_what_a_caller_calls_itself_is_no_formula_in_a_spreadsheet():
    table = [*csv.DictReader(io.StringIO(run_command("log", "--format", "csv").out))]
    assert table[0]["from"].startswith("'=")


@each_case(
    ("text", "guarded"),
    [
        ("+cmd|' /C calc'!A0", True), ("+1+1", True), ("+12015550999", False), ("-5", False), ("-1.5", False),
        ("-1-1", True), ("=1", True), ("@SUM(A1)", True), ("\t=1", True), ("\r=1", True), (" =1", True), ("\uff1d1", True),
        ("\ufe661", True), ("\u22121", True), ("\ufeff=1", True), ("\x00=1", True),
        ("Ann + Bob", False), ("+1 201", True), ("", False),
    ],
)  # fmt: skip
def test_a_cell_that_a_spreadsheet_would_compute_is_guarded_and_a_plain_number_is_not(text, guarded):
    assert escape_spreadsheet_formula(text) == (f"'{text}" if guarded else text)


@pytest.mark.usefixtures("kept")
def test_an_id_is_printed_as_a_shell_takes_it():
    store = SqlStore("sqlite:///data/callflows.db")
    store.open()
    outcome = AnswerOutcome("answered", "desk", "start")
    for fields in ({"from": "+12015550998"}, {"from": "+12015550997", "call": "odd id;$(id)"}):
        request = AnsweredRequest(NOW, 0.002, "GET", "/call", b"", {**fields, "to": "12015550123"}, 200, (), outcome, None)
        store.write_entries(build_journal_entries(request))
    store.close()
    rows = [line for line in run_command("log").out.splitlines() if "555099" in line and "0999" not in line]
    ids = [shlex.split(line)[-1] for line in rows]
    ours = next(id_ for id_ in ids if id_ != "odd id;$(id)")
    assert shlex.quote(ours) == ours
    assert all(run_command("log", id_).code == 0 for id_ in ids)
    assert len(ids) == 2


@pytest.mark.usefixtures("kept")
def test_the_story_of_a_call_tells_in_order_what_was_asked_decided_answered_and_reported():
    story = json.loads(run_command("log", "one", "--format", "json").out)
    assert [entry["what"] for entry in story["story"]] == ["asked", "decided", "answered", "reported"]
    asked, decided, answered, reported = story["story"]
    assert (asked["request_fields"]["from"], asked["url"]) == ("+12015550999", "/call?from=%2B12015550999")
    assert (decided["step_key"], decided["values"], decided["outcome"]) == ("when", {"caller.anonymous": False}, False)
    assert "<Say>Hello.</Say>" in answered["document"]
    assert reported["raw"]["call"]["state"] == "destroyed"
    assert story["call"]["seconds"] == 10
    assert "<Say>" not in run_command("log", "one").out
    said = run_command("log", "one", "--documents").out
    for part in ("+12015550999 to +12015550123", "decided", "because caller.anonymous was not true", "<Say>Hello.</Say>"):
        assert part in said
    assert [json.loads(line)["what"] for line in run_command("log", "one", "--format", "jsonl").out.splitlines()][
        -1
    ] == "reported"


@pytest.mark.usefixtures("kept")
def test_a_call_that_nobody_knows_is_said():
    done = run_command("log", "nobody")
    assert (done.code, done.out) == (1, "")
    assert "no record of a call 'nobody'" in done.err


@pytest.mark.usefixtures("kept")
def test_a_call_is_found_by_how_its_id_begins_where_that_is_no_other():
    assert run_command("log", "on").out == run_command("log", "one").out
    done = run_command("log", "t")
    assert (done.code, done.out, done.err) == (2, "", "callflows: 't' is the beginning of several ids: three, two\n")
    assert run_command("log", "%").code == 1


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize(("option", "choice"), [("--outcome", "unknown-number"), ("--state", "destroyed")])
def test_what_no_call_can_have_is_said_with_the_choices(option, choice):
    done = run_command("log", option, "nope")
    assert (done.code, done.out) == (2, "")
    assert f"{option}: 'nope' is not valid: use " in done.err
    assert choice in done.err


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("odd", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59.9999Z"])
def test_a_time_that_is_in_no_year_breaks_nothing(odd):
    call = {**DESTROYED, "uuid": "odd", **dict.fromkeys(("created_on", "answer_on", "hangup_on", "destroy_on"), odd)}
    store = SqlStore("sqlite:///data/callflows.db")
    store.open()
    store.write_entries(
        build_journal_entries(
            PlatformEvent("call_state", "odd", -62135600000.0, {"call": call}, "odd", "live", call=CallEntity(call)),
        )
    )
    store.close()
    for output in ("text", "json", "jsonl", "csv"):
        assert run_command("log", "--format", output).code == 0
    assert run_command("log", "odd").code == 0
    assert "odd" in [row["id"] for row in listed()]


@pytest.mark.usefixtures("kept")
def test_a_story_says_nothing_twice():
    store = SqlStore("sqlite:///data/callflows.db")
    store.open()
    again = {"type": "call_state", "payload": DESTROYED}
    record = {"uuid": "r", "url": "https://records.invalid/r.wav"}
    for happened in (
        PlatformEvent(
            "call_state", "k2", 1795428009.3, again, "another way", "destroyed", 10, CallEntity(DESTROYED), source="webhook"
        ),
        PlatformEvent(
            "call_record",
            "k3",
            1795428009.4,
            {"payload": record},
            "recorded",
            call=CallEntity({**DESTROYED, "records": [record]}),
        ),
    ):
        store.write_entries(build_journal_entries(happened))
    store.close()
    said = run_command("log", "one").out
    assert said.count("destroyed\n") == 1
    assert "call_record" not in said
    assert said.count("https://records.invalid/r.wav") == 1
    assert len(json.loads(run_command("log", "one", "--format", "json").out)["story"]) == 7


@pytest.mark.usefixtures("kept")
def test_what_is_no_moment_is_said_with_the_fix():
    done = run_command("log", "--since", "yesterday")
    assert done.code == 2
    assert "--since: 'yesterday' is not a time: write 2026-11-23" in done.err


@pytest.mark.usefixtures("kept")
def test_a_call_is_printed_as_a_scenario():
    done = run_command("log", "one", "--as-scenario")
    assert done.code == 0
    assert done.out.startswith("  - name: a call comes to start\n    at: '2026-11-23 05:00:00-05:00")
    assert "- say: Hello.\n" in done.out


@pytest.mark.usefixtures("kept")
def test_a_call_is_added_to_the_tests_of_its_flow():
    assert "--write needs --as-scenario" in run_command("log", "one", "--write").err
    file = Path("callflows") / "desk.yaml"
    before = file.read_text()
    done = run_command("log", "one", "--as-scenario", "--write")
    assert (done.code, "added to the tests of" in done.err) == (0, True)
    assert file.read_text() == f"{before.rstrip()}\n\ntests:\n{done.out}"
    again = run_command("log", "one", "--as-scenario", "--write")
    assert again.code == 0  # a second scenario of the same name is a problem that check names


@pytest.mark.usefixtures("kept")
def test_a_number_is_forgotten():
    done = run_command("forget", "12015550999", "--yes")
    assert done.code == 0
    assert done.out == "...0999 is erased: 1 in calls, 1 in events, 3 in turns\n"
    assert [row["id"] for row in listed()] == ["three", "two"]
    assert "0999" not in run_command("log", "two", "--format", "json").out
    assert "there were no records" in run_command("forget", "+12015550999", "--yes").out


@pytest.mark.usefixtures("kept")
def test_a_number_in_records_that_a_stopped_process_has_locked_is_not_forgotten_and_that_is_said(monkeypatch):
    monkeypatch.setattr("callflows.journal.spool.MAX_REWRITE_WAIT_SECONDS", 0.05)
    Spool(Path("data")).append([("calls", {"id": "waits", "caller": "+12015550999", "number": "+12015550123"})])
    (segment,) = Spool(Path("data")).list_segments()
    with segment.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = run_command("forget", "12015550999", "--yes")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"callflows: {segment}: another process has held it for 0.05 s")
    assert "1 in spool" in run_command("forget", "12015550999", "--yes").out


@pytest.mark.usefixtures("kept")
def test_nobody_is_not_forgotten():
    assert run_command("forget", "anonymous").code == 2


def test_where_nothing_was_remembered_yet_that_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert listed() == []
    done = run_command("log")
    assert (done.code, done.out) == (0, "")
    assert "no calls were recorded yet" in done.err
    assert not (tmp_path / "data").exists()


def test_a_database_that_cannot_be_reached_is_said_in_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CALLFLOWS_DATABASE_URL", "postgresql://me:sesame@127.0.0.1:1/none")
    done = run_command("log")
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "sesame" not in done.err


def test_whoever_answers_and_every_step_are_named_by_their_node(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "callflows").mkdir()
    (tmp_path / "callflows" / "desk.yaml").write_text(MENU_FLOW, encoding="utf-8")
    document = (
        "<Response><Answer/><Say>Press 1.</Say><Gather><DTMF value='1'><Dial><To>ann@acme.example</To></Dial></DTMF>"
        "<Error><Say>Press 1.</Say><Gather><DTMF value='2'><Hangup/></DTMF></Gather></Error></Gather></Response>"
    )
    fields = {"from": "+12015550999", "to": "12015550123", "call": "one"}
    outcome = AnswerOutcome("answered", "desk", "start")
    request = AnsweredRequest(1795428000.5, 0.002, "POST", "/call", b"", fields, 200, [document], outcome, None)
    leg = {"uuid": "leg", "direction": "out", "to": "ann@acme.example", "answer_on": "2026-11-23T10:00:05Z"}
    call = {**DESTROYED, "children": [leg]}
    steps = [
        PlatformEvent(
            "call_flow",
            path,
            1795428005.0,
            {"call_flow": {"name": path.split(".")[-1].partition("[")[0], "success": True, "path": path}},
            call=CallEntity({**DESTROYED, "state": "live"}),
        )
        for path in ("Gather[2].DTMF[0].Dial[0]", "Gather[2].Error[1].Gather[1].DTMF[0].Hangup[0]", "Say[1]")
    ]
    end = PlatformEvent("call_state", "k", 1795428009.2, {"type": "call_state"}, "", "destroyed", 10, CallEntity(call))
    store = SqlStore("sqlite:///data/callflows.db")
    store.open()
    for item in (request, *steps, end):
        store.write_entries(build_journal_entries(item))
    store.close()
    assert "answered by sales" in run_command("log").out
    told = run_command("log", "one").out
    assert "answered by sales" in told.splitlines()[0]
    for line in (
        "Dial success (node sales, turn 1)",
        "Hangup success (node out, turn 1)",
        "Say success (node start, turn 1)",
    ):
        assert line in told
    assert "DTMF[" not in told
    assert "05:00:05.000" in told
    first = "numbers: +12015550123\nnodes:\n  start:\n    - dial: ann@acme.example\n"
    (tmp_path / "callflows" / "desk.yaml").write_text(first, encoding="utf-8")
    assert "answered by ann@acme.example" in run_command("log").out  # the first node is nobody's name
