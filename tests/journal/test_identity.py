"""With GET a call has no uuid on its first turn: its identity is provisional until a later turn or a report brings one."""

from __future__ import annotations

import itertools

import pytest
from kept import answered, ids, one_by_one, rows, story, write
from reports import CALL, START, report, sample

from app.calls import BEGAN
from app.happened import Happened

INIT = report(sample("event-2024-call-init"))
NODE = "/call/desk/menu"


def turns(store, call):
    return [entry["at"][17:23] for entry in story(store, call)["story"] if entry["what"] == "asked"]


def test_a_call_without_a_uuid_is_remembered_under_an_id_of_ours(store):
    write(store, answered(START))
    (row,) = rows(store)
    assert row["id"].startswith("~")
    assert (row["from"], row["number"], row["turns"]) == ("+12015550999", "+12015550123", 1)
    assert "2015550999" not in row["id"]


@pytest.mark.parametrize("order", [*itertools.permutations(range(3))], ids=str)
@pytest.mark.parametrize("together", [False, True], ids=["apart", "together"])
def test_a_turn_and_a_report_that_bring_the_uuid_make_it_one_call_in_any_order(store, order, together):
    things = [answered(START), answered(START + 9, NODE, call=CALL), INIT]
    come = [things[number] for number in order]
    if together:
        write(store, *come)
    else:
        one_by_one(store, come)
    assert ids(store) == [CALL]
    assert turns(store, CALL) == ["45.961", "54.961"]


def further(at: float, began: float, **told: str):
    """A later turn, of a ticket that knows when the call began."""
    return answered(at, NODE, **told, **{BEGAN: f"{began:.6f}"})


def test_a_later_turn_alone_brings_the_uuid_minutes_later(store):
    one_by_one(store, [answered(START), further(START + 600, START, call=CALL)])
    assert ids(store) == [CALL]
    assert rows(store)[0]["started"] == "2026-02-19T16:24:45.961Z"


AGAIN = START + 300
TWO_CALLS = [
    answered(START),
    answered(AGAIN),
    further(START + 310, AGAIN),
    further(START + 320, AGAIN, call=CALL),
    further(START + 330, START),
]


@pytest.mark.parametrize("order", [*itertools.permutations(range(5))][::7], ids=str)
@pytest.mark.parametrize("together", [False, True], ids=["apart", "together"])
@pytest.mark.parametrize("caller", ["+12015550999", "anonymous"])
def test_a_turn_is_of_the_call_whose_ticket_it_brings_in_any_order_and_twice(store, order, together, caller):
    come = [TWO_CALLS[number] for number in (*order, *order[:2])]
    come = [turn._replace(told={**turn.told, "from": caller}) for turn in come]
    if together:
        write(store, *come)
    else:
        one_by_one(store, come)
    again, first = rows(store)
    assert (again["id"], {*turns(store, CALL)}) == (CALL, {"45.961", "55.961", "05.961"})
    assert (first["id"][0], {*turns(store, first["id"])}) == ("~", {"45.961", "15.961"})


def test_a_turn_with_a_uuid_takes_no_call_of_the_same_caller_that_began_minutes_before(store):
    one_by_one(store, [answered(START), answered(START + 600, call=CALL), answered(START + 620, NODE, call=CALL)])
    assert [(row["id"][:4], row["turns"]) for row in rows(store)] == [(CALL[:4], 2), (rows(store)[1]["id"][:4], 1)]


def test_a_report_without_a_uuid_that_a_call_begins_is_of_no_call_before_it(store):
    begins = Happened("call_state", "hook-2", AGAIN, {}, state="ringing", source="webhook")
    begins = begins._replace(call={"from": "+12015550999", "to": "12015550123"})
    one_by_one(store, [answered(START), begins, answered(AGAIN + 1)])
    assert [row["turns"] for row in rows(store)] == [1, 1]
    assert rows(store)[0]["state"] == "ringing"


def test_a_report_without_a_uuid_is_of_no_call_that_was_over_long_before(store):
    over = {**INIT.call, "hangup_on": "2026-02-19T16:25:00Z"}
    late = Happened("call_state", "hook-3", START + 900, {}, state="live", source="webhook")
    one_by_one(store, [INIT._replace(call=over), late._replace(call={"from": "+12015550999", "to": "12015550123"})])
    assert len(ids(store)) == 2


def test_a_request_that_is_repeated_is_of_the_same_call(store):
    one_by_one(store, [answered(START), answered(START + 5)])
    assert [row["turns"] for row in rows(store)] == [2]


def test_whoever_rings_again_later_has_another_call(store):
    one_by_one(store, [answered(START), answered(START + 31)])
    assert [row["turns"] for row in rows(store)] == [1, 1]


def test_other_callers_and_other_numbers_are_other_calls(store):
    others = [answered(START, **{"from": "+12015550998"}), answered(START, to="12015550124")]
    write(store, answered(START), *others)
    one_by_one(store, [answered(START), INIT])
    assert len(ids(store)) == 3
    assert turns(store, CALL) == ["45.961", "45.961"]


def test_callers_who_withhold_their_number_are_never_taken_for_one_another(store):
    first, second = (answered(START + late, **{"from": "anonymous"}) for late in (0, 2))
    one_by_one(store, [first, second])
    assert len(ids(store)) == 2
    nobody = {**INIT.call, "from": "anonymous", "uuid": "one"}
    write(store, INIT._replace(call=nobody))
    assert len(ids(store)) == 3


def test_one_caller_who_withholds_the_number_is_found_again(store):
    one_by_one(store, [answered(START, **{"from": "anonymous"}), INIT._replace(call={**INIT.call, "from": "anonymous"})])
    assert ids(store) == [CALL]


def test_a_webhook_without_a_uuid_is_of_the_call_that_goes_on(store):
    webhook = Happened("call_state", "hook-1", START + 20, {"state": "hangup"}, state="hangup", source="webhook")
    one_by_one(store, [answered(START), webhook._replace(call={"from": "+12015550999", "to": "12015550123"})])
    (row,) = rows(store)
    assert (row["state"], row["turns"]) == ("hangup", 1)
    write(store, INIT)
    assert ids(store) == [CALL]
    assert [entry["what"] for entry in story(store, CALL)["story"]] == ["asked", "answered", "reported", "reported"]


def test_the_legs_that_a_call_dialled_adopt_nothing(store):
    write(store, answered(START))
    leg = sample("event-2024-dialled-leg-hangup")
    leg["call"] |= {"from": "+12015550999", "to": "12015550123"}
    leg["call"]["parent"] |= {"from": "+12015550777"}
    write(store, report(leg))
    assert len(ids(store)) == 2
