"""A small Opentact on this machine, REST and events, that also does the worst a platform can do."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from websockets.asyncio.server import serve

from app.opentact import Opentact
from app.opentact.pace import Pace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

SAMPLES = Path(__file__).parents[1] / "samples"
TOKEN = "an-api-token-0001"  # noqa: S105 - of a platform that is none
EMAIL, PASSWORD = "desk@example.org", "s3same-open"
NOW = datetime(2026, 3, 5, 16, 30, tzinfo=UTC)
FOR_EVER = 1000.0


def sample(name: str) -> dict[str, Any]:
    return json.loads((SAMPLES / "events" / f"{name}.json").read_text(encoding="utf-8"))


AUTHENTICATED = sample("2024-auth-success")
REFUSED = {**AUTHENTICATED, "uuid": "no", "message": "WSS connection x@198.51.100.23 - failed auth", "payload": {}}


@dataclasses.dataclass
class Asked:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw) if self.raw else None


@dataclasses.dataclass
class Answer:
    body: bytes | str = b""
    status: int = 200
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    hangs: bool = False
    breaks: bool = False


def fine(payload: Any = None, status: int = 200) -> Answer:
    return Answer(json.dumps({"success": True, "payload": payload}), status)


def wrong(status: int, message: str = "no", http: int | None = None, **rest: Any) -> Answer:
    body = {"success": False, "message": message, "status": status, **rest}
    return Answer(json.dumps(body), http or status)


class Platform:
    """``routes`` answer by ``METHOD /path``: an answer, several one after the other (the last for ever), or a function.

    ``sessions`` are what happens on the websocket's connections, one after the other, the last for ever.
    """

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.routes: dict[str, Any] = {}
        self.jwts = 0
        self.accepts = lambda token: token == TOKEN
        self.sessions: list[Callable[..., Coroutine[Any, Any, None]]] = [welcoming()]
        self.connections = 0
        self.shown: list[Any] = []
        self.port = 0
        self.events_port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/rest"

    @property
    def events_url(self) -> str:
        return f"ws://127.0.0.1:{self.events_port}/wss"

    def count(self, request: str) -> int:
        return sum(f"{asked.method} {asked.path}" == request for asked in self.asked)

    def bodies(self, request: str) -> list[Any]:
        return [asked.body for asked in self.asked if f"{asked.method} {asked.path}" == request]

    def only(self, token: str = TOKEN) -> None:
        """Accept this token and the newest JWT."""
        self.accepts = lambda shown: shown in {token, f"jwt.{self.jwts}.sig"}

    def answer(self, asked: Asked) -> Answer:
        request = f"{asked.method} {asked.path}"
        if request in self.routes:
            route = self.routes[request]
            if isinstance(route, list):
                route = route.pop(0) if len(route) > 1 else route[0]
            return route(asked) if callable(route) else route
        if request == "GET /auth":
            self.jwts += 1
            return fine({"token": f"jwt.{self.jwts}.sig"})
        shown = asked.headers.get("x-auth-token", "")
        if not self.accepts(shown):
            return wrong(401, f"the token {shown} is not valid")
        return fine(
            [] if asked.method == "GET" or "/search" in asked.path or asked.path.endswith("/logs") else {"uuid": "made"}
        )

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                asked = await _asked(reader)
                self.asked.append(asked)
                answer = self.answer(asked)
                if answer.hangs:
                    await asyncio.sleep(FOR_EVER)
                if answer.breaks:
                    break
                body = answer.body.encode() if isinstance(answer.body, str) else answer.body
                lines = [f"HTTP/1.1 {answer.status} X", f"content-length: {len(body)}"]
                lines += [f"{name}: {value}" for name, value in answer.headers.items()]
                writer.write("\r\n".join([*lines, "", ""]).encode() + body)
                await writer.drain()
        writer.close()
        self._tasks.discard(task)

    async def _connected(self, connection: Any) -> None:
        number, self.connections = self.connections, self.connections + 1
        with contextlib.suppress(Exception):
            self.shown.append(json.loads(await connection.recv()))
            await self.sessions[min(number, len(self.sessions) - 1)](connection)

    @contextlib.asynccontextmanager
    async def serving(self, **given: Any) -> AsyncIterator[Platform]:
        listening = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = listening.sockets[0].getsockname()[1]
        async with serve(self._connected, "127.0.0.1", 0, close_timeout=0.1, **given) as events:
            self.events_port = next(iter(events.sockets)).getsockname()[1]
            try:
                yield self
            finally:
                listening.close()
                for task in self._tasks:
                    task.cancel()
                await asyncio.sleep(0)

    @contextlib.contextmanager
    def in_a_thread(self) -> Iterator[Platform]:
        """Beside a test that is not async."""
        ready, loop = threading.Event(), asyncio.new_event_loop()
        stop = asyncio.Event()

        async def work() -> None:
            async with self.serving():
                ready.set()
                await stop.wait()

        thread = threading.Thread(target=lambda: loop.run_until_complete(work()))
        thread.start()
        assert ready.wait(30)
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join(30)
            loop.close()


async def _asked(reader: asyncio.StreamReader) -> Asked:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    method, target, _ = first.split(" ")
    parts = urlsplit(target)
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(method, parts.path.removeprefix("/rest"), dict(parse_qsl(parts.query)), headers, body)


def welcoming(*frames: Any, ends: bool = False) -> Callable[..., Coroutine[Any, Any, None]]:
    """A session that accepts the token, sends frames, and then ends or goes on."""

    async def session(connection: Any) -> None:
        for frame in (AUTHENTICATED, *frames):
            await connection.send(frame if isinstance(frame, (str, bytes)) else json.dumps(frame))
        if not ends:
            await connection.wait_closed()

    return session


class Waits:
    """Waiting that takes no time, written down; very long waits never end. Time passes as it is told to."""

    def __init__(self) -> None:
        self.waited: list[float] = []
        self.time = 0.0
        self.day = NOW

    async def sleep(self, seconds: float) -> None:
        if seconds >= FOR_EVER:
            await asyncio.sleep(FOR_EVER)
        self.waited.append(seconds)
        await asyncio.sleep(0)
        self.time += seconds

    def pace(self, chance: float = 0.0) -> Pace:
        return Pace(self.sleep, lambda: self.time, lambda: self.day, lambda: chance)


def client(platform: Platform, token: str = TOKEN, **given: Any) -> Opentact:
    fields = {"url": platform.url, "per_second": 1000.0, "pace": Waits().pace(), **given}
    return Opentact(token, **fields)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine gives, in a loop of its own; never longer than a minute."""

    async def bounded() -> Any:
        return await asyncio.wait_for(work, 60)

    return asyncio.run(bounded())


async def until(condition: Callable[[], object]) -> None:
    """Wait for something to have happened."""
    while not condition():  # noqa: ASYNC110 - it happens where there is no event to wait for
        await asyncio.sleep(0.01)


def asking(
    platform: Platform, work: Callable[[Opentact], Coroutine[Any, Any, Any]], token: str = TOKEN, **given: Any
) -> Any:
    """What the platform's client gives."""

    async def one() -> Any:
        async with platform.serving(), client(platform, token, **given) as opentact:
            return await work(opentact)

    return run(one())
