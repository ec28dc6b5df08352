"""Inputs at random by the thousand: ``python tests/fuzz/fuzz_inputs.py [--cases N] [--seed N] [NAME …]``.

Documents, flow files, events, posted calls, tickets and requests are damaged by hypothesis and read; then schemathesis
asks every endpoint of the OpenAPI description, if it is installed (``pip install schemathesis``). A reader that raises
anything but its own refusal, hangs for ten seconds, or grows in memory is wrong. The tests read
100 of each (``test_input_slice.py``). CI reads 5,000 of each, with a seed: the same inputs every time, so that a change
fails only by itself. The nightly run reads 100,000, others each night, and prints their seed. ``--atheris SECONDS`` has
atheris search for inputs by coverage, for some seconds each (``pip install atheris``).
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import math
import os
import resource
import shutil
import sys
import tempfile
import time
import types
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from hypothesis import HealthCheck, given, seed, settings
from input_cases import READERS, TESTS

sys.path.insert(0, str(TESTS / "setup"))
from server_process import run_server_of_flow

from waiting import MAX_COMMAND_SECONDS, run_process

HANG_SECONDS = 10
MAX_GROWTH_MB = 60
"""Growth of memory, within the second half of the cases, that caches may take."""
MAX_BLOCK_CASES = 5_000
"""Cases that hypothesis makes at once. It remembers the cases of a block, so that none comes twice: 2 KB each."""
FLOW = """
numbers: +12015550123
timezone: America/New_York
hours: {office: {mon-fri: 9:00-17:00}}
lists: {vips: vips.csv}
nodes: {start: [{say: Hello.}, {when: caller.number in lists.vips, say: You.}, {when: hours.office.open, hangup: }]}
tests: [{name: a call, expect: [{say: Hello.}]}]
"""
SCHEMATHESIS_SETTINGS = """
[parameters]
"path.flow" = "desk"
"path.hours" = "office"
"""
"""Names that the server has, so that what stands behind a name is tried, too."""


def read_memory() -> float:
    """The memory of this process in MB."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def run_reader(name: str, cases: int, first_seed: int) -> bool:
    """Read inputs at random, the same ones for the same seed. Prints the figures, and the smallest input that is wrong."""
    read, make = READERS[name]
    sizes: list[float] = []
    count = 0
    blocks = max(2, math.ceil(cases / MAX_BLOCK_CASES))

    def read_one(data: bytes) -> None:
        nonlocal count
        count += 1
        faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
        try:
            read(data)
        finally:
            faulthandler.cancel_dump_traceback_later()

    began = time.monotonic()
    block_cases = math.ceil(cases / blocks)
    checks = settings(max_examples=block_cases, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    try:
        for block in range(blocks):
            seed(first_seed + block)(checks(given(make())(read_one)))()
            sizes.append(read_memory())
    except Exception as error:  # noqa: BLE001 - whatever a reader raises is the find
        print(f"WRONG {name}: {type(error).__name__}: {error}\n      {getattr(error, '__notes__', '')}", flush=True)
        return False
    growth = sizes[-1] - sizes[blocks // 2 - 1]
    is_fine = growth < MAX_GROWTH_MB
    print(
        f"{'ok   ' if is_fine else 'WRONG'} {name}: {count:,} cases in {time.monotonic() - began:.0f} s, "
        f"memory grew by {growth:.1f} MB in the second half",
        flush=True,
    )
    return is_fine


def run_schemathesis(cases: int, first_seed: int) -> bool:
    """Ask every endpoint of the description at random, as this machine may without a token: no status of 500 or more."""
    program = shutil.which("schemathesis") or shutil.which("schemathesis", path=Path(sys.executable).parent)
    if program is None:
        print("skip  OpenAPI: schemathesis is not installed")
        return True
    with tempfile.TemporaryDirectory() as folder, run_server_of_flow(Path(folder), FLOW) as url:
        (Path(folder) / "schemathesis.toml").write_text(SCHEMATHESIS_SETTINGS)
        (Path(folder) / "callflows" / "vips.csv").write_text("+12015550188,Ann\n")
        command = [program, "run", f"{url}/openapi.json", "--url", url, "--phases", "fuzzing"]
        command += ["--request-timeout", "60", "--checks", "not_a_server_error", "--max-examples", str(cases)]
        command += ["--seed", str(first_seed)]
        done = run_process([*command, "--no-color"], cwd=folder, seconds=MAX_COMMAND_SECONDS + cases)
    print(
        f"{'ok   ' if done.returncode == 0 else 'WRONG'} OpenAPI: {done.stdout[-20_000:].strip()}{done.stderr[-500:]}",
        flush=True,
    )
    return done.returncode == 0


def search_by_coverage(name: str, seconds: int) -> None:
    """Search inputs for one reader with atheris, in this process, which ends with it."""
    import atheris  # noqa: PLC0415 - an extra

    read, _make = READERS[name]
    # Only our own code: to instrument the 20,000 functions of all libraries takes minutes, and leads astray.
    for function in gc.get_objects():
        if isinstance(function, types.FunctionType) and str(function.__module__).startswith("callflows."):
            atheris.instrument_func(function)
    atheris.Setup([sys.argv[0], f"-max_total_time={seconds}", f"-timeout={HANG_SECONDS}", "-verbosity=0"], read)
    atheris.Fuzz()


def search_in_process(name: str, seconds: int) -> int:
    done = run_process([sys.executable, __file__, "--atheris", str(seconds), name], seconds=seconds + 60)
    print(f"{'WRONG' if done.returncode else 'ok   '} {name}: atheris, {seconds} s", done.stdout, done.stderr, flush=True)
    return done.returncode


def main() -> int:
    """Run all, or what is named."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help=f"{', '.join(READERS)}, OpenAPI")
    parser.add_argument("--cases", type=int, default=5000, help="of each reader; a fiftieth of each endpoint")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="for the same inputs again")
    parser.add_argument("--atheris", type=int, default=0, metavar="SECONDS")
    arguments = parser.parse_args()
    names = arguments.names or [*READERS, "OpenAPI"]
    if arguments.atheris:
        if len(names) == 1:
            search_by_coverage(names[0], arguments.atheris)
        codes = [search_in_process(name, arguments.atheris) for name in names if name in READERS]
        return int(any(codes))  # a process that was killed has a negative code
    print(f"seed {arguments.seed}", flush=True)
    results = [run_reader(name, arguments.cases, arguments.seed) for name in names if name in READERS]
    if "OpenAPI" in names:
        results.append(run_schemathesis(max(1, arguments.cases // 50), arguments.seed))
    return 0 if all(results) else 1


if __name__ == "__main__":
    os.environ["CALLFLOWS_DATA"] = tempfile.mkdtemp()
    sys.exit(main())
