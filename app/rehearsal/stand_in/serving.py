"""A stand-in that listens: ``async with stand_in(Options(…)) as there: there.url``."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import WebSocketRoute

from app.rehearsal.stand_in import apps, batches, callers, messages, numbers, sip, subscriptions
from app.rehearsal.stand_in.answers import Refused
from app.rehearsal.stand_in.bodies import NewApp
from app.rehearsal.stand_in.calls import Calls
from app.rehearsal.stand_in.messages import Messages
from app.rehearsal.stand_in.options import Options
from app.rehearsal.stand_in.platform import Platform
from app.rehearsal.stand_in.requests import Rest
from app.rehearsal.stand_in.sockets import protocol_of, wss

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request
    from starlette.responses import Response

    from app.rehearsal.stand_in.options import Number


class StandIn:
    """A stand-in, and its addresses once it listens."""

    def __init__(self, options: Options | None = None) -> None:
        self.platform = platform = Platform(options or Options())
        self.calls = calls = Calls(platform)
        self.messages = Messages(platform)
        rest = Rest(platform)
        self.url = ""
        self.app = Starlette(
            routes=[
                *subscriptions.routes(platform, rest),
                *apps.routes(platform, calls, rest),
                *numbers.routes(platform, rest),
                *messages.routes(platform, self.messages, rest),
                *batches.routes(platform, calls, rest),
                *sip.routes(platform, rest),
                *callers.routes(platform, calls, self.messages),
                WebSocketRoute("/wss", wss(platform)),
            ],
            exception_handlers={Refused: _refused, HTTPException: _http, Exception: _refused},
        )
        for number in platform.options.numbers:
            self._point(number)

    @property
    def rest(self) -> str:
        """Where REST is."""
        return f"{self.url}/rest"

    @property
    def events(self) -> str:
        """Where events are."""
        return f"{self.url.replace('http', 'ws', 1)}/wss"

    def _point(self, number: Number) -> None:
        """Lease a number, for an app that asks its URL. Raises Refused where it is none."""
        fields: dict[str, Any] = {"name": f"App of {number.number}", "product": 1, "webhook_url": number.webhook or None}
        asked: dict[str, Any] = {"call_flow_url": number.url or None, "call_flow_method": number.method}
        trunks: dict[str, Any] = {"class4_ingress_trunk_settings": {}, "class4_egress_trunk_settings": {}}
        later = {"call_flow_request_timeout": 5_000, "webhook_method": "POST", "webhook_request_timeout": 5_000}
        app = self.platform.apps.add(NewApp(**fields, **asked, **trunks, **later).model_dump())
        lease = self.platform.leases.add(_digits(number.number), features=["voice", "sms"])
        lease["sip_control_app"] = app["uuid"]
        profile = self.platform.messaging_profiles.add({"name": app["name"], "callback_url": None, "callback_url2": None})
        lease["messaging_profile"] = profile["uuid"]


@contextlib.asynccontextmanager
async def stand_in(options: Options | None = None, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[StandIn]:
    """One that listens, at a port of its own unless one is given, in this loop."""
    made = StandIn(options)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as listening:
        address = listening.getsockname()
        made.url = f"http://{f'[{host}]' if ':' in host else host}:{address[1]}"
        server = _Server(
            uvicorn.Config(
                made.app,
                ws=protocol_of(made.platform),
                ws_ping_interval=None,
                lifespan="off",
                access_log=False,
                log_level="error",
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=1,
            )
        )
        serving = asyncio.create_task(server.serve([listening]))
        try:
            while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn says it by an attribute
                await asyncio.sleep(0.005)
            yield made
        finally:
            await made.platform.close()
            server.should_exit = True
            await serving


class _Server(uvicorn.Server):
    """One that leaves signals to whoever runs the loop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None are."""
        yield


def _digits(number: str) -> int:
    from app.numbers import e164  # noqa: PLC0415

    found = e164(number)
    if not found:
        raise Refused(400, f"{number!r} is no number: write it as +12015550123")
    return int(found.lstrip("+"))


async def _refused(request: Request, error: Exception) -> Response:
    refused = error if isinstance(error, Refused) else Refused(500, "Internal error")
    return refused.problem() if request.url.path.startswith("/stand-in/") else refused.answer()


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - for the type checker
    return await _refused(request, Refused(error.status_code, error.detail, headers=error.headers))
