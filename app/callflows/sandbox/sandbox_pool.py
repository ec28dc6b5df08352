"""A pool of processes that run templates, programs and other code of authors, and can be killed.

Every job belongs to a lane (a flow). A process never runs jobs of two lanes at the same time, and a lane may occupy
half of the processes at most: a flow that loops or crashes delays only its own callers.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import contextvars
import copy
import json
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final

from callflows.errors import AuthorCodeError, SandboxCrashError, SandboxError, SandboxTimeoutError
from callflows.sandbox.sandbox_child import (
    FRAME_CANCEL,
    FRAME_CANCELLED,
    FRAME_ERROR,
    FRAME_READY,
    FRAME_REQUEST,
    FRAME_WAITING,
    MAX_FRAME_BYTES,
    encode_frame,
    read_frame,
)
from callflows.text import replace_unprintable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


DEFAULT_SANDBOX_PROCESSES: Final = 8
DEFAULT_SANDBOX_MEMORY_BYTES: Final = 1024**3
_MAX_JOBS_PER_PROCESS: Final = 200
_START_TIMEOUT_SECONDS: Final = 15.0
_OUTPUT_CHUNK_BYTES: Final = 8_192
_OUTPUT_PAUSE_SECONDS: Final = 0.05
"""Pause after a full chunk of printed text: 160 KB a second are enough for people."""
_OUTPUT_GRACE_SECONDS: Final = 1.0
"""Time for the rest of the printed text after the end of a process."""
_CANCEL_GRACE_SECONDS: Final = 0.1  # a job that has not ended by then holds its process
_GROW_DELAY_SECONDS: Final = 0.05  # shorter queues than that are no reason to start a process
_IDLE_SECONDS: Final = 30.0
_RESTART_DELAY_SECONDS: Final = (0.1, 30.0)  # the first delay, which doubles, and the longest


def make_sandbox_environment() -> dict[str, str]:
    """Return the environment without ``CALLFLOWS_`` settings, so that code of authors sees no key and no token."""
    return {name: value for name, value in os.environ.items() if not name.startswith("CALLFLOWS_")}


def make_sandbox_command(code: str) -> list[str]:
    """Return a command that runs Python code, which finds the same libraries as this process; append its arguments."""
    # -P, and no "" in the path: a package in the working folder must not shadow ours.
    path = json.dumps([folder for folder in sys.path if folder])
    return [sys.executable, "-P", "-c", f"import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); {code}", path]


class _SandboxJob:
    """A request and the future of its reply."""

    def __init__(self, lane: str, request: bytes) -> None:
        self.lane = lane
        self.request = request
        self.reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.process: _SandboxProcess | None = None

    def fail(self, error: SandboxError) -> None:
        if not self.reply.done():
            self.reply.set_exception(copy.copy(error))


class _SandboxProcess:
    """One process and the jobs that run in it. Calls ``on_change`` after every frame and when the process has ended."""

    def __init__(
        self,
        command: Sequence[str],
        on_change: Callable[[_SandboxProcess], None],
        report_output: Callable[[str], None] | None,
    ) -> None:
        """Start the process. Raises OSError."""
        self.jobs: dict[int, _SandboxJob] = {}
        self.lane = ""
        self.is_ready = False
        self.is_ended = False
        self.was_killed = False
        self.was_idle = False
        self.error: SandboxError | None = None
        self._on_change = on_change
        self._last_id = 0
        self._blocked_by = 0
        self._is_retired = False
        self._writer: asyncio.StreamWriter | None = None
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
                    [*command, str(theirs.fileno())],
                    env=make_sandbox_environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=2 if report_output is None else subprocess.PIPE,
                    stderr=None if report_output is None else subprocess.STDOUT,
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,  # so that a kill also ends processes started by the author's code
                )
            except OSError:
                ours.close()
                raise
        # A process outlives the call for which it was started: its tasks do not have the context of that call.
        self.watcher = asyncio.get_running_loop().create_task(self._watch(ours), context=contextvars.Context())
        self._output_reader: asyncio.Task[None] | None = None
        if report_output is not None:
            self._output_reader = asyncio.get_running_loop().create_task(
                self._read_output(report_output), context=contextvars.Context()
            )

    @property
    def accepts_jobs(self) -> bool:
        """True if the process is ready, is not blocked by a job that computes, and is not about to end."""
        is_free = not self._blocked_by and len(self.jobs) < _MAX_JOBS_PER_PROCESS
        return self.is_ready and is_free and not (self._is_retired or self.was_killed or self.is_ended)

    def send_job(self, job: _SandboxJob) -> None:
        self._last_id += 1
        self._blocked_by = self._last_id
        self.jobs[self._last_id] = job
        self.lane = job.lane
        job.process = self
        self._send(encode_frame(FRAME_REQUEST, self._last_id, job.request))

    def cancel_job(self, job: _SandboxJob) -> None:
        """Stop a job; if it does not stop in time, kill the process."""
        for request_id, running in self.jobs.items():
            if running is job:
                self._send(encode_frame(FRAME_CANCEL, request_id))
                asyncio.get_running_loop().call_later(_CANCEL_GRACE_SECONDS, self._kill_if_running, request_id)

    def _kill_if_running(self, request_id: int) -> None:
        if request_id not in self.jobs:
            return
        blocking_job = self.jobs.get(self._blocked_by)
        if self._blocked_by != request_id and blocking_job is not None and not blocking_job.reply.done():
            # The request to cancel cannot be read before that job waits or meets its own deadline.
            asyncio.get_running_loop().call_later(_CANCEL_GRACE_SECONDS, self._kill_if_running, request_id)
        else:
            self.kill()

    def kill(self) -> None:
        """Kill the process and everything it started."""
        if not self.is_ended:
            self.was_killed = True
            self._kill_group()

    def _kill_group(self) -> None:
        # The process id cannot belong to another process: the system reuses it only after wait().
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _send(self, frame: bytes) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(frame)

    async def _watch(self, connection: socket.socket) -> None:
        """Read frames until the process ends, then report its end to its jobs."""
        try:
            reader, self._writer = await asyncio.open_unix_connection(sock=connection)
            async with asyncio.timeout(_START_TIMEOUT_SECONDS):
                self._handle_frame(*await read_frame(reader))
            while True:
                self._handle_frame(*await read_frame(reader))
        except TimeoutError:
            self.error = SandboxCrashError(f"a process was not ready within {_START_TIMEOUT_SECONDS:g} seconds")
        except ValueError as error:
            self.error = SandboxCrashError(f"a process sent something unreadable: {error}")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the process ended
        finally:
            self._kill_group()
            self.is_ended = True
            if self._writer is not None:
                self._writer.close()
        status = _describe_exit(await asyncio.to_thread(self._process.wait))
        if self._output_reader is not None:
            await asyncio.wait([self._output_reader], timeout=_OUTPUT_GRACE_SECONDS)
            self._output_reader.cancel()
        if self.was_killed:
            reason = "the process was stopped: another call of the flow did not end"
        else:
            reason = f"{'the process ended' if self.is_ready else 'a process ended before it was ready'}: {status}"
        self.error = self.error or SandboxCrashError(reason)
        self.was_idle = not self.jobs
        for job in self.jobs.values():
            job.fail(self.error)
        self.jobs.clear()
        self._on_change(self)

    async def _read_output(self, report_output: Callable[[str], None]) -> None:
        """Report each line that code of authors prints. Code that prints without end has to wait, not the callers."""
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), self._process.stdout
        )
        try:
            line = b""
            while part := await reader.read(_OUTPUT_CHUNK_BYTES):
                *lines, line = (line + part).split(b"\n")
                if len(line) > _OUTPUT_CHUNK_BYTES:
                    lines, line = [*lines, line], b""
                for complete in lines:
                    report_output(_clean_output(complete))
                if len(part) == _OUTPUT_CHUNK_BYTES:
                    await asyncio.sleep(_OUTPUT_PAUSE_SECONDS)
            if line:
                report_output(_clean_output(line))
        finally:
            transport.close()

    def _handle_frame(self, kind: int, request_id: int, body: bytes) -> None:
        if request_id == self._blocked_by:
            self._blocked_by = 0
        if kind == FRAME_READY:
            self.is_ready = True
        elif kind == FRAME_ERROR and not request_id:
            self.error = _decode_error(body)
        elif kind != FRAME_WAITING:
            job = self.jobs.pop(request_id, None)
            if job is None:
                raise ValueError(f"a result of the job {request_id}")
            if kind == FRAME_ERROR:
                error = _decode_error(body)
                job.fail(error)
                self._is_retired |= error.error_type == "MemoryError"  # the memory may still be full
            elif kind == FRAME_CANCELLED:
                self._is_retired |= bool(body)
            elif not job.reply.done():
                job.reply.set_result(body)
            if self._is_retired and not self.jobs:
                self.kill()
        self._on_change(self)


class SandboxPool:
    """Processes that run ``entry_point``, and are killed if a job does not end in time.

    ``entry_point`` is ``module:function``: an async function from a request to its reply, both bytes of at most 4 MB.
    ``preload`` names modules that a process imports before its first job, so that no caller waits for them. There are at
    most ``max_processes``, each with ``memory_bytes`` of memory. ``report_output`` is called with each line that a job
    prints, cleaned; without it, the lines go to standard error as they are.
    """

    def __init__(
        self,
        entry_point: str,
        *,
        preload: Sequence[str] = (),
        max_processes: int = DEFAULT_SANDBOX_PROCESSES,
        memory_bytes: int = DEFAULT_SANDBOX_MEMORY_BYTES,
        report_output: Callable[[str], None] | None = None,
    ) -> None:
        self._report_output = report_output
        self._child_arguments = (entry_point, ",".join(preload), str(memory_bytes))
        self._max_processes = max_processes
        self._max_lane_processes = max(1, max_processes // 2)
        self._processes: list[_SandboxProcess] = []
        self._resting_processes = 0
        self._queues: dict[str, collections.deque[_SandboxJob]] = {}
        self._is_running = False
        self._start_error: SandboxError | None = None
        self._start_finished = asyncio.Event()
        self._failure_count = 0
        self._next_start = 0.0
        self._timers: dict[Callable[[], None], asyncio.TimerHandle] = {}
        self._counts = collections.Counter(asked=0, overdue=0, died=0, replaced=0, running=0)

    @property
    def counts(self) -> dict[str, int]:
        """Counters for metrics.

        ``asked`` and ``overdue`` jobs, ``running`` jobs; processes that ``died`` by themselves or were ``replaced`` because
        a job did not stop; ``processes`` that run now.
        """
        return {**self._counts, "processes": len(self._processes)}

    async def start(self, lane_count: int = 1) -> None:
        """Start processes for this number of lanes; return when one is ready, or the first could not start.

        At rest, one process for each lane and one more are running, as far as ``max_processes`` allows: the start of a
        process takes a second on a busy machine, half the time that a caller has.
        """
        if not self._is_running:
            self._is_running = True
            self._start_error = None
        if lane_count + 1 > self._resting_processes:
            self._resting_processes = min(lane_count + 1, self._max_processes)
            self._restore()
        await self._start_finished.wait()

    async def wait_while_starting(self) -> None:
        """Return when a process can take a job, or none is starting; the start of a process has a time limit itself."""
        while self._is_only_starting():  # noqa: ASYNC110 - only rehearsals wait so, and rarely
            await asyncio.sleep(_GROW_DELAY_SECONDS / 5)

    def _is_only_starting(self) -> bool:
        starting = any(not process.is_ready and not process.is_ended for process in self._processes)
        return starting and not any(process.accepts_jobs for process in self._processes)

    async def stop(self) -> None:
        """Kill the processes; jobs that still run raise SandboxCrashError."""
        self._is_running = False
        self._resting_processes = 0
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        stopped = SandboxCrashError("the sandbox was stopped")
        processes, self._processes = self._processes, []
        for process in processes:
            process.error = stopped
            process.kill()
        self._fail_queued_jobs(stopped)
        await asyncio.gather(*(process.watcher for process in processes))
        self._start_finished.set()  # release callers that still wait in start()
        self._start_finished.clear()

    async def run_request(self, request: bytes, deadline: float, lane: str) -> bytes:
        """Return the reply to a request of a lane; ``deadline`` is a moment of ``time.monotonic``.

        Raises SandboxTimeoutError, SandboxCrashError, or AuthorCodeError with the error that the job raised.
        """
        self._counts["asked"] += 1
        if not self._is_running:
            raise SandboxCrashError("the sandbox is not running")
        if len(request) > MAX_FRAME_BYTES:
            raise AuthorCodeError("ValueError", f"the request has {len(request)} bytes, more than {MAX_FRAME_BYTES}")
        if self._start_error is not None:
            raise copy.copy(self._start_error)
        job = _SandboxJob(lane, request)
        self._counts["running"] += 1
        try:
            seconds_left = deadline - time.monotonic()
            if seconds_left <= 0:
                raise TimeoutError  # noqa: TRY301 - counted below like a late job
            async with asyncio.timeout(seconds_left):
                self._queues.setdefault(lane, collections.deque()).append(job)
                self._dispatch_jobs()
                return await job.reply
        except TimeoutError:
            self._counts["overdue"] += 1
            raise SandboxTimeoutError("there was no answer in time") from None
        finally:
            self._counts["running"] -= 1
            self._abandon_job(job)

    def _abandon_job(self, job: _SandboxJob) -> None:
        if job.process is not None:
            job.process.cancel_job(job)
        elif job in self._queues.get(job.lane, ()):
            self._queues[job.lane].remove(job)

    # Which process runs a job

    def _dispatch_jobs(self) -> None:
        for lane, queue in list(self._queues.items()):
            while queue and (process := self._choose_process(lane)) is not None:
                process.send_job(queue.popleft())
            if not queue:
                del self._queues[lane]
        if self._queues or not self._find_idle_processes():
            self._schedule(self._grow, _GROW_DELAY_SECONDS)

    def _find_idle_processes(self) -> list[_SandboxProcess]:
        return [process for process in self._processes if process.accepts_jobs and not process.jobs]

    def _choose_process(self, lane: str) -> _SandboxProcess | None:
        own = [process for process in self._processes if process.jobs and process.lane == lane]
        idle = self._find_idle_processes()
        # A lane that has a process leaves the last idle one to others.
        if idle and (not own or (len(idle) > 1 and len(own) < self._max_lane_processes)):
            return idle[0]
        shared = [process for process in own if process.accepts_jobs]
        return min(shared, key=lambda process: len(process.jobs), default=None)

    # How many processes there are

    def _start_processes(self, count: int) -> None:
        """Start processes until ``count`` are running, or later if the last ones did not start."""
        wait = self._next_start - time.monotonic()
        if wait > 0:
            self._schedule(self._restore, wait)
            return
        code = "from callflows.sandbox.sandbox_child import child_main; child_main(*sys.argv[1:])"
        command = [*make_sandbox_command(code), str(os.getpid()), *self._child_arguments]
        while len(self._processes) < count:
            try:
                self._processes.append(_SandboxProcess(command, self._handle_change, self._report_output))
            except OSError as error:
                self._handle_failure(SandboxCrashError(f"no process can be started: {error}"))
                return

    def _restore(self) -> None:
        self._start_processes(self._resting_processes)

    def _grow(self) -> None:
        """Start processes for the waiting lanes, and one for another lane."""
        starting = sum(not process.is_ready for process in self._processes)
        missing = len(self._queues) + 1 - len(self._find_idle_processes()) - starting
        if missing > 0:
            self._start_processes(min(len(self._processes) + missing, self._max_processes))

    def _shrink(self) -> None:
        """End idle processes above the number at rest."""
        for process in self._find_idle_processes()[: max(0, len(self._processes) - self._resting_processes)]:
            self._processes.remove(process)
            process.kill()

    def _schedule(self, action: Callable[[], None], delay: float) -> None:
        """Run an action once after a delay, unless it is scheduled already."""
        if action not in self._timers:
            self._timers[action] = asyncio.get_running_loop().call_later(delay, self._run_scheduled, action)

    def _run_scheduled(self, action: Callable[[], None]) -> None:
        del self._timers[action]
        action()

    def _handle_change(self, process: _SandboxProcess) -> None:
        """Handle a process that is ready, has sent a result, or has ended."""
        if process not in self._processes:  # stopped, or ended as idle
            return
        if process.is_ended:
            self._processes.remove(process)
            if process.is_ready:
                self._counts["replaced" if process.was_killed else "died"] += 1
            if process.error is not None and process.was_idle and not process.was_killed:
                self._handle_failure(process.error, is_start=not process.is_ready)
            self._restore()
        elif process.is_ready:
            self._start_error = None
            self._start_finished.set()
            if process.lane:  # it has run a job: processes do work
                self._failure_count = 0
            if len(self._processes) > self._resting_processes:
                self._schedule(self._shrink, _IDLE_SECONDS)
        self._dispatch_jobs()

    def _handle_failure(self, error: SandboxError, *, is_start: bool = True) -> None:
        """Delay the next start, longer each time, after a process failed to start or ended by itself."""
        first, longest = _RESTART_DELAY_SECONDS
        self._next_start = time.monotonic() + min(first * 2**self._failure_count, longest)
        self._failure_count = min(self._failure_count + 1, 30)
        self._schedule(self._restore, self._next_start - time.monotonic())
        if is_start and not any(process.is_ready for process in self._processes):
            self._start_error = error
            self._start_finished.set()
            self._fail_queued_jobs(error)

    def _fail_queued_jobs(self, error: SandboxError) -> None:
        for queue in self._queues.values():
            for job in queue:
                job.fail(error)
        self._queues.clear()


def _clean_output(line: bytes) -> str:
    """Return a printed line without characters that control a terminal: programs print what callers are called."""
    return replace_unprintable(line.decode("utf-8", "replace"), allowed="\t")


def _decode_error(body: bytes) -> AuthorCodeError:
    """Decode an error of the process. Raises ValueError for an unreadable one."""
    words = json.loads(body)
    if not (isinstance(words, list) and len(words) == 3 and all(isinstance(word, str) for word in words)):  # noqa: PLR2004 - type, message, trace
        raise ValueError("an error without type, message and trace")
    return AuthorCodeError(*words)


def _describe_exit(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-status).name
    return f"signal {-status}"
