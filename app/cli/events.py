"""Live events for people and programs. Mounted by ``commands``."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.given import TableFormat, say, settings_of

if TYPE_CHECKING:
    from app.opentact.event import Event
    from app.opentact.events import Events
    from app.settings import Settings


def events(
    types: Annotated[str, typer.Option(help="Only these, with commas, as call_state,sms.")] = "",
    count: Annotated[int | None, typer.Option(min=1, help="End after as many.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="End after as long.")] = None,
    output: Annotated[TableFormat, typer.Option("--format", help="How they are shown: json is one a line.")] = (
        TableFormat.text
    ),
) -> None:
    """Print Opentact's events as they come; what a broken connection missed is searched for."""
    import asyncio

    import structlog

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    shown = frozenset(types.replace(",", " ").split())
    connected = False
    with contextlib.suppress(KeyboardInterrupt):
        connected = asyncio.run(_listen(settings_of(), shown, count, seconds, output))
        if not connected:
            raise typer.Exit(1)


async def _listen(
    settings: Settings, shown: frozenset[str], count: int | None, seconds: float | None, output: TableFormat
) -> bool:
    """Print events until there are enough of them or time is up; whether there ever was a connection."""
    import asyncio

    from app.opentact import Events, Opentact

    async with Opentact.of(settings) as client:
        stream = Events(client, settings.opentact_events_url, types=settings.event_types)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await _print(stream, shown, count, output)
        if stream.health.problem and not stream.health.connected:
            say(f"callflows: no connection: {stream.health.problem}")
        return stream.health.events > 0


async def _print(stream: Events, shown: frozenset[str], count: int | None, output: TableFormat) -> None:
    async with contextlib.aclosing(aiter(stream)) as found:
        left = count
        async for event in found:
            if event.type in shown or (not shown and event.type != "auth"):
                print(_line(event) if output is TableFormat.text else _json(event), flush=True)
                left = None if left is None else left - 1
                if left == 0:
                    return


def _line(event: Event) -> str:
    """One line for people; what strangers wrote cannot steer the terminal."""
    said = event.text or " ".join(filter(None, (event.state, getattr(event.message, "message", ""))))
    found = "(found by search)" if event.found else ""
    line = f"{event.at.isoformat(' ', 'milliseconds')}  {event.type:<10}  {event.call_uuid}  {said}  {found}"
    return "".join(sign if sign.isprintable() else " " for sign in line).rstrip()


def _json(event: Event) -> str:
    row = {"type": event.type, "at": event.at.isoformat(), "key": event.key, "state": event.state, "call": event.call_uuid}
    return json.dumps({**row, "seconds": event.seconds, "found": event.found, "raw": event.raw}, ensure_ascii=False)
