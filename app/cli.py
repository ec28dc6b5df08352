"""The command line. Each command imports what it needs, so that ``--help`` is quick."""

from __future__ import annotations

import contextlib
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from app.cli_flows import export, new, override, show
from app.errors import CallflowsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.errors import Problem
    from app.flows.compiler import Options
    from app.flows.loader import Loaded, Progress
    from app.settings import Settings
    from app.web.answering import Answering

app = typer.Typer(
    help="Answer the phone numbers you run on Opentact: call flows as files, checked before they are live.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_MANY = 200
"""Files from which on a bar shows how far it is."""


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


class DialectName(StrEnum):
    """The two dialects."""

    reference = "reference"
    classic = "classic"


class Format(StrEnum):
    """How problems are shown."""

    text = "text"
    json = "json"
    github = "github"


class TableFormat(StrEnum):
    """How rows are shown."""

    text = "text"
    json = "json"


FLOWS = Annotated[Path | None, typer.Option("--flows", metavar="DIR", help="The folder of the flow files.")]


def _settings(**given: Any) -> Settings:  # noqa: ANN401 - a setting each
    from app.settings import load

    return load(**{name: value for name, value in given.items() if value is not None})


def _options(settings: Settings) -> Options:
    """What flows are compiled for where nothing is signed for real."""
    from app.flows.compiler import Options
    from app.flows.tickets import Signer

    regions = frozenset(settings.dial_regions) or None
    return Options(Signer([b"only looked at"]), settings.apology, settings.dialect, dial_regions=regions)


@app.command(epilog="Example: callflows serve --port 8080")
def serve(
    flows: FLOWS = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that answer.")] = None,
) -> None:
    """Serve the flows: set the URL that it prints as remote call control URL in Opentact."""
    import uvicorn

    settings = _settings(flows=flows, host=host, port=port, workers=workers)
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

    with _progress("loading") as on_progress:
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
    _say(f"callflows serves {served} of {settings.flows}/ on {settings.host}:{settings.port}")
    _say(f"  remote call control URL: {url}/call{token}")
    _say(f"  what a caller would get: curl '{asked}'")
    if loaded and loaded.problems:
        _say(f"  {len(loaded.problems)} problem(s): see the log, or callflows check")


@contextlib.contextmanager
def _progress(doing: str) -> Iterator[Progress | None]:
    """A bar on a terminal, for whoever has many files; nothing in a pipe."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        tasks: list[Any] = []

        def on_progress(done: int, total: int) -> None:
            if total >= _MANY:
                if not tasks:
                    tasks.append(bar.add_task(doing, total=total))
                bar.update(tasks[0], completed=done)

        yield on_progress


@app.command(epilog="Example: callflows check callflows/acme.yaml --strict")
def check(
    paths: Annotated[list[Path] | None, typer.Argument(help="Flow files, XML documents, or folders of them.")] = None,
    flows: FLOWS = None,
    output: Annotated[Format, typer.Option("--format", help="How problems are shown.")] = Format.text,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on warnings too.")] = False,  # noqa: FBT002 - an option
    explain: Annotated[
        str | None, typer.Option(metavar="RULE", help="Explain a rule by its name, as unused; all lists them.")
    ] = None,
) -> None:
    """Say all that is wrong with flow files and XML documents: where, what, and the mend."""
    from app.flows.checks import check_paths

    if explain is not None:
        _explain(explain, output)
        return
    settings = _settings(flows=flows)
    with _progress("checking") as on_progress:
        problems = check_paths(paths or [settings.flows], _options(settings), settings.flows, on_progress, settings.workers)
    _show(problems, output)
    worst = {problem.severity for problem in problems}
    raise typer.Exit(1 if "error" in worst or (strict and worst) else 0)


def _explain(name: str, output: Format) -> None:
    """The page of a rule, or of all."""
    import json

    from app.flows.rules import RULES, explained

    try:
        pages = {rule: explained(rule) for rule in (RULES if name == "all" else (name,))}
    except LookupError as error:
        _fail(f"callflows: {error.args[0]}", 2)
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
        _say(f"{errors} error(s), {len(problems) - errors} warning(s)")


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

    settings = _settings(flows=flows)
    with _progress("loading") as on_progress:
        loaded = load(settings.flows, _options(settings), on_progress)
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
        _say(str(problem))
    raise typer.Exit(1 if loaded.broken else 0)


@app.command(epilog="Example: callflows verbs Gather")
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


app.command(epilog="Example: callflows show front-desk --format svg > front-desk.svg")(show)
app.command(epilog="Example: callflows export front-desk > front-desk.xml")(export)
app.command(epilog='Example: callflows override front-desk office closed --until "2026-12-24 18:00"')(override)
app.command(epilog="Example: callflows new acme --template clinic --number +12015550123")(new)

schema = typer.Typer(help="Print schemas.", no_args_is_help=True)
app.add_typer(schema, name="schema")


@schema.command("xml", epilog="Example: callflows schema xml --dialect classic > classic.xsd")
def schema_xml(
    flows: FLOWS = None,
    dialect: Annotated[DialectName | None, typer.Option(help="The dialect; else that of the settings.")] = None,
) -> None:
    """Print the XML Schema of a dialect; on standard error what XSD 1.0 cannot say of it."""
    from app.flows.loader import declared
    from app.language.reference import UNSAYABLE, xsd

    settings = _settings(flows=flows, dialect=dialect and dialect.value)
    extensions, problems = declared(settings.flows)
    print(xsd(settings.dialect, extensions))
    _say("XSD 1.0 cannot say, and `callflows check FILE.xml` does:")
    for line in [*UNSAYABLE, *map(str, problems)]:
        _say(f"- {line}")


@schema.command("flow", epilog="Example: callflows schema flow > callflows.schema.json")
def schema_flow(flows: FLOWS = None) -> None:
    """Print the JSON Schema of flow files, for editors; on standard error what JSON Schema cannot say of them."""
    import json

    from app.flows.loader import declared
    from app.flows.schema import UNSAYABLE, flow_schema

    extensions, problems = declared(_settings(flows=flows).flows)
    print(json.dumps(flow_schema(extensions), indent=1))
    _say("JSON Schema cannot say, and `callflows check` does:")
    for line in [*UNSAYABLE, *map(str, problems)]:
        _say(f"- {line}")


@app.command(epilog="Example: callflows convert menu.xml --dialect classic")
def convert(
    file: Annotated[Path, typer.Argument(help="An XML document in either dialect.")],
    dialect: Annotated[DialectName, typer.Option(help="The dialect to write.")],
    flows: FLOWS = None,
) -> None:
    """Write a document in the other dialect; refused, with the reason, rather than losing anything."""
    from app.errors import DialectError, DocumentError
    from app.flows.loader import declared
    from app.language import from_xml, to_xml

    extensions, _ = declared(_settings(flows=flows).flows)
    try:
        document = to_xml(from_xml(file.read_bytes(), extensions=extensions), dialect.value, extensions=extensions)
    except OSError as error:
        _fail(f"{file}: {error.strerror}", 2)
    except DocumentError as error:
        _fail(f"{file}:{error.line}:{error.column}: {error.reason}", 1)
    except DialectError as error:
        _fail(f"{file}: {error}", 1)
    print(document.decode())


def _say(text: str) -> None:
    """For people; a full disk does not keep a command from its work."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def _fail(text: str, code: int) -> NoReturn:
    _say(text)
    raise typer.Exit(code)


def main() -> None:
    """Run the command line; what goes wrong is one line, not a traceback."""
    try:
        try:
            app([*sys.argv[1:], *(["all"] if sys.argv[-1] == "--explain" else [])])
        finally:
            sys.stdout.flush()
    except CallflowsError as error:
        _say(f"callflows: {error}")
        sys.exit(2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


if __name__ == "__main__":
    main()
