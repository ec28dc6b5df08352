"""One thing broken at a time under load: ``python tests/faults/fault_suite.py [NAME …] [--seconds N]``.

Each fault has a server of its own, which 40 calls and 20 reports a second reach: a third of the calls causes a webhook, a
fifth asks another server, a fifth runs a program. It is broken for some seconds (1.5) in the midst of them. Printed are:
the calls that reached the server, those with a valid document, late ones (after more than 2.5 s), fallbacks, the slowest
answer; the reports that were acknowledged, and those of them that are lost; the effects, and those that happened twice.
Ends with 1 if something is wrong. All of it takes less than three minutes on a machine that has two cores for it.

A process that is killed cannot answer the calls that it has just accepted, nor one without memory: these calls are counted,
and alone do not make a fault fail. Late answers do not either on a machine that is busy with other programs.

The platform's side is broken in ``tests/rehearsal/test_stand_in_faults.py`` (an event socket that flaps or lies),
PostgreSQL in ``tests/journal/faults.py`` and ``tests/journal/test_outages.py`` (stopped, hanging, full), the clock in
``tests/web/test_ticket_requests.py``; callflows uses no Redis.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import signal
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

sys.path.insert(0, str(Path(__file__).parent))
from faulty_server import FaultyServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextlib.contextmanager
def nothing(_server: FaultyServer) -> Iterator[None]:
    yield


@contextlib.contextmanager
def raising_program(server: FaultyServer) -> Iterator[None]:
    server.fault_file.write_text("raise")
    yield
    server.fault_file.unlink()


@contextlib.contextmanager
def endless_program(server: FaultyServer) -> Iterator[None]:
    server.fault_file.write_text("spin")
    yield
    server.fault_file.unlink()


@contextlib.contextmanager
def slow_lookup(server: FaultyServer) -> Iterator[None]:
    server.outside.is_hanging.set()
    yield
    server.outside.is_hanging.clear()


@contextlib.contextmanager
def locked_database(server: FaultyServer) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(server.database, timeout=5, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        yield
        database.execute("ROLLBACK")


@contextlib.contextmanager
def full_disk(server: FaultyServer) -> Iterator[None]:
    """No file may grow beyond what it has: for the process, this is a disk without room."""
    before = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (4096, before[1]))
    yield
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, before)


@contextlib.contextmanager
def deleted_flows(server: FaultyServer) -> Iterator[None]:
    away = server.folder / "flows-away"
    server.flows.rename(away)
    yield
    away.rename(server.flows)


@contextlib.contextmanager
def half_written_flow(server: FaultyServer) -> Iterator[None]:
    file = server.flows / "desk.yaml"
    text = file.read_text()
    file.write_text(text[: len(text) // 2])
    yield
    file.write_text(text)


@contextlib.contextmanager
def without_file_descriptors(server: FaultyServer) -> Iterator[None]:
    pid = server.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    used = len([*Path(f"/proc/{pid}/fd").iterdir()])
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 2, before[1]))
    yield
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


@contextlib.contextmanager
def without_memory(server: FaultyServer) -> Iterator[None]:
    pid = server.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_AS)
    used = int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.prlimit(pid, resource.RLIMIT_AS, (used + 2**20, before[1]))
    yield
    resource.prlimit(pid, resource.RLIMIT_AS, before)


@contextlib.contextmanager
def killed_sandbox(server: FaultyServer) -> Iterator[None]:
    for child in list_children(server.process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    yield


@contextlib.contextmanager
def killed_worker(server: FaultyServer) -> Iterator[None]:
    workers = [child for child in list_children(server.process.pid) if list_children(child)]
    os.kill((workers or list_children(server.process.pid))[-1], signal.SIGKILL)
    yield


@contextlib.contextmanager
def sigterm(server: FaultyServer) -> Iterator[None]:
    server.process.send_signal(signal.SIGTERM)
    server.restart()
    yield


@contextlib.contextmanager
def sigkill(server: FaultyServer) -> Iterator[None]:
    server.process.kill()
    server.restart()
    yield


def list_children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        tasks = Path(f"/proc/{pid}/task").glob("*/children")
        return [int(child) for task in tasks for child in task.read_text().split()]
    return []


def some_callers_hear_the_fallback(server: FaultyServer) -> bool:
    return server.count_verdicts("fallback") > 0


def a_lookup_has_hung(server: FaultyServer) -> bool:
    return server.outside.hung_lookups > 0


def rows_wait_for_the_database(server: FaultyServer) -> bool:
    journal = server.read_status().get("journal", {})
    return bool(journal.get("waiting") or journal.get("spooled_bytes"))


def a_flow_is_held_back(server: FaultyServer) -> bool:
    return bool(server.read_status().get("stale"))


def the_log_misses_the_folder(server: FaultyServer) -> bool:
    return "[no-folder]" in server.log.read_text(encoding="utf-8", errors="replace")


class Fault(NamedTuple):
    break_it: Callable[[FaultyServer], contextlib.AbstractContextManager[None]]
    is_felt: Callable[[FaultyServer], bool] | None = None
    """Tells, while the thing is broken, that the server has met the fault."""
    workers: int = 1
    loses_connections: bool = False
    """Connections are closed by the system: only their calls may go without an answer."""
    repeats_effects: bool = False
    """A process ends before it can note that an effect has arrived: it is sent again, with the same webhook-id."""


FAULTS = {
    "nothing": Fault(nothing),
    "a program raises": Fault(raising_program, some_callers_hear_the_fallback),
    "a program never ends": Fault(endless_program, some_callers_hear_the_fallback),
    "a lookup hangs": Fault(slow_lookup, a_lookup_has_hung),
    "the database is locked": Fault(locked_database, rows_wait_for_the_database),
    "the disk is full": Fault(full_disk, rows_wait_for_the_database),
    "the flow folder is deleted": Fault(deleted_flows, the_log_misses_the_folder),
    "a flow is half written": Fault(half_written_flow, a_flow_is_held_back),
    "no file descriptors": Fault(without_file_descriptors),
    "no memory": Fault(without_memory, loses_connections=True),
    "sandbox processes are killed": Fault(killed_sandbox),
    "one of two workers is killed": Fault(killed_worker, workers=2, loses_connections=True, repeats_effects=True),
    "SIGTERM and start": Fault(sigterm),
    "SIGTERM and start, two workers": Fault(sigterm, workers=2),
    "SIGKILL and start": Fault(sigkill, loses_connections=True, repeats_effects=True),
}
MAX_LOST_CONNECTIONS = 8
MAX_REPEATED_EFFECTS = 2


def run_fault(name: str, seconds: float) -> bool:
    """Print the figures of a fault. Returns whether all is fine."""
    fault = FAULTS[name]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        server = FaultyServer(Path(folder), workers=str(fault.workers))
        try:
            figures = server.measure(fault.break_it, seconds, fault.is_felt)
        finally:
            server.close()
        tail = server.log.read_text(encoding="utf-8", errors="replace").splitlines()
    allowed = MAX_LOST_CONNECTIONS if fault.loses_connections else 0
    is_machine_busy = os.getloadavg()[0] > 2 * (os.cpu_count() or 1)
    repeats = MAX_REPEATED_EFFECTS if fault.repeats_effects else 0
    is_fine = len(figures.broken) <= allowed and not figures.lost and figures.doubled <= repeats
    is_fine = is_fine and (not figures.late or is_machine_busy)
    print(f"{'ok   ' if is_fine else 'WRONG'} {name}: {figures}", flush=True)
    if not is_fine:
        said = [line for line in tail if '"level": "info"' not in line and '"answered"' not in line]
        print("      " + "\n      ".join(line[:300] for line in said[-6:]), flush=True)
    return is_fine


def main() -> int:
    """Run the faults."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="; ".join(FAULTS))
    parser.add_argument("--seconds", type=float, default=1.5)
    arguments = parser.parse_args()
    began = time.monotonic()
    results = [run_fault(name, arguments.seconds) for name in arguments.names or FAULTS]
    print(f"{sum(results)} of {len(results)} faults are survived, in {time.monotonic() - began:.0f} s")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
