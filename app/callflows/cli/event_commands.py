"""``callflows events``: live events of Opentact, as text or JSON."""

from __future__ import annotations

import contextlib
import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from callflows.cli.cli_options import TableFormat, load_command_settings, print_notice
from callflows.text import replace_unprintable

if TYPE_CHECKING:
    from callflows.opentact.event_stream import EventStream
    from callflows.settings import Settings
    from callflows.telephony.events import PlatformEvent


def events(
    types: Annotated[str, typer.Option(help="Only events of these types, separated by commas, as call_state,sms.")] = "",
    count: Annotated[int | None, typer.Option(min=1, help="End after this number of events.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="End after this time.")] = None,
    output: Annotated[
        TableFormat, typer.Option("--format", help="The output format; json prints one event on each line.")
    ] = (TableFormat.text),
) -> None:
    """Print Opentact's events as they come; what a broken connection missed is searched for."""
    import asyncio

    import structlog

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    shown = frozenset(types.replace(",", " ").split())
    connected = False
    with contextlib.suppress(KeyboardInterrupt):
        connected = asyncio.run(_print_live_events(load_command_settings(), shown, count, seconds, output))
        if not connected:
            raise typer.Exit(1)


async def _print_live_events(
    settings: Settings, event_types: frozenset[str], count: int | None, seconds: float | None, output: TableFormat
) -> bool:
    """Print events until the count or the time is reached; return whether Opentact accepted the token."""
    import asyncio

    from callflows.errors import OpentactAuthenticationError
    from callflows.opentact import EventStream, Opentact
    from callflows.opentact.event_connection import EventTokenRejectedError

    async with Opentact.from_settings(settings) as client:
        url, types = settings.opentact_events_url, settings.event_types
        stream = EventStream(client, url, types=types, retries_rejected_token=False)
        is_refused = False
        try:
            async with asyncio.timeout(seconds):
                await _print_events(stream, event_types, count, output)
        except TimeoutError:
            pass
        except (EventTokenRejectedError, OpentactAuthenticationError):
            is_refused = True  # and stays so: waiting would look like an account without events
        health = stream.health
        if (health.problem and not health.connected) or not health.events:
            print_notice(f"callflows: no connection: {health.problem or 'Opentact did not answer in time'}")
        return health.events > 0 and not is_refused


async def _print_events(stream: EventStream, event_types: frozenset[str], count: int | None, output: TableFormat) -> None:
    async with contextlib.aclosing(aiter(stream)) as events:
        left = count
        async for event in events:
            if event.kind in event_types or (not event_types and event.kind != "auth"):
                print(_format_event_line(event) if output is TableFormat.text else _format_event_json(event), flush=True)
                left = None if left is None else left - 1
                if left == 0:
                    return


def _find_event_time(event: PlatformEvent) -> datetime:
    return datetime.fromtimestamp(event.occurred_at, UTC)


def _format_event_line(event: PlatformEvent) -> str:
    """Return one line of text without terminal control characters."""
    content = event.message or " ".join(filter(None, (event.state, event.sms.text if event.sms is not None else "")))
    origin = "(found by search)" if event.found_by_search else ""
    moment = _find_event_time(event).isoformat(" ", "milliseconds")
    line = f"{moment}  {event.kind:<10}  {event.call_uuid}  {content}  {origin}"
    return replace_unprintable(line).rstrip()


def _format_event_json(event: PlatformEvent) -> str:
    row = {
        "type": event.kind,
        "at": _find_event_time(event).isoformat(),
        "key": event.key,
        "state": event.state,
        "call": event.call_uuid,
    }
    return json.dumps(
        {**row, "seconds": event.call_seconds, "found": event.found_by_search, "raw": event.raw}, ensure_ascii=False
    )
