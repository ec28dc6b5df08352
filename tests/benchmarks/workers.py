"""Answers of two workers beside those of one, and the memory of each further worker.

Run as ``python tests/benchmarks/workers.py``; needs wrk. The load generator needs a core of its own, which a machine with
two cores does not have: so the answers for a second of processor time are compared, of all processes of the server. Two
workers on two free cores give twice this ratio, because they share no lock: only the database, the log and the outbox.
"""

from __future__ import annotations

import os
import re
import statistics
import tempfile
import time
from pathlib import Path

from callflows.benchmark.load_generator import find_wrk, run_full_load
from callflows.benchmark.measured_server import list_process_tree, run_measured_server

ROUNDS, SECONDS, WORKERS = 3, 2, (1, 2, 3)
COMMAND = ["callflows", "serve", "--port", "PORT"]


def read_tree_memory(pid: int) -> float:
    """MB of a server and its processes; shared memory is divided."""
    files = [Path(f"/proc/{member}/smaps_rollup").read_text() for member in list_process_tree(pid)]
    return sum(int(re.findall(r"^Pss:\s+(\d+)", text, re.MULTILINE)[0]) for text in files) / 1024


def main() -> None:
    """Measure."""
    costs: dict[int, list[float]] = {count: [] for count in WORKERS}
    memory: dict[int, float] = {}
    for number in range(ROUNDS):
        for count in WORKERS[: 2 if number else 3]:
            with (
                tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
                run_measured_server(COMMAND, Path(folder), (0, 1), WORKERS=str(count)) as server,
            ):
                run_full_load(server, 1, wrk=find_wrk())
                costs[count].append(run_full_load(server, SECONDS, wrk=find_wrk()).cpu_seconds)
                if not number:
                    time.sleep(1)
                    memory[count] = read_tree_memory(server.pid)
    ratio = statistics.median(one / two for one, two in zip(costs[1], costs[2], strict=True))
    print(
        f"answers of two workers for a second of processor time, beside one: {ratio:.2f}, so {2 * ratio:.2f} on two cores"
    )
    print(", ".join(f"{count} worker(s): {size:.0f} MB" for count, size in memory.items()))
    print(f"a further worker takes {memory[3] - memory[2]:.0f} MB (goal under 60)")
    print(f"load of the machine: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
