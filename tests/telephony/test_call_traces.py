"""A call is one OpenTelemetry trace, whichever process adds to it."""

from __future__ import annotations

import asyncio
import io

import pytest

from callflows.log import get_logger
from callflows.telephony.call_traces import CallTraces, create_call_traces
from callflows.telephony.events import AnswerOutcome, EffectResult
from callflows.telephony.ports import LookupRequest, LookupResult
from callflows.web.answer_metrics import AnswerMetrics
from callflows.web.log_lines import configure_logging, create_line_renderer

trace_sdk = pytest.importorskip("opentelemetry.sdk.trace", reason="the extra otel is not installed")
CALL = "3b206fb6-a5b7-4d62-8a3a-02d9e1880001"


def make_process():
    """The traces of a process, and where its spans go."""
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: PLC0415 - of the extra
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: PLC0415 - of the extra

    exporter = InMemorySpanExporter()
    provider = trace_sdk.TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return CallTraces(provider), exporter


def answer(traces: CallTraces, call: str, path: str, kind: str = "answered") -> None:
    metrics = AnswerMetrics(create_line_renderer("json"), io.StringIO(), traces=traces)
    metrics.add((1e9, 0.25, AnswerOutcome(kind, "desk", "menu"), "+12015550999", "+12015550123", call, "1.5", path))
    metrics.flush()


def test_answers_and_effects_of_a_call_in_several_processes_are_one_trace_under_its_first_answer():
    (first, spans), (second, others) = make_process(), make_process()
    answer(first, CALL, "/call")
    answer(second, CALL, "/call/desk/menu", "fallback")
    second.add_effect(EffectResult("notify", "k", 1e9 + 2, "failed", "refused with 500", CALL))
    (root,), (turn, effect) = spans.get_finished_spans(), others.get_finished_spans()
    assert root.parent is None
    assert {span.parent.span_id for span in (turn, effect)} == {root.context.span_id}
    assert {span.context.trace_id for span in (turn, effect)} == {root.context.trace_id}
    assert root.end_time - root.start_time == pytest.approx(0.25e9)
    assert (turn.status.is_ok, effect.status.is_ok, root.status.is_ok) == (False, False, True)
    assert root.attributes["callflows.call"] == CALL


def test_calls_are_told_apart_also_without_an_id_and_no_span_has_a_phone_number():
    traces, exporter = make_process()
    answer(traces, CALL, "/call")
    answer(traces, "", "/call")
    answer(traces, "", "/call/desk/menu")
    one, two, three = exporter.get_finished_spans()
    assert one.context.trace_id != two.context.trace_id == three.context.trace_id
    assert "2015550" not in one.to_json() + two.to_json()


def test_a_lookup_is_a_span_of_its_call_and_tells_the_other_server_which(structlog_context):
    traces, exporter = make_process()
    request = LookupRequest("http://crm.example.com/", "GET", (), "", 500, "start/1", "customer")
    structlog_context(call=CALL)
    with traces.trace_lookup(request) as (sent, results):
        results.append(LookupResult(None, ok=False, reason="nobody answers"))
    answer(traces, CALL, "/call")
    lookup, root = exporter.get_finished_spans()
    assert dict(sent.headers)["traceparent"] == f"00-{root.context.trace_id:032x}-{lookup.context.span_id:016x}-01"
    assert (lookup.parent.span_id, lookup.name) == (root.context.span_id, "lookup customer")
    assert lookup.attributes["callflows.reason"] == "nobody answers"


def test_a_lookup_that_is_cancelled_is_a_span_that_failed(structlog_context):
    traces, exporter = make_process()
    request = LookupRequest("http://crm.example.com/", "GET", (), "", 500, "start/1", "customer")
    structlog_context(call=CALL)
    with pytest.raises(asyncio.CancelledError), traces.trace_lookup(request):
        raise asyncio.CancelledError
    (lookup,) = exporter.get_finished_spans()
    assert (lookup.attributes["callflows.reason"], lookup.status.is_ok) == ("cancelled", False)


@pytest.fixture
def structlog_context():
    import structlog  # noqa: PLC0415 - for one test

    yield structlog.contextvars.bind_contextvars
    structlog.contextvars.clear_contextvars()


def test_a_log_line_of_what_is_done_for_a_call_has_its_id(structlog_context):
    out = io.StringIO()
    configure_logging(out, "json")
    structlog_context(call=CALL)
    get_logger("effects").warning("lookup failed")
    assert f'"call": "{CALL}"' in out.getvalue()


def test_nothing_is_traced_without_an_address_of_a_collector(monkeypatch):
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", raising=False)
    assert create_call_traces("1.0") is None
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    traces = create_call_traces("1.0")
    assert traces is not None
    traces.stop()
