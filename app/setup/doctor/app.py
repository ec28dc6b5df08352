"""What is to be said of the SIP Control App that asks this server, and of its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.setup.connecting.found import connection_of, holder_told
from app.setup.connecting.wanted import CALL, LASTS_MIN, TIMEOUT_MS, WEBHOOK, asked_at, exact
from app.setup.doctor.account import CONNECT
from app.setup.doctor.results import Finding
from app.setup.doctor.written import written_in
from app.setup.shown import shown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from app.flows.loader import Loaded
    from app.opentact.records import App, Lease
    from app.settings import Settings
    from app.setup.doctor.account import Account

LONGEST: Final = 10_000
"""Milliseconds that a caller may hear nothing."""
_FEW: Final = 5


async def points_here(settings: Settings, account: Account) -> list[Finding]:
    """Whether the app asks this server, in the right way."""
    app = await account.app()
    if app is None:
        return [Finding("error", "no app of the account asks this server", CONNECT)]
    found = [*_pointing(settings, app)]
    return found or [Finding("ok", f"the app {app.name!r} asks this server")]


def _pointing(settings: Settings, app: App) -> Iterator[Finding]:
    named = f"the app {app.name!r}"
    if app.is_active is False:
        yield Finding("error", f"{named} is not active", CONNECT)
    if not settings.public_url:
        return
    if settings.control == "push":
        if app.call_flow_url:
            said = f"{named} asks {shown(app.call_flow_url)}, and CALLFLOWS_CONTROL is push: which wins is not documented"
            yield Finding("error", said, CONNECT)
        return
    if not _ours(settings, CALL, app.call_flow_url):
        same = (app.call_flow_url or "").partition("?")[0] == f"{settings.public_url}{CALL}"
        why = "with a token that is none of these settings" if same else "which is not this server"
        yield Finding("error", f"{named} asks {shown(app.call_flow_url)}, {why}", CONNECT)
    if (app.call_flow_method or "").upper() != "POST":
        said = f"{named} asks by {shown(app.call_flow_method)}: only with POST Opentact says which call it is"
        yield Finding("warning", said, CONNECT)
    if not _ours(settings, WEBHOOK, app.webhook_url):
        said = f"{named} tells the states of calls to {shown(app.webhook_url)}"
        yield Finding("warning", f"{said}: what events miss is not made up for", CONNECT)


def _ours(settings: Settings, path: str, url: str | None) -> bool:
    return any(url == asked_at(settings, path, which) for which in range(len(settings.token)))


async def timeouts(settings: Settings, account: Account) -> list[Finding]:
    """How long a caller hears nothing when this server does not answer."""
    app = await account.app()
    if app is None or settings.control == "push":
        return []
    limit = app.call_flow_request_timeout
    if "call_flow_request_timeout" not in app.said:
        return [Finding("warning", "Opentact does not tell how long it waits for an answer", CONNECT)]
    if not limit:
        said = "there is no timeout" if limit is None else "the timeout is 0, which turns it off"
        return [Finding("error", f"{said}: where this server is slow, a caller hears nothing without end", CONNECT)]
    if limit > LONGEST:
        said = f"Opentact waits {limit:,} ms for an answer, in which a caller hears nothing"
        return [Finding("warning", f"{said}: more than {LONGEST:,} is too long", CONNECT)]
    if limit <= settings.deadline_ms:
        said = f"Opentact waits {limit:,} ms, and an answer may take {settings.deadline_ms:,} ms (CALLFLOWS_DEADLINE_MS)"
        mend = "lower CALLFLOWS_DEADLINE_MS" if limit >= TIMEOUT_MS else CONNECT
        return [Finding("error", f"{said}: it gives up before the fallback is served", mend)]
    return [Finding("ok", f"Opentact waits {limit:,} ms for an answer")]


async def call_length(_settings: Settings, account: Account) -> list[Finding]:
    """Whether a call ends by itself, some day."""
    app = await account.app()
    if app is None:
        return []
    if app.max_call_length_min:
        return [Finding("ok", f"a call lasts {app.max_call_length_min} minutes at most")]
    told = "max_call_length_min" in app.said
    said = "the length of a call is not bounded" if told else "Opentact does not tell how long a call may last"
    return [Finding("warning", f"{said}: one that hangs costs money without end", f"{CONNECT} --max-minutes {LASTS_MIN}")]


async def answering(account: Account, loaded: Callable[[], Awaitable[Loaded]]) -> list[Finding]:
    """Whether the app answers the line by itself where a flow does not want that."""
    app = await account.app()
    if app is None:
        return []
    if app.auto_answer is None:
        return [
            Finding("ok", "Opentact does not tell whether the app answers the line by itself; flows do it where needed")
        ]
    flows = (await loaded()).book.flows.values()
    wants = {flow.name: written.auto_answer for flow in flows if (written := written_in(flow)) is not None}
    if app.auto_answer and (against := [name for name, want in wants.items() if want == "false"]):
        said = f"the app answers the line by itself, which {_few(against)} (auto_answer: false) would not"
        return [
            Finding(
                "warning", f"{said}: callers pay before anybody is there", "turn the app's auto_answer off in the portal"
            )
        ]
    if app.auto_answer and (twice := [name for name, want in wants.items() if want == "true"]):
        said = f"the app answers the line by itself, and {_few(twice)} (auto_answer: true) once more"
        return [Finding("warning", said, "write auto_answer: auto, which leaves it out where the app does it")]
    return [Finding("ok", "flows and the app agree on who answers the line")]


async def numbers(account: Account, loaded: Callable[[], Awaitable[Loaded]]) -> list[Finding]:
    """Whether the numbers that flows claim ring here, and those that ring here are claimed."""
    book = (await loaded()).book
    leases = {lease.number: lease for lease in await account.leases() if lease.number}
    app = await account.app()
    names = {one.uuid: one.name for one in await account.apps()}
    ours = app.uuid if app else ""
    claimed = dict(exact(book))
    found = [
        finding
        for number, flow in claimed.items()
        if (finding := _claimed(number, flow, leases.get(number), ours, names)) is not None
    ]
    for number, lease in leases.items():
        if ours and lease.app == ours and book.answering(number) is None:
            said = f"{number} rings here, and no flow claims it: callers hear an apology"
            found.append(Finding("error", said, "claim it in a flow's numbers, or take it from the app"))
    rest = sum(bool(ours) and lease.app == ours for lease in leases.values())
    return found or [
        Finding("ok", f"{len(claimed)} number(s) claimed exactly, {rest} of the app: all ring where they should")
    ]


def _claimed(number: str, flow: str, lease: Lease | None, ours: str, names: dict[str, str]) -> Finding | None:
    """What is wrong with a number that a flow claims."""
    claimed = f"{number} (flow {flow})"
    if lease is None:
        mend = f"order it (callflows opentact numbers order {number}), or take it out of the flow"
        return Finding("error", f"{claimed} is not a number of the account", mend)
    if connection := connection_of(lease):
        return Finding("error", f"{claimed} belongs to the SIP connection {connection}", f"{CONNECT} --take")
    if lease.app and lease.app != ours:
        return Finding("error", f"{claimed} belongs to the app {names.get(lease.app) or lease.app!r}", f"{CONNECT} --take")
    if not lease.app:
        said = "belongs to no app: nobody answers it" if holder_told(lease) else "belongs to whom Opentact does not tell"
        return Finding("error" if holder_told(lease) else "warning", f"{claimed} {said}", CONNECT)
    return None


async def messages(account: Account, loaded: Callable[[], Awaitable[Loaded]]) -> list[Finding]:
    """Whether numbers can send, where a flow writes texts from them."""
    book = (await loaded()).book
    writers = {flow.name for flow in book.flows.values() if (said := written_in(flow)) is not None and said.texts}
    if not writers:
        return [Finding("ok", "no flow file writes texts")]
    leases = {lease.number: lease for lease in await account.leases()}
    found = []
    for number, flow in exact(book):
        lease = leases.get(number)
        if flow in writers and lease is not None and not _sends(lease):
            mend = "enable messages on it in the portal: by a messaging profile and, where carriers want one, a campaign"
            found.append(Finding("error", f"{number} (flow {flow}) writes texts, and messages are not enabled on it", mend))
    return found or [Finding("ok", f"{len(writers)} flow(s) write texts, as far as is told from numbers that can")]


def _sends(lease: Lease) -> bool:
    """Whether messages are enabled on a number; what Opentact does not tell is taken for granted."""
    without = "messaging_profile" in lease.said and not lease.said["messaging_profile"]
    able = lease.features is None or any("sms" in str(feature).lower() for feature in lease.features)
    return able and not without


def _few(names: list[str]) -> str:
    return ", ".join(names[:_FEW]) + (", …" if len(names) > _FEW else "")
