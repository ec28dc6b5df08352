"""Turns wait without their secrets, packed small, and become the same rows later."""

from __future__ import annotations

import contextlib
import fcntl

import pytest
import structlog
from sample_events import START
from store_helpers import build_answered_request

from callflows.flows.document_comments import ElementPlace, PassedNode
from callflows.flows.loader.place_tracer import DocumentPlaces
from callflows.journal.journal_rows import build_journal_entries, build_turn_entries
from callflows.journal.redacted_turns import TurnRedactor, pack_turns, unpack_turns
from callflows.journal.redaction import mask_credentials
from callflows.journal.spool import Spool
from callflows.telephony.events import AnswerOutcome
from callflows.telephony.ports import Effect
from each_case import each_case

URL = "https://calls.example/call/desk/menu?ticket=opensesame"


def redact(*answered):
    """The turns of a batch, and their texts."""
    redactor = TurnRedactor()
    return [redactor.redact_turn(one) for one in answered], redactor.texts


def without_id(entries):
    return [(table, {**row, "id": "", "call": ""}) for table, row in entries]


@each_case(
    "parts",
    [
        ["<Say>", "Hello", "</Say><Callback url='", URL, "' method='GET'/>"],
        ["<Callback url='", URL, "&amp;token=", "opensesame", "'/>"],
        ["<Callback url='https://calls.example/?tok", "en=opensesame", "'/>"],
        ["<Callback url='https://calls.example/?ticket=", "open", "", "ses", "ame'/><Say>", "ticket", "</Say>"],
        ["<Callback url='https://calls.example/?", "ticket", "=", "opensesame", "&amp;x=1'/>"],
        ["<Say>mytoken=5", " is kept", "</Say>"],
        ["<Say>my", "token=5", "</Say>", "", ""],
        [],
        [""],
    ],
)
def test_a_credential_is_masked_however_a_document_is_made_of_texts(parts):
    (turn,), texts = redact(build_answered_request(START)._replace(document_parts=parts))
    document = "".join(texts[place] for place in turn.answer.document)
    assert document == mask_credentials("".join(parts))
    assert "opensesame" not in document


def test_a_packed_turn_becomes_the_rows_that_it_would_have_become_at_once():
    effect = Effect("sms", "key", {"text": "your token=opensesame"}, "desk")
    answered = build_answered_request(START, call="", dtmf="1234", name="\ud800")._replace(
        document_parts=["<Callback url='", URL, "'/>"],
        query=b"token=opensesame&dtmf=1234&from=1",
        outcome=AnswerOutcome("answered", "desk", "start", version="1", effects=(effect,)),
    )
    packed = pack_turns(*redact(answered, answered))
    at_once = build_journal_entries(answered)
    turns, texts = unpack_turns(packed)
    for turn in turns:
        assert without_id(build_turn_entries(turn, texts)) == without_id(at_once)
    assert len({turn.id for turn in turns}) == 2
    assert b"opensesame" not in str(unpack_turns(packed)).encode()


def test_a_packed_turn_has_the_places_of_its_document():
    passed = (PassedNode("closed", 7, "otherwise"),)
    known = DocumentPlaces("key", "desk", "1", "{}", ElementPlace("start", 3, 1, 4, 5, passed=passed))
    answered = [build_answered_request(START, call=f"call-{number}") for number in range(4)]
    traced = [known._replace(is_new=is_new) for is_new in (True, False, False)]
    redactor = TurnRedactor()
    redacted = [
        redactor.redact_turn(one, lambda _answered, _parts, places=places: places)
        for one, places in zip(answered, [*traced, None], strict=True)
    ]
    turns, texts = unpack_turns(pack_turns(redacted, redactor.texts))
    assert [turn.places for turn in turns] == [*traced, None]
    entries = [entry for turn in turns for entry in build_turn_entries(turn, texts)]
    assert [row["places"] for table, row in entries if table == "turns"] == ["key", "key", "key", None]
    assert [row["id"] for table, row in entries if table == "places"] == ["key"]


def test_turns_of_one_flow_wait_in_a_tenth_of_the_room_of_their_documents(tmp_path):
    menu = [f"<Say>Press {key} for {key * 40}.</Say>" for key in range(60)]
    turns = redact(
        *(build_answered_request(START, call=f"c{n}")._replace(document_parts=[*menu, f"{n}"]) for n in range(100))
    )
    spool = Spool(tmp_path)
    spool.append([], [pack_turns(*turns)])
    assert spool.size_bytes < sum(len(text) for text in menu) * 100 / 10
    found = []
    assert not spool.drain_oldest_entries(found.extend)
    assert [row["call"] for table, row in found if table == "turns"] == [f"c{n}" for n in range(100)]


def test_what_a_drain_has_written_is_not_written_again(tmp_path):
    spool = Spool(tmp_path)
    for number in range(5):
        spool.append([], [pack_turns(*redact(*(build_answered_request(START, call=f"{number}-{n}") for n in range(100))))])
    found = []

    def take(entries):
        found.append([row["call"] for table, row in entries if table == "turns"])

    assert spool.drain_oldest_entries(take)
    with pytest.raises(OSError, match="gone"):
        spool.drain_oldest_entries(lambda _entries: (_ for _ in ()).throw(OSError("gone")))
    while spool.drain_oldest_entries(take):
        pass
    assert [call for calls in found for call in calls] == [f"{number}-{n}" for number in range(5) for n in range(100)]
    assert len(found) == 5
    assert not spool.list_segments()


def test_an_entry_after_a_line_that_was_cut_off_is_kept(tmp_path):
    spool = Spool(tmp_path)
    spool.append([("calls", {"id": "whole"})])
    (segment,) = spool.list_segments()
    with segment.open("ab") as file:
        file.write(b'["calls",{"id":"ha')
    spool.append([("calls", {"id": "after"})])
    found = []
    spool.drain_oldest_entries(found.extend)
    assert [row["id"] for _, row in found] == ["whole", "after"]


def test_a_number_is_forgotten_in_packed_turns_also_in_those_already_written(tmp_path):
    spool = Spool(tmp_path)
    for number in range(3):
        turns = redact(*(build_answered_request(START, call=f"{number}-{n}") for n in range(100)))
        spool.append([], [pack_turns(*turns)])
    spool.drain_oldest_entries(lambda _entries: None)
    assert spool.rewrite_entries(lambda entry: None if entry[0] == "calls" else entry) == 200
    found = []
    while spool.drain_oldest_entries(found.extend):
        pass
    assert [row["call"] for table, row in found if table == "turns"] == [
        f"{number}-{n}" for number in (1, 2) for n in range(100)
    ]


@contextlib.contextmanager
def locked(segment):
    """Another process has the lock, and does nothing with it."""
    with segment.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def fill_three_segments(folder, monkeypatch):
    monkeypatch.setattr("callflows.journal.spool.SPOOL_SEGMENT_BYTES", 1)
    spool = Spool(folder)
    for name in ("oldest", "middle", "newest"):
        spool.append([("calls", {"id": name})])
    return spool, spool.list_segments()


def drain(spool):
    found = []
    while spool.drain_oldest_entries(found.extend):
        pass
    return [row["id"] for _, row in found]


def test_a_segment_that_another_process_writes_is_left_to_it_and_nobody_waits(tmp_path, monkeypatch):
    spool, segments = fill_three_segments(tmp_path, monkeypatch)
    with locked(segments[0]):
        assert drain(spool) == []
        assert spool.may_have_entries
    assert drain(spool) == ["oldest", "middle", "newest"]
    assert not spool.may_have_entries


def test_where_a_process_was_stopped_that_had_locked_a_segment_the_others_are_written_and_it_is_said_once(
    tmp_path, monkeypatch
):
    spool, segments = fill_three_segments(tmp_path, monkeypatch)
    monkeypatch.setattr("callflows.journal.spool.LONG_LOCK_SECONDS", 0.0)
    with locked(segments[1]), structlog.testing.capture_logs() as lines:
        assert drain(spool) == ["oldest", "newest"]
        assert drain(spool) == []
        assert spool.may_have_entries
    assert [(line["file"], "locked entries that wait" in line["event"]) for line in lines] == [(str(segments[1]), True)]
    assert drain(spool) == ["middle"]
    assert not spool.may_have_entries


def test_to_forget_a_number_nobody_waits_for_ever_for_a_segment(tmp_path, monkeypatch):
    monkeypatch.setattr("callflows.journal.spool.MAX_REWRITE_WAIT_SECONDS", 0.05)
    spool, segments = fill_three_segments(tmp_path, monkeypatch)
    with locked(segments[1]), pytest.raises(BlockingIOError) as refused:
        spool.rewrite_entries(lambda _entry: None)
    assert refused.value.filename == str(segments[1])
    assert spool.rewrite_entries(lambda _entry: None) == 2
