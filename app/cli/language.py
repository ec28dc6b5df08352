"""The commands of the language: its reference, its schemas, its two dialects. Mounted by ``commands``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path  # noqa: TC003 - typer reads it
from typing import Annotated

import typer

from app.cli.given import FLOWS, TableFormat, fail, say, settings_of


class DialectName(StrEnum):
    """The two dialects."""

    reference = "reference"
    classic = "classic"


def verbs(
    verb: Annotated[str | None, typer.Argument(help="A verb, as Say or record_start.")] = None,
    output: Annotated[TableFormat, typer.Option("--format", help="How rows are shown.")] = TableFormat.text,
) -> None:
    """Show the language's reference: every verb, or one with its attributes, evidence and dialects."""
    import json

    from app.language.reference import overview, page

    if verb is not None:
        print(page(verb))
    elif output is TableFormat.json:
        print(json.dumps([row._asdict() for row in overview()], indent=2))
    else:
        for row in overview():
            print(f"{row.name:<12} {', '.join(row.dialects):<20} {row.evidence:<11} {row.says}")


schema = typer.Typer(help="Print schemas.", no_args_is_help=True)


@schema.command("xml", epilog="Example: callflows schema xml --dialect classic > classic.xsd")
def schema_xml(
    flows: FLOWS = None,
    dialect: Annotated[DialectName | None, typer.Option(help="The dialect; else that of the settings.")] = None,
) -> None:
    """Print the XML Schema of a dialect; on standard error what XSD 1.0 cannot say of it."""
    from app.flows.loader import declared
    from app.language.reference import UNSAYABLE, xsd

    settings = settings_of(flows=flows, dialect=dialect and dialect.value)
    extensions, problems = declared(settings.flows)
    print(xsd(settings.dialect, extensions))
    say("XSD 1.0 cannot say, and `callflows check FILE.xml` does:")
    for line in [*UNSAYABLE, *map(str, problems)]:
        say(f"- {line}")


@schema.command("flow", epilog="Example: callflows schema flow > callflows.schema.json")
def schema_flow(flows: FLOWS = None) -> None:
    """Print the JSON Schema of flow files, for editors; on standard error what JSON Schema cannot say of them."""
    import json

    from app.flows.loader import declared
    from app.flows.schema.files import UNSAYABLE, flow_schema

    extensions, problems = declared(settings_of(flows=flows).flows)
    print(json.dumps(flow_schema(extensions), indent=1))
    say("JSON Schema cannot say, and `callflows check` does:")
    for line in [*UNSAYABLE, *map(str, problems)]:
        say(f"- {line}")


def convert(
    file: Annotated[Path, typer.Argument(help="An XML document in either dialect.")],
    dialect: Annotated[DialectName, typer.Option(help="The dialect to write.")],
    flows: FLOWS = None,
) -> None:
    """Write a document in the other dialect; refused, with the reason, rather than losing anything."""
    from app.errors import DialectError, DocumentError
    from app.flows.loader import declared
    from app.language import from_xml, to_xml

    extensions, _ = declared(settings_of(flows=flows).flows)
    try:
        document = to_xml(from_xml(file.read_bytes(), extensions=extensions), dialect.value, extensions=extensions)
    except OSError as error:
        fail(f"{file}: {error.strerror}", 2)
    except DocumentError as error:
        fail(f"{file}:{error.line}:{error.column}: {error.reason}", 1)
    except DialectError as error:
        fail(f"{file}: {error}", 1)
    print(document.decode())
