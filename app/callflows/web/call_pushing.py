"""Asynchronous control: pushes documents by REST to calls that Opentact has parked.

platform: on the first event of a call a document is posted to the live call; without one it times out after typically 30
seconds.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any, Final

from callflows.errors import OpentactRateLimitError, OpentactUnavailableError
from callflows.log import get_logger
from callflows.recent_keys import RecentKeys
from callflows.telephony.call_states import FIRST_REPORTED_STATES
from callflows.web.answer_engine import STATUS_OK, DeferredTurn
from callflows.web.request_fields import build_call_fields

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from callflows.telephony.call_entity import CallEntity
    from callflows.telephony.events import PlatformEvent
    from callflows.web.answer_engine import AnswerEngine


_LOG: Final = get_logger("calls")
PUSH_RETRY_SECONDS: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Delays in seconds between attempts to post a document."""
MAX_PARKED_SECONDS: Final = 25.0
"""Total time limit in seconds; Opentact parks a call for typically 30 seconds."""


class CallPusher:
    """Answers each reported call once, and posts the document.

    ``push_document`` posts a document to a live call by uuid and raises on failure. ``claim_key`` reports whether no other
    replica claimed the call. ``base_url`` is the URL under which Opentact reaches the server.
    """

    def __init__(
        self,
        engine: AnswerEngine,
        push_document: Callable[[str, bytes], Awaitable[Any]],
        claim_key: Callable[[str, str], Awaitable[bool]],
        base_url: str,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._sleep = sleep
        self._engine = engine
        self._push_document = push_document
        self._claim_key = claim_key
        self._base_url = base_url
        self._recent_calls = RecentKeys()

    async def handle_event(self, platform_event: PlatformEvent) -> None:
        """Push a document on the first event of an inbound call; never raises."""
        call = platform_event.call
        if call is None or not call.uuid or not call.is_inbound_call or platform_event.state not in FIRST_REPORTED_STATES:
            return
        if not self._recent_calls.add(call.uuid):
            return
        try:
            if await self._claim_key("push", call.uuid):
                await self._answer_call(call)
        except Exception as error:  # noqa: BLE001 - other calls must not suffer
            _LOG.exception("a call did not get its document", call=call.uuid, error=type(error).__name__)

    async def _answer_call(self, call: CallEntity) -> None:
        began = time.perf_counter()
        fields = build_call_fields(call)
        body = json.dumps(dict(call.raw)).encode()
        try:
            reply = self._engine.start_call(fields, body, lambda: self._base_url)
            if isinstance(reply, DeferredTurn):
                reply = await self._engine.resume(reply)
        except Exception as error:  # noqa: BLE001 - the caller always gets a document
            reply = self._engine.answer_with_apology(error)
        status, document = reply[:2]
        assert status == STATUS_OK  # noqa: S101 - an event needs no token, so 403 cannot occur
        answered = time.perf_counter()
        try:
            async with asyncio.timeout(MAX_PARKED_SECONDS):
                await self._push_with_retries(call.uuid, document)
        except Exception as error:
            reply = self._engine.mark_undelivered(reply, error)
            raise
        finally:
            pushing = time.perf_counter() - answered
            self._engine.queue_effects(fields, reply)
            self._engine.record(began + pushing, ("PUSH", "/call", b""), fields, reply)

    async def _push_with_retries(self, uuid: str, document: bytes) -> None:
        """Post a document, with retries after temporary errors."""
        # A second post of a document that did arrive is better than a silent call.
        for wait in PUSH_RETRY_SECONDS:
            try:
                await self._push_document(uuid, document)
            except (OpentactUnavailableError, OpentactRateLimitError):
                await self._sleep(wait)
            else:
                return
        await self._push_document(uuid, document)
