"""HTTP probes of our own server from outside, as strangers and Opentact see the server."""

from __future__ import annotations

import asyncio
import dataclasses
import ssl
import time
from datetime import datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import httpx

from callflows.errors import OutboundRequestError
from callflows.http_limits import read_limited_body
from callflows.outbound_http import choose_tls_settings, get_versioned_user_agent
from callflows.settings import is_loopback_host
from callflows.text import replace_unprintable

if TYPE_CHECKING:
    from collections.abc import Mapping


PROBE_TIMEOUT_SECONDS: Final = 5.0
"""Time limit of one request."""
MAX_PROBE_RESPONSE_BYTES: Final = 64_000
"""A larger response is not ours, and counts as an empty one."""


@dataclasses.dataclass(frozen=True, slots=True)
class ProbeReply:
    """A server's answer. ``elapsed_seconds`` is the duration of the request, ``received_at`` a Unix time of our clock."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    elapsed_seconds: float
    received_at: float


async def probe_url(
    url: str, method: str = "GET", timeout_seconds: float = PROBE_TIMEOUT_SECONDS, **query: str
) -> ProbeReply:
    """Request a URL. Raises OutboundRequestError; the reason never contains the query, because a query may hold a token."""
    client = httpx.AsyncClient(
        timeout=timeout_seconds,
        follow_redirects=False,
        trust_env=not is_loopback_host(urlsplit(url).hostname or ""),
        headers={"user-agent": get_versioned_user_agent()},
        verify=choose_tls_settings(url),
    )
    began = time.monotonic()
    try:
        async with asyncio.timeout(timeout_seconds), client, client.stream(method, url, params=query or None) as response:
            body = await read_limited_body(response.aiter_bytes(), MAX_PROBE_RESPONSE_BYTES) or b""
    except (TimeoutError, httpx.TimeoutException):
        raise OutboundRequestError(f"no answer within {timeout_seconds:g} s") from None
    except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError) as error:
        raise OutboundRequestError(_describe_probe_error(error)) from None
    took = time.monotonic() - began
    return ProbeReply(response.status_code, response.headers, body, took, datetime.now().astimezone().timestamp())


def _describe_probe_error(error: BaseException) -> str:
    """Return a readable reason for a failed request."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, ssl.SSLCertVerificationError):
            return f"its TLS certificate is not valid: {inner.verify_message}"
        if isinstance(inner, ssl.SSLError):
            return f"TLS fails: {inner.reason or 'the server does not speak TLS'}"
        inner = inner.__cause__ or inner.__context__
    description = replace_unprintable(str(error))
    return (
        f"no connection is possible ({description})"
        if isinstance(error, httpx.ConnectError)
        else description or type(error).__name__
    )


async def explain_unreachable_server(public_url: str, timeout_seconds: float = PROBE_TIMEOUT_SECONDS) -> str:
    """Return why our server does not answer behind a URL; an empty text if the server is alive."""
    try:
        reply = await probe_url(f"{public_url}/healthz", timeout_seconds=timeout_seconds)
    except OutboundRequestError as error:
        return str(error)
    if 300 <= reply.status < 400:  # noqa: PLR2004 - HTTP status classes
        return f"it redirects to another URL ({reply.status})"
    if reply.status != httpx.codes.OK or b'"status"' not in reply.body:
        return f"another server answers there, with status {reply.status}"
    return ""
