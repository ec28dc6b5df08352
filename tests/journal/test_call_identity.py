"""With GET, the first turn of a call has no uuid: its identity is provisional until a later turn or event has the uuid."""

from __future__ import annotations

import itertools

import pytest
from sample_events import CALL, START, build_platform_event, load_sample
from store_helpers import build_answered_request, list_ids, list_log_rows, load_call_story, write_items, write_one_by_one

from callflows.telephony.call_entity import CallEntity
from callflows.telephony.calls import CALL_BEGAN_FIELD
from callflows.telephony.events import PlatformEvent

INIT = build_platform_event(load_sample("event-2024-call-init"))
NODE = "/call/desk/menu"


def turns(store, call):
    return [entry["at"][17:23] for entry in load_call_story(store, call)["story"] if entry["what"] == "asked"]


def test_a_call_without_a_uuid_is_remembered_under_an_id_of_ours(store):
    write_items(store, build_answered_request(START))
    (row,) = list_log_rows(store)
    assert row["id"].startswith("ours-")
    assert (row["from"], row["number"], row["turns"]) == ("+12015550999", "+12015550123", 1)
    assert "2015550999" not in row["id"]


@pytest.mark.parametrize("order", [*itertools.permutations(range(3))], ids=str)
@pytest.mark.parametrize("together", [False, True], ids=["apart", "together"])
def test_a_turn_and_a_report_that_bring_the_uuid_make_it_one_call_in_any_order(store, order, together):
    things = [build_answered_request(START), build_answered_request(START + 9, NODE, call=CALL), INIT]
    come = [things[number] for number in order]
    if together:
        write_items(store, *come)
    else:
        write_one_by_one(store, come)
    assert list_ids(store) == [CALL]
    assert turns(store, CALL) == ["45.961", "54.961"]


def further(at: float, began: float, **told: str):
    """A later turn, of a ticket that knows when the call began."""
    return build_answered_request(at, NODE, **told, **{CALL_BEGAN_FIELD: f"{began:.6f}"})


def test_a_later_turn_alone_brings_the_uuid_minutes_later(store):
    write_one_by_one(store, [build_answered_request(START), further(START + 600, START, call=CALL)])
    assert list_ids(store) == [CALL]
    assert list_log_rows(store)[0]["started"] == "2026-02-19T16:24:45.961Z"


AGAIN = START + 300
TWO_CALLS = [
    build_answered_request(START),
    build_answered_request(AGAIN),
    further(START + 310, AGAIN),
    further(START + 320, AGAIN, call=CALL),
    further(START + 330, START),
]


@pytest.mark.parametrize(
    ("order", "caller"),
    [*zip([*itertools.permutations(range(5))][::24], itertools.cycle(["+12015550999", "anonymous"]))],
    ids=str,
)
@pytest.mark.parametrize("together", [False, True], ids=["apart", "together"])
def test_a_turn_is_of_the_call_whose_ticket_it_brings_in_any_order_and_twice(store, order, together, caller):
    come = [TWO_CALLS[number] for number in (*order, *order[:2])]
    come = [turn._replace(request_fields={**turn.request_fields, "from": caller}) for turn in come]
    if together:
        write_items(store, *come)
    else:
        write_one_by_one(store, come)
    again, first = list_log_rows(store)
    assert (again["id"], {*turns(store, CALL)}) == (CALL, {"45.961", "55.961", "05.961"})
    assert (first["id"][:5], {*turns(store, first["id"])}) == ("ours-", {"45.961", "15.961"})


def test_a_turn_with_a_uuid_takes_no_call_of_the_same_caller_that_began_minutes_before(store):
    write_one_by_one(
        store,
        [
            build_answered_request(START),
            build_answered_request(START + 600, call=CALL),
            build_answered_request(START + 620, NODE, call=CALL),
        ],
    )
    assert [(row["id"][:4], row["turns"]) for row in list_log_rows(store)] == [
        (CALL[:4], 2),
        (list_log_rows(store)[1]["id"][:4], 1),
    ]


def test_a_report_without_a_uuid_that_a_call_begins_is_of_no_call_before_it(store):
    begins = PlatformEvent("call_state", "hook-2", AGAIN, {}, state="ringing", source="webhook")
    begins = begins._replace(call=CallEntity({"from": "+12015550999", "to": "12015550123"}))
    write_one_by_one(store, [build_answered_request(START), begins, build_answered_request(AGAIN + 1)])
    assert [row["turns"] for row in list_log_rows(store)] == [1, 1]
    assert list_log_rows(store)[0]["state"] == "ringing"


def test_a_report_without_a_uuid_is_of_no_call_that_was_over_long_before(store):
    over = CallEntity({**INIT.call.raw, "hangup_on": "2026-02-19T16:25:00Z"})
    late = PlatformEvent("call_state", "hook-3", START + 900, {}, state="live", source="webhook")
    write_one_by_one(
        store, [INIT._replace(call=over), late._replace(call=CallEntity({"from": "+12015550999", "to": "12015550123"}))]
    )
    assert len(list_ids(store)) == 2


def test_a_request_that_is_repeated_is_of_the_same_call(store):
    write_one_by_one(store, [build_answered_request(START), build_answered_request(START + 5)])
    assert [row["turns"] for row in list_log_rows(store)] == [2]


def test_whoever_rings_again_later_has_another_call(store):
    write_one_by_one(store, [build_answered_request(START), build_answered_request(START + 31)])
    assert [row["turns"] for row in list_log_rows(store)] == [1, 1]


def test_other_callers_and_other_numbers_are_other_calls(store):
    others = [build_answered_request(START, **{"from": "+12015550998"}), build_answered_request(START, to="12015550124")]
    write_items(store, build_answered_request(START), *others)
    write_one_by_one(store, [build_answered_request(START), INIT])
    assert len(list_ids(store)) == 3
    assert turns(store, CALL) == ["45.961", "45.961"]


def test_callers_who_withhold_their_number_are_never_taken_for_one_another(store):
    first, second = (build_answered_request(START + late, **{"from": "anonymous"}) for late in (0, 2))
    write_one_by_one(store, [first, second])
    assert len(list_ids(store)) == 2
    nobody = CallEntity({**INIT.call.raw, "from": "anonymous", "uuid": "one"})
    write_items(store, INIT._replace(call=nobody))
    assert len(list_ids(store)) == 3


def test_one_caller_who_withholds_the_number_is_found_again(store):
    write_one_by_one(
        store,
        [
            build_answered_request(START, **{"from": "anonymous"}),
            INIT._replace(call=CallEntity({**INIT.call.raw, "from": "anonymous"})),
        ],
    )
    assert list_ids(store) == [CALL]


def test_a_webhook_without_a_uuid_is_of_the_call_that_goes_on(store):
    webhook = PlatformEvent("call_state", "hook-1", START + 20, {"state": "hangup"}, state="hangup", source="webhook")
    write_one_by_one(
        store,
        [build_answered_request(START), webhook._replace(call=CallEntity({"from": "+12015550999", "to": "12015550123"}))],
    )
    (row,) = list_log_rows(store)
    assert (row["state"], row["turns"]) == ("hangup", 1)
    write_items(store, INIT)
    assert list_ids(store) == [CALL]
    assert [entry["what"] for entry in load_call_story(store, CALL)["story"]] == [
        "asked",
        "answered",
        "reported",
        "reported",
    ]


def test_the_legs_that_a_call_dialled_adopt_nothing(store):
    write_items(store, build_answered_request(START))
    leg = load_sample("event-2024-dialled-leg-hangup")
    leg["call"] |= {"from": "+12015550999", "to": "12015550123"}
    leg["call"]["parent"] |= {"from": "+12015550777"}
    write_items(store, build_platform_event(leg))
    assert len(list_ids(store)) == 2
