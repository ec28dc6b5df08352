"""The HTTP protocol of the server: uvicorn's, with time limits, so that idle connections never keep callers out."""

from __future__ import annotations

import contextlib
import functools
import os
import socket
from typing import TYPE_CHECKING, Any, ClassVar, Final

from httptools import HttpParserError
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio


HEADER_TIMEOUT_SECONDS: Final = 10.0
"""Time limit for the headers of a request, from the connection or from the request's first byte on."""
BODY_TIMEOUT_SECONDS: Final = 20.0
"""Time limit for the body of a request, from its headers on; calls and webhooks wait for less."""
LINGER_SECONDS: Final = 2.0
"""Time in which a client may still send a body after its request was answered, so that the client reads the answer."""
WRITE_TIMEOUT_SECONDS: Final = 60.0
"""Time in which a client must read what waits for it; a call's document is far below what the system keeps for it."""
MAX_HEADER_BYTES: Final = 65_536
"""Size of an address with headers that did not come at once; at once come at most a few times as many."""
DRAIN_SECONDS: Final = 2.0
"""Time that a connection gets at shutdown for the request that is on its way."""
MAX_WAITING_CONNECTIONS: Final = 512
"""Number of connections without a complete request; beyond it the oldest is closed, because a caller comes complete.

If the process may open few files, the number is a quarter of them. As many connections as a quarter may be idle or unread,
and as many may wait for answers.
"""
MAX_REQUESTS_AT_ONCE: Final = 32
"""Number of requests in one piece of data. Pieces of thousands, on many connections, would keep callers waiting."""
_FEW_CONNECTIONS: Final = 64
"""So many connections are never too many, and nothing is counted."""
MAX_OPEN_FILES: Final = 65_536
"""Number of files and connections that the process asks the system for."""
RESERVED_FILES: Final = 32
_FILES_LEFT: Final = 8
"""Number of files that the process may still open when the reserve is given up."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """Closes connections that do not complete a request in time, and the oldest of too many."""

    _waiting: ClassVar[dict[BoundedHttpProtocol, None]] = {}
    """Connections without a complete request, the oldest first."""
    _idle: ClassVar[dict[BoundedHttpProtocol, None]] = {}
    """Connections that wait for another request, or for their answer to be read, the oldest first."""
    _serving: ClassVar[dict[BoundedHttpProtocol, None]] = {}
    """Connections that wait for an answer which is not given at once, the oldest first; a client may send many requests."""
    _header_timer: asyncio.TimerHandle | None = None
    _is_in_headers = False
    """True from the first byte of a request until its headers are complete."""
    _header_bytes = 0
    """Bytes that came while the headers of a request were incomplete."""
    _requests_at_once = 0
    """Requests that began in the piece of data that is being read."""
    _body_timer: asyncio.TimerHandle | None = None
    _is_in_body = False
    """True from the end of the headers until the request is complete."""
    _write_timer: asyncio.TimerHandle | None = None
    _is_last_request = False
    """True from the shutdown on, if the connection waits for the request that is on its way."""

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - as uvicorn has it
        try:
            super().connection_made(transport)
            _FILE_RESERVE.adjust(transport)
            self._await_headers()
            if len(self.connections) > _FEW_CONNECTIONS:
                self._close_oldest_connections()
        except Exception:  # for example a MemoryError: the loop logs it, and would leave the connection open for ever
            transport.abort()
            raise

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._requests_at_once = 0
        super().data_received(data)
        # Most requests come whole: only others need a timer.
        if self._is_in_headers:
            self._header_bytes += len(data)
            if self._header_bytes > MAX_HEADER_BYTES:
                self.send_400_response("The headers of the request are too long.")
                self.close_incomplete()
            elif self._header_timer is None and not self.transport.is_closing():
                self._await_headers()
        elif self._is_in_body and self._body_timer is None:
            self._await_body(BODY_TIMEOUT_SECONDS)

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio takes both
        """Return True if a client that sends nothing more still gets an answer to its complete request."""
        cycle = self.cycle
        if cycle is None or cycle.more_body or cycle.response_started:
            return False
        cycle.keep_alive = False
        return True

    def on_message_begin(self) -> None:
        if self in self._idle:  # without a call of a function: every request of a call comes here
            del self._idle[self]
        super().on_message_begin()
        self._requests_at_once += 1
        if self._requests_at_once > MAX_REQUESTS_AT_ONCE:
            raise HttpParserError("too many requests at once")  # the parser stops, and the client gets status 400
        self._is_in_headers = True
        self._header_bytes = 0

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        self._is_in_body = True
        self._end_headers()
        super().on_headers_complete()
        if self.cycle is not None and not self.cycle.response_complete:  # no upgrade, which has no cycle of its own
            self._serving[self] = None
            if self._is_last_request:
                self.cycle.keep_alive = False

    def _end_headers(self) -> None:
        """Keep what follows a chunked body out of the request's headers: a proxy has not looked at it."""
        self.headers = [*self.headers]  # the scope has the other list; the parser reports trailers as further headers

    def on_message_complete(self) -> None:
        self._is_in_body = False
        self._stop_body_timer()
        super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._await_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_write_timer()

    def _await_reader(self) -> None:
        """Give up a connection whose client does not read what was written."""
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(WRITE_TIMEOUT_SECONDS, self.transport.abort)
            self._idle[self] = None

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
            self._idle.pop(self, None)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing() and self.transport.get_write_buffer_size():
            self._await_reader()
        if self.cycle is None or not self.cycle.response_complete:
            return
        self._serving.pop(self, None)
        if self._is_in_body and self.cycle.more_body:
            self._stop_body_timer()
            self._await_body(LINGER_SECONDS)
        elif not self.transport.is_closing():
            self._idle[self] = None

    def _await_body(self, seconds: float) -> None:
        if self._is_in_body and not self.transport.is_closing():
            if self._is_last_request:
                seconds = min(seconds, DRAIN_SECONDS)
            self._body_timer = self.loop.call_later(seconds, self.close_incomplete)
            self._waiting[self] = None

    def _stop_body_timer(self) -> None:
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None
            self._waiting.pop(self, None)

    def shutdown(self) -> None:
        """Close the connection, but not before an answer to the request that is on its way."""
        # The caller has connected, so that no other server will answer.
        if self._header_timer is not None:
            self._is_last_request = True
            self._header_timer.cancel()
            self._header_timer = self.loop.call_later(DRAIN_SECONDS, self.close_incomplete)
            return
        if self._is_in_body:
            self._stop_body_timer()
            self._await_body(DRAIN_SECONDS)
        super().shutdown()

    def _await_headers(self) -> None:
        self._header_timer = self.loop.call_later(HEADER_TIMEOUT_SECONDS, self.close_incomplete)
        self._waiting[self] = None

    def _close_oldest_connections(self) -> None:
        """Close the oldest of too many connections that wait for their client, or keep the server busy."""
        limit = find_idle_limit()
        limits = ((self._waiting, min(MAX_WAITING_CONNECTIONS, limit)), (self._idle, limit), (self._serving, limit))
        for connections, most in limits:
            while len(connections) > most:
                oldest = next(iter(connections))
                oldest._forget_waiting()  # noqa: SLF001 - of the same class
                if oldest.transport.get_write_buffer_size():
                    oldest.transport.abort()  # its client does not read: to close it would take for ever
                else:
                    oldest.transport.close()

    def _forget_waiting(self) -> None:
        self._stop_waiting()
        self._stop_body_timer()
        self._stop_write_timer()
        self._idle.pop(self, None)
        self._serving.pop(self, None)

    def _stop_waiting(self) -> None:
        self._is_in_headers = False
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None
            self._waiting.pop(self, None)

    def close_incomplete(self) -> None:
        """Close a connection that has not completed its request."""
        self._forget_waiting()
        self.transport.close()
        if self.transport.get_write_buffer_size():
            self._await_reader()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        if self.transport.get_write_buffer_size():
            self._await_reader()


class FileReserve:
    """Files that are open for nothing, and are closed for callers when the process may open hardly any more.

    Without a file for it, the event loop closes a new connection: its caller would hear nothing.
    """

    def __init__(self) -> None:
        self._files: list[int] = []

    def adjust(self, transport: asyncio.Transport) -> None:
        """Open or close the reserve, by the newest connection: the system gives a file the lowest number that is free."""
        connection = transport.get_extra_info("socket")
        if connection is None:  # a transport that is no file
            return
        newest, limit = connection.fileno(), _find_file_limit()
        if limit - newest <= _FILES_LEFT:
            while self._files:
                os.close(self._files.pop())
        elif not self._files and limit - newest > 4 * RESERVED_FILES:
            with contextlib.suppress(OSError):
                while len(self._files) < RESERVED_FILES:
                    self._files.append(os.open(os.devnull, os.O_RDONLY))


_FILE_RESERVE: Final = FileReserve()


@functools.cache
def find_idle_limit() -> int:
    """Return a quarter of the files that the process may open."""
    return max(1, _find_file_limit() // 4)


def _find_file_limit() -> int:
    """Return how many files the process may open now."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource  # noqa: PLC0415 - not on Windows

        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return MAX_OPEN_FILES if soft == resource.RLIM_INFINITY else min(soft, MAX_OPEN_FILES)
    return 4 * MAX_WAITING_CONNECTIONS


def raise_open_files_limit() -> None:
    """Allow the process as many open connections as the system lets it have."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource  # noqa: PLC0415 - not on Windows

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        file_limit = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN_FILES)
        if soft != resource.RLIM_INFINITY and soft < file_limit:
            resource.setrlimit(resource.RLIMIT_NOFILE, (file_limit, hard))


def bind_server_socket(host: str, port: int, *, is_shared: bool = False) -> socket.socket:
    """Return a socket of an address to listen on. Raises OSError.

    ``is_shared``: other processes of the server may have the same address, where the system allows it.
    """
    server_socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    server_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if is_shared and hasattr(socket, "SO_REUSEPORT"):
        server_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        server_socket.bind((host, port))
    except OSError:
        server_socket.close()
        raise
    return server_socket
