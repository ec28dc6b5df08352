"""``callflows opentact``: numbers, messages, apps, voices and calls of the platform.

A command that costs money or reaches people shows its plan and asks first.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path  # noqa: TC003 - typer reads it
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from callflows.cli.cli_options import (
    FLOWS_OPTION,
    TableFormat,
    build_command_options,
    confirm_plan,
    exit_with_notice,
    load_command_settings,
    print_notice,
)
from callflows.cli.flow_commands import find_flow_file
from callflows.cli.platform_output import (
    ROW_LIMIT_OPTION,
    TABLE_FORMAT_OPTION,
    YES_OPTION,
    collect_rows,
    format_record_fields,
    parse_number_argument,
    print_records,
    run_with_client,
)
from callflows.text import MAX_SMS_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callflows.opentact.rest_api import Opentact
    from callflows.opentact.rest_records import OpentactApp, OpentactLease, OpentactVoice
    from callflows.settings import Settings
    from callflows.telephony.message_entity import MessageEntity


FEATURES_OPTION = Annotated[str, typer.Option(help="Features that the number must have, separated by commas.")]
opentact_app = typer.Typer(help="Use your Opentact account: numbers, messages, apps, voices, calls.", no_args_is_help=True)
numbers_app = typer.Typer(help="Search, order, release and list numbers.", no_args_is_help=True)
messages_app = typer.Typer(help="Send and list text messages.", no_args_is_help=True)


opentact_app.add_typer(numbers_app, name="numbers")


opentact_app.add_typer(messages_app, name="messages")


@numbers_app.command("search", epilog="Example: callflows opentact numbers search --state NJ --npa 201 --limit 5")
def search_numbers_command(
    country: Annotated[str, typer.Option(help="The country, as US.")] = "US",
    state: Annotated[str, typer.Option(help="The state, as NJ.")] = "",
    city: Annotated[str, typer.Option(help="The city.")] = "",
    rate_center: Annotated[str, typer.Option(help="The rate center.")] = "",
    npa: Annotated[str, typer.Option(help="The area code, as 201.")] = "",
    pattern: Annotated[str, typer.Option(help="A pattern, as 1201555*.")] = "",
    features: FEATURES_OPTION = "voice,sms",
    limit: Annotated[int, typer.Option(min=1, help="Numbers at most.")] = 20,
    output: TABLE_FORMAT_OPTION = TableFormat.text,
) -> None:
    """Search numbers that can be ordered."""
    from callflows.opentact.numbers_api import NumberSearchMask

    mask = NumberSearchMask(
        country=country,
        state=state,
        city=city,
        rate_center=rate_center,
        npa=npa,
        pattern=pattern,
        features=features.split(","),
    )
    numbers = run_with_client(
        lambda client: collect_rows(client.numbers.search_available(take=min(limit, 100), **mask), limit, output)
    )
    beside = ("city", "rate_center", "state", "features")
    print_records(numbers, lambda tn: (tn.number or tn.tn, *format_record_fields(tn.raw, beside)), output)
    if not numbers:
        exit_with_notice("no number matches: leave out some conditions", 1)


@numbers_app.command("order", epilog="Example: callflows opentact numbers order +12015550123")
def order_numbers_command(
    numbers: Annotated[list[str], typer.Argument(metavar="NUMBER…", help="The numbers to order, as search shows them.")],
    features: FEATURES_OPTION = "voice,sms",
    autorenew: Annotated[bool, typer.Option(help="Renew the numbers when their term ends.")] = True,  # noqa: FBT002 - an option
    yes: YES_OPTION = False,  # noqa: FBT002 - an option
    output: TABLE_FORMAT_OPTION = TableFormat.text,
) -> None:
    """Order numbers, which costs money."""
    ordered = [*dict.fromkeys(map(parse_number_argument, numbers))]
    renewing = "renewed until released" if autorenew else "not renewed"
    confirm_plan([f"order {number} for {features}, {renewing}; this costs money" for number in ordered], is_confirmed=yes)
    order = run_with_client(
        lambda client: client.numbers.order_numbers(ordered, features=features.split(","), autorenew=autorenew)
    )
    print_records([order], lambda record: ("ordered", record.uuid, *format_record_fields(record.raw, ("state",))), output)


@numbers_app.command("release", epilog="Example: callflows opentact numbers release +12015550123")
def release_numbers_command(
    numbers: Annotated[list[str], typer.Argument(metavar="NUMBER…", help="Numbers of the account.")],
    yes: YES_OPTION = False,  # noqa: FBT002 - an option
) -> None:
    """Release numbers. They are lost for ever."""
    released = [*dict.fromkeys(map(parse_number_argument, numbers))]

    async def fetch_leases(client: Opentact) -> list[OpentactLease]:
        return [await client.numbers.get_lease(number) for number in released]

    async def release_numbers(client: Opentact) -> None:
        for number in released:
            await client.numbers.release_number(number)
            print(f"released {number}")

    leases = run_with_client(fetch_leases)
    plan = [
        f"release {number}{f', answered by the app {lease.app_uuid}' if lease.app_uuid else ''}; others may order it then"
        for number, lease in zip(released, leases, strict=True)
    ]
    confirm_plan(plan, is_confirmed=yes)
    run_with_client(release_numbers)


@numbers_app.command("list", epilog="Example: callflows opentact numbers list --format json")
def list_numbers_command(limit: ROW_LIMIT_OPTION = None, output: TABLE_FORMAT_OPTION = TableFormat.text) -> None:
    """List the account's numbers, and the app that answers each."""
    leases = run_with_client(lambda client: collect_rows(client.numbers.search_leases(), limit, output))

    def columns(lease: OpentactLease) -> Sequence[object]:
        name = getattr(lease.sip_control_app, "name", "")
        return lease.number, lease.uuid, "renewed" if lease.autorenew else "", name or lease.app_uuid

    print_records(leases, columns, output)


@messages_app.command(
    "send", epilog='Example: callflows opentact messages send +12015550999 "Come in." --from +12015550123'
)
def send_message_command(
    to: Annotated[str, typer.Argument(help="The recipient.")],
    text: Annotated[str, typer.Argument(help=f"The text, 1 to {MAX_SMS_CHARACTERS} characters.")],
    sender: Annotated[str, typer.Option("--from", help="The sender: a number of the account.")],
    yes: YES_OPTION = False,  # noqa: FBT002 - an option
    output: TABLE_FORMAT_OPTION = TableFormat.text,
) -> None:
    """Send a text message."""
    from callflows.errors import OpentactError
    from callflows.opentact.messages_api import validate_sms_text

    to, sender = parse_number_argument(to), parse_number_argument(sender)
    try:
        validate_sms_text(text)
    except OpentactError as error:
        exit_with_notice(f"callflows: {error}", 2)
    confirm_plan(
        [f"send {len(text)} characters from {sender} to {to}:", *(f"  {line}" for line in text.splitlines())],
        is_confirmed=yes,
    )
    sent = run_with_client(lambda client: client.messages.send_message(sender, to, text))
    print_records([sent], lambda message: ("sent", message.uuid, message.state), output)


class MessageDirectionOption(StrEnum):
    """Direction of messages."""

    received = "in"
    sent = "out"


@messages_app.command("list", epilog="Example: callflows opentact messages list --direction in --limit 10")
def list_messages_command(
    direction: Annotated[
        MessageDirectionOption | None, typer.Option(help="in for received messages, out for sent ones. Default: both.")
    ] = None,
    limit: ROW_LIMIT_OPTION = None,
    output: TABLE_FORMAT_OPTION = TableFormat.text,
) -> None:
    """List text messages, newest first."""
    which: Literal["", "in", "out"] = "" if direction is None else direction.value

    def columns(message: MessageEntity) -> Sequence[object]:
        at = message.created_at.isoformat(" ", "seconds") if message.created_at else ""
        return at, message.type, message.from_, message.to, message.state, message.text

    messages = run_with_client(
        lambda client: collect_rows(client.messages.search_messages(which, order={"created_on": "DESC"}), limit, output)
    )
    print_records(messages, columns, output)
    if not messages:
        print_notice("there are no messages")


@opentact_app.command(epilog="Example: callflows opentact apps --format json")
def apps(output: TABLE_FORMAT_OPTION = TableFormat.text) -> None:
    """List the SIP Control Apps and their URLs, without the query after ?, which may contain a secret."""

    def columns(app: OpentactApp) -> Sequence[object]:
        url, asked, _ = (app.call_flow_url or "").partition("?")
        timeout = "" if app.call_flow_request_timeout is None else f"{app.call_flow_request_timeout} ms"
        active = "inactive" if app.is_active is False else ""
        return app.uuid, app.name, active, app.call_flow_method, f"{url}{asked and '?…'}", timeout

    print_records(run_with_client(lambda client: client.apps.list_all()), columns, output)


@opentact_app.command(epilog="Example: callflows opentact voices --lang en-US")
def voices(
    lang: Annotated[str, typer.Option(help="Only voices of this language, as en or en-US.")] = "",
    output: TABLE_FORMAT_OPTION = TableFormat.text,
) -> None:
    """List the voices for Say."""
    voice_records = run_with_client(lambda client: client.list_voices())
    fitting = [voice for voice in voice_records if f"{voice.code}-".lower().startswith(f"{lang}-".lower() if lang else "")]

    def columns(voice: OpentactVoice) -> Sequence[object]:
        return voice.code, voice.name, voice.gender, voice.type

    print_records(fitting, columns, output)


_BATCH_EXAMPLE = "callflows opentact batch +12015550999 --flow reminder --profile UUID --from +12015550123"


# Calls by the platform: batches, and a document pushed to a live call.


def batch(
    phones: Annotated[list[str] | None, typer.Argument(metavar="NUMBER…", help="The numbers to call.")] = None,
    profile: Annotated[str, typer.Option(help="The id of the outbound voice profile.")] = "",
    sender: Annotated[str, typer.Option("--from", help="The caller ID: a number of the account.")] = "",
    flow: Annotated[str, typer.Option(help="The flow to play; it must be the same for every call.")] = "",
    xml: Annotated[Path | None, typer.Option(help="The XML document to play, instead of a flow.")] = None,
    file: Annotated[Path | None, typer.Option("--numbers", help="A file with one number on each line.")] = None,
    flows: FLOWS_OPTION = None,
    yes: YES_OPTION = False,  # noqa: FBT002 - an option
    output: TABLE_FORMAT_OPTION = TableFormat.text,
) -> None:
    """Call many numbers, and run a flow's static document or an XML file with each."""
    if not profile or not sender or bool(flow) == (xml is not None):
        exit_with_notice("callflows: --profile, --from, and one of --flow and --xml are needed", 2)
    settings, sender = load_command_settings(flows=flows), parse_number_argument(sender)
    document = read_xml_document(xml, settings) if xml is not None else export_static_document(flow, settings)
    called = [
        *dict.fromkeys(
            parse_number_argument(phone) for phone in [*(phones or ()), *(_read_number_lines(file) if file else ())]
        )
    ]
    if not called:
        exit_with_notice("callflows: the numbers to call are missing: write them, or name a file with --numbers", 2)
    few = ", ".join(called[:_MAX_SHOWN_NUMBERS])
    more = f" and {len(called) - _MAX_SHOWN_NUMBERS} more" if len(called) > _MAX_SHOWN_NUMBERS else ""
    lease = run_with_client(lambda client: client.numbers.get_lease(sender))
    if not lease.uuid:
        exit_with_notice(f"callflows: Opentact did not return the lease of {sender}", 1)
    plan = [f"call {len(called)} number(s) from {sender}: {few}{more}", f"each hears {flow or xml}; this costs money"]
    confirm_plan(plan, is_confirmed=yes)
    created_batch = run_with_client(
        lambda client: client.calls.call_numbers(profile, called, document.decode(), lease.uuid)
    )
    print_records(
        [created_batch], lambda record: ("batch", record.uuid, *format_record_fields(record.raw, ("type", "state"))), output
    )


opentact_app.command(epilog=f"Example: {_BATCH_EXAMPLE}")(batch)


def push(
    call: Annotated[str, typer.Argument(help="The id of a live call.")],
    file: Annotated[Path, typer.Argument(help="An XML document.")],
    flows: FLOWS_OPTION = None,
) -> None:
    """Have a live call go on with a document."""
    document = read_xml_document(file, load_command_settings(flows=flows))
    run_with_client(lambda client: client.calls.push_document(call, document))
    print(f"pushed to {call}")


opentact_app.command(epilog="Example: callflows opentact push 3b206fb6-a5b7-4d62-8a3a-02d9e1880001 transfer.xml")(push)


_MAX_SHOWN_NUMBERS: Final = 5


def export_static_document(flow: str, settings: Settings) -> bytes:
    """Return the static document of a flow; exit with code 1 if the flow cannot be static."""
    from callflows.errors import FlowFileError
    from callflows.flows.static_export import compile_static_document

    try:
        return compile_static_document(find_flow_file(flow, settings.flows), build_command_options(settings))
    except FlowFileError as error:
        exit_with_notice(str(error), 1)


def _read_number_lines(file: Path) -> list[str]:
    """Return the numbers of a file, without blank lines and ``#`` comments."""
    try:
        lines = [line.partition("#")[0].strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        exit_with_notice(f"callflows: {file}: {getattr(error, 'strerror', None) or 'it is not UTF-8'}", 2)
    return [line for line in lines if line]


def read_xml_document(file: Path, settings: Settings) -> bytes:
    """Return an XML document unchanged; exit with code 1 if Opentact would not understand it."""
    from callflows.errors import DocumentReadError
    from callflows.flows.loader.folder_loader import load_extensions
    from callflows.language import from_xml

    try:
        document = file.read_bytes()
        from_xml(document, extensions=load_extensions(settings.flows)[0])
        document.decode("utf-8")
    except OSError as error:
        exit_with_notice(f"callflows: {file}: {error.strerror}", 2)
    except UnicodeDecodeError:
        exit_with_notice(f"callflows: {file}: it is not UTF-8", 1)
    except DocumentReadError as error:
        exit_with_notice(f"{file}:{error.line}:{error.column}: {error.reason}", 1)
    return document
