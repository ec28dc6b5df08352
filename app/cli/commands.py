"""The commands that serve and look at flows, and the line on which all commands stand."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path  # noqa: TC003 - typer reads it
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.call import call
from app.cli.events import events
from app.cli.flows import export, new, override, show
from app.cli.given import FLOWS, TableFormat, fail, options_of, progress, say, settings_of
from app.cli.language import convert, schema, verbs
from app.cli.log import forget, log
from app.cli.opentact import opentact
from app.cli.setup import connect, doctor
from app.cli.stand_in import stand_in
from app.cli.tests import run_tests
from app.errors import CallflowsError

if TYPE_CHECKING:
    from app.errors import Problem
    from app.flows.loader import Loaded
    from app.settings import Settings
    from app.web.answering import Answering

app = typer.Typer(
    help="Answer the phone numbers you run on Opentact: call flows as files, checked before they are live.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:  # noqa: FBT001 - as typer calls it
    if asked:
        from importlib.metadata import version

        print(f"callflows {version('callflows')}")
        raise typer.Exit


@app.callback()
def callflows(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Answer the phone numbers you run on Opentact: call flows as files, checked before they are live."""


class Format(StrEnum):
    """How problems are shown."""

    text = "text"
    json = "json"
    github = "github"


@app.command(epilog="Example: callflows serve --port 8080")
def serve(
    flows: FLOWS = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on; else the setting, 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on; else the setting, 8000.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that answer; else the setting, 1.")] = None,
) -> None:
    """Serve the flows: set the URL that it prints as remote call control URL in Opentact."""
    import uvicorn

    settings = settings_of(flows=flows, host=host, port=port, workers=workers)
    for name in ("flows", "host", "port", "workers"):
        os.environ[f"CALLFLOWS_{name.upper()}"] = str(getattr(settings, name))
    server = _greeted(settings) if settings.workers == 1 else None
    if server is None:
        _greet(settings, None)
    uvicorn.run(
        server or "app.server:create_app",
        factory=server is None,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        access_log=False,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
    )


def _greeted(settings: Settings) -> Answering:
    """The server, its flows loaded once for the greeting and for the calls."""
    from app.server import create_app, library_of

    with progress("loading") as on_progress:
        library = library_of(settings, on_progress)
    _greet(settings, library.loaded)
    return create_app(settings, library)


def _greet(settings: Settings, loaded: Loaded | None) -> None:
    """Say what is served and how to try it; where each worker loads its flows, as far as it is known."""
    here = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104 - asked, not bound
    url = settings.public_url or f"http://{here}:{settings.port}"
    token = "?token=…" if settings.token else ""
    flows = loaded.book.flows.values() if loaded else ()
    number = next((claim.number for flow in flows for claim in flow.claims if claim.number[-1].isdigit()), "")
    asked = f"{url}/call?{'token=…&' if token else ''}from=%2B12015550999&to={number.lstrip('+') or '12015550123'}"
    served = f"{sum(not flow.problems for flow in flows)} flow(s)" if loaded else "the flows"
    say(f"callflows serves {served} of {settings.flows}/ on {settings.host}:{settings.port}")
    say(f"  remote call control URL: {url}/call{token}")
    say(f"  what a caller would get: curl '{asked}'")
    if loaded and loaded.problems:
        say(f"  {len(loaded.problems)} problem(s): see the log, or callflows check")


@app.command(epilog="Example: callflows check callflows/acme.yaml --strict")
def check(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Flow files, XML documents, or folders of them; else --flows.")
    ] = None,
    flows: FLOWS = None,
    output: Annotated[Format, typer.Option("--format", help="How problems are shown.")] = Format.text,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on warnings too.")] = False,  # noqa: FBT002 - an option
    explain: Annotated[
        str | None, typer.Option(metavar="RULE", help="Explain a rule by its name, as unused; all lists them.")
    ] = None,
) -> None:
    """Say all that is wrong with flow files and XML documents: where, what, and the mend."""
    from app.flows.checks.paths import check_paths
    from app.testing.scenarios import problems_of

    if explain is not None:
        _explain(explain, output)
        return
    settings = settings_of(flows=flows)
    with progress("checking") as on_progress:
        problems = check_paths(
            paths or [settings.flows], options_of(settings), settings.flows, on_progress, settings.workers, problems_of
        )
    _show(problems, output)
    worst = {problem.severity for problem in problems}
    raise typer.Exit(1 if "error" in worst or (strict and worst) else 0)


def _explain(name: str, output: Format) -> None:
    """The page of a rule, or of all."""
    import json

    from app.flows.checks.rules import RULES, explained

    try:
        pages = {rule: explained(rule) for rule in (RULES if name == "all" else (name,))}
    except LookupError as error:
        fail(f"callflows: {error.args[0]}", 2)
    if output is Format.json:
        print(json.dumps([{"rule": rule, **RULES[rule]._asdict()} for rule in pages], ensure_ascii=False, indent=2))
        return
    for number, (rule, page) in enumerate(pages.items()):
        heading = typer.style(rule, bold=True) if sys.stdout.isatty() and "NO_COLOR" not in os.environ else rule
        print(f"{chr(10) if number else ''}{heading}\n{page}")


def _show(problems: list[Problem], output: Format) -> None:
    import dataclasses
    import json

    if output is Format.json:
        print(json.dumps([dataclasses.asdict(problem) for problem in problems], ensure_ascii=False, indent=2))
        return
    for problem in problems:
        if output is Format.github:
            message = f"{problem.message}{f' ({problem.mend})' if problem.mend else ''}"
            file = _escaped(problem.file).replace(":", "%3A").replace(",", "%2C")
            place = f"file={file},line={problem.line},col={problem.column},title={problem.rule}"
            print(f"::{problem.severity} {place}::{_escaped(message)}")
        else:
            print(problem)
    errors = sum(problem.severity == "error" for problem in problems)
    if output is Format.text:
        say(f"{errors} error(s), {len(problems) - errors} warning(s)")


def _escaped(text: str) -> str:
    """A text as GitHub takes it in a command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


@app.command(epilog="Example: callflows numbers --format json")
def numbers(
    flows: FLOWS = None,
    output: Annotated[TableFormat, typer.Option("--format", help="How rows are shown.")] = TableFormat.text,
) -> None:
    """List every number and the flow that answers it."""
    import json

    from app.flows.loader import load

    settings = settings_of(flows=flows)
    with progress("loading") as on_progress:
        loaded = load(settings.flows, options_of(settings), on_progress)
    rows = [
        {"number": claim.number, "flow": flow.name, "file": claim.file, "line": claim.line, "broken": bool(flow.problems)}
        for flow in loaded.book.flows.values()
        for claim in flow.claims
    ]
    if output is TableFormat.json:
        print(json.dumps(rows, indent=2))
    else:
        width = max((len(str(row["number"])) for row in rows), default=0)
        for row in rows:
            broken = "  (broken)" if row["broken"] else ""
            print(f"{row['number']:<{width}}  {row['flow']}  {row['file']}:{row['line']}{broken}")
    for problem in loaded.problems:
        say(str(problem))
    raise typer.Exit(1 if loaded.broken else 0)


app.command(epilog='Example: callflows call +12015550123 --keys 1 --at "2026-12-24 10:00" --trace')(call)
app.command("stand-in", epilog="Example: callflows stand-in --number +12015550123 --url http://127.0.0.1:8000/call")(
    stand_in
)
app.command("test", epilog="Example: callflows test --coverage")(run_tests)
app.command(epilog="Example: callflows show front-desk --format svg > front-desk.svg")(show)
app.command(epilog="Example: callflows export front-desk > front-desk.xml")(export)
app.command(epilog='Example: callflows override front-desk office closed --until "2026-12-24 18:00"')(override)
app.command(epilog="Example: callflows new acme --template clinic --number +12015550123")(new)
app.command(epilog="Example: callflows verbs Gather")(verbs)
app.add_typer(schema, name="schema")
app.command(epilog="Example: callflows convert menu.xml --dialect classic")(convert)
app.command(epilog="Example: callflows connect --dry-run")(connect)
app.command(epilog="Example: callflows doctor --offline")(doctor)
app.add_typer(opentact, name="opentact")
app.command(epilog="Example: callflows events --types call_state,sms --format json")(events)
app.command(epilog="Example: callflows log --number +12015550123 --since 1d --format json")(log)
app.command(epilog="Example: callflows forget +12015550999")(forget)


def main() -> None:
    """Run the command line; what goes wrong is one line, not a traceback."""
    try:
        try:
            app([*sys.argv[1:], *(["all"] if sys.argv[-1] == "--explain" else [])])
        finally:
            sys.stdout.flush()
    except CallflowsError as error:
        say(f"callflows: {error}")
        sys.exit(2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
