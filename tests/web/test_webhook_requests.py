"""Webhooks of Opentact are stored before they are acknowledged."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime

import httpx
import pytest
from fastapi import FastAPI
from in_process_server import LOCAL_ADDRESS, SAMPLES, build_settings

from callflows.errors import JournalError
from callflows.journal.call_story import build_call_log_row
from callflows.journal.sql_store import SqlStore
from callflows.journal.stored_rows import CallFilter
from callflows.server import create_app
from callflows.web.request_trust import RequestTrust
from callflows.web.webhook_routes import create_webhook_router
from each_case import each_case
from waiting import run_bounded

CALL = json.loads((SAMPLES / "call.json").read_text())


class Written:
    """Takes what happened, or cannot."""

    def __init__(self, *, broken=False):
        self.reports = []
        self.broken = broken

    async def __call__(self, *reports):
        if self.broken:
            raise JournalError("the disk is full")
        self.reports += reports


def told(written, path, *, method="POST", client=LOCAL_ADDRESS, token=(), **more):
    app = FastAPI()
    app.include_router(create_webhook_router(RequestTrust(build_settings(token=token)), written, body_seconds=2.0))

    async def ask():
        transport = httpx.ASGITransport(app=app, client=(client, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://flows.localhost") as http:
            return await http.request(method, path, **more)

    return run_bounded(ask())


@contextlib.asynccontextmanager
async def served(folder):
    """Asks a whole server, until it ends."""
    app = create_app(build_settings(flows=folder, data=folder / "data"))
    async with app._other_app.router.lifespan_context(app._other_app):  # noqa: SLF001 - as uvicorn does
        transport = httpx.ASGITransport(app=app, client=(LOCAL_ADDRESS, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://flows.localhost") as http:
            yield http


def test_a_state_comes_by_post_with_the_whole_call():
    written = Written()
    reply = told(written, "/webhook?state=live&from=%2B12015550999&to=12015550123", json=CALL)
    assert (reply.status_code, reply.json()) == (200, {"success": True})
    (report,) = written.reports
    assert (report.kind, report.state, report.source) == ("call_state", "live", "webhook")
    assert report.call.uuid == CALL["uuid"]


@pytest.mark.parametrize(
    ("state", "told_of", "at"),
    [
        ("live", {"answer_on": "2026-02-19T16:24:50Z"}, "2026-02-19T16:24:50+00:00"),
        ("hangup", {"modified_on": "2026-02-19T16:25:00Z"}, "now"),
        ("init", {}, "2026-02-19T16:24:45+00:00"),
        ("hangup", {}, "now"),
    ],
    ids=["its own moment", "its last change, which is none of its states", "when it was made", "not told"],
)
def test_a_state_happened_when_the_call_says_so_else_when_it_is_told(state, told_of, at):
    written = Written()
    made = "2026-02-19T16:24:45Z"
    call = {"uuid": "c", "direction": "in", "created_on": made, "modified_on": made, **told_of}
    for _ in range(2):
        told(written, f"/webhook?state={state}", json=call)
    first, again = written.reports
    assert (first.key, first.message) == (again.key, f"call_state {state} by webhook")
    found = datetime.fromtimestamp(first.occurred_at, UTC)
    assert found.isoformat() == at if at != "now" else found > datetime(2026, 3, 1, tzinfo=UTC)


def test_a_state_comes_by_get_with_nothing_but_numbers():
    written = Written()
    assert told(written, "/webhook?state=hangup&from=%2B12015550999&to=12015550123", method="GET").status_code == 200
    (report,) = written.reports
    assert (report.state, report.call.from_, report.call.to) == ("hangup", "+12015550999", "12015550123")


@pytest.mark.parametrize("form", ["json", "form", "multipart", "files", "query"])
def test_a_message_comes_as_json_form_or_query(form):
    written = Written()
    said = {"state": "success", "from": "+12015550999", "to": "12015550123", "message": "When are you open?"}
    parts = {name: (None, value) for name, value in said.items()}
    files = {name: (f"{name}.txt", value) for name, value in said.items()}
    forms = {"json": {"json": said}, "form": {"data": said}, "query": {"params": said}}
    more = (forms | {"multipart": {"files": parts}, "files": {"files": files}})[form]
    assert told(written, "/sms", **more).status_code == 200
    (report,) = written.reports
    assert report.kind == "sms"
    assert {name: report.sms.raw[name] for name in said} == said


def test_an_event_in_its_envelope_is_taken_as_it_is():
    written = Written()
    event = {
        "timestamp": "2026-11-23T15:00:00Z",
        "type": "sms",
        "message": "SMS",
        "payload": {"uuid": "m1", "message": "Hi"},
    }
    assert told(written, "/sms", json=event).status_code == 200
    assert written.reports[0].sms.uuid == "m1"


def test_a_delivery_report_is_a_state_of_its_message():
    written = Written()
    reply = told(written, "/sms", json=json.loads((SAMPLES / "delivery-report.json").read_text()))
    assert reply.status_code == 200
    (report,) = written.reports
    assert (report.kind, report.state, report.source) == ("sms", "success", "webhook")
    assert (report.sms.direction, report.sms.delivered, report.sms.from_) == ("out", True, "+13125550168")


def test_an_event_in_a_form_has_its_payload_as_json():
    written = Written()
    parts = {"type": (None, "sms"), "uuid": (None, "e1"), "payload": (None, json.dumps({"uuid": "m1", "message": "{1}"}))}
    assert told(written, "/sms", files=parts).status_code == 200
    assert (written.reports[0].key, written.reports[0].sms.text) == ("e1", "{1}")


def test_a_list_is_its_envelopes_and_entities_in_order():
    written = Written()
    balance = {"timestamp": "2026-11-23T15:00:00Z", "type": "balance", "payload": 12.5}
    new = {"uuid": "e1", "created_on": "2026-11-23T15:00:00Z", "type": "call_state", "call": CALL}
    assert told(written, "/webhook?state=live", json=[new, balance, {**CALL, "state": "hangup"}]).status_code == 200
    assert [(report.kind, report.state) for report in written.reports] == [
        ("call_state", CALL["state"]),
        ("balance", ""),
        ("call_state", "hangup"),
    ]
    assert told(Written(broken=True), "/webhook", json=[new, balance]).status_code == 503


def test_the_same_report_has_the_same_key_however_often_it_comes():
    written = Written()
    for _ in range(2):
        told(written, "/webhook?state=live", json=CALL)
        told(written, "/sms", json={"state": "success", "from": "1", "to": "2", "message": "Hi"})
    assert len({report.key for report in written.reports}) == 2


def test_what_is_not_written_is_not_acknowledged():
    reply = told(Written(broken=True), "/sms", json={"message": "Hi"})
    assert reply.status_code == 503
    assert reply.headers["content-type"] == "application/problem+json"
    assert int(reply.headers["retry-after"]) > 0


@pytest.mark.parametrize("path", ["/webhook", "/sms"])
def test_strangers_are_refused(path):
    written = Written()
    refused = [
        told(written, path, json={"state": "live"}, token=("sesame",)),
        told(written, f"{path}?token=wrong", json={"state": "live"}, token=("sesame",)),
        told(written, path, json={"state": "live"}, client="203.0.113.9"),
    ]
    assert [reply.status_code for reply in refused] == [403, 403, 403]
    assert told(written, f"{path}?token=sesame", json={"state": "live"}, token=("sesame",)).status_code == 200
    assert "sesame" not in json.dumps(written.reports[0].raw)


@each_case(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b"[{}, 1]", 400),
        (b"[" + b"{}," * 1000 + b"{}]", 413),
        (b'"x"', 400),
        (b"", 400),
        (b"[" * 100_000, 400),
        (b"x" * 300_000, 413),
    ],
)
def test_what_cannot_be_read_is_said(body, status):
    reply = told(Written(), "/webhook", content=body)
    assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json")


@pytest.mark.parametrize("form", ["multipart/form-data", "multipart/form-data; boundary=x"])
def test_a_form_that_cannot_be_read_is_said(form):
    reply = told(Written(), "/webhook", content=b"--y nonsense", headers={"content-type": form})
    assert (reply.status_code, reply.headers["content-type"]) == (400, "application/problem+json")


def test_json_that_is_cut_off_is_no_form():
    written = Written()
    assert told(written, "/webhook", content=b'{"uuid": "x", "url": "http://a?b=c"').status_code == 400
    assert written.reports == []


def test_what_was_acknowledged_is_in_the_call_log(tmp_path):
    async def run():
        async with served(tmp_path) as http:
            replies = [await http.post(f"/webhook?state={state}", json=CALL) for state in ("live", "hangup", "ringing")]
        return [reply.status_code for reply in replies]

    assert run_bounded(run()) == [200, 200, 200]

    store = SqlStore(f"sqlite:///{tmp_path}/data/callflows.db")
    store.open()
    (row,) = map(build_call_log_row, store.list_calls(CallFilter()))
    store.close()
    assert (row["id"], row["state"]) == (CALL["uuid"], "hangup")


def test_two_calls_that_tell_nothing_but_numbers_are_two_when_they_are_minutes_apart(monkeypatch):
    written = Written()
    for minute in (0, 5):
        told_at = datetime(2026, 11, 23, 15, minute, tzinfo=UTC)
        monkeypatch.setattr(
            "callflows.web.webhook_routes.datetime", type("Then", (), {"now": staticmethod(lambda _zone, at=told_at: at)})
        )
        for _ in range(2):
            told(written, "/webhook?state=live&from=%2B12015550999&to=12015550123", method="GET")
    assert len({report.key for report in written.reports}) == 2


@pytest.mark.parametrize(
    "odd",
    [
        {"duration": 1e300},
        {"duration": 2**70},
        {"created_on": "0001-01-01T00:00:00+05:00"},
        {"init_on": "9999-12-31T23:59:59-05:00"},
        {"from": ["a"], "to": {"b": 1}, "tn": "x"},
        {"state": 7, "records": "none", "children": [1, None]},
    ],
    ids=str,
)
def test_an_odd_report_is_taken_and_keeps_no_other_from_being_written(odd, tmp_path):
    async def run():
        async with served(tmp_path) as http:
            strange = {"uuid": "odd", "direction": "in", "state": "live", **odd}
            return [(await http.post("/webhook", content=json.dumps(body))).status_code for body in (strange, CALL)]

    assert run_bounded(run()) == [200, 200]
