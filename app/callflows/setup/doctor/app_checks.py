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
from callflows.flows.steps.sms_step import SmsStep
from callflows.setup.connect.current_setup import get_sip_connection_uuid, is_holder_known
from callflows.setup.connect.desired_setup import (
    APP_TIMEOUT_MS,
    CALL_ENDPOINT_PATH,
    SMS_ENDPOINT_PATH,
    WEBHOOK_ENDPOINT_PATH,
    build_endpoint_url,
    iterate_exact_numbers,
)
from callflows.setup.doctor.account_checks import CONNECT_COMMAND
from callflows.setup.doctor.doctor_runner import DoctorFinding
from callflows.setup.setting_text import format_setting
from callflows.telephony.call_record import LONGEST_CALL_MINUTES
from callflows.text import format_first_items

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from callflows.flows.flow import Flow
    from callflows.flows.flow_book import FlowBook
    from callflows.flows.loader.folder_loader import LoadedFlows
    from callflows.opentact.rest_records import OpentactApp, OpentactLease, OpentactRecord
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
        flow_file = read_flow_file(read_bounded_file(file), ProblemReport(flow.file))
    except OSError:
        return None
    return None if flow_file is None else FlowFileFacts(flow_file.auto_answer, _contains_sms_step(flow_file.model_dump()))


def _contains_sms_step(value: object) -> bool:
    """Search steps for ``sms`` at any depth; a mapping with a key ``sms`` outside a list of steps does not count."""
    if isinstance(value, list):
        return any((isinstance(step, dict) and SmsStep.step_key in step) or _contains_sms_step(step) for step in value)
    return isinstance(value, dict) and any(map(_contains_sms_step, value.values()))


MAX_SILENCE_MS: Final = 10_000
"""Longest acceptable silence for a caller."""


async def diagnose_app_urls(settings: Settings, account: DoctorAccount) -> list[DoctorFinding]:
    """Check whether the app requests this server with the right URLs, method and token."""
    app = await account.app()
    if app is None:
        return [DoctorFinding("error", "no app of the account uses this server", CONNECT_COMMAND)]
    findings = [*_diagnose_app_urls(settings, app)]
    return findings or [DoctorFinding("ok", f"the app {app.name!r} uses this server")]


def _diagnose_app_urls(settings: Settings, app: OpentactApp) -> Iterator[DoctorFinding]:
    named = f"the app {app.name!r}"
    if app.is_active is False:
        yield DoctorFinding("error", f"{named} is not active", CONNECT_COMMAND)
    if not settings.public_url:
        return
    if settings.control == "push":
        if app.call_flow_url:
            message = (
                f"{named} requests {format_setting(app.call_flow_url)}, "
                "but CALLFLOWS_CONTROL is push: Opentact does not document which of the two it uses"
            )
            yield DoctorFinding("error", message, CONNECT_COMMAND)
        return
    if not _is_our_url(settings, CALL_ENDPOINT_PATH, app.call_flow_url):
        same = (app.call_flow_url or "").partition("?")[0] == f"{settings.public_url}{CALL_ENDPOINT_PATH}"
        why = "with a token that is not in CALLFLOWS_TOKEN" if same else "which is not this server"
        yield DoctorFinding("error", f"{named} requests {format_setting(app.call_flow_url)}, {why}", CONNECT_COMMAND)
    if (app.call_flow_method or "").upper() != "POST":
        message = f"{named} uses {format_setting(app.call_flow_method)}: Opentact sends the id of the call only with POST"
        yield DoctorFinding("warning", message, CONNECT_COMMAND)
    if not _is_our_url(settings, WEBHOOK_ENDPOINT_PATH, app.webhook_url):
        message = f"{named} sends call states to {format_setting(app.webhook_url)}"
        yield DoctorFinding(
            "warning", f"{message}: if an event is lost, callflows does not learn the state of the call", CONNECT_COMMAND
        )


def _is_our_url(settings: Settings, path: str, url: str | None) -> bool:
    return any(url == build_endpoint_url(settings, path, which) for which in range(len(settings.token)))


async def diagnose_app_timeout(settings: Settings, account: DoctorAccount) -> list[DoctorFinding]:
    """Check how long a caller waits in silence if this server does not answer."""
    app = await account.app()
    if app is None or settings.control == "push":
        return []
    limit = app.call_flow_request_timeout
    if "call_flow_request_timeout" not in app.raw:
        return [DoctorFinding("warning", "Opentact does not report how long it waits for an answer", CONNECT_COMMAND)]
    if not limit:
        message = "there is no timeout" if limit is None else "the timeout is 0, which turns it off"
        return [
            DoctorFinding("error", f"{message}: if this server is slow, callers hear silence without end", CONNECT_COMMAND)
        ]
    if limit > MAX_SILENCE_MS:
        message = f"Opentact waits {limit:,} ms for an answer, and callers hear silence meanwhile"
        return [DoctorFinding("warning", f"{message}: more than {MAX_SILENCE_MS:,} ms is too long", CONNECT_COMMAND)]
    if limit <= settings.deadline_ms:
        message = f"Opentact waits {limit:,} ms, and an answer may take {settings.deadline_ms:,} ms (CALLFLOWS_DEADLINE_MS)"
        fix = "lower CALLFLOWS_DEADLINE_MS" if limit >= APP_TIMEOUT_MS else CONNECT_COMMAND
        return [DoctorFinding("error", f"{message}: Opentact gives up before the server can send the fallback", fix)]
    return [DoctorFinding("ok", f"Opentact waits {limit:,} ms for an answer")]


async def diagnose_call_length(_settings: Settings, account: DoctorAccount) -> list[DoctorFinding]:
    """Check whether the length of calls is limited."""
    app = await account.app()
    if app is None:
        return []
    if app.max_call_length_min:
        return [DoctorFinding("ok", f"a call lasts {app.max_call_length_min} minutes at most")]
    is_reported = "max_call_length_min" in app.raw
    message = "the length of a call is not limited" if is_reported else "Opentact does not report how long a call may last"
    return [
        DoctorFinding(
            "warning",
            f"{message}: a call that hangs costs money without end",
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
            DoctorFinding("ok", "Opentact does not report whether the app answers calls by itself; flows answer if needed")
        ]
    flows = (await loaded()).book.flows.values()
    wants = {flow.name: written.auto_answer for flow in flows if (written := read_flow_file_facts(flow)) is not None}
    if app.auto_answer and (against := [name for name, want in wants.items() if want == "false"]):
        message = f"the app answers calls by itself, against {format_first_items(against)} (auto_answer: false)"
        return [
            DoctorFinding(
                "warning",
                f"{message}: callers pay before anybody talks to them",
                "turn the app's auto_answer off in the portal",
            )
        ]
    if app.auto_answer and (twice := [name for name, want in wants.items() if want == "true"]):
        message = f"the app answers calls by itself, and {format_first_items(twice)} (auto_answer: true) a second time"
        return [
            DoctorFinding("warning", message, "write auto_answer: auto; then the flow answers only if the app does not")
        ]
    return [DoctorFinding("ok", "flows and the app agree on which of them answers the call")]


async def diagnose_numbers(account: DoctorAccount, loaded: Callable[[], Awaitable[LoadedFlows]]) -> list[DoctorFinding]:
    """Check whether claimed numbers belong to the app, and whether the app's numbers are claimed."""
    book = (await loaded()).book
    leases = {lease.number: lease for lease in await account.leases() if lease.number}
    app = await account.app()
    ours = app.uuid if app else ""
    claimed = dict(iterate_exact_numbers(book))
    findings = [*(await find_misrouted_numbers(account, book)).values()]
    for number, lease in leases.items():
        if ours and lease.app_uuid == ours and book.find_answering_flow(number) is None:
            message = f"calls to {number} come to this app, and no flow claims the number: callers hear an apology"
            findings.append(DoctorFinding("error", message, "add it to the numbers of a flow, or remove it from the app"))
    rest = sum(bool(ours) and lease.app_uuid == ours for lease in leases.values())
    return findings or [
        DoctorFinding("ok", f"{len(claimed)} number(s) in flow files, {rest} of the app: all reach the right flow")
    ]


async def find_misrouted_numbers(account: DoctorAccount, book: FlowBook) -> dict[str, DoctorFinding]:
    """Return the numbers of flow files whose calls do not come to this server, each with the reason."""
    leases = {lease.number: lease for lease in await account.leases() if lease.number}
    app = await account.app()
    names = {one.uuid: one.name for one in await account.apps()}
    ours = app.uuid if app else ""
    return {
        number: finding
        for number, flow in iterate_exact_numbers(book)
        if (finding := _diagnose_claimed_number(number, flow, leases.get(number), ours, names)) is not None
    }


def _diagnose_claimed_number(
    number: str, flow: str, lease: OpentactLease | None, our_app: str, app_names: dict[str, str]
) -> DoctorFinding | None:
    """Return the problem of a claimed number, or None."""
    claimed = f"{number} (flow {flow})"
    if lease is None:
        fix = f"order it (callflows opentact numbers order {number}), or remove it from the flow"
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
        message = (
            "belongs to no app: nobody answers its calls"
            if is_holder_known(lease)
            else "is assigned, but Opentact does not report to which app"
        )
        return DoctorFinding("error" if is_holder_known(lease) else "warning", f"{claimed} {message}", CONNECT_COMMAND)
    return None


async def diagnose_messaging(
    settings: Settings, account: DoctorAccount, loaded: Callable[[], Awaitable[LoadedFlows]]
) -> list[DoctorFinding]:
    """Check whether the numbers of flows that read or send texts can do so, and report them to this server."""
    book = (await loaded()).book
    writers = {
        flow.name for flow in book.flows.values() if (facts := read_flow_file_facts(flow)) is not None and facts.sends_sms
    }
    readers = {flow.name for flow in book.flows.values() if flow.message_rules and flow.message_rules.rules}
    if not writers | readers:
        return [DoctorFinding("ok", "no flow file reads or sends text messages")]
    leases = {lease.number: lease for lease in await account.leases()}
    profiles = {profile.uuid: profile for profile in (await account.profiles() if readers else ())}
    findings: list[DoctorFinding] = []
    for number, flow in iterate_exact_numbers(book):
        lease = leases.get(number)
        if lease is not None and flow in writers | readers:
            does = "reads text messages" if flow in readers else "sends text messages"
            named = f"{number} (flow {flow}) {does}"
            findings += _diagnose_number_texts(settings, lease, named, profiles if flow in readers else None)
    count = len(writers | readers)
    return findings or [
        DoctorFinding("ok", f"{count} flow(s) read or send text messages, with numbers that can as far as Opentact reports")
    ]


def _diagnose_number_texts(
    settings: Settings, lease: OpentactLease, named: str, profiles: Mapping[str, OpentactRecord] | None
) -> Iterator[DoctorFinding]:
    """Report texts that are off, without a campaign, or reported to another server; ``profiles`` only if the flow reads."""
    texts = lease.messaging
    if not _can_send_messages(lease):
        fix = f"callflows opentact numbers sms on {lease.number} --messaging-profile PROFILE"
        fix = f"{CONNECT_COMMAND}, or {fix}" if profiles is not None else fix
        yield DoctorFinding("error", f"{named}, but they are not enabled for it", fix)
        return
    if texts.is_campaign_reported and not texts.campaign and lease.number.startswith("+1"):
        message = f"{named}, but the number has no campaign: carriers of the US block its texts"
        yield DoctorFinding("warning", message, f"{CONNECT_COMMAND} --campaign ID, with a 10DLC campaign of the portal")
    profile = profiles.get(texts.profile_uuid) if profiles is not None else None
    if profile is None or not settings.public_url:
        return
    url = profile.raw.get("callback_url")
    if not _is_our_url(settings, SMS_ENDPOINT_PATH, url):
        named_profile = f"the messaging profile {profile.raw.get('name')!r}"
        message = f"{named}, but {named_profile} reports them to {format_setting(url)}"
        yield DoctorFinding("error", message, CONNECT_COMMAND)


def _can_send_messages(lease: OpentactLease) -> bool:
    """Return True if messages are enabled on a number; unreported fields count as enabled."""
    without = lease.messaging.is_reported and not lease.messaging.profile_uuid
    able = lease.features is None or any("sms" in str(feature).lower() for feature in lease.features)
    return able and not without
