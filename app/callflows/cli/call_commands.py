"""``callflows call``: ring a flow; the terminal is the phone."""

from __future__ import annotations

import asyncio
import json
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from callflows.cli.cli_options import (
    FLOWS_OPTION,
    ZONE_OPTION,
    TableFormat,
    exit_with_notice,
    load_command_settings,
    parse_zone_option,
    print_notice,
)
from callflows.cli.rehearsal_setup import build_rehearsal, ring_number, ring_via_stand_in
from callflows.cli.terminal_screen import CallScreen, SpeechSynthesizer, WatchedCallingParty

if TYPE_CHECKING:
    from callflows.rehearsal.rehearsed_call import Rehearsal


POST_REJECTION_STATUSES: Final = (405, 501)
"""HTTP statuses of servers without support for POST."""


class CalleeOption(StrEnum):
    """Behaviour of dialled parties."""

    answer = "answer"
    busy = "busy"
    no_answer = "no-answer"


class AttestationLevelOption(StrEnum):
    """STIR/SHAKEN levels."""

    A = "A"
    B = "B"
    C = "C"


class CallMethodOption(StrEnum):
    """HTTP method of requests to the call control URL."""

    GET = "GET"
    POST = "POST"


def call(  # noqa: PLR0913, PLR0917 - an option each, as typer reads them
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="The number that is rung, as +12015550123.")],
    caller: Annotated[
        str, typer.Option("--from", metavar="NUMBER", help="Who rings: a number, a SIP user; empty: withheld.")
    ] = "+12015550999",
    name: Annotated[str, typer.Option(help="The caller's name, as the network tells it.")] = "",
    keys: Annotated[
        str | None,
        typer.Option(
            help='Keys, as 1,2#: a comma waits to be asked; "" presses none; hangup, hangup 3s. Else a terminal asks.'
        ),
    ] = None,
    at: Annotated[str, typer.Option(help='The moment, as "2026-12-25 10:00", on the flow\'s clock; else now.')] = "",
    callee: Annotated[
        CalleeOption | None,
        typer.Option(help="What those who are dialled do; else a terminal asks, and they answer where there is none."),
    ] = None,
    attestation: Annotated[
        AttestationLevelOption | None, typer.Option(help="The caller's STIR/SHAKEN level; else none is told.")
    ] = None,
    url: Annotated[str, typer.Option(help="A call-control URL elsewhere, with its token.")] = "",
    via: Annotated[str, typer.Option(help="A stand-in that rings, as http://127.0.0.1:8100.")] = "",
    method: Annotated[CallMethodOption, typer.Option(help="How the call-control URL is asked.")] = CallMethodOption.POST,
    zone: ZONE_OPTION = "",
    trace: Annotated[bool, typer.Option("--trace", help="Show requests, decisions and documents.")] = False,  # noqa: FBT002
    aloud: Annotated[bool, typer.Option("--say", help="Speak what is said (needs espeak-ng).")] = False,  # noqa: FBT002
    real: Annotated[bool, typer.Option("--real", help="Really look up, notify and send.")] = False,  # noqa: FBT002
    strict: Annotated[  # noqa: FBT002 - an option
        bool, typer.Option("--strict-platform", help="Refuse to go on where it depends on what is not documented.")
    ] = False,
    record: Annotated[bool, typer.Option("--record", help="Print the call as a scenario to paste.")] = False,  # noqa: FBT002
    output: Annotated[TableFormat, typer.Option("--format", help="How the call is told.")] = TableFormat.text,
    flows: FLOWS_OPTION = None,
) -> None:
    """Ring a flow: a caller in the terminal, with no phone, no account, and no effects."""
    _reject_conflicting_options(at=at, url=url, via=via, zone=zone, record=record)
    _reject_unknown_parties(number, caller, is_remote=bool(url or via))
    settings = load_command_settings(flows=flows)
    screen = CallScreen(SpeechSynthesizer.find_installed() if aloud else None, is_quiet=output is TableFormat.json)
    if via:
        asked = {"to": number, "from": caller, "keys": keys or "", "callee": callee or "answer", "name": name}
        told = ring_via_stand_in(via, {**asked, "attestation": attestation or "", "method": method.value})
        screen.show_transcript(told)
    else:
        rehearsal = build_rehearsal(settings, number, caller, keys or "", callee or "answer", strict=strict)
        rehearsal.name, rehearsal.attestation = name, attestation.value if attestation else ""
        rehearsal.url, rehearsal.method, rehearsal.curls = url or rehearsal.url, method.value, real
        rehearsal.zone = parse_zone_option(zone)
        _attach_terminal(rehearsal, screen, is_interactive=keys is None and sys.stdin.isatty(), callee=callee)
        told, clock = asyncio.run(ring_number(rehearsal, settings, at, rings_own_engine=not url, allows_effects=real))
    if screen.is_quiet:
        print(json.dumps(told.to_json(), ensure_ascii=False, indent=2))
    screen.show_end(told, shows_trace=trace)
    if told.requests and told.requests[0].method == "POST" and told.requests[0].status in POST_REJECTION_STATUSES:
        print_notice("callflows: the server does not take POST; to ask it by GET, as an app in Opentact may: --method GET")
    if record:
        screen.print_scenario(told, rehearsal, clock)
    wrong = told.outcome in ("loop", "error") or any(request.error for request in told.requests)
    raise typer.Exit(1 if wrong else 0)


def _reject_conflicting_options(*, at: str, url: str, via: str, zone: str, record: bool) -> None:
    if zone and via:
        exit_with_notice("callflows: --zone is that of the platform, which --via has: callflows stand-in --zone", 2)
    if at and (url or via):
        other = "--url" if url else "--via"
        exit_with_notice(
            f"callflows: --at sets the clock of our own engine, and {other} rings another: leave one of the two out", 2
        )
    if url and via:
        exit_with_notice("callflows: --url and --via: name the one that is to be asked", 2)
    if record and (url or via):
        exit_with_notice("callflows: --record is for flows of ours: a server elsewhere has no scenarios", 2)


def _reject_unknown_parties(number: str, caller: str, *, is_remote: bool) -> None:
    """Reject an invalid number or caller; a remote server may also have short numbers."""
    from callflows.testing.phone_arguments import explain_invalid_caller, explain_invalid_number

    wrong = "" if is_remote and number.lstrip("+").isdecimal() else explain_invalid_number(number)
    if wrong:
        exit_with_notice(f"callflows: {wrong}", 2)
    wrong = explain_invalid_caller(caller)
    if wrong:
        exit_with_notice(f"callflows: --from: {wrong}", 2)


def _attach_terminal(rehearsal: Rehearsal, screen: CallScreen, *, is_interactive: bool, callee: str | None) -> None:
    """Let the person at the terminal act as the caller, and as the callee without ``--callee``; or only show the steps."""
    if not is_interactive or screen.is_quiet:
        rehearsal.caller = WatchedCallingParty(rehearsal.caller, screen.show_step)
        return
    rehearsal.caller = screen.create_person_calling()
    if callee is None:
        rehearsal.callees = screen.create_person_called()
