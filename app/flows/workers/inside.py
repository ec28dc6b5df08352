"""What runs in a worker process: an author's work, several turns at once.

The process ends with the server: the kernel sees to it where it can (Linux), and a thread that notices when the wire ends.
Signals that a terminal or an init system sends to everybody are the server's business.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import ctypes
import importlib
import inspect
import os
import resource
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, Final, TextIO, cast

from app.flows.workers.wire import (
    ANSWER,
    BROKEN,
    CANCEL,
    CANCELLED,
    FAILED,
    HEAD,
    LONGEST,
    READY,
    REQUEST,
    Board,
    Frames,
    Tokens,
    frame,
    told,
)

Work = Callable[[bytes], Awaitable[bytes]]

_OWN_THREADS: Final = 2
"""The main one, and the one that watches the wire."""
_request: contextvars.ContextVar[int] = contextvars.ContextVar("request", default=0)


class Stepped(Coroutine[Any, Any, Any]):
    """A coroutine that says on the board when it holds the loop."""

    def __init__(self, steps: Coroutine[Any, Any, Any], board: Board) -> None:
        self._steps = steps
        self._board = board
        self._number = _request.get()

    def _step(self, go: Callable[..., Any], *given: object) -> Any:  # noqa: ANN401 - what a coroutine yields
        self._board.step(self._number, time.monotonic())
        try:
            return go(*given)
        except (SystemExit, KeyboardInterrupt) as error:  # would end the loop, and everybody's turn with it
            raise RuntimeError(f"the work wanted to end the process: {error!r}") from error
        finally:
            self._board.rest()

    def send(self, value: Any) -> Any:  # noqa: ANN401 - as a coroutine has it
        """Go on until the next await."""
        return self._step(self._steps.send, value)

    def throw(self, error: Any, *more: Any) -> Any:  # noqa: ANN401 - as a coroutine has it
        """Go on with an error."""
        return self._step(self._steps.throw, error, *more)

    def close(self) -> None:
        """Go on no more."""
        self._step(self._steps.close)

    def __await__(self) -> Any:  # noqa: ANN401 - as a coroutine has it
        return self._steps.__await__()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - cr_frame and its like: libraries ask tasks for them
        return getattr(self._steps, name)


class Turns(asyncio.Protocol):
    """The worker's end of the wire: takes requests up, and answers them."""

    def __init__(self, work: Work, board: Board, tokens: Tokens) -> None:
        self._work = work
        self._board = board
        self._tokens = tokens
        self._frames = Frames()
        self._turns: dict[int, asyncio.Task[None]] = {}
        self._begun: set[int] = set()
        self._cancelled: set[int] = set()
        self._wire: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the wire."""
        self._wire = cast("asyncio.WriteTransport", transport)

    def connection_lost(self, _error: Exception | None) -> None:
        """Without the server there is nothing to do."""
        os._exit(0)

    def data_received(self, received: bytes) -> None:
        """Take up requests, and drop what nobody wants any more."""
        for kind, number, body in self._frames.of(received):
            if kind == REQUEST:
                context = contextvars.copy_context()
                context.run(_request.set, number)
                self._turns[number] = context.run(asyncio.create_task, self._turn(number, body))
            elif kind == CANCEL and number in self._turns and number not in self._cancelled:
                self._cancelled.add(number)
                if number in self._begun:
                    self._turns[number].cancel()

    async def _turn(self, number: int, request: bytes) -> None:
        """One request. Those before it have held the loop already, so what is not begun can still be taken back."""
        kind, body = CANCELLED, b""
        try:
            if self._tokens.claim(number) and number not in self._cancelled:
                self._begun.add(number)
                self._board.begin(number)
                kind, body = ANSWER, _sound(await self._work(request))
        except BaseException as error:  # noqa: BLE001 - whatever it is, the server is told
            if number not in self._cancelled or not isinstance(error, asyncio.CancelledError):
                kind, body = FAILED, told(error)
        del self._turns[number]
        self._begun.discard(number)
        self._cancelled.discard(number)
        if kind == CANCELLED:
            body = bytes([threading.active_count() > _OWN_THREADS])
        self._wire.write(frame(kind, number, body))


def _sound(reply: object) -> bytes:
    if not isinstance(reply, bytes):
        raise TypeError(f"the reply is {type(reply).__name__}, not bytes")
    if len(reply) > LONGEST:
        raise ValueError(f"the reply has {len(reply)} bytes, more than {LONGEST}")
    return reply


def work_of(entry: str, prepare: bytes) -> Work:
    """The work that ``module:function`` names: an async function, or what a plain one makes of ``prepare``."""
    module, _, name = entry.partition(":")
    found = getattr(importlib.import_module(module), name)
    work: Work = found if inspect.iscoroutinefunction(found) else found(prepare)
    if not callable(work):
        raise TypeError(f"{entry} gives {type(work).__name__}, nothing that answers requests")
    return work


def main(parent: str, entry: str, memory: str, wire: str, tokens: str, board: str) -> None:
    """Run a worker: the server's process id, what to run, bytes of memory, and three files' numbers."""
    ours = socket.socket(fileno=int(wire))
    for file in (ours.fileno(), int(tokens), int(board)):
        os.set_inheritable(file, False)  # noqa: FBT003 - the standard library's way
    _end_with(int(parent), ours)
    _bound(int(memory))
    sys.stdout = cast("TextIO", sys.stderr)  # not buffered: what is printed is not lost with a kill
    try:
        work = work_of(entry, _prepare(ours))
    except BaseException as error:  # noqa: BLE001 - whatever it is, the server is told
        ours.sendall(frame(BROKEN, body=told(error)))
        os._exit(1)
    seen = Board(int(board))
    loop = asyncio.new_event_loop()
    loop.set_task_factory(lambda loop, steps, **given: asyncio.Task(Stepped(steps, seen), loop=loop, **given))
    asyncio.set_event_loop(loop)
    ours.sendall(frame(READY))
    turns = Turns(work, seen, Tokens(int(tokens)))
    loop.run_until_complete(loop.create_unix_connection(lambda: turns, sock=ours))
    loop.run_forever()


def _prepare(wire: socket.socket) -> bytes:
    """The first frame's body; it may be as long as it likes."""
    with wire.makefile("rb") as file:
        length, _, _ = HEAD.unpack(file.read(HEAD.size))
        return file.read(int(length))


def _end_with(parent: int, wire: socket.socket) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # not SIG_IGN: what an author starts would inherit that
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(0)
    threading.Thread(target=_watch, args=(wire.fileno(),), name="wire", daemon=True).start()


def _watch(wire: int) -> None:
    """End when the wire does, also where the main thread has no time to notice."""
    poll = select.poll()
    poll.register(wire, 0)
    poll.poll()
    os._exit(0)


def _bound(memory: int) -> None:
    """No more memory than that, no core files; the server has the processor first, and loses its memory last."""
    for limit, most in ((resource.RLIMIT_DATA, memory), (resource.RLIMIT_CORE, 0)):
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(limit, (most, most))
    with contextlib.suppress(OSError):
        os.nice(5)
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")
