"""The result of each answer: counted, and logged without a secret or a full number."""

from __future__ import annotations

import io
import json
import os
import re
import threading

import pytest
from in_process_server import CALL_FIELDS, DESK, SAMPLES, InProcessServer, list_callback_urls
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from callflows.web.answer_metrics import MAX_WAITING_ANSWERS, AnswerMetrics
from callflows.web.log_lines import create_line_renderer
from callflows.web.metric_table import ComponentMetric
from callflows.web.shared_counts import SharedCounts, WorkerCounts

BROKEN = DESK.replace("0123", "0124").replace(
    "- say: Hello", "- when: caller.number[0] - 1\n      hangup:\n    - say: Hello"
)
TABLE = DESK.replace("0123", "0125").replace("- say: Hello", "- say: '{{ 1 / (now.hour - now.hour) }}'\n    - say: Hello")
NUMBERS = re.compile(r"\d{7,}")


@pytest.fixture
def door(tmp_path) -> InProcessServer:
    return InProcessServer(tmp_path, {"desk": DESK, "broken": BROKEN, "table": TABLE}, token=["sesame-open"])


def all_kinds(door: InProcessServer) -> str:
    """A request of every outcome; gives a ticket that was used."""
    params = {**CALL_FIELDS, "token": "sesame-open"}
    (url, *_) = list_callback_urls(door.send_request(params=params))
    door.send_request(url)
    door.send_request(method="POST", params=params, content=(SAMPLES / "call.json").read_bytes())
    door.send_request(params={**params, "to": "12015550124"})
    door.send_request(params={**params, "to": "12015550125"})
    door.send_request(params={**params, "to": "12015550777"})
    door.send_request(params={**params, "token": "sesame-shut"})
    door.send_request(url.replace("/desk/menu", "/desk/end"))
    return url


def counts(door: InProcessServer) -> dict[str, float]:
    lines = door.answer_metrics.render_prometheus()[0].decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def test_answers_are_counted_by_flow_and_outcome(door):
    all_kinds(door)
    found = counts(door)
    assert found['callflows_answers_total{flow="desk",outcome="answered"}'] == 3
    assert found['callflows_answers_total{flow="broken",outcome="fallback"}'] == 1
    assert found['callflows_answers_total{flow="",outcome="unknown-number"}'] == 1
    assert found['callflows_answers_total{flow="",outcome="refused"}'] == 2


def test_fallbacks_are_counted_by_cause(door):
    all_kinds(door)
    found = counts(door)
    assert found['callflows_fallbacks_total{cause="TypeError",flow="broken"}'] == 1
    assert found['callflows_fallbacks_total{cause="ZeroDivisionError",flow="table"}'] == 1


def test_the_time_of_every_answer_is_counted(door):
    all_kinds(door)
    found = counts(door)
    assert found["callflows_answer_seconds_count"] == 8
    assert found['callflows_answer_seconds_bucket{le="+Inf"}'] == 8
    assert 0 < found["callflows_answer_seconds_sum"] < 8


def test_strangers_cannot_make_counters(door):
    before = len(counts(door))
    for index in range(50):
        door.send_request(f"/call/flow{index}/node{index}?ticket=x", params={"to": str(index)})
    assert len(counts(door)) - before <= 2


# The log


def test_every_request_is_one_line_of_json(door):
    all_kinds(door)
    events = [line["event"] for line in door.read_log_lines() if "ms" in line]
    assert events == ["answered"] * 3 + ["fallback"] * 2 + ["unknown-number"] + ["refused"] * 2


def test_a_line_says_which_flow_and_node_answered_which_call(door):
    all_kinds(door)
    line = next(line for line in door.read_log_lines() if line.get("call"))
    assert (line["flow"], line["node"], line["call"]) == ("desk", "start", "3b206fb6-a5b7-4d62-8a3a-02d9e1880001")
    assert (line["caller"], line["number"]) == ("...0999", "...0123")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["timestamp"])


def test_what_went_wrong_is_a_warning_with_its_cause(door):
    all_kinds(door)
    wrong = [line for line in door.read_log_lines() if "ms" in line and line["event"] != "answered"]
    assert {line["level"] for line in wrong} == {"warning"}
    assert all(line["cause"] for line in wrong)


def test_no_full_number_is_ever_logged(door):
    all_kinds(door)
    for line in door.log.getvalue().splitlines():
        without = {key: value for key, value in json.loads(line).items() if key not in ("timestamp", "ms", "call")}
        assert not NUMBERS.search(json.dumps(without)), line


def test_no_token_ticket_or_key_is_ever_logged(door):
    url = all_kinds(door)
    door.read_log_lines()
    log = door.log.getvalue()
    for secret in ("sesame-open", "sesame-shut", url.partition("ticket=")[2], "a key of the tests"):
        assert secret not in log


def test_a_line_break_in_what_a_caller_brought_begins_no_line_of_the_log(tmp_path):
    for form in ("json", "text"):
        out = io.StringIO()
        door = InProcessServer(tmp_path)
        door.answer_metrics = AnswerMetrics(create_line_renderer(form), out)
        door.engine._answer_metrics = door.answer_metrics  # noqa: SLF001 - the log of this form
        door.send_request(params={**CALL_FIELDS, "call": 'x\n{"event": "answered", "flow": "forged"}\r\nx\u2028\x1b[31m'})
        door.answer_metrics.flush()
        assert len(out.getvalue().splitlines()) == 1, form
        assert "\x1b[31m" not in out.getvalue()


def test_a_login_name_is_no_number_and_is_masked_too(tmp_path):
    door = InProcessServer(tmp_path)
    door.send_request(params={**CALL_FIELDS, "from": "annabelle"})
    assert door.read_log_lines()[-1]["caller"] == "...elle"


# Never in the way of a call


def test_what_cannot_be_logged_in_time_is_dropped_counted_and_said(tmp_path):
    door = InProcessServer(tmp_path)
    door.send_request()
    (entry,) = door.answer_metrics._queue.take(1)  # noqa: SLF001 - one entry, many times
    for _ in range(MAX_WAITING_ANSWERS + 11):
        door.answer_metrics.add(entry)
    assert b"callflows_log_lines_dropped_total 11.0" in door.answer_metrics.render_prometheus()[0]
    assert "log lines dropped" in [line["event"] for line in door.read_log_lines()]


def test_a_log_that_nobody_reads_keeps_no_caller_waiting(tmp_path):
    blocked = threading.Event()

    class Full(io.StringIO):
        def write(self, text: str) -> int:
            blocked.wait(20)
            return len(text)

    door = InProcessServer(tmp_path)
    door.answer_metrics._out = Full()  # noqa: SLF001 - a pipe that is full
    door.answer_metrics.start()
    answered = threading.Event()

    def call() -> None:
        for _ in range(3):
            door.send_request()
        answered.set()

    threading.Thread(target=call, daemon=True).start()
    try:
        assert answered.wait(10)
    finally:
        blocked.set()
        door.answer_metrics.stop()


def test_counting_begins_and_ends_with_the_server(tmp_path):
    door = InProcessServer(tmp_path)
    door.answer_metrics.start()
    door.send_request()
    door.answer_metrics.stop()
    assert [line["event"] for line in door.read_log_lines() if "ms" in line] == ["answered"]


def test_a_worker_that_ended_leaves_its_counters_and_takes_its_gauges_with_it(tmp_path):
    ended, running = SharedCounts(tmp_path), SharedCounts(tmp_path)
    counts = WorkerCounts(buckets=[0] * 10, dropped_lines=2)
    counts.answers["desk", "answered"] = 5
    counts.counters["callflows_jobs"] = {("done",): 3}
    counts.gauges |= {"callflows_processes": {(): 2}, "callflows_oldest_seconds": {(): 7.5}}
    ended.write(counts)
    next(tmp_path.glob("*.json")).rename(tmp_path / "1999999999.json")
    running.write(counts)
    next(tmp_path.glob(f"{os.getpid()}.json")).rename(tmp_path / f"{os.getppid()}.json")
    metrics = AnswerMetrics(create_line_renderer("json"), io.StringIO(), shared_counts=SharedCounts(tmp_path))
    metrics.add_metrics(
        ComponentMetric("callflows_jobs", "counter", "", lambda: {"done": 1}, ["result"]),
        ComponentMetric("callflows_processes", "sum", "", lambda: 1),
        ComponentMetric("callflows_oldest_seconds", "max", "", lambda: 4),
    )
    text = metrics.render_prometheus()[0].decode()
    assert 'callflows_answers_total{flow="desk",outcome="answered"} 10.0' in text
    assert 'callflows_jobs_total{result="done"} 7.0' in text
    assert "callflows_processes 3.0" in text
    assert "callflows_oldest_seconds 7.5" in text
    assert "callflows_log_lines_dropped_total 4.0" in text
    for process_id in (os.getpid(), os.getppid()):
        assert f'process_cpu_seconds_total{{worker="{process_id}"}}' in text
    assert '"1999999999"' not in text


def test_metrics_come_as_openmetrics_to_whoever_asks_for_it(door):
    all_kinds(door)
    text, media_type = door.answer_metrics.render_prometheus("application/openmetrics-text; version=1.0.0")
    assert media_type.startswith("application/openmetrics-text; version=1.0.0")
    families = {family.name: family.type for family in text_string_to_metric_families(text.decode())}
    assert families["callflows_answers"] == "counter"
    assert families["callflows_answer_seconds"] == "histogram"
