"""Events missed while disconnected, reconstructed by REST searches. Opentact queues no events for later delivery."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from callflows.errors import OpentactAuthenticationError, OpentactError, OpentactRateLimitError, OpentactUnavailableError
from callflows.log import get_logger
from callflows.opentact.event_parser import parse_event
from callflows.telephony.call_entity import CallEntity
from callflows.telephony.events import EXECUTION_LOG_SOURCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from callflows.opentact.pagination import RestRecord
    from callflows.opentact.rest_api import Opentact
    from callflows.telephony.events import PlatformEvent

    _SearchFunction: TypeAlias = Callable[..., AsyncIterator[RestRecord]]


_LOG: Final = get_logger("opentact")
BACKFILL_LOOK_BACK: Final = timedelta(hours=4)
"""Searches filter by creation time only, so a call active in a gap may have been created this long before the gap."""
_MASK_REJECTION_STATUSES: Final = (400, 422)
MAX_BACKFILL_ROWS: Final = 20_000
"""Limit of rows read from one search."""
MAX_CALL_LOG_ROWS: Final = 500
"""Limit of rows read from the execution log of one call."""


class EventBackfill:
    """Finds calls, messages and executed elements of a period."""

    def __init__(self, opentact: Opentact) -> None:
        self._opentact = opentact

    async def __call__(self, since: datetime, until: datetime) -> AsyncIterator[PlatformEvent]:
        """Iterate over the events of a period: calls live or changed in the period, executed elements, and messages.

        Searches unavailable to this account are logged and skipped. Raises OpentactError if a later attempt may succeed.
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

    async def find_executions(self, call_uuid: str, app_uuid: str, since: datetime, until: datetime) -> list[PlatformEvent]:
        """Return the executed elements of a call. Opentact is asked for this call alone, if it accepts that.

        ``app_uuid`` is the id of the call's SIP Control App, or empty to search all apps. Raises OpentactError.
        """
        logs = partial(self._opentact.apps.search_executions, app_uuid) if app_uuid else self._iterate_executions
        span, own_call = _build_time_masks(since, until), {"call": call_uuid}
        found = self._search_with_fallback("call_flow", logs, [{**span, **own_call}, own_call, span])
        events = [_build_search_event("call_flow", record, until) async for record in found]
        return [event for event in events if event.call_uuid == call_uuid]

    async def find_call_log(self, call_uuid: str, app_uuid: str, until: datetime) -> list[PlatformEvent]:
        """Return the execution log of a finished call. Opentact is asked once, for this call alone. Raises OpentactError.

        Raises also if Opentact passes over the id of the call and returns the elements of other calls.
        """
        events = []
        async for record in _limit_rows(self._opentact.apps.search_executions(app_uuid, call=call_uuid), MAX_CALL_LOG_ROWS):
            event = _build_search_event("call_flow", record, until, EXECUTION_LOG_SOURCE)
            if event.call_uuid != call_uuid:
                raise OpentactError("the log of one call was asked for, and Opentact returned that of others")
            events.append(event)
        return events

    async def _search_with_fallback(
        self, event_type: str, search: _SearchFunction, mask_attempts: list[dict[str, Any]]
    ) -> AsyncIterator[RestRecord]:
        """Iterate over search results; if Opentact rejects the masks, try the next ones."""
        for masks in mask_attempts:
            try:
                async for record in _limit_rows(search(**masks), MAX_BACKFILL_ROWS):
                    yield record
            except (OpentactUnavailableError, OpentactRateLimitError, OpentactAuthenticationError):
                raise
            except OpentactError as error:
                _LOG.warning("what was missed cannot be searched", type=event_type, reason=str(error))
                if error.status not in _MASK_REJECTION_STATUSES:
                    return
            else:
                return

    async def _iterate_live_calls(self) -> AsyncIterator[RestRecord]:
        for call in await self._opentact.calls.list_live():
            yield call

    async def _iterate_executions(self, **masks: Any) -> AsyncIterator[RestRecord]:  # noqa: ANN401 - masks
        for app in await self._opentact.apps.list_all():
            if app.uuid:
                async for executed in self._opentact.apps.search_executions(app.uuid, **masks):
                    yield executed


def _build_time_masks(since: datetime, until: datetime) -> dict[str, Any]:
    """Return masks for a period, newest rows first.

    If Opentact ignores the time masks, the order still puts the newest rows within the row limit.
    """
    masks = {"created_on_from": _format_opentact_time(since), "created_on_to": _format_opentact_time(until)}
    return {**masks, "order": {"created_on": "DESC"}}


def _format_opentact_time(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _was_active_between(record: RestRecord, since: datetime, until: datetime) -> bool:
    """Return True if a record was live or has a timestamp in the period; a record without timestamps counts as active."""
    if isinstance(record, CallEntity) and not record.is_over:
        return True
    moments = record.list_timestamps()
    return not moments or any(since <= moment <= until for moment in moments)


def _build_search_event(event_type: str, record: RestRecord, until: datetime, source: str = "search") -> PlatformEvent:
    """Build an event in the envelope of 2022.

    Its time is the record's latest timestamp, so that every search returns the same event key.
    """
    payload = dict(record.raw)
    moments = record.list_timestamps()
    if event_type == "call_flow":
        call = payload.pop("call", None)
        payload = {"command": payload, "call": call if isinstance(call, dict) else {"uuid": call}}
    at = {"timestamp": _format_opentact_time(max(moments))} if moments else {}
    return parse_event({**at, "type": event_type, "payload": payload}, until, source)


async def _limit_rows(rows: AsyncIterator[RestRecord], limit: int) -> AsyncIterator[RestRecord]:
    seen = 0
    async for row in rows:
        seen += 1
        if seen > limit:
            _LOG.warning("more was missed than is looked at", rows=limit)
            return
        yield row
