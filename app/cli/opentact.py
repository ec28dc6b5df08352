"""The platform from the command line. What costs money or reaches people is shown first, and asked.

Mounted by ``commands``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from app.cli.asking import FORMAT, LIMIT, YES, ask, number_of, show_records, some, told
from app.cli.dialling import batch, push
from app.cli.given import TableFormat, confirm, fail, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.opentact.api import Opentact
    from app.opentact.records import App, Lease, Message, Voice

FEATURES = Annotated[str, typer.Option(help="What it must be able to do, with commas.")]

opentact = typer.Typer(help="The platform itself: numbers, messages, apps, voices, calls.", no_args_is_help=True)
numbers = typer.Typer(help="Search, order, release and list numbers.", no_args_is_help=True)
messages = typer.Typer(help="Send and list text messages.", no_args_is_help=True)
opentact.add_typer(numbers, name="numbers")
opentact.add_typer(messages, name="messages")


@numbers.command("search", epilog="Example: callflows opentact numbers search --state NJ --npa 201 --limit 5")
def numbers_search(
    country: Annotated[str, typer.Option(help="The country, as US.")] = "US",
    state: Annotated[str, typer.Option(help="The state, as NJ.")] = "",
    city: Annotated[str, typer.Option(help="The city.")] = "",
    rate_center: Annotated[str, typer.Option(help="The rate center.")] = "",
    npa: Annotated[str, typer.Option(help="The area code, as 201.")] = "",
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
        pattern=pattern,
        features=features.split(","),
    )
    found = ask(lambda client: some(client.numbers.search(take=min(limit, 100), **mask), limit, output))
    beside = ("city", "rate_center", "state", "features")
    show_records(found, lambda tn: (tn.number or tn.tn, *told(tn.said, beside)), output)
    if not found:
        fail("no number fits: ask for less", 1)


@numbers.command("order", epilog="Example: callflows opentact numbers order +12015550123")
def numbers_order(
    wanted: Annotated[list[str], typer.Argument(metavar="NUMBER…", help="The numbers, as search shows them.")],
    features: FEATURES = "voice,sms",
    autorenew: Annotated[bool, typer.Option(help="Whether they are kept when their time is over.")] = True,  # noqa: FBT002 - an option
    yes: YES = False,  # noqa: FBT002 - an option
    output: FORMAT = TableFormat.text,
) -> None:
    """Order numbers, which costs money."""
    ordered = [*dict.fromkeys(map(number_of, wanted))]
    renewing = "renewed until released" if autorenew else "not renewed"
    confirm([f"order {number} for {features}, {renewing}; this costs money" for number in ordered], yes=yes)
    order = ask(lambda client: client.numbers.order(ordered, features=features.split(","), autorenew=autorenew))
    show_records([order], lambda made: ("ordered", made.uuid, *told(made.said, ("state",))), output)


@numbers.command("release", epilog="Example: callflows opentact numbers release +12015550123")
def numbers_release(
    given: Annotated[list[str], typer.Argument(metavar="NUMBER…", help="Numbers of the account.")],
    yes: YES = False,  # noqa: FBT002 - an option
) -> None:
    """Give numbers back, for ever."""
    released = [*dict.fromkeys(map(number_of, given))]

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
    found = ask(lambda client: some(client.numbers.leases(), limit, output))

    def columns(lease: Lease) -> Sequence[object]:
        name = getattr(lease.sip_control_app, "name", "")
        return lease.number, lease.uuid, "renewed" if lease.autorenew else "", name or lease.app

    show_records(found, columns, output)


@messages.command("send", epilog='Example: callflows opentact messages send +12015550999 "Come in." --from +12015550123')
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

    to, sender = number_of(to), number_of(sender)
    try:
        sendable(text)
    except OpentactError as error:
        fail(f"callflows: {error}", 2)
    confirm([f"send {len(text)} characters from {sender} to {to}:", *(f"  {line}" for line in text.splitlines())], yes=yes)
    sent = ask(lambda client: client.messages.send(sender, to, text))
    show_records([sent], lambda message: ("sent", message.uuid, message.state), output)


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

    found = ask(lambda client: some(client.messages.search(which, order={"created_on": "DESC"}), limit, output))
    show_records(found, columns, output)
    if not found:
        say("there are no messages")


@opentact.command(epilog="Example: callflows opentact apps --format json")
def apps(output: FORMAT = TableFormat.text) -> None:
    """List the SIP Control Apps and the URLs that they ask; what follows a URL's ? may be a secret, and is left out."""

    def columns(app: App) -> Sequence[object]:
        url, asked, _ = (app.call_flow_url or "").partition("?")
        timeout = "" if app.call_flow_request_timeout is None else f"{app.call_flow_request_timeout} ms"
        active = "inactive" if app.is_active is False else ""
        return app.uuid, app.name, active, app.call_flow_method, f"{url}{asked and '?…'}", timeout

    show_records(ask(lambda client: client.apps.all()), columns, output)


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

    show_records(fitting, columns, output)


_BATCH = "callflows opentact batch +12015550999 --flow reminder --profile UUID --from +12015550123"
opentact.command(epilog=f"Example: {_BATCH}")(batch)
opentact.command(epilog="Example: callflows opentact push 3b206fb6-a5b7-4d62-8a3a-02d9e1880001 transfer.xml")(push)
