"""One worker process, seen from the server."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Final, Protocol

from callflows.errors import AuthorCodeError, SandboxCrashError, SandboxError
from callflows.sandbox.worker_protocol import (
    FRAME_BROKEN,
    FRAME_CANCEL,
    FRAME_READY,
    FRAME_REQUEST,
    FrameDecoder,
    LoopBoard,
    TokenPipe,
    create_board_file,
    decode_error,
    encode_frame,
    make_worker_environment,
)

if TYPE_CHECKING:
    from collections.abc import Callable


_START_CODE: Final = "import json, sys; sys.path[:] = json.loads(sys.argv[1]);from callflows.sandbox.worker_main import worker_main; worker_main(*sys.argv[2:])"


_REAP_DELAY_SECONDS: Final = 0.002


class WorkerRequest:
    """A request on its way: who runs it, by which ids, and how often it was given to a worker."""

    __slots__ = ("body", "deadline", "ids_by_worker", "is_queued", "lane", "reply", "run_count", "timer")

    def __init__(self, body: bytes, deadline: float, lane: str, reply: asyncio.Future[bytes]) -> None:
        self.body = body
        self.deadline = deadline
        self.lane = lane
        self.reply = reply
        self.ids_by_worker: dict[WorkerProcess, int] = {}
        self.run_count = 0
        self.is_queued = False
        self.timer: asyncio.TimerHandle

    def resolve(self, reply: bytes | SandboxError) -> bool:
        """Answer whoever asked; false where that is done, or nobody listens any more."""
        if self.reply.done():
            return False
        if isinstance(reply, bytes):
            self.reply.set_result(reply)
        else:
            self.reply.set_exception(reply)
        return True


class WorkerOwner(Protocol):
    """Who is told what a worker does."""

    def handle_worker_ready(self, worker: WorkerProcess) -> None:
        """It takes requests now."""

    def handle_worker_reply(self, worker: WorkerProcess, kind: int, request_id: int, body: bytes) -> None:
        """It sent a frame about a request."""

    def handle_worker_lost(self, worker: WorkerProcess) -> None:
        """It has ended, or says what cannot be understood."""


class WorkerProcess(asyncio.Protocol):
    """A process that takes requests. ``running`` is what it has, by id; ``lanes`` counts that by lane."""

    def __init__(self, owner: WorkerOwner) -> None:
        self.requests: dict[int, WorkerRequest] = {}
        self.lane_counts: collections.Counter[str] = collections.Counter()
        self.is_ready = False
        self.is_retired = False
        self.failure: SandboxError | None = None
        self._owner = owner
        self._frames = FrameDecoder()
        self._sent_at: dict[int, float] = {}
        self._is_killed = False
        self._resources = contextlib.ExitStack()
        self._transport: asyncio.Transport | None = None
        self._board: LoopBoard
        self._tokens: TokenPipe
        self._process: subprocess.Popen[bytes]

    def start_process(self, entry_point: str, memory: int) -> socket.socket:
        """Start the process, and give the server's end of its wire. Raises OSError."""
        with contextlib.ExitStack() as ends, contextlib.ExitStack() as passing:
            ours, theirs = socket.socketpair()
            unused = ends.enter_context(contextlib.ExitStack())
            unused.callback(ours.close)
            passing.callback(theirs.close)
            self._tokens = TokenPipe(*_make_nonblocking_pipe())
            ends.callback(self._tokens.close)
            file = create_board_file()
            passing.callback(os.close, file)
            self._board = LoopBoard(file)
            ends.callback(self._board.close)
            passed = (theirs.fileno(), self._tokens.read_end, file)
            told = (json.dumps(sys.path), str(os.getpid()), entry_point, str(memory), *map(str, passed))
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
                [sys.executable, "-P", "-c", _START_CODE, *told],
                env=make_worker_environment(),
                stdin=subprocess.DEVNULL,
                stdout=2,  # what authors print goes where the log goes
                pass_fds=passed,
                start_new_session=True,  # a terminal's ctrl-C is for the server; and what it starts is killed with it
            )
            unused.pop_all()
            self._resources = ends.pop_all()
        return ours

    async def connect(self, connection: socket.socket, setup_data: bytes) -> None:
        """Say to the process what it prepares, and listen to it from now on."""
        transport, _ = await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=connection)
        self._transport = transport
        if self._is_killed:
            transport.abort()
        else:
            transport.write(encode_frame(FRAME_REQUEST, body=setup_data))

    def data_received(self, received: bytes) -> None:
        """Frames of the process."""
        try:
            for kind, number, body in self._frames.decode_frames(received):
                if kind == FRAME_READY:
                    self.is_ready = True
                    self._owner.handle_worker_ready(self)
                elif kind == FRAME_BROKEN:
                    self.failure = AuthorCodeError(*decode_error(body))
                else:
                    self._owner.handle_worker_reply(self, kind, number, body)
        except ValueError as error:
            self.failure = SandboxCrashError(f"a worker says what cannot be understood: {error}")
            self._owner.handle_worker_lost(self)

    def connection_lost(self, _error: Exception | None) -> None:
        """The process has ended, by itself or by us."""
        self._owner.handle_worker_lost(self)

    def send_request(self, request_id: int, request: WorkerRequest, now: float) -> None:
        """Hand a request over; ids only grow."""
        request.run_count += 1
        request.ids_by_worker[self] = request_id
        self.requests[request_id] = request
        self.lane_counts[request.lane] += 1
        self._sent_at[request_id] = now
        self._tokens.offer_token(request_id)
        self._send_frame(encode_frame(FRAME_REQUEST, request_id, request.body))

    def cancel_request(self, request_id: int) -> None:
        """Ask the process to stop a request."""
        self._send_frame(encode_frame(FRAME_CANCEL, request_id))

    def _send_frame(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def remove_request(self, request_id: int) -> WorkerRequest | None:
        """A request that the process has no more."""
        asked = self.requests.pop(request_id, None)
        self._sent_at.pop(request_id, None)
        if asked is not None:
            asked.ids_by_worker.pop(self, None)
            self.lane_counts[asked.lane] -= 1
            if not self.lane_counts[asked.lane]:
                del self.lane_counts[asked.lane]
        return asked

    def take_back_requests(self) -> list[WorkerRequest]:
        """The requests that were not begun, and now will not be."""
        found = [self.remove_request(number) for number in self._tokens.take_back_tokens()]
        for asked in found:
            if asked is not None:
                asked.run_count -= 1
        return [asked for asked in found if asked is not None]

    def get_blocking_request_id(self) -> int:
        """The id of the request that holds the loop; 0 where none does, as far as one can see."""
        return self._board.read_state()[0]

    def may_be_blocked_by(self, lane: str) -> bool:
        """Whether a lane may be what holds the loop."""
        holder = self.requests.get(self.get_blocking_request_id())
        return holder is None or holder.lane == lane

    def measure_delay(self, now: float) -> float:
        """Seconds that the process has not come to look at what is new."""
        current, since, begun = self._board.read_state()
        while self._sent_at and (first := next(iter(self._sent_at))) <= begun:
            del self._sent_at[first]
        oldest = next(iter(self._sent_at.values()), now)
        return now - min(oldest, since if current else now)

    def kill(self, on_end: Callable[[str], None]) -> None:
        """End the process and all it started; ``gone`` is called with how it ended when nothing of it is left."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)  # nobody else's id until it is waited for, in _reap
        self._is_killed = True
        if self._transport is not None:
            self._transport.abort()
        self._reap(on_end, asyncio.get_running_loop(), _REAP_DELAY_SECONDS)

    def _reap(self, on_end: Callable[[str], None], loop: asyncio.AbstractEventLoop, delay: float) -> None:
        status = self._process.poll()
        if status is None:
            loop.call_later(delay, self._reap, on_end, loop, min(2 * delay, 0.5))
            return
        self._resources.close()
        on_end(_describe_exit(status))


def _make_nonblocking_pipe() -> tuple[int, int]:
    reads, writes = os.pipe()
    for end in (reads, writes):
        os.set_blocking(end, False)
    return reads, writes


def _describe_exit(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-status).name
    return f"signal {-status}"
