"""What happened while nobody listened: asked of REST, as events like those that were delivered. Nothing is queued there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import structlog

from callflows.errors import OpentactAuthenticationError, OpentactError, OpentactRateLimitError, OpentactUnavailableError
from callflows.opentact.event_parser import OpentactEvent, parse_event
from callflows.opentact.rest_records import OpentactCall, OpentactRecord

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from callflows.opentact.rest_api import OpentactClient

    _SearchFunction: TypeAlias = Callable[..., AsyncIterator[OpentactRecord]]


BACKFILL_LOOK_BACK: Final = timedelta(hours=4)
"""How long before a gap a call may have begun that went on in it: searches know only when a call was made."""


_MASK_REJECTION_STATUSES: Final = (400, 422)


_FINAL_CALL_STATES: Final = frozenset({"hangup", "destroyed", "offline"})


MAX_BACKFILL_ROWS: Final = 20_000
"""Rows of one search that are looked at."""


class EventBackfill:
    """Finds calls, messages and executed elements of a time."""

    def __init__(self, opentact: OpentactClient) -> None:
        self._opentact = opentact

    async def __call__(self, since: datetime, until: datetime) -> AsyncIterator[OpentactEvent]:
        """The events of a time: calls that are live or were touched in it, their elements, and messages.

        What this account cannot search is logged and left out. Raises OpentactError where it may go better later.
        """
        span, began = _build_time_masks(since, until), _build_time_masks(since - BACKFILL_LOOK_BACK, until)
        opentact = self._opentact
        searches: list[tuple[str, _SearchFunction, list[dict[str, Any]]]] = [
            ("call_state", self._iterate_live_calls, [{}]),
            ("call_state", opentact.calls.search_calls, [began, {}]),
            ("sms", opentact.messages.search_messages, [span, {}]),
            ("call_flow", self._iterate_executions, [span, {}]),
        ]
        for kind, search, attempts in searches:
            async for record in self._search_with_fallback(kind, search, attempts):
                if _was_active_between(record, since, until):
                    yield _build_search_event(kind, record, until)

    async def find_executions(self, call_uuid: str, app_uuid: str, since: datetime, until: datetime) -> list[OpentactEvent]:
        """What of the documents of a call was executed; ``app`` is the uuid of its SIP Control App, where that is known.

        Raises OpentactError.
        """
        logs = partial(self._opentact.apps.search_executions, app_uuid) if app_uuid else self._iterate_executions
        found = self._search_with_fallback("call_flow", logs, [_build_time_masks(since, until), {}])
        events = [_build_search_event("call_flow", record, until) async for record in found]
        return [event for event in events if event.call_uuid == call_uuid]

    async def _search_with_fallback(
        self, event_type: str, search: _SearchFunction, mask_attempts: list[dict[str, Any]]
    ) -> AsyncIterator[OpentactRecord]:
        """What a search finds; where its masks are refused, what it finds without them."""
        for masks in mask_attempts:
            try:
                async for record in _limit_rows(search(**masks)):
                    yield record
            except (OpentactUnavailableError, OpentactRateLimitError, OpentactAuthenticationError):
                raise
            except OpentactError as error:
                _get_logger().warning("what was missed cannot be searched", type=event_type, reason=str(error))
                if error.status not in _MASK_REJECTION_STATUSES:
                    return
            else:
                return

    async def _iterate_live_calls(self) -> AsyncIterator[OpentactRecord]:
        for call in await self._opentact.calls.list_live():
            yield call

    async def _iterate_executions(self, **masks: Any) -> AsyncIterator[OpentactRecord]:  # noqa: ANN401 - masks
        for app in await self._opentact.apps.list_all():
            if app.uuid:
                async for executed in self._opentact.apps.search_executions(app.uuid, **masks):
                    yield executed


def _build_time_masks(since: datetime, until: datetime) -> dict[str, Any]:
    """The masks of a time, the newest first: where a mask is not known there, the newest are found all the same."""
    masks = {"created_on_from": _format_opentact_time(since), "created_on_to": _format_opentact_time(until)}
    return {**masks, "order": {"created_on": "DESC"}}


def _format_opentact_time(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _was_active_between(record: OpentactRecord, since: datetime, until: datetime) -> bool:
    """Whether anything happened to it then, as far as its moments tell; what has none may have happened then."""
    moments = [moment for name, moment in record if name.endswith("_on") and isinstance(moment, datetime)]
    live = isinstance(record, OpentactCall) and not (
        record.destroy_on or record.finished_on or record.state in _FINAL_CALL_STATES
    )
    return live or not moments or any(since <= moment <= until for moment in moments)


def _build_search_event(event_type: str, record: OpentactRecord, until: datetime) -> OpentactEvent:
    """What was found, in the envelope of 2022 with the newest moment that it names: the same however often it is found."""
    payload = dict(record.raw)
    moments = [moment for name, moment in record if name.endswith("_on") and isinstance(moment, datetime)]
    if event_type == "call_flow":
        call = payload.pop("call", None)
        payload = {"command": payload, "call": call if isinstance(call, dict) else {"uuid": call}}
    at = {"timestamp": _format_opentact_time(max(moments))} if moments else {}
    return parse_event({**at, "type": event_type, "payload": payload}, until, found_by_search=True)


async def _limit_rows(rows: AsyncIterator[OpentactRecord]) -> AsyncIterator[OpentactRecord]:
    seen = 0
    async for row in rows:
        seen += 1
        if seen > MAX_BACKFILL_ROWS:
            _get_logger().warning("more was missed than is looked at", rows=MAX_BACKFILL_ROWS)
            return
        yield row


def _get_logger() -> structlog.typing.FilteringBoundLogger:
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger("callflows.opentact")
    return log
