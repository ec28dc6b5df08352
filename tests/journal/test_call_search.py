"""Calls that are searched: by a node to which few, many or none came, and by a part of a number or a name."""

from __future__ import annotations

import pytest
from sqlalchemy import insert

from callflows.journal import call_search, sql_queries
from callflows.journal.journal_tables import CALLS_TABLE, VISITS_TABLE
from callflows.journal.stored_rows import CallFilter

CALLS = 40
BEGAN = 1_790_000_000.0


@pytest.fixture(params=[1000, 3], ids=["by their ids", "by their time"])
def list_ids(request, store, engine, monkeypatch):
    """Calls of a minute each; all came to "start", every tenth to "sales" of its flow, the oldest two to "old"."""
    monkeypatch.setattr(sql_queries, "_MAX_NAMED_CALLS", request.param)
    flows = ("desk", "night", "ümlaut")
    with engine.begin() as connection:
        for number in range(CALLS):
            flow, at = flows[number % 3], BEGAN + 60 * number
            row = {"id": f"call-{number:02}", "number": "+12015550123", "flow": flow, "started": at}
            connection.execute(insert(CALLS_TABLE).values(row))
            nodes = ["start", *(["sales"] if number % 10 == 0 else []), *(["old", "start"] if number < 2 else [])]
            for place, node in enumerate(nodes):
                visit = {"id": f"{number}/{place}", "call": row["id"], "at": at + place, "number": place, "node": node}
                connection.execute(insert(VISITS_TABLE).values(**visit, flow=flow, version="v", way="", line=1))

    def list_calls(**fields) -> list[int]:
        found = store.list_calls(CallFilter(**{"limit": 5, **fields}))
        return [int(call["id"].removeprefix("call-")) for call in found]

    return list_calls


def test_calls_are_found_by_their_node_in_every_flow_newest_first(list_ids):
    assert list_ids(node="sales") == [30, 20, 10, 0]
    assert list_ids(node="old") == [1, 0]
    assert list_ids(node="start") == [39, 38, 37, 36, 35]
    assert list_ids(node="start", limit=None) == [*reversed(range(CALLS))]


def test_other_conditions_hold_beside_the_node(list_ids):
    assert list_ids(node="sales", flow="night") == [10]
    assert list_ids(node="sales", until=BEGAN + 60 * 20) == [10, 0]
    assert list_ids(node="start", since=BEGAN + 60 * 38) == [39, 38]
    assert list_ids(node="sales", after=(BEGAN + 60 * 20, "call-20")) == [10, 0]
    assert list_ids(node="sales", text="5550124") == []


def test_no_call_came_to_a_node_that_does_not_exist(list_ids):
    assert list_ids(node="nowhere") == []


@pytest.mark.usefixtures("list_ids")
@pytest.mark.parametrize("list_ids", [3], indirect=True, ids=["by their time"])
@pytest.mark.parametrize("fields", [{}, {"node": "start"}, {"flow": "desk"}, {"since": BEGAN + 60 * 5}])
def test_a_search_that_has_no_time_left_says_how_far_it_has_looked_and_goes_on_there(store, engine, fields, monkeypatch):
    monkeypatch.setattr(call_search, "FIRST_BLOCK_CALLS", 7)
    sought = CallFilter(text="5550123", limit=100, **fields)
    with engine.connect() as connection:
        looks = [call_search.search_calls(connection, sought, 2.0, seconds=0.0)]
        while looks[-1].looked_back_to is not None:
            further = sought._replace(after=(looks[-1].looked_back_to, ""))
            looks.append(call_search.search_calls(connection, further, 2.0, seconds=0.0))
        with_time = call_search.search_calls(connection, sought, 2.0, seconds=60.0)
        enough = call_search.search_calls(connection, sought._replace(limit=3), 2.0, seconds=60.0)
    every = [call["id"] for call in store.list_calls(sought)]
    assert [call["id"] for look in looks for call in look.calls] == every == [call["id"] for call in with_time.calls]
    assert (len(looks) > 4, with_time.looked_back_to) == (True, None)
    assert ([call["id"] for call in enough.calls], enough.looked_back_to) == (every[:3], None)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("bo", ["sip", "name"]),  # in an address, and in a name; "+1…" has no letters
        ("BO C", ["name"]),
        ("555-0906", ["name"]),
        ("5550123", ["sip", "name", "none"]),
        ("nobody", []),
        ("%", []),
    ],
)
def test_a_text_is_a_part_of_a_number_of_an_address_or_of_a_name(store, engine, text, found):
    rows = {"none": ("anonymous", ""), "name": ("+12015550906", "Bo Chen"), "sip": ("bob@acme.example", None)}
    with engine.begin() as connection:
        for at, (id_, (caller, name)) in enumerate(rows.items()):
            row = {"id": id_, "number": "+12015550123", "caller": caller, "name": name, "started": BEGAN + at}
            connection.execute(insert(CALLS_TABLE).values(row))
    assert [call["id"] for call in store.list_calls(CallFilter(text=text, limit=9))] == found
