"""What happened while nobody listened: asked of REST, as events like those that were delivered. Nothing is queued there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import structlog

from app.errors import NotAuthenticated, OpentactError, TooManyRequests, Unavailable
from app.opentact.event import Event, event_of
from app.opentact.records import Call, Record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from app.opentact.api import Opentact

    Search: TypeAlias = Callable[..., AsyncIterator[Record]]

LOOK_BACK: Final = timedelta(hours=4)
"""How long before a gap a call may have begun that went on in it: searches know only when a call was made."""
_MASKS_REFUSED: Final = (400, 422)
_OVER: Final = frozenset({"hangup", "destroyed", "offline"})
MOST: Final = 20_000
"""Rows of one search that are looked at."""


class Filling:
    """Finds calls, messages and executed elements of a time."""

    def __init__(self, opentact: Opentact) -> None:
        self._opentact = opentact

    async def __call__(self, since: datetime, until: datetime) -> AsyncIterator[Event]:
        """The events of a time: calls that are live or were touched in it, their elements, and messages.

        What this account cannot search is logged and left out. Raises OpentactError where it may go better later.
        """
        span, began = _span(since, until), _span(since - LOOK_BACK, until)
        opentact = self._opentact
        searches: list[tuple[str, Search, list[dict[str, Any]]]] = [
            ("call_state", self._online, [{}]),
            ("call_state", opentact.calls.search, [began, {}]),
            ("sms", opentact.messages.search, [span, {}]),
            ("call_flow", self._logs, [span, {}]),
        ]
        for kind, search, attempts in searches:
            async for record in self._found(kind, search, attempts):
                if _touched(record, since, until):
                    yield _event(kind, record, until)

    async def executed(self, call: str, app: str, since: datetime, until: datetime) -> list[Event]:
        """What of the documents of a call was executed; ``app`` is the uuid of its SIP Control App, where that is known.

        Raises OpentactError.
        """
        logs = partial(self._opentact.apps.logs, app) if app else self._logs
        found = self._found("call_flow", logs, [_span(since, until), {}])
        events = [_event("call_flow", record, until) async for record in found]
        return [event for event in events if event.call_uuid == call]

    async def _found(self, kind: str, search: Search, attempts: list[dict[str, Any]]) -> AsyncIterator[Record]:
        """What a search finds; where its masks are refused, what it finds without them."""
        for masks in attempts:
            try:
                async for record in _bounded(search(**masks)):
                    yield record
            except (Unavailable, TooManyRequests, NotAuthenticated):
                raise
            except OpentactError as error:
                _log().warning("what was missed cannot be searched", type=kind, reason=str(error))
                if error.status not in _MASKS_REFUSED:
                    return
            else:
                return

    async def _online(self) -> AsyncIterator[Record]:
        for call in await self._opentact.calls.online():
            yield call

    async def _logs(self, **span: Any) -> AsyncIterator[Record]:  # noqa: ANN401 - masks
        for app in await self._opentact.apps.all():
            if app.uuid:
                async for executed in self._opentact.apps.logs(app.uuid, **span):
                    yield executed


def _span(since: datetime, until: datetime) -> dict[str, Any]:
    """The masks of a time, the newest first: where a mask is not known there, the newest are found all the same."""
    masks = {"created_on_from": _written(since), "created_on_to": _written(until)}
    return {**masks, "order": {"created_on": "DESC"}}


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _touched(record: Record, since: datetime, until: datetime) -> bool:
    """Whether anything happened to it then, as far as its moments tell; what has none may have happened then."""
    moments = [moment for name, moment in record if name.endswith("_on") and isinstance(moment, datetime)]
    live = isinstance(record, Call) and not (record.destroy_on or record.finished_on or record.state in _OVER)
    return live or not moments or any(since <= moment <= until for moment in moments)


def _event(kind: str, record: Record, until: datetime) -> Event:
    """What was found, in the envelope of 2022 with the newest moment that it names: the same however often it is found."""
    payload = dict(record.said)
    moments = [moment for name, moment in record if name.endswith("_on") and isinstance(moment, datetime)]
    if kind == "call_flow":
        call = payload.pop("call", None)
        payload = {"command": payload, "call": call if isinstance(call, dict) else {"uuid": call}}
    at = {"timestamp": _written(max(moments))} if moments else {}
    return event_of({**at, "type": kind, "payload": payload}, until, found=True)


async def _bounded(rows: AsyncIterator[Record]) -> AsyncIterator[Record]:
    seen = 0
    async for row in rows:
        seen += 1
        if seen > MOST:
            _log().warning("more was missed than is looked at", rows=MOST)
            return
        yield row


def _log() -> structlog.typing.FilteringBoundLogger:
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger("callflows.opentact")
    return log
