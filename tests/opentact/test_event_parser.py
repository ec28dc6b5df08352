"""Events in both known envelopes, and in unknown ones."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from fake_opentact import NOW, SAMPLES_FOLDER, load_event_sample
from hypothesis import given
from hypothesis import strategies as st

from callflows.opentact.event_parser import MalformedFrameError, parse_event, parse_frame
from callflows.telephony.events import extract_executed_step
from each_case import each_case

NAMES = sorted(file.stem for file in (SAMPLES_FOLDER / "events").glob("*.json"))
CALL = "2024-call-destroyed"


def read(said):
    (event,) = parse_frame(json.dumps(said), NOW)
    return event


def named(name):
    return read(load_event_sample(name))


@each_case("name", NAMES)
def test_a_sample_is_read_without_loss(name):
    event = named(name)
    assert event.raw == load_event_sample(name)
    assert event.kind == load_event_sample(name)["type"]
    assert (
        datetime.fromtimestamp(event.occurred_at, UTC).isoformat()[:19]
        == load_event_sample(name).get("timestamp", load_event_sample(name).get("created_on"))[:19]
    )
    assert event.message == load_event_sample(name)["message"]


def test_there_are_samples_of_both_envelopes():
    assert {name[:4] for name in NAMES} == {"2022", "2024"}


def test_a_call_of_2024():
    event = named(CALL)
    said = load_event_sample(CALL)
    assert (event.key, event.state, event.call_seconds) == (said["uuid"], "destroyed", 10.0)
    assert event.occurred_at == datetime(2026, 3, 5, 16, 24, 55, 895_000, tzinfo=UTC).timestamp()
    call = event.call
    assert (call.uuid, call.direction, call.from_, call.to) == (said["ref_id"], "in", "+13125550147", "13125550168")
    assert call.moments == {"destroy": datetime(2026, 3, 5, 16, 24, 55, 818_000, tzinfo=UTC)}
    assert (call.q850_cause, call.q850_cause_text) == (16, "NORMAL_CLEARING")
    assert (call.attestation, call.parent_uuid) == ("", "")
    assert call.app_uuid == said["call"]["sip_control_app"]["uuid"]
    assert call.raw == said["call"]


def test_a_dialled_leg_names_the_call_of_its_caller():
    event = named("2024-dialled-leg-hangup")
    assert (event.call.direction, event.call.to, event.call.q850_cause) == ("out", "mia", 18)
    assert event.call.parent_uuid == load_event_sample("2024-call-init")["ref_id"]
    assert len(event.call.parent.moments) == 3


def test_a_failed_dial():
    event = named("2024-call-flow-dial-failed")
    step = extract_executed_step(event.raw)
    assert (step["name"], step["success"], step["state"]) == ("Dial", False, "failed")
    assert "NO_USER_RESPONSE" in step["reason"]
    assert event.call_uuid == load_event_sample("2024-call-init")["ref_id"]


def test_an_executed_element_of_2022():
    event = named("2022-call-flow-answer")
    step = extract_executed_step(event.raw)
    assert (step["name"], step["path"], step["success"]) == ("Answer", "Answer[0]", True)
    assert (event.call.state, event.call_seconds) == ("ringing", 2.681)


def test_messages_of_2022():
    sent, received = named("2022-sms-sent"), named("2022-sms-received")
    assert (sent.sms.type, sent.sms.delivered, sent.sms.text) == ("smso", True, "We will ring you back")
    assert (received.sms.type, received.sms.text, received.state) == ("smsi", "OPEN", "success")
    assert received.call is None


def test_a_message_in_the_envelope_of_2024_is_read_wherever_it_is():
    message = load_event_sample("2022-sms-received")["payload"]
    new = {"uuid": "e", "created_on": "2026-03-05T16:00:00Z", "type": "sms"}
    for said in ({**new, "payload": message}, {**new, "sms": message}, {**new, "payload": {"sms": message}}):
        assert read(said).sms.text == "OPEN"


def test_a_call_state_of_2022_has_the_call_as_its_payload():
    call = load_event_sample("2022-call-flow-answer")["payload"]["call"]
    event = read({"timestamp": "2026-03-05T16:24:47.310Z", "type": "call_state", "message": "", "payload": call})
    assert (event.call.uuid, event.state, event.call_seconds) == (call["uuid"], "ringing", 2.681)


# Durations


@each_case(
    ("duration", "existed", "seconds"),
    [
        (2681, 1.3, 2.681),
        (3_600_000, 3601, 3600.0),
        (10, 9.8, 10.0),
        (2, 0.4, 2.0),
        (900, 40, 0.9),
        (0, 5, 0.0),
        (61, 60, 61.0),
    ],
)
def test_no_call_lasts_longer_than_it_exists_so_a_greater_number_is_milliseconds(duration, existed, seconds):
    call = {
        "uuid": "c",
        "duration": duration,
        "init_on": "2026-03-05T16:00:00Z",
        "destroy_on": datetime.fromtimestamp(datetime(2026, 3, 5, 16, tzinfo=UTC).timestamp() + existed, UTC).isoformat(),
    }
    said = {"type": "call_state", "timestamp": "2026-03-05T18:00:00Z", "payload": call}
    assert read(said).call_seconds == seconds
    assert parse_event({"type": "call_state", "payload": call}, NOW, "search").call_seconds == seconds


def test_without_moments_the_envelope_decides():
    call = {"uuid": "c", "duration": 12}
    assert read({"type": "call_state", "timestamp": "never", "payload": call}).call_seconds == 0.012
    assert read({"type": "call_state", "created_on": "2026-03-05T16:00:00Z", "call": call, "uuid": "e"}).call_seconds == 12


# Keys


def test_the_same_event_has_the_same_key_and_another_has_another():
    keys = [named(name).key for name in NAMES]
    assert keys == [named(name).key for name in NAMES]
    assert len({*keys}) == len(NAMES)


@pytest.mark.parametrize(
    "change",
    [{"state": "created"}, {"uuid": "another"}, {"delivered": False}],
)
def test_events_of_2022_differ_by_entity_state_and_delivery(change):
    said = load_event_sample("2022-sms-sent")
    other = {**said, "payload": {**said["payload"], **change}}
    assert read(said).key != read(other).key


def test_events_of_2022_differ_by_time_and_by_path():
    said = load_event_sample("2022-call-flow-answer")
    later = {**said, "timestamp": "2026-03-05T16:24:47.999Z"}
    command = {**said["payload"]["command"], "path": "Say[1]"}
    other = {**said, "payload": {**said["payload"], "command": command}}
    assert len({read(event).key for event in (said, later, other)}) == 3


def test_what_has_neither_id_nor_time_is_known_by_all_that_it_says():
    assert read({"type": "new", "a": 1, "b": 2}).key == read({"b": 2, "a": 1, "type": "new"}).key
    assert read({"type": "new", "a": 1}).key != read({"type": "new", "a": 2}).key


# What nobody knows yet


def test_an_unknown_type_is_kept():
    said = {
        "uuid": "e",
        "created_on": "2026-03-05T16:00:00Z",
        "type": "call_transcript",
        "payload": {"text": "hi"},
        "call": {"uuid": "c"},
    }
    event = read(said)
    assert (event.kind, event.call_uuid, event.raw) == ("call_transcript", "c", said)


@pytest.mark.parametrize("kind", [None, "", 5, [], {}])
def test_an_event_without_a_type_is_of_an_unknown_one(kind):
    assert read({"type": kind, "uuid": "e"}).kind == "unknown"


def test_without_a_moment_it_happened_when_it_came():
    assert read({"type": "x", "created_on": "yesterday", "timestamp": None}).occurred_at == NOW.timestamp()


def test_a_frame_may_have_several_events():
    both = [load_event_sample("2022-balance"), load_event_sample(CALL)]
    assert [event.kind for event in parse_frame(json.dumps(both), NOW)] == ["balance", "call_state"]


@each_case("frame", ["", "nonsense", "[", "7", '"x"', "null", "[]", "[1]", b"\xff\xfe", "[" * 100_000, "9" * 5000])
def test_what_is_no_event_is_malformed(frame):
    with pytest.raises(MalformedFrameError):
        parse_frame(frame, NOW)


def test_deep_nesting_is_malformed_and_breaks_nothing():
    with pytest.raises(MalformedFrameError):
        parse_frame('{"type": "x", "payload": ' + '{"a": ' * 900 + "1" + "}" * 901, NOW)


def test_what_no_database_can_keep_is_replaced():
    event = read({"type": "sms", "payload": {"uuid": "m", "message": "a\x00b\ud83d"}})
    assert event.sms.text == "a\ufffdb\ufffd"
    event.raw["payload"]["message"].encode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
TYPES = st.sampled_from(["auth", "call_state", "call_flow", "sms", "balance", "tn_order", "call_record"])
FIELDS = (
    "uuid",
    "type",
    "timestamp",
    "created_on",
    "message",
    "payload",
    "call",
    "call_flow",
    "sms",
    "state",
    "duration",
    "tn",
    "parent",
)


@given(TYPES, st.dictionaries(st.sampled_from(FIELDS), JSON | st.dictionaries(st.sampled_from(FIELDS), JSON)))
def test_no_event_breaks_the_reader(kind, said):
    frame = json.dumps({**said, "type": kind})
    (event,) = parse_frame(frame, NOW)
    assert event.kind == kind
    assert event.key == parse_frame(frame, NOW)[0].key


@given(st.sampled_from(NAMES), st.data())
def test_any_part_of_a_sample_may_be_missing_or_of_another_type(name, data):
    said = load_event_sample(name)
    place = said
    while isinstance(place, dict) and place:
        key = data.draw(st.sampled_from(sorted(place)))
        if data.draw(st.booleans()) or not isinstance(place[key], dict):
            place[key] = data.draw(JSON)
            break
        place = place[key]
    assert parse_frame(json.dumps(said), NOW)
