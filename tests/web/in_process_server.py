"""The server in process, asked as Opentact asks it."""

from __future__ import annotations

import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import httpx
from pydantic import SecretStr

from callflows.flows.caller_lists.call_counter import InMemoryCallCounter
from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.loader.flow_versions import FlowVersions
from callflows.flows.loader.folder_loader import load_flow_folder
from callflows.flows.tickets import TicketSigner
from callflows.language import Say, from_xml
from callflows.language.element import walk_elements
from callflows.sandbox.job_runner import JobRunner, run_pickled_job
from callflows.settings import Settings
from callflows.telephony.ports import Effect, LookupRequest, LookupResult
from callflows.web.answer_engine import AnswerEngine
from callflows.web.answer_metrics import AnswerMetrics
from callflows.web.call_endpoint import CallEndpoint
from callflows.web.call_limits import CallLimits
from callflows.web.log_lines import configure_logging, create_line_renderer
from callflows.web.request_trust import RequestTrust
from waiting import run_bounded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from callflows.language import Response
    from callflows.telephony.events import AnsweredRequest

SAMPLES = Path(__file__).parents[1] / "samples"
KEY = "a key of the tests"
LOCAL_ADDRESS = "127.0.0.1"
OPENTACT_ADDRESS = "72.21.26.35"
CALL_FIELDS = {"from": "+12015550999", "to": "12015550123"}
MONDAY = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
"""Ten o'clock in New York."""

DESK = """
numbers: +12015550123
timezone: America/New_York
nodes:
  start:
    - say: Hello {{ caller.name }} from {{ caller.number }}.
    - goto: menu
  menu:
    - menu: {prompt: Press 1., keys: {1: menu, 2: end}, attempts: 1, otherwise: end}
  end:
    - say: Goodbye {{ caller.national }}.
fallback:
  - say: The desk is sorry.
"""
"""A flow that comes back to us."""


def build_settings(**overrides: Any) -> Settings:
    """The settings of a test, whatever the environment says."""
    for name in ("token", "secret_keys"):
        if name in overrides:
            overrides[name] = tuple(SecretStr(secret) for secret in overrides[name])
    return Settings(_env_file=None, **{"secret_keys": (SecretStr(KEY),), **overrides})


class FakeEffects:
    """The world, as a test has it: lookups are answered by URL, effects are written down."""

    def __init__(self) -> None:
        self.lookup_results: dict[str, LookupResult] = {}
        self.lookups: list[LookupRequest] = []
        self.effects: list[Effect] = []
        self.held_effects: list[Effect] = []
        self.cancelled_effects: list[tuple[Effect, str]] = []

    async def run_lookup(self, request: LookupRequest) -> LookupResult:
        self.lookups.append(request)
        return self.lookup_results.get(request.url, LookupResult(None, ok=False, reason="nobody answers"))

    def queue_effect(self, effect: Effect) -> None:
        self.effects.append(effect)

    def hold_effect(self, effect: Effect) -> None:
        self.held_effects.append(effect)

    def cancel_effect(self, effect: Effect, reason: str) -> None:
        self.cancelled_effects.append((effect, reason))

    def list_held_effects(self, call: str, min_seconds: float = 0.0) -> list[Effect]:
        return [effect for effect in self.held_effects if effect.key.startswith(call) and not min_seconds]


class InlineWorkers:
    """Workers' work in this process: what they do is tested with theirs."""

    counts: ClassVar[dict[str, int]] = {}

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    async def run_request(self, request: bytes, _deadline: float, _lane: str) -> bytes:
        return await run_pickled_job(request)


class InProcessServer:
    """A server with these flows, put together as ``create_app`` does, with a clock and an ear at its log."""

    def __init__(
        self,
        folder: Path,
        flows: Mapping[str, str] | str = DESK,
        *,
        clock: Callable[[], datetime] | None = None,
        deadline: float = 2.0,
        record_answer: Callable[[AnsweredRequest], None] | None = None,
        call_limits: CallLimits | None = None,
        **settings_overrides: Any,
    ) -> None:
        for name, text in ({"desk": flows} if isinstance(flows, str) else flows).items():
            (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
        self.folder = folder
        self.settings = build_settings(flows=folder, **settings_overrides)
        self.log = io.StringIO()
        configure_logging(self.log, "json")
        self.signer = TicketSigner([key.get_secret_value().encode() for key in self.settings.secret_keys])
        self.flow_versions = FlowVersions(self.load_flows().book)
        self.answer_metrics = AnswerMetrics(create_line_renderer("json"), self.log)
        self.effect_sender = FakeEffects()
        self.engine = AnswerEngine(
            flow_versions=self.flow_versions,
            signer=self.signer,
            answer_metrics=self.answer_metrics,
            apology=self.settings.apology,
            dialect=self.settings.dialect,
            deadline=deadline,
            job_runner=JobRunner(self.effect_sender, InlineWorkers()),
            effect_sender=self.effect_sender,
            caller_counts=InMemoryCallCounter(),
            clock=clock,
            record_answer=record_answer,
            call_limits=call_limits
            or CallLimits(self.settings.caller_calls_per_minute, self.settings.number_calls_per_minute),
        )
        self.app = CallEndpoint(_answer_not_found, self.engine, RequestTrust(self.settings))

    def load_flows(self) -> Any:
        """The folder's flows; a test that has wrong ones by mistake fails here."""
        loaded = load_flow_folder(self.folder, CompilerOptions(self.signer, self.settings.apology, self.settings.dialect))
        assert not loaded.has_errors, loaded.problems
        return loaded

    def send_request(
        self, path: str = "/call", *, method: str = "GET", client: str = LOCAL_ADDRESS, **more: Any
    ) -> httpx.Response:
        """One request; of a call to the desk unless ``params`` or the path say something else."""
        if path == "/call":
            more = {"params": CALL_FIELDS, **more}
        return send_request(self.app, path, method=method, client=client, **more)

    def read_call_document(self, **fields: str) -> Response:
        """The document for a call with these fields."""
        return read_document(self.send_request(params={**CALL_FIELDS, **fields}))

    def read_log_lines(self) -> list[dict[str, Any]]:
        """The log until now."""
        self.answer_metrics.flush()
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


async def _answer_not_found(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def send_request(app: Any, path: str, *, method: str = "GET", client: str = LOCAL_ADDRESS, **more: Any) -> httpx.Response:
    """One request to an ASGI app."""
    return run_bounded(_send_request(app, path, method, client, more))


async def _send_request(app: Any, path: str, method: str, client: str, more: dict[str, Any]) -> httpx.Response:
    transport = httpx.ASGITransport(app=app, client=(client, 40000))
    async with httpx.AsyncClient(transport=transport, base_url="http://flows.localhost", trust_env=False) as http:
        return await http.request(method, path, **more)


def send_asgi_request(
    app: Any, receive: Callable[[], Awaitable[Mapping[str, Any]]] | None = None, **scope: Any
) -> tuple[int, dict[str, str], bytes]:
    """One request given as ASGI itself: its status, headers and body."""
    sent: list[Mapping[str, Any]] = []

    async def receive_empty_body() -> Mapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    whole = {
        "type": "http",
        "method": "GET",
        "path": "/call",
        "query_string": b"from=%2B12015550999&to=12015550123",
        "headers": [(b"host", b"flows.localhost")],
        "client": (LOCAL_ADDRESS, 40000),
        "server": ("127.0.0.1", 8000),
        "scheme": "http",
        **scope,
    }
    run_bounded(app(whole, receive or receive_empty_body, send))
    start, *parts = sent
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], headers, b"".join(part["body"] for part in parts)


def read_document(reply: httpx.Response) -> Response:
    """What Opentact reads; a test whose answer is not valid to the letter fails here."""
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == "application/xml; charset=utf-8"
    assert int(reply.headers["content-length"]) == len(reply.content)
    return from_xml(reply.content)


def list_spoken_texts(response: Response) -> list[str]:
    """All that a document speaks, in order."""
    return [str(verb.attributes["text"]) for _, verb in walk_elements(response) if isinstance(verb, Say)]


def list_callback_urls(reply: httpx.Response) -> list[str]:
    """The URLs of a document that lead back to us."""
    return [url.replace("&amp;", "&") for url in re.findall(r'url="([^"]*/call/[^"]*)"', reply.text)]


def is_apology(reply: httpx.Response) -> bool:
    """Whether an answer is the built-in document."""
    return [*list_spoken_texts(read_document(reply))] == [
        "We are sorry, your call cannot be taken right now. Please try again later."
    ]


def is_fallback(reply: httpx.Response) -> bool:
    """Whether an answer is the desk's own fallback."""
    return list_spoken_texts(read_document(reply)) == ["The desk is sorry."]
