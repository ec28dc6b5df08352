"""How loading, checking, looking up and editing grow with the flow files: ratios of ten times the files.

Run as ``python tests/benchmarks/scale.py [FILES FILES]`` (default: 1000 10000), each file with a hundred numbers. Every
figure is of a fresh process, and the median of three; times are of the processor, so that a busy machine counts less. A
look-up is one of a dict, which a processor does more slowly the less of it fits into its caches: so a bare dict of as many
numbers stands beside it.
"""

from __future__ import annotations

import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.loader.check_runner import check_paths
from callflows.flows.loader.flow_library import FlowLibrary
from callflows.flows.tickets import TicketSigner

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 3
NUMBERS = 100
LOOKUPS = 200_000
EDITS = 5
FLOW = """numbers:
{numbers}timezone: America/New_York
voice: {{lang: en-US}}
nodes:
  start:
    - when: now.hour < 9
      goto: closed
    - say: Welcome to shop {shop}{{% if caller.name %}}, {{{{ caller.name }}}}{{% endif %}}.
    - goto: menu
  menu:
    - menu: {{prompt: For sales press 1., keys: {{1: sales, 0: closed}}, no_input: No key., attempts: 2, otherwise: closed}}
  sales:
    - dial: {{to: sales{shop}@acme.sip.opentact.org, timeout: 25s, no_answer: closed}}
  closed:
    - voicemail: {{greeting: Please leave a message., max: 2m}}
fallback:
  - say: We are sorry.
"""
OPTIONS = CompilerOptions(TicketSigner([b"a key of the benchmark"]), "We are sorry.")


def write_flow_file(folder: Path, shop: int) -> None:
    """A flow file of a hundred numbers."""
    numbers = "".join(f"  - +1{2_000_000_000 + shop * NUMBERS + index}\n" for index in range(NUMBERS))
    (folder / f"shop{shop:05}.yaml").write_text(FLOW.format(numbers=numbers, shop=shop))


def time_work(work: Callable[[], Any]) -> float:
    """Seconds of the processor."""
    began = time.process_time()
    work()
    return time.process_time() - began


def measure_peak_memory() -> float:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_loading(folder: Path, files: int) -> dict[str, float]:
    """Load, look up, edit."""
    empty, books = measure_peak_memory(), []
    figures = {"load": time_work(lambda: books.append(FlowLibrary(folder, OPTIONS, settle_seconds=0)))}
    library = books[0]
    assert not library.loaded_flows.problems, library.loaded_flows.problems[:3]
    figures["memory"] = measure_peak_memory() - empty
    asked = [f"+1{random.randrange(2_000_000_000, 2_000_000_000 + files * NUMBERS)}" for _ in range(LOOKUPS)]  # noqa: S311
    answering = library.loaded_flows.book.find_answering_flow
    figures["look-up"] = time_work(lambda: [answering(number) for number in asked])
    bare = dict.fromkeys(
        (claim.number for flow in library.loaded_flows.book.flows.values() for claim in flow.claims), library
    )
    figures["dict"] = time_work(lambda: [bare.get(number) for number in asked])
    figures["look"] = time_work(library.refresh)
    figures["edit"] = statistics.median(time_work(lambda: edit_flow_file(library, folder)) for _ in range(EDITS))
    return figures


def edit_flow_file(library: FlowLibrary, folder: Path) -> None:
    """One file is saved, and read."""
    file = folder / "shop00007.yaml"
    file.write_text(file.read_text() + " ")
    before = library.loaded_flows.book
    assert library.refresh().book is not before


def measure_check(folder: Path, _files: int) -> dict[str, float]:
    """As ``callflows check``."""
    return {"check": time_work(lambda: check_paths([folder], OPTIONS))}


def measure_in_processes(folder: Path, files: int) -> dict[str, float]:
    """The figures of fresh processes."""
    figures: dict[str, float] = {}
    for what in ("load", "check"):
        command = [sys.executable, __file__, what, str(folder), str(files)]
        process = subprocess.run(command, check=True, capture_output=True, text=True, timeout=1800)
        figures |= json.loads(process.stdout)
    return figures


def main() -> None:
    """Print the ratios."""
    if sys.argv[1:2] in (["load"], ["check"]):
        work = {"load": measure_loading, "check": measure_check}[sys.argv[1]]
        print(json.dumps(work(Path(sys.argv[2]), int(sys.argv[3]))))
        return
    sizes = [*map(int, sys.argv[1:3])] or [1_000, 10_000]
    with tempfile.TemporaryDirectory() as made:
        measurements = []
        for size in sizes:
            folder = Path(made) / str(size)
            folder.mkdir()
            for shop in range(size):
                write_flow_file(folder, shop)
            rounds = [measure_in_processes(folder, size) for _ in range(ROUNDS)]
            measurements.append({name: statistics.median(figures[name] for figures in rounds) for name in rounds[0]})
    few, many = measurements
    print(f"{sizes[1]} files / {sizes[0]} files, {NUMBERS} numbers each:")
    for name in ("load", "check", "memory"):
        print(f"  {name}: {many[name] / few[name]:.1f} (linear: {sizes[1] / sizes[0]:.1f})")
    print(f"  look-up: {many['look-up'] / few['look-up']:.2f} (that of a bare dict: {many['dict'] / few['dict']:.2f})")
    for size, figures in zip(sizes, measurements, strict=True):
        edit, look, check_ = (figures["load"] / figures[name] for name in ("edit", "look", "check"))
        print(f"{size} files: load / edit: {edit:.0f}, load / idle look: {look:.0f}, check / load: {1 / check_:.2f}")
        print(f"  here: {figures['load'] / size * 1000:.2f} ms and {figures['memory'] / size * 1024:.0f} KiB a file")


if __name__ == "__main__":
    main()
