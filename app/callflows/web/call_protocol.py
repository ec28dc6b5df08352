"""The HTTP protocol of a server that answers calls: most calls are answered as soon as their request is read.

An ASGI server makes a task, an event and a cycle for each request, which take as long as the answer itself. A request of
``/call…`` that comes whole, and needs nothing slow, is answered here without them. Every other request takes uvicorn's own
way to the same ``CallEndpoint``: lookups, bodies that come slowly, pipelines behind such requests, upgrades, HTTP/1.0.
"""

from __future__ import annotations

import inspect
import sys
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Final

import uvicorn
from httptools import HttpParserCallbackError
from uvicorn.config import Config
from uvicorn.server import ServerState

from callflows.log import get_logger
from callflows.web.answer_engine import DeferredTurn
from callflows.web.call_endpoint import BEGUN_ANSWER_KEY, CALL_PATH, CallEndpoint, build_response
from callflows.web.http_protocol import BODY_TIMEOUT_SECONDS, BoundedHttpProtocol
from callflows.web.request_fields import MAX_REQUEST_BODY_BYTES

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence


_LOG: Final = get_logger("server")
_CALL_URL: Final = CALL_PATH.encode()
_STATUS_LINES: Final[dict[int, bytes]] = {
    status: b"HTTP/1.1 %d %s\r\n" % (status, status.phrase.encode()) for status in (HTTPStatus.OK, HTTPStatus.FORBIDDEN)
}
_MAX_URL_BYTES: Final = 32_768
"""A longer address is left to uvicorn, which refuses what its parser cannot take."""
_METHODS: Final = {b"GET": "GET", b"HEAD": "HEAD", b"POST": "POST"}


class CallHttpProtocol(BoundedHttpProtocol):
    """Answers calls at once if possible; leaves all other requests to uvicorn."""

    _default_headers: ClassVar[tuple[Sequence[tuple[bytes, bytes]], bytes]] = ((), b"")
    """Uvicorn's own headers, and the same as bytes; uvicorn makes a new list each second."""
    _holds_call = False
    """True while a request of a call is read that may be answered here."""
    _is_answered = False
    """True if the request that was read last was answered here."""
    _began = 0.0
    _is_kept_alive = True
    _idle_since = 0.0
    """Time of the last answer given here; 0 if something came since."""
    _idle_timer: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as uvicorn has it
        super().__init__(*args, **kwargs)
        is_plain = not self.root_path and self.limit_concurrency is None and not self.access_log
        self._endpoint: CallEndpoint | None = self.app if is_plain and isinstance(self.app, CallEndpoint) else None
        self._call_body = bytearray()

    def connection_lost(self, exc: Exception | None) -> None:
        self._holds_call = False
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._idle_since = 0.0
        super().data_received(data)
        if self._holds_call:
            if self.transport.is_closing():
                self._holds_call = False  # the request was invalid
            else:
                self._pass_on()

    def on_headers_complete(self) -> None:
        if self._endpoint is None or not self._may_hold_call():
            super().on_headers_complete()
            return
        self._stop_waiting()
        self.headers = [*self.headers]  # as in _end_headers, without a call of a function
        self._holds_call, self._is_answered = True, False
        self._began = time.perf_counter()
        self._is_kept_alive = self.parser.should_keep_alive() and not self._is_last_request

    def _may_hold_call(self) -> bool:
        """Return True if this is a plain request of a call, and nothing before it waits; then its scope is completed."""
        if not self._is_call_url():
            return False
        path, _, query = self.url.partition(b"?")
        parser, method = self.parser, _METHODS.get(self.parser.get_method())
        if (
            method is None
            or b"%" in path
            or b"#" in query
            or self.url[_MAX_URL_BYTES:]
            or not self.url.isascii()
            or self.expect_100_continue
            or parser.get_http_version() != "1.1"
            or parser.should_upgrade()
            or self.flow.write_paused
            or self.transport.is_closing()
            or not (self.cycle is None or self.cycle.response_complete)
        ):
            return False
        scope: Any = self.scope
        scope["method"], scope["path"], scope["query_string"] = method, path.decode(), query
        return True

    def on_body(self, body: bytes) -> None:
        if not self._holds_call:
            super().on_body(body)
            return
        self._call_body += body
        if len(self._call_body) > MAX_REQUEST_BODY_BYTES:
            self._pass_on()

    def on_message_complete(self) -> None:
        if not self._holds_call:
            super().on_message_complete()
            return
        self._holds_call = False
        try:
            self._answer_call()
        except Exception as error:  # noqa: BLE001 - the caller always gets a document
            self._send_apology()
            _LOG.exception("an answer could not be sent", error=type(error).__name__)

    def send_400_response(self, msg: str) -> None:
        """Answer an invalid request; if reading the request of a call failed here, send the apology instead."""
        if isinstance(sys.exc_info()[1], HttpParserCallbackError) and self._endpoint is not None and self._is_call_url():
            self._send_apology()
            _LOG.error("the request of a call could not be read", exc_info=True)
        else:
            super().send_400_response(msg)

    def _is_call_url(self) -> bool:
        return self.url.startswith(_CALL_URL) and self.url[len(_CALL_URL) :][:1] in (b"", b"/", b"?")

    def _send_apology(self) -> None:
        """Send the apology and close the connection, unless an answer was sent."""
        self._holds_call = False
        if self._endpoint is not None and not self._is_answered and not self.transport.is_closing():
            self.transport.write(self._endpoint.apology_response)
        self.transport.close()

    def _pass_on(self) -> None:
        """Leave the request that is being read to uvicorn."""
        self._holds_call = False
        super().on_headers_complete()
        if self._call_body:
            body, self._call_body = self._call_body, bytearray()
            super().on_body(bytes(body))
        self._await_body(BODY_TIMEOUT_SECONDS)

    def _answer_call(self) -> None:
        endpoint, body = self._endpoint, b""
        if self._call_body:
            if self.scope["method"] == "POST":
                body = bytes(self._call_body)
            self._call_body = bytearray()
        assert endpoint is not None  # noqa: S101 - for mypy: else no call is held
        begun = endpoint.begin_answer(self.scope, body, self._began)
        if isinstance(begun.reply, DeferredTurn):
            scope: Any = self.scope
            scope[BEGUN_ANSWER_KEY] = begun
            super().on_headers_complete()
            super().on_message_complete()
            return
        endpoint.queue_effects(begun, begun.reply)
        status, headers, document = build_response(begun.reply)
        content = [_STATUS_LINES[status], self._get_default_headers()]
        for name, value in headers:
            content += (name, b": ", value, b"\r\n")
        content.append(b"\r\n" if self._is_kept_alive else b"connection: close\r\n\r\n")
        if self.scope["method"] != "HEAD":
            content.append(document)
        self.transport.write(b"".join(content))
        self._is_answered = True
        self.server_state.total_requests += 1
        if self._is_kept_alive:
            self._idle_since = self.loop.time()
            self._idle[self] = None
            if self._idle_timer is None:
                self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._close_if_idle)
        else:
            self.transport.close()
        endpoint.record_answer(begun, begun.reply)

    def _get_default_headers(self) -> bytes:
        """Return the headers that uvicorn adds to each answer, such as the date."""
        headers = self.server_state.default_headers
        known, text = CallHttpProtocol._default_headers
        if headers is not known:
            text = b"".join(b"%s: %s\r\n" % (name.lower(), value) for name, value in headers)
            CallHttpProtocol._default_headers = (headers, text)
        return text

    def _close_if_idle(self) -> None:
        """Close the connection if nothing came for long; a timer for each request would take too long."""
        self._idle_timer = None
        if not self._idle_since:
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._idle_timer = self.loop.call_later(left, self._close_if_idle)
        else:
            self.timeout_keep_alive_handler()


_USED_ATTRIBUTES: Final = (
    "access_log",
    "app",
    "cycle",
    "expect_100_continue",
    "flow",
    "headers",
    "limit_concurrency",
    "loop",
    "parser",
    "root_path",
    "scope",
    "server_state",
    "timeout_keep_alive",
    "transport",
    "url",
)
"""Attributes of uvicorn's protocol that this module uses."""
_USED_METHODS: Final = {
    "connection_lost": 1,
    "connection_made": 1,
    "data_received": 1,
    "eof_received": 0,
    "on_body": 1,
    "on_headers_complete": 0,
    "on_message_begin": 0,
    "on_message_complete": 0,
    "on_response_complete": 0,
    "send_400_response": 1,
    "timeout_keep_alive_handler": 0,
}
"""Methods of uvicorn's protocol that are overridden or called, each with its number of arguments."""
_USED_SCOPE_KEYS: Final = frozenset({"client", "headers", "http_version", "root_path", "scheme", "server", "type"})


def explain_unfit_uvicorn(protocol_class: type[Any] = BoundedHttpProtocol) -> str:
    """Return the reason why ``CallHttpProtocol`` cannot extend this version of uvicorn; empty if it can."""
    try:
        probe = protocol_class(Config(CallEndpoint, log_config=None), ServerState(), {}, _loop=object())
        probe.on_message_begin()
        missing = [name for name in (*_USED_ATTRIBUTES, *_USED_METHODS) if not hasattr(probe, name)]
        missing += [f"scope[{key!r}]" for key in sorted(_USED_SCOPE_KEYS - (probe.scope or {}).keys())]
        missing += [
            f"{name}()"
            for name, count in _USED_METHODS.items()
            if hasattr(probe, name) and len(inspect.signature(getattr(probe, name)).parameters) != count
        ]
    except Exception as error:  # noqa: BLE001 - whatever an unknown version raises
        return f"{type(error).__name__}: {error}"
    return f"it has no {', '.join(missing)}" if missing else ""


def choose_http_protocol() -> str:
    """Return the path of the protocol class for uvicorn: the one that answers calls itself, if uvicorn is as it expects."""
    reason = explain_unfit_uvicorn()
    if not reason:
        return f"{__name__}:{CallHttpProtocol.__name__}"
    _LOG.warning(
        "this version of uvicorn is unknown: calls are answered more slowly", version=uvicorn.__version__, reason=reason
    )
    return f"{BoundedHttpProtocol.__module__}:{BoundedHttpProtocol.__name__}"
