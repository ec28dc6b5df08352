"""A whole installation in a thread of the test: a stand-in for Opentact, our server beside it, and calls that were made."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pydantic import SecretStr

from callflows.installation_parts import load_secret_keys
from callflows.outbound_http import get_tls_context
from callflows.server import create_app
from callflows.settings import Settings
from callflows.web.console.console_accounts import ConsoleAccounts, write_console_user
from callflows.web.console.console_sessions import SessionSigner

sys.path.insert(0, str(Path(__file__).parents[1] / "rehearsal"))
sys.path.insert(0, str(Path(__file__).parents[1] / "journal"))
from stand_in_harness import NUMBER, TOKEN, run_harness, serve_app
from temporary_databases import DATABASE_KINDS, create_database, explain_unreachable

from waiting import wait_until_async

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from stand_in_harness import StandInHarness

__all__ = ["DATABASE_KINDS"]
PASSWORD = "correct horse battery"  # noqa: S105 - of a server that lives for a test
CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
"""Options of the browser: it asks no other machine for anything of its own."""
HOSTILE_NAME = '"><img src=x onerror=alert(1)><script>alert(2)</script>'
DESK = """\
# The front desk of Acme.
numbers: [+12015550123]
timezone: America/New_York
voice: {lang: en-US, gender: FEMALE}

hours:
  office: {mon-sun: 00:00-24:00}
  night: {mon: 03:00-03:05}

nodes:
  start:
    - when: not hours.office.open
      goto: closed
    - say: Welcome to Acme{% if caller.name %}, {{ caller.name }}{% endif %}.
    - goto: menu
  menu:
    - menu:
        prompt: For sales press 1. For support press 2. To leave a message press 0.
        keys: {1: sales, 2: support, 0: message}
        no_input: I did not hear a key.
        attempts: 2
        otherwise: message
  sales:
    - say: One moment, I am connecting you to sales.
    - dial: {to: [+12015550188], timeout: 25s, no_answer: message}
  support:
    - say: One moment, I am looking for somebody in support.
    - dial: {to: [+12015550190], timeout: 15s, no_answer: message}
  closed:
    - say: We are closed. We open {{ hours.office.next_opening | spoken }}.
    - goto: message
  message:
    - voicemail:
        greeting: Please leave a message after the tone, and press hash when you are done.
        max: 2m
        thanks: Thank you. We will call you back.

fallback:
  - say: We are sorry, we cannot take your call right now. Please try again later.

messages:
  - keyword: hours
    reply: We open at nine.
  - reply: Thank you, we have got your message.

tests:
  - name: a caller reaches sales
    keys: 1
    expect: [nodes: [start, menu, sales]]
"""
CALLS = (
    {"from": "+12015550902", "name": "Ann Lee", "keys": "1", "callee": "answer"},
    {"from": "+12015550906", "name": "Bo Chen", "keys": "2,#", "callee": "no-answer"},
    {"from": "+12015550931", "keys": "0,#"},
    {"from": "anonymous", "keys": "2", "callee": "answer"},
    {"from": "+12015550944", "name": "Dana Fox", "keys": "1,#", "callee": "busy"},
    {"from": "+442079460018", "keys": "1", "callee": "answer"},
    {"from": "+12015550999", "name": HOSTILE_NAME, "keys": "0,#"},
)
"""Calls that are over before a test begins; the newest is the last."""


@functools.cache
def _make_people() -> str:
    """The file of people, made once: the hash of a password takes a fifth of a second."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "people"
        for name, role in (("vera", "viewer"), ("olga", "operator"), ("ann", "author")):
            write_console_user(file, name, role, PASSWORD)
        return file.read_text(encoding="utf-8")


class ConsoleWorld:
    """A server with a console, which runs until the test has ended."""

    def __init__(self, folder: Path, flow: str = DESK, *, pace: float = 300.0, database_url: str = "") -> None:
        self.folder = folder
        self.url = ""
        self.settings = Settings(_env_file=None)
        self._flow = flow
        self._pace = pace
        self._database_url = database_url
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stop: asyncio.Event | None = None
        self._failure: BaseException | None = None
        self._stand_in: StandInHarness | None = None
        self._thread = threading.Thread(target=self._run, name="world", daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(60), "the world did not begin"
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        if self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)

    def ring(self, **call: Any) -> None:
        """Make a call, and wait until it is over."""
        self._do(self._get_stand_in().ring_and_wait(**call))

    def begin_call(self, **call: Any) -> str:
        """Begin a call; the console sees it come and go."""
        return str(self._do(self._get_stand_in().start_call(**call)))

    def sign_cookie(self, name: str) -> str:
        """Return the cookie of a session, as after a sign-in; attempts to sign in are limited."""
        accounts = ConsoleAccounts(PASSWORD, self.settings.console_users_file)
        user = accounts.find_user(name)
        assert user is not None
        return SessionSigner(load_secret_keys(self.settings)).sign_session(user)

    def send_text(self, sender: str, text: str) -> None:
        body = {"from": sender, "to": NUMBER, "message": text}
        self._do(self._get_stand_in().request_control("POST", "/messages", body))

    def _get_stand_in(self) -> StandInHarness:
        assert self._stand_in is not None
        return self._stand_in

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._live())
        except BaseException as error:  # noqa: BLE001 - given to the test
            self._failure = error
            self._ready.set()

    async def _live(self) -> None:
        flows = self.folder / "flows"
        flows.mkdir()
        (flows / "front-desk.yaml").write_text(self._flow, encoding="utf-8")
        users = self.folder / "people"
        users.write_text(_make_people(), encoding="utf-8")
        self._stop = asyncio.Event()
        async with run_harness(number="", pace=self._pace, seed="console", envelope="2022") as stand_in:
            self.settings = Settings(
                _env_file=None,
                flows=flows,
                data=self.folder / "data",
                opentact_token=SecretStr(TOKEN),
                opentact_url=stand_in.server.rest_url,
                opentact_events_url=stand_in.events_url,
                console_password=SecretStr(PASSWORD),
                console_users=users,
                database_url=SecretStr(self._database_url),
            )
            async with serve_app(create_app(self.settings)) as self.url:
                self._stand_in = stand_in
                await self._lease_number()
                await self._await_events()
                self._ready.set()
                await self._stop.wait()

    async def _lease_number(self) -> None:
        stand_in = self._get_stand_in()
        products = await stand_in.request_payload("GET", "/sip/product")
        app = {
            "name": "desk",
            "is_active": True,
            "product": products[0].get("id") or products[0]["uuid"],
            "class4_ingress_trunk_settings": {},
            "class4_egress_trunk_settings": {},
            "call_flow_url": f"{self.url}/call",
            "call_flow_method": "POST",
        }
        made = await stand_in.request_payload("POST", "/sip/app", app)
        item = {"tn": int(NUMBER[1:]), "features": ["voice", "sms"]}
        await stand_in.request_payload("POST", "/order", {"items": [item]})
        rows = await stand_in.search_rows("/lease/tn/search", take=100)
        await stand_in.request_payload("POST", f"/sip/app/{made['uuid']}/tnlease", {"add": [rows[0]["uuid"]]})

    async def _await_events(self) -> None:
        async def is_connected() -> Any:
            reply = await self._get_stand_in().http.get(f"{self.url}/readyz")
            return reply.json()["events"].get("connected")

        await wait_until_async(is_connected, "the event connection", interval=0.02)


@contextlib.contextmanager
def create_console_database(kind: str, folder: Path) -> Iterator[str]:
    """Yield the URL of an empty database for a console, empty for that in the folder of its data; skip if there is none."""
    if kind == "sqlite":
        yield ""
        return
    if reason := explain_unreachable():
        pytest.skip(reason)
    with create_database(kind, folder) as url:
        yield url


@contextlib.contextmanager
def open_world(folder: Path, *, has_calls: bool = True, database_url: str = "") -> Iterator[ConsoleWorld]:
    """Run a world; with calls and a text that are over and stored."""
    world = ConsoleWorld(folder, database_url=database_url)
    world.start()
    try:
        if has_calls:
            for call in CALLS:
                world.ring(**call)
            world.send_text("+12015550931", "Are you open on Sunday?")
            await_stored_calls(world, len(CALLS))
        yield world
    finally:
        world.stop()


def await_stored_calls(world: ConsoleWorld, count: int) -> None:
    """Wait until calls are stored with their endings and reasons; asked by addresses that need no token on this machine.

    While answering is busy, the journal writes events first: a call may be over before its last turns are written.
    """
    for _ in range(400):
        items = httpx.get(f"{world.url}/api/v1/calls", trust_env=False, verify=get_tls_context()).json()["items"]
        journal = httpx.get(f"{world.url}/readyz", trust_env=False, verify=get_tls_context()).json()["journal"]
        are_over = len(items) >= count and all(item["outcome"] != "ongoing" for item in items)
        if are_over and not journal["waiting"] and not journal["spooled_bytes"]:
            return
        time.sleep(0.05)
    raise AssertionError((items, journal))
