"""The platform from the command line. What costs money or reaches people is shown first, and asked. Mounted by ``commands``."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar

import typer

from app.cli.flows import file_of
from app.cli.given import FLOWS, TableFormat, confirm, fail, options_of, say, settings_of, table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from app.errors import OpentactError
    from app.opentact.api import Opentact
    from app.opentact.records import App, Lease, Message, Record, Voice
    from app.settings import Settings

    T = TypeVar("T")
    R = TypeVar("R", bound=Record)

_ROWS: Final = 50
"""Of a list for people, unless more are asked for."""
_SHOWN: Final = 5
FORMAT = Annotated[TableFormat, typer.Option("--format", help="How rows are shown.")]
LIMIT = Annotated[int | None, typer.Option(min=1, help=f"Rows at most; else {_ROWS} as text, and all as JSON.")]
YES = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]
FEATURES = Annotated[str, typer.Option(help="What it must be able to do, with commas.")]

opentact = typer.Typer(help="The platform itself: numbers, messages, apps, voices, calls.", no_args_is_help=True)
numbers = typer.Typer(help="Search, order, release and list numbers.", no_args_is_help=True)
messages = typer.Typer(help="Send and list text messages.", no_args_is_help=True)
opentact.add_typer(numbers, name="numbers")
opentact.add_typer(messages, name="messages")


def ask(work: Callable[[Opentact], Awaitable[T]]) -> T:
    """What Opentact answers; where it refuses, exit 1. Raises SettingsError."""
    import asyncio

    from app.errors import OpentactError
    from app.opentact import Opentact

    async def asking() -> T:
        async with Opentact.of(settings_of()) as client:
            return await work(client)

    try:
        return asyncio.run(asking())
    except OpentactError as error:
        _refused(error)


def _refused(error: OpentactError) -> Any:  # noqa: ANN401 - never returns
    values = [f"  {path} was {field.value!r}" for path, field in error.fields.items() if field.value is not None]
    fail("\n".join([f"callflows: {error}", *values]), 1)


async def _some(rows: AsyncIterator[R], limit: int | None, output: TableFormat) -> list[R]:
    """As many rows as are wanted; for people, a word where there are more."""
    most = limit or (_ROWS if output is TableFormat.text else None)
    found: list[R] = []
    async for row in rows:
        if most is not None and len(found) == most:
            say(f"there are more: --limit {2 * most}")
            break
        found.append(row)
    return found


def _show(found: Sequence[Record], columns: Callable[[Any], Sequence[object]], output: TableFormat) -> None:
    if output is TableFormat.json:
        print(json.dumps([record.said for record in found], ensure_ascii=False, indent=2))
    else:
        table([["" if cell is None else cell for cell in columns(record)] for record in found])


def _number(written: str) -> str:
    """A number that a person wrote, in E.164; else exit 2."""
    from app.numbers import e164

    found = e164(written)
    if not found:
        fail(f"callflows: {written!r} is no number: write it as +12015550123", 2)
    return found


@numbers.command("search", epilog="Example: callflows opentact numbers search --state NJ --npa 201 --limit 5")
def numbers_search(
    country: Annotated[str, typer.Option(help="The country, as US.")] = "US",
    state: Annotated[str, typer.Option(help="The state, as NJ.")] = "",
    city: Annotated[str, typer.Option(help="The city.")] = "",
    rate_center: Annotated[str, typer.Option(help="The rate center.")] = "",
    npa: Annotated[str, typer.Option(help="The area code, as 201.")] = "",
    nxx: Annotated[str, typer.Option(help="The exchange, as 555.")] = "",
    pattern: Annotated[str, typer.Option(help="A pattern that Opentact understands, as 1201555*.")] = "",
    features: FEATURES = "voice,sms",
    limit: Annotated[int, typer.Option(min=1, help="Numbers at most.")] = 20,
    output: FORMAT = TableFormat.text,
) -> None:
    """Search numbers that can be ordered."""
    from app.opentact.numbers import Mask

    mask = Mask(
        country=country,
        state=state,
        city=city,
        rate_center=rate_center,
        npa=npa,
        nxx=nxx,
        pattern=pattern,
        features=features.split(","),
    )
    found = ask(lambda client: _some(client.numbers.search(take=min(limit, 100), **mask), limit, output))
    _show(found, lambda tn: (tn.number or tn.tn, *_told(tn.said, ("city", "rate_center", "state", "features"))), output)
    if not found:
        fail("no number fits: ask for less", 1)


def _told(said: dict[str, Any], names: Sequence[str]) -> list[str]:
    """What Opentact tells besides, where it does: what is known of these fields is only their names."""
    return [str(said.get(name) or "") for name in names]


@numbers.command("order", epilog="Example: callflows opentact numbers order +12015550123")
def numbers_order(
    wanted: Annotated[list[str], typer.Argument(metavar="NUMBER…", help="The numbers, as search shows them.")],
    features: FEATURES = "voice,sms",
    autorenew: Annotated[bool, typer.Option(help="Whether they are kept when their time is over.")] = True,  # noqa: FBT002 - an option
    yes: YES = False,  # noqa: FBT002 - an option
    output: FORMAT = TableFormat.text,
) -> None:
    """Order numbers, which costs money."""
    ordered = [*dict.fromkeys(map(_number, wanted))]
    renewing = "renewed until released" if autorenew else "not renewed"
    confirm([f"order {number} for {features}, {renewing}; this costs money" for number in ordered], yes=yes)
    order = ask(lambda client: client.numbers.order(ordered, features=features.split(","), autorenew=autorenew))
    _show([order], lambda made: ("ordered", made.uuid, *_told(made.said, ("state",))), output)


@numbers.command("release", epilog="Example: callflows opentact numbers release +12015550123")
def numbers_release(
    given: Annotated[list[str], typer.Argument(metavar="NUMBER…", help="Numbers of the account.")],
    yes: YES = False,  # noqa: FBT002 - an option
) -> None:
    """Give numbers back, for ever."""
    released = [*dict.fromkeys(map(_number, given))]

    async def looked_at(client: Opentact) -> list[Lease]:
        return [await client.numbers.get(number) for number in released]

    async def release(client: Opentact) -> None:
        for number in released:
            await client.numbers.release(number)
            print(f"released {number}")

    leases = ask(looked_at)
    plan = [
        f"release {number}{f', which app {lease.app} answers' if lease.app else ''}; somebody else may get it"
        for number, lease in zip(released, leases, strict=True)
    ]
    confirm(plan, yes=yes)
    ask(release)


@numbers.command("list", epilog="Example: callflows opentact numbers list --format json")
def numbers_list(limit: LIMIT = None, output: FORMAT = TableFormat.text) -> None:
    """List the account's numbers, and the app that answers each."""
    found = ask(lambda client: _some(client.numbers.leases(), limit, output))

    def columns(lease: Lease) -> Sequence[object]:
        name = getattr(lease.sip_control_app, "name", "")
        return lease.number, lease.uuid, "renewed" if lease.autorenew else "", name or lease.app

    _show(found, columns, output)


@messages.command(
    "send", epilog='Example: callflows opentact messages send +12015550999 "We are open." --from +12015550123'
)
def messages_send(
    to: Annotated[str, typer.Argument(help="To whom.")],
    text: Annotated[str, typer.Argument(help="What, in 1 to 918 characters.")],
    sender: Annotated[str, typer.Option("--from", help="From which of the account's numbers.")],
    yes: YES = False,  # noqa: FBT002 - an option
    output: FORMAT = TableFormat.text,
) -> None:
    """Send a text message."""
    from app.errors import OpentactError
    from app.opentact.messages import sendable

    to, sender = _number(to), _number(sender)
    try:
        sendable(text)
    except OpentactError as error:
        fail(f"callflows: {error}", 2)
    confirm([f"send {len(text)} characters from {sender} to {to}:", *(f"  {line}" for line in text.splitlines())], yes=yes)
    sent = ask(lambda client: client.messages.send(sender, to, text))
    _show([sent], lambda message: ("sent", message.uuid, message.state), output)


class Direction(StrEnum):
    """Which messages."""

    received = "in"
    sent = "out"


@messages.command("list", epilog="Example: callflows opentact messages list --direction in --limit 10")
def messages_list(
    direction: Annotated[Direction | None, typer.Option(help="Received or sent; else both.")] = None,
    limit: LIMIT = None,
    output: FORMAT = TableFormat.text,
) -> None:
    """List text messages, the newest first."""
    which: Literal["", "in", "out"] = "" if direction is None else direction.value

    def columns(message: Message) -> Sequence[object]:
        at = message.created_on.isoformat(" ", "seconds") if message.created_on else ""
        return at, message.type, message.from_, message.to, message.state, message.message

    found = ask(lambda client: _some(client.messages.search(which, order={"created_on": "DESC"}), limit, output))
    _show(found, columns, output)


@opentact.command(epilog="Example: callflows opentact apps --format json")
def apps(output: FORMAT = TableFormat.text) -> None:
    """List the SIP Control Apps and the URLs that they ask; what follows a URL's ? may be a secret, and is left out."""

    def columns(app: App) -> Sequence[object]:
        url, asked, _ = (app.call_flow_url or "").partition("?")
        timeout = "" if app.call_flow_request_timeout is None else f"{app.call_flow_request_timeout} ms"
        return (
            app.uuid,
            app.name,
            "" if app.is_active else "inactive",
            app.call_flow_method,
            f"{url}{asked and '?…'}",
            timeout,
        )

    _show(ask(lambda client: client.apps.all()), columns, output)


@opentact.command(epilog="Example: callflows opentact voices --lang en-US")
def voices(
    lang: Annotated[str, typer.Option(help="Only those of a language, as en or en-US.")] = "",
    output: FORMAT = TableFormat.text,
) -> None:
    """List the voices that Say can have."""
    found = ask(lambda client: client.voices())
    fitting = [voice for voice in found if f"{voice.code}-".lower().startswith(f"{lang}-".lower() if lang else "")]

    def columns(voice: Voice) -> Sequence[object]:
        return voice.code, voice.name, voice.gender, voice.type

    _show(fitting, columns, output)


@opentact.command(
    epilog="Example: callflows opentact batch +12015550999 --flow reminder --profile UUID --from +12015550123"
)
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
    settings, sender = settings_of(flows=flows), _number(sender)
    document = document_of(xml, settings) if xml is not None else _exported(flow, settings)
    called = [*dict.fromkeys(_number(phone) for phone in [*(phones or ()), *(_lines(file) if file else ())])]
    if not called:
        fail("callflows: whom to call? Name numbers, or a file of them by --numbers", 2)
    few = ", ".join(called[:_SHOWN])
    more = f" and {len(called) - _SHOWN} more" if len(called) > _SHOWN else ""
    lease = ask(lambda client: client.numbers.get(sender))
    plan = [f"call {len(called)} number(s) from {sender}: {few}{more}", f"each hears {flow or xml}; this costs money"]
    confirm(plan, yes=yes)
    made = ask(lambda client: client.dialling.batch(profile, called, document.decode(), lease.uuid))
    _show([made], lambda record: ("batch", record.uuid, *_told(record.said, ("type", "state"))), output)


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
    except OSError as error:
        fail(f"callflows: {file}: {error.strerror}", 2)
    except DocumentError as error:
        fail(f"{file}:{error.line}:{error.column}: {error.reason}", 1)
    return document


@opentact.command(epilog="Example: callflows opentact push 3b206fb6-a5b7-4d62-8a3a-02d9e1880001 transfer.xml")
def push(
    call: Annotated[str, typer.Argument(help="The id of a live call.")],
    file: Annotated[Path, typer.Argument(help="An XML document.")],
    flows: FLOWS = None,
) -> None:
    """Have a live call go on with a document."""
    document = document_of(file, settings_of(flows=flows))
    ask(lambda client: client.calls.push(call, document))
    print(f"pushed to {call}")
