"""The way of a call beside a bare Starlette route and beside FastAPI with twilio-python.

Run as ``python tests/benchmarks/answering.py``; needs ``wrk`` (Debian package wrk), Linux and two cores.
``callflows serve`` answers with journal, metrics and log on, as in production; the same server by plain ASGI stands beside
it. Each server has the first core, wrk the second. Short runs are interleaved; the medians of paired ratios are printed: of
answers a second, and of processor time for an answer, the work behind it included. Loopback only; ends by itself.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
ROUNDS, SECONDS, CONNECTIONS = 7, 2, 32
UVICORN = ["uvicorn", "--no-access-log", "--log-level", "warning"]
APPS = {
    "constant": [*UVICORN, "baselines:constant"],
    "callflows": ["callflows", "serve"],
    "asgi": [*UVICORN, "callflows.server:create_app", "--factory"],
    "twilio": [*UVICORN, "baselines:menu"],
}
LABELS = {"constant": "a constant Starlette route", "twilio": "FastAPI with twilio-python"}
GOALS = {
    ("callflows", "constant"): "0.85",
    ("callflows", "twilio"): "4",
    ("asgi", "constant"): "0.55",
    ("asgi", "twilio"): "2.5",
}


class MeasuredRound(NamedTuple):
    """A short run of wrk."""

    rate: float
    """Answers a second."""
    cpu_seconds: float
    """Processor time of all threads of the server for one answer."""


@contextlib.contextmanager
def run_server(target: list[str], data: str) -> Iterator[tuple[int, int]]:
    """A server of one process on the first core, with an empty data folder; gives its process id and its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", *target, "--port", str(port)]
    given = {
        "CALLFLOWS_TOKEN": "benchmark",
        "CALLFLOWS_SECRET_KEYS": "benchmark",
        "CALLFLOWS_FLOWS": str(HERE / "flows"),
        "CALLFLOWS_DATA": data,
    }
    environment = {**os.environ, **given, "PYTHONPATH": f"{ROOT / 'app'}:{HERE}"}
    process = subprocess.Popen(["taskset", "-c", "0", *command], env=environment, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.1)
        yield process.pid, port
    finally:
        process.terminate()
        process.wait(timeout=10)


def measure_round(pid: int, port: int) -> MeasuredRound:
    """Ask for some seconds; every answer has status 200."""
    command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s"]
    command += ["-s", str(HERE / "callers.lua"), f"http://127.0.0.1:{port}"]
    before = read_cpu_seconds(pid)
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    used = read_cpu_seconds(pid) - before
    assert "Non-2xx" not in printed, printed
    count = int(re.search(r"(\d+) requests in", printed)[1])
    return MeasuredRound(float(re.search(r"Requests/sec:\s*([0-9.]+)", printed)[1]), used / count)


def read_cpu_seconds(pid: int) -> float:
    """Processor time of all threads of a process."""
    files = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(file.read_text().split()[0]) for file in files) / 1e9


def measure_memory(pid: int) -> float:
    """MB that a process has in memory."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def main() -> None:
    """Print the ratios and the memory."""
    if not shutil.which("wrk"):
        sys.exit("wrk is not installed (Debian: apt-get install wrk)")
    with contextlib.ExitStack() as stack:
        folders = {name: stack.enter_context(tempfile.TemporaryDirectory()) for name in APPS}
        servers = {name: stack.enter_context(run_server(target, folders[name])) for name, target in APPS.items()}
        call_url = f"http://127.0.0.1:{servers['callflows'][1]}/call?token=benchmark&from=%2B12015550999&to=12015550123"
        with urllib.request.urlopen(call_url) as answer:
            document = answer.read()
        assert b"<Gather" in document, document
        print(f"the front desk answers with {len(document)} bytes")
        rounds = [{name: measure_round(*server) for name, server in servers.items()} for _ in range(ROUNDS)]
        memory = measure_memory(servers["callflows"][0])
    for (mine, name), goal in GOALS.items():
        rate = statistics.median(r[mine].rate / r[name].rate for r in rounds)
        cpu = statistics.median(r[name].cpu_seconds / r[mine].cpu_seconds for r in rounds)
        print(f"{mine} / {LABELS[name]}: {rate:.2f} (goal {goal}), by processor time {cpu:.2f}")
    print(f"memory of the serving process: {memory:.0f} MB (goal under 100)")
    print(f"load of the machine: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
