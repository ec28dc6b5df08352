"""How long it takes to start, beside importing FastAPI, and what a serving process has in memory.

Run as ``python tests/benchmarks/startup.py``. Prints medians of ratios of interleaved runs.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 11
COMMANDS = {
    "python -c 'import fastapi'": [sys.executable, "-c", "import fastapi"],
    "python -c 'import app'": [sys.executable, "-c", "import app"],
    "callflows --help": [str(Path(sys.executable).parent / "callflows"), "--help"],
}


def time_command(command: list[str]) -> float:
    """Seconds of a command from its start to its end."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=60)
    return time.perf_counter() - began


def main() -> None:
    """Print the ratios."""
    for command in COMMANDS.values():
        time_command(command)
    rounds = [{name: time_command(command) for name, command in COMMANDS.items()} for _ in range(ROUNDS)]
    baseline, *others = COMMANDS
    for name in others:
        print(f"{name} / {baseline}: {statistics.median(r[name] / r[baseline] for r in rounds):.2f} (goal 1.5)")


if __name__ == "__main__":
    main()
