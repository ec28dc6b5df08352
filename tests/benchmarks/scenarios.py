"""How long ``callflows test --coverage`` takes for a thousand scenarios of the shipped front desk, beside 250.

Run as ``python tests/benchmarks/scenarios.py``. Each is a process of its own; seconds are those of a clock, of the whole
command, and the ratio is without the time in which it starts: that for one scenario, which is run twice, since the first
time fills caches.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
SIZES = (1, 1, 250, 1_000)


def time_scenarios(folder: Path, flow: dict[str, object], scenarios: int) -> float:
    """Seconds for so many scenarios, which all must pass."""
    tests = flow["tests"]
    assert isinstance(tests, list)
    many = [{**tests[index % len(tests)], "name": f"{index}"} for index in range(scenarios)]
    (folder / "front-desk.yaml").write_text(yaml.safe_dump({**flow, "tests": many}, sort_keys=False))
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "callflows.cli", "test", str(folder), "--coverage"], check=True, cwd=ROOT, timeout=600
    )
    return time.perf_counter() - began


def main() -> None:
    """Print the seconds and the ratio."""
    text = (ROOT / "callflows" / "front-desk.yaml").read_text()
    flow = yaml.load(text, yaml.BaseLoader)  # noqa: S506 - texts, as flow files have them
    with tempfile.TemporaryDirectory() as folder:
        _, one, few, many = (time_scenarios(Path(folder), flow, size) for size in SIZES)
    print(f"{SIZES[3]} scenarios: {many:.1f} s; {SIZES[3]} / {SIZES[2]}: {(many - one) / (few - one):.1f} (linear: 4.0)")


if __name__ == "__main__":
    main()
