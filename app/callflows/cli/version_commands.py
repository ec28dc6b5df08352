"""``callflows versions`` and ``callflows rollback``: the earlier versions of a flow, and the way back to one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from callflows.cli.cli_options import (
    FLOWS_OPTION,
    TableFormat,
    build_command_options,
    exit_with_notice,
    load_command_settings,
    print_notice,
    print_table,
    show_progress,
)
from callflows.cli.completion import complete_flow
from callflows.cli.journal_output import build_terminal_change, open_store

if TYPE_CHECKING:
    from callflows.flows.flow_book import FlowBook
    from callflows.journal.sql_store import SqlStore
    from callflows.journal.stored_rows import JournalRow


_FLOW_ARGUMENT = Annotated[str, typer.Argument(metavar="FLOW", help="The name of a flow.", autocompletion=complete_flow)]


def versions(
    flow: _FLOW_ARGUMENT,
    version: Annotated[
        str | None, typer.Argument(help="A version, or the first characters of it: what has changed since.")
    ] = None,
    against: Annotated[str, typer.Option(help="Another version to compare with. Default: the file as it is now.")] = "",
    source: Annotated[bool, typer.Option("--source", help="Print the whole text of the version.")] = False,  # noqa: FBT002
    output: Annotated[TableFormat, typer.Option("--format", help="The output format.")] = TableFormat.text,
    flows: FLOWS_OPTION = None,
) -> None:
    """List the versions of a flow, the newest first, with who made each live; or show what has changed since one.

    The versions come from the call log. WHO is empty if the file was changed in the folder.
    """
    from callflows.flows.authoring.flow_drafts import compare_sources, read_flow_source
    from callflows.flows.source.included_files import read_own_source
    from callflows.journal.flow_history import FLOW_CHANGE_ACTIONS, describe_flow_versions
    from callflows.journal.inbox import query_audit_rows
    from callflows.journal.sql_queries import query_versions

    settings = load_command_settings(flows=flows)
    with open_store() as store:
        rows = store.run_reading(query_versions, flow) if store is not None else []
        if store is None or not rows:
            exit_with_notice(f"callflows: the log has no version of a flow {flow!r}: callflows numbers lists the flows", 1)
        if version is None:
            current = _find_live_version(flow, rows, read_flow_source(settings.flows, flow).text, store)
            listed = describe_flow_versions(rows, store.run_reading(query_audit_rows, FLOW_CHANGE_ACTIONS, flow), current)
            _print_versions(listed, output)
            return
        old = _load_version(store, flow, rows, version)
        if source:
            print(old["source"] or "", end="")
            return
        if against:
            old_text, new_name = old["source"] or "", against
            new_text = _load_version(store, flow, rows, against)["source"] or ""
        else:
            old_text, new_name = read_own_source(old["source"] or ""), "now"
            new_text = read_flow_source(settings.flows, flow).text
    print(compare_sources(old_text, new_text, f"{flow} {old['version']}", f"{flow} {new_name}"), end="")


def _find_live_version(flow: str, rows: list[JournalRow], text: str, store: SqlStore) -> str:
    """Return the newest version with the text of the file; empty if the file is newer than all versions."""
    from callflows.flows.source.included_files import read_own_source
    from callflows.journal.sql_queries import query_version

    for row in rows:
        stored = store.run_reading(query_version, flow, row["version"])
        if stored is not None and read_own_source(stored["source"] or "") == text:
            return str(row["version"])
    return ""


def _load_version(store: SqlStore, flow: str, rows: list[JournalRow], text: str) -> JournalRow:
    """Return the only version that begins with a text; exit with code 1 if there is none, 2 if there are several."""
    from callflows.journal.sql_queries import query_version

    matching = [row["version"] for row in rows if row["version"].startswith(text)]
    if len(matching) > 1:
        exit_with_notice(f"callflows: {text!r} is the beginning of several versions: {', '.join(matching[:10])}", 2)
    found = store.run_reading(query_version, flow, matching[0]) if matching else None
    if found is None:
        exit_with_notice(f"callflows: {flow} has no version {text!r}: callflows versions {flow} lists them", 1)
    return found


def _print_versions(listed: list[dict[str, object]], output: TableFormat) -> None:
    if output is TableFormat.json:
        print(json.dumps(listed, ensure_ascii=False, indent=2))
        return
    heads = ["version", "since", "until", "", "who", "how"]
    rows = [
        [row["version"], row["since"], row["until"], "now" if row["is_live"] else "", row["who"], row["action"]]
        for row in listed
    ]
    print_table([heads, *([cell or "" for cell in row] for row in rows)])


def rollback(
    flow: _FLOW_ARGUMENT,
    version: Annotated[str, typer.Argument(help="A version of callflows versions FLOW, or the first characters of it.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,  # noqa: FBT002 - an option
    flows: FLOWS_OPTION = None,
) -> None:
    """Make an earlier version of a flow live again: the file gets its text, whole and at once, if it has no error."""
    from callflows.cli.cli_options import confirm_plan
    from callflows.errors import DraftConflictError, DraftRefusedError, ReadOnlyFlowsError
    from callflows.flows.authoring.flow_drafts import check_and_publish, compare_sources, read_flow_source
    from callflows.flows.loader.folder_loader import load_flow_folder
    from callflows.flows.source.included_files import read_own_source
    from callflows.journal.flow_history import ROLLBACK_ACTION
    from callflows.journal.inbox import add_audit_row
    from callflows.journal.sql_queries import query_versions

    settings = load_command_settings(flows=flows)
    with open_store() as store:
        rows = store.run_reading(query_versions, flow) if store is not None else []
        if store is None:
            raise typer.Exit(1)
        old = _load_version(store, flow, rows, version)
        text, current = read_own_source(old["source"] or ""), read_flow_source(settings.flows, flow)
        changes = compare_sources(current.text, text, f"{flow} now", f"{flow} {old['version']}")
        if not changes:
            print_notice(f"callflows: {current.file} has the text of {old['version']} already")
            return
        confirm_plan(changes.splitlines(), is_confirmed=yes)
        options = build_command_options(settings)

        def load_others() -> FlowBook:
            with show_progress("loading") as on_progress:
                return load_flow_folder(settings.flows, options, on_progress).book

        try:
            check_and_publish(settings.flows, options, flow, text, current.digest, load_others)
        except DraftRefusedError as error:
            for problem in error.problems:
                print_notice(str(problem))
            exit_with_notice("callflows: nothing was changed: this version has errors today", 1)
        except DraftConflictError as error:
            exit_with_notice(f"callflows: {error}", 1)
        except ReadOnlyFlowsError as error:
            print(error.patch, end="")
            exit_with_notice(f"callflows: {error}", 1)
        store.run_writing(
            add_audit_row, build_terminal_change(), ROLLBACK_ACTION, flow, (rows[0]["version"], old["version"])
        )
    print(f"{current.file} is {old['version']} again")
