"""Opentact's call and message objects, and the order of a call's states."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from callflows.telephony.call_entity import CallEntity
from callflows.telephony.call_states import (
    BEGINNING_CALL_STATES,
    CALL_STATE_RANKS,
    CALL_STATE_TIME_FIELDS,
    ENDED_CALL_STATES,
    FIRST_REPORTED_STATES,
    LAST_CALL_STATE,
    rank_call_state,
)
from callflows.telephony.message_entity import MessageEntity
from each_case import each_case

NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)
WRONG_TYPES = (None, True, 1.5, [], {}, [{}], {"uuid": []})


def test_the_states_of_a_call_come_in_the_order_in_which_opentact_reports_them():
    ranks = [rank_call_state(state) for state in CALL_STATE_TIME_FIELDS]
    assert ranks == sorted(set(ranks))
    assert LAST_CALL_STATE == "destroyed"
    assert rank_call_state("on-the-moon") < min(CALL_STATE_RANKS.values())


def test_a_call_begins_and_ends_in_the_states_that_the_platform_names():
    assert {"online", "init", "ringing"} == BEGINNING_CALL_STATES
    assert {"init", "ringing", "online", "live"} == FIRST_REPORTED_STATES
    assert {"hangup", "destroyed", "offline"} == ENDED_CALL_STATES


@each_case("wrong", WRONG_TYPES, ids=repr)
def test_a_field_of_an_unexpected_type_counts_as_absent(wrong):
    fields = (
        "uuid", "direction", "from", "to", "state", "created_on", "init_on", "q850_cause", "sip_control_app", "tn", "meta",
        "message", "thread",
    )  # fmt: skip
    call, message = CallEntity(dict.fromkeys(fields, wrong)), MessageEntity(dict.fromkeys(fields, wrong))
    assert (call.uuid, call.direction, call.from_, call.to, call.app_uuid, call.caller_name) == ("",) * 6
    assert (call.created_at, call.moments, call.q850_cause, call.auto_answer) == (None, {}, None, None)
    assert (message.uuid, message.from_, message.to, message.text, message.state, message.thread) == ("",) * 6


def test_the_called_number_is_the_account_number_if_the_call_does_not_tell():
    assert CallEntity({"to": "12015550123", "tn": {"tn": 12015550124}}).to == "12015550123"
    assert CallEntity({"to": "", "tn": {"tn": 12015550124}}).to == "12015550124"


@pytest.mark.parametrize(
    ("call", "inbound"),
    [
        ({"direction": "in"}, True),
        ({"direction": "out"}, False),
        ({"direction": "in", "parent": {"from": "+12015550100"}}, False),
        ({"direction": "in", "parent": "caller"}, False),
        ({"direction": "in", "parent": None}, True),
    ],
)
def test_only_a_call_that_no_other_call_made_is_the_callers_own(call, inbound):
    assert CallEntity(call).is_inbound_call is inbound


@pytest.mark.parametrize(
    ("call", "over"),
    [
        ({"state": "live", "answer_on": NOON.isoformat()}, False),
        ({"state": "offline"}, True),
        ({"state": "live", "destroy_on": NOON.isoformat()}, True),
        ({"finished_on": NOON.isoformat()}, True),
    ],
)
def test_a_call_is_over_by_its_state_or_by_its_moments(call, over):
    assert CallEntity(call).is_over is over


def test_a_state_has_its_own_moment_and_a_new_call_that_of_its_creation():
    call = CallEntity({"created_on": "2026-03-05T12:00:00", "ring_on": "2026-03-05T14:00:01+02:00"})
    assert call.find_state_time("init") == NOON
    assert call.find_state_time("ringing") == NOON.replace(second=1)
    assert call.find_state_time("live") is None


@pytest.mark.parametrize(("type_", "direction"), [("smso", "out"), ("smsi", "in"), ("smsr", "out"), ("", ""), ("mms", "")])
def test_the_type_of_a_message_tells_its_direction(type_, direction):
    assert MessageEntity({"type": type_}).direction == direction
