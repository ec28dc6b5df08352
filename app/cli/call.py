"""``callflows call``: ring a flow; the terminal is the phone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from app.cli.given import FLOWS, TableFormat, fail, options_of, say, settings_of
from app.cli.screen import Listening, Screen, Voice, visible

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from app.effects import Live
    from app.flows.book import FlowBook
    from app.rehearsal.asking import Network
    from app.rehearsal.rehearsing import Rehearsal
    from app.rehearsal.transcript import Transcript
    from app.settings import Settings


_HOURS: Final = 24 * 3600.0
"""Seconds that a stand-in may take for a call: it may play in real time."""


class Callee(StrEnum):
    """What those who are dialled do."""

    answer = "answer"
    busy = "busy"
    no_answer = "no-answer"


class Level(StrEnum):
    """STIR/SHAKEN's levels."""

    A = "A"
    B = "B"
    C = "C"


class Method(StrEnum):
    """How the call-control URL is asked."""

    GET = "GET"
    POST = "POST"


def call(  # noqa: PLR0913, PLR0917 - an option each, as typer reads them
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="The number that is rung, as +12015550123.")],
    caller: Annotated[str, typer.Option("--from", metavar="NUMBER", help="Who rings; empty: withheld.")] = "+12015550999",
    name: Annotated[str, typer.Option(help="The caller's name, as the network tells it.")] = "",
    keys: Annotated[
        str | None, typer.Option(help='Keys, as 1,2#: a comma waits until keys are next awaited; "" presses none.')
    ] = None,
    at: Annotated[str, typer.Option(help='The moment, as "2026-12-25 10:00", on the flow\'s clock.')] = "",
    callee: Annotated[Callee | None, typer.Option(help="What those who are dialled do.")] = None,
    attestation: Annotated[Level | None, typer.Option(help="The caller's STIR/SHAKEN level.")] = None,
    url: Annotated[str, typer.Option(help="A call-control URL elsewhere, with its token.")] = "",
    via: Annotated[str, typer.Option(help="A stand-in that rings, as http://127.0.0.1:8100.")] = "",
    method: Annotated[Method, typer.Option(help="How the call-control URL is asked.")] = Method.POST,
    trace: Annotated[bool, typer.Option("--trace", help="Show requests, decisions and documents.")] = False,  # noqa: FBT002
    aloud: Annotated[bool, typer.Option("--say", help="Speak what is said (needs espeak-ng).")] = False,  # noqa: FBT002
    real: Annotated[bool, typer.Option("--real", help="Really look up, notify and send.")] = False,  # noqa: FBT002
    strict: Annotated[  # noqa: FBT002 - an option
        bool, typer.Option("--strict-platform", help="Refuse to go on where the documentation is silent.")
    ] = False,
    output: Annotated[TableFormat, typer.Option("--format", help="How the call is told.")] = TableFormat.text,
    flows: FLOWS = None,
) -> None:
    """Ring a flow: a caller in the terminal, with no phone, no account, and no effects."""
    if at and (url or via):
        fail("callflows: --at sets the clock of our own engine; a server elsewhere has its own: leave --at or --url out", 2)
    if url and via:
        fail("callflows: --url and --via: name the one that is to be asked", 2)
    settings = settings_of(flows=flows)
    screen = Screen(Voice.found() if aloud else None, quiet=output is TableFormat.json)
    person = keys is None and not via and not screen.quiet and sys.stdin.isatty()
    if via:
        asked = {"to": number, "from": caller, "keys": keys or "", "callee": callee or "answer", "name": name}
        told = _rung_via(via, {**asked, "attestation": attestation or "", "method": method.value})
        screen.show_all(told)
    else:
        rehearsal = _rehearsal(settings, number, caller, keys or "", callee or Callee.answer, strict=strict)
        rehearsal.name, rehearsal.attestation = name, attestation or ""
        rehearsal.url, rehearsal.method, rehearsal.curls = url or rehearsal.url, method.value, real
        rehearsal.caller = screen.person() if person else Listening(rehearsal.caller, screen.show)
        if person and callee is None:
            rehearsal.callees = screen.callees()
        told = asyncio.run(_rung(rehearsal, settings, at, here=not url, real=real))
    if screen.quiet:
        print(visible(json.dumps(told.told(), ensure_ascii=False, indent=2)))
    screen.end(told, trace=trace)
    wrong = told.outcome in ("loop", "error") or any(request.error for request in told.requests)
    raise typer.Exit(1 if wrong else 0)


def _rehearsal(settings: Settings, number: str, caller: str, keys: str, callee: Callee, *, strict: bool) -> Rehearsal:
    """The call, with scripts for all who are in it."""
    from app.errors import ScenarioError
    from app.flows.loader import declared
    from app.rehearsal.callers import ScriptedCallees, ScriptedCaller, script
    from app.rehearsal.rehearsing import Rehearsal

    try:
        acts = script(keys)
    except ScenarioError as error:
        fail(f"callflows: --{error}", 2)
    return Rehearsal(
        number=number,
        caller_id=caller,
        caller=ScriptedCaller(acts),
        callees=ScriptedCallees(callee.value),
        extensions=declared(settings.flows)[0],
        strict=strict,
    )


async def _rung(rehearsal: Rehearsal, settings: Settings, at: str, *, here: bool, real: bool) -> Transcript:
    """Ring our own engine, or a server elsewhere."""
    from app.rehearsal.asking import Web

    if not here:
        async with Web(reaches=True) as network:
            return await rehearsal.ring(network)
    async with _engine(rehearsal, settings, at, real=real) as network:
        return await rehearsal.ring(network)


@contextlib.asynccontextmanager
async def _engine(rehearsal: Rehearsal, settings: Settings, at: str, *, real: bool) -> AsyncIterator[Network]:
    """Our own engine with the folder's flows, on a stage."""
    from app.flows.loader import load
    from app.rehearsal.asking import Web
    from app.server import rehearsing
    from app.web.log import log_to

    log_to(sys.stderr, settings.log_format)
    options = options_of(settings)
    loaded = load(settings.flows, options)
    for problem in loaded.problems:
        if problem.severity == "error":
            say(str(problem))
    rehearsal.at = _moment(at, loaded.book, rehearsal.number) if at else None
    async with contextlib.AsyncExitStack() as stack:
        outside = await stack.enter_async_context(_outside(settings)) if real else None
        app = await stack.enter_async_context(rehearsing(settings, loaded.book, options.signer, outside))
        yield await stack.enter_async_context(Web(app, reaches=real))


@contextlib.asynccontextmanager
async def _outside(settings: Settings) -> AsyncIterator[Live]:
    """The outside, as the server has it."""
    from app.server import GRACE, opentact_of, outside_of

    opentact = opentact_of(settings)
    live = outside_of(settings, opentact)
    await live.start()
    try:
        yield live
    finally:
        await live.stop(GRACE)
        if opentact is not None:
            await opentact.close()


def _moment(at: str, book: FlowBook, number: str) -> datetime:
    """A moment on the clock of the flow that answers the number."""
    from datetime import UTC

    from app.flows.hours.wall_clock import begin_of
    from app.numbers import e164

    flow = book.answering(e164(number) or number)
    moment = begin_of(at.strip(), (flow.zone if flow else None) or UTC)
    if moment is None:
        fail(f'callflows: --at: {at!r} is no moment: write it as "2026-12-25 10:00", or with an offset', 2)
    return moment


def _rung_via(via: str, asked: dict[str, Any]) -> Transcript:
    """Have a stand-in ring, and wait for what it tells."""
    import httpx

    from app.rehearsal.transcript import Transcript

    try:
        answer = httpx.post(
            f"{via.rstrip('/')}/stand-in/calls", json={**asked, "wait": True}, timeout=_HOURS, trust_env=False
        )
        told = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        fail(f"callflows: --via {via}: {error}: is a stand-in there? As: callflows stand-in", 2)
    if answer.is_error or "outcome" not in told:
        fail(
            f"callflows: --via {via}: {told.get('message') or told.get('detail') or f'the status is {answer.status_code}'}",
            2,
        )
    return Transcript.of(told)
