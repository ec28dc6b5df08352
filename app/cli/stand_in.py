"""``callflows stand-in``: an Opentact on this machine, to rehearse against. Mounted by ``commands``."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.given import FLOWS, ZONE, TableFormat, fail, say, settings_of, zone_of

if TYPE_CHECKING:
    from app.language import Extensions
    from app.rehearsal.stand_in.options import Options
    from app.rehearsal.stand_in.serving import StandIn


class Envelope(StrEnum):
    """How events are written."""

    of_2022 = "2022"
    of_2024 = "2024"


class Listing(StrEnum):
    """How event subscriptions are listed."""

    bare = "bare"
    envelope = "envelope"


class Asked(StrEnum):
    """How the call-control URL is asked."""

    GET = "GET"
    POST = "POST"


NUMBERS = Annotated[
    list[str] | None, typer.Option("--number", metavar="NUMBER", help="A number that it has, as +12015550123; repeatable.")
]
FAULTS = Annotated[
    list[str] | None, typer.Option("--fault", metavar="NAME=VALUE", help="A fault from the beginning, as fail_share=0.1.")
]
STRICT = Annotated[bool, typer.Option("--strict-platform", help="Refuse what depends on what is not documented.")]


def stand_in(  # noqa: PLR0913, PLR0917 - an option each, as typer reads them
    number: NUMBERS = None,
    url: Annotated[
        str, typer.Option(help="The call-control URL of its numbers; without one, calls wait for pushed XML.")
    ] = "",
    method: Annotated[Asked, typer.Option(help="How that URL is asked.")] = Asked.POST,
    webhook: Annotated[str, typer.Option(help="The state webhook of its numbers.")] = "",
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on.")] = 8100,
    pace: Annotated[float, typer.Option(min=0.01, max=100_000, help="How many times quicker calls run.")] = 20.0,
    envelope: Annotated[Envelope, typer.Option(help="How events are written; both are documented.")] = Envelope.of_2024,
    subscriptions: Annotated[Listing | None, typer.Option(help="How event subscriptions are listed.")] = None,
    email: Annotated[str, typer.Option(help="Whose account it is.")] = "owner@example.com",
    password: Annotated[str, typer.Option(help="For GET /auth.")] = "",
    token: Annotated[str, typer.Option(help="A token as the portal makes them.")] = "",
    token_life: Annotated[int, typer.Option(min=1, help="Seconds that a token of GET /auth is valid.")] = 24 * 3600,
    balance: Annotated[float, typer.Option(help="What the account has.")] = 100.0,
    seed: Annotated[str, typer.Option(help="Make identities and chance repeatable.")] = "",
    zone: ZONE = "",
    fault: FAULTS = None,
    strict: STRICT = False,  # noqa: FBT002 - an option
    rules: Annotated[bool, typer.Option("--rules", help="Print what it does where nothing is documented.")] = False,  # noqa: FBT002
    output: Annotated[TableFormat, typer.Option("--format", help="How --rules are printed.")] = TableFormat.text,
    flows: FLOWS = None,
) -> None:
    """Imitate Opentact on this machine: REST, events, numbers, callers, and faults on demand."""
    if rules:
        _rules(output)
        return
    options = _options(
        [*(number or ())],
        {"url": url, "method": method.value, "webhook": webhook},
        **_secrets(host, token, password),
        envelope=envelope.value,
        listing=subscriptions and subscriptions.value,
        pace=pace,
        email=email,
        token_life=token_life,
        balance=balance,
        seed=seed,
        zone=zone_of(zone),
        strict=strict,
        faults=_faults(fault or []),
        extensions=_extensions(flows),
    )
    try:
        asyncio.run(_serve(options, host, port))
    except OSError as error:
        fail(f"callflows: {host}:{port}: {error.strerror} (another port? --port 8101)", 2)


def _rules(output: TableFormat) -> None:
    import dataclasses
    import json

    from app.rehearsal.stand_in.silences import ALL

    if output is TableFormat.json:
        print(json.dumps([dataclasses.asdict(rule) for rule in ALL], indent=2))
        return
    width = max(len(rule.name) for rule in ALL)
    for rule in ALL:
        print(f"{rule.name:<{width}}  {rule.unknown}: {rule.done}")


def _secrets(host: str, token: str, password: str) -> dict[str, str]:
    """Those that are given; where others than this machine can ask, what everybody knows is no secret."""
    from app.settings import is_loopback

    given = {"token": token, "password": password}
    if is_loopback(host):
        return {name: value for name, value in given.items() if value}
    return {name: value or secrets.token_urlsafe(24) for name, value in given.items()}


def _options(numbers: list[str], asked: dict[str, Any], **options: Any) -> Options:  # noqa: ANN401 - as Options has them
    from pydantic import TypeAdapter, ValidationError

    from app.numbers import e164
    from app.rehearsal.stand_in.bodies import Url
    from app.rehearsal.stand_in.options import Number, Options

    for name in ("url", "webhook"):
        try:
            TypeAdapter(Url).validate_python(asked[name] or "http://nowhere.invalid")
        except ValidationError:
            fail(f"callflows: --{name}: {asked[name]!r} is no URL: write it as http://127.0.0.1:8000/call", 2)
    for number in numbers:
        if not e164(number):
            fail(f"callflows: --number: {number!r} is no number: write it as +12015550123", 2)
    unique = dict.fromkeys(e164(number) for number in numbers)
    return Options(numbers=tuple(Number(number=number, **asked) for number in unique), **options)


def _faults(given: list[str]) -> dict[str, str]:
    from pydantic import ValidationError

    from app.errors import suggestion
    from app.rehearsal.stand_in.faults import Faults

    faults = dict(fault.partition("=")[::2] for fault in given)
    for name, value in faults.items():
        if name not in Faults.model_fields:
            near = suggestion(name, [*Faults.model_fields]) or f"there are {', '.join(Faults.model_fields)}"
            fail(f"callflows: --fault: there is no fault {name!r} ({near})", 2)
        try:
            Faults.model_validate({name: value})
        except ValidationError as error:
            fail(f"callflows: --fault {name}={value}: {error.errors()[0]['msg']}", 2)
    return faults


def _extensions(flows: Any) -> Extensions:  # noqa: ANN401 - a folder
    """Attributes that the folder's ``extensions.yaml`` declares."""
    from app.flows.loader import declared

    extensions, problems = declared(settings_of(flows=flows).flows)
    for problem in problems:
        say(str(problem))
    return extensions


async def _serve(options: Options, host: str, port: int) -> None:
    """Until somebody ends it."""
    from app.rehearsal.stand_in.serving import stand_in as listening

    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, over.set)
    async with listening(options, host=host, port=port) as there:
        _greet(there, options)
        await over.wait()


def _greet(there: StandIn, options: Options) -> None:
    """Say what it is, on the first line, and how to use it."""
    say("This is an imitation of Opentact made from its documentation, not Opentact; where that is silent: --rules")
    say(f"  REST    {there.rest}   (GET /auth: {options.email} {options.password}; or the token {options.token})")
    say(f"  events  {there.events}   (envelope of {options.envelope})")
    for number in options.numbers:
        answered = number.url or "calls wait until XML is pushed"
        say(f"  {number.number}   {answered}")
    first = options.numbers[0].number if options.numbers else "+12015550123"
    missing = "" if options.numbers else "   (once it has that number: --number, or POST /order)"
    say(f"  ring it: callflows call {first} --via {there.url}{missing}")
