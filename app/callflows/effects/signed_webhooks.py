"""Delivery of webhooks, signed according to Standard Webhooks, and of messages to chats.

Each webhook waits on its own, so that a slow server does not delay webhooks to other servers. All attempts have the same
webhook id, so that a receiver can recognize duplicates.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from callflows.errors import BlockedRequestError, OutboundRequestError, RetryLaterError
from callflows.flows.twiml.twilio_requests import sign_twilio_request
from callflows.http_limits import parse_retry_after
from callflows.outbound_http import MAX_OUTBOUND_ANSWER_BYTES, MAX_OUTBOUND_BODY_BYTES, USER_AGENT
from callflows.telephony.notices import build_chat_request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    import httpx

    from callflows.effects.guarded_http import GuardedClient
    from callflows.telephony.ports import Effect


_ATTEMPT_SECONDS: Final = 10.0
_RETRYABLE_STATUSES: Final = frozenset({408, 409, 425, 429})
_STATUS_GONE: Final = 410
_FIRST_SERVER_ERROR: Final = 500


class WebhookSender:
    """Sends webhooks with the client from ``get_client``; without keys the webhooks are not signed.

    ``clock`` returns seconds since 1970.
    """

    def __init__(
        self,
        get_client: Callable[[], Awaitable[GuardedClient]],
        signing_keys: Sequence[str],
        chat_tokens: Mapping[str, str] = MappingProxyType({}),
        *,
        twilio_auth_token: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._get_client = get_client
        self._signing_keys = tuple(map(_decode_key, signing_keys))
        self._chat_tokens = chat_tokens
        self._twilio_auth_token = twilio_auth_token
        self._clock = clock

    async def send_webhook(self, effect: Effect) -> None:
        """Send a webhook (``url`` and ``body`` of the effect's payload) once.

        Raises RetryLaterError if another attempt may succeed, otherwise OutboundRequestError.
        """
        body = _encode_payload(effect.payload.get("body", {}))
        client = await self._get_client()
        url = client.parse_url(str(effect.payload.get("url", "")))
        await self._send_once(client, "POST", url, self._build_headers(make_webhook_id(effect.key), body), body)

    async def send_form(self, effect: Effect) -> None:
        """Send the ``form`` of an effect's payload to an app under ``twiml``, signed as Twilio does. Raises as above."""
        url, form = str(effect.payload["url"]), effect.payload["form"]
        client = await self._get_client()
        headers = self._build_form_headers(url, form)
        await self._send_once(client, "POST", client.parse_url(url), headers, urlencode(form).encode())

    async def send_chat_message(self, effect: Effect) -> None:
        """Send the text of an effect's payload in the shape of its chat, once. Raises as ``send_webhook``."""
        payload = effect.payload
        request = build_chat_request(str(payload["as"]), str(payload.get("text", "")), make_webhook_id(effect.key))
        client = await self._get_client()
        url = client.parse_url(str(payload.get("url", "")))
        url = url.copy_with(path=f"{url.path}{request.path_suffix}")
        headers = {"content-type": request.content_type.encode(), "user-agent": USER_AGENT.encode()}
        if token := self._chat_tokens.get(url.host):
            headers["authorization"] = f"Bearer {token}".encode()
        await self._send_once(client, request.method, url, headers, request.body)

    async def _send_once(
        self, client: GuardedClient, method: str, url: httpx.URL, headers: Mapping[str, bytes], body: bytes
    ) -> None:
        try:
            async with client.get_host_semaphore(url.host):
                answer = await client.send_request(
                    method, url, headers, body, max_bytes=MAX_OUTBOUND_ANSWER_BYTES, seconds=_ATTEMPT_SECONDS
                )
        except BlockedRequestError:
            raise
        except OutboundRequestError as error:
            raise RetryLaterError(str(error)) from None
        if answer.is_success:
            return
        if answer.status < _FIRST_SERVER_ERROR and answer.status not in _RETRYABLE_STATUSES:
            raise OutboundRequestError(_describe_final_status(answer.status))
        after = parse_retry_after(answer.headers.get("retry-after", ""), self._clock())
        raise RetryLaterError(f"status {answer.status}", after)

    def _build_form_headers(self, url: str, form: Mapping[str, str]) -> dict[str, bytes]:
        headers = {"content-type": b"application/x-www-form-urlencoded; charset=utf-8", "user-agent": USER_AGENT.encode()}
        if self._twilio_auth_token:
            headers["x-twilio-signature"] = sign_twilio_request(self._twilio_auth_token, url, form).encode()
        return headers

    def _build_headers(self, webhook_id: str, body: bytes) -> dict[str, bytes]:
        at = str(int(self._clock()))
        headers = {
            "content-type": b"application/json",
            "user-agent": USER_AGENT.encode(),
            "accept-encoding": b"identity",
            "webhook-id": webhook_id.encode(),
            "webhook-timestamp": at.encode(),
        }
        if self._signing_keys:
            headers["webhook-signature"] = b" ".join(_sign_webhook(key, webhook_id, at, body) for key in self._signing_keys)
        return headers


def make_webhook_id(key: str) -> str:
    """Return the ``webhook-id`` of an effect: a hash, which reveals nothing about the call."""
    return f"msg_{hashlib.sha256(key.encode('utf-8', 'replace')).hexdigest()[:32]}"


def _encode_payload(body: object) -> bytes:
    try:
        written = json.dumps(body, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError):
        raise BlockedRequestError("its payload is not JSON") from None
    if len(written) > MAX_OUTBOUND_BODY_BYTES:
        raise BlockedRequestError(f"its payload is larger than {MAX_OUTBOUND_BODY_BYTES} bytes")
    return written


def _describe_final_status(status: int) -> str:
    if status == _STATUS_GONE:
        return "status 410: the receiver wants no more webhooks"
    if 300 <= status < 400:  # noqa: PLR2004 - HTTP's class of redirects
        return f"status {status}: it redirects; use the URL of the redirect instead"
    return f"status {status}"


def _decode_key(key: str) -> bytes:
    return base64.b64decode(key.removeprefix("whsec_"))


def _sign_webhook(key: bytes, webhook_id: str, timestamp: str, body: bytes) -> bytes:
    """Sign id, timestamp and body: a ``v1`` signature (HMAC-SHA256) of Standard Webhooks."""
    signature = hmac.digest(key, f"{webhook_id}.{timestamp}.".encode() + body, "sha256")
    return b"v1," + base64.b64encode(signature)
