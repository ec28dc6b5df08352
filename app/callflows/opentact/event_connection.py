"""One websocket connection to Opentact's events: opened, authenticated and watched.

Opentact does not document a failed authentication: an ``auth`` event without success, a closed connection and silence all
count as a rejected token.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
from importlib.metadata import version
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from callflows.settings import is_loopback_host

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from websockets.asyncio.client import ClientConnection

    from callflows.opentact.access_tokens import AccessToken
    from callflows.telephony.events import PlatformEvent


MAX_EVENT_FRAME_BYTES: Final = 1024 * 1024
"""A connection with a longer frame is closed and opened again; no known event has more than some kilobytes."""
MAX_QUEUED_FRAMES: Final = 16
"""Frames that wait to be read; then the connection is not read, and TCP slows the sender down."""
_REJECTION_STATUSES: Final = (401, 403)
_AUTH_SUCCESS_TEXT: Final = "success auth"
"""Part of the text of a successful ``auth`` event (documented)."""
_AUTH_FAILURE_WORDS: Final = ("fail", "unsuccess", "no success", "invalid", "denied", "expired", "error")


@dataclasses.dataclass(frozen=True, slots=True)
class ConnectionTimeouts:
    """Time limits of a connection, in seconds.

    A ping is sent every ``ping_interval_seconds``; without an answer within ``pong_seconds`` the connection is dead, long
    before TCP would notice. Opentact does not document answers to pings; the websocket protocol requires them.
    """

    open_seconds: float = 10.0
    auth_seconds: float = 15.0
    close_seconds: float = 2.0
    ping_interval_seconds: float = 20.0
    pong_seconds: float = 20.0


class EventTokenRejectedError(Exception):
    """Opentact probably rejected the token; the exact answer is not documented."""


class EventConnectionLostError(Exception):
    """The connection ended."""


class _NonRedirectingConnect(connect):
    """A connection without redirects: a redirect would send the token to another host."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


@contextlib.asynccontextmanager
async def open_event_connection(
    url: str, token: AccessToken, timeouts: ConnectionTimeouts
) -> AsyncIterator[ClientConnection]:
    """Open a connection and send the token. Raises EventTokenRejectedError and the errors of websockets."""
    connecting = _NonRedirectingConnect(
        url,
        open_timeout=timeouts.open_seconds,
        close_timeout=timeouts.close_seconds,
        ping_interval=timeouts.ping_interval_seconds,
        ping_timeout=timeouts.pong_seconds,
        max_size=MAX_EVENT_FRAME_BYTES,
        max_queue=MAX_QUEUED_FRAMES,
        # One read of the socket may hold a hundred packed frames of half a megabyte: callers would wait for all of them.
        compression=None,
        proxy=None if is_loopback_host(urlsplit(url).hostname or "") else True,
        user_agent_header=f"callflows/{version('callflows')}",
        logger=_create_silent_logger(),
    )
    try:
        socket = await connecting
    except InvalidStatus as error:
        if error.response.status_code in _REJECTION_STATUSES:
            raise EventTokenRejectedError(f"it answered {error.response.status_code}") from None
        raise
    try:
        await socket.send(json.dumps({"type": "auth", "payload": token.text}))
        yield socket
    finally:
        await socket.close()


async def receive_frame(socket: ClientConnection) -> bytes:
    """Return the next frame as bytes. Raises EventConnectionLostError with the reason."""
    try:
        # Undecoded: a frame with invalid UTF-8 must not affect other frames.
        return await socket.recv(decode=False)
    except ConnectionClosed as error:
        raise EventConnectionLostError(describe_connection_error(error)) from None


def is_token_accepted(event: PlatformEvent) -> bool:
    """Return True if an ``auth`` event reports success."""
    payload = event.raw.get("payload")
    inner = payload.get("success") if isinstance(payload, dict) else None
    for verdict in (event.raw.get("success"), inner):
        if isinstance(verdict, bool):
            return verdict
    text = event.message.lower()
    return _AUTH_SUCCESS_TEXT in text or ("success" in text and not any(word in text for word in _AUTH_FAILURE_WORDS))


def describe_connection_error(error: BaseException) -> str:
    """Return a readable reason why a connection ended or failed, without any data sent."""
    if isinstance(error, ConnectionClosed):
        if error.sent is not None and error.rcvd is None:
            return error.sent.reason or f"closed by us ({error.sent.code})"
        frame = error.rcvd
        return f"closed by Opentact ({frame.code} {frame.reason})".replace(" )", ")") if frame else "it broke off"
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        sent_on = "; it redirects; redirects are not followed" if 300 <= status < 400 else ""  # noqa: PLR2004 - HTTP
        return f"it answered {status}{sent_on}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    message = str(error) if isinstance(error, (OSError, EventConnectionLostError, EventTokenRejectedError)) else ""
    return message or type(error).__name__


def _create_silent_logger() -> logging.Logger:
    # In debug mode the library's own logger writes frames, and with them the token.
    logger = logging.Logger("silent", logging.CRITICAL + 1)  # noqa: LOG001 - no configuration can enable this logger
    logger.addHandler(logging.NullHandler())
    return logger
