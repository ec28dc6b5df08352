"""OpenTelemetry traces: one trace for each call, with a span for each answer, lookup and effect of it.

Traces need the extra ``otel``, and an address in ``OTEL_EXPORTER_OTLP_ENDPOINT``. Spans are made after the answer was
sent. No span contains a phone number.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import threading
import time
from typing import TYPE_CHECKING, Any, Final, cast

import structlog

from callflows.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider

    from callflows.telephony.events import AnswerOutcome, EffectResult
    from callflows.telephony.ports import LookupRequest, LookupResult

_LOG: Final = get_logger("traces")
_ENDPOINT_VARIABLES: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_STOP_SECONDS: Final = 2.0


class CallTraces:
    """Makes spans of what was done for calls.

    The ids of a call's trace and of its first span follow from the call's id, so that every process of an installation
    adds to the same trace without asking another.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._ids = _SpanIds(provider.id_generator)
        provider.id_generator = cast("Any", self._ids)
        self._tracer = provider.get_tracer("callflows")

    def add_answer(
        self, at: float, seconds: float, outcome: AnswerOutcome, call: str, call_key: str, *, is_first: bool
    ) -> None:
        """Add an answer that was complete ``at`` seconds since 1970.

        ``call`` is Opentact's id or empty; ``call_key`` is a text that only this call has.
        """
        end = int(at * 1e9)
        attributes = {
            "callflows.call": call,
            "callflows.flow": outcome.flow,
            "callflows.node": outcome.node,
            "callflows.outcome": outcome.kind,
            "callflows.cause": outcome.cause,
        }
        name = f"answer {outcome.flow or outcome.kind} {outcome.node}".rstrip()
        ids = _derive_ids(call_key)
        self._add_span(
            name, ids, end - int(seconds * 1e9), end, attributes, is_root=is_first, failed=outcome.kind == "fallback"
        )

    def add_effect(self, result: EffectResult) -> None:
        """Add an effect that has its result now."""
        if not result.call:
            return
        at = int(result.finished_at * 1e9)
        attributes = {"callflows.call": result.call, "callflows.result": result.result, "callflows.reason": result.reason}
        failed = result.result in ("failed", "refused", "expired", "dropped")
        self._add_span(f"effect {result.kind}", _derive_ids(result.call), at, at, attributes, failed=failed)

    @contextlib.contextmanager
    def trace_lookup(self, request: LookupRequest) -> Iterator[tuple[LookupRequest, list[LookupResult]]]:
        """Add a lookup; the result is put into the list. The request has a ``traceparent`` for the other server.

        A lookup without a result, which was cancelled because its call had to be answered, has failed.
        """
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415 - heavy

        call = str(structlog.contextvars.get_contextvars().get("call", ""))
        results: list[LookupResult] = []
        if not call:
            yield request, results
            return
        span_id = self._ids.create_span_id()
        began = time.time_ns()
        ids = _derive_ids(call)
        headers: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(headers, self._make_parent(ids[0], span_id))
        try:
            yield dataclasses.replace(request, headers=(*request.headers, *headers.items())), results
        finally:
            reason = "".join(result.reason for result in results) if results else "cancelled"
            attributes = {"callflows.call": call, "callflows.step": request.step_path, "callflows.reason": reason}
            failed = not all(result.ok for result in results) or not results
            name = f"lookup {request.variable or request.step_path}"
            self._add_span(name, ids, began, time.time_ns(), attributes, span_id=span_id, failed=failed)

    def stop(self) -> None:
        """Send the spans that wait, within two seconds."""
        sending = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        sending.start()
        sending.join(_STOP_SECONDS)

    def _add_span(
        self,
        name: str,
        ids: tuple[int, int],
        start: int,
        end: int,
        attributes: Mapping[str, str],
        *,
        is_root: bool = False,
        span_id: int = 0,
        failed: bool = False,
    ) -> None:
        from opentelemetry.trace import SpanKind, StatusCode  # noqa: PLC0415 - heavy

        if is_root:
            self._ids.set_next(*ids)
        elif span_id:
            self._ids.set_next(ids[0], span_id)
        parent = None if is_root else self._make_parent(*ids)
        span = self._tracer.start_span(
            name,
            parent,
            SpanKind.SERVER if name.startswith("answer") else SpanKind.CLIENT,
            {key: text for key, text in attributes.items() if text},
            start_time=start,
        )
        if failed:
            span.set_status(StatusCode.ERROR)
        span.end(end)

    def _make_parent(self, trace_id: int, span_id: int) -> Context:
        from opentelemetry.sdk.trace.sampling import Decision  # noqa: PLC0415 - an extra
        from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context  # noqa: PLC0415 - heavy

        # Each process decides alike if a call is sampled, because the decision follows from the id of the trace.
        sampled = self._provider.sampler.should_sample(None, trace_id, "").decision == Decision.RECORD_AND_SAMPLE
        flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
        return set_span_in_context(NonRecordingSpan(SpanContext(trace_id, span_id, is_remote=True, trace_flags=flags)))


class _SpanIds:
    """Random ids, apart from those that were set for the next span of the thread."""

    def __init__(self, random_ids: Any) -> None:  # noqa: ANN401 - an IdGenerator of OpenTelemetry
        self._random_ids = random_ids
        self._next = threading.local()

    def set_next(self, trace_id: int, span_id: int) -> None:
        self._next.trace_id, self._next.span_id = trace_id, span_id

    def generate_trace_id(self) -> int:
        trace_id, self._next.trace_id = getattr(self._next, "trace_id", 0), 0
        return trace_id or int(self._random_ids.generate_trace_id())

    def generate_span_id(self) -> int:
        span_id, self._next.span_id = getattr(self._next, "span_id", 0), 0
        return span_id or self.create_span_id()

    def create_span_id(self) -> int:
        return int(self._random_ids.generate_span_id())

    def is_trace_id_random(self) -> bool:
        return False


def _derive_ids(call_key: str) -> tuple[int, int]:
    """Return the ids of a call's trace and of its first span."""
    digest = hashlib.blake2b(call_key.encode("utf-8", "replace"), digest_size=24).digest()
    return int.from_bytes(digest[:16]) or 1, int.from_bytes(digest[16:]) or 1


def create_call_traces(version: str) -> CallTraces | None:
    """Return traces that are sent to the address of the environment; None without one, or without the extra ``otel``."""
    if not any(os.environ.get(name) for name in _ENDPOINT_VARIABLES):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - an extra
    except ImportError:
        _LOG.warning("no traces are sent: install callflows with its extra otel, as pip install 'callflows[otel]'")
        return None
    name = os.environ.get("OTEL_SERVICE_NAME", "callflows")
    provider = TracerProvider(
        resource=Resource.create({"service.name": name, "service.version": version, "process.pid": os.getpid()}),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return CallTraces(provider)
