"""Transcripts belong to recordings, however Opentact reports them, and are in the story once, with their moment."""

from __future__ import annotations

import pytest
from sample_events import build_platform_event
from store_helpers import load_call_story, write_one_by_one

from callflows.journal.call_facts import derive_call_facts
from callflows.journal.journal_queries import build_finished_call_record
from callflows.journal.sql_store import SqlStore

CALL = {"uuid": "one", "direction": "in", "from": "+12015550999", "to": "12015550123"}
FIRST, SECOND = ({"uuid": name, "url": f"https://r.example/{name}.wav", "duration": 5, "tag": "voicemail"} for name in "ab")


@pytest.fixture
def store(tmp_path):
    store = SqlStore(f"sqlite:///{tmp_path}/journal.db")
    store.open()
    yield store
    store.close()


def event(minute, kind="call_state", *, records=(), **fields):
    call = {**CALL, "records": [*records], "state": "destroyed", "destroy_on": "2026-11-23T10:00:50Z"}
    at = f"2026-11-23T10:{minute:02}:00.000Z"
    return build_platform_event(
        {"uuid": f"e{minute}", "created_on": at, "type": kind, "call": call, "payload": {"state": "destroyed"}, **fields}
    )


def told(store, *events):
    """The transcripts of the recordings, and the story's transcripts with their minutes."""
    write_one_by_one(store, events)
    stored = store.load_call("one")
    record = build_finished_call_record(stored, derive_call_facts(stored, 1.0), 1.0)
    story = [(e["at"][14:16], e["text"]) for e in load_call_story(store, "one")["story"] if e["what"] == "transcribed"]
    return [one.transcript for one in record.recordings], story


def transcript(minute, text, **payload):
    return event(minute, "call_transcript", payload={"uuid": f"t{minute}", "text": text, **payload})


def test_a_transcript_in_the_records_of_a_call_counts_from_when_it_came(store):
    events = (event(1, records=[FIRST]), event(2, records=[{**FIRST, "transcript": "Hi."}]))
    later = event(3, records=[{**FIRST, "transcript": "Hi."}])
    assert told(store, *events, later) == (["Hi."], [("02", "Hi.")])


def test_a_transcript_in_a_recording_event_counts(store):
    assert told(store, event(1, "call_record", payload={**FIRST, "transcript": "Hi."})) == (["Hi."], [("01", "Hi.")])


def test_a_transcript_that_is_also_reported_alone_is_told_once_with_its_first_moment(store):
    events = (transcript(1, "Hi."), event(2, records=[{**FIRST, "transcript": "Hi."}]))
    assert told(store, *events) == (["Hi."], [("01", "Hi.")])


@pytest.mark.parametrize("name", ["record", "recording_uuid"])
def test_a_transcript_belongs_to_the_recording_that_it_names(store, name):
    both = event(1, records=[FIRST, SECOND])
    named = {"record": {"uuid": "b"}} if name == "record" else {name: "b"}
    assert told(store, both, transcript(2, "Second.", **named))[0] == ["", "Second."]
    assert told(store, transcript(3, "First.", **{name: "a"}))[0] == ["First.", "Second."]


def test_transcripts_that_name_no_recording_belong_to_them_in_order(store):
    events = (event(1, records=[FIRST, SECOND]), transcript(2, "First."), transcript(3, "Second."))
    assert told(store, *events) == (["First.", "Second."], [("02", "First."), ("03", "Second.")])


def test_two_recordings_with_the_same_words_have_two_transcripts(store):
    records = [{**FIRST, "transcript": "Hi."}, {**SECOND, "transcript": "Hi."}]
    events = (transcript(1, "Hi."), transcript(2, "Hi."), event(3, records=records))
    assert told(store, *events) == (["Hi.", "Hi."], [("01", "Hi."), ("02", "Hi.")])


def test_a_recording_without_an_id_stays_the_same_when_its_transcript_comes(store):
    record = {name: value for name, value in FIRST.items() if name != "uuid"}
    events = (event(1, records=[record]), event(2, records=[{**record, "transcript": "Hi."}]))
    assert told(store, *events) == (["Hi."], [("02", "Hi.")])


def test_a_long_transcript_is_kept_whole(store):
    text = "word " * 2_000 + "end"
    assert told(store, event(1, records=[{**FIRST, "transcript": text}]))[0] == [text]
