"""An installation: set up at Opentact, and examined. Mounted by ``commands``."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.asking import FORMAT, YES, ask
from app.cli.given import FLOWS, TableFormat, confirm, fail, options_of, progress, say, settings_of

if TYPE_CHECKING:
    from app.settings import Settings
    from app.setup.connecting.ledger import Ledger
    from app.setup.connecting.plan import Plan
    from app.setup.connecting.wanted import Wanted
    from app.setup.doctor.results import Result


def connect(  # noqa: PLR0913, PLR0917 - an option each
    flows: FLOWS = None,
    app: Annotated[str, typer.Option(metavar="NAME|UUID", help="The SIP Control App; made where it is missing.")] = "",
    product: Annotated[
        str,
        typer.Option(
            help="The product that a new app is made of, by its name or number. Only where Opentact offers several: "
            "then it lists them."
        ),
    ] = "",
    take: Annotated[  # noqa: FBT002 - an option
        bool,
        typer.Option(
            "--take",
            help="Numbers that another app or SIP connection has are taken from it. Without, they stay there and are said.",
        ),
    ] = False,
    max_minutes: Annotated[
        int, typer.Option(min=0, max=10_080, help="Minutes that a call may last; a new app has 240, another what it has.")
    ] = 0,
    static: Annotated[str, typer.Option(metavar="FLOW", help="Have Opentact keep this flow's static document.")] = "",
    remove: Annotated[bool, typer.Option("--remove", help="Restore what was there before.")] = False,  # noqa: FBT002 - an option
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan, and do nothing.")] = False,  # noqa: FBT002 - an option
    yes: YES = False,  # noqa: FBT002 - an option
    output: FORMAT = TableFormat.text,
) -> None:
    """Set up Opentact for the flows: app, URLs, numbers, events. The plan is shown first; done, the next is empty.

    Numbers that a flow claims exactly are given to the app. Exit 1: Opentact refuses, or something cannot be had.
    """
    from app.setup.connecting import connect as connecting
    from app.setup.connecting import returning
    from app.setup.connecting.ledger import Ledger

    if remove and (static or take or product or app or max_minutes):
        options = "--app, --product, --take, --max-minutes, --static"
        fail(f"callflows: --remove restores everything that connect changed: it takes no {options}", 2)
    settings = settings_of(flows=flows)
    ledger = Ledger(settings.data)
    if remove:
        plan = ask(lambda client: returning.planned(client, ledger))
    else:
        from app.opentact.pace import now

        wanted = _wanted(settings, app, product, static, take=take, max_minutes=max_minutes)
        plan = ask(lambda client: connecting.planned(client, wanted, ledger, now()))
    _show(plan, output)
    complete = plan.complete
    if not dry_run:
        if plan.steps:
            if not remove:
                _reached(settings)
            complete &= _carry_out(plan, ledger, yes=yes)
        if remove:
            ledger.clear()
    raise typer.Exit(0 if complete else 1)


def _wanted(settings: Settings, app: str, product: str, static: str, **more: Any) -> Wanted:  # noqa: ANN401 - as wanted_of has it
    from app.flows.loader import load
    from app.setup.connecting.wanted import wanted_of

    document = None
    if static:
        from app.cli.dialling import exported

        document = exported(static, settings)
    with progress("loading") as on_progress:
        loaded = load(settings.flows, options_of(settings), on_progress)
    reading = [name for name, flow in loaded.book.flows.items() if flow.messages and flow.messages.ways]
    return wanted_of(settings, loaded, app=app, product=product, static=static, document=document, reading=reading, **more)


def _show(plan: Plan, output: TableFormat) -> None:
    if output is TableFormat.json:
        print(json.dumps(plan.told, ensure_ascii=False, indent=2))
        return
    for step in plan.steps:
        print("\n".join(step.lines))
    for note in plan.notes:
        say(str(note))
    if not plan.steps:
        say("nothing to do: Opentact is as it should be" if plan.complete else "nothing can be done before that is mended")


def _reached(settings: Settings) -> None:
    """Say where the server does not answer yet: from then on its callers would hear nothing."""
    import asyncio

    from app.setup.asking import alive

    if why := asyncio.run(alive(settings.public_url)):
        say(f"warning: {settings.public_url} does not answer from here: {why}; until it does, callers hear nothing")


def _carry_out(plan: Plan, ledger: Ledger, *, yes: bool) -> bool:
    """Ask, and do it; whether all that was wanted could be had."""
    from app.setup.connecting.plan import carry_out

    confirm([], yes=yes)
    done: list[str] = []

    def on_done(line: str) -> None:
        done.append(line)
        say(f"done: {line}")

    try:
        notes = ask(lambda client: carry_out(plan, client, ledger, lambda step: on_done(step.lines[0])))
    except typer.Exit:
        say(f"{len(done)} of {len(plan.steps)} steps are done; run it again to go on, or with --remove to go back")
        raise
    for note in notes:
        say(str(note))
    return not any(note.level == "missing" for note in notes)


def doctor(
    flows: FLOWS = None,
    app: Annotated[str, typer.Option(metavar="NAME|UUID", help="The SIP Control App that shall ask this server.")] = "",
    offline: Annotated[bool, typer.Option("--offline", help="Ask nobody: settings, disk and flow files only.")] = False,  # noqa: FBT002 - an option
    output: FORMAT = TableFormat.text,
) -> None:
    """Say what is wrong with this installation, and the mend. Exit 1 where something is wrong; warnings may be as meant."""
    import asyncio
    import dataclasses

    results = asyncio.run(_examined(settings_of(flows=flows), app, offline=offline))
    if output is TableFormat.json:
        print(json.dumps([dataclasses.asdict(result) for result in results], ensure_ascii=False, indent=2))
    else:
        _tell(results)
    raise typer.Exit(1 if any(result.level == "error" for result in results) else 0)


async def _examined(settings: Settings, app: str, *, offline: bool) -> list[Result]:
    from app.flows.loader import load
    from app.setup.doctor.account import Account
    from app.setup.doctor.checks import checks_of
    from app.setup.doctor.results import examine

    account = Account(settings, app)
    try:
        checks = checks_of(settings, account, lambda: load(settings.flows, options_of(settings)))
        return await examine(checks, offline=offline)
    finally:
        await account.close()


def _tell(results: list[Result]) -> None:
    """A line each, and the mend below where there is one."""
    colours = {"ok": typer.colors.GREEN, "warning": typer.colors.YELLOW, "error": typer.colors.RED}
    coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    width = max((len(result.check) for result in results), default=0)
    for result in results:
        level = f"{result.level:<7}"
        level = typer.style(level, fg=colours[result.level]) if coloured else level
        found = "".join(sign if sign.isprintable() else " " for sign in result.found)
        print(f"{level}  {result.check:<{width}}  {found}")
        if result.mend and result.level != "ok":
            print(f"{'':7}  {'':{width}}  → {result.mend}")
    wrong, doubtful = (sum(result.level == level for result in results) for level in ("error", "warning"))
    say(f"{wrong} error(s), {doubtful} warning(s)")
