"""``callflows connect`` and ``callflows doctor``: set up an installation at Opentact, and diagnose problems."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from callflows.cli.cli_options import (
    FLOWS_OPTION,
    TableFormat,
    build_command_options,
    confirm_plan,
    exit_with_notice,
    load_command_settings,
    print_notice,
    show_progress,
)
from callflows.cli.completion import complete_flow
from callflows.cli.platform_output import TABLE_FORMAT_OPTION, YES_OPTION, run_with_client
from callflows.text import replace_unprintable

if TYPE_CHECKING:
    from callflows.settings import Settings
    from callflows.setup.connect.desired_setup import DesiredSetup
    from callflows.setup.connect.setup_plan import SetupPlan
    from callflows.setup.connect.undo_log import UndoLog
    from callflows.setup.doctor.doctor_runner import DoctorResult


def connect(  # noqa: PLR0913, PLR0917 - an option each
    flows: FLOWS_OPTION = None,
    app: Annotated[
        str, typer.Option(metavar="NAME|UUID", help="The SIP Control App; connect creates it if it is missing.")
    ] = "",
    product: Annotated[
        str,
        typer.Option(
            help="The product of a new app: its name or number. Needed only if Opentact offers several; "
            "then connect lists them."
        ),
    ] = "",
    take: Annotated[  # noqa: FBT002 - an option
        bool,
        typer.Option(
            "--take",
            help="Take numbers from other apps and SIP connections. Without it, connect only lists these numbers.",
        ),
    ] = False,
    max_minutes: Annotated[
        int,
        typer.Option(
            min=0, max=10_080, help="Maximum minutes of a call. Default: 240 for a new app; unchanged for an existing app."
        ),
    ] = 0,
    campaign: Annotated[
        str,
        typer.Option(metavar="ID", help="The 10DLC campaign of numbers whose flow reads texts, as the portal shows it."),
    ] = "",
    static: Annotated[
        str,
        typer.Option(
            metavar="FLOW", help="Store the static document of this flow at Opentact.", autocompletion=complete_flow
        ),
    ] = "",
    remove: Annotated[bool, typer.Option("--remove", help="Restore the state before connect.")] = False,  # noqa: FBT002 - an option
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and change nothing.")] = False,  # noqa: FBT002 - an option
    yes: YES_OPTION = False,  # noqa: FBT002 - an option
    output: TABLE_FORMAT_OPTION = TableFormat.text,
) -> None:
    """Set up Opentact for the flows: app, URLs, numbers, events. Shows the plan and asks before changing anything.

    Numbers that a flow claims exactly are given to the app. Running it again changes nothing.

    Exit 1: Opentact refuses, or something is missing, as a number that the account does not have.
    """
    from callflows.setup.connect import setup_planner as connecting
    from callflows.setup.connect import setup_removal
    from callflows.setup.connect.undo_log import UndoLog

    if remove and (static or take or product or app or max_minutes or campaign):
        options = "--app, --product, --take, --max-minutes, --campaign, --static"
        exit_with_notice(f"callflows: --remove restores everything that connect changed: it takes no {options}", 2)
    settings = load_command_settings(flows=flows)
    undo_log = UndoLog(settings.data)
    if remove:
        plan = run_with_client(lambda client: setup_removal.plan_setup_removal(client, undo_log))
    else:
        from callflows.opentact.backoff import get_utc_now

        desired_setup = _build_desired_setup(
            settings, app, product, static, take=take, max_minutes=max_minutes, campaign=campaign
        )
        plan = run_with_client(lambda client: connecting.plan_setup(client, desired_setup, undo_log, get_utc_now()))
    _print_plan(plan, output)
    complete = plan.is_complete
    if not dry_run:
        if plan.steps:
            if not remove:
                _warn_if_unreachable(settings)
            complete &= _execute_plan(plan, undo_log, yes=yes)
        if remove:
            undo_log.clear()
    raise typer.Exit(0 if complete else 1)


def _build_desired_setup(settings: Settings, app: str, product: str, static: str, **more: Any) -> DesiredSetup:  # noqa: ANN401 - as build_desired_setup
    from callflows.flows.loader.folder_loader import load_flow_folder
    from callflows.setup.connect.desired_setup import build_desired_setup

    document = None
    if static:
        from callflows.cli.opentact_commands import export_static_document

        document = export_static_document(static, settings)
    with show_progress("loading") as on_progress:
        loaded = load_flow_folder(settings.flows, build_command_options(settings), on_progress)
    reading = [name for name, flow in loaded.book.flows.items() if flow.message_rules and flow.message_rules.rules]
    return build_desired_setup(
        settings,
        loaded,
        app=app,
        product=product,
        static_flow=static,
        static_document=document,
        message_flows=reading,
        **more,
    )


def _print_plan(plan: SetupPlan, output: TableFormat) -> None:
    if output is TableFormat.json:
        print(json.dumps(plan.as_json, ensure_ascii=False, indent=2))
        return
    for step in plan.steps:
        print("\n".join(step.lines))
    for note in plan.notes:
        print_notice(str(note))
    if not plan.steps:
        print_notice(
            "nothing to do: Opentact is set up correctly"
            if plan.is_complete
            else "nothing can be changed before this is fixed"
        )


def _warn_if_unreachable(settings: Settings) -> None:
    """Warn if the server does not answer: after connecting, callers would hear nothing."""
    import asyncio

    from callflows.setup.server_probe import explain_unreachable_server

    if why := asyncio.run(explain_unreachable_server(settings.public_url)):
        print_notice(
            f"warning: {settings.public_url} does not answer from here: {why}; until it does, callers hear nothing"
        )


def _execute_plan(plan: SetupPlan, undo_log: UndoLog, *, yes: bool) -> bool:
    """Ask, then execute the plan; return whether the whole desired setup was possible."""
    from callflows.setup.connect.setup_plan import execute_plan

    confirm_plan([], is_confirmed=yes)
    done_lines: list[str] = []

    def on_done(line: str) -> None:
        done_lines.append(line)
        print_notice(f"done: {line}")

    try:
        notes = run_with_client(lambda client: execute_plan(plan, client, undo_log, lambda step: on_done(step.lines[0])))
    except typer.Exit:
        print_notice(
            f"{len(done_lines)} of {len(plan.steps)} steps are done; run it again to continue, or add --remove to undo"
        )
        raise
    for note in notes:
        print_notice(str(note))
    return not any(note.level == "missing" for note in notes)


def doctor(
    flows: FLOWS_OPTION = None,
    app: Annotated[str, typer.Option(metavar="NAME|UUID", help="The SIP Control App that should use this server.")] = "",
    offline: Annotated[  # noqa: FBT002 - an option
        bool, typer.Option("--offline", help="Check only settings, disk and flow files, without any request.")
    ] = False,
    output: TABLE_FORMAT_OPTION = TableFormat.text,
) -> None:
    """Report every problem of this installation, with its fix. Exit 1 if there is an error; a warning may be intended."""
    import asyncio
    import dataclasses

    results = asyncio.run(_run_doctor(load_command_settings(flows=flows), app, offline=offline))
    if output is TableFormat.json:
        print(json.dumps([dataclasses.asdict(result) for result in results], ensure_ascii=False, indent=2))
    else:
        _print_doctor_results(results)
    raise typer.Exit(1 if any(result.level == "error" for result in results) else 0)


async def _run_doctor(settings: Settings, app: str, *, offline: bool) -> list[DoctorResult]:
    from callflows.flows.loader.folder_loader import load_flow_folder
    from callflows.setup.doctor.account_checks import DoctorAccount
    from callflows.setup.doctor.doctor_checks import build_doctor_checks
    from callflows.setup.doctor.doctor_runner import run_doctor_checks

    account = DoctorAccount(settings, app)
    try:
        checks = build_doctor_checks(
            settings, account, lambda: load_flow_folder(settings.flows, build_command_options(settings))
        )
        return await run_doctor_checks(checks, offline=offline)
    finally:
        await account.close()


def _print_doctor_results(results: list[DoctorResult]) -> None:
    """Print one line for each result, followed by its fix, if any."""
    colours = {"ok": typer.colors.GREEN, "warning": typer.colors.YELLOW, "error": typer.colors.RED}
    coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    width = max((len(result.check) for result in results), default=0)
    for result in results:
        level = f"{result.level:<7}"
        level = typer.style(level, fg=colours[result.level]) if coloured else level
        finding_text = replace_unprintable(result.found)
        print(f"{level}  {result.check:<{width}}  {finding_text}")
        if result.fix and result.level != "ok":
            print(f"{'':7}  {'':{width}}  → {result.fix}")
    wrong, doubtful = (sum(result.level == level for result in results) for level in ("error", "warning"))
    print_notice(f"{wrong} error(s), {doubtful} warning(s)")
