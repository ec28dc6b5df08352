"""Requests to Opentact's REST API: with the token, at a bounded rate, again only where that is safe."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

import httpx
from aiolimiter import AsyncLimiter

from app.errors import NotAuthenticated, OpentactError, SettingsError, TooManyRequests, Unavailable, Unintelligible
from app.opentact.answers import payload_of
from app.opentact.pace import LONGEST, Pace
from app.opentact.paths import AUTH
from app.opentact.tokens import Token, Tokens
from app.settings import encrypted, is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping

ATTEMPTS: Final = 4
"""Of a question; what changes something is asked once, but where it was not even sent."""
SECONDS: Final = 20.0
"""For one attempt, all of it."""
PER_SECOND: Final = 10.0
"""Requests, unless the client is told otherwise: Opentact names no limit."""
LARGEST: Final = 32 * 1024 * 1024
"""Bytes of an answer."""
_CONNECT: Final = 5.0
_UNSURE: Final = "whether it was done is not known: look before you do it again"


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """One request: ``path`` is of the table of paths, ``names`` fill it in; a ``safe`` one changes nothing."""

    method: str
    path: str
    names: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    query: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    body: Any = dataclasses.field(default=None, repr=False)
    file: bytes | None = dataclasses.field(default=None, repr=False)
    safe: bool = False

    def __str__(self) -> str:
        """For people and logs, without what fills it in."""
        return f"{self.method} {self.path}"

    def place(self) -> str:
        """The path, filled in. Raises OpentactError where a name is empty or would lead elsewhere."""
        for name, value in self.names.items():
            if value.strip(". \t\r\n") == "":
                raise OpentactError(f"{name} is empty", request=str(self), mend="say which one is meant")
        return self.path.format(**{name: quote(value, safe="") for name, value in self.names.items()})


class Rest:
    """The requests of one account. ``token``, or ``email`` and ``password``, or all; the latter two renew what is refused.

    ``per_second`` bounds the requests; ``pace`` is waiting, ``seconds`` the time of an attempt. Raises SettingsError.
    """

    def __init__(
        self,
        url: str,
        token: str = "",
        email: str = "",
        password: str = "",
        *,
        per_second: float = PER_SECOND,
        pace: Pace | None = None,
        seconds: float = SECONDS,
    ) -> None:
        try:
            self._url = encrypted(url, "https", "http")
        except ValueError as error:
            raise SettingsError(f"CALLFLOWS_OPENTACT_URL: {error}") from None
        self.tokens = Tokens(token, email, password, self._auth)
        self.pace = pace or Pace()
        self._basic = httpx.BasicAuth(email, password)
        self._limit = AsyncLimiter(max(1.0, per_second), max(1.0, per_second) / per_second)
        self._seconds = seconds
        self._free_at = float("-inf")
        self._opened: httpx.AsyncClient | None = None

    async def ask(self, request: Request) -> Any:  # noqa: ANN401 - JSON
        """The payload of an answer. A token that is refused is renewed once, if it can be. Raises OpentactError."""
        token = await self.tokens.current()
        try:
            return await self._tried(request, token)
        except NotAuthenticated:
            another = await self.tokens.instead(token)
            if another is None:
                raise
        return await self._tried(request, another)

    async def close(self) -> None:
        """End the connections."""
        if self._opened is not None:
            await self._opened.aclose()
            self._opened = None

    async def _auth(self) -> object:
        """The payload of ``GET /auth``, which has the token."""
        return await self._tried(Request("GET", AUTH, safe=True), None)

    async def _tried(self, request: Request, token: Token | None) -> Any:  # noqa: ANN401 - JSON
        for attempt in itertools.count():
            try:
                return await self._once(request, token)
            except (TooManyRequests, Unavailable) as error:
                wait = self._wait(request, error, attempt)
                if wait is None:
                    raise
            await self.pace.sleep(wait)
        raise AssertionError  # the count has no end

    def _wait(self, request: Request, error: TooManyRequests | Unavailable, attempt: int) -> float | None:
        """Seconds until another attempt, or None where there is to be none."""
        if attempt + 1 >= ATTEMPTS:
            return None
        if isinstance(error, TooManyRequests):
            wait = self.pace.before(attempt) if error.retry_after is None else error.retry_after
            return wait if request.safe and wait <= LONGEST else None
        return self.pace.before(attempt) if request.safe or not error.done else None

    async def _once(self, request: Request, token: Token | None) -> Any:  # noqa: ANN401 - JSON
        place = request.place()
        if (held := self._free_at - self.pace.clock()) > 0:
            await self.pace.sleep(held)
        async with self._limit:
            status, headers, body = await self._exchange(request, place, token)
        if status == httpx.codes.TOO_MANY_REQUESTS:
            self._hold(headers)
        if 300 <= status < 400:  # noqa: PLR2004 - the class of HTTP
            raise _sent_elsewhere(request, status, headers)
        try:
            return payload_of(status, body, str(request), self.tokens.hide)
        except TooManyRequests as error:
            error.retry_after = self.pace.asked_for(headers.get("retry-after", ""))
            raise
        except Unavailable as error:
            raise self._unsure(request, error) from None

    def _hold(self, headers: httpx.Headers) -> None:
        """Leave Opentact alone, with all requests, for as long as it wants to be."""
        wait = self.pace.asked_for(headers.get("retry-after", ""))
        self._free_at = self.pace.clock() + min(wait or 0.0, LONGEST)

    def _unsure(self, request: Request, error: Unavailable) -> Unavailable:
        """The error of a request that was sent: whoever changes something hears that it may have happened."""
        mend = "try again later" if request.safe else _UNSURE
        unsure = Unavailable(error.message, request=error.request, status=error.status, fields=error.fields, mend=mend)
        unsure.done = True
        return unsure

    async def _exchange(self, request: Request, place: str, token: Token | None) -> tuple[int, httpx.Headers, bytes]:
        """Status, headers and body of an answer. Raises Unavailable, Unintelligible."""
        content = None if request.body is None else json.dumps(request.body).encode("ascii")
        headers = {"accept": "application/json", **(token.headers if token else {})}
        if content is not None:
            headers["content-type"] = "application/json"
        files = {"file": ("document.xml", request.file, "application/xml")} if request.file is not None else None
        client = self._client()  # before the time begins: certificates are read
        try:
            async with (
                asyncio.timeout(self._seconds),
                client.stream(
                    request.method,
                    f"{self._url}{place}",
                    params=dict(request.query) or None,
                    headers=headers,
                    content=content,
                    files=files,
                    auth=self._basic if token is None else None,
                ) as response,
            ):
                return response.status_code, response.headers, await _read(response, request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            mend = "see whether the machine reaches it, and whether CALLFLOWS_OPENTACT_URL is right"
            raise Unavailable("Opentact cannot be connected to", request=str(request), mend=mend) from None
        except (TimeoutError, httpx.TimeoutException):
            raise self._unsure(request, Unavailable("Opentact did not answer in time", request=str(request))) from None
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL):
            said = "Opentact's answer broke off, or is no HTTP"
            raise self._unsure(request, Unavailable(said, request=str(request))) from None

    def _client(self) -> httpx.AsyncClient:
        """The connections. A token never goes to a proxy in the clear, nor to where an answer sends on to."""
        if self._opened is None or self._opened.is_closed:
            self._opened = httpx.AsyncClient(
                timeout=httpx.Timeout(self._seconds, connect=_CONNECT),
                follow_redirects=False,
                trust_env=not is_loopback(urlsplit(self._url).hostname or ""),
                headers={"user-agent": f"callflows/{version('callflows')}"},
            )
        return self._opened


async def _read(response: httpx.Response, request: Request) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > LARGEST:
            raise Unintelligible(f"the answer is larger than {LARGEST} bytes", request=str(request))
    return bytes(body)


def _sent_elsewhere(request: Request, status: int, headers: httpx.Headers) -> OpentactError:
    """An answer that sends on: followed nowhere, since the token would go along."""
    try:
        host = urlsplit(headers.get("location", "")).hostname or "another path"
    except ValueError:
        host = "an address that cannot be read"
    said = f"the answer sends on to {host}, which is not followed, since the token would go along"
    return OpentactError(said, request=str(request), status=status, mend="set CALLFLOWS_OPENTACT_URL to where it is now")
