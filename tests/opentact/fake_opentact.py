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

from callflows.opentact import Opentact
from callflows.opentact.backoff import BackoffClock
from waiting import join_thread, run_bounded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

SAMPLES_FOLDER = Path(__file__).parents[1] / "samples"
TOKEN = "an-api-token-0001"  # noqa: S105 - of a platform that is none
EMAIL, PASSWORD = "desk@example.org", "s3same-open"
NOW = datetime(2026, 3, 5, 16, 30, tzinfo=UTC)
FOREVER_SECONDS = 1000.0


def load_event_sample(name: str) -> dict[str, Any]:
    return json.loads((SAMPLES_FOLDER / "events" / f"{name}.json").read_text(encoding="utf-8"))


AUTH_SUCCESS_EVENT = load_event_sample("2024-auth-success")
AUTH_FAILURE_EVENT = {
    **AUTH_SUCCESS_EVENT,
    "uuid": "no",
    "message": "WSS connection x@198.51.100.23 - failed auth",
    "payload": {},
}


@dataclasses.dataclass
class ReceivedRequest:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw) if self.raw else None


@dataclasses.dataclass
class CannedAnswer:
    body: bytes | str = b""
    status: int = 200
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    hangs: bool = False
    breaks: bool = False


def success_answer(payload: Any = None, status: int = 200) -> CannedAnswer:
    return CannedAnswer(json.dumps({"success": True, "payload": payload}), status)


def error_answer(status: int, message: str = "no", http: int | None = None, **rest: Any) -> CannedAnswer:
    body = {"success": False, "message": message, "status": status, **rest}
    return CannedAnswer(json.dumps(body), http or status)


class FakeOpentact:
    """``routes`` answer by ``METHOD /path``: an answer, several one after the other (the last for ever), or a function.

    ``sessions`` are what happens on the websocket's connections, one after the other, the last for ever.
    """

    def __init__(self) -> None:
        self.requests: list[ReceivedRequest] = []
        self.routes: dict[str, Any] = {}
        self.jwt_count = 0
        self.accepts = lambda token: token == TOKEN
        self.sessions: list[Callable[..., Coroutine[Any, Any, None]]] = [create_session()]
        self.connections = 0
        self.token_frames: list[Any] = []
        self.offered_extensions: list[str] = []
        self.port = 0
        self.events_port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/rest"

    @property
    def events_url(self) -> str:
        return f"ws://127.0.0.1:{self.events_port}/wss"

    def count_requests(self, request: str) -> int:
        return sum(f"{received.method} {received.path}" == request for received in self.requests)

    def bodies(self, request: str) -> list[Any]:
        return [received.body for received in self.requests if f"{received.method} {received.path}" == request]

    def accept_only(self, token: str = TOKEN) -> None:
        """Accept this token and the newest JWT."""
        self.accepts = lambda shown: shown in {token, f"jwt.{self.jwt_count}.sig"}

    def answer_request(self, http_request: ReceivedRequest) -> CannedAnswer:
        request = f"{http_request.method} {http_request.path}"
        if request in self.routes:
            route = self.routes[request]
            if isinstance(route, list):
                route = route.pop(0) if len(route) > 1 else route[0]
            return route(http_request) if callable(route) else route
        if request == "GET /auth":
            self.jwt_count += 1
            return success_answer({"token": f"jwt.{self.jwt_count}.sig"})
        shown = http_request.headers.get("x-auth-token", "")
        if not self.accepts(shown):
            return error_answer(401, f"the token {shown} is not valid")
        return success_answer(
            []
            if http_request.method == "GET" or "/search" in http_request.path or http_request.path.endswith("/logs")
            else {"uuid": "made"}
        )

    async def _serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                received = await _read_request(reader)
                self.requests.append(received)
                answer = self.answer_request(received)
                if answer.hangs:
                    await asyncio.sleep(FOREVER_SECONDS)
                if answer.breaks:
                    break
                body = answer.body.encode() if isinstance(answer.body, str) else answer.body
                lines = [f"HTTP/1.1 {answer.status} X", f"content-length: {len(body)}"]
                lines += [f"{name}: {value}" for name, value in answer.headers.items()]
                writer.write("\r\n".join([*lines, "", ""]).encode() + body)
                await writer.drain()
        writer.close()
        self._tasks.discard(task)

    async def _serve_websocket(self, connection: Any) -> None:
        number, self.connections = self.connections, self.connections + 1
        self.offered_extensions += connection.request.headers.get_all("Sec-WebSocket-Extensions")
        with contextlib.suppress(Exception):
            self.token_frames.append(json.loads(await connection.recv()))
            await self.sessions[min(number, len(self.sessions) - 1)](connection)

    @contextlib.asynccontextmanager
    async def run_servers(self, **given: Any) -> AsyncIterator[FakeOpentact]:
        listening = await asyncio.start_server(self._serve_connection, "127.0.0.1", 0)
        self.port = listening.sockets[0].getsockname()[1]
        async with serve(self._serve_websocket, "127.0.0.1", 0, close_timeout=0.1, **given) as events:
            self.events_port = next(iter(events.sockets)).getsockname()[1]
            try:
                yield self
            finally:
                listening.close()
                await _let_loop_go_round()  # a connection that was just accepted has its task then
                for task in self._tasks:
                    task.cancel()
                if self._tasks:
                    await asyncio.wait({*self._tasks}, timeout=5)
                await _let_loop_go_round()  # transports close their sockets later

    @contextlib.contextmanager
    def run_in_thread(self) -> Iterator[FakeOpentact]:
        """Beside a test that is not async."""
        ready, loop = threading.Event(), asyncio.new_event_loop()
        stop = asyncio.Event()

        async def work() -> None:
            async with self.run_servers():
                ready.set()
                await stop.wait()

        thread = threading.Thread(target=lambda: loop.run_until_complete(work()))
        thread.start()
        assert ready.wait(30), "the imitation of Opentact did not start"
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(stop.set)
            join_thread(thread)
            loop.close()


async def _let_loop_go_round() -> None:
    for _ in range(10):  # to accept a connection takes several rounds
        await asyncio.sleep(0)


async def _read_request(reader: asyncio.StreamReader) -> ReceivedRequest:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    method, target, _ = first.split(" ")
    parts = urlsplit(target)
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return ReceivedRequest(method, parts.path.removeprefix("/rest"), dict(parse_qsl(parts.query)), headers, body)


def create_session(*frames: Any, ends: bool = False) -> Callable[..., Coroutine[Any, Any, None]]:
    """A session that accepts the token, sends frames, and then ends or goes on."""

    async def session(connection: Any) -> None:
        for frame in (AUTH_SUCCESS_EVENT, *frames):
            await connection.send(frame if isinstance(frame, (str, bytes)) else json.dumps(frame))
        if not ends:
            await connection.wait_closed()

    return session


class FakeClock:
    """Waiting that takes no time, written down; very long waits never end. Time passes as it is told to."""

    def __init__(self) -> None:
        self.delays: list[float] = []
        self.time = 0.0
        self.day = NOW

    async def sleep(self, seconds: float) -> None:
        if seconds >= FOREVER_SECONDS:
            await asyncio.sleep(FOREVER_SECONDS)
        self.delays.append(seconds)
        await asyncio.sleep(0)
        self.time += seconds

    def create_clock(self, chance: float = 0.0) -> BackoffClock:
        return BackoffClock(self.sleep, lambda: self.time, lambda: self.day, lambda: chance)


def create_client(platform: FakeOpentact, token: str = TOKEN, **given: Any) -> Opentact:
    fields = {"url": platform.url, "requests_per_second": 1000.0, "clock": FakeClock().create_clock(), **given}
    return Opentact(token, **fields)


def run_with_platform(
    platform: FakeOpentact, work: Callable[[Opentact], Coroutine[Any, Any, Any]], token: str = TOKEN, **given: Any
) -> Any:
    """What the platform's client gives."""

    async def one() -> Any:
        async with platform.run_servers(), create_client(platform, token, **given) as opentact:
            return await work(opentact)

    return run_bounded(one())
