"""Calls by the platform: many at once, and a document for one that is live. Mounted by ``opentact``."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads it
from typing import TYPE_CHECKING, Annotated, Final

import typer

from app.cli.asking import (
    TABLE_FORMAT_OPTION,
    YES_OPTION,
    format_record_fields,
    parse_number_argument,
    print_records,
    run_with_client,
)
from app.cli.flows import find_flow_file
from app.cli.given import (
    FLOWS_OPTION,
    TableFormat,
    build_command_options,
    confirm_plan,
    exit_with_notice,
    load_command_settings,
)

if TYPE_CHECKING:
    from app.settings import Settings

_MAX_SHOWN_NUMBERS: Final = 5


def batch(
    phones: Annotated[list[str] | None, typer.Argument(metavar="NUMBER…", help="Whom to call.")] = None,
    profile: Annotated[str, typer.Option(help="The id of the outbound voice profile.")] = "",
    sender: Annotated[str, typer.Option("--from", help="The number of the account that they see.")] = "",
    flow: Annotated[str, typer.Option(help="A flow that can be one static document.")] = "",
    xml: Annotated[Path | None, typer.Option(help="Or an XML document.")] = None,
    file: Annotated[Path | None, typer.Option("--numbers", help="A file of numbers, one a line.")] = None,
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
        exit_with_notice("callflows: whom to call? Name numbers, or a file of them by --numbers", 2)
    few = ", ".join(called[:_MAX_SHOWN_NUMBERS])
    more = f" and {len(called) - _MAX_SHOWN_NUMBERS} more" if len(called) > _MAX_SHOWN_NUMBERS else ""
    lease = run_with_client(lambda client: client.numbers.get_lease(sender))
    if not lease.uuid:
        exit_with_notice(f"callflows: Opentact does not say which lease {sender} has", 1)
    plan = [f"call {len(called)} number(s) from {sender}: {few}{more}", f"each hears {flow or xml}; this costs money"]
    confirm_plan(plan, is_confirmed=yes)
    made = run_with_client(
        lambda client: client.outbound_calls.call_numbers(profile, called, document.decode(), lease.uuid)
    )
    print_records(
        [made], lambda record: ("batch", record.uuid, *format_record_fields(record.raw, ("type", "state"))), output
    )


def export_static_document(flow: str, settings: Settings) -> bytes:
    """A flow's static document; exit 1 where it cannot be one."""
    from app.errors import FlowFileError
    from app.flows.export import compile_static_document

    try:
        return compile_static_document(find_flow_file(flow, settings.flows), build_command_options(settings))
    except FlowFileError as error:
        exit_with_notice(str(error), 1)


def _read_number_lines(file: Path) -> list[str]:
    """The numbers of a file; blank lines and what follows ``#`` are none."""
    try:
        lines = [line.partition("#")[0].strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        exit_with_notice(f"callflows: {file}: {getattr(error, 'strerror', None) or 'it is not UTF-8'}", 2)
    return [line for line in lines if line]


def read_xml_document(file: Path, settings: Settings) -> bytes:
    """An XML document as it stands in its file; exit 1 where Opentact would not understand it."""
    from app.errors import DocumentReadError
    from app.flows.loader import load_extensions
    from app.language import from_xml

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


def push(
    call: Annotated[str, typer.Argument(help="The id of a live call.")],
    file: Annotated[Path, typer.Argument(help="An XML document.")],
    flows: FLOWS_OPTION = None,
) -> None:
    """Have a live call go on with a document."""
    document = read_xml_document(file, load_command_settings(flows=flows))
    run_with_client(lambda client: client.calls.push_document(call, document))
    print(f"pushed to {call}")
