"""Requests to Opentact's REST API: authenticated, rate-limited, and retried only if safe."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import httpx
from aiolimiter import AsyncLimiter

from callflows.errors import (
    OpentactAuthenticationError,
    OpentactError,
    OpentactRateLimitError,
    OpentactResponseError,
    OpentactUnavailableError,
    SettingsError,
)
from callflows.http_limits import parse_retry_after, read_limited_body
from callflows.opentact.access_tokens import AccessToken, TokenProvider
from callflows.opentact.backoff import MAX_BACKOFF_SECONDS, BackoffClock
from callflows.opentact.operation_file import DOCUMENTED_TABLE
from callflows.opentact.rest_answers import parse_payload
from callflows.opentact.rest_requests import RestRequest, build_rest_request
from callflows.outbound_http import choose_tls_settings, get_versioned_user_agent
from callflows.settings import is_loopback_host, require_encrypted_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callflows.opentact.operation_file import OperationTable


MAX_REST_ATTEMPTS: Final = 4
"""Attempts of a safe request. An unsafe request is retried only if the earlier attempt was not sent."""
REST_TIMEOUT_SECONDS: Final = 20.0
"""Time limit of one whole attempt."""
REST_REQUESTS_PER_SECOND: Final = 10.0
"""Default rate limit; Opentact documents none."""
MAX_REST_RESPONSE_BYTES: Final = 32 * 1024 * 1024
_CONNECT_TIMEOUT_SECONDS: Final = 5.0
_OUTCOME_UNKNOWN_FIX: Final = "whether it was done is not known: look before you do it again"


class RestClient:
    """The requests of one account, authenticated by ``token``, or by ``email`` and ``password``, or all three.

    ``sign_in`` are fields of the call ``auth``, such as ``google_token``, instead of email and password. Either renews a
    rejected token. ``requests_per_second`` limits the rate, ``timeout_seconds`` one attempt. Raises SettingsError.
    """

    def __init__(
        self,
        url: str,
        token: str = "",
        email: str = "",
        password: str = "",
        *,
        requests_per_second: float = REST_REQUESTS_PER_SECOND,
        clock: BackoffClock | None = None,
        timeout_seconds: float = REST_TIMEOUT_SECONDS,
        table: OperationTable = DOCUMENTED_TABLE,
        sign_in: Mapping[str, str] | None = None,
    ) -> None:
        try:
            self._url = require_encrypted_url(url, "https", "http")
        except ValueError as error:
            raise SettingsError(f"CALLFLOWS_OPENTACT_URL: {error}") from None
        self.table = table
        self._sign_in = dict(sign_in or {})
        self.token_provider = TokenProvider(token, email, password, self.fetch_auth, table, self._sign_in)
        self.clock = clock or BackoffClock()
        self._basic_auth = httpx.BasicAuth(email, password)
        self._rate_limiter = AsyncLimiter(
            max(1.0, requests_per_second), max(1.0, requests_per_second) / requests_per_second
        )
        self._timeout_seconds = timeout_seconds
        self._paused_until = float("-inf")
        self._http_client: httpx.AsyncClient | None = None

    async def call_operation(
        self, name: str, values: Mapping[str, Any] | None = None, more: Mapping[str, Any] | None = None
    ) -> Any:  # noqa: ANN401 - JSON
        """Return the payload of a call of the operation table.

        ``values`` are the call's fields; ``more`` are further fields of the body. Raises OpentactError.
        """
        return await self.send_request(self.build_request(name, values, more))

    def build_request(
        self, name: str, values: Mapping[str, Any] | None = None, more: Mapping[str, Any] | None = None
    ) -> RestRequest:
        """Return the request of a call of the operation table. Raises OpentactError."""
        return build_rest_request(self.table.get_operation(name), values or {}, more)

    async def send_request(self, request: RestRequest) -> Any:  # noqa: ANN401 - JSON
        """Return the payload of the answer; renew a rejected token once, if possible. Raises OpentactError."""
        token = await self.token_provider.get_token()
        try:
            return await self._send_with_retries(request, token)
        except OpentactAuthenticationError:
            another = await self.token_provider.replace_token(token)
            if another is None:
                raise
        return await self._send_with_retries(request, another)

    async def close(self) -> None:
        if self._http_client is not None:
            await self._http_client.aclose()
            self._http_client = None

    async def fetch_auth(self) -> Any:  # noqa: ANN401 - JSON
        """Return the payload of the call ``auth``; it contains the token. Raises OpentactError."""
        return await self._send_with_retries(self.build_request("auth", self._sign_in), None)

    async def _send_with_retries(self, request: RestRequest, token: AccessToken | None) -> Any:  # noqa: ANN401 - JSON
        for attempt in itertools.count():
            try:
                return await self._send_once(request, token)
            except (OpentactRateLimitError, OpentactUnavailableError) as error:
                wait = self._choose_retry_delay(request, error, attempt)
                if wait is None:
                    raise
            await self.clock.sleep(wait)
        raise AssertionError  # unreachable: the loop is endless

    def _choose_retry_delay(
        self, request: RestRequest, error: OpentactRateLimitError | OpentactUnavailableError, attempt: int
    ) -> float | None:
        """Return the seconds until another attempt, or None to give up."""
        if attempt + 1 >= MAX_REST_ATTEMPTS:
            return None
        if isinstance(error, OpentactRateLimitError):
            wait = self.clock.backoff_seconds(attempt) if error.retry_after is None else error.retry_after
            return wait if request.is_safe and wait <= MAX_BACKOFF_SECONDS else None
        return self.clock.backoff_seconds(attempt) if request.is_safe or not error.may_have_happened else None

    async def _send_once(self, request: RestRequest, token: AccessToken | None) -> Any:  # noqa: ANN401 - JSON
        place = request.fill_path()
        if (held := self._paused_until - self.clock.monotonic()) > 0:
            await self.clock.sleep(held)
        async with self._rate_limiter:
            status, headers, body = await self._exchange_http(request, place, token)
        if status == httpx.codes.TOO_MANY_REQUESTS:
            self._pause_requests(headers)
        if 300 <= status < 400:  # noqa: PLR2004 - HTTP status classes
            raise _build_redirect_error(request, status, headers)
        try:
            return parse_payload(status, body, str(request), self.token_provider.redact)
        except OpentactRateLimitError as error:
            error.retry_after = self._parse_retry_after(headers)
            raise
        except OpentactUnavailableError as error:
            unsure = self._mark_outcome_unknown(request, error)
            unsure.retry_after = self._parse_retry_after(headers)
            raise unsure from None

    def _parse_retry_after(self, headers: httpx.Headers) -> float | None:
        return parse_retry_after(headers.get("retry-after", ""), self.clock.now().timestamp())

    def _pause_requests(self, headers: httpx.Headers) -> None:
        """Delay all requests for the time of Opentact's ``Retry-After``."""
        wait = self._parse_retry_after(headers)
        self._paused_until = self.clock.monotonic() + min(wait or 0.0, MAX_BACKOFF_SECONDS)

    def _mark_outcome_unknown(self, request: RestRequest, error: OpentactUnavailableError) -> OpentactUnavailableError:
        """Return the error of a sent request. For an unsafe request its fix says: the change may have happened."""
        fix = "try again later" if request.is_safe else _OUTCOME_UNKNOWN_FIX
        unsure = OpentactUnavailableError(
            error.message, request=error.request, status=error.status, fields=error.fields, fix=fix
        )
        unsure.may_have_happened = True
        return unsure

    async def _exchange_http(
        self, request: RestRequest, path: str, token: AccessToken | None
    ) -> tuple[int, httpx.Headers, bytes]:
        """Return status, headers and body. Raises OpentactUnavailableError, OpentactResponseError."""
        content = None if request.body is None else json.dumps(request.body).encode("ascii")
        headers = {"accept": "application/json", **request.headers, **(token.headers if token else {})}
        if content is not None:
            headers["content-type"] = "application/json"
        files = {request.file[0]: ("document.xml", request.file[1], "application/xml")} if request.file else None
        client = self._get_http_client()  # outside the timeout: reading certificates takes time
        try:
            async with (
                asyncio.timeout(self._timeout_seconds),
                client.stream(
                    request.method,
                    f"{self._url}{path}",
                    params=dict(request.query) or None,
                    headers=headers,
                    content=content,
                    files=files,
                    auth=self._basic_auth if token is None and not self._sign_in else None,
                ) as response,
            ):
                return response.status_code, response.headers, await _read_response_body(response, request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            fix = "see whether the machine reaches it, and whether CALLFLOWS_OPENTACT_URL is right"
            raise OpentactUnavailableError("Opentact cannot be connected to", request=str(request), fix=fix) from None
        except (TimeoutError, httpx.TimeoutException):
            raise self._mark_outcome_unknown(
                request, OpentactUnavailableError("Opentact did not answer in time", request=str(request))
            ) from None
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL):
            message = "Opentact's answer broke off, or is no HTTP"
            raise self._mark_outcome_unknown(request, OpentactUnavailableError(message, request=str(request))) from None

    def _get_http_client(self) -> httpx.AsyncClient:
        """Return the shared HTTP client."""
        if self._http_client is None or self._http_client.is_closed:
            self._http_client = httpx.AsyncClient(
                timeout=httpx.Timeout(self._timeout_seconds, connect=_CONNECT_TIMEOUT_SECONDS),
                follow_redirects=False,  # a redirect would carry the token to another host
                # On this machine plain http is allowed; a proxy would see the token.
                trust_env=not is_loopback_host(urlsplit(self._url).hostname or ""),
                verify=choose_tls_settings(self._url),
                headers={"user-agent": get_versioned_user_agent()},
            )
        return self._http_client


async def _read_response_body(response: httpx.Response, request: RestRequest) -> bytes:
    body = await read_limited_body(response.aiter_bytes(), MAX_REST_RESPONSE_BYTES)
    if body is None:
        raise OpentactResponseError(f"the answer is larger than {MAX_REST_RESPONSE_BYTES} bytes", request=str(request))
    return body


def _build_redirect_error(request: RestRequest, status: int, headers: httpx.Headers) -> OpentactError:
    """Return the error for a redirect; redirects are not followed, because the token would be sent along."""
    try:
        host = urlsplit(headers.get("location", "")).hostname or "another path"
    except ValueError:
        host = "an address that cannot be read"
    message = f"the answer sends on to {host}, which is not followed, since the token would go along"
    return OpentactError(message, request=str(request), status=status, fix="set CALLFLOWS_OPENTACT_URL to where it is now")
