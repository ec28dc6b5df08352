"""``callflows bench`` measures answers beside other servers; here with a server that costs nothing, for a moment."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from command_runner import run_command

from callflows.benchmark import answer_benchmark
from callflows.benchmark.answer_benchmark import list_ratio_labels, summarize_rounds
from callflows.benchmark.load_generator import LoadRound, measure_slow_answers, run_full_load
from callflows.benchmark.measured_server import MeasuredServer
from callflows.errors import BenchmarkError
from plain_http_server import StaticPage, serve_pages

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="the processor time of a server is read from /proc")
NAMES = ("constant", "callflows", "posted", "journal-free", "asgi", "twilio")


def measured_round(**cpu_seconds: float) -> dict[str, LoadRound]:
    """A round in which every server takes 100 µs for an answer, unless it is said; wrk halves the rate of all."""
    costs = {name: cpu_seconds.get(name.replace("-", "_"), 100e-6) for name in NAMES}
    return {name: LoadRound(0.5 / cost, cost, 0.5) for name, cost in costs.items()}


def test_the_ratio_is_the_median_of_interleaved_rounds():
    rounds = [measured_round(callflows=cost) for cost in (200e-6, 125e-6, 5.0)]
    report = summarize_rounds(rounds, [{"callflows": 0.002, "constant": 0.001}], 90.0, wrk="/usr/bin/wrk")
    assert [(row.by_cpu, row.by_rate) for row in report.rows][:2] == [(0.5, 0.5), (1.0, 1.0)]
    assert "2.00 times as long" in report.notes[0]


def test_it_says_that_the_load_generator_was_the_limit_and_what_is_missing():
    without_twilio = {name: made for name, made in measured_round().items() if name != "twilio"}
    said = "\n".join(summarize_rounds([without_twilio], [{"callflows": 1, "constant": 1}], 90.0, wrk="").notes)
    assert "the load generator was the limit" in said
    assert "the weaker one" in said
    assert "pip install 'callflows[bench]'" in said


@needs_linux
def test_our_own_load_generator_counts_answers_and_their_time():
    page = StaticPage("<Response/>", headers={"Content-Type": "application/xml"})
    with serve_pages({"/call": page}) as server:
        measured = MeasuredServer(os.getpid(), int(server.url.rpartition(":")[2]))
        load = run_full_load(measured, 0.1, posts=True)
        slowest = measure_slow_answers(measured, 200, 0.1)
    assert load.rate > 0
    assert load.cpu_seconds > 0
    assert 0 < slowest < 10
    assert {request.method for request in server.requests} == {"GET", "POST"}
    posted = next(request for request in server.requests if request.method == "POST")
    assert json.loads(posted.body)["from"].startswith("+1201")


def test_a_server_that_does_not_begin_to_listen_is_told_with_its_own_words(monkeypatch):
    monkeypatch.setattr(answer_benchmark, "_SERVERS", {"constant": ["callflows.no_such_module"]})
    with pytest.raises(BenchmarkError, match="no_such_module"):
        answer_benchmark.run_answer_benchmark(1, 1)


def test_another_system_gets_a_sentence(monkeypatch):
    monkeypatch.setattr(answer_benchmark, "_SCHEDULER_FILE", Path("/no/such/file"))
    ran = run_command("bench")
    assert ran.code == 2
    assert "bench needs Linux" in ran.err


def test_the_table_of_the_page_has_the_rows_that_the_command_prints():
    page = (Path(__file__).parents[2] / "docs" / "capacity.md").read_text(encoding="utf-8")
    table = page.partition("## How fast it answers")[2].partition("\n## ")[0]
    missing = [label for label in list_ratio_labels() if f"| {label} |" not in table]
    assert missing == [], "make the table anew: callflows bench --format markdown"
