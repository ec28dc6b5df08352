"""Checks of the SIP Control App, its numbers, and flow files.

Some facts are read from the flow files, because compiled flows no longer contain them.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Final

from callflows.flows.loader.folder_loader import read_bounded_file
from callflows.flows.source.flow_file import read_flow_file
from callflows.flows.source.positions import ProblemReport
from callflows.setup.connect.current_setup import get_sip_connection_uuid, is_holder_known
from callflows.setup.connect.desired_setup import (
    APP_TIMEOUT_MS,
    CALL_ENDPOINT_PATH,
    WEBHOOK_ENDPOINT_PATH,
    build_endpoint_url,
    iterate_exact_numbers,
)
from callflows.setup.doctor.account_checks import CONNECT_COMMAND
from callflows.setup.doctor.doctor_runner import DoctorFinding
from callflows.setup.setting_text import format_setting
from callflows.telephony.call_record import LONGEST_CALL_MINUTES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from callflows.flows.flow import Flow
    from callflows.flows.loader.folder_loader import LoadedFlows
    from callflows.opentact.rest_records import OpentactApp, OpentactLease
    from callflows.settings import Settings
    from callflows.setup.doctor.account_checks import DoctorAccount


@dataclasses.dataclass(frozen=True, slots=True)
class FlowFileFacts:
    """A flow file's ``auto_answer``, and whether a step sends messages."""

    auto_answer: str
    sends_sms: bool


def read_flow_file_facts(flow: Flow) -> FlowFileFacts | None:
    """Read the facts of a flow file; return None for a program or an unreadable file."""
    file = Path(flow.file)
    if file.suffix == ".py":
        return None
    try:
        said = read_flow_file(read_bounded_file(file), ProblemReport(flow.file))
    except OSError:
        return None
    return None if said is None else FlowFileFacts(said.auto_answer, _contains_sms_step(said.model_dump()))


def _contains_sms_step(value: object) -> bool:
    """Search steps for ``sms`` at any depth; a mapping with a key ``sms`` outside a list of steps does not count."""
    if isinstance(value, list):
        return any((isinstance(step, dict) and "sms" in step) or _contains_sms_step(step) for step in value)
    return isinstance(value, dict) and any(map(_contains_sms_step, value.values()))


MAX_SILENCE_MS: Final = 10_000
"""Longest acceptable silence for a caller."""
_MAX_SHOWN_NAMES: Final = 5


async def diagnose_app_urls(settings: Settings, account: DoctorAccount) -> list[DoctorFinding]:
    """Check whether the app requests this server with the right URLs, method and token."""
    app = await account.app()
    if app is None:
        return [DoctorFinding("error", "no app of the account asks this server", CONNECT_COMMAND)]
    found = [*_diagnose_app_urls(settings, app)]
    return found or [DoctorFinding("ok", f"the app {app.name!r} asks this server")]


def _diagnose_app_urls(settings: Settings, app: OpentactApp) -> Iterator[DoctorFinding]:
    named = f"the app {app.name!r}"
    if app.is_active is False:
        yield DoctorFinding("error", f"{named} is not active", CONNECT_COMMAND)
    if not settings.public_url:
        return
    if settings.control == "push":
        if app.call_flow_url:
            said = (
                f"{named} asks {format_setting(app.call_flow_url)}, "
                "and CALLFLOWS_CONTROL is push: which wins is not documented"
            )
            yield DoctorFinding("error", said, CONNECT_COMMAND)
        return
    if not _is_our_url(settings, CALL_ENDPOINT_PATH, app.call_flow_url):
        same = (app.call_flow_url or "").partition("?")[0] == f"{settings.public_url}{CALL_ENDPOINT_PATH}"
        why = "with a token that is none of these settings" if same else "which is not this server"
        yield DoctorFinding("error", f"{named} asks {format_setting(app.call_flow_url)}, {why}", CONNECT_COMMAND)
    if (app.call_flow_method or "").upper() != "POST":
        said = f"{named} asks by {format_setting(app.call_flow_method)}: only with POST Opentact says which call it is"
        yield DoctorFinding("warning", said, CONNECT_COMMAND)
    if not _is_our_url(settings, WEBHOOK_ENDPOINT_PATH, app.webhook_url):
        said = f"{named} tells the states of calls to {format_setting(app.webhook_url)}"
        yield DoctorFinding("warning", f"{said}: what events miss is not made up for", CONNECT_COMMAND)


def _is_our_url(settings: Settings, path: str, url: str | None) -> bool:
    return any(url == build_endpoint_url(settings, path, which) for which in range(len(settings.token)))


async def diagnose_app_timeout(settings: Settings, account: DoctorAccount) -> list[DoctorFinding]:
    """Check how long a caller waits in silence if this server does not answer."""
    app = await account.app()
    if app is None or settings.control == "push":
        return []
    limit = app.call_flow_request_timeout
    if "call_flow_request_timeout" not in app.raw:
        return [DoctorFinding("warning", "Opentact does not tell how long it waits for an answer", CONNECT_COMMAND)]
    if not limit:
        said = "there is no timeout" if limit is None else "the timeout is 0, which turns it off"
        return [
            DoctorFinding(
                "error", f"{said}: where this server is slow, a caller hears nothing without end", CONNECT_COMMAND
            )
        ]
    if limit > MAX_SILENCE_MS:
        said = f"Opentact waits {limit:,} ms for an answer, in which a caller hears nothing"
        return [DoctorFinding("warning", f"{said}: more than {MAX_SILENCE_MS:,} is too long", CONNECT_COMMAND)]
    if limit <= settings.deadline_ms:
        said = f"Opentact waits {limit:,} ms, and an answer may take {settings.deadline_ms:,} ms (CALLFLOWS_DEADLINE_MS)"
        fix = "lower CALLFLOWS_DEADLINE_MS" if limit >= APP_TIMEOUT_MS else CONNECT_COMMAND
        return [DoctorFinding("error", f"{said}: it gives up before the fallback is served", fix)]
    return [DoctorFinding("ok", f"Opentact waits {limit:,} ms for an answer")]


async def diagnose_call_length(_settings: Settings, account: DoctorAccount) -> list[DoctorFinding]:
    """Check whether the length of calls is limited."""
    app = await account.app()
    if app is None:
        return []
    if app.max_call_length_min:
        return [DoctorFinding("ok", f"a call lasts {app.max_call_length_min} minutes at most")]
    told = "max_call_length_min" in app.raw
    said = "the length of a call is not bounded" if told else "Opentact does not tell how long a call may last"
    return [
        DoctorFinding(
            "warning",
            f"{said}: one that hangs costs money without end",
            f"{CONNECT_COMMAND} --max-minutes {LONGEST_CALL_MINUTES}",
        )
    ]


async def diagnose_auto_answer(account: DoctorAccount, loaded: Callable[[], Awaitable[LoadedFlows]]) -> list[DoctorFinding]:
    """Check whether the app answers the line against the wish of a flow."""
    app = await account.app()
    if app is None:
        return []
    if app.auto_answer is None:
        return [
            DoctorFinding(
                "ok", "Opentact does not tell whether the app answers the line by itself; flows do it where needed"
            )
        ]
    flows = (await loaded()).book.flows.values()
    wants = {flow.name: written.auto_answer for flow in flows if (written := read_flow_file_facts(flow)) is not None}
    if app.auto_answer and (against := [name for name, want in wants.items() if want == "false"]):
        said = f"the app answers the line by itself, which {_join_first_names(against)} (auto_answer: false) would not"
        return [
            DoctorFinding(
                "warning", f"{said}: callers pay before anybody is there", "turn the app's auto_answer off in the portal"
            )
        ]
    if app.auto_answer and (twice := [name for name, want in wants.items() if want == "true"]):
        said = f"the app answers the line by itself, and {_join_first_names(twice)} (auto_answer: true) once more"
        return [DoctorFinding("warning", said, "write auto_answer: auto, which leaves it out where the app does it")]
    return [DoctorFinding("ok", "flows and the app agree on who answers the line")]


async def diagnose_numbers(account: DoctorAccount, loaded: Callable[[], Awaitable[LoadedFlows]]) -> list[DoctorFinding]:
    """Check whether claimed numbers belong to the app, and whether the app's numbers are claimed."""
    book = (await loaded()).book
    leases = {lease.number: lease for lease in await account.leases() if lease.number}
    app = await account.app()
    names = {one.uuid: one.name for one in await account.apps()}
    ours = app.uuid if app else ""
    claimed = dict(iterate_exact_numbers(book))
    found = [
        finding
        for number, flow in claimed.items()
        if (finding := _diagnose_claimed_number(number, flow, leases.get(number), ours, names)) is not None
    ]
    for number, lease in leases.items():
        if ours and lease.app_uuid == ours and book.find_answering_flow(number) is None:
            said = f"{number} rings here, and no flow claims it: callers hear an apology"
            found.append(DoctorFinding("error", said, "claim it in a flow's numbers, or take it from the app"))
    rest = sum(bool(ours) and lease.app_uuid == ours for lease in leases.values())
    return found or [
        DoctorFinding("ok", f"{len(claimed)} number(s) claimed exactly, {rest} of the app: all ring where they should")
    ]


def _diagnose_claimed_number(
    number: str, flow: str, lease: OpentactLease | None, our_app: str, app_names: dict[str, str]
) -> DoctorFinding | None:
    """Return the problem of a claimed number, or None."""
    claimed = f"{number} (flow {flow})"
    if lease is None:
        fix = f"order it (callflows opentact numbers order {number}), or take it out of the flow"
        return DoctorFinding("error", f"{claimed} is not a number of the account", fix)
    if connection := get_sip_connection_uuid(lease):
        return DoctorFinding("error", f"{claimed} belongs to the SIP connection {connection}", f"{CONNECT_COMMAND} --take")
    if lease.app_uuid and lease.app_uuid != our_app:
        return DoctorFinding(
            "error",
            f"{claimed} belongs to the app {app_names.get(lease.app_uuid) or lease.app_uuid!r}",
            f"{CONNECT_COMMAND} --take",
        )
    if not lease.app_uuid:
        said = (
            "belongs to no app: nobody answers it" if is_holder_known(lease) else "belongs to whom Opentact does not tell"
        )
        return DoctorFinding("error" if is_holder_known(lease) else "warning", f"{claimed} {said}", CONNECT_COMMAND)
    return None


async def diagnose_messaging(account: DoctorAccount, loaded: Callable[[], Awaitable[LoadedFlows]]) -> list[DoctorFinding]:
    """Check whether numbers of flows with ``sms`` steps can send messages."""
    book = (await loaded()).book
    writers = {
        flow.name for flow in book.flows.values() if (said := read_flow_file_facts(flow)) is not None and said.sends_sms
    }
    if not writers:
        return [DoctorFinding("ok", "no flow file writes texts")]
    leases = {lease.number: lease for lease in await account.leases()}
    found = []
    for number, flow in iterate_exact_numbers(book):
        lease = leases.get(number)
        if flow in writers and lease is not None and not _can_send_messages(lease):
            fix = "enable messages on it in the portal: by a messaging profile and, where carriers want one, a campaign"
            found.append(
                DoctorFinding("error", f"{number} (flow {flow}) writes texts, and messages are not enabled on it", fix)
            )
    return found or [DoctorFinding("ok", f"{len(writers)} flow(s) write texts, as far as is told from numbers that can")]


def _can_send_messages(lease: OpentactLease) -> bool:
    """Return whether messages are enabled on a number; unreported fields count as enabled."""
    without = "messaging_profile" in lease.raw and not lease.raw["messaging_profile"]
    able = lease.features is None or any("sms" in str(feature).lower() for feature in lease.features)
    return able and not without


def _join_first_names(names: list[str]) -> str:
    return ", ".join(names[:_MAX_SHOWN_NAMES]) + (", …" if len(names) > _MAX_SHOWN_NAMES else "")
