"""Asynchronous control: a call that Opentact has parked gets its document by REST, from the same engine.

platform: on the first event of a call a document is posted to the live call; without one it times out after typically 30
seconds.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any, Final

import structlog

from app.errors import TooManyRequests, Unavailable
from app.known import Known
from app.web.engine import OK, Going
from app.web.requests import entity

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.happened import Happened
    from app.web.engine import Engine

FIRST_STATES: Final = frozenset({"init", "ringing", "online", "live"})
"""States of which the first that is reported of a call is its first event."""
AGAIN: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between attempts to post a document."""
PARKED: Final = 25.0
"""Seconds for which it is attempted, all in all: a call is parked for typically 30."""


class Pushing:
    """Has the engine answer calls that are reported, each once, and posts the documents.

    ``push`` posts a document to a live call by its uuid, and raises where it cannot; ``once`` says whether nobody, of all
    replicas, did it yet for a call. ``base`` is the URL under which Opentact reaches the server.
    """

    def __init__(
        self,
        engine: Engine,
        push: Callable[[str, bytes], Awaitable[Any]],
        once: Callable[[str, str], Awaitable[bool]],
        base: str,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._sleep = sleep
        self._engine = engine
        self._push = push
        self._once = once
        self._base = base
        self._known = Known()

    async def heard(self, happened: Happened) -> None:
        """Push a call's document where this is the first that is heard of it; never raises."""
        call = happened.call
        uuid = str(call.get("uuid") or "")
        inbound = call.get("direction") == "in" and not call.get("parent")
        if not uuid or not inbound or happened.state not in FIRST_STATES or not self._known.new(uuid):
            return
        try:
            if await self._once("push", uuid):
                await self._answer(uuid, json.dumps(dict(call)).encode())
        except Exception as error:
            log: structlog.typing.FilteringBoundLogger = structlog.get_logger("callflows.push")
            log.exception("a call did not get its document", call=uuid, error=type(error).__name__)

    async def _answer(self, uuid: str, body: bytes) -> None:
        began = time.perf_counter()
        fields, _ = entity(body)
        try:
            reply = self._engine.first(fields, body, lambda: self._base)
            if isinstance(reply, Going):
                reply = await self._engine.gone_on(reply)
        except Exception as error:  # noqa: BLE001 - whatever breaks, the caller gets a document
            reply = self._engine.broken(error)
        status, document = reply[:2]
        assert status == OK  # noqa: S101 - nobody strange is behind an event
        answered = time.perf_counter()
        try:
            async with asyncio.timeout(PARKED):
                await self._pushed(uuid, document)
        except Exception as error:
            reply = self._engine.undelivered(reply, error)
            raise
        finally:
            pushing = time.perf_counter() - answered
            self._engine.over(began + pushing, ("PUSH", "/call", b""), fields, reply)

    async def _pushed(self, uuid: str, document: bytes) -> None:
        """Post a document, again where that may help, also where it may have arrived: silence is worst."""
        for wait in AGAIN:
            try:
                await self._push(uuid, document)
            except (Unavailable, TooManyRequests):
                await self._sleep(wait)
            else:
                return
        await self._push(uuid, document)
