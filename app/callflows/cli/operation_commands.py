"""Commands built from the operation table: one for each call of Opentact's REST API.

A command written by hand (``opentact_commands.py``) replaces the built one of the same name.
"""

from __future__ import annotations

import inspect
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from callflows.cli.cli_options import TableFormat, confirm_plan, exit_with_notice, load_command_settings, print_notice
from callflows.cli.command_groups import CommandGroup
from callflows.cli.platform_output import (
    DRY_RUN_OPTION,
    ROW_LIMIT_OPTION,
    TABLE_FORMAT_OPTION,
    YES_OPTION,
    collect_rows,
    print_payload,
    print_raw_rows,
    print_requests,
    run_with_client,
)
from callflows.errors import OpentactError, OpentactUndocumentedError, SettingsError
from callflows.opentact.operation_fields import parse_field_text, parse_written_number
from callflows.opentact.operation_file import DOCUMENTED_TABLE, OperationTable, load_operation_table
from callflows.opentact.rest_requests import build_rest_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from callflows.opentact import Opentact
    from callflows.opentact.operation_fields import RestField
    from callflows.opentact.rest_operations import RestOperation


GROUP_HELP: Final = {
    "account": "The account, its balance events and office hours.",
    "account hours": "The office hours of the account.",
    "apps": "SIP Control Apps: URLs, numbers, documents, calls and logs.",
    "apps calls": "The calls of apps.",
    "apps document": "The static document of an app.",
    "apps numbers": "The numbers of an app.",
    "calls": "Search, show, make, bridge and continue calls.",
    "connections": "SIP connections to your own systems.",
    "connections numbers": "The numbers of a SIP connection.",
    "domains": "SIP domains.",
    "invites": "Invitations of SIP users.",
    "lists": "Black- and whitelists of TN profiles.",
    "lists black": "The blacklist of a TN profile.",
    "lists white": "The whitelist of a TN profile.",
    "messages": "Send and list text messages.",
    "messages inbound": "Received messages.",
    "messages outbound": "Sent messages.",
    "numbers": "Search, order, list, change and release numbers.",
    "numbers orders": "Orders of numbers.",
    "numbers places": "Places for a search.",
    "numbers sms": "Texts of a number.",
    "profiles": "TN profiles, messaging profiles and outbound voice profiles.",
    "profiles messaging": "Messaging profiles.",
    "profiles tn": "TN profiles.",
    "profiles voice": "Outbound voice profiles.",
    "rooms": "Rooms of web calls.",
    "rooms blacklist": "The blacklist of a room.",
    "rooms connections": "Web connections.",
    "rooms whitelist": "The whitelist of a room.",
    "subscriptions": "Event subscriptions.",
    "switches": "SIP switches of a domain.",
    "tokens": "API tokens.",
    "users": "SIP users of a domain.",
}
_CONFIRMED_EFFECTS: Final = ("costs money", "reaches people", "takes away")
_HIDDEN_FIELDS: Final = frozenset({"take", "skip", "page", "size"})
_LEASE_LIST_FIELDS: Final = frozenset({"add", "remove"})
SET_OPTION = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A further field of the body; JSON, or a text. Repeatable."),
]


def load_commands_table() -> OperationTable:
    """Return the table for building commands; without corrections if these cannot be read.

    A command that runs reads them again, and says what is wrong.
    """
    try:
        return load_operation_table(load_command_settings())
    except SettingsError:
        return DOCUMENTED_TABLE


def list_group_names() -> list[str]:
    return sorted({*(operation.group for operation in DOCUMENTED_TABLE.operations.values()), "api"})


def build_group_command(group: str) -> Any:  # noqa: ANN401 - a command of typer
    """Return the command or the group of commands with this name; None if there is none."""
    from callflows.cli.opentact_commands import WRITTEN_COMMANDS

    table = load_commands_table()
    written = {name: command for name, command in WRITTEN_COMMANDS.items() if name.partition(" ")[0] == group}
    built = {operation.name: operation for operation in table.list_group(group)}
    names = sorted({*written, *built})
    if not names:
        return None
    root = typer.Typer(pretty_exceptions_enable=False, add_completion=False, rich_markup_mode=None)
    apps = {"": root}
    for name in names:
        *above, word = name.split(" ")
        app = _open_group(apps, above)
        if name in written:
            example = f"Example: callflows opentact {name} {written[name].example}".rstrip()
            app.command(word, epilog=example)(written[name].run)
        else:
            app.command(word, epilog=f"Example: {format_example(built[name])}")(_build_command(built[name]))
    if names == [group]:
        command = typer.main.get_command(root)
        command.name = group
        return command
    return typer.main.get_group(apps[group])


def _open_group(apps: dict[str, typer.Typer], words: list[str]) -> typer.Typer:
    """Return the app of a group, with the groups above it."""
    path = " ".join(words)
    if path not in apps:
        apps[path] = typer.Typer(
            name=words[-1], help=GROUP_HELP[path], no_args_is_help=True, cls=CommandGroup, rich_markup_mode=None
        )
        _open_group(apps, words[:-1]).add_typer(apps[path])
    return apps[path]


def format_example(operation: RestOperation) -> str:
    """Return the command line with the required values of a call, and one more of a change."""
    words = ["callflows", "opentact", *operation.name.split(" ")]
    options = [field for field in operation.fields if field.place != "path" and field.name not in _HIDDEN_FIELDS]
    shown = [field for field in options if field.is_required and field.default is None and field.place != "file"]
    if not shown and operation.effect == "changes":
        shown = [field for field in options if field.place == "body"][:1]
    words += [_format_example_value(field) for field in operation.list_fields("path")]
    words += ["document.xml" for field in operation.list_fields("file")]
    for field in shown:
        if field.kind == "boolean":
            words.append(f"--{'' if field.example else 'no-'}{_get_option_name(field)}")
        else:
            words += [f"--{_get_option_name(field)}", _format_example_value(field)]
    return shlex.join(words)


def _format_example_value(field: RestField) -> str:
    if field.kind in ("phone", "phone-integer"):
        return f"+{field.example}"
    if field.kind in ("texts", "phone-integers"):
        return ",".join(map(str, field.example))
    return json.dumps(field.example) if field.kind in ("object", "objects", "json", "order") else str(field.example)


def _get_option_name(field: RestField) -> str:
    return field.name.replace("_", "-")


def _build_command(operation: RestOperation) -> Callable[..., None]:
    """Return the function of a command, with the parameters that typer reads."""
    fields = {f"field_{index}": field for index, field in enumerate(operation.fields) if field.name not in _HIDDEN_FIELDS}

    def run_command(**arguments: Any) -> None:  # noqa: ANN401 - as typer passes them
        values = _parse_values(fields, arguments)
        more = parse_assignments(arguments.get("set_fields") or [])
        _run_operation(
            operation.name,
            values,
            more,
            output=arguments["output"],
            limit=arguments.get("limit"),
            is_dry_run=arguments["dry_run"],
            is_confirmed=arguments.get("yes", operation.effect not in _CONFIRMED_EFFECTS),
        )

    parameters = [_build_parameter(name, field) for name, field in fields.items()]
    parameters.sort(key=lambda parameter: parameter.default is not inspect.Parameter.empty)
    extra: dict[str, tuple[Any, Any]] = {}
    if operation.list_fields("body") or operation.accepts_more:
        extra["set_fields"] = (SET_OPTION, None)
    if operation.answer == "page":
        extra["limit"] = (ROW_LIMIT_OPTION, None)
    extra["dry_run"] = (DRY_RUN_OPTION, False)
    if operation.effect in _CONFIRMED_EFFECTS:
        extra["yes"] = (YES_OPTION, False)
    extra["output"] = (TABLE_FORMAT_OPTION, TableFormat.text)
    parameters += [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in extra.items()
    ]
    meaning = f"{operation.meaning[0].upper()}{operation.meaning[1:]}."
    source = f"{operation.method} {operation.path}" if operation.path else "lost: write it into opentact.yaml"
    note = f" {operation.note[0].upper()}{operation.note[1:]}." if operation.note else ""
    run_command.__doc__ = f"{meaning}\n\n{source} (evidence: {operation.evidence}).{note}"
    run_command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run_command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run_command


def _build_parameter(name: str, field: RestField) -> inspect.Parameter:
    text = f"{field.meaning[:1].upper()}{field.meaning[1:]}" if field.meaning else field.name.replace("_", " ").capitalize()
    metavar = field.name.upper()
    default: Any = inspect.Parameter.empty
    annotation: Any
    if field.place == "path":
        annotation = Annotated[str, typer.Argument(metavar=metavar, help=f"{text}.")]
    elif field.place == "file":
        annotation = Annotated[Path, typer.Argument(metavar="FILE", help=f"{text}.")]
    else:
        option = f"--{_get_option_name(field)}"
        if field.is_required and field.default is None:
            annotation = Annotated[str, typer.Option(option, metavar=field.shown_kind.upper(), help=f"{text}.")]
        elif field.kind == "boolean":
            annotation = Annotated[bool | None, typer.Option(f"{option}/--no-{option[2:]}", help=f"{text}.")]
            default = None
        else:
            annotation = Annotated[str | None, typer.Option(option, metavar=field.shown_kind.upper(), help=f"{text}.")]
            default = None
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _parse_values(fields: dict[str, RestField], arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a command line; exit with code 2 naming every wrong one."""
    values: dict[str, Any] = {}
    wrong = []
    for parameter, field in fields.items():
        value = arguments.get(parameter)
        if value is None:
            continue
        if isinstance(value, Path):
            values[field.name] = read_document_file(value)
        elif isinstance(value, bool):
            values[field.name] = value
        else:
            shown = field.name.upper() if field.place == "path" else f"--{_get_option_name(field)}"
            try:
                values[field.name] = parse_field_text(field, value)
            except ValueError as error:
                wrong.append(f"callflows: {shown}: {error}, not {value!r:.60}")
    if wrong:
        exit_with_notice("\n".join(wrong), 2)
    return values


def read_document_file(file: Path) -> bytes:
    """Return a file as it is; exit with code 2 if it cannot be read."""
    try:
        return file.read_bytes()
    except OSError as error:
        exit_with_notice(f"callflows: {file}: {error.strerror}", 2)


def parse_assignments(assignments: list[str]) -> dict[str, Any]:
    """Return the fields of ``--set``; exit with code 2 for a wrong one."""
    fields = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not name.strip() or not equals:
            exit_with_notice(f"callflows: --set: {assignment!r:.60} is no assignment: write it as name=value", 2)
        try:
            fields[name.strip()] = json.loads(text)
        except (ValueError, RecursionError):
            fields[name.strip()] = text
    return fields


def _run_operation(
    name: str,
    values: dict[str, Any],
    more: dict[str, Any],
    *,
    output: TableFormat,
    limit: int | None,
    is_dry_run: bool,
    is_confirmed: bool,
) -> None:
    table = load_operation_table(load_command_settings())
    operation = table.get_operation(name)
    numbers = _find_number_values(operation, values)
    try:
        request = build_rest_request(
            operation, {**values, **{field: _name_leases(values[field]) for field in numbers}}, more
        )
        request.fill_path()
    except OpentactUndocumentedError as error:
        exit_with_notice(f"callflows: {error}", 1)
    except OpentactError as error:
        exit_with_notice(f"callflows: {error}", 2)
    if is_dry_run:
        print_requests([request], output)
        return
    if not is_confirmed:
        shown_values = ", ".join(f"{field} {_shorten_value(value)}" for field, value in values.items())
        confirm_plan([f"{operation.meaning}{f': {shown_values}' if shown_values else ''}"], is_confirmed=False)

    async def send_request(client: Opentact) -> Any:  # noqa: ANN401 - JSON
        for field in numbers:
            values[field] = await _find_leases(client, values[field])
        if operation.answer == "page":
            return await collect_rows(client.search_rows(name, values, more), limit, output)
        return await client.call_operation(name, values, more)

    payload = run_with_client(send_request)
    if operation.answer == "page":
        print_raw_rows([record.raw for record in payload], operation.columns, output)
        if not payload and output is TableFormat.text:
            print_notice("there is nothing")
    else:
        print_payload(payload, operation.columns, output)


def _shorten_value(value: object) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return f"{text[:57]}…" if len(text) > 60 else text  # noqa: PLR2004 - a line of a terminal


def _find_number_values(operation: RestOperation, values: dict[str, Any]) -> list[str]:
    """Return the fields that ask for the id of a lease and got a number."""
    names = {field.name for field in operation.fields if field.name == "lease" and field.place == "path"}
    names |= _LEASE_LIST_FIELDS if operation.name.endswith("numbers change") else set()
    return [
        name
        for name in names & values.keys()
        if any(parse_written_number(str(value)) for value in _list_values(values[name]))
    ]


def _list_values(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _name_leases(value: object) -> Any:  # noqa: ANN401 - as the field
    named = [
        f"<the lease of {number}>" if (number := parse_written_number(str(one))) else one for one in _list_values(value)
    ]
    return named if isinstance(value, list) else named[0]


async def _find_leases(client: Opentact, value: object) -> Any:  # noqa: ANN401 - as the field
    """Return the ids of the leases of numbers; other values stay. Raises OpentactError."""
    found = []
    for one in _list_values(value):
        number = parse_written_number(str(one))
        found.append((await client.numbers.get_lease(number)).uuid if number else one)
    return found if isinstance(value, list) else found[0]
