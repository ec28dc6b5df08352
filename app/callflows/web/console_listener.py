"""The console's own address: a second HTTP server of each process, with the console alone."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

import uvicorn
from fastapi import FastAPI

from callflows.errors import SettingsError
from callflows.log import get_logger
from callflows.web.console.console_access import CONSOLE_PATH
from callflows.web.console.console_app import redirect_to_console
from callflows.web.http_protocol import BoundedHttpProtocol, bind_server_socket
from callflows.web.problem_details import install_problem_handlers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp


_LOG: Final = get_logger("console")
_STOP_SECONDS: Final = 1
"""Time that requests get to end; the live parts of pages never end by themselves."""


class _EmbeddedServer(uvicorn.Server):
    """A server beside the one that has the process, which alone listens to signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class ConsoleListener:
    """Serves the console at an address of its own."""

    def __init__(self, console: ASGIApp, host: str, port: int) -> None:
        self._address = (host, port)
        app = FastAPI(openapi_url=None)
        app.add_route("/", redirect_to_console)
        app.add_route(CONSOLE_PATH, redirect_to_console)
        app.mount(CONSOLE_PATH, console)
        install_problem_handlers(app)
        config = uvicorn.Config(
            app,
            lifespan="off",
            access_log=False,
            log_config=None,
            proxy_headers=False,
            server_header=False,
            http=BoundedHttpProtocol,
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
        self._server = _EmbeddedServer(config)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Listen. Raises SettingsError if the address cannot be used."""
        host, port = self._address
        try:
            # Every process of the server listens at the same address.
            listening = bind_server_socket(host, port, is_shared=True)
        except OSError as error:
            raise SettingsError(f"the console cannot listen on {host}:{port}: {error.strerror or error}") from None
        self._task = asyncio.create_task(self._server.serve(sockets=[listening]))
        _LOG.info("the console listens apart", address=f"{host}:{port}")

    async def stop(self) -> None:
        """Stop listening, and end the requests that are left."""
        if self._task is not None:
            self._server.should_exit = True
            await self._task
