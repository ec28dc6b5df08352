"""Every kind of event of Opentact's documentation is read into a typed object, and the page says what is known of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_opentact import NOW, SAMPLES_FOLDER

from callflows.opentact.event_kinds import EVENT_KINDS, replace_event_kinds
from callflows.opentact.event_parser import parse_event, parse_events
from callflows.telephony.events import extract_executed_step
from each_case import each_case

PAGE = Path(__file__).parents[2] / "docs" / "opentact.md"
SAMPLES = [json.loads(file.read_text()) for file in sorted((SAMPLES_FOLDER / "events").glob("*.json"))]


def find_sample(kind):
    """An event of a kind, in the envelope of 2024 if there is one."""
    events = [parse_event(raw, NOW) for raw in SAMPLES if raw["type"] == kind.type]
    return [event for event in events if not kind.state or event.state == kind.state][-1]


@each_case("kind", EVENT_KINDS, ids=lambda kind: kind.title)
def test_each_kind_of_event_has_a_sample_and_a_typed_content(kind):
    event = find_sample(kind)
    content = extract_executed_step(event.raw) if kind.field == "call_flow" else getattr(event, kind.field)
    assert content
    if kind.state:
        assert event.call.state == kind.state


def test_the_page_has_the_table_of_kinds():
    page = PAGE.read_text(encoding="utf-8")
    assert replace_event_kinds(page) == page


def read(kind, **fields):
    (event,) = parse_events([{"uuid": "e", "created_on": "2026-03-05T16:40:00Z", "type": kind, **fields}], NOW)
    return event


def test_an_order_an_account_and_a_balance_are_typed():
    by_type = {raw["type"]: parse_event(raw, NOW) for raw in SAMPLES}
    assert (by_type["tn_order"].order.uuid[:8], by_type["tn_order"].order.state) == ("5b1f2a7e", "success")
    assert (by_type["auth"].account.name, by_type["auth"].account.balance) == ("Lakeside Dental", 100.0)
    assert (by_type["balance"].balance, by_type["balance"].balance_action) == (41.25, "voice_charge_in")
    assert read("balance", payload={"balance": 3, "source_action": "call_asr"}).balance == 3.0
    assert read("balance", payload="unknown").balance is None


RECORD = {
    "uuid": "r",
    "url": "https://records.example.com/r.wav",
    "duration": 4,
    "tag": "voicemail",
    "transcript": "Hello.",
}


@each_case(
    "fields",
    [
        {"payload": {**RECORD, "call": {"uuid": "c"}}},
        {"payload": {**RECORD, "call": "c"}},
        {"payload": {"record": RECORD, "call_uuid": "c"}},
        {"payload": {"record": {**RECORD, "call": "c"}}},
        {"payload": {"state": "ready"}, "record": RECORD, "call": {"uuid": "c"}},
        {"payload": {"recordings": [RECORD]}, "call": {"uuid": "c"}},
        {"payload": {"uuid": "c", "direction": "in", "from": "+12015550999", "to": "12015550123", "records": [RECORD]}},
    ],
)
def test_a_recording_is_read_wherever_it_stands_with_its_call_and_its_transcript(fields):
    event = read("call_record", **fields)
    (recording,) = event.recordings
    assert (recording.uuid, recording.seconds, recording.tag, recording.transcript) == ("r", 4, "voicemail", "Hello.")
    assert event.call_uuid == "c"


@each_case(
    "fields",
    [
        {"payload": {"text": "Hello."}},
        {"payload": {"transcript": "Hello."}},
        {"payload": {"transcription": {"text": "Hello."}}},
        {"payload": {"transcript": {"segments": [{"text": "Hel"}, {"text": "lo."}]}}},
        {"payload": {"record": {"uuid": "r", "transcript": "Hello."}}},
        {"payload": {"state": "ready"}, "transcript": {"uuid": "t", "text": "Hello."}},
    ],
)
def test_a_transcript_is_read_wherever_it_stands(fields):
    (transcript,) = read("call_transcript", **fields).transcripts
    assert transcript.text.replace(" ", "") == "Hello."


@each_case("value", [True, 7, {}, [], {"text": {"text": {"text": {"text": {"text": "deep"}}}}}, None])
def test_a_flag_or_a_strange_value_is_no_transcript(value):
    (recording,) = read("call_record", payload={"uuid": "r", "asr": value}).recordings
    assert recording.transcript == ""


# Messages and delivery reports


def report(event_type="message.finalized", **payload):
    return parse_event({"data": {"event_type": event_type, "id": "e", "payload": {"id": "m", **payload}}}, NOW)


@each_case(
    ("payload", "state", "delivered"),
    [
        ({"to": [{"phone_number": "+12015550999", "status": "delivered"}]}, "success", True),
        ({"to": [{"phone_number": "+12015550999", "status": "delivery_failed"}]}, "failed", False),
        ({"to": {"phone_number": "+12015550999", "status": "sending_failed"}}, "failed", False),
        ({"to": "+12015550999", "status": "Delivered"}, "success", True),
        ({"to": "+12015550999", "state": "failed"}, "failed", False),
        ({"to": "+12015550999", "state": "success", "delivered": True}, "success", True),
        ({"to": "+12015550999", "delivered": False}, "failed", False),
        ({"to": "+12015550999", "status": "a-new-word"}, "a_new_word", None),
        ({"to": "+12015550999"}, "", None),
    ],
)
def test_a_finalized_message_is_a_delivery_state(payload, state, delivered):
    event = report(**payload)
    assert (event.kind, event.state, event.sms.state, event.sms.delivered) == ("sms", state, state, delivered)
    assert (event.sms.uuid, event.sms.direction, event.sms.to) == ("m", "out", "+12015550999")


def test_the_reason_of_a_failed_delivery_is_kept():
    event = report(to=[{"phone_number": "+12015550999", "status": "delivery_failed"}], errors=[{"title": "Unreachable"}])
    assert event.sms.reason == "Unreachable"


def test_a_received_message_in_the_form_of_a_report_is_a_received_message():
    event = report("message.received", text="Hello", **{"from": {"phone_number": "+12015550999"}})
    assert (event.sms.type, event.sms.state, event.sms.text, event.sms.from_) == (
        "smsi",
        "success",
        "Hello",
        "+12015550999",
    )


@pytest.mark.parametrize("data", [None, {}, [], {"event_type": 7}, {"event_type": "message.finalized", "payload": []}])
def test_another_object_with_data_is_no_report(data):
    assert parse_event({"data": data, "type": "sms", "payload": {"uuid": "m", "state": "sent"}}, NOW).sms.state == "sent"
