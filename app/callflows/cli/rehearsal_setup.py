"""Rehearsed calls of commands: against our own engine, a remote server, or a stand-in."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from callflows.cli.cli_options import build_command_options, exit_with_notice, print_notice

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime, tzinfo
    from pathlib import Path

    from callflows.effects.live_effects import LiveEffects
    from callflows.flows.compiler.compiling_flow import CompilerOptions
    from callflows.flows.flow_book import FlowBook
    from callflows.flows.suppositions import Suppositions
    from callflows.rehearsal.platform_network import PlatformNetwork
    from callflows.rehearsal.rehearsed_call import Rehearsal
    from callflows.rehearsal.transcript import Transcript
    from callflows.settings import Settings


_STAND_IN_CALL_TIMEOUT_SECONDS: Final = 24 * 3600.0
"""Time limit of a call by a stand-in; a stand-in may run in real time."""


def build_rehearsal(settings: Settings, number: str, caller: str, keys: str, callee: str, *, strict: bool) -> Rehearsal:
    """Build a call with scripts for the caller and the callees."""
    from callflows.errors import ScenarioError
    from callflows.flows.loader.folder_loader import load_extensions
    from callflows.rehearsal.rehearsed_call import Rehearsal
    from callflows.rehearsal.scripted_parties import ScriptedCallees, ScriptedCaller, parse_caller_script

    try:
        acts = parse_caller_script(keys)
    except ScenarioError as error:
        exit_with_notice(f"callflows: --{error}", 2)
    return Rehearsal(
        number=number,
        caller_id=caller,
        caller=ScriptedCaller(acts),
        callees=ScriptedCallees(callee),
        extensions=load_extensions(settings.flows)[0],
        strict=strict,
    )


class RungCall(NamedTuple):
    """A finished call, and the time zone of the answering flow, if known."""

    transcript: Transcript
    zone: tzinfo | None = None


async def ring_number(
    rehearsal: Rehearsal,
    settings: Settings,
    at: str = "",
    *,
    draft: Path | None = None,
    rings_own_engine: bool = True,
    allows_effects: bool = False,
    suppositions: Suppositions | None = None,
) -> RungCall:
    """Rehearse a call against our own engine with coverage recording, or against a remote server."""
    from callflows.rehearsal.platform_network import HttpNetwork

    if not rings_own_engine:
        async with HttpNetwork(allow_external=True) as network:
            return RungCall(await rehearsal.run(network))
    options = dataclasses.replace(build_command_options(settings, draft), records_coverage=True)
    options = dataclasses.replace(options, suppositions=suppositions or options.suppositions)
    async with _open_engine(rehearsal, settings, options, at, allows_effects=allows_effects) as (network, zone):
        return RungCall(await rehearsal.run(network), zone)


@contextlib.asynccontextmanager
async def _open_engine(
    rehearsal: Rehearsal, settings: Settings, options: CompilerOptions, at: str, *, allows_effects: bool
) -> AsyncIterator[tuple[PlatformNetwork, tzinfo | None]]:
    """Open our own engine with the flows of the folder; yield the network and the time zone of the answering flow."""
    from callflows.flows.loader.folder_loader import load_flow_folder
    from callflows.rehearsal.platform_network import HttpNetwork
    from callflows.rehearsal_engine import open_rehearsal_engine
    from callflows.web.log_lines import configure_logging

    configure_logging(sys.stderr, settings.log_format)
    loaded = load_flow_folder(settings.flows, options)
    for problem in loaded.problems:
        if problem.severity == "error":
            print_notice(str(problem))
    zone = _find_flow_zone(loaded.book, rehearsal.number)
    rehearsal.at = _parse_call_time(at, zone) if at else rehearsal.at
    async with contextlib.AsyncExitStack() as stack:
        outside = await stack.enter_async_context(_open_live_effects(settings)) if allows_effects else None
        app = await stack.enter_async_context(open_rehearsal_engine(settings, loaded.book, options.signer, outside))
        yield await stack.enter_async_context(HttpNetwork(app, allow_external=allows_effects)), zone


@contextlib.asynccontextmanager
async def _open_live_effects(settings: Settings) -> AsyncIterator[LiveEffects]:
    """Run the effects as the server does: lookups, notifications and messages are real."""
    from callflows.installation_parts import STOP_GRACE_SECONDS, create_live_effects, create_opentact_client

    opentact = create_opentact_client(settings)
    live = create_live_effects(settings, opentact)
    await live.start()
    try:
        yield live
    finally:
        await live.stop(STOP_GRACE_SECONDS)
        if opentact is not None:
            await opentact.close()


def _find_flow_zone(book: FlowBook, number: str) -> tzinfo | None:
    """Return the time zone of the flow that answers a number."""
    from callflows.telephony.phone_numbers import parse_e164

    flow = book.find_answering_flow(parse_e164(number) or number)
    return flow.zone if flow is not None else None


def _parse_call_time(at: str, zone: tzinfo | None) -> datetime:
    """Parse ``--at`` in the time zone of a flow; exit with code 2 if invalid."""
    from datetime import UTC, datetime

    from callflows.flows.hours.wall_clock import parse_call_moment

    moment = parse_call_moment(at, datetime.now(UTC), zone or UTC)
    if moment is None:
        exit_with_notice(f'callflows: --at: {at!r} is not a time: write it as "2026-12-25 10:00", or as "Sat 11:00"', 2)
    return moment


def ring_via_stand_in(stand_in_url: str, call_request: dict[str, Any]) -> Transcript:
    """Let a stand-in ring the number, and wait for the transcript."""
    import httpx

    from callflows.rehearsal.transcript import Transcript

    try:
        answer = httpx.post(
            f"{stand_in_url.rstrip('/')}/stand-in/calls",
            json={**call_request, "wait": True},
            timeout=_STAND_IN_CALL_TIMEOUT_SECONDS,
            trust_env=False,
        )
        answer_data = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        exit_with_notice(
            f"callflows: --via {stand_in_url}: {error}: is a stand-in running there? Start one with callflows stand-in", 2
        )
    if answer.is_error or "outcome" not in answer_data:
        reason = answer_data.get("message") or answer_data.get("detail") or f"the status is {answer.status_code}"
        exit_with_notice(f"callflows: --via {stand_in_url}: {reason}", 2)
    return Transcript.from_json(answer_data)
