"""Measures answers of callflows beside those of other servers: ratios of one run on one machine.

The main ratio is of processor time of the server for an answer, all of its threads included: a load generator on a core
of its own does not change it. The ratio of rates stands beside it, and depends on how fast the load generator is. Rounds
are short and interleaved, and the median of the ratios of all rounds is taken, because other programs disturb each round.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from callflows.benchmark.load_generator import LoadRound, find_wrk, measure_slow_answers, run_full_load
from callflows.benchmark.measured_server import run_measured_server
from callflows.errors import BenchmarkError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


_SCHEDULER_FILE: Final = Path("/proc/self/schedstat")
_APPS: Final = "callflows.benchmark.measured_apps"
_SERVERS: Final[Mapping[str, Sequence[str]]] = {
    "constant": [_APPS, "constant", "PORT"],
    "callflows": ["callflows", "serve", "--port", "PORT"],
    "journal-free": [_APPS, "journal-free", "PORT"],
    "asgi": [_APPS, "asgi", "PORT"],
    "twilio": [_APPS, "twilio", "PORT"],
}
_POSTED: Final = "posted"
_FIXED_RATE: Final = 1000
"""Calls a second at which the slowest answers are measured."""
_FULL_CORE_SHARE: Final = 0.9
"""Share of its core from which a server, and not the load generator, is the limit of the rate."""


class RatioGoal(NamedTuple):
    """A row of the table: the measured server, the one beside it, and the goal of their ratio."""

    measured: str
    baseline: str
    label: str
    goal: str


_GOALS: Final = (
    RatioGoal("callflows", "constant", "callflows beside a constant Starlette route", "0.85"),
    RatioGoal("journal-free", "constant", "the same without the journal", "1"),
    RatioGoal(_POSTED, "constant", "the same, asked by POST with a call entity", "0.6"),
    RatioGoal("asgi", "constant", "the same by plain ASGI", "0.55"),
    RatioGoal("callflows", "twilio", "callflows beside FastAPI with twilio-python", "4"),
)


class BenchmarkRow(NamedTuple):
    """A ratio by processor time and by rate."""

    label: str
    by_cpu: float
    by_rate: float
    goal: str


class BenchmarkReport(NamedTuple):
    """The ratios of a run, and sentences about the run."""

    rows: Sequence[BenchmarkRow]
    notes: Sequence[str]


def run_answer_benchmark(
    rounds: int, seconds: float, on_round: Callable[[int, int], None] | None = None
) -> BenchmarkReport:
    """Measure for some rounds; each server gets some seconds in each. Raises BenchmarkError.

    ``on_round`` gets the number of finished rounds, and of all rounds.
    """
    if not _SCHEDULER_FILE.exists():
        raise BenchmarkError("bench needs Linux: the processor time of a server is read from /proc/PID/task/*/schedstat")
    has_twilio = importlib.util.find_spec("twilio") is not None
    wrk = find_wrk()
    measured: list[dict[str, LoadRound]] = []
    slowest: list[dict[str, float]] = []
    with contextlib.ExitStack() as stack:
        servers = {
            name: stack.enter_context(
                run_measured_server(command, Path(stack.enter_context(tempfile.TemporaryDirectory())))
            )
            for name, command in _SERVERS.items()
            if has_twilio or name != "twilio"
        }
        for server in servers.values():
            with server.run_alone(servers.values()):
                run_full_load(server, 1, wrk=wrk)
        for number in range(rounds):
            measured.append({})
            slowest.append({})
            for name, server in servers.items():
                with server.run_alone(servers.values()):
                    measured[-1][name] = run_full_load(server, seconds, wrk=wrk)
                    if name == "callflows":
                        measured[-1][_POSTED] = run_full_load(server, seconds, posts=True, wrk=wrk)
                    if name in ("callflows", "constant"):
                        slowest[-1][name] = measure_slow_answers(server, _FIXED_RATE, seconds)
            if on_round is not None:
                on_round(number + 1, rounds)
        memory = servers["callflows"].read_memory()
    return summarize_rounds(measured, slowest, memory, wrk=wrk)


def list_ratio_labels() -> list[str]:
    """List the labels of all ratios."""
    return [goal.label for goal in _GOALS]


def summarize_rounds(
    measured: Sequence[Mapping[str, LoadRound]], slowest: Sequence[Mapping[str, float]], memory: float, *, wrk: str
) -> BenchmarkReport:
    """Return the median ratios of all rounds.

    ``slowest`` contains the times within which 99 % of the answers came, ``memory`` is in MB, ``wrk`` is empty without wrk.
    """
    has_twilio = "twilio" in measured[0]
    rows = [_build_row(goal, measured) for goal in _GOALS if has_twilio or goal.baseline != "twilio"]
    return BenchmarkReport(rows, _write_notes(measured, slowest, memory, wrk=wrk, has_twilio=has_twilio))


def _build_row(goal: RatioGoal, measured: Sequence[Mapping[str, LoadRound]]) -> BenchmarkRow:
    pairs = [(made[goal.measured], made[goal.baseline]) for made in measured]
    by_cpu = statistics.median(theirs.cpu_seconds / ours.cpu_seconds for ours, theirs in pairs)
    return BenchmarkRow(goal.label, by_cpu, statistics.median(ours.rate / theirs.rate for ours, theirs in pairs), goal.goal)


def _write_notes(
    measured: Sequence[Mapping[str, LoadRound]],
    slowest: Sequence[Mapping[str, float]],
    memory: float,
    *,
    wrk: str,
    has_twilio: bool,
) -> list[str]:
    """Return what a reader of the ratios must know, with the absolute figures."""
    ours, theirs = ([made[name] for made in measured] for name in ("callflows", "constant"))
    busy = statistics.median(made.busy_share for made in theirs)
    p99 = statistics.median(made["callflows"] / made["constant"] for made in slowest)
    slow = statistics.median(made["callflows"] for made in slowest) * 1000
    answered, rest = (f"{statistics.median(made.cpu_seconds for made in some) * 1e6:.0f} µs" for some in (ours, theirs))
    notes = [
        f"99 % of the answers at {_FIXED_RATE:,} calls a second took {p99:.2f} times as long (goal: 1.5), {slow:.1f} ms",
        f"an answer took {answered} of a processor, one of the constant route {rest}",
        f"memory of the serving process: {memory:.0f} MB (goal: under 100)",
    ]
    if not wrk:
        notes.append("wrk is not installed: the load generator is one in Python, the weaker one; apt-get install wrk")
    if busy < _FULL_CORE_SHARE:
        notes.append(
            f"the constant route had its core busy for {busy:.0%} of the time: the load generator was the limit, "
            "and the ratios by rate are too good"
        )
    if not has_twilio:
        notes.append("twilio-python is not installed: pip install 'callflows[bench]' measures beside it, too")
    notes.append(f"load of the machine: {os.getloadavg()[0]:.1f}")
    return notes
