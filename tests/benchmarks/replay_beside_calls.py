"""The answers to callers while the server replays past calls, beside the same without a replay.

Run as ``python tests/benchmarks/replay_beside_calls.py [CALLS] [--live-pages]``; needs Linux. A server with so many
recorded calls (1,000) answers four callers who ask without a pause, and replays all its calls over the HTTP API, again
and again. The process of the replay is stopped in every other of many short slices, so that both kinds of slices meet
the same machine. The medians of paired ratios are printed: of answers a second, and of the 99th percentile. With
``--live-pages`` fifty people watch the live page of the console during the replay, and the slices are so long that each
has the page rendered. Loopback only; ends by itself.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import itertools
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests" / "testing"), str(ROOT / "tests")]

from live_pages import PAGES, PASSWORD, open_live_pages, sign_cookie  # noqa: E402
from rehearsed_journal import write_rehearsed_calls  # noqa: E402
from replay import build_rehearsals  # noqa: E402

from callflows.journal.sql_store import SqlStore  # noqa: E402
from command_process import build_environment, find_free_port  # noqa: E402
from waiting import join_thread, run_bounded, stop_process, wait_for_server  # noqa: E402

PAIRS, SECONDS, CALLERS, RECORDED_CALLS = 60, 0.5, 4, 1_000
PAIRS_WITH_PAGES, SECONDS_WITH_PAGES = 8, 9.0
PATH = "/call?from=%2B1201{:07}&to=12015550123"
REHEARSED_UNTIL = "2026-11-24"
"""The calls of the benchmark itself have no end, so that nothing of them could be compared."""
CALLERS_SO_FAR = itertools.count()
"""Each request is another caller's: those of one caller within a moment are one call, which had thousands of turns."""


def measure_answers(port: int, seconds: float) -> tuple[float, float]:
    """Answers a second, and the 99th percentile in milliseconds."""
    took: list[float] = []
    end = time.perf_counter() + seconds

    def call_again() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while time.perf_counter() < end:
            began = time.perf_counter()
            connection.request("GET", PATH.format(next(CALLERS_SO_FAR)))
            connection.getresponse().read()
            took.append(time.perf_counter() - began)
        connection.close()

    threads = [threading.Thread(target=call_again) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        join_thread(thread)
    return len(took) / seconds, statistics.quantiles(took, n=100)[98] * 1000


class Replay(threading.Thread):
    """Replays all calls once by the HTTP API."""

    def __init__(self, port: int, calls: int) -> None:
        super().__init__(daemon=True)
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        self._calls = calls
        self.status = 0
        self.replayed = 0

    def run(self) -> None:
        """Replay; ends early if the server ends."""
        body = json.dumps({"since": "2026-11-01", "until": REHEARSED_UNTIL, "limit": self._calls})
        with contextlib.suppress(OSError, http.client.HTTPException, AttributeError, ValueError):
            headers = {"content-type": "application/json", "accept": "application/x-ndjson"}
            self._connection.request("POST", "/api/v1/replay", body, headers)
            response = self._connection.getresponse()
            self.status = response.status
            for line in response:
                found = json.loads(line)
                self.replayed = found.get("done", found.get("calls", 0))


class Replays:
    """One replay after the other, in a process that is stopped and goes on as it is told."""

    def __init__(self, server: int, port: int, calls: int) -> None:
        self._server = server
        self._port = port
        self._calls = calls
        self._replay: Replay | None = None
        self._finished = 0

    @property
    def replayed(self) -> int:
        """Number of calls that were replayed so far."""
        return self._finished + (self._replay.replayed if self._replay is not None else 0)

    def go_on(self) -> None:
        """Let the replay go on; begin one if there is none, or if it has ended."""
        if self._replay is None or not self._replay.is_alive():
            if self._replay is not None:
                assert self._replay.status == 200, "the server refuses to replay: these would be numbers without one"
                self._finished += self._replay.replayed
            self._replay = Replay(self._port, self._calls)
            self._replay.start()
        self._signal(signal.SIGCONT)

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def _signal(self, number: signal.Signals) -> None:
        for process in self._list_processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)

    def _list_processes(self) -> list[int]:
        """Return the ids of the commands that the server runs."""
        children = [file.read_text().split() for file in Path(f"/proc/{self._server}/task").glob("*/children")]
        found = []
        for child in itertools.chain(*children):
            with contextlib.suppress(OSError):
                if b"replay" in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
                    found.append(int(child))
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("calls", nargs="?", type=int, default=RECORDED_CALLS)
    parser.add_argument("--live-pages", action="store_true", help=f"with {PAGES} open live pages beside the replay")
    arguments = parser.parse_args()
    calls: int = arguments.calls
    pages = PAGES if arguments.live_pages else 0
    pairs, seconds = (PAIRS_WITH_PAGES, SECONDS_WITH_PAGES) if pages else (PAIRS, SECONDS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "flows").mkdir()
        shutil.copy(ROOT / "callflows" / "front-desk.yaml", folder / "flows")
        store = SqlStore(f"sqlite:///{folder}/callflows.db")
        store.open()
        run_bounded(write_rehearsed_calls(store, folder / "flows", build_rehearsals("+12015550123", calls)), 1800)
        store.close()
        port = find_free_port()
        people = folder / "people"
        cookie = sign_cookie(people)
        console = {"console_password": PASSWORD, "console_users": str(people), "secret_keys": "benchmark"}
        environment = build_environment(data=name, flows=str(folder / "flows"), **console)
        command = [sys.executable, "-m", "callflows", "serve", "--port", str(port)]
        server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for_server(server, f"http://127.0.0.1:{port}/healthz")
            measure_answers(port, seconds)
            replays = Replays(server.pid, port, calls)
            rates, delays = [], []
            for number in range(pairs):
                measured = {}
                for is_beside in (True, False) if number % 2 else (False, True):
                    (replays.go_on if is_beside else replays.pause)()
                    # Also without pages the machine is given the time that opening them takes.
                    with open_live_pages(port, pages if is_beside else 0, cookie) if pages else contextlib.nullcontext():
                        measured[is_beside] = measure_answers(port, seconds)
                rates.append(measured[True][0] / measured[False][0])
                delays.append(measured[True][1] / measured[False][1])
            print(f"{replays.replayed:,} calls were replayed in {pairs * seconds:.0f} s beside the callers")
            replays.go_on()
        finally:
            stop_process(server, 20)
    print(f"answers: {statistics.median(rates):.2f} of those alone; 99th percentile: {statistics.median(delays):.2f}")
    print(f"load of the machine: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
