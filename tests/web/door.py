"""The server in process, asked as Opentact asks it."""

from __future__ import annotations

import asyncio
import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import httpx
from pydantic import SecretStr

from app.flows.compiler import Options
from app.flows.loader import load
from app.flows.screening.callers import CountsInMemory
from app.flows.shelf import Shelf
from app.flows.tickets import Signer
from app.flows.workshop import Workshop, work
from app.language import Say, from_xml
from app.language.element import paths
from app.outside import Effect, Found, Lookup
from app.settings import Settings
from app.web.answering import Answering
from app.web.engine import Engine
from app.web.log import line_of, log_to
from app.web.requests import Trust
from app.web.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from app.answered import Answered
    from app.language import Response

SAMPLES = Path(__file__).parents[1] / "samples"
KEY = "a key of the tests"
HERE = "127.0.0.1"
OPENTACT = "72.21.26.35"
CALL = {"from": "+12015550999", "to": "12015550123"}
MONDAY = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
"""Ten o'clock in New York."""

DESK = """
numbers: +12015550123
timezone: America/New_York
nodes:
  start:
    - say: Hello {{ caller.name }} from {{ caller.number }}.
    - goto: menu
  menu:
    - menu: {prompt: Press 1., keys: {1: menu, 2: end}, attempts: 1, otherwise: end}
  end:
    - say: Goodbye {{ caller.national }}.
fallback:
  - say: The desk is sorry.
"""
"""A flow that comes back to us."""


def settings(**given: Any) -> Settings:
    """The settings of a test, whatever the environment says."""
    for name in ("token", "secret_keys"):
        if name in given:
            given[name] = tuple(SecretStr(secret) for secret in given[name])
    return Settings(_env_file=None, **{"secret_keys": (SecretStr(KEY),), **given})


class Outside:
    """The world, as a test has it: lookups are answered by URL, effects are written down."""

    def __init__(self) -> None:
        self.found: dict[str, Found] = {}
        self.asked: list[Lookup] = []
        self.caused: list[Effect] = []

    async def lookup(self, asked: Lookup) -> Found:
        self.asked.append(asked)
        return self.found.get(asked.url, Found(None, ok=False, reason="nobody answers"))

    def cause(self, effect: Effect) -> None:
        self.caused.append(effect)


class Within:
    """Workers' work in this process: what they do is tested with theirs."""

    counts: ClassVar[dict[str, int]] = {}

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    async def ask(self, request: bytes, _deadline: float, _lane: str) -> bytes:
        return await work(request)


class Door:
    """A server with these flows, put together as ``create_app`` does, with a clock and an ear at its log."""

    def __init__(
        self,
        folder: Path,
        flows: Mapping[str, str] | str = DESK,
        *,
        clock: Callable[[], datetime] | None = None,
        deadline: float = 2.0,
        remember: Callable[[Answered], None] | None = None,
        **given: Any,
    ) -> None:
        for name, text in ({"desk": flows} if isinstance(flows, str) else flows).items():
            (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
        self.folder = folder
        self.settings = settings(flows=folder, **given)
        self.log = io.StringIO()
        log_to(self.log, "json")
        self.signer = Signer([key.get_secret_value().encode() for key in self.settings.secret_keys])
        self.shelf = Shelf(self.loaded().book)
        self.tally = Tally(line_of("json"), self.log)
        self.outside = Outside()
        self.engine = Engine(
            shelf=self.shelf,
            signer=self.signer,
            tally=self.tally,
            apology=self.settings.apology,
            dialect=self.settings.dialect,
            deadline=deadline,
            workshop=Workshop(self.outside, Within()),
            outside=self.outside,
            counts=CountsInMemory(),
            clock=clock,
            remember=remember,
        )
        self.app = Answering(_nothing_else, self.engine, Trust(self.settings))

    def loaded(self) -> Any:
        """The folder's flows; a test that has wrong ones by mistake fails here."""
        loaded = load(self.folder, Options(self.signer, self.settings.apology, self.settings.dialect))
        assert not loaded.broken, loaded.problems
        return loaded

    def ask(self, path: str = "/call", *, method: str = "GET", client: str = HERE, **more: Any) -> httpx.Response:
        """One request; of a call to the desk unless ``params`` or the path say something else."""
        if path == "/call":
            more = {"params": CALL, **more}
        return asked(self.app, path, method=method, client=client, **more)

    def call(self, **fields: str) -> Response:
        """The document for a call with these fields."""
        return document(self.ask(params={**CALL, **fields}))

    def lines(self) -> list[dict[str, Any]]:
        """The log until now."""
        self.tally.flush()
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


async def _nothing_else(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def asked(app: Any, path: str, *, method: str = "GET", client: str = HERE, **more: Any) -> httpx.Response:
    """One request to an ASGI app."""
    return asyncio.run(_asked(app, path, method, client, more))


async def _asked(app: Any, path: str, method: str, client: str, more: dict[str, Any]) -> httpx.Response:
    transport = httpx.ASGITransport(app=app, client=(client, 40000))
    async with httpx.AsyncClient(transport=transport, base_url="http://flows.test", trust_env=False) as http:
        return await http.request(method, path, **more)


def raw(
    app: Any, receive: Callable[[], Awaitable[Mapping[str, Any]]] | None = None, **scope: Any
) -> tuple[int, dict[str, str], bytes]:
    """One request given as ASGI itself: its status, headers and body."""
    sent: list[Mapping[str, Any]] = []

    async def nothing() -> Mapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    whole = {
        "type": "http",
        "method": "GET",
        "path": "/call",
        "query_string": b"from=%2B12015550999&to=12015550123",
        "headers": [(b"host", b"flows.test")],
        "client": (HERE, 40000),
        "server": ("127.0.0.1", 8000),
        "scheme": "http",
        **scope,
    }
    asyncio.run(app(whole, receive or nothing, send))
    start, *parts = sent
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], headers, b"".join(part["body"] for part in parts)


def document(reply: httpx.Response) -> Response:
    """What Opentact reads; a test whose answer is not valid to the letter fails here."""
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == "application/xml; charset=utf-8"
    assert int(reply.headers["content-length"]) == len(reply.content)
    return from_xml(reply.content)


def says(response: Response) -> list[str]:
    """All that a document speaks, in order."""
    return [str(verb.attributes["text"]) for _, verb in paths(response) if isinstance(verb, Say)]


def urls(reply: httpx.Response) -> list[str]:
    """The URLs of a document that lead back to us."""
    return [url.replace("&amp;", "&") for url in re.findall(r'url="([^"]*/call/[^"]*)"', reply.text)]


def is_apology(reply: httpx.Response) -> bool:
    """Whether an answer is the built-in document."""
    return [*says(document(reply))] == ["We are sorry, your call cannot be taken right now. Please try again later."]


def is_fallback(reply: httpx.Response) -> bool:
    """Whether an answer is the desk's own fallback."""
    return says(document(reply)) == ["The desk is sorry."]
