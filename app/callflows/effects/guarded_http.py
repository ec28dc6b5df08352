"""HTTP client whose connections only go to addresses allowed by the AddressGuard.

Importing this module loads httpx, which is heavy: import it only on demand.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import ssl
import weakref
import zlib
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin

import httpcore
import httpx

from callflows.errors import BlockedRequestError, OutboundRequestError
from callflows.outbound_http import get_tls_context

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping

    from callflows.effects.address_guard import AddressGuard


_MAX_URL_CHARACTERS: Final = 8192
_MAX_PORT: Final = 65_535
_ADDRESS_TIMEOUT_SECONDS: Final = 0.25
"""Seconds to wait for one address of a host while other addresses remain."""
_KEEPALIVE_SECONDS: Final = 30.0
_GZIP_WINDOW_BITS: Final = zlib.MAX_WBITS | 16


@dataclasses.dataclass(frozen=True, slots=True)
class HTTPAnswer:
    """Answer of a server; the body is decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    set_cookies: tuple[str, ...] = ()

    @property
    def is_success(self) -> bool:
        """True for a status of 200 to 299."""
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP's class of successes


class GuardedClient:
    """HTTP client with keep-alive: at most ``max_connections`` connections, and ``max_per_host`` requests to one host."""

    def __init__(
        self, guard: AddressGuard, max_connections: int, max_per_host: int, *, tls_context: ssl.SSLContext | None = None
    ) -> None:
        self._guard = guard
        self._max_per_host = max_per_host
        self._host_semaphores: weakref.WeakValueDictionary[str, asyncio.Semaphore] = weakref.WeakValueDictionary()
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls_context or get_tls_context(),
            max_connections=max_connections,
            keepalive_expiry=_KEEPALIVE_SECONDS,
            network_backend=_GuardedBackend(guard),
        )
        self._client = httpx.AsyncClient(
            transport=_PoolTransport(self._pool),
            trust_env=False,
            timeout=None,  # noqa: S113 - send_request has one deadline for the whole request
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )
        self._client.headers.clear()

    def parse_url(self, text: str) -> httpx.URL:
        """Parse and check a URL without resolving its host. Raises BlockedRequestError."""
        if len(text) > _MAX_URL_CHARACTERS:
            raise BlockedRequestError(f"its URL is longer than {_MAX_URL_CHARACTERS} characters")
        try:
            url = httpx.URL(text)
        except (httpx.InvalidURL, UnicodeError, ValueError):
            raise BlockedRequestError("its URL cannot be read") from None
        if url.scheme not in {"http", "https"}:
            raise BlockedRequestError("its URL is neither http nor https")
        if url.userinfo:
            raise BlockedRequestError("its URL has a user or a password in it; send them in a header")
        if url.port is not None and not 0 < url.port <= _MAX_PORT:
            raise BlockedRequestError("its URL has an invalid port")
        host = url.raw_host.decode("ascii")
        self._guard.check_host(host)
        return url.copy_with(host=host.removesuffix("."), fragment=None)

    def find_redirect_target(self, url: httpx.URL, answer: HTTPAnswer) -> httpx.URL | None:
        """Return the target of a redirect; None for other answers. Raises BlockedRequestError for a forbidden target."""
        if answer.status not in {301, 302, 303, 307, 308} or "location" not in answer.headers:
            return None
        try:
            target = self.parse_url(urljoin(str(url), answer.headers["location"]))
        except BlockedRequestError as refused:
            raise BlockedRequestError(f"it redirects, but {refused}") from None
        except ValueError:
            raise BlockedRequestError("it redirects to a URL that cannot be read") from None
        if url.scheme == "https" and target.scheme == "http":
            raise BlockedRequestError("it redirects from https to http")
        return target

    def get_host_semaphore(self, host: str) -> asyncio.Semaphore:
        """Return the semaphore to hold during a request, so that a slow host cannot occupy all connections."""
        return self._host_semaphores.setdefault(host, asyncio.Semaphore(self._max_per_host))

    async def send_request(
        self, method: str, url: httpx.URL, headers: Mapping[str, bytes], body: bytes, *, max_bytes: int, seconds: float
    ) -> HTTPAnswer:
        """Send a request and return the answer within ``seconds``.

        The body of a successful answer is read up to ``max_bytes``; other answers have an empty body. Raises
        OutboundRequestError with the reason.
        """
        try:
            async with asyncio.timeout(seconds):
                return await self._send_and_read(method, url, headers, body, max_bytes)
        except TimeoutError:
            raise OutboundRequestError("no answer in time") from None
        except ssl.SSLError:
            raise OutboundRequestError(_UNTRUSTED_MESSAGE) from None
        except httpx.ConnectError as error:
            raise OutboundRequestError(
                _UNTRUSTED_MESSAGE if _is_tls_error(error) else "no connection is possible"
            ) from None
        except httpx.LocalProtocolError:
            raise BlockedRequestError("the request is not valid HTTP") from None
        except (httpx.HTTPError, httpx.StreamError):
            raise OutboundRequestError("the answer broke off, or is not valid HTTP") from None

    async def _send_and_read(
        self, method: str, url: httpx.URL, headers: Mapping[str, bytes], body: bytes, max_bytes: int
    ) -> HTTPAnswer:
        # HTTP requires a Content-Length for these methods even if the body is empty.
        content = body if body or method not in {"GET", "HEAD", "DELETE"} else None
        encoded_headers = [(name.encode("ascii"), value) for name, value in headers.items()]
        async with self._client.stream(method, url, headers=encoded_headers, content=content) as response:
            set_cookies = tuple(response.headers.get_list("set-cookie"))
            answer = HTTPAnswer(response.status_code, response.headers, b"", set_cookies)
            if not answer.is_success:
                return answer
            encoding = response.headers.get("content-encoding", "")
            return dataclasses.replace(answer, body=await _read_body(response.aiter_raw(), encoding, max_bytes))

    async def close(self) -> None:
        await self._client.aclose()


_UNTRUSTED_MESSAGE: Final = "its certificate is not trusted, or it does not support TLS"


def _is_tls_error(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


async def _read_body(chunks: AsyncIterator[bytes], encoding: str, max_bytes: int) -> bytes:
    """Read and decompress a body of at most ``max_bytes``; size is limited on the wire and in memory against zip bombs."""
    if encoding.strip().lower() not in {"", "identity", "gzip", "x-gzip"}:
        raise OutboundRequestError("the answer has an unsupported compression")
    unzip = zlib.decompressobj(_GZIP_WINDOW_BITS) if "gzip" in encoding.lower() else None
    body, received = bytearray(), 0
    async for chunk in chunks:
        received += len(chunk)
        try:
            body += unzip.decompress(chunk, max_bytes + 1 - len(body)) if unzip else chunk
        except zlib.error:
            raise OutboundRequestError("the compression of the answer is invalid") from None
        if len(body) > max_bytes or received > 2 * max_bytes:
            raise OutboundRequestError(f"the answer is larger than {max_bytes} bytes")
    if unzip and received and not unzip.eof:
        raise OutboundRequestError("the compression of the answer is invalid")
    return bytes(body)


class _GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects only to addresses allowed by the guard; TLS and the Host header keep using the name."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        *others, last = await self._guard.resolve_allowed(host)
        for address in others:
            with contextlib.suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return await self._network.connect_tcp(
                    address, port, _ADDRESS_TIMEOUT_SECONDS, local_address, socket_options
                )
        return await self._network.connect_tcp(last, port, timeout, local_address, socket_options)

    async def connect_unix_socket(self, *_: object, **__: object) -> httpcore.AsyncNetworkStream:
        raise BlockedRequestError("it is not a network server")

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)


class _PoolTransport(httpx.AsyncBaseTransport):
    """Transport for httpx over an httpcore pool with its own network backend; httpx's transport does not accept one."""

    def __init__(self, pool: httpcore.AsyncConnectionPool) -> None:
        self._pool = pool

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        asked = httpcore.Request(
            method=request.method,
            url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=request.stream,
        )
        with _translate_httpcore_errors():
            answered = await self._pool.handle_async_request(asked)
        return httpx.Response(answered.status, headers=answered.headers, stream=_ResponseStream(answered))

    async def aclose(self) -> None:
        await self._pool.aclose()


class _ResponseStream(httpx.AsyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _translate_httpcore_errors():
            async for chunk in self._response.aiter_stream():
                yield chunk

    async def aclose(self) -> None:
        await self._response.aclose()


@contextlib.contextmanager
def _translate_httpcore_errors() -> Iterator[None]:
    """Convert httpcore's errors to httpx's errors, as far as this module distinguishes errors."""
    try:
        yield
    except httpcore.ConnectError as error:
        raise httpx.ConnectError(str(error)) from error
    except httpcore.LocalProtocolError as error:
        raise httpx.LocalProtocolError(str(error)) from error
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
        raise httpx.TransportError(str(error)) from error
