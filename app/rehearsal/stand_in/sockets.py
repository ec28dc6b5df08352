"""The websocket at ``/wss``: a token is shown, then events come."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from app.rehearsal.stand_in import silences
from app.rehearsal.stand_in.envelopes import authenticated
from app.rehearsal.stand_in.events import Connection

if TYPE_CHECKING:
    from asyncio import BaseTransport
    from collections.abc import Awaitable, Callable

    from app.rehearsal.stand_in.platform import Platform


def protocol_of(platform: Platform) -> type[WebSocketsSansIOProtocol]:
    """Websockets of uvicorn that can be broken, and silent: then what comes is not even read, and nothing is answered."""

    class Wired(WebSocketsSansIOProtocol):
        def connection_made(self, transport: BaseTransport) -> None:
            super().connection_made(transport)
            platform.events.wires.add(self.transport)

        def connection_lost(self, exc: Exception | None) -> None:
            platform.events.wires.discard(self.transport)
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if not (platform.faults.silent and self.handshake_complete):
                super().data_received(data)

    return Wired


def wss(platform: Platform) -> Callable[[WebSocket], Awaitable[None]]:
    """The endpoint."""

    async def endpoint(socket: WebSocket) -> None:
        await socket.accept()
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            if not await _authenticated(socket, platform):
                await socket.close(silences.POLICY_VIOLATION, "the token is not accepted")
                return
            await _served(socket, platform)

    return endpoint


async def _authenticated(socket: WebSocket, platform: Platform) -> bool:
    """Whether the first frame shows a token that is accepted. platform 3: {"type": "auth", "payload": token}."""
    try:
        async with asyncio.timeout(silences.AUTH_WITHIN):
            shown: Any = json.loads(await socket.receive_text())
    except (TimeoutError, ValueError, KeyError):
        return False
    if not isinstance(shown, dict) or shown.get("type") != "auth":
        return False
    return platform.tokens.accepts(str(shown.get("payload") or ""))


async def _served(socket: WebSocket, platform: Platform) -> None:
    """Say that it is authenticated, then send events until one side ends it."""
    connection = Connection()
    ip = socket.client.host if socket.client else ""
    happened = authenticated(platform.ids.uuid("wss"), ip, platform.account.owner(), platform.account.entity())
    connection.put(platform.events.written(happened, platform.account))
    platform.events.connections.add(connection)
    sending = asyncio.create_task(_send(socket, connection, platform))
    try:
        while True:
            await socket.receive()
            if socket.client_state is WebSocketState.DISCONNECTED:
                return
            if platform.strict:
                await socket.close(silences.POLICY_VIOLATION, f"{silences.WSS_FRAMES.unknown} are not documented")
                return
    finally:
        platform.events.connections.discard(connection)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def _send(socket: WebSocket, connection: Connection, platform: Platform) -> None:
    while (text := await connection.waiting.get()) is not None:
        await asyncio.sleep(platform.faults.slow / 1000)
        await socket.send_text(text)
    await socket.close(1013, "too many events wait")
