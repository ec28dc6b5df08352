"""How the platform reaches servers: ours in this process, or any by HTTP."""

from __future__ import annotations

import asyncio
import time
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, Self
from urllib.parse import urlsplit

import httpx

if TYPE_CHECKING:
    from types import TracebackType


MAX_REPLY_BYTES: Final = 1_000_000
"""Bytes of an answer that are read."""


MAX_REPLY_REDIRECTS: Final = 5


NETWORK_DISABLED_ERROR: Final = "a rehearsal does not reach other servers (--real does)"


LOCAL_ENGINE_ORIGIN: Final = "http://rehearsal.invalid"
"""The host under which an engine in this process is asked."""


_NO_COOKIES: Final = DefaultCookiePolicy(allowed_domains=[])
"""Calls share a client, and what one is given is not told by another."""


_UNLIMITED_CONNECTIONS: Final = httpx.Limits(max_connections=None)
"""A call that waited for a connection of another's would take the wait for slowness of the server."""


class NetworkReply(NamedTuple):
    """An answer; where there was none, ``status`` is 0 and ``error`` says why."""

    status: int
    body: bytes
    ms: float
    error: str = ""
    url: str = ""


class PlatformNetwork(Protocol):
    """What the platform asks."""

    async def send_request(self, method: str, url: str, body: bytes | None, timeout_seconds: float) -> NetworkReply:
        """One request; never raises but when it is cancelled. ``patience`` is in seconds of the real clock."""


class HttpNetwork:
    """Servers by HTTP, and an engine in this process under its own host.

    ``reaches``: whether others than the engine (or, by HTTP, the server that is rehearsed) are really asked.
    """

    def __init__(
        self, app: object | None = None, *, base_url: str = LOCAL_ENGINE_ORIGIN, allow_external: bool = False
    ) -> None:
        self._host = _url_host(base_url)
        self._allow_external = allow_external
        inside = httpx.ASGITransport(app=app, client=("127.0.0.1", 40_000)) if app is not None else None  # type: ignore[arg-type]
        own = {f"all://{self._host}": inside} if inside is not None else {}
        self._http = httpx.AsyncClient(
            mounts=own, trust_env=False, cookies=CookieJar(_NO_COOKIES), limits=_UNLIMITED_CONNECTIONS
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def send_request(self, method: str, url: str, body: bytes | None, timeout_seconds: float) -> NetworkReply:
        """One request and the redirects that it leads to; ``patience`` begins again with each, as the platform has it."""
        for _ in range(MAX_REPLY_REDIRECTS + 1):
            if not self._allow_external and _url_host(url) != self._host:
                return NetworkReply(0, b"", 0.0, NETWORK_DISABLED_ERROR, url)
            reply, onward = await self._send_once(method, url, body, timeout_seconds)
            if onward is None:
                return reply
            url, body = str(onward.url), body if onward.method == method else None
            method = onward.method
        return reply._replace(status=0, error=f"more than {MAX_REPLY_REDIRECTS} redirects")

    async def _send_once(
        self, method: str, url: str, body: bytes | None, timeout_seconds: float
    ) -> tuple[NetworkReply, httpx.Request | None]:
        """A request without its redirects, and where it is redirected to."""
        began = time.perf_counter()
        headers = {"content-type": "application/json"} if body is not None else None
        status, read, error = 0, b"", ""
        onward: httpx.Request | None = None
        try:
            async with (
                asyncio.timeout(timeout_seconds),
                self._http.stream(method, url, content=body, headers=headers, timeout=timeout_seconds) as answer,
            ):
                status, onward = answer.status_code, answer.next_request
                async for part in answer.aiter_bytes():
                    read += part
                    if len(read) > MAX_REPLY_BYTES:
                        read, error = b"", f"the answer has over {MAX_REPLY_BYTES} bytes"
                        break
        except (httpx.TimeoutException, TimeoutError):
            status, error = 0, f"there was no answer within {timeout_seconds:g} s"
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as raised:
            status, error = 0, f"{type(raised).__name__}: {raised}"
        return NetworkReply(status, read, (time.perf_counter() - began) * 1000, error, url), onward


def _url_host(url: str) -> str:
    """Host and port; nothing where the URL is none."""
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""
