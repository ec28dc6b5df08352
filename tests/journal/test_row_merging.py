"""The records of a call are the same in whatever order, and however often, the events come."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_events import CALL, START, build_platform_event, generate_platform_events, load_sample, load_sample_events
from store_helpers import build_answered_request, list_log_rows, load_call_story, write_items, write_one_by_one
from temporary_databases import create_database

from callflows.journal.sql_store import SqlStore
from callflows.telephony.call_entity import CallEntity
from callflows.telephony.events import extract_executed_step

LEG = "1c7091a5-ba1f-46a2-bf06-b1137cb60002"
_numbers = itertools.count()


def renamed(happened, suffix):
    """A report of calls of its own, so that examples share a database."""
    call = {**happened.call.raw, "uuid": f"{happened.call.uuid}{suffix}"}
    if "parent" in call:
        call["parent"] = {**call["parent"], "uuid": f"{call['parent']['uuid']}{suffix}"}
    return happened._replace(key=f"{happened.key}{suffix}", call=CallEntity(call))


REPORTS = [r for r in load_sample_events() if r.call]
MORE = [
    build_platform_event(
        {**load_sample("event-2024-call-live"), "uuid": "ringing", "payload": {"state": "ringing", "duration": 1}}
    ),
    build_platform_event({**load_sample("event-2024-call-live"), "uuid": "strange", "payload": {"state": "on-the-moon"}}),
    build_platform_event(
        {
            "timestamp": "2026-02-19T16:24:55.000Z",
            "type": "call_state",
            "payload": {
                **load_sample("event-2024-call-init")["call"],
                "state": "hangup",
                "hangup_on": "2026-02-19T16:24:55.700Z",
                "q850_cause": 31,
            },
        }
    ),
]
EXPECTED = REPORTS + MORE


def told(store, suffix):
    """All that is told of the calls, without what each example has of its own."""
    found = load_call_story(store, f"{CALL}{suffix}")
    key = [(entry["at"], entry["kind"], entry["state"], entry["raw"].get("uuid", "")) for entry in found["story"]]
    return str(found["call"]).replace(suffix, ""), str(found["legs"]).replace(suffix, ""), sorted(key)


def test_the_story_is_the_same_in_every_order(store):
    write_one_by_one(store, [renamed(r, "#first#") for r in EXPECTED])
    expected = told(store, "#first#")
    assert "'state': 'destroyed'" in expected[0]
    assert "'cause': 16" in expected[0]

    all_of_them = range(len(EXPECTED))

    @given(st.permutations(all_of_them), st.lists(st.sampled_from(all_of_them), max_size=8), st.integers(1, 5))
    def same(order, again, batch):
        suffix = f"#{next(_numbers)}#"
        come = [renamed(EXPECTED[number], suffix) for number in (*order, *again)]
        for some in (come[start : start + batch] for start in range(0, len(come), batch)):
            write_items(store, *some)
        assert told(store, suffix) == expected

    same()


def test_of_a_call_that_is_over_nothing_is_taken_back_by_what_comes_late(store):
    write_items(store, build_platform_event(load_sample("event-2024-call-destroyed")))
    write_items(store, build_platform_event(load_sample("event-2024-call-init")))
    (row,) = list_log_rows(store)
    assert (row["state"], row["seconds"], row["ended"]) == ("destroyed", 10, "2026-02-19T16:24:55.818Z")


def test_a_leg_alone_tells_of_the_call_that_dialled_it(store):
    write_items(store, build_platform_event(load_sample("event-2024-dialled-leg-hangup")))
    (row,) = list_log_rows(store)
    assert (row["id"], row["state"], row["answered"]) == (CALL, "live", "2026-02-19T16:24:47.302Z")


def test_a_state_that_nobody_knows_is_kept_and_gives_way_to_one_that_is_known(store):
    raw = load_sample("event-2024-call-init")
    strange = {**raw, "uuid": "strange", "payload": {"state": "x"}, "call": {"uuid": "c", "direction": "in", "state": "x"}}
    write_items(store, build_platform_event(strange))
    assert [row["state"] for row in list_log_rows(store)] == ["x"]
    write_items(store, build_platform_event({**raw, "call": {**raw["call"], "uuid": "c"}}))
    assert [row["state"] for row in list_log_rows(store)] == ["init"]


def test_a_message_grows_from_created_to_delivered_in_any_order(store, engine):
    sent = load_sample("event-2022-sms-sent")
    created = {**sent, "timestamp": "2026-02-19T17:11:40.1Z", "payload": {**sent["payload"], "state": "created"}}
    undelivered = {**sent, "timestamp": "2026-02-19T17:11:41Z", "payload": {**sent["payload"], "delivered": False}}
    for order in itertools.permutations((created, undelivered, sent)):
        write_one_by_one(store, map(build_platform_event, order))
        with engine.connect() as connection:
            (row,) = connection.exec_driver_sql("SELECT state, delivered, text FROM messages").all()
        assert row == ("4 success", 1, "Sorry we missed your call")


def test_what_a_search_finds_of_what_was_reported_anyway_is_not_told_twice(store):
    step, end = (
        build_platform_event(load_sample("event-2022-call-flow-answer")),
        build_platform_event(load_sample("event-2024-call-destroyed")),
    )
    write_items(store, step, end)
    before = [len(load_call_story(store, one.call.uuid)["story"]) for one in (step, end)]
    name = extract_executed_step(step.raw)["name"]
    write_items(
        store,
        step._replace(
            key="a", occurred_at=step.occurred_at + 0.5, source="search", raw={"payload": {"command": {"name": name}}}
        ),
    )
    write_items(store, end._replace(key="b", occurred_at=end.occurred_at + 90, source="search"))
    assert [len(load_call_story(store, one.call.uuid)["story"]) for one in (step, end)] == before
    write_items(store, step._replace(key="c", source="search", raw={"payload": {"command": {"name": "Other"}}}))
    assert len(load_call_story(store, step.call.uuid)["story"]) == before[0] + 1


def test_what_opentact_executed_is_told_with_the_turn_whose_document_it_was(store):
    document = "<Response><Answer/><Say>Hi.</Say></Response>"
    write_items(
        store,
        build_answered_request(START + 0.1, call=CALL)._replace(document_parts=[document]),
        build_answered_request(START + 60, call=CALL),
    )
    write_items(store, build_platform_event(load_sample("event-2022-call-flow-answer")))
    (step,) = [entry for entry in load_call_story(store, CALL)["story"] if "step" in entry]
    assert (step["step"]["path"], step["turn"]) == ("Answer[0]", 1)


@pytest.mark.parametrize("kind", ["sqlite"])
def test_reports_with_nothing_in_them_that_is_known_are_kept(tmp_path, kind):
    with create_database(kind, tmp_path) as url:
        store = SqlStore(url)
        store.open()
        raw = {
            "type": "\x00new",
            "uuid": "k",
            "created_on": "2026-02-19T16:24:45Z",
            "call": {"uuid": 5, "tn": [], "children": 3, "parent": 7, "records": {}, "init_on": 3, "hangup_on": "soon"},
        }
        write_items(store, build_platform_event(raw))
        write_items(store, build_platform_event({**raw, "uuid": "l", "call": {}, "payload": "\ud800"}))
        assert [entry["kind"] for entry in load_call_story(store, "5")["story"]] == ["new"]
        store.close()


def test_numbers_of_many_calls_stay_apart(store):
    write_items(store, *generate_platform_events(25))
    assert len(list_log_rows(store)) == 5


def test_messages_between_caller_and_number_soon_after_are_told_with_the_call(store):
    write_items(store, *load_sample_events())
    (sent, received) = [entry for entry in load_call_story(store, CALL)["story"] if entry["what"] == "message"]
    assert (sent["text"], sent["state"], sent["delivered"]) == ("Sorry we missed your call", "success", True)
    assert (received["from"], received["text"]) == ("+12015550999", "HOURS")


def test_a_report_without_a_uuid_that_names_nobody_makes_no_call(store):
    write_items(
        store,
        build_platform_event(
            {"type": "call_state", "uuid": "k", "created_on": "2026-02-19T16:24:45Z", "call": {"state": "live"}}
        ),
    )
    assert list_log_rows(store) == []


def test_a_call_that_is_told_without_its_times_is_listed_where_it_was_told(store):
    raw = load_sample("event-2024-dialled-leg-hangup")
    raw["call"]["parent"] = {"uuid": "bare", "from": "+12015550999", "to": "12015550123"}
    write_items(
        store,
        build_platform_event(raw),
        build_answered_request(START - 60, call="before"),
        build_answered_request(START + 60, call="after"),
    )
    assert [row["id"] for row in list_log_rows(store)] == ["after", "bare", "before"]
