"""Load generators: wrk if it is installed, otherwise one in Python, which is the weaker one; and one for a fixed rate."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from callflows.benchmark.measured_server import BENCHMARK_TOKEN, MeasuredServer, on_cores
from callflows.errors import BenchmarkError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


CALL_ENTITY_FILE: Final = Path(__file__).with_name("call-entity.json")
_WRK_SCRIPT: Final = Path(__file__).with_name("callers.lua")
_CALLER_OF_ENTITY: Final = b"12015550999"
CONNECTIONS: Final = 32
_DISPATCH_SECONDS: Final = 0.0005
"""Interval at which the generator for a fixed rate looks for due requests."""
_ANSWER_SECONDS: Final = 10.0


class LoadRound(NamedTuple):
    """A short run at full load."""

    rate: float
    """Answers a second."""
    cpu_seconds: float
    """Processor time of all threads of the server for one answer."""
    busy_share: float
    """Processor time of the server in a second; far below 1, the load generator was the limit."""


def find_wrk() -> str:
    """Return the path of wrk; empty if it is not installed."""
    return shutil.which("wrk") or ""


def run_full_load(server: MeasuredServer, seconds: float, *, posts: bool = False, wrk: str = "") -> LoadRound:
    """Ask for some seconds as fast as the server answers. Raises BenchmarkError if an answer has not status 200."""
    before, began = server.read_cpu_seconds(), time.monotonic()
    with on_cores((1,)):
        count = (
            _run_wrk(wrk, server, seconds, posts=posts) if wrk else asyncio.run(_ask_for(server.port, seconds, posts=posts))
        )
    took, used = time.monotonic() - began, server.read_cpu_seconds() - before
    return LoadRound(count / took, used / count, used / took)


def measure_slow_answers(server: MeasuredServer, rate: float, seconds: float) -> float:
    """Ask at a fixed rate; return the seconds within which 99 % of the answers came."""
    with on_cores((1,)):
        waits = sorted(asyncio.run(_ask_at_rate(server.port, rate, seconds)))
    return waits[int(len(waits) * 0.99)]


def build_call_request(number: int, *, posts: bool = False) -> bytes:
    """Return the HTTP request of a call; every number is another caller."""
    caller = b"1201%07d" % (number % 10_000_000)
    if posts:
        body = CALL_ENTITY_FILE.read_bytes().replace(_CALLER_OF_ENTITY, caller)
        head = f"POST /call?token={BENCHMARK_TOKEN} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        return head.encode() + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    query = b"token=%s&from=%%2B%s&to=12015550123" % (BENCHMARK_TOKEN.encode(), caller)
    return b"GET /call?%s HTTP/1.1\r\nHost: localhost\r\n\r\n" % query


def _run_wrk(wrk: str, server: MeasuredServer, seconds: float, *, posts: bool) -> int:
    command = [wrk, "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "-s", str(_WRK_SCRIPT)]
    command += [f"http://127.0.0.1:{server.port}", *(["--", str(CALL_ENTITY_FILE)] if posts else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 60)  # noqa: S603 - as chosen
    count = re.search(r"(\d+) requests in", done.stdout)
    if done.returncode or count is None or "Non-2xx" in done.stdout:
        raise BenchmarkError(f"wrk got other answers than status 200: {(done.stdout + done.stderr).strip()}")
    return int(count[1])


class _Caller(asyncio.Protocol):
    """A connection that asks one request at a time, and calls ``on_answer`` after each answer."""

    def __init__(self, on_answer: Callable[[_Caller], None]) -> None:
        self._on_answer = on_answer
        self._received = b""
        self._transport: asyncio.Transport
        self.asked_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for mypy: a TCP connection has no other
        self._transport = transport

    def ask(self, request: bytes, asked_at: float) -> None:
        self.asked_at = asked_at
        self._transport.write(request)

    def close(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head) if found else None
        if length is None or len(body) < int(length[1]):
            return
        if not head.startswith(b"HTTP/1.1 200"):
            raise BenchmarkError(f"a server answered {head[:40].decode('latin-1')}")
        self._received = b""
        self._on_answer(self)


async def _open_callers(port: int, count: int, on_answer: Callable[[_Caller], None]) -> Sequence[_Caller]:
    loop = asyncio.get_running_loop()
    opened = [await loop.create_connection(lambda: _Caller(on_answer), "127.0.0.1", port) for _ in range(count)]
    return [caller for _transport, caller in opened]


async def _ask_for(port: int, seconds: float, *, posts: bool) -> int:
    answered, until = 0, time.monotonic() + seconds

    def ask_again(caller: _Caller) -> None:
        nonlocal answered
        answered += 1
        if time.monotonic() < until:
            caller.ask(build_call_request(answered, posts=posts), 0.0)

    callers = await _open_callers(port, CONNECTIONS, ask_again)
    for number, caller in enumerate(callers):
        caller.ask(build_call_request(number, posts=posts), 0.0)
    await asyncio.sleep(seconds + 0.2)
    for caller in callers:
        caller.close()
    return answered


async def _ask_at_rate(port: int, rate: float, seconds: float) -> list[float]:
    """Return the seconds that each answer took.

    A request that finds no idle connection waits for one, and this counts; a delay of the generator itself does not.
    """
    waits: list[float] = []
    idle: list[_Caller] = []

    def note_answer(caller: _Caller) -> None:
        waits.append(time.perf_counter() - caller.asked_at)
        idle.append(caller)
        if len(waits) == count:
            all_answered.set()

    count, all_answered = int(rate * seconds), asyncio.Event()
    callers = await _open_callers(port, CONNECTIONS, note_answer)
    idle += callers
    began, asked, due_since = time.perf_counter(), 0, 0.0
    while asked < count:
        now = time.perf_counter()
        while asked < count and began + asked / rate <= now and idle:
            idle.pop().ask(build_call_request(asked), due_since or time.perf_counter())
            asked, due_since = asked + 1, 0.0
        if not idle and not due_since:
            due_since = max(now, began + asked / rate)
        await asyncio.sleep(_DISPATCH_SECONDS)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(all_answered.wait(), _ANSWER_SECONDS)
    waits += [_ANSWER_SECONDS] * (count - len(waits))
    for caller in callers:
        caller.close()
    return waits
