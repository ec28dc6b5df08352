"""``callflows stand-in``: an imitation of Opentact on this machine, for rehearsals."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

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
from callflows.cli.completion import complete_number

if TYPE_CHECKING:
    from callflows.language import Extensions
    from callflows.opentact.operation_file import OperationTable
    from callflows.stand_in.stand_in_options import StandInOptions
    from callflows.stand_in.stand_in_server import StandInServer


class EnvelopeOption(StrEnum):
    """Envelope of events."""

    of_2022 = "2022"
    of_2024 = "2024"


class SubscriptionListingOption(StrEnum):
    """Format of the list of event subscriptions."""

    bare = "bare"
    envelope = "envelope"


class PagesOption(StrEnum):
    """Place of ``take`` and ``skip`` in a search."""

    query = "query"
    body = "body"
    both = "both"


class LeasesOption(StrEnum):
    """Form in which a number shows its messaging profile."""

    profile = "profile"
    subscriptions = "subscriptions"


class StandInMethodOption(StrEnum):
    """HTTP method of requests to the call control URL."""

    GET = "GET"
    POST = "POST"


NUMBERS_OPTION = Annotated[
    list[str] | None,
    typer.Option(
        "--number",
        metavar="NUMBER",
        help="A number of the account, as +12015550123; repeatable.",
        autocompletion=complete_number,
    ),
]
FAULTS_OPTION = Annotated[
    list[str] | None, typer.Option("--fault", metavar="NAME=VALUE", help="A fault from the start on, as fail_share=0.1.")
]
STRICT_PLATFORM_OPTION = Annotated[
    bool,
    typer.Option("--strict-platform", help="Refuse requests and calls that depend on undocumented behaviour of Opentact."),
]


def stand_in_command(  # noqa: PLR0913, PLR0917 - an option each, as typer reads them
    number: NUMBERS_OPTION = None,
    url: Annotated[
        str, typer.Option(help="The call-control URL of the numbers. Without it, calls wait for pushed XML.")
    ] = "",
    method: Annotated[
        StandInMethodOption, typer.Option(help="The HTTP method of requests to the call-control URL.")
    ] = StandInMethodOption.POST,
    webhook: Annotated[str, typer.Option(help="The URL that gets a webhook for each call state.")] = "",
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on.")] = 8100,
    pace: Annotated[
        float, typer.Option(min=0.01, max=100_000, help="The speed of calls, as a multiple of real time.")
    ] = 20.0,
    envelope: Annotated[
        EnvelopeOption, typer.Option(help="The format of events; both are documented.")
    ] = EnvelopeOption.of_2024,
    subscriptions: Annotated[
        SubscriptionListingOption | None, typer.Option(help="The format of the list of event subscriptions.")
    ] = None,
    pages: Annotated[PagesOption, typer.Option(help="The place where a search reads take and skip.")] = PagesOption.both,
    leases: Annotated[
        LeasesOption, typer.Option(help="The form in which a number shows its messaging profile; both are documented.")
    ] = LeasesOption.profile,
    email: Annotated[str, typer.Option(help="The email of the account.")] = "owner@example.com",
    password: Annotated[str, typer.Option(help="The password for GET /auth.")] = "",
    token: Annotated[str, typer.Option(help="The API token, as the portal creates one.")] = "",
    token_life: Annotated[int, typer.Option(min=1, help="Seconds for which a token of GET /auth is valid.")] = 24 * 3600,
    balance: Annotated[float, typer.Option(help="The balance of the account.")] = 100.0,
    seed: Annotated[str, typer.Option(help="Seed for ids and random faults; the same seed repeats them.")] = "",
    zone: ZONE_OPTION = "",
    fault: FAULTS_OPTION = None,
    strict: STRICT_PLATFORM_OPTION = False,  # noqa: FBT002 - an option
    rules: Annotated[bool, typer.Option("--rules", help="Print the assumptions about undocumented behaviour.")] = False,  # noqa: FBT002
    output: Annotated[TableFormat, typer.Option("--format", help="The output format of --rules.")] = TableFormat.text,
    flows: FLOWS_OPTION = None,
) -> None:
    """Imitate Opentact on this machine: REST, events, numbers, callers, and faults on demand."""
    if rules:
        _print_rules(output)
        return
    options = _build_stand_in_options(
        [*(number or ())],
        {"url": url, "method": method.value, "webhook": webhook},
        **_choose_secrets(host, token, password),
        envelope=envelope.value,
        listing=subscriptions and subscriptions.value,
        pages=pages.value,
        leases=leases.value,
        pace=pace,
        email=email,
        token_life=token_life,
        balance=balance,
        seed=seed,
        zone=parse_zone_option(zone),
        strict=strict,
        faults=_parse_faults(fault or []),
        extensions=_load_extensions(flows),
        table=_load_operation_table(flows),
    )
    try:
        asyncio.run(_serve_until_signal(options, host, port))
    except OSError as error:
        exit_with_notice(f"callflows: {host}:{port}: {error.strerror} (choose another port: --port 8101)", 2)


def _print_rules(output: TableFormat) -> None:
    import dataclasses
    import json

    from callflows.stand_in.stand_in_rules import ALL_UNDOCUMENTED_RULES

    if output is TableFormat.json:
        print(json.dumps([dataclasses.asdict(rule) for rule in ALL_UNDOCUMENTED_RULES], indent=2))
        return
    width = max(len(rule.name) for rule in ALL_UNDOCUMENTED_RULES)
    for rule in ALL_UNDOCUMENTED_RULES:
        print(f"{rule.name:<{width}}  {rule.unknown}: {rule.done}")


def _choose_secrets(host: str, token: str, password: str) -> dict[str, str]:
    """Return the given secrets; generate missing ones if other machines can connect, because the defaults are public."""
    from callflows.settings import is_loopback_host

    chosen_secrets = {"token": token, "password": password}
    if is_loopback_host(host):
        return {name: value for name, value in chosen_secrets.items() if value}
    return {name: value or secrets.token_urlsafe(24) for name, value in chosen_secrets.items()}


def _build_stand_in_options(numbers: list[str], number_settings: dict[str, Any], **options: Any) -> StandInOptions:  # noqa: ANN401 - as StandInOptions
    from pydantic import TypeAdapter, ValidationError

    from callflows.stand_in.request_bodies import WebUrl
    from callflows.stand_in.stand_in_options import StandInNumber, StandInOptions
    from callflows.telephony.phone_numbers import parse_e164

    for name in ("url", "webhook"):
        try:
            TypeAdapter(WebUrl).validate_python(number_settings[name] or "http://nowhere.invalid")
        except ValidationError:
            exit_with_notice(
                f"callflows: --{name}: {number_settings[name]!r} is not a URL: write it as http://127.0.0.1:8000/call", 2
            )
    for number in numbers:
        if not parse_e164(number):
            exit_with_notice(f"callflows: --number: {number!r} is not a number: write it as +12015550123", 2)
    unique = dict.fromkeys(parse_e164(number) for number in numbers)
    return StandInOptions(numbers=tuple(StandInNumber(number=number, **number_settings) for number in unique), **options)


def _parse_faults(assignments: list[str]) -> dict[str, str]:
    from pydantic import ValidationError

    from callflows.stand_in.stand_in_options import FaultSettings
    from callflows.text import format_suggestion

    faults = dict(fault.partition("=")[::2] for fault in assignments)
    for name, value in faults.items():
        if name not in FaultSettings.model_fields:
            near = (
                format_suggestion(name, [*FaultSettings.model_fields])
                or f"there are {', '.join(FaultSettings.model_fields)}"
            )
            exit_with_notice(f"callflows: --fault: there is no fault {name!r} ({near})", 2)
        try:
            FaultSettings.model_validate({name: value})
        except ValidationError as error:
            exit_with_notice(f"callflows: --fault {name}={value}: {error.errors()[0]['msg']}", 2)
    return faults


def _load_extensions(flows: Any) -> Extensions:  # noqa: ANN401 - a folder
    """Load the attributes declared by the folder's ``extensions.yaml``."""
    from callflows.flows.loader.folder_loader import load_extensions

    extensions, problems = load_extensions(load_command_settings(flows=flows).flows)
    for problem in problems:
        print_notice(str(problem))
    return extensions


def _load_operation_table(flows: Any) -> OperationTable:  # noqa: ANN401 - a folder
    """Load the operation table with the operator's corrections. Raises SettingsError."""
    from callflows.opentact.operation_file import load_operation_table

    return load_operation_table(load_command_settings(flows=flows))


async def _serve_until_signal(options: StandInOptions, host: str, port: int) -> None:
    from callflows.stand_in.stand_in_server import run_stand_in

    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, over.set)
    async with run_stand_in(options, host=host, port=port) as server:
        _print_greeting(server, options)
        await over.wait()


def _print_greeting(server: StandInServer, options: StandInOptions) -> None:
    """Print a disclaimer on the first line, then URLs, numbers and usage."""
    print_notice(
        "This is an imitation of Opentact from its documentation, not Opentact itself. "
        "--rules lists the assumptions about undocumented behaviour."
    )
    print_notice(
        f"  REST    {server.rest_url}   (GET /auth: {options.email} {options.password}; or the token {options.token})"
    )
    print_notice(f"  events  {server.events_url}   (envelope of {options.envelope})")
    for number in options.numbers:
        answered = number.url or "calls wait until XML is pushed"
        print_notice(f"  {number.number}   {answered}")
    first = options.numbers[0].number if options.numbers else "+12015550123"
    missing = "" if options.numbers else "   (first give the account this number: --number, or POST /order)"
    print_notice(f"  call it: callflows call {first} --via {server.url}{missing}")
