"""The program inside a sandbox process: runs jobs of authors in one asyncio loop, several at once if they wait.

The process ends with the server, even if the server is killed. Server and process exchange frames over a socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import importlib
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TextIO, cast

JobFunction = Callable[[bytes], Awaitable[bytes]]
MAX_FRAME_BYTES: Final = 4 * 1024 * 1024
"""Largest request or reply."""
FRAME_REQUEST, FRAME_CANCEL, FRAME_READY, FRAME_WAITING, FRAME_REPLY, FRAME_ERROR, FRAME_CANCELLED = range(7)
"""Kinds of frames: the first two go to the process, the others come from it."""
_FRAME_HEAD: Final = struct.Struct("<IBQ")  # length of the body, kind, id of the request
_MAX_MESSAGE_CHARACTERS: Final = 2_000
_MAX_TRACE_CHARACTERS: Final = 20_000
_OWN_THREAD_COUNT: Final = 2  # the main thread, and the one that watches for the server's end


def encode_frame(kind: int, request_id: int = 0, body: bytes = b"") -> bytes:
    """Encode a frame as it is sent over the socket."""
    return _FRAME_HEAD.pack(len(body), kind, request_id) + body


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, int, bytes]:
    """Return kind, request id and body of the next frame.

    Raises IncompleteReadError or ConnectionError at the end of the connection, ValueError for a frame that is too long.
    """
    length, kind, request_id = _FRAME_HEAD.unpack(await reader.readexactly(_FRAME_HEAD.size))
    if length > MAX_FRAME_BYTES:
        raise ValueError(f"a frame of {length} bytes")
    return kind, request_id, await reader.readexactly(length)


class _JobServer:
    """Runs requests and reports their results."""

    def __init__(self, run_job: JobFunction, connection: socket.socket) -> None:
        self._run_job = run_job
        self._connection = connection
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._writer: asyncio.StreamWriter

    async def serve(self) -> None:
        """Take requests until the server closes the connection; then end the process."""
        own_task = asyncio.current_task()
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            reader, self._writer = await asyncio.open_unix_connection(sock=self._connection)
            self._send(FRAME_READY)
            while True:
                kind, request_id, body = await read_frame(reader)
                if kind == FRAME_REQUEST:
                    self._tasks[request_id] = asyncio.create_task(self._run_request(request_id, body, own_task))
                    # Runs right after the first step of the job: only a job that waits lets the loop come here.
                    asyncio.get_running_loop().call_soon(self._report_waiting, request_id)
                elif request_id in self._tasks:
                    self._tasks[request_id].cancel()
        os._exit(0)

    def _send(self, kind: int, request_id: int = 0, body: bytes = b"") -> None:
        self._writer.write(encode_frame(kind, request_id, body))

    def _report_waiting(self, request_id: int) -> None:
        if request_id in self._tasks:
            self._send(FRAME_WAITING, request_id)

    async def _run_request(self, request_id: int, request: bytes, server_task: asyncio.Task[None] | None) -> None:
        try:
            kind, body = FRAME_REPLY, _check_reply(await self._run_job(request))
        except asyncio.CancelledError:
            # A thread cannot be cancelled: any byte tells the server to replace this process.
            kind, body = FRAME_CANCELLED, b"\1" if threading.active_count() > _OWN_THREAD_COUNT else b""
        except BaseException as error:  # noqa: BLE001 - also SystemExit: an author's exit must not end other jobs
            kind, body = FRAME_ERROR, _encode_error(error)
        del self._tasks[request_id]
        if not self._tasks:
            # The next job may be another flow's: no task of this one may stay in its way.
            for task in asyncio.all_tasks() - {server_task, asyncio.current_task()}:
                task.cancel()
        self._send(kind, request_id, body)


def _check_reply(reply: object) -> bytes:
    if not isinstance(reply, bytes):
        raise TypeError(f"the reply is {type(reply).__name__}, not bytes")
    if len(reply) > MAX_FRAME_BYTES:
        raise ValueError(f"the reply has {len(reply)} bytes, more than {MAX_FRAME_BYTES}")
    return reply


def _encode_error(error: BaseException) -> bytes:
    """Encode type, message and traceback of an error as JSON; long texts are cut."""
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - an author's error may have a __str__ that fails
        message = "(its text cannot be made)"
    trace = "".join(traceback.format_exception(error))
    words = [type(error).__qualname__, message[:_MAX_MESSAGE_CHARACTERS], trace[-_MAX_TRACE_CHARACTERS:]]
    return json.dumps(words).encode()


def child_main(parent_pid: str, entry_point: str, preloaded_modules: str, memory_bytes: str, connection_fd: str) -> None:
    """Run a sandbox process until the server closes the connection.

    ``entry_point`` is ``module:function``, an async function from bytes to bytes; ``preloaded_modules`` are separated by
    commas.
    """
    connection = socket.socket(fileno=int(connection_fd))
    os.set_inheritable(connection.fileno(), False)  # noqa: FBT003 - the signature of the standard library
    _end_with_parent(int(parent_pid), connection.fileno())
    limit_resources(int(memory_bytes))
    sys.stdout = cast("TextIO", sys.stderr)  # unbuffered: a kill loses nothing that was printed
    try:
        module, _, name = entry_point.partition(":")
        run_job: JobFunction = getattr(importlib.import_module(module), name)
        if not callable(run_job):
            raise TypeError(f"{entry_point} is {type(run_job).__name__}, not a function")  # noqa: TRY301 - reported below
        for preloaded in filter(None, preloaded_modules.split(",")):
            importlib.import_module(preloaded)
    except BaseException as error:  # noqa: BLE001 - the server reports whatever it was
        connection.sendall(encode_frame(FRAME_ERROR, body=_encode_error(error)))
        os._exit(1)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    server_task = loop.create_task(_JobServer(run_job, connection).serve())
    while not server_task.done():
        # sys.exit() in a task of an author leaves run_forever. The job that waits for the task has the error; go on.
        with contextlib.suppress(SystemExit, KeyboardInterrupt):
            loop.run_forever()


def _end_with_parent(parent_pid: int, connection_fd: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Ctrl-C is for the server, which stops its processes. A handler, as programs of authors would inherit SIG_IGN.
        signal.signal(number, lambda *_: None)
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    if os.getppid() != parent_pid:  # the server ended before prctl
        os._exit(0)
    threading.Thread(target=_watch_connection, args=(connection_fd,), daemon=True).start()


def _watch_connection(connection_fd: int) -> None:
    """End with the connection while the main thread is busy, on systems without PR_SET_PDEATHSIG."""
    poll = select.poll()
    poll.register(connection_fd, 0)
    poll.poll()
    os._exit(0)


def limit_resources(memory_bytes: int) -> None:
    """Limit the memory of this process, and let the server go first."""
    # RLIMIT_DATA, not RLIMIT_AS: mapped libraries and stacks of threads need address space, but no memory.
    for limit, most in ((resource.RLIMIT_DATA, memory_bytes), (resource.RLIMIT_CORE, 0)):
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(limit, (most, most))
    with contextlib.suppress(OSError):
        os.nice(5)  # the server has the processor first, and is the last to be killed if memory is short
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")
