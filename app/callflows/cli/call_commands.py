"""``callflows call``: ring a flow; the terminal is the phone."""

from __future__ import annotations

import asyncio
import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from callflows.cli.cli_options import (
    DRAFT_OPTION,
    FLOWS_OPTION,
    ZONE_OPTION,
    TableFormat,
    exit_with_notice,
    load_command_settings,
    parse_zone_option,
    print_notice,
)
from callflows.cli.completion import complete_number
from callflows.cli.rehearsal_setup import build_rehearsal, ring_number, ring_via_stand_in
from callflows.cli.terminal_screen import CallScreen, SpeechSynthesizer, WatchedCallingParty

if TYPE_CHECKING:
    from callflows.rehearsal.rehearsed_call import Rehearsal
    from callflows.settings import Settings


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
    number: Annotated[
        str,
        typer.Argument(metavar="NUMBER", help="The number to call, as +12015550123.", autocompletion=complete_number),
    ],
    caller: Annotated[
        str,
        typer.Option("--from", metavar="NUMBER", help="The caller: a number or a SIP user; empty for an anonymous caller."),
    ] = "+12015550999",
    name: Annotated[str, typer.Option(help="The caller's name, as the network sends it.")] = "",
    keys: Annotated[
        str | None,
        typer.Option(
            help='Keys to press, as 1,2#; a comma waits for the next prompt, "" presses nothing, hangup or '
            "hangup 3s ends the call. Default: ask."
        ),
    ] = None,
    at: Annotated[str, typer.Option(help='The time of the call, as "2026-12-25 10:00" or "Sat 11:00". Default: now.')] = "",
    callee: Annotated[
        CalleeOption | None,
        typer.Option(help="What the called people do. Default: ask on a terminal, else answer."),
    ] = None,
    attestation: Annotated[
        AttestationLevelOption | None, typer.Option(help="The caller's STIR/SHAKEN level. Default: none is sent.")
    ] = None,
    url: Annotated[str, typer.Option(help="The call-control URL of another server, with its token.")] = "",
    via: Annotated[str, typer.Option(help="The stand-in that places the call, as http://127.0.0.1:8100.")] = "",
    method: Annotated[
        CallMethodOption, typer.Option(help="The HTTP method of requests to the call-control URL.")
    ] = CallMethodOption.POST,
    zone: ZONE_OPTION = "",
    trace: Annotated[bool, typer.Option("--trace", help="Show requests, decisions and documents.")] = False,  # noqa: FBT002
    aloud: Annotated[bool, typer.Option("--say", help="Speak the prompts aloud (needs espeak-ng).")] = False,  # noqa: FBT002
    real: Annotated[bool, typer.Option("--real", help="Really look up, and really send webhooks and texts.")] = False,  # noqa: FBT002
    strict: Annotated[  # noqa: FBT002 - an option
        bool, typer.Option("--strict-platform", help="Stop the call if it depends on undocumented behaviour of Opentact.")
    ] = False,
    record: Annotated[bool, typer.Option("--record", help="Print the call as a scenario for a flow file.")] = False,  # noqa: FBT002
    output: Annotated[TableFormat, typer.Option("--format", help="The output format.")] = TableFormat.text,
    draft: DRAFT_OPTION = None,
    flows: FLOWS_OPTION = None,
) -> None:
    """Ring a flow: a caller in the terminal, with no phone, no account, and no effects."""
    _reject_conflicting_options(at=at, url=url, via=via, zone=zone, record=record)
    settings = load_command_settings(flows=flows)
    _reject_unknown_parties(number, caller, settings, is_remote=bool(url or via))
    screen = CallScreen(SpeechSynthesizer.find_installed() if aloud else None, is_quiet=output is TableFormat.json)
    if via:
        asked = {"to": number, "from": caller, "keys": keys or "", "callee": callee or "answer", "name": name}
        transcript = ring_via_stand_in(via, {**asked, "attestation": attestation or "", "method": method.value})
        screen.show_transcript(transcript)
    else:
        rehearsal = build_rehearsal(settings, number, caller, keys or "", callee or "answer", strict=strict)
        rehearsal.name, rehearsal.attestation = name, attestation.value if attestation else ""
        rehearsal.url, rehearsal.method, rehearsal.curls = url or rehearsal.url, method.value, real
        rehearsal.zone = parse_zone_option(zone)
        _attach_terminal(rehearsal, screen, is_interactive=keys is None and sys.stdin.isatty(), callee=callee)
        ringing = ring_number(rehearsal, settings, at, draft=draft, rings_own_engine=not url, allows_effects=real)
        transcript, clock = asyncio.run(ringing)
    if screen.is_quiet:
        print(json.dumps(transcript.to_json(), ensure_ascii=False, indent=2))
    screen.show_end(transcript, shows_trace=trace)
    if (
        transcript.requests
        and transcript.requests[0].method == "POST"
        and transcript.requests[0].status in POST_REJECTION_STATUSES
    ):
        print_notice("callflows: the server does not accept POST; if the app in Opentact uses GET, add --method GET")
    if record:
        screen.print_scenario(transcript, rehearsal, clock)
    wrong = transcript.outcome in ("loop", "error") or any(request.error for request in transcript.requests)
    raise typer.Exit(1 if wrong else 0)


def _reject_conflicting_options(*, at: str, url: str, via: str, zone: str, record: bool) -> None:
    if zone and via:
        exit_with_notice(
            "callflows: with --via, the stand-in has the time zone: set it there, with callflows stand-in --zone", 2
        )
    if at and (url or via):
        other = "--url" if url else "--via"
        exit_with_notice(
            f"callflows: --at sets the clock of the local engine, but {other} calls another server: use only one",
            2,
        )
    if url and via:
        exit_with_notice("callflows: --url and --via exclude each other: leave out one of the two", 2)
    if record and (url or via):
        exit_with_notice("callflows: --record works only with local flow files, without --url and --via", 2)


def _reject_unknown_parties(number: str, caller: str, settings: Settings, *, is_remote: bool) -> None:
    """Reject an invalid number or caller; a remote server may also have short numbers."""
    from callflows.flows.country_code_check import explain_invalid_number
    from callflows.testing.phone_arguments import explain_invalid_caller

    wrong = "" if is_remote and number.lstrip("+").isdecimal() else explain_invalid_number(number)
    if wrong:
        exit_with_notice(f"callflows: {_explain_flow_name(number, settings) or wrong}", 2)
    wrong = explain_invalid_caller(caller)
    if wrong:
        exit_with_notice(f"callflows: --from: {wrong}", 2)


def _explain_flow_name(text: str, settings: Settings) -> str:
    """Return the numbers of a flow whose name was written instead of a number; empty for any other text."""
    from callflows.flows.source.flow_file import FLOW_AND_NODE_NAME_PATTERN
    from callflows.installation_parts import create_compiler_options

    name = Path(text).stem
    if not FLOW_AND_NODE_NAME_PATTERN.fullmatch(name) or not any(settings.flows.glob(f"{name}.*")):
        return ""
    from callflows.flows.loader.folder_loader import load_flow_folder
    from callflows.telephony.phone_numbers import parse_e164
    from callflows.text import format_first_items

    book = load_flow_folder(settings.flows, create_compiler_options(settings)).book
    flow = book.flows.get(name)
    if flow is None:
        return f"{text!r} is a flow that has an error, and is called by its number: callflows check {settings.flows}"
    if not flow.claims:
        return f"{text!r} is a flow without a number of its own: other flows go on in it"
    # Prefixes and "rest" stand for many numbers, of which any will do.
    numbers = [claim.number for claim in flow.claims if parse_e164(claim.number)] or ["+12015550123"]
    return f"{text!r} is a flow, which is called by its number: callflows call {format_first_items(numbers)}"


def _attach_terminal(rehearsal: Rehearsal, screen: CallScreen, *, is_interactive: bool, callee: str | None) -> None:
    """Let the person at the terminal act as the caller, and as the callee without ``--callee``; or only show the steps."""
    if not is_interactive or screen.is_quiet:
        rehearsal.caller = WatchedCallingParty(rehearsal.caller, screen.show_step)
        return
    rehearsal.caller = screen.create_person_calling()
    if callee is None:
        rehearsal.callees = screen.create_person_called()
