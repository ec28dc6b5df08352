"""``callflows replay``: past calls of the journal, run through the flows as they are now, or through a draft."""

from __future__ import annotations

import json
import textwrap
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from callflows.cli.cli_options import (
    DRAFT_OPTION,
    FLOWS_OPTION,
    build_command_options,
    exit_with_notice,
    load_command_settings,
    print_notice,
    show_progress,
)
from callflows.cli.completion import complete_flow, complete_number
from callflows.cli.journal_output import (
    complete_stored_id,
    normalize_number_filter,
    open_store,
    parse_moment_option,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from callflows.journal.sql_store import SqlStore
    from callflows.journal.stored_rows import CallFilter
    from callflows.settings import Settings
    from callflows.testing.replay_runner import ReplayProgress
    from callflows.testing.scenario_runner import ScenarioFolder


_DEFAULT_CALLS: Final = 10_000
_PROGRESS_CALLS: Final = 10
"""Number of calls between two lines of progress."""
_LINE_CHARACTERS: Final = 100


class ReplayFormat(StrEnum):
    """Output format of a replay; jsonl prints lines of progress before the report."""

    text = "text"
    json = "json"
    jsonl = "jsonl"


def replay(
    call: Annotated[
        str | None, typer.Argument(help="The id of a call, or the first characters of it: what would happen now?")
    ] = None,
    since: Annotated[
        str, typer.Option(help="Calls since this time (2026-11-23, 2026-11-23T10:00Z), or since so long ago: 2h, 7d.")
    ] = "7d",
    until: Annotated[str, typer.Option(help="Calls before this time, written as for --since.")] = "",
    number: Annotated[str, typer.Option(help="Calls to this number.", autocompletion=complete_number)] = "",
    flow: Annotated[str, typer.Option(help="Calls that this flow answered.", autocompletion=complete_flow)] = "",
    limit: Annotated[int, typer.Option(min=1, help="Calls at most, the newest first.")] = _DEFAULT_CALLS,
    draft: DRAFT_OPTION = None,
    output: Annotated[ReplayFormat, typer.Option("--format", help="The output format.")] = ReplayFormat.text,
    flows: FLOWS_OPTION = None,
) -> None:
    """Run past calls through the current flows, or through a draft. Lists the calls that would go elsewhere, and why.

    Each call is repeated with the keys, answers of rung parties and results of lookups that the call log has, at the time
    of the call. Nothing is sent, and nobody is rung. A call whose next input is not known is counted and named, and never
    guessed. Exits with 1 if a call would go elsewhere.
    """
    from callflows.journal.stored_rows import CallFilter

    settings = load_command_settings(flows=flows)
    folder = _load_flows(settings, draft)
    moments = parse_moment_option(since, "--since"), parse_moment_option(until, "--until")
    call_filter = CallFilter(
        normalize_number_filter(number, "--number"), flow=flow, since=moments[0], until=moments[1], limit=limit
    )
    with open_store() as store:
        if call is not None:
            _replay_one(store, call, folder, settings, output)
            return
        report = _replay_many(store, call_filter, folder, settings, output) if store is not None else _build_empty_report()
    if output is ReplayFormat.text:
        for line in _format_report(report):
            print(line)
    else:
        print(json.dumps(report, ensure_ascii=False, indent=2 if output is ReplayFormat.json else None))
    raise typer.Exit(1 if report["elsewhere"] else 0)


def _load_flows(settings: Settings, draft: Path | None) -> ScenarioFolder:
    """Load the flows; exit with code 2 if a file has errors, because its callers would only hear the fallback."""
    from callflows.testing.replay_runner import load_replay_folder

    options = build_command_options(settings, draft)
    try:
        with show_progress("loading") as on_progress:
            folder = load_replay_folder(settings.flows, options, on_progress)
    except OSError as error:
        exit_with_notice(f"callflows: {error.filename}: {error.strerror} (see --flows)", 2)
    if folder.errors:
        for problem in folder.errors:
            print_notice(str(problem))
        exit_with_notice("callflows: calls are replayed only through flows without errors", 2)
    return folder


def _replay_many(
    store: SqlStore, call_filter: CallFilter, folder: ScenarioFolder, settings: Settings, output: ReplayFormat
) -> dict[str, Any]:
    import asyncio

    from callflows.testing.replay_runner import replay_calls

    with show_progress("replaying") as on_progress:
        report_progress: ReplayProgress | None = _print_progress if output is ReplayFormat.jsonl else on_progress
        return asyncio.run(replay_calls(store, call_filter, folder, settings, report_progress))


def _print_progress(done: int, total: int) -> None:
    if done % _PROGRESS_CALLS == 0 and done < total:
        print(json.dumps({"done": done, "total": total}), flush=True)


def _build_empty_report() -> dict[str, Any]:
    from callflows.testing.replay_runner import ReplayReport

    return ReplayReport().build_report()


def _replay_one(
    store: SqlStore | None, call: str, folder: ScenarioFolder, settings: Settings, output: ReplayFormat
) -> None:
    """Replay one call, print both routes, and exit."""
    import asyncio

    from callflows.journal.inbox import CALL_KIND
    from callflows.testing.replay_runner import describe_replayed_call, open_call_replayer

    stored = store.load_call(complete_stored_id(store, CALL_KIND, call)) if store is not None else None
    if stored is None:
        exit_with_notice(f"callflows: there is no record of a call {call!r}: callflows log lists the calls", 1)

    async def replay_stored() -> dict[str, Any]:
        async with open_call_replayer(folder, settings) as replayer:
            return describe_replayed_call(await replayer.replay_call(stored))

    described = asyncio.run(replay_stored())
    if output is ReplayFormat.text:
        for line in _format_call(described):
            print(line)
    else:
        print(json.dumps(described, ensure_ascii=False, indent=2 if output is ReplayFormat.json else None))
    raise typer.Exit(1 if described["state"] == "elsewhere" else 0)


def _format_report(report: dict[str, Any]) -> Iterator[str]:
    yield (
        f"{report['calls']} call(s) replayed: {report['elsewhere']} would go elsewhere, {report['same']} the same way, "
        f"{report['same_as_far_as_known']} the same way as far as is known, {report['not_compared']} cannot be compared"
    )
    for group in report["groups"]:
        place = f" ({group['place']})" if group["place"] else ""
        yield ""
        yield f"{group['calls']} call(s): {group['why']}{place}"
        example = group["examples"][0]
        yield from _format_routes(example)
        yield f"  for example {_format_heading(example)}"
    if report["unknown"]:
        yield ""
        yield "not known:"
    for reason in report["unknown"]:
        yield f"  {reason['calls']} call(s): {reason['reason']} (for example {reason['examples'][0]})"


def _format_heading(described: dict[str, Any]) -> str:
    from callflows.flows.source.time_zones import format_local_time

    moment = format_local_time(described["started"] or "", "", "%Y-%m-%d %H:%M:%S")
    return f"{described['call']}: {described['from'] or 'anonymous'} to {described['number']}, {moment}"


def _format_call(described: dict[str, Any]) -> Iterator[str]:
    yield _format_heading(described)
    if described["state"] == "not-compared":
        yield f"  cannot be replayed: {described['unknown']}"
        return
    if described["state"] == "elsewhere":
        place = f" ({described['place']})" if described["place"] else ""
        yield f"  would go elsewhere: {described['why']}{place}"
        yield from _format_routes(described)
        return
    known = f" as far as is known; not known: {described['unknown']}" if described["unknown"] else ""
    yield f"  would go the same way{known}"
    yield from _format_route("", described["now"], "")


def _format_routes(described: dict[str, Any]) -> Iterator[str]:
    common = described["common"]
    for label in ("was", "now"):
        words = [*described[label]]
        if common < len(words):
            words[common] = f">> {words[common]}"
        yield from _format_route(label, words, described[f"{label}_unknown"])


def _format_route(label: str, words: list[str], unknown: str) -> Iterator[str]:
    end = {"": "", "the caller hung up": "; the caller hung up"}.get(unknown, f"; not known: {unknown}")
    text = f"{words[0] if words else ''} {' -> '.join(words[1:])}{end}"
    yield from textwrap.wrap(
        text,
        _LINE_CHARACTERS,
        initial_indent=f"  {label}  " if label else "  ",
        subsequent_indent=" " * 7,
        break_on_hyphens=False,
    )
