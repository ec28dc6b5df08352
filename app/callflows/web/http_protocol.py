"""The HTTP protocol of the server: uvicorn's, with time limits, so that idle connections never keep callers out."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Any, ClassVar, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio


HEADER_TIMEOUT_SECONDS: Final = 10.0
"""Time limit for the headers of a request, from the connection or from the request's first byte on."""
DRAIN_SECONDS: Final = 2.0
"""Time that a connection gets at shutdown for the request that is on its way."""
MAX_WAITING_CONNECTIONS: Final = 512
"""Number of connections without a complete request; beyond it the oldest is closed, because a caller comes complete."""
MAX_OPEN_FILES: Final = 65_536
"""Number of files and connections that the process asks the system for."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """Closes connections that do not complete a request in time, and the oldest of too many."""

    _waiting: ClassVar[dict[BoundedHttpProtocol, None]] = {}
    """Connections without a complete request, the oldest first."""
    _header_timer: asyncio.TimerHandle | None = None
    _is_in_headers = False
    """True from the first byte of a request until its headers are complete."""
    _is_last_request = False
    """True from the shutdown on, if the connection waits for the request that is on its way."""

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - as uvicorn has it
        try:
            super().connection_made(transport)
            self._await_headers()
        except Exception:  # for example a MemoryError: the loop logs it, and would leave the connection open for ever
            transport.abort()
            raise

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # Most requests come whole: only others need a timer.
        if self._is_in_headers and self._header_timer is None and not self.transport.is_closing():
            self._await_headers()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_headers = True

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        super().on_headers_complete()
        if self._is_last_request and self.cycle is not None:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """Close the connection, but not before an answer to the request that is on its way."""
        # The caller has connected, so that no other server will answer.
        if self._header_timer is not None:
            self._is_last_request = True
            self._header_timer.cancel()
            self._header_timer = self.loop.call_later(DRAIN_SECONDS, self.close_incomplete)
            return
        super().shutdown()

    def _await_headers(self) -> None:
        self._header_timer = self.loop.call_later(HEADER_TIMEOUT_SECONDS, self.close_incomplete)
        self._waiting[self] = None
        if len(self._waiting) > MAX_WAITING_CONNECTIONS:
            next(iter(self._waiting)).close_incomplete()

    def _stop_waiting(self) -> None:
        self._is_in_headers = False
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None
            self._waiting.pop(self, None)

    def close_incomplete(self) -> None:
        """Close a connection that has not completed its request."""
        self._stop_waiting()
        self.transport.close()


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
