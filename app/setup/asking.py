"""Our own server, asked as strangers and Opentact ask it."""

from __future__ import annotations

import asyncio
import dataclasses
import ssl
import time
from datetime import datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import httpx

from app.errors import OutsideError
from app.settings import is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping

SECONDS: Final = 5.0
"""For one question."""
LARGEST: Final = 64_000
"""Bytes of an answer that are looked at."""


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered, within ``seconds``, at the moment ``at`` of our clock."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float
    at: float


async def asked(url: str, method: str = "GET", seconds: float = SECONDS, **query: str) -> Reply:
    """What a URL answers. Raises OutsideError with the reason, in which no query is."""
    client = httpx.AsyncClient(
        timeout=seconds,
        follow_redirects=False,
        trust_env=not is_loopback(urlsplit(url).hostname or ""),
        headers={"user-agent": f"callflows/{version('callflows')}"},
    )
    began = time.monotonic()
    try:
        async with asyncio.timeout(seconds), client, client.stream(method, url, params=query or None) as response:
            body = await _beginning(response)
    except (TimeoutError, httpx.TimeoutException):
        raise OutsideError(f"no answer within {seconds:g} s") from None
    except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError) as error:
        raise OutsideError(_why(error)) from None
    took = time.monotonic() - began
    return Reply(response.status_code, response.headers, body, took, datetime.now().astimezone().timestamp())


async def _beginning(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > LARGEST:
            break
    return bytes(body[:LARGEST])


def _why(error: BaseException) -> str:
    """Why there is no answer, for people."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, ssl.SSLCertVerificationError):
            return f"its TLS certificate is not valid: {inner.verify_message}"
        if isinstance(inner, ssl.SSLError):
            return f"TLS fails: {inner.reason or 'it speaks something else'}"
        inner = inner.__cause__ or inner.__context__
    said = "".join(sign if sign.isprintable() else " " for sign in str(error))
    return f"it cannot be connected to ({said})" if isinstance(error, httpx.ConnectError) else said or type(error).__name__


async def alive(public_url: str, seconds: float = SECONDS) -> str:
    """Why our server is not alive behind a URL; nothing where it is."""
    try:
        reply = await asked(f"{public_url}/healthz", seconds=seconds)
    except OutsideError as error:
        return str(error)
    if 300 <= reply.status < 400:  # noqa: PLR2004 - the class of HTTP
        return f"it sends on elsewhere ({reply.status})"
    if reply.status != httpx.codes.OK or b'"status"' not in reply.body:
        return f"something else answers there, with {reply.status}"
    return ""
