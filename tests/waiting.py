"""Waiting in tests. Every wait has an end, and fails with what it waited for and the state of the process that it needs."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import inspect
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
    from pathlib import Path

    from command_process import CommandProcess

    AnyProcess = subprocess.Popen[Any] | CommandProcess

Value = TypeVar("Value")
MAX_WAIT_SECONDS = 180.0
"""No wait takes this long on a machine that is busy with other tests."""
MAX_COMMAND_SECONDS = 300.0


def wait_until(
    condition: Callable[[], Value],
    awaited: str,
    *,
    process: AnyProcess | None = None,
    log: Path | None = None,
    seconds: float = MAX_WAIT_SECONDS,
) -> Value:
    """Return the first true value of ``condition``.

    ``awaited`` completes "waited for". Fails at once if ``process`` ends before, and shows the end of its ``log``.
    """
    end = time.monotonic() + seconds
    while True:
        has_ended = process is not None and process.poll() is not None
        value = condition()
        if value:
            return value
        if has_ended or time.monotonic() > end:
            raise AssertionError(_describe_wait(awaited, seconds, process, log))
        time.sleep(0.01)


def wait_for_server(process: AnyProcess, url: str, log: Path | None = None) -> None:
    """Wait until a server process answers at a URL, with any status."""

    address = urlsplit(url)

    def is_answering() -> bool:
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=5)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", address.path or "/")
            connection.getresponse().read()
            return True
        return False

    wait_until(is_answering, f"an answer of {url}", process=process, log=log)


async def wait_until_async(
    condition: Callable[[], Value | Awaitable[Value]],
    awaited: str,
    *,
    seconds: float = MAX_WAIT_SECONDS,
    interval: float = 0.005,
) -> Value:
    """Return the first true value of ``condition``, which may be a coroutine function; asked again after each interval."""
    end = time.monotonic() + seconds
    while True:
        result = condition()
        value: Value = await result if inspect.isawaitable(result) else result
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(_describe_wait(awaited, seconds))
        await asyncio.sleep(interval)


def _describe_wait(awaited: str, seconds: float, process: AnyProcess | None = None, log: Path | None = None) -> str:
    message = f"waited up to {seconds:g} s for {awaited}"
    if process is not None:
        code = process.poll()
        message += f"; process {process.pid} {'still runs' if code is None else f'ended with code {code}'}"
    if log is not None:
        output = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        message += f"; its log ends with:\n{output[-4000:]}"
    return message


def run_bounded(work: Coroutine[Any, Any, Value], seconds: float = MAX_WAIT_SECONDS) -> Value:
    """Run a coroutine in a loop of its own. Fails if it does not end in time."""

    async def run_with_timeout() -> Value:
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await work
        except TimeoutError as error:
            if limit.expired():
                raise AssertionError(_describe_wait(f"{work.__qualname__} to end", seconds)) from error
            raise

    return asyncio.run(run_with_timeout())


def run_process(
    command: Sequence[str], *, seconds: float = MAX_COMMAND_SECONDS, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a program of the tests and return its output as text. Fails if it does not end in time."""
    options = {"check": False, **options}
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=seconds, **options)  # noqa: PLW1510, S603 - check is an option; the tests' own programs
    except subprocess.TimeoutExpired as error:
        output = f"{error.stdout or b''!r} {error.stderr or b''!r}"
        raise AssertionError(f"waited up to {seconds:g} s for {command} to end; its output: {output}") from error


def wait_for_exit(process: AnyProcess, seconds: float = MAX_WAIT_SECONDS) -> int:
    """Return the exit code of a process that ends by itself."""
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired as error:
        raise AssertionError(_describe_wait(f"the end of {process.args}", seconds, process)) from error


@contextlib.contextmanager
def kill_after(process: AnyProcess, seconds: float = MAX_WAIT_SECONDS) -> Iterator[None]:
    """Kill a process that is late, so that whoever reads its output comes to the end of it."""
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def stop_process(process: AnyProcess, seconds: float = 5.0) -> int:
    """Ask a process to end, kill it if it does not within ``seconds``, and return its exit code."""
    if process.poll() is None:
        process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    return kill_process(process)


def kill_process(process: AnyProcess) -> int:
    """Kill a process if it runs. Returns its exit code."""
    process.kill()
    return wait_for_exit(process)


def join_thread(thread: threading.Thread, seconds: float = MAX_WAIT_SECONDS) -> None:
    """Wait for the end of a thread."""
    thread.join(seconds)
    assert not thread.is_alive(), _describe_wait(f"the end of {thread.name}", seconds)
