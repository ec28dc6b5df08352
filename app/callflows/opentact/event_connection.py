"""One connection to Opentact's events: opened, shown the token, and watched.

How a failed authentication looks is not documented: an ``auth`` event without success, a closed connection and silence all
count as one.
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
    from callflows.opentact.event_parser import OpentactEvent


_MAX_FRAME_BYTES: Final = 16 * 1024 * 1024
"""Bytes of a frame."""


_MAX_QUEUED_FRAMES: Final = 1024
"""Frames that wait to be read."""


_REJECTION_STATUSES: Final = (401, 403)


_AUTH_SUCCESS_TEXT: Final = "success auth"
"""In the text of an ``auth`` event (documented)."""


_AUTH_FAILURE_WORDS: Final = ("fail", "unsuccess", "no success", "invalid", "denied", "expired", "error")


@dataclasses.dataclass(frozen=True, slots=True)
class ConnectionTimeouts:
    """Seconds: what a connection is allowed, and how a dead one is noticed without waiting for TCP.

    A ping is sent ``ping_every`` seconds; where its answer does not come ``pong_within``, the connection is dead. Opentact
    does not document that it answers pings; the protocol demands it.
    """

    open_seconds: float = 10.0
    auth_seconds: float = 15.0
    close_seconds: float = 2.0
    ping_interval_seconds: float = 20.0
    pong_seconds: float = 20.0


class EventTokenRejectedError(Exception):
    """The token was not accepted, as far as can be told."""


class EventConnectionLostError(Exception):
    """The connection ended."""


class _NonRedirectingConnect(connect):
    """Goes where it is told, and is not sent elsewhere: the token would go along."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


@contextlib.asynccontextmanager
async def open_event_connection(
    url: str, token: AccessToken, timeouts: ConnectionTimeouts
) -> AsyncIterator[ClientConnection]:
    """A connection that has been shown the token. Raises Refused, and whatever connecting raises."""
    connecting = _NonRedirectingConnect(
        url,
        open_timeout=timeouts.open_seconds,
        close_timeout=timeouts.close_seconds,
        ping_interval=timeouts.ping_interval_seconds,
        ping_timeout=timeouts.pong_seconds,
        max_size=_MAX_FRAME_BYTES,
        max_queue=_MAX_QUEUED_FRAMES,
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
    """The next frame, as it came, since one that is no text harms no other. Raises Lost with the reason."""
    try:
        return await socket.recv(decode=False)
    except ConnectionClosed as error:
        raise EventConnectionLostError(describe_connection_error(error)) from None


def is_token_accepted(event: OpentactEvent) -> bool:
    """Whether an ``auth`` event says that the token is accepted."""
    payload = event.raw.get("payload")
    inner = payload.get("success") if isinstance(payload, dict) else None
    for said in (event.raw.get("success"), inner):
        if isinstance(said, bool):
            return said
    text = event.text.lower()
    return _AUTH_SUCCESS_TEXT in text or ("success" in text and not any(word in text for word in _AUTH_FAILURE_WORDS))


def describe_connection_error(error: BaseException) -> str:
    """For people: why a connection ended or did not come about; nothing that was sent is in it."""
    if isinstance(error, ConnectionClosed):
        if error.sent is not None and error.rcvd is None:
            return error.sent.reason or f"closed by us ({error.sent.code})"
        frame = error.rcvd
        return f"closed by Opentact ({frame.code} {frame.reason})".replace(" )", ")") if frame else "it broke off"
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        sent_on = "; it sends on elsewhere, which is not followed" if 300 <= status < 400 else ""  # noqa: PLR2004 - HTTP
        return f"it answered {status}{sent_on}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    said = str(error) if isinstance(error, (OSError, EventConnectionLostError, EventTokenRejectedError)) else ""
    return said or type(error).__name__


def _create_silent_logger() -> logging.Logger:
    """A logger that says nothing: the library's own writes frames, and with them the token, where debugging is on."""
    logger = logging.Logger("silent", logging.CRITICAL + 1)  # noqa: LOG001 - one that no configuration can turn on
    logger.addHandler(logging.NullHandler())
    return logger
