"""What is sent, acknowledged and found when the worst happens in the midst of it.

``python tests/journal/faults.py [kill|database|disk] [SECONDS]`` does so on SQLite and on PostgreSQL, where it is there,
and prints the figures.

``kill``: kill -9 in the midst of 2,000 reports a second, and start again. Of what was acknowledged (as a webhook is)
nothing may be missing; of what was only remembered (as the websocket's), what came within the last moments may be, and is
filled in by a search.

``database``: a server is asked by callers and told by webhooks; its database goes away in the midst, and comes back.
``disk``: so does the room on its disk, with its database (SQLite on that disk, PostgreSQL cut off). What a webhook
acknowledged is never missing, and callers are answered all the time.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))
from breakable_database import open_breakable_database
from sample_events import build_platform_event, generate_platform_events, load_sample
from sqlalchemy import create_engine
from temporary_databases import DATABASE_KINDS, create_database, explain_unreachable

from callflows.journal.journal import Journal
from callflows.journal.spool import Spool
from callflows.journal.sql_store import SqlStore, parse_database_url
from command_process import CommandProcess, build_environment, run_serve
from waiting import join_thread, kill_process, run_bounded, run_process, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from breakable_database import BreakableDatabase

REMEMBERED_PER_SECOND = 2_000
"""Reports a second that are remembered …"""
RECORDED_PER_SECOND = 100
"""… and those a second that are recorded, each acknowledged by a line."""
CALLS_PER_SECOND = 50
"""Callers a second."""
MAX_SEND_SECONDS = 600
"""A sender that nobody kills ends after this time."""
MIN_ACKNOWLEDGED = 20
"""Reports that are acknowledged before the time begins after which the worst happens."""
DISK_BYTES = 8 * 2**20
"""Bytes of a disk that is filled."""
FLOW = "numbers: +12015550123\nnodes: {start: [{say: Hello.}]}\n"


class KillFigures(NamedTuple):
    """What became of the reports that were sent."""

    remembered: int
    found_count: int
    first_missing_age: float
    """Seconds before the kill from which on the first that is missing was remembered; 0 where none is."""
    acknowledged: int
    missing_count: int
    """Of those that were acknowledged."""

    def __str__(self) -> str:
        return (
            f"remembered {self.remembered:,}, found {self.found_count:,} "
            f"(the first missing was {self.first_missing_age:.3f} s old); "
            f"acknowledged {self.acknowledged:,}, of them missing {self.missing_count}"
        )


class OutageFigures(NamedTuple):
    """What became of what a server was told and asked."""

    sent: int
    acknowledged: int
    refused: int
    """Webhooks that were told to come again."""
    missing_count: int
    """Of those that were acknowledged."""
    calls: int
    answered: int
    slowest_seconds: float
    """Seconds."""
    calls_in_log: int
    """Calls that are in the log."""

    def __str__(self) -> str:
        webhooks = f"webhooks sent {self.sent:,}, acknowledged {self.acknowledged:,}, told to come again {self.refused:,}"
        calls = f"calls {self.calls:,}, answered {self.answered:,} (the slowest in {self.slowest_seconds:.3f} s)"
        return f"{webhooks}, acknowledged and missing {self.missing_count}; {calls}, in the log {self.calls_in_log:,}"


async def send_reports(url: str, folder: str, parent: int, remembered_per_second: int) -> None:
    """In the process that is killed: remember and record, and print the time of each report.

    Ends if its parent ends, or after MAX_SEND_SECONDS.
    """
    journal = Journal(SqlStore(url), Spool(Path(folder)))
    journal.start()
    say = os.fdopen(os.dup(1), "w", buffering=1)
    init = load_sample("event-2024-call-init")

    end = time.monotonic() + MAX_SEND_SECONDS

    def is_awaited() -> bool:
        return os.getppid() == parent and time.monotonic() < end

    async def record_reports() -> None:
        number = 0
        while is_awaited():
            await journal.record_now(build_platform_event({**init, "uuid": f"recorded-{number}"}))
            say.write(f"recorded-{number} {time.time()}\n")
            number += 1
            await asyncio.sleep(1 / RECORDED_PER_SECOND)

    recording = asyncio.create_task(record_reports())
    began = time.monotonic()
    for count, happened in enumerate(generate_platform_events(remembered_per_second * MAX_SEND_SECONDS), 1):
        if not is_awaited():
            break
        journal.record_soon(happened)
        say.write(f"{happened.key} {time.time()}\n")
        ahead = count / remembered_per_second - (time.monotonic() - began)
        await asyncio.sleep(max(ahead, 0))  # the other reports have their turn also if this loop is late
    await recording
    journal.stop()


def measure_kill(url: str, folder: Path, seconds: float, remembered_per_second: int = REMEMBERED_PER_SECOND) -> KillFigures:
    """Start a sender, kill it, start again, and count."""
    command = [sys.executable, __file__, "--send", url, str(folder), str(os.getpid()), str(remembered_per_second)]
    output, log = folder / "output", folder / "log"
    with output.open("w") as out, log.open("w") as errors, output.open() as printed:
        acknowledged = itertools.accumulate(iter(lambda: printed.read().count("recorded"), None))
        sender = subprocess.Popen(command, stdout=out, stderr=errors)  # noqa: S603 - this file
        try:
            wait_until(
                lambda: next(acknowledged) >= MIN_ACKNOWLEDGED,
                f"{MIN_ACKNOWLEDGED} acknowledged reports",
                process=sender,
                log=log,
            )
            time.sleep(seconds)
            sender.kill()
            ended = time.time()
        finally:
            kill_process(sender)
    journal = Journal(SqlStore(url), Spool(folder))
    journal.start()
    try:
        wait_until(
            lambda: journal.get_status()["database"] == "ok" and not journal.get_status()["spooled_bytes"],
            "the journal to write its spool",
        )
    finally:
        journal.stop()
    return _build_kill_figures(output, _query_keys(url, "SELECT key FROM events"), ended)


def _query_keys(url: str, query: str) -> set[str]:
    engine = create_engine(parse_database_url(url))
    with engine.connect() as connection:
        keys = {key for (key,) in connection.exec_driver_sql(query)}
    engine.dispose()
    return keys


def _build_kill_figures(output_file: Path, stored_keys: set[str], killed_at: float) -> KillFigures:
    sent = [line.split() for line in output_file.read_text().splitlines() if line.count(" ") == 1]
    recorded = [key for key, _ in sent if key.startswith("recorded")]
    remembered = [(key, float(at)) for key, at in sent if not key.startswith("recorded")]
    lost = [at for key, at in remembered if key not in stored_keys]
    return KillFigures(
        len(remembered),
        sum(key in stored_keys for key, _ in remembered),
        killed_at - min(lost) if lost else 0.0,
        len(recorded),
        sum(key not in stored_keys for key in recorded),
    )


def measure_database_outage(url: str, folder: Path, seconds: float) -> OutageFigures:
    """Take a server's database away for some seconds, and count."""
    with open_breakable_database(url, folder) as database:
        return measure_outage(
            database.url,
            folder / "data",
            folder,
            seconds,
            lambda _pid: database.take_away(),
            lambda _pid: database.bring_back(),
        )


def measure_full_disk(url: str, folder: Path, seconds: float) -> OutageFigures:
    """Fill a server's disk for some seconds, and count."""
    with mount_small_disk(folder / "disk") as disk, open_breakable_database(url, folder) as database:
        cut_database = database if url.startswith("postgres") else None
        own_url = database.url if cut_database else f"sqlite:///{disk.folder}/journal.db"
        return measure_outage(own_url, disk.folder, folder, seconds, *_combine_faults(disk, cut_database))


def _combine_faults(
    disk: FillableDisk, breakable_database: BreakableDatabase | None
) -> tuple[Callable[[int], None], Callable[[int], None]]:
    def start_fault(pid: int) -> None:
        disk.fill(pid)
        if breakable_database:
            breakable_database.take_away()

    def end_fault(pid: int) -> None:
        disk.free_space(pid)
        if breakable_database:
            breakable_database.bring_back()

    return start_fault, end_fault


class FillableDisk:
    """A folder on a disk that can be filled; where no small one can be mounted, files that cannot grow."""

    def __init__(self, folder: Path, *, mounted: bool) -> None:
        self.folder = folder
        self._ballast = folder / "ballast" if mounted else None

    def fill(self, pid: int) -> None:
        if self._ballast is None:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
            return
        with contextlib.suppress(OSError), self._ballast.open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass

    def free_space(self, pid: int) -> None:
        if self._ballast is None:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        else:
            self._ballast.unlink()


@contextlib.contextmanager
def mount_small_disk(folder: Path) -> Iterator[FillableDisk]:
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    mounted = os.geteuid() == 0 and run_process(mount).returncode == 0
    try:
        yield FillableDisk(folder, mounted=mounted)
    finally:
        if mounted:
            run_process(["umount", "-l", str(folder)])


def measure_outage(
    url: str, data: Path, folder: Path, seconds: float, start_fault: Callable[[int], None], end_fault: Callable[[int], None]
) -> OutageFigures:
    """Tell and ask a server while something goes away and comes back, and count."""
    with run_server(url, data, folder) as (process, base):
        with run_clients(base) as (webhooks, calls):
            wait_until(
                lambda: sum(status == httpx.codes.OK for _, status in webhooks) >= MIN_ACKNOWLEDGED,
                f"{MIN_ACKNOWLEDGED} acknowledged webhooks",
                process=process,
            )
            time.sleep(seconds)
            start_fault(process.pid)
            time.sleep(seconds)
            # A busy machine needs longer to notice, and some reports must be told of it.
            wait_until(
                lambda: _read_journal_status(base)["database"] == "gone",
                "the server to say that its database is gone",
                process=process,
            )
            told_before = len(webhooks)
            wait_until(lambda: len(webhooks) > told_before + 2, "reports during the fault", process=process)
            end_fault(process.pid)
            time.sleep(seconds)
        wait_until(
            lambda: not any(_read_journal_status(base)[name] for name in ("waiting", "spooled_bytes")),
            "the journal to write its spool",
            process=process,
        )
    acknowledged = {key for key, status in webhooks if status == httpx.codes.OK}
    return OutageFigures(
        len(webhooks),
        len(acknowledged),
        sum(status == httpx.codes.SERVICE_UNAVAILABLE for _, status in webhooks),
        len(acknowledged - _query_keys(url, "SELECT key FROM events")),
        len(calls),
        sum(fine for _, fine, _ in calls),
        max(took for *_, took in calls),
        len({call for call, *_ in calls} & _query_keys(url, "SELECT call FROM turns")),
    )


@contextlib.contextmanager
def run_server(url: str, data: Path, folder: Path) -> Iterator[tuple[CommandProcess, str]]:
    """A server of one flow: its process, and its URL."""
    (folder / "callflows").mkdir()
    (folder / "callflows" / "desk.yaml").write_text(FLOW, encoding="utf-8")
    environment = build_environment(database_url=url, data=str(data))
    with run_serve(folder, env=environment) as (process, base):
        wait_until(
            lambda: _read_journal_status(base).get("database") == "ok", "the database of the journal", process=process
        )
        yield process, base


def _read_journal_status(base: str) -> dict[str, Any]:
    status: dict[str, Any] = httpx.get(f"{base}/readyz", timeout=10).json().get("journal", {})
    return status


@contextlib.contextmanager
def run_clients(base: str) -> Iterator[tuple[list[tuple[str, int]], list[tuple[str, bool, float]]]]:
    """Webhooks and callers: each report and its status; each call, whether it was answered, and how long that took."""
    webhooks: list[tuple[str, int]] = []
    calls: list[tuple[str, bool, float]] = []
    over = threading.Event()
    init = load_sample("event-2024-call-init")

    def send_webhook(http: httpx.Client, number: int) -> None:
        key = f"recorded-{number}"
        body = {**init, "uuid": key, "call": {**init["call"], "uuid": f"call-of-{key}"}}
        webhooks.append((key, http.post("/webhook", json=body).status_code))

    def send_call(http: httpx.Client, number: int) -> None:
        began, call = time.monotonic(), f"call-{number}"
        reply = http.get("/call", params={"from": "+12015550999", "to": "12015550123", "call": call})
        fine = reply.status_code == httpx.codes.OK and "Hello." in reply.text
        calls.append((call, fine, time.monotonic() - began))

    def run_client(send_one: Callable[[httpx.Client, int], None], rate: int) -> None:
        with httpx.Client(base_url=base, timeout=30, trust_env=False) as http:
            number = 0
            while not over.wait(1 / rate):
                send_one(http, number)
                number += 1

    threads = [
        threading.Thread(target=run_client, args=arguments)
        for arguments in ((send_webhook, RECORDED_PER_SECOND), (send_call, CALLS_PER_SECOND))
    ]
    for thread in threads:
        thread.start()
    try:
        yield webhooks, calls
    finally:
        over.set()
        for thread in threads:
            join_thread(thread)


MEASUREMENTS: dict[str, Callable[[str, Path, float], KillFigures | OutageFigures]] = {
    "kill": measure_kill,
    "database": measure_database_outage,
    "disk": measure_full_disk,
}


def main() -> None:
    """Print the figures of each database."""
    if sys.argv[1:2] == ["--send"]:
        run_bounded(send_reports(*sys.argv[2:4], *map(int, sys.argv[4:])), MAX_SEND_SECONDS + 60)
        return
    chosen = [name for name in MEASUREMENTS if name in sys.argv[1:]] or [*MEASUREMENTS]
    seconds = next((float(argument) for argument in sys.argv[1:] if argument not in MEASUREMENTS), 5.0)
    why = explain_unreachable()
    for fault in chosen:
        for kind in DATABASE_KINDS[: 1 if why else 2]:
            with tempfile.TemporaryDirectory() as folder, create_database(kind, Path(folder)) as url:
                print(f"{fault}, {kind}: {MEASUREMENTS[fault](url, Path(folder), seconds)}", flush=True)  # noqa: T201 - a command
    if why:
        print(why)  # noqa: T201 - a command


if __name__ == "__main__":
    main()
