"""The endpoint for calls: ``/call`` and ``/call/{flow}/{node}``, an ASGI app in front of FastAPI for speed.

A request comes by ASGI, or by ``CallHttpProtocol``, which is faster; both use ``begin_answer``, ``queue_effects``,
``build_response`` and ``record_answer``.

Opentact always gets a valid document with status 200, even after an internal error; only unauthorized requests get 403.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from starlette.requests import ClientDisconnect, Request

from callflows.http_limits import read_limited_body
from callflows.web.answer_engine import STATUS_OK, DeferredTurn, refuse_request
from callflows.web.line_check_calls import write_outcome_comment
from callflows.web.request_fields import MAX_REQUEST_BODY_BYTES, parse_query_fields

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, MutableMapping

    from callflows.web.answer_engine import AnswerEngine, CallReply
    from callflows.web.request_trust import RequestTrust

    AsgiScope = MutableMapping[str, Any]
    AsgiReceive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    AsgiSend = Callable[[MutableMapping[str, Any]], Awaitable[None]]
    AsgiApp = Callable[[AsgiScope, AsgiReceive, AsgiSend], Awaitable[None]]


CALL_PATH: Final = "/call"
_START_PATHS: Final = (CALL_PATH, f"{CALL_PATH}/")
_XML_HEADER: Final = (b"content-type", b"application/xml; charset=utf-8")
_NO_STORE_HEADER: Final = (b"cache-control", b"no-store")
_PROBLEM_HEADER: Final = (b"content-type", b"application/problem+json")
_NODE_PATH_PARTS: Final = 4
"""Number of parts of ``/call/{flow}/{node}``, split at slashes."""


class BegunAnswer(NamedTuple):
    """A request of which the answer is known, or needs slow work.

    ``began`` is a value of ``time.perf_counter``; ``request`` contains method, path and query.
    """

    began: float
    request: tuple[str, str, bytes]
    fields: dict[str, str]
    reply: CallReply | DeferredTurn


BEGUN_ANSWER_KEY: Final = "callflows.begun_answer"
"""Key of an ASGI scope with a begun answer: the request must not be answered a second time."""


class CallEndpoint:
    """An ASGI app: passes ``/call…`` to the engine, and every other request to ``other_app``."""

    def __init__(self, other_app: AsgiApp, engine: AnswerEngine, trust: RequestTrust) -> None:
        self._other_app = other_app
        self._engine = engine
        self._trust = trust
        # Made before it is needed, as an answer without memory, or after an error of the protocol, must not need anything.
        status, headers, document = build_response(engine.answer_with_apology(MemoryError()))
        lines = [b"HTTP/1.1 %d OK" % status, *(b"%b: %b" % header for header in headers), b"connection: close"]
        self.apology_response: Final = b"\r\n".join([*lines, b"", document])
        """A whole HTTP response with the apology."""

    async def __call__(self, scope: AsgiScope, receive: AsgiReceive, send: AsgiSend) -> None:
        if scope["type"] != "http" or not (scope["path"] == CALL_PATH or scope["path"].startswith(_START_PATHS[1])):
            await self._other_app(scope, receive, send)
            return
        begun: BegunAnswer | None = scope.pop(BEGUN_ANSWER_KEY, None)
        body_seconds = 0.0
        if begun is None:
            began = time.perf_counter()
            body = await self._read_body(scope, receive) if scope["method"] not in ("GET", "HEAD") else b""
            body_seconds = time.perf_counter() - began
            begun = self.begin_answer(scope, body, began)
        reply = begun.reply
        if isinstance(reply, DeferredTurn):
            try:
                reply = await self._engine.resume(reply, body_seconds)
            except Exception as error:  # noqa: BLE001 - the caller always gets a document
                reply = self._engine.answer_with_apology(error)
        self.queue_effects(begun, reply)
        status, headers, document = build_response(reply)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": document if scope["method"] != "HEAD" else b""})
        self.record_answer(begun, reply)

    def begin_answer(self, scope: Mapping[str, Any], body: bytes, began: float) -> BegunAnswer:
        """Answer a request as far as nothing has to be waited for. Never raises."""
        fields: dict[str, str] = {}
        reply: CallReply | DeferredTurn
        try:
            fields = parse_query_fields(scope["query_string"])
            reply = self.answer_request(scope, fields, body)
        except Exception as error:  # noqa: BLE001 - the caller always gets a document
            reply = self._engine.answer_with_apology(error)
        return BegunAnswer(began, (scope["method"], scope["path"], scope["query_string"]), fields, reply)

    def queue_effects(self, begun: BegunAnswer, reply: CallReply) -> None:
        """Queue the effects of an answer before it is sent."""
        self._engine.queue_effects(begun.fields, reply)

    def record_answer(self, begun: BegunAnswer, reply: CallReply) -> None:
        """Record an answer after it was sent."""
        self._engine.record(begun.began, begun.request, begun.fields, reply)

    async def _read_body(self, scope: AsgiScope, receive: AsgiReceive) -> bytes:
        """Return the body; an empty body if the real one is late or too long."""
        try:
            async with asyncio.timeout(self._engine.deadline):
                return await read_limited_body(Request(scope, receive).stream(), MAX_REQUEST_BODY_BYTES) or b""
        except (TimeoutError, ClientDisconnect):
            return b""

    def answer_request(self, scope: Mapping[str, Any], fields: dict[str, str], body: bytes) -> CallReply | DeferredTurn:
        """Answer a request, or return a deferred turn. Raises only on a bug."""
        path = scope["path"]
        if path in _START_PATHS:
            refusal = self._trust.explain_refusal(scope, fields.get("token", ""))
            return (
                refuse_request(refusal)
                if refusal
                else self._engine.start_call(fields, body, self._trust.create_base_url_getter(scope))
            )
        parts = path.split("/")
        refusal = self._trust.explain_refusal(scope, None) or (
            "" if len(parts) == _NODE_PATH_PARTS and "ticket" in fields else "there is no ticket"
        )
        if refusal:
            return refuse_request(refusal)
        return self._engine.continue_call(fields, body, self._trust.create_base_url_getter(scope), parts[2], parts[3])


def build_response(reply: CallReply) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Return status, headers and body of a reply."""
    status, document, outcome, turn = reply
    if turn is not None and turn.is_line_check:
        document += write_outcome_comment(outcome)
    length = (b"content-length", b"%d" % len(document))
    return status, [_XML_HEADER if status == STATUS_OK else _PROBLEM_HEADER, length, _NO_STORE_HEADER], document
