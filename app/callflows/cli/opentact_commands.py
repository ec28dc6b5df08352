"""Commands of ``callflows opentact`` that do more than one call, or say more than Opentact's answer.

Each replaces the command of the same name that ``operation_commands.py`` builds, or adds one. A command that costs money or
reaches people shows its plan and asks first.
"""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from callflows.cli.campaign_commands import begin_bulk_run, call_people_one_by_one
from callflows.cli.cli_options import (
    FLOWS_OPTION,
    TableFormat,
    build_command_options,
    confirm_plan,
    exit_with_notice,
    load_command_settings,
    print_notice,
)
from callflows.cli.completion import complete_flow, complete_number
from callflows.cli.flow_commands import find_flow_file
from callflows.cli.platform_output import (
    DRY_RUN_OPTION,
    ROW_LIMIT_OPTION,
    TABLE_FORMAT_OPTION,
    YES_OPTION,
    collect_rows,
    format_record_fields,
    parse_number_argument,
    print_json,
    print_payload,
    print_records,
    print_requests,
    run_with_client,
)
from callflows.opentact.numbers_api import build_order_items
from callflows.opentact.pagination import MAX_PAGE_ROWS
from callflows.opentact.rest_operations import NUMBER_EXAMPLE, UUID_EXAMPLE
from callflows.opentact.rest_requests import build_rest_request, list_request_fields
from callflows.text import MAX_SMS_CHARACTERS, format_first_items, replace_unprintable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from callflows.campaigns.bulk_run import BulkRun
    from callflows.opentact.rest_api import Opentact
    from callflows.opentact.rest_operations import RestOperation
    from callflows.opentact.rest_records import OpentactApp, OpentactLease, OpentactRecord, OpentactVoice
    from callflows.settings import Settings
    from callflows.telephony.message_entity import MessageEntity


@dataclasses.dataclass(frozen=True, slots=True)
class WrittenCommand:
    """A command that is written by hand, and the arguments of its example."""

    run: Callable[..., None]
    example: str = ""


FEATURES_OPTION = Annotated[str, typer.Option(help="Features that the number must have, separated by commas.")]
NUMBERS_ARGUMENT = Annotated[
    list[str], typer.Argument(metavar="NUMBER…", help="Numbers, as +12015550123.", autocompletion=complete_number)
]
UUID_ARGUMENT = Annotated[str, typer.Argument(metavar="UUID", help="The id.")]


def print_planned_request(name: str, values: dict[str, Any], output: TableFormat) -> None:
    """Print the request of a call and send nothing; exit with code 1 if it cannot be built."""
    print_planned_requests(name, [values], output)


def print_planned_requests(name: str, values_of_each: Sequence[dict[str, Any]], output: TableFormat) -> None:
    """Print several requests of one call, as ``print_planned_request``."""
    from callflows.errors import OpentactError
    from callflows.opentact.operation_file import load_operation_table

    operation = load_operation_table(load_command_settings()).get_operation(name)
    try:
        print_requests([build_rest_request(operation, values) for values in values_of_each], output)
    except OpentactError as error:
        exit_with_notice(f"callflows: {error}", 1)


def _print_answer(payload: Any, text: str, output: TableFormat) -> None:  # noqa: ANN401 - JSON
    """Print Opentact's answer as JSON, or a text about it."""
    if output is TableFormat.json:
        print_json(payload)
    else:
        print(text)


# The table itself


def api(
    lost: Annotated[bool, typer.Option("--lost", help="Only calls that the documentation lost.")] = False,  # noqa: FBT002
    changed: Annotated[bool, typer.Option("--changed", help="Only calls that opentact.yaml corrects.")] = False,  # noqa: FBT002
    group: Annotated[str, typer.Option(help="Only calls of this group, as numbers.")] = "",
    output: TABLE_FORMAT_OPTION = TableFormat.text,
) -> None:
    """Print every known call of the REST API, where it is known from, and what opentact.yaml corrects."""
    from callflows.opentact.operation_file import DOCUMENTED_TABLE, load_operation_table

    table = load_operation_table(load_command_settings())
    shown = [
        operation
        for operation in table.operations.values()
        if (not group or operation.group == group)
        and (not changed or operation.name in table.changed_keys)
        and (not lost or DOCUMENTED_TABLE.get_operation(operation.name).evidence == "lost")
    ]
    if output is TableFormat.json:
        print_json([_describe_operation(operation, table.changed_keys.get(operation.name, ())) for operation in shown])
        return
    for operation in shown:
        _print_operation(operation, table.changed_keys.get(operation.name, ()), table.file)
    print_notice(f"{len(shown)} of {len(table.operations)} calls; A, D, C: see docs/opentact.md")


def _describe_operation(operation: RestOperation, changed: tuple[str, ...]) -> dict[str, Any]:
    fields = [
        {
            "name": field.name,
            "kind": field.kind,
            "place": field.place,
            "required": field.is_required,
            "example": field.example,
            "meaning": field.meaning,
            **({"choices": [*field.choices]} if field.choices else {}),
        }
        for field in operation.fields
    ]
    return {
        "name": operation.name,
        "method": operation.method,
        "path": operation.path,
        "meaning": operation.meaning,
        "evidence": operation.evidence,
        "lost": operation.is_lost,
        "alternatives": [*operation.alternatives],
        "note": operation.note,
        "effect": operation.effect,
        "answer": operation.answer,
        "fields": fields,
        "corrected": [*changed],
    }


def _print_operation(operation: RestOperation, changed: tuple[str, ...], file: str) -> None:
    request = f"{operation.method} {operation.path}" if operation.path else "lost"
    print(f"{operation.name}  [{operation.evidence}]  {request}")
    for path in operation.alternatives:
        print(f"    or {operation.method} {path}")
    fields = ", ".join(list_request_fields(field) for field in operation.fields if field.place != "path")
    lines = [operation.meaning, fields and f"fields: {fields}", operation.note and f"note: {operation.note}"]
    for line in filter(None, [*lines, changed and f"corrected in {file}: {', '.join(changed)}"]):
        print_wrapped(str(line))


def print_wrapped(text: str) -> None:
    """Print a text in lines of at most 80 characters, four characters to the right."""
    import textwrap

    print(textwrap.fill(text, 80, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False))


# Tokens


def auth(
    google_token: Annotated[str, typer.Option(help="Sign in with this token of Google.")] = "",
    dry_run: DRY_RUN_OPTION = False,  # noqa: FBT002 - an option
    output: TABLE_FORMAT_OPTION = TableFormat.text,
) -> None:
    """Get a token of about a day, by CALLFLOWS_OPENTACT_EMAIL and _PASSWORD or by a token of Google."""
    from callflows.errors import SettingsError
    from callflows.opentact import Opentact
    from callflows.opentact.operation_file import load_operation_table

    settings = load_command_settings()
    table = load_operation_table(settings)
    if dry_run:
        print_planned_request("auth", {"google_token": google_token} if google_token else {}, output)
        return
    email, password = settings.opentact_email, settings.opentact_password.get_secret_value()
    if not google_token and not (email and password):
        raise SettingsError("set CALLFLOWS_OPENTACT_EMAIL and CALLFLOWS_OPENTACT_PASSWORD, or add --google-token")

    def create_client() -> Opentact:
        if google_token:
            return Opentact(google_token=google_token, url=settings.opentact_url, table=table)
        return Opentact(email=email, password=password, url=settings.opentact_url, table=table)

    payload = run_with_client(lambda client: client.sign_in(), create_client)
    if output is TableFormat.json:
        print_json(payload)
    else:
        print_payload({name: payload.get(name) for name in ("token", "email", "role", "uuid")}, (), output)


# Numbers


def search_numbers_command(  # noqa: PLR0913, PLR0917 - an option each
    country: Annotated[str, typer.Option(help="The country, as US.")] = "US",
    state: Annotated[str, typer.Option(help="The state, as NJ.")] = "",
    city: Annotated[str, typer.Option(help="The city.")] = "",
    rate_center: Annotated[str, typer.Option(help="The rate center.")] = "",
    npa: Annotated[str, typer.Option(help="The area code, as 201.")] = "",
    pattern: Annotated[str, typer.Option(help="A pattern, as 1201555*.")] = "",
    profile: Annotated[str, typer.Option(help="The name of a TN profile.")] = "",
    features: FEATURES_OPTION = "voice,sms",
    limit: Annotated[int, typer.Option(min=1, help="Numbers at most.")] = 20,
    dry_run: DRY_RUN_OPTION = False,  # noqa: FBT002 - an option
    output: TABLE_FORMAT_OPTION = TableFormat.text,
) -> None:
    """Search numbers that can be ordered."""
    from callflows.opentact.numbers_api import NumberSearchMask, build_number_search

    mask = NumberSearchMask(
        country=country,
        state=state,
        city=city,
        rate_center=rate_center,
        npa=npa,
        pattern=pattern,
        profile=profile,
        features=split_words(features),
    )
    take = min(limit, MAX_PAGE_ROWS)
    if dry_run:
        pages = {"page": 1, "size": take, "take": take, "skip": 0}
        print_planned_request("numbers search", {**build_number_search(mask), **pages}, output)
        return
    numbers = run_with_client(
        lambda client: collect_rows(client.numbers.search_available(take=take, **mask), limit, output)
    )
    beside = ("city", "rate_center", "state", "features")
    print_records(
        numbers, lambda tn: (tn.number or tn.tn, *format_record_fields(tn.raw, beside)), output, ("number", *beside)
    )
    if not numbers:
        exit_with_notice("no number matches: leave out some conditions", 1)


def split_words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def price_numbers_command(
    numbers: NUMBERS_ARGUMENT,
    features: FEATURES_OPTION = "voice,sms",
    autorenew: Annotated[bool, typer.Option(help="Renew the numbers when their term ends.")] = True,  # noqa: FBT002 - an option
    dry_run: DRY_RUN_OPTION = False,  # noqa: FBT002 - an option
    output: TABLE_FORMAT_OPTION = TableFormat.text,
) -> None:
    """Show the price of an order; nothing is ordered."""
    values = {"items": _build_items(numbers, features, autorenew=autorenew)}
    if dry_run:
        print_planned_request("numbers price", values, output)
        return
    print_payload(run_with_client(lambda client: client.call_operation("numbers price", values)), (), output)


def _build_items(numbers: list[str], features: str, *, autorenew: bool) -> list[dict[str, Any]]:
    unique = [*dict.fromkeys(map(parse_number_argument, numbers))]
    return build_order_items(unique, split_words(features), autorenew=autorenew)


def order_numbers_command(
    numbers: NUMBERS_ARGUMENT,
    features: FEATURES_OPTION = "voice,sms",
    autorenew: Annotated[bool, typer.Option(help="Renew the numbers when their term ends.")] = True,  # noqa: FBT002 - an option
    dry_run: DRY_RUN_OPTION = False,  # noqa: FBT002 - an option
    yes: YES_OPTION = False,  # noqa: FBT002 - an option
    output: TABLE_FORMAT_OPTION = TableFormat.text,
) -> None:
    """Order numbers, which costs money. callflows opentact numbers orders show tells how an order goes on."""
    items = _build_items(numbers, features, autorenew=autorenew)
    if dry_run:
        print_planned_request("numbers order", {"items": items}, output)
        return
    renewing = "renewed until released" if autorenew else "not renewed"
    plan = [f"order +{item['tn']} for {features}, {renewing}; this costs money" for item in items]
    confirm_plan(plan, is_confirmed=yes)
    ordered = [f"+{item['tn']}" for item in items]
    order = run_with_client(
        lambda client: client.numbers.order_numbers(ordered, features=split_words(features), autorenew=autorenew)
    )
    print_records([order], lambda record: ("ordered", record.uuid, *format_record_fields(record.raw, ("state",))), output)


def release_numbers_command(
    numbers: NUMBERS_ARGUMENT,
    dry_run: DRY_RUN_OPTION = False,  # noqa: FBT002 - an option
    yes: YES_OPTION = False,  # noqa: FBT002 - an option
    output: TABLE_FORMAT_OPTION = TableFormat.text,
) -> None:
    """Release numbers. They are lost for ever."""
    released = [*dict.fromkeys(map(parse_number_argument, numbers))]
    if dry_run:
        print_planned_requests("numbers release", [{"lease": f"<the lease of {number}>"} for number in released], output)
        return

    async def fetch_leases(client: Opentact) -> list[OpentactLease]:
        return [await client.numbers.get_lease(number) for number in released]

    async def release_numbers(client: Opentact) -> None:
        for lease in leases:
            await client.numbers.release_number(lease.uuid)

    leases = run_with_client(fetch_leases)
    plan = [
        f"release {number}{f', answered by the app {lease.app_uuid}' if lease.app_uuid else ''}; others may order it then"
        for number, lease in zip(released, leases, strict=True)
    ]
    confirm_plan(plan, is_confirmed=yes)
    run_with_client(release_numbers)
    _print_answer([lease.raw for lease in leases], "\n".join(f"released {number}" for number in released), output)


def list_numbers_command(
    limit: ROW_LIMIT_OPTION = None,
    app: Annotated[str, typer.Option(metavar="UUID", help="Only the numbers of this app.")] = "",
    dry_run: DRY_RUN_OPTION = False,  # noqa: FBT002 - an option
    output: TABLE_FORMAT_OPTION = TableFormat.text,
) -> None:
    """List the account's numbers, the app that answers each, and whether they text."""
    masks: dict[str, Any] = {"sip_control_app": app} if app else {}
    if dry_run:
        print_planned_request("numbers list", {**masks, "take": MAX_PAGE_ROWS, "skip": 0}, output)
        return
    leases = run_with_client(lambda client: collect_rows(client.numbers.search_leases(**masks), limit, output))

    def columns(lease: OpentactLease) -> Sequence[object]:
        name = getattr(lease.sip_control_app, "name", "")
        texts = "texts" if lease.messaging.profile_uuid else ""
        return lease.number, lease.uuid, "renewed" if lease.autorenew else "", texts, name or lease.app_uuid

    print_records(leases, columns, output, ("number", "lease", "term", "texts", "app"))


# Messages


def send_message_command(
    to: Annotated[str, typer.Argument(help="The recipient.")],
    text: Annotated[str, typer.Argument(help=f"The text, 1 to {MAX_SMS_CHARACTERS} characters.")],
    sender: Annotated[
        str, typer.Option("--from", help="The sender: a number of the account.", autocompletion=complete_number)
    ],
    callback: Annotated[str, typer.Option(metavar="URL", help="The URL that is told the states of the message.")] = "",
    dry_run: DRY_RUN_OPTION = False,  # noqa: FBT002 - an option
    yes: YES_OPTION = False,  # noqa: FBT002 - an option
    output: TABLE_FORMAT_OPTION = TableFormat.text,
) -> None:
    """Send a text message."""
    from callflows.errors import OpentactError
    from callflows.opentact.messages_api import validate_sms_text

    to, sender = parse_number_argument(to), parse_number_argument(sender)
    fields = {"custom_callback_url": callback} if callback else {}
    try:
        validate_sms_text(text)
    except OpentactError as error:
        exit_with_notice(f"callflows: {error}", 2)
    if dry_run:
        print_planned_request("messages send", {"from": sender, "to": to, "message": text, **fields}, output)
        return
    confirm_plan(
        [f"send {len(text)} characters from {sender} to {to}:", *(f"  {line}" for line in text.splitlines())],
        is_confirmed=yes,
    )
    sent = run_with_client(lambda client: client.messages.send_message(sender, to, text, **fields))
    print_records([sent], lambda message: ("sent", message.uuid, message.state), output)


class MessageDirectionOption(StrEnum):
    """Direction of messages."""

    received = "in"
    sent = "out"


def list_messages_command(
    direction: Annotated[
        MessageDirectionOption | None, typer.Option(help="in for received messages, out for sent ones. Default: both.")
    ] = None,
    limit: ROW_LIMIT_OPTION = None,
    dry_run: DRY_RUN_OPTION = False,  # noqa: FBT002 - an option
    output: TABLE_FORMAT_OPTION = TableFormat.text,
) -> None:
    """List text messages, newest first."""
    from callflows.opentact.messages_api import MESSAGE_SEARCHES

    which: Literal["", "in", "out"] = "" if direction is None else direction.value
    order = {"created_on": "DESC"}
    if dry_run:
        print_planned_request(MESSAGE_SEARCHES[which], {"order": order, "take": MAX_PAGE_ROWS, "skip": 0}, output)
        return

    def columns(message: MessageEntity) -> Sequence[object]:
        at = message.created_at.strftime("%Y-%m-%d %H:%M") if message.created_at else ""
        return at, message.type, message.from_, message.to, message.state, message.text

    messages = run_with_client(
        lambda client: collect_rows(client.messages.search_messages(which, order=order), limit, output)
    )
    print_records(messages, columns, output, ("time", "type", "from", "to", "state", "text"))
    if not messages:
        print_notice("there are no messages")


def show_delivery_command(
    uuid: Annotated[str, typer.Argument(metavar="UUID", help="The id of a sent message.")],
    dry_run: DRY_RUN_OPTION = False,  # noqa: FBT002 - an option
    output: TABLE_FORMAT_OPTION = TableFormat.text,
) -> None:
    """Tell whether a sent message was delivered. Exit 1: it failed, or is not delivered yet."""
    if dry_run:
        print_planned_request("messages outbound show", {"uuid": uuid}, output)
        return
    payload = run_with_client(lambda client: client.call_operation("messages outbound show", {"uuid": uuid}))
    message = payload if isinstance(payload, dict) else {}
    is_delivered = message.get("delivered") is True
    if output is TableFormat.json:
        print_json({name: message.get(name) for name in ("uuid", "state", "delivered", "reason", "modified_on")})
    else:
        reason = f": {message['reason']}" if message.get("reason") and not is_delivered else ""
        state = replace_unprintable(f"{message.get('state') or 'state unknown'}{reason}", allowed="\n\t")
        print(f"{'delivered' if is_delivered else 'not delivered'} ({state})")
    raise typer.Exit(0 if is_delivered else 1)


# Apps, connections and voices


def list_apps_command(
    dry_run: DRY_RUN_OPTION = False,  # noqa: FBT002 - an option
    output: TABLE_FORMAT_OPTION = TableFormat.text,
) -> None:
    """List the SIP Control Apps and their URLs, without the query after ?, which may contain a secret."""
    if dry_run:
        print_planned_request("apps list", {}, output)
        return

    def columns(app: OpentactApp) -> Sequence[object]:
        url, asked, _ = (app.call_flow_url or "").partition("?")
        timeout = "" if app.call_flow_request_timeout is None else f"{app.call_flow_request_timeout} ms"
        active = "inactive" if app.is_active is False else ""
        return app.uuid, app.name, active, app.call_flow_method, f"{url}{asked and '?…'}", timeout

    headings = ("app", "name", "active", "method", "url", "timeout")
    print_records(run_with_client(lambda client: client.apps.list_all()), columns, output, headings)


def make_assignment_command(group: Literal["apps", "connections"], field: Literal["add", "remove"]) -> WrittenCommand:
    """Return the command that gives numbers to an app or a SIP connection, or takes them from it."""
    thing = "an app" if group == "apps" else "a SIP connection"

    def change_numbers(
        uuid: UUID_ARGUMENT,
        numbers: NUMBERS_ARGUMENT,
        dry_run: DRY_RUN_OPTION = False,  # noqa: FBT002 - an option
        yes: YES_OPTION = False,  # noqa: FBT002 - an option
        output: TABLE_FORMAT_OPTION = TableFormat.text,
    ) -> None:
        named = [*dict.fromkeys(map(parse_number_argument, numbers))]
        name = f"{group} numbers change"
        if dry_run:
            print_planned_request(name, {"uuid": uuid, field: [f"<the lease of {number}>" for number in named]}, output)
            return
        if field == "remove":
            confirm_plan([f"take {number} from {uuid}: nobody answers it then" for number in named], is_confirmed=yes)

        async def send_request(client: Opentact) -> Any:  # noqa: ANN401 - JSON
            leases = [(await client.numbers.get_lease(number)).uuid for number in named]
            return await client.call_operation(name, {"uuid": uuid, field: leases})

        payload = run_with_client(send_request)
        _print_answer(payload, "\n".join(f"{'gave' if field == 'add' else 'took'} {number}" for number in named), output)

    change_numbers.__doc__ = f"Give numbers to {thing}." if field == "add" else f"Take numbers from {thing}."
    return WrittenCommand(change_numbers, f"{UUID_EXAMPLE} +{NUMBER_EXAMPLE}")


def list_voices_command(
    lang: Annotated[str, typer.Option(help="Only voices of this language, as en or en-US.")] = "",
    dry_run: DRY_RUN_OPTION = False,  # noqa: FBT002 - an option
    output: TABLE_FORMAT_OPTION = TableFormat.text,
) -> None:
    """List the voices for Say."""
    if dry_run:
        print_planned_request("voices", {}, output)
        return
    voice_records = run_with_client(lambda client: client.list_voices())
    fitting = [voice for voice in voice_records if f"{voice.code}-".lower().startswith(f"{lang}-".lower() if lang else "")]

    def columns(voice: OpentactVoice) -> Sequence[object]:
        return voice.code, voice.name, voice.gender, voice.type

    print_records(fitting, columns, output, ("language", "name", "gender", "type"))


# Calls by the platform: batches, and a document pushed to a live call.


def call_bulk_command(  # noqa: PLR0913, PLR0917 - an option each
    phones: Annotated[list[str] | None, typer.Argument(metavar="NUMBER…", help="The numbers to call.")] = None,
    profile: Annotated[str, typer.Option(help="The id of the outbound voice profile.")] = "",
    sender: Annotated[
        str, typer.Option("--from", help="The caller ID: a number of the account.", autocompletion=complete_number)
    ] = "",
    flow: Annotated[str, typer.Option(help="The flow to run with each.", autocompletion=complete_flow)] = "",
    xml: Annotated[Path | None, typer.Option(help="The XML document to play, instead of a flow.")] = None,
    file: Annotated[Path | None, typer.Option("--numbers", help="A file with one number on each line.")] = None,
    flows: FLOWS_OPTION = None,
    again: Annotated[  # noqa: FBT002 - an option
        bool, typer.Option("--again", help="Call those again, too, whom the same command called before it failed.")
    ] = False,
    dry_run: DRY_RUN_OPTION = False,  # noqa: FBT002 - an option
    yes: YES_OPTION = False,  # noqa: FBT002 - an option
    output: TABLE_FORMAT_OPTION = TableFormat.text,
) -> None:
    """Call many numbers, and run a flow or an XML file with each.

    A flow that depends on the call is run by this server: each call asks for it, with the columns of the file as values.
    Nobody is called who wants no calls, and no number that DIAL_REGIONS forbids. After a failure the same command calls
    the others.
    """
    if not profile or not sender or bool(flow) == (xml is not None):
        exit_with_notice("callflows: --profile, --from, and one of --flow and --xml are needed", 2)
    settings, sender = load_command_settings(flows=flows), parse_number_argument(sender)
    if xml is None and settings.public_url and _depends_on_call(flow, settings):
        people, name = _read_called_people(phones or (), file), find_flow_file(flow, settings.flows).stem
        with begin_bulk_run(
            [name, sender, profile], [number for number, _ in people], settings, again=again, dry_run=dry_run
        ) as bulk:
            numbers_to_call = frozenset(bulk.numbers)
            people = [(number, values) for number, values in people if number in numbers_to_call]
            call_people_one_by_one(people, bulk.run, name, sender, profile, settings, output, is_confirmed=yes)
        return
    document = read_xml_document(xml, settings) if xml is not None else export_static_document(flow, settings)
    called = [
        *dict.fromkeys(
            parse_number_argument(phone) for phone in [*(phones or ()), *(_read_number_lines(file) if file else ())]
        )
    ]
    with begin_bulk_run([document.decode(), sender, profile], called, settings, again=again, dry_run=dry_run) as bulk:
        if bulk.run is None:
            values = {"outbound_voice_profile": profile, "phones": bulk.numbers, "xml": document.decode()}
            print_planned_request("calls bulk", {**values, "tn_lease": f"<the lease of {sender}>"}, output)
            return
        _call_in_one_batch(bulk.run, bulk.numbers, sender, profile, document, f"{flow or xml}", output, is_confirmed=yes)


def _call_in_one_batch(
    run: BulkRun,
    called: list[str],
    sender: str,
    profile: str,
    document: bytes,
    played: str,
    output: TableFormat,
    *,
    is_confirmed: bool,
) -> None:
    """Have Opentact call numbers with one document."""
    lease = run_with_client(lambda client: client.numbers.get_lease(sender))
    if not lease.uuid:
        exit_with_notice(f"callflows: Opentact did not return the lease of {sender}", 1)
    plan = [
        f"call {len(called)} number(s) from {sender}: {format_first_items(called)}",
        f"each hears {played}; this costs money",
    ]
    confirm_plan(plan, is_confirmed=is_confirmed)

    async def call_all(client: Opentact) -> OpentactRecord:
        with run.claim_numbers(called):
            return await client.calls.call_numbers(profile, called, document.decode(), lease.uuid)

    created_batch = run_with_client(call_all)
    run.finish()
    print_records(
        [created_batch], lambda record: ("batch", record.uuid, *format_record_fields(record.raw, ("type", "state"))), output
    )


def push_document_command(
    call: Annotated[str, typer.Argument(help="The id of a live call.")],
    file: Annotated[Path, typer.Argument(help="An XML document.")],
    flows: FLOWS_OPTION = None,
    dry_run: DRY_RUN_OPTION = False,  # noqa: FBT002 - an option
    output: TABLE_FORMAT_OPTION = TableFormat.text,
) -> None:
    """Have a live call go on with a document."""
    document = read_xml_document(file, load_command_settings(flows=flows))
    if dry_run:
        print_planned_request("calls push", {"uuid": call, "file": document}, output)
        return
    payload = run_with_client(lambda client: client.calls.push_document(call, document))
    _print_answer(payload, f"pushed to {call}", output)


# Lists of callers


class ListColorOption(StrEnum):
    """Black- or whitelist."""

    black = "black"
    white = "white"


def push_list_command(
    flow: Annotated[str, typer.Argument(help="The flow, by its name.", autocompletion=complete_flow)],
    name: Annotated[str, typer.Argument(metavar="LIST", help="The caller list of the flow.")],
    profile: Annotated[str, typer.Option(metavar="UUID", help="The TN profile.")],
    color: Annotated[ListColorOption, typer.Option("--to", help="The list at Opentact.")] = ListColorOption.black,
    flows: FLOWS_OPTION = None,
    dry_run: DRY_RUN_OPTION = False,  # noqa: FBT002 - an option
    yes: YES_OPTION = False,  # noqa: FBT002 - an option
    output: TABLE_FORMAT_OPTION = TableFormat.text,
) -> None:
    """Put the numbers of a flow's caller list on the black- or whitelist of a TN profile."""
    settings = load_command_settings(flows=flows)
    numbers = read_flow_list(flow, name, settings)
    if not numbers:
        exit_with_notice(f"callflows: {flow}: the list {name!r} has no whole number", 1)
    operation = f"lists {color.value} add"
    if dry_run:
        print_planned_requests(operation, [{"profile": profile, "phone": number} for number in numbers], output)
        return
    confirm_plan([f"put {len(numbers)} number(s) of {flow} on the {color.value}list of {profile}"], is_confirmed=yes)

    async def send_numbers(client: Opentact) -> list[Any]:
        return [await client.call_operation(operation, {"profile": profile, "phone": number}) for number in numbers]

    answers = run_with_client(send_numbers)
    _print_answer(answers, f"put {len(answers)} number(s) on the {color.value}list", output)


def read_flow_list(flow: str, name: str, settings: Settings) -> list[str]:
    """Return the whole numbers of a flow's caller list; exit with code 2 if there is no such list."""
    from callflows.flows.caller_lists.caller_list_reader import read_caller_list
    from callflows.flows.loader.folder_loader import read_bounded_file
    from callflows.flows.source.flow_file import read_flow_file
    from callflows.flows.source.positions import ProblemReport
    from callflows.opentact.backoff import get_utc_now

    file = find_flow_file(flow, settings.flows)
    report = ProblemReport(str(file))
    flow_file = read_flow_file(read_bounded_file(file), report) if file.suffix != ".py" else None
    lists = flow_file.lists if flow_file is not None else {}
    if name not in lists:
        exit_with_notice(f"callflows: {flow} has no list {name!r}; there are {', '.join(lists) or 'none'}", 2)
    now = get_utc_now()
    caller_list = read_caller_list(name, file.parent / lists[name], report, ("lists", name), now)
    if report.has_errors:
        exit_with_notice("\n".join(str(problem) for problem in report.problems if problem.severity == "error"), 1)
    if caller_list.prefixes or caller_list.anonymous_row:
        print_notice("prefixes and anonymous callers stay with the flow: Opentact's list has whole numbers")
    return [f"+{number}" for number, row in caller_list.numbers.items() if row.applies_at(now, None)]


def export_static_document(flow: str, settings: Settings) -> bytes:
    """Return the static document of a flow; exit with code 1 if the flow cannot be static."""
    from callflows.errors import FlowFileError
    from callflows.flows.static_export import compile_static_document

    try:
        return compile_static_document(find_flow_file(flow, settings.flows), build_command_options(settings))
    except FlowFileError as error:
        exit_with_notice(str(error), 1)


def _depends_on_call(flow: str, settings: Settings) -> bool:
    """Return True if a flow without errors has no static document."""
    from callflows.errors import FlowFileError
    from callflows.flows.static_export import compile_static_document

    try:
        compile_static_document(find_flow_file(flow, settings.flows), build_command_options(settings))
    except FlowFileError as error:
        return all(problem.rule == "not-static" for problem in error.problems)
    return False


def _read_called_people(phones: Sequence[str], file: Path | None) -> list[tuple[str, Mapping[str, str]]]:
    """Return numbers with the values of their rows."""
    from callflows.campaigns.contact_list import read_contact_list

    people: dict[str, Mapping[str, str]] = {parse_number_argument(phone): {} for phone in phones}
    if file is not None:
        listed = read_contact_list(file)
        for problem in listed.problems:
            print_notice(problem)
        people |= {contact.number: contact.values for contact in listed.contacts}
    return [*people.items()]


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


WRITTEN_COMMANDS: Final[dict[str, WrittenCommand]] = {
    "api": WrittenCommand(api, "--lost"),
    "auth": WrittenCommand(auth, "--google-token ya29.example"),
    "numbers search": WrittenCommand(search_numbers_command, "--state NJ --npa 201 --limit 5"),
    "numbers price": WrittenCommand(price_numbers_command, "+12015550123"),
    "numbers order": WrittenCommand(order_numbers_command, "+12015550123"),
    "numbers release": WrittenCommand(release_numbers_command, "+12015550123"),
    "numbers list": WrittenCommand(list_numbers_command, "--format json"),
    "messages send": WrittenCommand(send_message_command, '+12015550999 "We are open." --from +12015550123'),
    "messages list": WrittenCommand(list_messages_command, "--direction in --limit 10"),
    "messages delivery": WrittenCommand(show_delivery_command, UUID_EXAMPLE),
    "apps list": WrittenCommand(list_apps_command, "--format json"),
    "apps assign": make_assignment_command("apps", "add"),
    "apps remove": make_assignment_command("apps", "remove"),
    "connections assign": make_assignment_command("connections", "add"),
    "connections remove": make_assignment_command("connections", "remove"),
    "voices": WrittenCommand(list_voices_command, "--lang en-US"),
    "calls bulk": WrittenCommand(
        call_bulk_command, f"+12015550999 --flow reminder --profile {UUID_EXAMPLE} --from +12015550123"
    ),
    "calls push": WrittenCommand(push_document_command, f"{UUID_EXAMPLE} document.xml"),
    "lists push": WrittenCommand(push_list_command, f"front-desk blocked --profile {UUID_EXAMPLE}"),
}
"""Commands written by hand, by their words after ``callflows opentact``."""
