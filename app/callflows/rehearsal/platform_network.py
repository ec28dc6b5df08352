"""Sends the platform's requests: to an engine in this process, or to any server by HTTP."""

from __future__ import annotations

import asyncio
import time
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, Self
from urllib.parse import urlsplit

from callflows.http_limits import read_limited_body
from callflows.language.xml_writer import MAX_DOCUMENT_BYTES
from callflows.outbound_http import choose_tls_settings, get_tls_context

if TYPE_CHECKING:
    from types import TracebackType

    import httpx


MAX_REPLY_REDIRECTS: Final = 5
NETWORK_DISABLED_ERROR: Final = "a rehearsal does not reach other servers (--real does)"
LOCAL_ENGINE_ORIGIN: Final = "http://rehearsal.localhost"
"""Reserved origin of an engine in this process."""
_NO_COOKIES: Final = DefaultCookiePolicy(allowed_domains=[])
"""Calls share a client; cookies must not pass from one call to another."""


class NetworkReply(NamedTuple):
    """A reply; without one, ``status`` is 0 and ``error`` gives the reason."""

    status: int
    body: bytes
    ms: float
    error: str = ""
    url: str = ""


class PlatformNetwork(Protocol):
    """Sends requests for the platform."""

    async def send_request(self, method: str, url: str, body: bytes | None, timeout_seconds: float) -> NetworkReply:
        """Send one request; only cancellation raises. ``timeout_seconds`` is in real time."""


class HttpNetwork:
    """Sends requests by HTTP; ``app``, if given, serves requests to the host of ``base_url`` in this process.

    ``allow_external`` permits requests to hosts other than the host of ``base_url``.
    """

    def __init__(
        self, app: object | None = None, *, base_url: str = LOCAL_ENGINE_ORIGIN, allow_external: bool = False
    ) -> None:
        import httpx  # noqa: PLC0415 - heavy, and not needed to read scenarios

        self._host = _url_host(base_url)
        self._allow_external = allow_external
        inside = (
            httpx.ASGITransport(app=app, client=("127.0.0.1", 40_000))  # type: ignore[arg-type]
            if app is not None
            else None
        )
        own = {f"all://{self._host}": inside} if inside is not None else {}
        self._http = httpx.AsyncClient(
            mounts=own,
            trust_env=False,
            cookies=CookieJar(_NO_COOKIES),
            # A call that waited for a pooled connection would mistake the wait for a slow server.
            limits=httpx.Limits(max_connections=None),
            verify=get_tls_context() if allow_external else choose_tls_settings(base_url),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def send_request(self, method: str, url: str, body: bytes | None, timeout_seconds: float) -> NetworkReply:
        """Send a request and follow its redirects; each redirect has its own timeout, as on the platform."""
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
        """Send a request; return the reply, and the next request after a redirect."""
        import httpx  # noqa: PLC0415 - as above

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
                whole = await read_limited_body(answer.aiter_bytes(), MAX_DOCUMENT_BYTES)
                read, error = whole or b"", f"the answer has over {MAX_DOCUMENT_BYTES} bytes" if whole is None else ""
        except (httpx.TimeoutException, TimeoutError):
            status, error = 0, f"there was no answer within {timeout_seconds:g} s"
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as raised:
            status, error = 0, f"{type(raised).__name__}: {raised}"
        return NetworkReply(status, read, (time.perf_counter() - began) * 1000, error, url), onward


def _url_host(url: str) -> str:
    """Return host and port; an empty text for an invalid URL."""
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""
