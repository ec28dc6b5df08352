"""All 250 of 250 rows are read, whichever way Opentact reads take and skip; rows that are missing are an error."""

from __future__ import annotations

from datetime import timedelta

import pytest
from fake_opentact import NOW, run_with_platform, success_answer
from table_server import TableServer

from callflows.errors import OpentactResponseError
from callflows.opentact.backfill import EventBackfill
from callflows.setup.connect.current_setup import fetch_current_setup

AT = NOW.isoformat().replace("+00:00", "Z")
NUMBERS = [{"uuid": f"lease-{index}", "tn": {"tn": 12015550000 + index}} for index in range(250)]
ORDERABLE = [{"tn": 12015550000 + index} for index in range(250)]
MESSAGES = [
    {"uuid": f"message-{index}", "type": "smsi", "from": "12015550999", "to": "12015550123", "message": "Hi"}
    | {"state": "success", "created_on": AT}
    for index in range(250)
]
CALLS = [
    {"uuid": f"call-{index}", "direction": "in", "from": "+12015550999", "to": "12015550123", "state": "destroyed"}
    | {"created_on": AT}
    for index in range(250)
]


@pytest.fixture(params=["query", "body", "both"])
def server(request):
    server = TableServer(request.param)
    server.routes["GET /sip/app"] = server.routes["GET /sip/app/call/online"] = success_answer([])
    server.rows = {"/lease/tn/search": NUMBERS, "/sms/search": MESSAGES, "/call/search": CALLS, "/tn/search": ORDERABLE}
    return server


def test_connect_and_doctor_see_every_number(server):
    current = run_with_platform(server, lambda opentact: fetch_current_setup(opentact, with_profiles=False))
    assert [lease.uuid for lease in current.leases] == [row["uuid"] for row in NUMBERS]


def test_every_missed_call_and_message_is_found(server):
    async def find(opentact):
        return [event async for event in EventBackfill(opentact)(NOW - timedelta(minutes=5), NOW + timedelta(minutes=5))]

    events = run_with_platform(server, find)
    assert {event.call_uuid for event in events if event.kind == "call_state"} == {row["uuid"] for row in CALLS}
    assert len({event.key for event in events if event.kind == "sms"}) == 250


def test_every_number_that_can_be_ordered_is_found(server):
    async def find(opentact):
        return [number.number async for number in opentact.numbers.search_available(take=30)]

    assert len(set(run_with_platform(server, find))) == 250


def run_search(server):
    async def find(opentact):
        return [lease async for lease in opentact.numbers.search_leases()]

    return run_with_platform(server, find)


def test_a_page_that_comes_again_before_the_total_is_an_error_that_says_so():
    server = TableServer()
    server.routes["POST /lease/tn/search"] = success_answer({"total": 250, "data": NUMBERS[:100]})
    with pytest.raises(OpentactResponseError, match="reports 250 rows, but after 100 of them a page came again"):
        run_search(server)
    assert server.count_requests("POST /lease/tn/search") == 2


def test_an_empty_page_before_the_total_is_an_error_that_says_so():
    server = TableServer()
    pages = [success_answer({"total": 250, "data": rows}) for rows in (NUMBERS[:100], [])]
    server.routes["POST /lease/tn/search"] = pages
    with pytest.raises(OpentactResponseError, match="after 100 of them the next page is empty"):
        run_search(server)
