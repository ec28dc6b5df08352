"""The HTTP API for operators: its examples are true, and only who may use it does."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI

from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.loader.flow_library import FlowLibrary
from callflows.flows.tickets import TicketSigner
from callflows.journal.api_tokens import create_token, revoke_token
from callflows.journal.inbox import PersonChange
from callflows.journal.journal_queries import JournalQueries
from callflows.journal.journal_rows import build_journal_entries
from callflows.journal.sql_store import SqlStore
from callflows.settings import Settings
from callflows.telephony.call_entity import CallEntity
from callflows.telephony.events import LiveFlowVersion, PlatformEvent
from callflows.telephony.message_entity import MessageEntity
from callflows.web import bounded_bodies
from callflows.web.command_process import CommandProcesses
from callflows.web.flow_workshop import FlowWorkshop
from callflows.web.operator_api import create_operator_router
from callflows.web.problem_details import install_problem_handlers
from callflows.web.request_trust import RequestTrust
from waiting import run_bounded

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
BEGAN = datetime(2026, 11, 23, 14, 2, tzinfo=UTC).timestamp()
FLOW = "numbers: +12015550123\nnodes:\n  start:\n    - say: Hello.\n"
EXAMPLE = re.compile(r"```http\n(?P<request>[^`]*)```\n\n```(?P<language>json|text)\n(?P<answer>.*?)```", re.DOTALL)


def find_examples() -> list[tuple[str, str, str]]:
    return [
        (found["request"].strip(), found["language"], found["answer"])
        for found in EXAMPLE.finditer(PAGE.read_text("utf-8"))
    ]


EXAMPLES = find_examples()


def seed_store(store: SqlStore, version: str) -> None:
    """Write a voicemail of a call, three more calls, and a text."""
    recording = {"uuid": "5c1e-r", "url": "https://records.invalid/5c1e.wav", "duration": 41}
    for number in range(4):
        created, over = (datetime.fromtimestamp(BEGAN + 60 * number + late, UTC).isoformat() for late in (0, 52))
        fields: dict[str, Any] = {"uuid": f"call-{number}", "direction": "in", "from": "+12015550906", "to": "12015550123"}
        fields |= {
            "state": "destroyed",
            "created_on": created,
            "destroy_on": over,
            "records": [] if number else [recording],
        }
        at = BEGAN + 60 * number + 52
        event = PlatformEvent("call_state", f"e{number}", at, {}, "", "destroyed", call=CallEntity(fields))
        store.write_entries(build_journal_entries(event))
    text = {"uuid": "sms-1", "type": "smsi", "from": "+12015550931", "to": "+12015550123", "message": "are you open?"}
    sms = PlatformEvent("sms", "s", BEGAN, {}, "", "success", sms=MessageEntity({**text, "state": "success"}))
    live = LiveFlowVersion("front-desk", version, "front-desk.yaml", FLOW, BEGAN - 60, BEGAN)
    for item in (sms, live):
        store.write_entries(build_journal_entries(item))
    store.derive_calls()


class Api:
    """The API over a seeded journal."""

    def __init__(self, folder: Path, *, needs_token: bool = True, flow: str = FLOW) -> None:
        (folder / "front-desk.yaml").write_text(flow, encoding="utf-8")
        options = CompilerOptions(TicketSigner([b"key"]), "Sorry.")
        library = FlowLibrary(folder, options)
        loaded = library.refresh()
        self.store = SqlStore(f"sqlite:///{folder}/journal.db")
        self.store.open()
        seed_store(self.store, loaded.book.flows["front-desk"].version)
        self.queries = JournalQueries(self.store)
        self.app = FastAPI()
        install_problem_handlers(self.app)
        trust = RequestTrust(Settings(token=["t"] if needs_token else [], data=folder))
        settings = Settings(flows=folder, data=folder, database_url=f"sqlite:///{folder}/journal.db")
        processes = CommandProcesses(settings)
        books = (lambda: library.loaded_flows.book), (lambda: library.refresh().book)
        workshop = FlowWorkshop(folder, options, self.queries, processes, *books)
        router = create_operator_router(
            self.queries, trust, lambda: library.loaded_flows, dict, workshop, needs_token=needs_token
        )
        self.app.router.routes.extend(router.routes)

    def make_token(self, scope: str, until: float | None = None) -> str:
        return self.store.run_writing(create_token, "dashboard", scope, PersonChange("ann", "terminal", time.time()), until)

    def ask(self, request: str, token: str = "", client: str = "127.0.0.1", **headers: str) -> httpx.Response:
        """Send a request written as in the documentation: a line, then an optional body."""
        line, _, body = request.partition("\n\n")
        method, _, path = line.partition(" ")
        sent = {**headers, **({"authorization": f"Bearer {token}"} if token else {})}
        sent |= {"content-type": "application/json"} if body else {}

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, client=(client, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
                return await http.request(method, path, content=body, headers=sent)

        return run_bounded(send())


@pytest.fixture
def api(tmp_path, monkeypatch) -> Iterator[Api]:
    monkeypatch.setattr("callflows.web.flow_workshop.REPLAY_PRIORITY", 0)  # the machine of the tests is busy
    api = Api(tmp_path)
    with contextlib.closing(api.store):
        yield api


@pytest.mark.parametrize(("request_text", "language", "answer"), EXAMPLES, ids=lambda text: text.partition("\n")[0][:60])
def test_the_examples_of_the_documentation_are_true(api, request_text, language, answer):
    reply = api.ask(request_text, api.make_token("author"))
    told = reply.json() if language == "json" else reply.text
    expected = json.loads(answer) if language == "json" else answer
    if "seconds" in told and "groups" in told:
        told |= {"seconds": expected["seconds"]}
    if "by" in told:
        told |= {"at": expected["at"]}
    assert told == expected


def test_the_documentation_has_an_example_of_every_list():
    assert len(EXAMPLES) >= 8


def test_pages_follow_each_other_without_a_gap_or_a_repetition(api):
    token, seen, cursor = api.make_token("read"), [], ""
    while cursor is not None:
        page = api.ask(f"GET /api/v1/calls?limit=1&cursor={cursor}", token).json()
        seen += [row["id"] for row in page["items"]]
        cursor = page["next"]
    assert seen == ["call-3", "call-2", "call-1", "call-0"]
    assert 'rel="next"' in api.ask("GET /api/v1/calls.csv?limit=3", token).headers["link"]


@pytest.mark.parametrize(
    ("scope", "request_text", "status"),
    [
        ("read", "GET /api/v1/calls", 200),
        ("read", 'PUT /api/v1/voicemails/5c1e-r/handled\n\n{"handled": true}', 403),
        ("operate", 'PUT /api/v1/voicemails/5c1e-r/handled\n\n{"handled": true}', 200),
        ("author", 'POST /api/v1/calls/call-1/notes\n\n{"text": "x"}', 201),
        ("author", 'POST /api/v1/calls/nothing/notes\n\n{"text": "x"}', 404),
        ("author", 'POST /api/v1/calls/call-1/notes\n\n{"text": "  "}', 400),
        ("author", 'POST /api/v1/calls/call-1/notes\n\n{"words": "x"}', 400),
        ("read", "GET /api/v1/calls?cursor=x", 400),
        ("read", "GET /api/v1/calls?since=yesterday", 400),
        ("read", "GET /api/v1/messages?direction=up", 400),
        ("read", "GET /api/v1/calls?number=201-555-0123", 400),
        ("read", "GET /api/v1/flows/nothing", 404),
        ("read", "GET /api/v1/nothing", 404),
    ],
)
def test_a_token_may_do_what_its_scope_says_and_errors_are_problem_details(api, scope, request_text, status):
    reply = api.ask(request_text, api.make_token(scope))
    assert reply.status_code == status
    assert (reply.headers["content-type"] == "application/problem+json") == (status >= 400)


def test_without_a_valid_token_nothing_is_told(api):
    token = api.make_token("author")
    assert [api.ask("GET /api/v1/calls", wrong).status_code for wrong in ("", "t", f"{token}x", token[:-1])] == [401] * 4
    assert api.ask("GET /api/v1/calls", api.make_token("read", time.time() - 1)).status_code == 401
    assert api.store.run_writing(revoke_token, token.split("_")[1], PersonChange("ann", "terminal", time.time()))
    reply = api.ask("GET /api/v1/calls", token)
    assert (reply.status_code, reply.headers["www-authenticate"]) == (401, "Bearer")


def test_the_database_has_no_token(api, tmp_path):
    secret = api.make_token("read").split("_", 2)[2]
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.db")) as database:
        assert secret not in "".join(database.iterdump())


def test_where_nothing_has_a_token_only_this_machine_is_answered_and_no_page_of_another_site(tmp_path):
    api = Api(tmp_path, needs_token=False)
    with contextlib.closing(api.store):
        assert api.ask("GET /api/v1/calls").status_code == 200
        assert api.ask("GET /api/v1/calls", client="203.0.113.9").status_code == 401
        note = 'POST /api/v1/calls/call-1/notes\n\n{"text": "x"}'
        assert api.ask(note, **{"sec-fetch-site": "cross-site"}).status_code == 403


def test_a_change_is_in_the_audit_log_with_its_origin(api, tmp_path):
    api.ask('PUT /api/v1/messages/sms-1/handled\n\n{"handled": true}', api.make_token("operate"))
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.db")) as database:
        rows = database.execute("SELECT who, origin, action, key, before, after FROM audit WHERE action = 'handled'")
        assert rows.fetchall() == [("dashboard", "127.0.0.1", "handled", "message sms-1", "new", "handled")]


def test_an_outage_of_the_database_is_told_as_such(api, tmp_path):
    token = api.make_token("read")
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.db")) as database:
        database.execute("DROP TABLE tokens")
    assert api.ask("GET /api/v1/calls", token).status_code == 503


def test_a_body_that_is_too_long_or_never_comes_is_refused(api, monkeypatch):
    monkeypatch.setattr(bounded_bodies, "MAX_API_BODY_BYTES", 100)
    monkeypatch.setattr(bounded_bodies, "BODY_SECONDS", 0.05)
    token = api.make_token("operate")
    request = "POST /api/v1/calls/call-1/notes\n\n"
    assert api.ask(request + json.dumps({"text": "a" * 100}), token).status_code == 413
    assert api.ask(request + json.dumps({"text": "Fine."}), token).status_code == 201
    sent = []

    async def receive() -> dict[str, object]:
        if len(sent) > 1:
            await asyncio.sleep(60)
        sent.append(1)
        return {"type": "http.request", "body": b" ", "more_body": True}

    answers = []

    async def send(message) -> None:
        answers.append(message)

    headers = [(b"authorization", f"Bearer {token}".encode())]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/calls/call-1/notes",
        "headers": headers,
        "query_string": b"",
    }
    run_bounded(api.app({**scope, "client": ("127.0.0.1", 1)}, receive, send))
    assert answers[0]["status"] == 408


def test_the_body_of_a_stranger_is_not_read(api):
    async def receive() -> dict[str, object]:
        raise AssertionError("it was read")

    answers = []

    async def send(message) -> None:
        answers.append(message)

    scope = {"type": "http", "method": "POST", "path": "/api/v1/replay", "headers": [], "query_string": b""}
    run_bounded(api.app({**scope, "client": ("192.0.2.1", 1)}, receive, send))
    assert answers[0]["status"] == 401
