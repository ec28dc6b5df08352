"""The websocket at ``/wss``: the client authenticates with a token, then receives events."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from callflows.stand_in import stand_in_rules
from callflows.stand_in.event_delivery import EventConnection, build_auth_event

if TYPE_CHECKING:
    from asyncio import BaseTransport
    from collections.abc import Awaitable, Callable

    from callflows.stand_in.stand_in_platform import StandInPlatform


def make_websocket_protocol(platform: StandInPlatform) -> type[WebSocketsSansIOProtocol]:
    """Return uvicorn's protocol class with two faults added: abrupt disconnection and silence.

    A silent connection does not even read data, so pings stay unanswered.
    """

    class FaultyWebSocketProtocol(WebSocketsSansIOProtocol):
        def connection_made(self, transport: BaseTransport) -> None:
            super().connection_made(transport)
            platform.events.transports.add(self.transport)

        def connection_lost(self, exc: Exception | None) -> None:
            platform.events.transports.discard(self.transport)
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if not (platform.faults.silent and self.handshake_complete):
                super().data_received(data)

    return FaultyWebSocketProtocol


def make_websocket_endpoint(platform: StandInPlatform) -> Callable[[WebSocket], Awaitable[None]]:
    async def serve_websocket(socket: WebSocket) -> None:
        await socket.accept()
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            if not await _authenticate(socket, platform):
                await socket.close(stand_in_rules.POLICY_VIOLATION_CLOSE_CODE, "the token is not accepted")
                return
            await _serve_events(socket, platform)

    return serve_websocket


async def _authenticate(socket: WebSocket, platform: StandInPlatform) -> bool:
    """Return True if the first frame has an accepted token. platform 3: {"type": "auth", "payload": token}."""
    try:
        async with asyncio.timeout(stand_in_rules.WEBSOCKET_AUTH_SECONDS):
            shown: Any = json.loads(await socket.receive_text())
    except (TimeoutError, ValueError, KeyError):
        return False
    if not isinstance(shown, dict) or shown.get("type") != "auth":
        return False
    return platform.tokens.accepts_token(str(shown.get("payload") or ""))


async def _serve_events(socket: WebSocket, platform: StandInPlatform) -> None:
    """Send the ``auth`` event, then events until either side ends the connection."""
    connection = EventConnection()
    ip = socket.client.host if socket.client else ""
    happened = build_auth_event(
        platform.ids.next_uuid("wss"), ip, platform.account.build_user(), platform.account.build_entity()
    )
    connection.put_event(platform.events.render_event(happened, platform.account))
    platform.events.connections.add(connection)
    sending = asyncio.create_task(_send_events(socket, connection, platform))
    try:
        while True:
            await socket.receive()
            if socket.client_state is WebSocketState.DISCONNECTED:
                return
            if platform.strict:
                await socket.close(
                    stand_in_rules.POLICY_VIOLATION_CLOSE_CODE,
                    f"{stand_in_rules.WSS_FRAMES_RULE.unknown} are not documented",
                )
                return
    finally:
        platform.events.connections.discard(connection)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def _send_events(socket: WebSocket, connection: EventConnection, platform: StandInPlatform) -> None:
    while (text := await connection.waiting_events.get()) is not None:
        await asyncio.sleep(platform.faults.slow / 1000)
        await socket.send_text(text)
    await socket.close(1013, "too many events wait")
