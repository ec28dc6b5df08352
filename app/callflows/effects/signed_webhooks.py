"""Delivery of webhooks, signed according to Standard Webhooks, with retries.

Each webhook waits on its own, so that a slow server does not delay webhooks to other servers. All attempts have the same
webhook id, so that a receiver can recognize duplicates.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import time
from typing import TYPE_CHECKING, Final

from callflows.errors import BlockedRequestError, OutboundRequestError
from callflows.http_limits import parse_retry_after
from callflows.outbound_http import MAX_OUTBOUND_ANSWER_BYTES, MAX_OUTBOUND_BODY_BYTES, USER_AGENT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    import httpx

    from callflows.effects.guarded_http import GuardedClient
    from callflows.telephony.ports import Effect


WEBHOOK_RETRY_SECONDS: Final = (5.0, 15.0, 45.0, 150.0, 360.0)
"""Seconds before each retry, plus or minus 20 %: six attempts in about ten minutes."""
MAX_RETRY_AFTER_SECONDS: Final = 900.0
"""Seconds: a server with a longer Retry-After gets no further attempt."""
_ATTEMPT_SECONDS: Final = 10.0
_RETRYABLE_STATUSES: Final = frozenset({408, 409, 425, 429})
_STATUS_GONE: Final = 410
_FIRST_SERVER_ERROR: Final = 500


class WebhookSender:
    """Sends webhooks with the client from ``get_client``; without keys the webhooks are not signed.

    ``wait_for_retry`` waits the given seconds and returns whether to retry. ``clock`` returns seconds since 1970,
    ``random_fraction`` a number from 0 to 1.
    """

    def __init__(
        self,
        get_client: Callable[[], Awaitable[GuardedClient]],
        signing_keys: Sequence[str],
        wait_for_retry: Callable[[float], Awaitable[bool]],
        *,
        clock: Callable[[], float] = time.time,
        random_fraction: Callable[[], float] = random.random,
    ) -> None:
        self._get_client = get_client
        self._signing_keys = tuple(map(_decode_key, signing_keys))
        self._wait_for_retry = wait_for_retry
        self._clock = clock
        self._random_fraction = random_fraction

    async def send_webhook(self, effect: Effect) -> None:
        """Send a webhook (``url`` and ``body`` of the effect's payload), with retries.

        Raises OutboundRequestError with the reason of the last failure.
        """
        body = _encode_payload(effect.payload.get("body", {}))
        wire = await self._get_client()
        url = wire.parse_url(str(effect.payload.get("url", "")))
        name = make_webhook_id(effect.key)
        for wait in (*WEBHOOK_RETRY_SECONDS, None):
            reason, after = await self._attempt_delivery(wire, url, name, body)
            if not reason:
                return
            if wait is None or after > MAX_RETRY_AFTER_SECONDS:
                raise OutboundRequestError(reason)
            if not await self._wait_for_retry(max(after, wait * (0.8 + 0.4 * self._random_fraction()))):
                raise OutboundRequestError(f"{reason}; the server stops")

    async def _attempt_delivery(
        self, client: GuardedClient, url: httpx.URL, webhook_id: str, body: bytes
    ) -> tuple[str, float]:
        """Return the reason for a retry ("" on success) and the seconds of the server's Retry-After.

        Raises OutboundRequestError if a retry is pointless.
        """
        try:
            async with client.get_host_semaphore(url.host):
                headers = self._build_headers(webhook_id, body)
                answer = await client.send_request(
                    "POST", url, headers, body, max_bytes=MAX_OUTBOUND_ANSWER_BYTES, seconds=_ATTEMPT_SECONDS
                )
        except BlockedRequestError:
            raise
        except OutboundRequestError as error:
            return str(error), 0.0
        if answer.is_success:
            return "", 0.0
        if answer.status < _FIRST_SERVER_ERROR and answer.status not in _RETRYABLE_STATUSES:
            raise OutboundRequestError(_describe_final_status(answer.status))
        return f"status {answer.status}", parse_retry_after(answer.headers.get("retry-after", ""), self._clock()) or 0.0

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
