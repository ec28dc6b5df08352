"""The answers to callers while the server replays past calls, beside the same without a replay.

Run as ``python tests/benchmarks/replay_beside_calls.py``. A server with a thousand recorded calls answers four callers who
ask without a pause; short rounds with and without a replay over the HTTP API alternate. The medians of paired ratios are
printed: of answers a second, and of the 99th percentile. Loopback only; ends by itself.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests" / "testing"), str(ROOT / "tests")]

from rehearsed_journal import write_rehearsed_calls  # noqa: E402
from replay import build_rehearsals  # noqa: E402

from callflows.journal.sql_store import SqlStore  # noqa: E402
from command_process import build_environment, find_free_port  # noqa: E402
from waiting import join_thread, run_bounded, stop_process, wait_for_server  # noqa: E402

ROUNDS, SECONDS, CALLERS, RECORDED_CALLS = 8, 4.0, 4, 1_000
PATH = "/call?from=%2B12015550999&to=12015550123"


def measure_answers(port: int) -> tuple[float, float]:
    """Answers a second, and the 99th percentile in milliseconds."""
    took: list[float] = []
    end = time.perf_counter() + SECONDS

    def call_again() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while time.perf_counter() < end:
            began = time.perf_counter()
            connection.request("GET", PATH)
            connection.getresponse().read()
            took.append(time.perf_counter() - began)
        connection.close()

    threads = [threading.Thread(target=call_again) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        join_thread(thread)
    return len(took) / SECONDS, statistics.quantiles(took, n=100)[98] * 1000


class Replay(threading.Thread):
    """Replays all calls once by the HTTP API, unless it is stopped before."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        self.status = 200

    def run(self) -> None:
        body = json.dumps({"since": "2026-11-01", "limit": RECORDED_CALLS})
        with contextlib.suppress(OSError, http.client.HTTPException, AttributeError, ValueError):
            headers = {"content-type": "application/json", "accept": "application/x-ndjson"}
            self._connection.request("POST", "/api/v1/replay", body, headers)
            response = self._connection.getresponse()
            self.status = response.status
            response.read()

    def stop(self) -> None:
        """Close the connection, as whoever looks at something else does: the server ends the replay."""
        with contextlib.suppress(OSError, AttributeError):
            self._connection.sock.shutdown(socket.SHUT_RDWR)
        join_thread(self, 10)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "flows").mkdir()
        shutil.copy(ROOT / "callflows" / "front-desk.yaml", folder / "flows")
        store = SqlStore(f"sqlite:///{folder}/callflows.db")
        store.open()
        run_bounded(write_rehearsed_calls(store, folder / "flows", build_rehearsals("+12015550123", RECORDED_CALLS)), 600)
        store.close()
        port = find_free_port()
        environment = build_environment(data=name, flows=str(folder / "flows"))
        command = [sys.executable, "-m", "callflows", "serve", "--port", str(port)]
        server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for_server(server, f"http://127.0.0.1:{port}/healthz")
            rates, delays = [], []
            for _ in range(ROUNDS):
                alone = measure_answers(port)
                replay = Replay(port)
                replay.start()
                beside = measure_answers(port)
                replay.stop()
                assert replay.status == 200, "the server refuses to replay: the numbers would be those without a replay"
                rates.append(beside[0] / alone[0])
                delays.append(beside[1] / alone[1])
                print(f"alone {alone[0]:.0f}/s, {alone[1]:.1f} ms; beside a replay {beside[0]:.0f}/s, {beside[1]:.1f} ms")
            print(
                f"answers: {statistics.median(rates):.2f} of those alone; 99th percentile: {statistics.median(delays):.2f}"
            )
        finally:
            stop_process(server, 20)


if __name__ == "__main__":
    main()
