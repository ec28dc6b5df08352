"""A server process that is measured: its processor time, its memory, and the core that it runs on."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from callflows.errors import BenchmarkError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


BENCHMARK_FLOWS: Final = Path(__file__).with_name("flows")
BENCHMARK_TOKEN: Final = "benchmark"  # noqa: S105 - no secret: the measured servers answer this machine alone
_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 15.0


def _read_thread_nanoseconds(file: Path) -> int:
    try:
        return int(file.read_text(encoding="ascii").split()[0])
    except (FileNotFoundError, ProcessLookupError):
        return 0  # the thread ended after it was listed


class MeasuredServer(NamedTuple):
    """A running server on a port of this machine."""

    pid: int
    port: int

    def read_cpu_seconds(self) -> float:
        """Return the processor time of all threads of the server and its processes, in seconds."""
        files = [file for pid in list_process_tree(self.pid) for file in Path(f"/proc/{pid}/task").glob("*/schedstat")]
        return sum(map(_read_thread_nanoseconds, files)) / 1e9

    def read_memory(self) -> float:
        """Return the memory that the server has for itself, in MB: what it shares with other processes is divided."""
        text = Path(f"/proc/{self.pid}/smaps_rollup").read_text(encoding="ascii")
        return int(re.findall(r"^Pss:\s+(\d+)", text, re.MULTILINE)[0]) / 1024

    @contextlib.contextmanager
    def run_alone(self, others: Iterable[MeasuredServer]) -> Iterator[None]:
        """Hold the other servers, so that their work after their answers takes nothing from this server's core."""
        held = [pid for other in others if other != self for pid in list_process_tree(other.pid)]
        _send_signal(held, signal.SIGSTOP)
        try:
            yield
        finally:
            _send_signal(held, signal.SIGCONT)


def _send_signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # a process that its server started may have ended
            os.kill(pid, number)


def list_process_tree(pid: int) -> list[int]:
    """List a process and all that it has started."""
    children: list[str] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # the thread may have ended meanwhile
            children += task.read_text("ascii").split()
    return [pid, *(found for child in children for found in list_process_tree(int(child)))]


@contextlib.contextmanager
def run_measured_server(
    command: Sequence[str], data: Path, cores: Sequence[int] = (0,), **settings: str
) -> Iterator[MeasuredServer]:
    """Run ``python -m`` with a command and ``--port``, on some cores of this machine, with an empty data folder.

    Raises BenchmarkError if the server does not begin to listen.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    given = {
        "TOKEN": BENCHMARK_TOKEN,
        "SECRET_KEYS": "benchmark",
        "FLOWS": str(BENCHMARK_FLOWS),
        "DATA": str(data),
        **settings,
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CALLFLOWS_")}
    environment |= {f"CALLFLOWS_{name}": value for name, value in given.items()}
    words = [word.replace("PORT", str(port)) for word in command]
    with (data / "server.log").open("w") as log, on_cores(cores):
        process = subprocess.Popen(  # noqa: S603 - our own servers
            [sys.executable, "-m", *words], cwd=data, env=environment, stdout=subprocess.DEVNULL, stderr=log
        )
    try:
        _await_listening(process, port, data / "server.log")
        yield MeasuredServer(process.pid, port)
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def on_cores(cores: Sequence[int]) -> Iterator[None]:
    """Have this process, and what it starts, run on some cores. Without effect if the machine has one core alone."""
    allowed = os.sched_getaffinity(0)
    chosen = [core for place, core in enumerate(sorted(allowed)) if place in cores]
    if len(allowed) > 1 and chosen:
        os.sched_setaffinity(0, chosen)
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _await_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    said = log.read_text(encoding="utf-8", errors="replace").strip()[-500:]
    raise BenchmarkError(f"a measured server did not begin to listen: {said or 'it said nothing'}")
