"""Commands for the language: reference, schemas, and conversion between the dialects."""

from __future__ import annotations

import contextlib
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from callflows.cli.cli_options import FLOWS_OPTION, TableFormat, exit_with_notice, load_command_settings, print_notice
from callflows.cli.command_groups import CommandGroup


class DialectOption(StrEnum):
    """The two dialects."""

    reference = "reference"
    classic = "classic"


def verbs(
    verb: Annotated[str | None, typer.Argument(help="The name of a verb, as Say or record_start.")] = None,
    output: Annotated[TableFormat, typer.Option("--format", help="The output format.")] = TableFormat.text,
) -> None:
    """Show the language's reference: every verb, or one with its attributes, evidence and dialects."""
    import json

    from callflows.language.verb_reference import render_verb_page, summarize_elements

    if verb is not None:
        _refuse_word_of_flows(verb)
        print(render_verb_page(verb))
    elif output is TableFormat.json:
        print(json.dumps([row._asdict() for row in summarize_elements()], indent=2))
    else:
        for row in summarize_elements():
            print(f"{row.name:<12} {', '.join(row.dialects):<20} {row.evidence:<11} {row.says}")


def _refuse_word_of_flows(verb: str) -> None:
    """Exit with what a word of flow files or of other phone systems leads to, if it is no verb of Opentact."""
    from callflows.flows.source.platform_limits import find_platform_limit
    from callflows.flows.steps.step_table import FLOW_STEPS, suggest_field_step, suggest_file_key
    from callflows.language.verb_reference import is_verb_name

    if is_verb_name(verb):
        return
    if verb.strip().casefold() in FLOW_STEPS:
        exit_with_notice(f"{verb!r} is a step of flow files, not a verb of Opentact: callflows words {verb} explains it", 2)
    limit = find_platform_limit(verb)
    if limit is not None:
        exit_with_notice(f"{limit.message} ({limit.fix})", 2)
    meant = suggest_field_step(verb) or suggest_file_key(verb)
    if meant:
        exit_with_notice(f"there is no verb {verb!r}; {meant} callflows words NAME explains a step of flow files", 2)


def words(
    word: Annotated[list[str] | None, typer.Argument(help="Steps or keys of flow files, as menu or hours.")] = None,
) -> None:
    """Show the steps and keys of flow files, or some with their keys, an example, and their errors."""
    from callflows.flows.source.flow_file import FlowFile
    from callflows.flows.steps.step_table import FLOW_STEPS

    if word:
        try:
            print(_render_word_pages(word))
        except LookupError as error:
            exit_with_notice(str(error.args[0]), 2)
        return
    for name, step in FLOW_STEPS.items():
        print(f"{name:<12} {' '.join((step.__doc__ or '').partition(chr(10) + chr(10))[0].split()).replace('``', '`')}")
    print(f"\nKeys of a file: {', '.join(FlowFile.model_fields)}.")
    print("Every verb of Opentact is a step, too: callflows verbs lists them.")


def _render_word_pages(words: list[str]) -> str:
    """Return the page of a word that is written in several parts, as ``hang up``, or the pages of several words."""
    from callflows.flows.authoring.flow_reference import render_step_page

    try:
        return render_step_page(" ".join(words))
    except LookupError:
        if len(words) == 1:
            raise
        with contextlib.suppress(LookupError):
            return "\n".join(map(render_step_page, words))
        raise


schema_app = typer.Typer(cls=CommandGroup, help="Print schemas.", no_args_is_help=True)


@schema_app.command("xml", epilog="Example: callflows schema xml --dialect classic > classic.xsd")
def print_xml_schema(
    flows: FLOWS_OPTION = None,
    dialect: Annotated[DialectOption | None, typer.Option(help="The dialect. Default: the setting.")] = None,
) -> None:
    """Print the XML Schema of a dialect; standard error lists the rules that XSD 1.0 cannot express."""
    from callflows.flows.loader.folder_loader import load_extensions
    from callflows.language.verb_reference import XSD_LIMITATIONS, render_xsd

    settings = load_command_settings(flows=flows, dialect=dialect and dialect.value)
    extensions, problems = load_extensions(settings.flows)
    print(render_xsd(settings.dialect, extensions))
    print_notice("XSD 1.0 cannot express these rules; `callflows check FILE.xml` checks them:")
    for line in [*XSD_LIMITATIONS, *map(str, problems)]:
        print_notice(f"- {line}")


@schema_app.command("flow", epilog="Example: callflows schema flow > callflows.schema.json")
def print_flow_schema(flows: FLOWS_OPTION = None) -> None:
    """Print the JSON Schema of flow files, for editors; standard error lists the rules that JSON Schema cannot express."""
    import json

    from callflows.flows.authoring.flow_schema import SCHEMA_LIMITATIONS, build_flow_schema
    from callflows.flows.loader.folder_loader import load_extensions

    extensions, problems = load_extensions(load_command_settings(flows=flows).flows)
    print(json.dumps(build_flow_schema(extensions), indent=1))
    print_notice("JSON Schema cannot express these rules; `callflows check` checks them:")
    for line in [*SCHEMA_LIMITATIONS, *map(str, problems)]:
        print_notice(f"- {line}")


def convert(
    file: Annotated[Path, typer.Argument(help="An XML document in either dialect.")],
    dialect: Annotated[DialectOption, typer.Option(help="The dialect to write.")],
    flows: FLOWS_OPTION = None,
) -> None:
    """Write a document in the other dialect; refused, with the reason, rather than losing anything."""
    from callflows.errors import DialectError, DocumentReadError
    from callflows.flows.loader.folder_loader import load_extensions
    from callflows.language import from_xml, to_xml

    extensions, _ = load_extensions(load_command_settings(flows=flows).flows)
    try:
        document = to_xml(from_xml(file.read_bytes(), extensions=extensions), dialect.value, extensions=extensions)
    except OSError as error:
        exit_with_notice(f"{file}: {error.strerror}", 2)
    except DocumentReadError as error:
        exit_with_notice(f"{file}:{error.line}:{error.column}: {error.reason}", 1)
    except DialectError as error:
        exit_with_notice(f"{file}: {error}", 1)
    print(document.decode())
