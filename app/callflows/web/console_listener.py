"""The console's own address: a second HTTP server of each process, with the console alone."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from fastapi import FastAPI

from callflows.embedded_server import EmbeddedServer
from callflows.errors import SettingsError
from callflows.log import get_logger
from callflows.web.console.console_access import CONSOLE_PATH
from callflows.web.console.console_app import redirect_to_console
from callflows.web.http_protocol import BoundedHttpProtocol, bind_server_socket
from callflows.web.problem_details import install_problem_handlers

if TYPE_CHECKING:
    import socket

    from starlette.types import ASGIApp


_LOG: Final = get_logger("console")
_STOP_SECONDS: Final = 1
"""Time that requests get to end; the live parts of pages never end by themselves."""
RETRY_SECONDS: Final = 1.0
"""Pause after a failure, before the next attempt to listen."""


class ConsoleListener:
    """Serves the console at an address of its own, again after a failure."""

    def __init__(self, console: ASGIApp, host: str, port: int) -> None:
        self._address = (host, port)
        app = FastAPI(openapi_url=None)
        app.add_route("/", redirect_to_console)
        app.add_route(CONSOLE_PATH, redirect_to_console)
        app.mount(CONSOLE_PATH, console)
        install_problem_handlers(app)
        self._config = uvicorn.Config(
            app,
            lifespan="off",
            access_log=False,
            log_config=None,
            proxy_headers=False,
            server_header=False,
            http=BoundedHttpProtocol,
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
        self._server: EmbeddedServer | None = None
        self._is_listening = False
        self._problem = ""
        self._stop_requested = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Listen. Raises SettingsError if the address cannot be used."""
        host, port = self._address
        try:
            listening = self._bind_socket()
        except OSError as error:
            raise SettingsError(f"the console cannot listen on {host}:{port}: {error.strerror or error}") from None
        self._task = asyncio.create_task(self._serve_until_stopped(listening))
        _LOG.info("the console listens apart", address=f"{host}:{port}")

    async def stop(self) -> None:
        """Stop listening, and end the requests that are left."""
        self._stop_requested.set()
        if self._server is not None:
            self._server.should_exit = True
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    def get_status(self) -> dict[str, Any]:
        """Return if the console listens (``listening``), and the ``problem`` if it does not; empty without one."""
        return {"listening": self._is_listening, "problem": self._problem}

    def _bind_socket(self) -> socket.socket:
        # Every process of the server listens at the same address.
        return bind_server_socket(*self._address, is_shared=True)

    async def _serve_until_stopped(self, first_socket: socket.socket) -> None:
        listening: socket.socket | None = first_socket
        while not self._stop_requested.is_set():
            try:
                await self._serve(listening or self._bind_socket())
                problem = "its server ended"
            except Exception as error:  # noqa: BLE001 - every error leads to a new attempt
                problem = f"{type(error).__name__}: {error}"
            listening = None
            if not self._stop_requested.is_set():
                self._report_problem(problem)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stop_requested.wait(), RETRY_SECONDS)

    async def _serve(self, listening: socket.socket) -> None:
        """Serve at a socket until the server ends, and close the socket."""
        self._server = server = EmbeddedServer(self._config, self._report_start)
        try:
            await server.serve(sockets=[listening])
        finally:
            self._is_listening = False
            # A server that failed leaves its socket open: connections would come, and wait for an answer for ever.
            for open_server in getattr(server, "servers", ()):
                open_server.close()
            listening.close()

    def _report_start(self) -> None:
        self._is_listening = True
        if self._problem:
            self._problem = ""
            _LOG.info("the console listens again")

    def _report_problem(self, problem: str) -> None:
        """Keep the problem for the status, and log a new one."""
        if problem != self._problem:
            self._problem = problem
            host, port = self._address
            _LOG.error("the console does not listen; it is tried again", address=f"{host}:{port}", reason=problem)
