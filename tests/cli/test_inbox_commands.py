"""Voicemails, messages and the calls of this moment, in the terminal."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import signal
import sqlite3
import threading
import time
from datetime import UTC, datetime

import pytest
from command_runner import run_command

from callflows.cli import watch_command
from callflows.journal.journal_rows import build_journal_entries
from callflows.journal.sql_store import SqlStore
from callflows.telephony.call_entity import CallEntity
from callflows.telephony.events import PlatformEvent
from callflows.telephony.message_entity import MessageEntity
from callflows.telephony.recording_entity import TranscriptEntity

BEGAN = 1795428000.0
RECORDING = {"uuid": "rec-1", "url": "https://records.invalid/1.wav", "duration": 41}
CONVERSATION = {"uuid": "rec-2", "url": "https://records.invalid/2.wav", "duration": 99, "tag": "conversation"}


def call_event(state: str, at: float, uuid: str = "call-1", **fields: object) -> PlatformEvent:
    moment = datetime.fromtimestamp(at, UTC).isoformat()
    moments = {"destroyed": {"destroy_on": moment}, "ringing": {"ring_on": moment}}[state]
    entity = {"uuid": uuid, "direction": "in", "from": "+12015550906", "to": "12015550123", "state": state}
    call = CallEntity({**entity, **moments, **fields})
    return PlatformEvent("call_state", f"{uuid}-{state}", at, {"type": "call_state"}, "", state, call=call)


def text_event(uuid: str, direction: str, text: str, at: float, **fields: object) -> PlatformEvent:
    parties = ("+12015550931", "+12015550123") if direction == "in" else ("+12015550123", "+12015550931")
    kind = "smsi" if direction == "in" else "smso"
    raw = {"uuid": uuid, "type": kind, "from": parties[0], "to": parties[1], "message": text, **fields}
    state = str(fields.get("state", "received"))
    return PlatformEvent("sms", f"{uuid}-{state}", at, {"type": "sms"}, "", state, sms=MessageEntity(raw))


def write_events(*events: PlatformEvent) -> None:
    store = SqlStore("sqlite:///data/callflows.db")
    store.open()
    for event in events:
        store.write_entries(build_journal_entries(event))
    store.close()


@pytest.fixture
def inbox(tmp_path, monkeypatch):
    """Two voicemails, a recorded conversation, and texts in both directions."""
    monkeypatch.chdir(tmp_path)
    said = PlatformEvent(
        "transcript",
        "t",
        BEGAN + 60,
        {"type": "transcript"},
        call=CallEntity({"uuid": "call-1", "direction": "in"}),
        transcripts=(TranscriptEntity({"uuid": "t", "text": "Hi, this is Bo."}),),
    )
    write_events(
        call_event("destroyed", BEGAN + 50, records=[RECORDING, CONVERSATION], created_on="2026-11-23T10:00:00Z"),
        said,
        call_event("destroyed", BEGAN + 500, "call-2", records=[{"uuid": "rec-9", "url": "https://records.invalid/9.wav"}]),
        text_event("sms-1", "in", "are you open?", BEGAN + 100),
        text_event("sms-2", "out", "=We open at 9.", BEGAN + 110, state="failed", reason="no route"),
    )


def list_json(*arguments: str) -> list[dict]:
    done = run_command(*arguments, "--format", "json")
    assert done.code == 0, done.err
    rows: list[dict] = json.loads(done.out)
    return rows


@pytest.mark.usefixtures("inbox")
def test_voicemails_are_recordings_that_are_no_conversation_with_call_length_and_transcript():
    newest, oldest = list_json("voicemails")
    assert (newest["id"], newest["call"], newest["seconds"], newest["state"]) == ("rec-9", "call-2", None, "new")
    assert (oldest["from"], oldest["seconds"], oldest["transcript"]) == ("+12015550906", 41, "Hi, this is Bo.")
    assert oldest["url"] == RECORDING["url"]


@pytest.mark.usefixtures("inbox")
def test_a_voicemail_is_new_until_it_is_handled_and_may_be_reopened():
    assert run_command("voicemails", "--handled", "rec-1").out == "voicemail rec-1 is handled\n"
    assert run_command("voicemails", "--handled", "rec-1").out == "voicemail rec-1 was handled\n"
    assert [row["id"] for row in list_json("voicemails", "--state", "new")] == ["rec-9"]
    (handled,) = list_json("voicemails", "--state", "handled")
    assert handled["handled_by"]
    run_command("voicemails", "--reopen", "rec-1")
    assert len(list_json("voicemails", "--state", "new")) == 2


@pytest.mark.usefixtures("inbox")
def test_a_note_is_shown_with_its_voicemail_and_in_the_story_of_its_call():
    assert run_command("voicemails", "--note", "rec-1", "called back, all done").code == 0
    assert [note["text"] for note in list_json("voicemails")[1]["notes"]] == ["called back, all done"]
    assert "called back" in run_command("voicemails").out
    story = json.loads(run_command("log", "call-1", "--format", "json").out)
    assert [note["text"] for note in story["call"]["notes"]] == ["called back, all done"]


@pytest.mark.usefixtures("inbox")
@pytest.mark.parametrize(
    "arguments",
    [("log", "--number"), ("voicemails", "--from"), ("messages", "--from"), ("watch", "--number"), ("forget", "--yes")],
)
def test_a_number_without_its_country_finds_nothing_by_mistake(arguments):
    done = run_command(*arguments, "201-555-0123")
    assert (done.code, done.out) == (2, "")
    assert "write +12015550123 if it is North American" in done.err


@pytest.mark.usefixtures("inbox")
@pytest.mark.parametrize(
    ("arguments", "code"), [(("--handled", "nothing"), 1), (("--handled", "rec-"), 2), (("--note", "rec-1", " "), 2)]
)
def test_a_change_of_nothing_or_of_several_is_refused(arguments, code):
    done = run_command("voicemails", *arguments)
    assert (done.code, done.out) == (code, "")
    assert len(done.err.splitlines()) == 1


@pytest.mark.usefixtures("inbox")
def test_a_token_is_printed_once_listed_without_its_secret_and_revoked():
    token = run_command("token", "create", "dashboard", "--scope", "read", "--days", "9").out.strip()
    _, id_, secret = token.split("_", 2)
    assert secret not in run_command("token", "list").out
    (row,) = json.loads(run_command("token", "list", "--format", "json").out)
    assert (row["id"], row["name"], row["scope"], row["revoked"]) == (id_, "dashboard", "read", None)
    assert run_command("token", "revoke", id_).out == f"token {id_} is revoked\n"
    assert run_command("token", "revoke", id_).code == 1
    assert run_command("token", "create", "x", "--scope", "all").code == 2


@pytest.mark.usefixtures("inbox")
def test_an_override_is_in_the_audit_log(tmp_path):
    (tmp_path / "callflows").mkdir()
    hours = "hours: {office: {mon-fri: 09:00-17:00}}"
    flow = f"numbers: +12015550123\n{hours}\nnodes: {{start: [{{say: Hello., when: hours.office.open}}, {{say: Bye.}}]}}\n"
    (tmp_path / "callflows" / "desk.yaml").write_text(flow, encoding="utf-8")
    done = run_command("override", "desk", "office", "closed", "--until", "2h")
    assert done.code == 0, done.err
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "callflows.db")) as database:
        ((action, key, after),) = database.execute("SELECT action, key, after FROM audit").fetchall()
    assert (action, key) == ("override", "desk office")
    assert after.startswith("closed until ")


@pytest.mark.usefixtures("inbox")
def test_messages_show_both_directions_with_their_delivery():
    text = run_command("messages").out
    assert "out  +12015550123 to +12015550931  failed: no route" in text
    assert "in   +12015550931 to +12015550123  NEW" in text
    assert [row["id"] for row in list_json("messages", "--direction", "in", "--from", "+12015550931")] == ["sms-1"]
    run_command("messages", "--handled", "sms-1")
    assert list_json("messages", "--state", "new") == []


@pytest.mark.usefixtures("inbox")
def test_messages_have_the_clock_of_the_flow_that_answers_our_number(tmp_path):
    (tmp_path / "callflows").mkdir()
    for name, claim, zone in (("desk", "+1201*", "America/New_York"), ("other", "rest", "Europe/Berlin")):
        flow = f"numbers: {claim}\ntimezone: {zone}\nnodes: {{start: [say: Hello.]}}\n"
        (tmp_path / "callflows" / f"{name}.yaml").write_text(flow, encoding="utf-8")
    heads = [line for line in run_command("messages").out.splitlines() if "+12015550931" in line]
    assert [line.split()[2] for line in heads] == ["America/New_York"] * 2


@pytest.mark.usefixtures("inbox")
def test_a_table_for_a_spreadsheet_runs_no_formula():
    rows = [*csv.DictReader(io.StringIO(run_command("messages", "--format", "csv").out))]
    assert rows[0]["text"] == "'=We open at 9."


@pytest.mark.usefixtures("inbox")
@pytest.mark.parametrize("command", ["voicemails", "messages"])
def test_the_lists_fit_into_eighty_columns(command):
    assert max(map(len, run_command(command).out.splitlines())) <= 80


@pytest.mark.usefixtures("inbox")
def test_a_watch_sees_a_call_arrive_and_end(monkeypatch):
    now = time.time()
    events = [call_event("ringing", now + 1, "call-7"), call_event("destroyed", now + 2, "call-7")]
    looks = iter(events)
    monkeypatch.setattr(watch_command, "_LOOK_INTERVAL_SECONDS", 0.0)
    monkeypatch.setattr(watch_command.time, "sleep", lambda _seconds: write_events(*filter(None, [next(looks, None)])))
    done = run_command("watch", "--format", "json", "--count", "2", "--seconds", "60")
    assert [(row["what"], row["id"]) for row in map(json.loads, done.out.splitlines())] == [
        ("began", "call-7"),
        ("ended", "call-7"),
    ]


@pytest.mark.usefixtures("inbox")
def test_a_watch_ends_by_ctrl_c_even_if_that_was_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        threading.Timer(0.5, signal.raise_signal, (signal.SIGINT,)).start()
        done = run_command("watch", "--seconds", "30")
    finally:
        signal.signal(signal.SIGINT, before)
    assert (done.code, done.out) == (0, "")
