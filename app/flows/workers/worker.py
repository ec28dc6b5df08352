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

from app.errors import WorkerDied, WorkError, WorkFailed
from app.flows.workers.wire import (
    BROKEN,
    CANCEL,
    READY,
    REQUEST,
    Board,
    Frames,
    Tokens,
    board_file,
    environment,
    error_told,
    frame,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_BEGIN: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]);from app.flows.workers.inside import main; main(*sys.argv[2:])"
)
_REAP: Final = 0.002


class Asked:
    """A request on its way: who runs it, by which ids, and how often it was given to a worker."""

    __slots__ = ("body", "deadline", "lane", "places", "reply", "runs", "timer", "waiting")

    def __init__(self, body: bytes, deadline: float, lane: str, reply: asyncio.Future[bytes]) -> None:
        self.body = body
        self.deadline = deadline
        self.lane = lane
        self.reply = reply
        self.places: dict[Worker, int] = {}
        self.runs = 0
        self.waiting = False
        self.timer: asyncio.TimerHandle

    def settle(self, reply: bytes | WorkError) -> bool:
        """Answer whoever asked; false where that is done, or nobody listens any more."""
        if self.reply.done():
            return False
        if isinstance(reply, bytes):
            self.reply.set_result(reply)
        else:
            self.reply.set_exception(reply)
        return True


class Owner(Protocol):
    """Who is told what a worker does."""

    def ready(self, worker: Worker) -> None:
        """It takes requests now."""

    def answered(self, worker: Worker, kind: int, number: int, body: bytes) -> None:
        """It sent a frame about a request."""

    def lost(self, worker: Worker) -> None:
        """It has ended, or says what cannot be understood."""


class Worker(asyncio.Protocol):
    """A process that takes requests. ``running`` is what it has, by id; ``lanes`` counts that by lane."""

    def __init__(self, owner: Owner) -> None:
        self.running: dict[int, Asked] = {}
        self.lanes: collections.Counter[str] = collections.Counter()
        self.ready = False
        self.retired = False
        self.trouble: WorkError | None = None
        self._owner = owner
        self._frames = Frames()
        self._sent: dict[int, float] = {}
        self._killed = False
        self._ends = contextlib.ExitStack()
        self._wire: asyncio.Transport | None = None
        self._board: Board
        self._tokens: Tokens
        self._process: subprocess.Popen[bytes]

    def launch(self, entry: str, memory: int) -> socket.socket:
        """Start the process, and give the server's end of its wire. Raises OSError."""
        with contextlib.ExitStack() as ends, contextlib.ExitStack() as passing:
            ours, theirs = socket.socketpair()
            unused = ends.enter_context(contextlib.ExitStack())
            unused.callback(ours.close)
            passing.callback(theirs.close)
            self._tokens = Tokens(*_pipe())
            ends.callback(self._tokens.close)
            file = board_file()
            passing.callback(os.close, file)
            self._board = Board(file)
            ends.callback(self._board.close)
            passed = (theirs.fileno(), self._tokens.reads, file)
            told = (json.dumps(sys.path), str(os.getpid()), entry, str(memory), *map(str, passed))
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
                [sys.executable, "-P", "-c", _BEGIN, *told],
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=2,  # what authors print goes where the log goes
                pass_fds=passed,
                start_new_session=True,  # a terminal's ctrl-C is for the server; and what it starts is killed with it
            )
            unused.pop_all()
            self._ends = ends.pop_all()
        return ours

    async def attach(self, wire: socket.socket, prepare: bytes) -> None:
        """Say to the process what it prepares, and listen to it from now on."""
        transport, _ = await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=wire)
        self._wire = transport
        if self._killed:
            transport.abort()
        else:
            transport.write(frame(REQUEST, body=prepare))

    def data_received(self, received: bytes) -> None:
        """Frames of the process."""
        try:
            for kind, number, body in self._frames.of(received):
                if kind == READY:
                    self.ready = True
                    self._owner.ready(self)
                elif kind == BROKEN:
                    self.trouble = WorkFailed(*error_told(body))
                else:
                    self._owner.answered(self, kind, number, body)
        except ValueError as error:
            self.trouble = WorkerDied(f"a worker says what cannot be understood: {error}")
            self._owner.lost(self)

    def connection_lost(self, _error: Exception | None) -> None:
        """The process has ended, by itself or by us."""
        self._owner.lost(self)

    def give(self, number: int, asked: Asked, now: float) -> None:
        """Hand a request over; ids only grow."""
        asked.runs += 1
        asked.places[self] = number
        self.running[number] = asked
        self.lanes[asked.lane] += 1
        self._sent[number] = now
        self._tokens.put(number)
        self._say(frame(REQUEST, number, asked.body))

    def cancel(self, number: int) -> None:
        """Ask the process to stop a request."""
        self._say(frame(CANCEL, number))

    def _say(self, said: bytes) -> None:
        if self._wire is not None and not self._wire.is_closing():
            self._wire.write(said)

    def drop(self, number: int) -> Asked | None:
        """A request that the process has no more."""
        asked = self.running.pop(number, None)
        self._sent.pop(number, None)
        if asked is not None:
            asked.places.pop(self, None)
            self.lanes[asked.lane] -= 1
            if not self.lanes[asked.lane]:
                del self.lanes[asked.lane]
        return asked

    def take_back(self) -> list[Asked]:
        """The requests that were not begun, and now will not be."""
        found = [self.drop(number) for number in self._tokens.take_back()]
        for asked in found:
            if asked is not None:
                asked.runs -= 1
        return [asked for asked in found if asked is not None]

    def holder(self) -> int:
        """The id of the request that holds the loop; 0 where none does, as far as one can see."""
        return self._board.read()[0]

    def blamed(self, lane: str) -> bool:
        """Whether a lane may be what holds the loop."""
        holder = self.running.get(self.holder())
        return holder is None or holder.lane == lane

    def behind(self, now: float) -> float:
        """Seconds that the process has not come to look at what is new."""
        current, since, begun = self._board.read()
        while self._sent and (first := next(iter(self._sent))) <= begun:
            del self._sent[first]
        oldest = next(iter(self._sent.values()), now)
        return now - min(oldest, since if current else now)

    def kill(self, gone: Callable[[str], None]) -> None:
        """End the process and all it started; ``gone`` is called with how it ended when nothing of it is left."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)  # nobody else's id until it is waited for, in _reap
        self._killed = True
        if self._wire is not None:
            self._wire.abort()
        self._reap(gone, asyncio.get_running_loop(), _REAP)

    def _reap(self, gone: Callable[[str], None], loop: asyncio.AbstractEventLoop, pause: float) -> None:
        status = self._process.poll()
        if status is None:
            loop.call_later(pause, self._reap, gone, loop, min(2 * pause, 0.5))
            return
        self._ends.close()
        gone(_ended(status))


def _pipe() -> tuple[int, int]:
    reads, writes = os.pipe()
    for end in (reads, writes):
        os.set_blocking(end, False)
    return reads, writes


def _ended(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-status).name
    return f"signal {-status}"
