"""``callflows call``: ring a flow; the terminal is the phone."""

from __future__ import annotations

import asyncio
import json
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from app.cli.given import FLOWS, ZONE, TableFormat, fail, say, settings_of, zone_of
from app.cli.ringing import rehearsal_of, rung, rung_via
from app.cli.screen import Listening, Screen, Voice, visible

if TYPE_CHECKING:
    from app.rehearsal.rehearsing import Rehearsal


NO_POST: Final = (405, 501)
"""What servers say that do not take POST."""


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
        Callee | None,
        typer.Option(help="What those who are dialled do; else a terminal asks, and they answer where there is none."),
    ] = None,
    attestation: Annotated[Level | None, typer.Option(help="The caller's STIR/SHAKEN level; else none is told.")] = None,
    url: Annotated[str, typer.Option(help="A call-control URL elsewhere, with its token.")] = "",
    via: Annotated[str, typer.Option(help="A stand-in that rings, as http://127.0.0.1:8100.")] = "",
    method: Annotated[Method, typer.Option(help="How the call-control URL is asked.")] = Method.POST,
    zone: ZONE = "",
    trace: Annotated[bool, typer.Option("--trace", help="Show requests, decisions and documents.")] = False,  # noqa: FBT002
    aloud: Annotated[bool, typer.Option("--say", help="Speak what is said (needs espeak-ng).")] = False,  # noqa: FBT002
    real: Annotated[bool, typer.Option("--real", help="Really look up, notify and send.")] = False,  # noqa: FBT002
    strict: Annotated[  # noqa: FBT002 - an option
        bool, typer.Option("--strict-platform", help="Refuse to go on where it depends on what is not documented.")
    ] = False,
    record: Annotated[bool, typer.Option("--record", help="Print the call as a scenario to paste.")] = False,  # noqa: FBT002
    output: Annotated[TableFormat, typer.Option("--format", help="How the call is told.")] = TableFormat.text,
    flows: FLOWS = None,
) -> None:
    """Ring a flow: a caller in the terminal, with no phone, no account, and no effects."""
    _fitting(at=at, url=url, via=via, zone=zone, record=record)
    _known(number, caller, elsewhere=bool(url or via))
    settings = settings_of(flows=flows)
    screen = Screen(Voice.found() if aloud else None, quiet=output is TableFormat.json)
    if via:
        asked = {"to": number, "from": caller, "keys": keys or "", "callee": callee or "answer", "name": name}
        told = rung_via(via, {**asked, "attestation": attestation or "", "method": method.value})
        screen.show_all(told)
    else:
        rehearsal = rehearsal_of(settings, number, caller, keys or "", callee or "answer", strict=strict)
        rehearsal.name, rehearsal.attestation = name, attestation.value if attestation else ""
        rehearsal.url, rehearsal.method, rehearsal.curls = url or rehearsal.url, method.value, real
        rehearsal.zone = zone_of(zone)
        _played(rehearsal, screen, person=keys is None and sys.stdin.isatty(), callee=callee)
        told, clock = asyncio.run(rung(rehearsal, settings, at, here=not url, real=real))
    if screen.quiet:
        print(visible(json.dumps(told.told(), ensure_ascii=False, indent=2)))
    screen.end(told, trace=trace)
    if told.requests and told.requests[0].method == "POST" and told.requests[0].status in NO_POST:
        say("callflows: the server does not take POST; to ask it by GET, as an app in Opentact may: --method GET")
    if record:
        screen.record(told, rehearsal, clock)
    wrong = told.outcome in ("loop", "error") or any(request.error for request in told.requests)
    raise typer.Exit(1 if wrong else 0)


def _fitting(*, at: str, url: str, via: str, zone: str, record: bool) -> None:
    """Refuse options that do not go together."""
    if zone and via:
        fail("callflows: --zone is that of the platform, which --via has: callflows stand-in --zone", 2)
    if at and (url or via):
        other = "--url" if url else "--via"
        fail(f"callflows: --at sets the clock of our own engine, and {other} rings another: leave one of the two out", 2)
    if url and via:
        fail("callflows: --url and --via: name the one that is to be asked", 2)
    if record and (url or via):
        fail("callflows: --record is for flows of ours: a server elsewhere has no scenarios", 2)


def _known(number: str, caller: str, *, elsewhere: bool) -> None:
    """Refuse what cannot be rung, and who cannot ring; a server elsewhere may have short numbers too."""
    from app.testing.who import no_caller, no_number

    wrong = "" if elsewhere and number.lstrip("+").isdecimal() else no_number(number)
    if wrong:
        fail(f"callflows: {wrong}", 2)
    wrong = no_caller(caller)
    if wrong:
        fail(f"callflows: --from: {wrong}", 2)


def _played(rehearsal: Rehearsal, screen: Screen, *, person: bool, callee: str | None) -> None:
    """Have the person at the terminal be the caller, and the callee too where nothing is said of one; or somebody watch."""
    if not person or screen.quiet:
        rehearsal.caller = Listening(rehearsal.caller, screen.show)
        return
    rehearsal.caller = screen.person()
    if callee is None:
        rehearsal.callees = screen.callees()
