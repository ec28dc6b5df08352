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

from callflows.sandbox.worker_protocol import (
    FRAME_ANSWER,
    FRAME_BROKEN,
    FRAME_CANCEL,
    FRAME_CANCELLED,
    FRAME_FAILED,
    FRAME_HEAD,
    FRAME_READY,
    FRAME_REQUEST,
    MAX_FRAME_BYTES,
    FrameDecoder,
    LoopBoard,
    TokenPipe,
    encode_error,
    encode_frame,
)

WorkFunction = Callable[[bytes], Awaitable[bytes]]


_OWN_THREAD_COUNT: Final = 2
"""The main one, and the one that watches the wire."""


_current_request_id: contextvars.ContextVar[int] = contextvars.ContextVar("request", default=0)


class ObservedCoroutine(Coroutine[Any, Any, Any]):
    """A coroutine that says on the board when it holds the loop."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], board: LoopBoard) -> None:
        self._coroutine = coroutine
        self._board = board
        self._request_id = _current_request_id.get()

    def _run_step(self, method: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401 - what a coroutine yields
        self._board.mark_running(self._request_id, time.monotonic())
        try:
            return method(*arguments)
        except (SystemExit, KeyboardInterrupt) as error:  # would end the loop, and everybody's turn with it
            raise RuntimeError(f"the work wanted to end the process: {error!r}") from error
        finally:
            self._board.mark_idle()

    def send(self, value: Any) -> Any:  # noqa: ANN401 - as a coroutine has it
        """Go on until the next await."""
        return self._run_step(self._coroutine.send, value)

    def throw(self, error: Any, *more: Any) -> Any:  # noqa: ANN401 - as a coroutine has it
        """Go on with an error."""
        return self._run_step(self._coroutine.throw, error, *more)

    def close(self) -> None:
        """Go on no more."""
        self._run_step(self._coroutine.close)

    def __await__(self) -> Any:  # noqa: ANN401 - as a coroutine has it
        return self._coroutine.__await__()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - cr_frame and its like: libraries ask tasks for them
        return getattr(self._coroutine, name)


class WorkerRequests(asyncio.Protocol):
    """The worker's end of the wire: takes requests up, and answers them."""

    def __init__(self, work: WorkFunction, board: LoopBoard, tokens: TokenPipe) -> None:
        self._work = work
        self._board = board
        self._tokens = tokens
        self._frames = FrameDecoder()
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._started_ids: set[int] = set()
        self._cancelled_ids: set[int] = set()
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the wire."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def connection_lost(self, _error: Exception | None) -> None:
        """Without the server there is nothing to do."""
        os._exit(0)

    def data_received(self, received: bytes) -> None:
        """Take up requests, and drop what nobody wants any more."""
        for kind, number, body in self._frames.decode_frames(received):
            if kind == FRAME_REQUEST:
                context = contextvars.copy_context()
                context.run(_current_request_id.set, number)
                self._tasks[number] = context.run(asyncio.create_task, self._run_request(number, body))
            elif kind == FRAME_CANCEL and number in self._tasks and number not in self._cancelled_ids:
                self._cancelled_ids.add(number)
                if number in self._started_ids:
                    self._tasks[number].cancel()

    async def _run_request(self, request_id: int, request: bytes) -> None:
        """One request. Those before it have held the loop already, so what is not begun can still be taken back."""
        kind, body = FRAME_CANCELLED, b""
        try:
            if self._tokens.claim_request(request_id) and request_id not in self._cancelled_ids:
                self._started_ids.add(request_id)
                self._board.mark_started(request_id)
                kind, body = FRAME_ANSWER, _check_reply(await self._work(request))
        except BaseException as error:  # noqa: BLE001 - whatever it is, the server is told
            if request_id not in self._cancelled_ids or not isinstance(error, asyncio.CancelledError):
                kind, body = FRAME_FAILED, encode_error(error)
        del self._tasks[request_id]
        self._started_ids.discard(request_id)
        self._cancelled_ids.discard(request_id)
        if kind == FRAME_CANCELLED:
            body = bytes([threading.active_count() > _OWN_THREAD_COUNT])
        self._transport.write(encode_frame(kind, request_id, body))


def _check_reply(reply: object) -> bytes:
    if not isinstance(reply, bytes):
        raise TypeError(f"the reply is {type(reply).__name__}, not bytes")
    if len(reply) > MAX_FRAME_BYTES:
        raise ValueError(f"the reply has {len(reply)} bytes, more than {MAX_FRAME_BYTES}")
    return reply


def load_work_function(entry_point: str, setup_data: bytes) -> WorkFunction:
    """The work that ``module:function`` names: an async function, or what a plain one makes of ``prepare``."""
    module, _, name = entry_point.partition(":")
    found = getattr(importlib.import_module(module), name)
    work: WorkFunction = found if inspect.iscoroutinefunction(found) else found(setup_data)
    if not callable(work):
        raise TypeError(f"{entry_point} gives {type(work).__name__}, nothing that answers requests")
    return work


def worker_main(parent_pid: str, entry_point: str, memory: str, wire: str, tokens: str, board: str) -> None:
    """Run a worker: the server's process id, what to run, bytes of memory, and three files' numbers."""
    ours = socket.socket(fileno=int(wire))
    for file in (ours.fileno(), int(tokens), int(board)):
        os.set_inheritable(file, False)  # noqa: FBT003 - the standard library's way
    _end_with_parent(int(parent_pid), ours)
    _limit_resources(int(memory))
    sys.stdout = cast("TextIO", sys.stderr)  # not buffered: what is printed is not lost with a kill
    try:
        work = load_work_function(entry_point, _read_setup_data(ours))
    except BaseException as error:  # noqa: BLE001 - whatever it is, the server is told
        ours.sendall(encode_frame(FRAME_BROKEN, body=encode_error(error)))
        os._exit(1)
    seen = LoopBoard(int(board))
    loop = asyncio.new_event_loop()
    loop.set_task_factory(lambda loop, steps, **given: asyncio.Task(ObservedCoroutine(steps, seen), loop=loop, **given))
    asyncio.set_event_loop(loop)
    ours.sendall(encode_frame(FRAME_READY))
    turns = WorkerRequests(work, seen, TokenPipe(int(tokens)))
    loop.run_until_complete(loop.create_unix_connection(lambda: turns, sock=ours))
    loop.run_forever()


def _read_setup_data(connection: socket.socket) -> bytes:
    """The first frame's body; it may be as long as it likes."""
    with connection.makefile("rb") as file:
        length, _, _ = FRAME_HEAD.unpack(file.read(FRAME_HEAD.size))
        return file.read(int(length))


def _end_with_parent(parent_pid: int, connection: socket.socket) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # not SIG_IGN: what an author starts would inherit that
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    if os.getppid() != parent_pid:
        os._exit(0)
    threading.Thread(target=_watch_connection, args=(connection.fileno(),), name="wire", daemon=True).start()


def _watch_connection(wire: int) -> None:
    """End when the wire does, also where the main thread has no time to notice."""
    poll = select.poll()
    poll.register(wire, 0)
    poll.poll()
    os._exit(0)


def _limit_resources(memory: int) -> None:
    """No more memory than that, no core files; the server has the processor first, and loses its memory last."""
    for limit, most in ((resource.RLIMIT_DATA, memory), (resource.RLIMIT_CORE, 0)):
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(limit, (most, most))
    with contextlib.suppress(OSError):
        os.nice(5)
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")
