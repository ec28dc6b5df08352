"""Calls by the platform: many at once, and a document for one that is live. Mounted by ``opentact``."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads it
from typing import TYPE_CHECKING, Annotated, Final

import typer

from app.cli.asking import FORMAT, YES, ask, number_of, show_records, told
from app.cli.flows import file_of
from app.cli.given import FLOWS, TableFormat, confirm, fail, options_of, settings_of

if TYPE_CHECKING:
    from app.settings import Settings

_SHOWN: Final = 5


def batch(
    phones: Annotated[list[str] | None, typer.Argument(metavar="NUMBER…", help="Whom to call.")] = None,
    profile: Annotated[str, typer.Option(help="The id of the outbound voice profile.")] = "",
    sender: Annotated[str, typer.Option("--from", help="The number of the account that they see.")] = "",
    flow: Annotated[str, typer.Option(help="A flow that can be one static document.")] = "",
    xml: Annotated[Path | None, typer.Option(help="Or an XML document.")] = None,
    file: Annotated[Path | None, typer.Option("--numbers", help="A file of numbers, one a line.")] = None,
    flows: FLOWS = None,
    yes: YES = False,  # noqa: FBT002 - an option
    output: FORMAT = TableFormat.text,
) -> None:
    """Call many numbers, and run a flow's static document or an XML file with each."""
    if not profile or not sender or bool(flow) == (xml is not None):
        fail("callflows: --profile, --from, and one of --flow and --xml are needed", 2)
    settings, sender = settings_of(flows=flows), number_of(sender)
    document = document_of(xml, settings) if xml is not None else _exported(flow, settings)
    called = [*dict.fromkeys(number_of(phone) for phone in [*(phones or ()), *(_lines(file) if file else ())])]
    if not called:
        fail("callflows: whom to call? Name numbers, or a file of them by --numbers", 2)
    few = ", ".join(called[:_SHOWN])
    more = f" and {len(called) - _SHOWN} more" if len(called) > _SHOWN else ""
    lease = ask(lambda client: client.numbers.get(sender))
    if not lease.uuid:
        fail(f"callflows: Opentact does not say which lease {sender} has", 1)
    plan = [f"call {len(called)} number(s) from {sender}: {few}{more}", f"each hears {flow or xml}; this costs money"]
    confirm(plan, yes=yes)
    made = ask(lambda client: client.dialling.batch(profile, called, document.decode(), lease.uuid))
    show_records([made], lambda record: ("batch", record.uuid, *told(record.said, ("type", "state"))), output)


def _exported(flow: str, settings: Settings) -> bytes:
    from app.errors import FlowError
    from app.flows.export import export

    try:
        return export(file_of(flow, settings.flows), options_of(settings))
    except FlowError as error:
        fail(str(error), 1)


def _lines(file: Path) -> list[str]:
    """The numbers of a file; blank lines and what follows ``#`` are none."""
    try:
        lines = [line.partition("#")[0].strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        fail(f"callflows: {file}: {getattr(error, 'strerror', None) or 'it is not UTF-8'}", 2)
    return [line for line in lines if line]


def document_of(file: Path, settings: Settings) -> bytes:
    """An XML document as it stands in its file; exit 1 where Opentact would not understand it."""
    from app.errors import DocumentError
    from app.flows.loader import declared
    from app.language import from_xml

    try:
        document = file.read_bytes()
        from_xml(document, extensions=declared(settings.flows)[0])
        document.decode("utf-8")
    except OSError as error:
        fail(f"callflows: {file}: {error.strerror}", 2)
    except UnicodeDecodeError:
        fail(f"callflows: {file}: it is not UTF-8", 1)
    except DocumentError as error:
        fail(f"{file}:{error.line}:{error.column}: {error.reason}", 1)
    return document


def push(
    call: Annotated[str, typer.Argument(help="The id of a live call.")],
    file: Annotated[Path, typer.Argument(help="An XML document.")],
    flows: FLOWS = None,
) -> None:
    """Have a live call go on with a document."""
    document = document_of(file, settings_of(flows=flows))
    ask(lambda client: client.calls.push(call, document))
    print(f"pushed to {call}")
