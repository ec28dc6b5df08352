"""How long it takes to start, beside importing FastAPI, and until the first call is answered.

Run as ``python tests/benchmarks/startup.py``. Prints medians of ratios of interleaved runs, and processor time beside them,
which other programs of the machine change less.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))
from callflows.benchmark.measured_server import BENCHMARK_FLOWS
from command_process import build_environment, find_free_port
from waiting import stop_process, wait_for_server

ROUNDS = 7
COMMANDS = {
    "import fastapi": [sys.executable, "-c", "import fastapi"],
    "import callflows": [sys.executable, "-c", "import callflows"],
    "callflows --help": [str(Path(sys.executable).parent / "callflows"), "--help"],
}
GOALS = {"import callflows": "", "callflows --help": " (goal 0.33)"}
"""The goals are of processor time."""


class TakenTime(NamedTuple):
    wall: float
    cpu: float


def time_command(command: list[str]) -> TakenTime:
    """Seconds of a command from its start to its end."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=60)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return TakenTime(time.perf_counter() - began, used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime)


def time_first_answer() -> TakenTime:
    """Seconds from the start of a server to its first document."""
    port = find_free_port()
    with tempfile.TemporaryDirectory() as folder:
        environment = build_environment(flows=str(BENCHMARK_FLOWS), data=folder)
        began = time.perf_counter()
        command = [sys.executable, "-m", "callflows", "serve", "--port", str(port)]
        process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        try:
            wait_for_server(process, f"http://127.0.0.1:{port}/call?from=%2B12015550999&to=12015550123")
            took = time.perf_counter() - began
            fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        finally:
            stop_process(process)
    return TakenTime(took, sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK"))


def main() -> None:
    """Print the ratios."""
    for command in COMMANDS.values():
        time_command(command)
    rounds = [{name: time_command(command) for name, command in COMMANDS.items()} for _ in range(ROUNDS)]
    baseline, *others = COMMANDS
    for name in others:
        wall, cpu = (statistics.median(r[name][part] / r[baseline][part] for r in rounds) for part in (0, 1))
        print(f"{name} / {baseline}: {wall:.2f}, by processor time {cpu:.2f}{GOALS[name]}")
    answers = [time_first_answer() for _ in range(3)]
    wall, cpu = (statistics.median(answer[part] for answer in answers) for part in (0, 1))
    print(f"the first answer came after {wall:.2f} s, of which {cpu:.2f} s are processor time (goal 1.5)")
    print(f"load of the machine: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
