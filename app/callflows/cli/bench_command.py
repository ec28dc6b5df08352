"""``callflows bench``: the speed of answers in ratios."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from callflows.cli.cli_options import print_notice, print_table

if TYPE_CHECKING:
    from callflows.benchmark.answer_benchmark import BenchmarkReport


class BenchFormat(StrEnum):
    """Output format of the ratios."""

    text = "text"
    json = "json"
    markdown = "markdown"


def bench(
    rounds: Annotated[int, typer.Option(min=1, help="Interleaved rounds, of which the median is printed.")] = 5,
    seconds: Annotated[float, typer.Option(min=1, help="The length of one measurement.")] = 2,
    output: Annotated[BenchFormat, typer.Option("--format", help="The output format.")] = BenchFormat.text,
) -> None:
    """Measure how fast calls are answered, beside a constant route and FastAPI with twilio-python. Linux only.

    The servers run on one core of this machine, the load generator on another, wrk if it is installed. The first ratio is
    of processor time for an answer, which does not depend on the load generator; the second is of answers a second. Nothing
    but this machine is talked to.
    """
    from callflows.benchmark.answer_benchmark import run_answer_benchmark

    report = run_answer_benchmark(rounds, seconds, lambda done, of: print_notice(f"round {done} of {of}"))
    _print_report(report, output)


def _print_report(report: BenchmarkReport, output: BenchFormat) -> None:
    import json

    if output is BenchFormat.json:
        print(json.dumps({"rows": [row._asdict() for row in report.rows], "notes": report.notes}, indent=2))
        return
    rows = [(row.label, f"{row.by_cpu:.2f}", f"{row.by_rate:.2f}", row.goal) for row in report.rows]
    header = ("", "by processor time", "by rate", "goal")
    if output is BenchFormat.markdown:
        print("\n".join(f"| {' | '.join(row)} |" for row in (header, ("---",) * len(header), *rows)))
        print("\n" + "\n".join(f"- {note}" for note in report.notes))
        return
    print_table([header, *rows])
    for note in report.notes:
        print(note)
