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
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx

sys.path.insert(0, str(Path(__file__).parent))
from databases import KINDS, database, unreachable
from gone import breakable
from reports import many, report, sample
from sqlalchemy import create_engine

from app.journal.journal import Journal
from app.journal.spool import Spool
from app.journal.sql import SqlStore, url_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gone import Breakable

RATE = 2_000
"""Reports a second that are remembered …"""
RECORDED = 100
"""… and those a second that are recorded, each acknowledged by a line."""
CALLS = 50
"""Callers a second."""
FIRST = 20
"""Reports that are acknowledged before the time begins after which the worst happens."""
SMALL = 8 * 2**20
"""Bytes of a disk that is filled."""
FLOW = "numbers: +12015550123\nnodes: {start: [{say: Hello.}]}\n"


class Counted(NamedTuple):
    """What became of the reports that were sent."""

    remembered: int
    found: int
    late: float
    """Seconds before the kill from which on the first that is missing was remembered; 0 where none is."""
    acknowledged: int
    missing: int
    """Of those that were acknowledged."""

    def __str__(self) -> str:
        said = f"remembered {self.remembered:,}, found {self.found:,} (the first missing was {self.late:.3f} s old)"
        return f"{said}; acknowledged {self.acknowledged:,}, of them missing {self.missing}"


class Told(NamedTuple):
    """What became of what a server was told and asked."""

    sent: int
    acknowledged: int
    refused: int
    """Webhooks that were told to come again."""
    missing: int
    """Of those that were acknowledged."""
    asked: int
    answered: int
    slowest: float
    """Seconds."""
    found: int
    """Calls that are in the log."""
    gone: bool
    """Whether the server said meanwhile that its database is gone."""

    def __str__(self) -> str:
        webhooks = f"webhooks sent {self.sent:,}, acknowledged {self.acknowledged:,}, told to come again {self.refused:,}"
        calls = f"calls {self.asked:,}, answered {self.answered:,} (the slowest in {self.slowest:.3f} s)"
        return f"{webhooks}, acknowledged and missing {self.missing}; {calls}, in the log {self.found:,}"


async def send(url: str, folder: str) -> None:
    """In the process that is killed: remember and record, and say of each when it was."""
    journal = Journal(SqlStore(url), Spool(Path(folder)), lambda _turn: [])
    journal.start()
    say = os.fdopen(os.dup(1), "w", buffering=1)
    init = sample("event-2024-call-init")

    async def record() -> None:
        number = 0
        while True:
            await journal.record_now(report({**init, "uuid": f"recorded-{number}"}))
            say.write(f"recorded-{number} {time.time()}\n")
            number += 1
            await asyncio.sleep(1 / RECORDED)

    recording = asyncio.create_task(record())
    began = time.monotonic()
    for count, happened in enumerate(many(RATE * 600), 1):
        journal.remember(happened)
        say.write(f"{happened.key} {time.time()}\n")
        ahead = count / RATE - (time.monotonic() - began)
        if ahead > 0:
            await asyncio.sleep(ahead)
    await recording


def killed(url: str, folder: Path, seconds: float) -> Counted:
    """Start a sender, kill it, start again, and count."""
    command = [sys.executable, __file__, "--send", url, str(folder)]
    said = folder / "said"
    with said.open("w") as out:
        sender = subprocess.Popen(command, stdout=out)  # noqa: S603 - this file
        while said.read_text().count("recorded") < FIRST:
            time.sleep(0.05)
        time.sleep(seconds)
        sender.send_signal(signal.SIGKILL)
        ended = time.time()
        sender.wait()
    again = Journal(SqlStore(url), Spool(folder), lambda _turn: [])
    again.start()
    while again.state()["database"] != "ok" or again.state()["spooled_bytes"]:
        time.sleep(0.01)
    again.stop()
    return _counted(said, _keys(url, "SELECT key FROM events"), ended)


def _keys(url: str, query: str) -> set[str]:
    engine = create_engine(url_of(url))
    with engine.connect() as connection:
        found = {key for (key,) in connection.exec_driver_sql(query)}
    engine.dispose()
    return found


def _counted(said: Path, found: set[str], ended: float) -> Counted:
    sent = [line.split() for line in said.read_text().splitlines() if line.count(" ") == 1]
    recorded = [key for key, _ in sent if key.startswith("recorded")]
    remembered = [(key, float(at)) for key, at in sent if not key.startswith("recorded")]
    lost = [at for key, at in remembered if key not in found]
    return Counted(
        len(remembered),
        sum(key in found for key, _ in remembered),
        ended - min(lost) if lost else 0.0,
        len(recorded),
        sum(key not in found for key in recorded),
    )


def lost(url: str, folder: Path, seconds: float) -> Told:
    """Take a server's database away for some seconds, and count."""
    with breakable(url, folder) as there:
        return told(there.url, folder / "data", folder, seconds, lambda _pid: there.go(), lambda _pid: there.come())


def filled(url: str, folder: Path, seconds: float) -> Told:
    """Fill a server's disk for some seconds, and count."""
    with disk(folder / "disk") as full, breakable(url, folder) as there:
        with_it = there if url.startswith("postgres") else None
        mine = there.url if with_it else f"sqlite:///{full.folder}/journal.db"
        return told(mine, full.folder, folder, seconds, *_both(full, with_it))


def _both(full: Disk, there: Breakable | None) -> tuple[Callable[[int], None], Callable[[int], None]]:
    def go(pid: int) -> None:
        full.fill(pid)
        if there:
            there.go()

    def come(pid: int) -> None:
        full.empty(pid)
        if there:
            there.come()

    return go, come


class Disk:
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

    def empty(self, pid: int) -> None:
        if self._ballast is None:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        else:
            self._ballast.unlink()


@contextlib.contextmanager
def disk(folder: Path) -> Iterator[Disk]:
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", str(folder)]
    mounted = os.geteuid() == 0 and subprocess.run(mount, check=False, capture_output=True).returncode == 0  # noqa: S603 - as root only
    try:
        yield Disk(folder, mounted=mounted)
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=False)  # noqa: S603, S607 - what was mounted here


def told(
    url: str, data: Path, folder: Path, seconds: float, go: Callable[[int], None], come: Callable[[int], None]
) -> Told:
    """Tell and ask a server while something goes away and comes back, and count."""
    with serving(url, data, folder) as (process, base):
        with asking(base) as (webhooks, calls):
            while sum(status == httpx.codes.OK for _, status in webhooks) < FIRST:
                time.sleep(0.05)
            time.sleep(seconds)
            go(process.pid)
            time.sleep(seconds)
            gone = httpx.get(f"{base}/readyz").json()["journal"]["database"] == "gone"
            come(process.pid)
            time.sleep(seconds)
        while any(httpx.get(f"{base}/readyz").json()["journal"][name] for name in ("waiting", "spooled_bytes")):
            time.sleep(0.05)
    acknowledged = {key for key, status in webhooks if status == httpx.codes.OK}
    return Told(
        len(webhooks),
        len(acknowledged),
        sum(status == httpx.codes.SERVICE_UNAVAILABLE for _, status in webhooks),
        len(acknowledged - _keys(url, "SELECT key FROM events")),
        len(calls),
        sum(fine for _, fine, _ in calls),
        max(took for *_, took in calls),
        len({call for call, *_ in calls} & _keys(url, "SELECT call FROM turns")),
        gone,
    )


@contextlib.contextmanager
def serving(url: str, data: Path, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A server of one flow: its process, and its URL."""
    (folder / "callflows").mkdir()
    (folder / "callflows" / "desk.yaml").write_text(FLOW, encoding="utf-8")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = str(found.getsockname()[1])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CALLFLOWS_")}
    environment |= {"CALLFLOWS_DATABASE_URL": url, "CALLFLOWS_DATA": str(data)}
    command = [sys.executable, "-m", "app.cli", "serve", "--port", port]
    quiet: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, cwd=folder, env=environment, **quiet)  # noqa: S603 - our own server
    base = f"http://127.0.0.1:{port}"
    try:
        while True:
            assert process.poll() is None, "the server ended"
            with contextlib.suppress(httpx.TransportError, KeyError):
                if httpx.get(f"{base}/readyz").json()["journal"]["database"] == "ok":
                    break
            time.sleep(0.05)
        yield process, base
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def asking(base: str) -> Iterator[tuple[list[tuple[str, int]], list[tuple[str, bool, float]]]]:
    """Webhooks and callers: each report and its status; each call, whether it was answered, and how long that took."""
    webhooks: list[tuple[str, int]] = []
    calls: list[tuple[str, bool, float]] = []
    over = threading.Event()
    init = sample("event-2024-call-init")

    def tell(http: httpx.Client, number: int) -> None:
        key = f"recorded-{number}"
        body = {**init, "uuid": key, "call": {**init["call"], "uuid": f"call-of-{key}"}}
        webhooks.append((key, http.post("/webhook", json=body).status_code))

    def ask(http: httpx.Client, number: int) -> None:
        began, call = time.monotonic(), f"call-{number}"
        reply = http.get("/call", params={"from": "+12015550999", "to": "12015550123", "call": call})
        fine = reply.status_code == httpx.codes.OK and "Hello." in reply.text
        calls.append((call, fine, time.monotonic() - began))

    def work(one: Callable[[httpx.Client, int], None], rate: int) -> None:
        with httpx.Client(base_url=base, timeout=30, trust_env=False) as http:
            number = 0
            while not over.wait(1 / rate):
                one(http, number)
                number += 1

    threads = [threading.Thread(target=work, args=given) for given in ((tell, RECORDED), (ask, CALLS))]
    for thread in threads:
        thread.start()
    try:
        yield webhooks, calls
    finally:
        over.set()
        for thread in threads:
            thread.join()


FAULTS: dict[str, Callable[[str, Path, float], Counted | Told]] = {"kill": killed, "database": lost, "disk": filled}


def main() -> None:
    """Print the figures of each database."""
    if sys.argv[1:2] == ["--send"]:
        asyncio.run(send(*sys.argv[2:4]))
        return
    chosen = [name for name in FAULTS if name in sys.argv[1:]] or [*FAULTS]
    seconds = next((float(said) for said in sys.argv[1:] if said not in FAULTS), 5.0)
    why = unreachable()
    for fault in chosen:
        for kind in KINDS[: 1 if why else 2]:
            with tempfile.TemporaryDirectory() as folder, database(kind, Path(folder)) as url:
                print(f"{fault}, {kind}: {FAULTS[fault](url, Path(folder), seconds)}", flush=True)  # noqa: T201 - a command
    if why:
        print(why)  # noqa: T201 - a command


if __name__ == "__main__":
    main()
