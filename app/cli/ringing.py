"""How commands rehearse calls: by our own engine, a server elsewhere, or a stand-in."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from app.cli.given import fail, options_of, say

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime, tzinfo

    from app.effects import Live
    from app.flows.book import FlowBook
    from app.flows.compiler import Options
    from app.flows.supposed import Supposed
    from app.rehearsal.asking import Network
    from app.rehearsal.rehearsing import Rehearsal
    from app.rehearsal.transcript import Transcript
    from app.settings import Settings

_HOURS: Final = 24 * 3600.0
"""Seconds that a stand-in may take for a call: it may play in real time."""


def rehearsal_of(settings: Settings, number: str, caller: str, keys: str, callee: str, *, strict: bool) -> Rehearsal:
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
        callees=ScriptedCallees(callee),
        extensions=declared(settings.flows)[0],
        strict=strict,
    )


class Rung(NamedTuple):
    """A call that was rung, and the clock of the flow that answered it, where it is ours."""

    told: Transcript
    zone: tzinfo | None = None


async def rung(
    rehearsal: Rehearsal,
    settings: Settings,
    at: str = "",
    *,
    here: bool = True,
    real: bool = False,
    supposed: Supposed | None = None,
) -> Rung:
    """Ring our own engine, whose documents tell by which nodes a call comes, or a server elsewhere."""
    from app.rehearsal.asking import Web

    if not here:
        async with Web(reaches=True) as network:
            return Rung(await rehearsal.ring(network))
    options = dataclasses.replace(options_of(settings), annotated=True)
    options = dataclasses.replace(options, supposed=supposed or options.supposed)
    async with _engine(rehearsal, settings, options, at, real=real) as (network, zone):
        return Rung(await rehearsal.ring(network), zone)


@contextlib.asynccontextmanager
async def _engine(
    rehearsal: Rehearsal, settings: Settings, options: Options, at: str, *, real: bool
) -> AsyncIterator[tuple[Network, tzinfo | None]]:
    """Our own engine with the folder's flows, on a stage; and the clock of the flow that answers."""
    from app.flows.loader import load
    from app.rehearsal.asking import Web
    from app.server import rehearsing
    from app.web.log import log_to

    log_to(sys.stderr, settings.log_format)
    loaded = load(settings.flows, options)
    for problem in loaded.problems:
        if problem.severity == "error":
            say(str(problem))
    zone = _zone(loaded.book, rehearsal.number)
    rehearsal.at = _moment(at, zone) if at else rehearsal.at
    async with contextlib.AsyncExitStack() as stack:
        outside = await stack.enter_async_context(_outside(settings)) if real else None
        app = await stack.enter_async_context(rehearsing(settings, loaded.book, options.signer, outside))
        yield await stack.enter_async_context(Web(app, reaches=real)), zone


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


def _zone(book: FlowBook, number: str) -> tzinfo | None:
    """The clock of the flow that answers a number."""
    from app.numbers import e164

    flow = book.answering(e164(number) or number)
    return flow.zone if flow is not None else None


def _moment(at: str, zone: tzinfo | None) -> datetime:
    """A moment that a person wrote, on a flow's clock."""
    from datetime import UTC

    from app.flows.hours.wall_clock import begin_of

    moment = begin_of(at.strip(), zone or UTC)
    if moment is None:
        fail(f'callflows: --at: {at!r} is no moment: write it as "2026-12-25 10:00", or with an offset', 2)
    return moment


def rung_via(via: str, asked: dict[str, Any]) -> Transcript:
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
