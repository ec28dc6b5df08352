"""A stand-in that listens: ``async with run_stand_in(StandInOptions(…)) as server: server.url``."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import WebSocketRoute

from callflows.embedded_server import EmbeddedServer
from callflows.stand_in import (
    account_endpoints,
    app_endpoints,
    batch_endpoints,
    control_endpoints,
    message_endpoints,
    number_endpoints,
    sip_endpoints,
    subscription_endpoints,
)
from callflows.stand_in.call_registry import CallRegistry
from callflows.stand_in.event_websocket import make_websocket_endpoint, make_websocket_protocol
from callflows.stand_in.message_endpoints import StandInMessages
from callflows.stand_in.response_envelopes import RestRefusal
from callflows.stand_in.rest_routing import RestRouter
from callflows.stand_in.stand_in_options import StandInOptions
from callflows.stand_in.stand_in_platform import StandInPlatform

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response

    from callflows.stand_in.stand_in_options import StandInNumber


class StandInServer:
    """A stand-in and, while listening, its addresses."""

    def __init__(self, options: StandInOptions | None = None) -> None:
        self.platform = platform = StandInPlatform(options or StandInOptions())
        self.calls = calls = CallRegistry(platform)
        self.messages = StandInMessages(platform)
        self.rest = rest = RestRouter(platform, platform.options.table)
        account_endpoints.add_account_endpoints(platform, rest)
        subscription_endpoints.add_subscription_endpoints(platform, rest)
        app_endpoints.add_app_endpoints(platform, calls, rest)
        number_endpoints.add_number_endpoints(platform, rest)
        message_endpoints.add_message_endpoints(platform, self.messages, rest)
        batch_endpoints.add_batch_endpoint(platform, calls, rest)
        sip_endpoints.add_sip_endpoints(platform, rest)
        self.url = ""
        self.app = Starlette(
            routes=[
                *rest.build_routes(),
                *control_endpoints.make_control_routes(platform, calls, self.messages),
                WebSocketRoute("/wss", make_websocket_endpoint(platform)),
            ],
            exception_handlers={
                RestRefusal: _handle_refusal,
                HTTPException: _handle_http_error,
                Exception: _handle_refusal,
            },
        )
        for number in platform.options.numbers:
            self._add_number(number)

    @property
    def rest_url(self) -> str:
        return f"{self.url}/rest"

    @property
    def events_url(self) -> str:
        return f"{self.url.replace('http', 'ws', 1)}/wss"

    def _add_number(self, number: StandInNumber) -> None:
        """Lease a number to a new app with this URL. Raises RestRefusal for an invalid number."""
        fields: dict[str, Any] = {"name": f"App of {number.number}", "product": 1, "webhook_url": number.webhook or None}
        fields |= {"call_flow_url": number.url or None, "call_flow_method": number.method, "webhook_method": "POST"}
        fields |= {"call_flow_request_timeout": 5_000, "webhook_request_timeout": 5_000}
        app = self.platform.apps.add_row({**app_endpoints.NEW_APP_FIELDS, **fields})
        lease = self.platform.leases.add_lease(_parse_number(number.number), features=["voice", "sms"])
        lease["sip_control_app"] = app["uuid"]
        profile = self.platform.messaging_profiles.add_row({"name": app["name"], **message_endpoints.NEW_PROFILE_FIELDS})
        lease["messaging_profile"] = profile["uuid"]


@contextlib.asynccontextmanager
async def run_stand_in(
    options: StandInOptions | None = None, *, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[StandInServer]:
    """Run a stand-in in the current event loop; port 0 selects a free port."""
    stand_in = StandInServer(options)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as listening:
        address = listening.getsockname()
        stand_in.url = f"http://{f'[{host}]' if ':' in host else host}:{address[1]}"
        server = EmbeddedServer(
            uvicorn.Config(
                stand_in.app,
                ws=make_websocket_protocol(stand_in.platform),
                ws_ping_interval=None,
                lifespan="off",
                access_log=False,
                log_level="error",
                log_config=None,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=1,
            )
        )
        serving = asyncio.create_task(server.serve([listening]))
        try:
            while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn only sets an attribute
                await asyncio.sleep(0.005)
            yield stand_in
        finally:
            await stand_in.platform.close()
            server.should_exit = True
            await serving


def _parse_number(number: str) -> int:
    from callflows.telephony.phone_numbers import parse_e164  # noqa: PLC0415

    parsed = parse_e164(number)
    if not parsed:
        raise RestRefusal(400, f"{number!r} is no number: write it as +12015550123")
    return int(parsed.lstrip("+"))


async def _handle_refusal(request: Request, error: Exception) -> Response:
    refused = error if isinstance(error, RestRefusal) else RestRefusal(500, "Internal error")
    return refused.build_problem_response() if request.url.path.startswith("/stand-in/") else refused.build_response()


async def _handle_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - for the type checker
    return await _handle_refusal(request, RestRefusal(error.status_code, error.detail, headers=error.headers))
