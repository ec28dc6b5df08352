"""Servers on this machine that do what servers outside do, also the worst of it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import inspect
import ipaddress
from typing import TYPE_CHECKING, Any

from callflows.effects.live_effects import LiveEffects
from callflows.telephony.ports import LookupRequest

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Coroutine

LOOPBACK_NETWORK = (ipaddress.ip_network("127.0.0.0/8"),)
LOCAL_HOST = "127.0.0.1"
OTHER_HOST = "127.0.0.2"
ONLY_OTHER_NETWORK = (ipaddress.ip_network("127.0.0.2/32"),)


@dataclasses.dataclass
class ReceivedRequest:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class OutsideServer:
    """Answers with the bytes that ``answer`` gives; one that is a coroutine function writes them itself."""

    def __init__(self, answer: Callable[..., Any], host: str) -> None:
        self.answer = answer
        self.host = host
        self.port = 0
        self.requests: list[ReceivedRequest] = []
        self.connections = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def url(self, path: str = "/", host: str = "") -> str:
        return f"http://{host or self.host}:{self.port}{path}"

    async def handle_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        self._tasks.add(task)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                request = await self._read_request(reader)
                self.requests.append(request)
                if inspect.iscoroutinefunction(self.answer):
                    await self.answer(request, writer)
                else:
                    writer.write(self.answer(request))
                await writer.drain()
        writer.close()
        self._tasks.discard(task)

    async def _read_request(self, reader: asyncio.StreamReader) -> ReceivedRequest:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        return ReceivedRequest(method, path, headers, await reader.readexactly(int(headers.get("content-length", "0"))))

    def cancel_connections(self) -> None:
        for task in self._tasks:
            task.cancel()


@contextlib.asynccontextmanager
async def run_server(
    answer: Callable[..., Any], host: str = LOCAL_HOST, *, port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[OutsideServer]:
    server = OutsideServer(answer, host)
    listening = await asyncio.start_server(server.handle_connection, host, port, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for _ in range(3):  # one that was accepted just now begins, is cancelled, and is closed
            server.cancel_connections()
            await asyncio.sleep(0)


def format_answer(body: bytes | str = b"", status: int = 200, **headers: str) -> bytes:
    """An HTTP answer."""
    content = body.encode() if isinstance(body, str) else body
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head = "\r\n".join([f"HTTP/1.1 {status} Whatever", *lines, f"content-length: {len(content)}"])
    return f"{head}\r\n\r\n".encode() + content


def format_json_answer(body: str) -> bytes:
    return format_answer(body, content_type="application/json")


def make_lookup(url: str, **overrides: Any) -> LookupRequest:
    """A lookup; a generous deadline, since machines that test are slow."""
    fields = {"method": "GET", "headers": (), "body": "", "timeout_ms": 20_000, "step_path": "acme/start/2", **overrides}
    return LookupRequest(url, **fields)


def make_resolver(
    *answers: list[str], queried_hosts: list[str] | None = None
) -> Callable[[str], Coroutine[Any, Any, list[str]]]:
    """A resolver that gives these answers, one after the other, and the last for ever."""
    left = [*answers]

    async def resolve_host(host: str) -> list[str]:
        if queried_hosts is not None:
            queried_hosts.append(host)
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve_host


@contextlib.asynccontextmanager
async def run_live_effects(
    private_networks: Any = LOOPBACK_NETWORK, signing_keys: Any = (), **options: Any
) -> AsyncIterator[LiveEffects]:
    live = LiveEffects(private_networks, signing_keys, **options)
    await live.start()
    try:
        yield live
    finally:
        await live.stop(0)
