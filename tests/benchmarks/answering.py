"""The way of a call beside a bare Starlette route and beside FastAPI with twilio-python.

Run as ``python tests/benchmarks/answering.py``; needs ``wrk`` (Debian package wrk) and two cores. Each server has the first
core, wrk the
second. Short runs are interleaved; the medians of paired ratios are printed. Loopback only; ends by itself.
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
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
ROUNDS, SECONDS, CONNECTIONS = 7, 2, 32
APPS = {
    "constant": ["baselines:constant"],
    "callflows": ["callflows.server:create_app", "--factory"],
    "twilio": ["baselines:menu"],
}
LABELS = {"constant": "a constant Starlette route", "twilio": "FastAPI with twilio-python"}


@contextlib.contextmanager
def run_server(target: list[str], data: str) -> Iterator[int]:
    """A uvicorn of one process on the first core, with an empty data folder; gives its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", *target, "--port", str(port), "--no-access-log", "--log-level", "warning"]
    given = {
        "CALLFLOWS_TOKEN": "benchmark",
        "CALLFLOWS_SECRET_KEYS": "benchmark",
        "CALLFLOWS_FLOWS": str(HERE / "flows"),
        "CALLFLOWS_DATA": data,
    }
    environment = {**os.environ, **given, "PYTHONPATH": f"{ROOT / 'app'}:{HERE}"}
    process = subprocess.Popen(["taskset", "-c", "0", *command], env=environment, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=10)


def measure_rate(port: int) -> float:
    """Answers a second, every one of them with status 200."""
    url = f"http://127.0.0.1:{port}"
    command = [
        "taskset",
        "-c",
        "1",
        "wrk",
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{SECONDS}s",
        "-s",
        str(HERE / "callers.lua"),
        url,
    ]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert "Non-2xx" not in printed, printed
    return float(re.search(r"Requests/sec:\s*([0-9.]+)", printed)[1])


def measure_memory(port: int) -> float:
    """MB that the process that listens on a port has in memory."""
    listening = subprocess.run(
        ["ss", "-ltnp", f"sport = :{port}"], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    pid = re.search(r"pid=(\d+)", listening)[1]
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def main() -> None:
    """Print the two ratios and the memory."""
    if not shutil.which("wrk"):
        sys.exit("wrk is not installed (Debian: apt-get install wrk)")
    with contextlib.ExitStack() as stack:
        folders = {name: stack.enter_context(tempfile.TemporaryDirectory()) for name in APPS}
        ports = {name: stack.enter_context(run_server(target, folders[name])) for name, target in APPS.items()}
        call_url = f"http://127.0.0.1:{ports['callflows']}/call?token=benchmark&from=%2B12015550999&to=12015550123"
        with urllib.request.urlopen(call_url) as answer:
            document = answer.read()
        assert b"<Gather" in document, document
        print(f"the front desk answers with {len(document)} bytes")
        rounds = [{name: measure_rate(port) for name, port in ports.items()} for _ in range(ROUNDS)]
        memory = measure_memory(ports["callflows"])
    for name, goal in (("constant", "0.60"), ("twilio", "3")):
        ratio = statistics.median(r["callflows"] / r[name] for r in rounds)
        print(f"callflows / {LABELS[name]}: {ratio:.2f} (goal {goal})")
    print(f"memory of the serving process: {memory:.0f} MB (goal under 100)")


if __name__ == "__main__":
    main()
