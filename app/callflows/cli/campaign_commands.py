"""``callflows campaign``: have Opentact call a list of people, and run a flow with each."""

from __future__ import annotations

import contextlib
import re
import secrets
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, NoReturn

import typer

from callflows.cli.cli_options import (
    FLOWS_OPTION,
    TableFormat,
    confirm_plan,
    exit_with_notice,
    load_command_settings,
    print_notice,
    print_table,
)
from callflows.cli.command_groups import CommandGroup
from callflows.cli.completion import complete_flow, complete_number
from callflows.cli.journal_output import LogFormat, build_terminal_change, open_store, print_csv, print_json_array
from callflows.cli.platform_output import YES_OPTION, parse_number_argument, run_with_client

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from callflows.campaigns.bulk_run import BulkRun
    from callflows.campaigns.contact_list import Contact, ContactList
    from callflows.campaigns.outbound_document import OutboundDocuments
    from callflows.flows.dial_policy.target_policy import DialPolicy
    from callflows.flows.flow import Flow
    from callflows.journal.campaign_store import CampaignNumber, StoredCampaign
    from callflows.journal.sql_store import SqlStore
    from callflows.opentact.rest_api import Opentact
    from callflows.opentact.rest_records import OpentactRecord
    from callflows.settings import Settings


campaign_app = typer.Typer(cls=CommandGroup, help="Call a list of people, and run a flow with each.", no_args_is_help=True)
_CAMPAIGN_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_DURATION: Final = re.compile(r"([0-9]{1,4})(m|h|d)")
_UNIT_SECONDS: Final = {"m": 60, "h": 3600, "d": 86_400}
_SHORTEST_RETRY_SECONDS: Final = 300
_REPORT_FIELDS: Final = ("number", "state", "attempts", "called", "seconds", "node", "call", "reason")
_NAME_ARGUMENT = Annotated[str, typer.Argument(metavar="NAME", help="The campaign.")]


@campaign_app.command(
    "create",
    epilog="Example: callflows campaign create reminder --flow reminder --list people.csv --from +12015550123 "
    "--profile 0532f383-4c97-4935-8747-227c77ed108c",
)
def create_campaign(  # noqa: PLR0913, PLR0917 - an option each
    name: Annotated[str, typer.Argument(help="A name of its own: letters, digits, - and _.")],
    flow: Annotated[str, typer.Option(help="The flow to run with each person.", autocompletion=complete_flow)],
    people: Annotated[Path, typer.Option("--list", help="A CSV file: a column of numbers, and columns for texts.")],
    sender: Annotated[str, typer.Option("--from", help="The number that people see.", autocompletion=complete_number)],
    profile: Annotated[str, typer.Option(help="The id of the outbound voice profile.")],
    column: Annotated[str, typer.Option(help="The column of the numbers. Default: number, phone and the like.")] = "",
    attempts: Annotated[int, typer.Option(min=1, max=10, help="Calls to a person at most, until somebody answers.")] = 1,
    retry: Annotated[str, typer.Option(help="Time between two calls to a person, as 30m, 2h, 1d.")] = "2h",
    pace: Annotated[float, typer.Option(min=0.1, max=600, help="Calls a minute at most.")] = 10.0,
    at_once: Annotated[int, typer.Option(min=1, max=500, help="Calls at the same time at most.")] = 5,
    hours: Annotated[str, typer.Option(help="When people may be called, by the clock of their numbers.")] = "09:00-20:00",
    days: Annotated[str, typer.Option(help="On which days, as mon-fri or mon,wed,sat.")] = "mon-sat",
    zone: Annotated[str, typer.Option(help="The time zone of numbers that tell none. Default: they are not called.")] = "",
    flows: FLOWS_OPTION = None,
) -> None:
    """Store a campaign, and show what it will do. Nobody is called: callflows campaign run does that."""
    from callflows.campaigns.campaign_settings import CampaignSettings
    from callflows.campaigns.contact_list import read_contact_list
    from callflows.cli.cli_options import parse_zone_option
    from callflows.journal.campaign_store import StoredCampaign, store_campaign
    from callflows.journal.inbox import add_audit_row

    if not _CAMPAIGN_NAME.fullmatch(name):
        exit_with_notice(f"callflows: {name!r} cannot be a campaign's name: use letters, digits, - and _", 2)
    parse_zone_option(zone)
    settings, sender = load_command_settings(flows=flows), parse_number_argument(sender)
    campaign_settings = CampaignSettings(
        sender=sender,
        profile=profile,
        attempts=attempts,
        retry_seconds=_parse_retry(retry),
        calls_per_minute=pace,
        calls_at_once=at_once,
        hours=hours,
        days=days,
        zone=zone,
    )
    campaign_settings.parse_hours()
    documents = _make_documents(settings, flow, sender)
    contacts, problems = _select_contacts(read_contact_list(people, column), settings, documents)
    for problem in problems:
        print_notice(problem)
    if not contacts:
        exit_with_notice(f"callflows: {people} has nobody to call", 1)
    change = build_terminal_change()
    campaign = StoredCampaign(name, documents.flow.name, change.at, change.who, campaign_settings.to_data())
    numbers = [(contact.number, contact.values) for contact in contacts]
    with open_store(creates=True) as store:
        assert store is not None  # noqa: S101 - it was created
        store.run_writing(store_campaign, campaign, numbers)
        store.run_writing(add_audit_row, change, "campaign", name, ("", f"{len(numbers)} numbers, {documents.flow.name}"))
        for line in _describe_plan(store, campaign, documents):
            print(line)
    print(f"nobody was called yet; to begin: callflows campaign run {name}")


@campaign_app.command("run", epilog="Example: callflows campaign run reminder --dry-run")
def run_campaign(
    name: _NAME_ARGUMENT,
    flows: FLOWS_OPTION = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what it will do, and call nobody.")] = False,  # noqa: FBT002
    yes: YES_OPTION = False,  # noqa: FBT002 - an option
) -> None:
    """Call the people who are left, until all are called. It may be ended at any time, and goes on when it is run again."""
    from callflows.campaigns.campaign_settings import read_campaign_settings

    settings = load_command_settings(flows=flows)
    with open_store(creates=True) as store:
        assert store is not None  # noqa: S101 - it was created
        campaign = _load_campaign(store, name)
        documents = _make_documents(settings, campaign.flow, read_campaign_settings(campaign.settings).sender)
        plan = [*_describe_plan(store, campaign, documents), *_rehearse_first_call(store, campaign, documents, settings)]
        if dry_run:
            for line in plan:
                print(line)
            return
        _check_server(settings)
        confirm_plan(plan, is_confirmed=yes)
        try:
            run_with_client(lambda client: _run_with_opentact(client, store, campaign, documents))
        except KeyboardInterrupt:
            print_notice(f"ended; callflows campaign run {name} goes on")
        print(f"{name}: {_format_states(_count_states(store, name))}")


@campaign_app.command("list", epilog="Example: callflows campaign list --format json")
def list_all_campaigns(
    output: Annotated[TableFormat, typer.Option("--format", help="The output format.")] = TableFormat.text,
) -> None:
    """List all campaigns, the newest first, with the states of their numbers."""
    from callflows.journal.call_story import format_moment
    from callflows.journal.campaign_store import list_campaigns

    rows: list[dict[str, Any]] = []
    with open_store() as store:
        for campaign in store.run_reading(list_campaigns) if store is not None else ():
            assert store is not None  # noqa: S101 - for the type checker
            states = _count_states(store, campaign.name)
            row = {"name": campaign.name, "flow": campaign.flow, "created": format_moment(campaign.at), "by": campaign.by}
            rows.append({**row, "states": states})
    if output is TableFormat.json:
        print_json_array(rows)
    elif rows:
        print_table([[row["name"], row["flow"], row["created"], _format_states(row["states"])] for row in rows])
    else:
        print_notice("no campaigns")


@campaign_app.command("report", epilog="Example: callflows campaign report reminder --format csv > report.csv")
def report_campaign(
    name: _NAME_ARGUMENT,
    output: Annotated[LogFormat, typer.Option("--format", help="The output format.")] = LogFormat.text,
) -> None:
    """Show the result of each number: its state, calls, seconds, the last node, and the values of its row."""
    from callflows.cli.journal_output import print_json_lines
    from callflows.journal.call_story import format_moment
    from callflows.journal.campaign_store import iterate_report

    with open_store() as store:
        if store is None:
            _exit_without_campaign(name)
        _load_campaign(store, name)
        rows = store.run_reading(lambda connection: [*iterate_report(connection, name)])
    rows = [{**row, "called": format_moment(row["called"])} for row in rows]
    if output is LogFormat.csv:
        print_csv(rows, [*rows[0]] if rows else _REPORT_FIELDS)
    elif output is LogFormat.json:
        print_json_array(rows)
    elif output is LogFormat.jsonl:
        print_json_lines(rows)
    else:
        print_table([[*_REPORT_FIELDS], *([row[field] or "" for field in _REPORT_FIELDS] for row in rows)])


@campaign_app.command("cancel", epilog="Example: callflows campaign cancel reminder")
def cancel_campaign(name: _NAME_ARGUMENT) -> None:
    """Call nobody any more. Calls that ring already are not ended, and not repeated."""
    from callflows.journal.campaign_store import cancel_numbers
    from callflows.journal.inbox import add_audit_row

    with open_store() as store:
        if store is None:
            _exit_without_campaign(name)
        _load_campaign(store, name)
        change = build_terminal_change()
        count = store.run_writing(cancel_numbers, name, f"cancelled by {change.who}")
        store.run_writing(add_audit_row, change, "cancelled", name, ("", f"{count} numbers"))
    print(f"{count} number(s) of {name} will not be called")


class BulkCalls(NamedTuple):
    """Numbers that ``opentact calls bulk`` may call; ``run`` is None in a dry run."""

    numbers: list[str]
    run: BulkRun | None


@contextlib.contextmanager
def begin_bulk_run(
    content: Sequence[str], numbers: Sequence[str], settings: Settings, *, again: bool, dry_run: bool
) -> Iterator[BulkCalls]:
    """Choose whom to call, as campaigns do; print the reason for each number that is not called.

    ``content`` is what is played, the sender and the profile. Exits with code 1 if nobody is left, and with code 2 if there
    are no numbers.
    """
    from callflows.campaigns.bulk_run import BulkRun
    from callflows.journal.opt_out_store import query_opt_outs

    if not numbers:
        exit_with_notice("callflows: the numbers to call are missing: write them, or name a file with --numbers", 2)
    _, sender, _ = content
    policy = _make_dial_policy(settings)
    with open_store(creates=not dry_run, tells_absence=False) as store:
        run = BulkRun(store, content, numbers) if store is not None else None
        opted_out = store.run_reading(query_opt_outs, sender, numbers) if store is not None else set()
        called_before = run.find_called_numbers(numbers) if run is not None and not again else set()
        called = []
        for number in numbers:
            reason = policy.find_refusal(number)
            if number in opted_out:
                reason = "the person wants no calls"
            elif number in called_before:
                reason = "the same command called it before it failed; --again calls it all the same"
            if reason:
                print_notice(f"{number} is not called: {reason}")
            else:
                called.append(number)
        if not called:
            exit_with_notice("callflows: nobody is left to call", 1)
        yield BulkCalls(called, None if dry_run else run)


def call_people_one_by_one(
    people: Sequence[tuple[str, Mapping[str, str]]],
    run: BulkRun | None,
    flow: str,
    sender: str,
    profile: str,
    settings: Settings,
    output: TableFormat,
    *,
    is_confirmed: bool,
) -> None:
    """Have Opentact call people now, each with a document of their own; without a run, show what it would do."""
    from callflows.cli.platform_output import format_record_fields, print_json, print_records
    from callflows.errors import OpentactError
    from callflows.journal.campaign_store import make_campaign_key
    from callflows.text import format_first_items

    documents = _make_documents(settings, flow, sender)
    plan = [
        f"call {len(people)} number(s) from {sender}, one by one: {format_first_items([number for number, _ in people])}",
        f"each call asks {settings.public_url} for the flow {flow}; this costs money",
    ]
    if run is None:
        shown_calls = [(number, documents.make_document(number, values, "bulk").decode()) for number, values in people]
        if output is TableFormat.json:
            print_json([{"phones": [number], "xml": document} for number, document in shown_calls])
        else:
            print("\n".join([*plan, *(f"{number}\n{document}" for number, document in shown_calls)]))
        return
    _check_server(settings)
    confirm_plan(plan, is_confirmed=is_confirmed)

    run_name = f"bulk-{secrets.token_hex(4)}"

    async def call_all(client: Opentact) -> list[OpentactRecord]:
        lease = await client.numbers.get_lease(sender)
        batches = []
        for position, (number, values) in enumerate(people, 1):
            document = documents.make_document(number, values, make_campaign_key(run_name, position, 1))
            try:
                with run.claim_numbers([number]):
                    batches.append(await client.calls.call_numbers(profile, [number], document.decode(), lease.uuid))
            except OpentactError:
                print_notice(f"{len(batches)} of {len(people)} were called; the same command calls the others")
                raise
            print_notice(f"{number}: called")
        return batches

    batches = run_with_client(call_all)
    run.finish()
    print_records(
        batches, lambda record: ("batch", record.uuid, *format_record_fields(record.raw, ("phones", "state"))), output
    )


def _parse_retry(text: str) -> float:
    match = _DURATION.fullmatch(text.strip())
    seconds = int(match[1]) * _UNIT_SECONDS[match[2]] if match else 0
    if seconds < _SHORTEST_RETRY_SECONDS:
        exit_with_notice(f"callflows: --retry: {text!r} is no time of at least 5m: write it as 30m, 2h, 1d", 2)
    return float(seconds)


def _load_campaign(store: SqlStore, name: str) -> StoredCampaign:
    from callflows.journal.campaign_store import load_campaign

    campaign = store.run_reading(load_campaign, name)
    if campaign is None:
        _exit_without_campaign(name)
    return campaign


def _exit_without_campaign(name: str) -> NoReturn:
    exit_with_notice(f"callflows: there is no campaign {name!r}: callflows campaign list shows them", 2)


def _load_flow(settings: Settings, name: str) -> Flow:
    """Return a flow without errors; exit with code 1 if there is none."""
    from callflows.flows.loader.folder_loader import load_flow_folder
    from callflows.installation_parts import create_compiler_options
    from callflows.text import format_suggestion

    loaded = load_flow_folder(settings.flows, create_compiler_options(settings))
    flow = loaded.book.flows.get(name)
    if flow is None or flow.problems:
        for problem in loaded.problems:
            print_notice(str(problem))
        near = format_suggestion(name, loaded.book.flows) if flow is None else "fix its errors"
        exit_with_notice(f"callflows: there is no valid flow {name!r} in {settings.flows}/ ({near})", 1)
    return flow


def _make_documents(settings: Settings, flow: str, sender: str) -> OutboundDocuments:
    from callflows.campaigns.outbound_document import OutboundDocuments
    from callflows.installation_parts import create_ticket_signer

    return OutboundDocuments(_load_flow(settings, flow), create_ticket_signer(settings), settings.public_url, sender)


def _select_contacts(
    listed: ContactList, settings: Settings, documents: OutboundDocuments
) -> tuple[list[Contact], list[str]]:
    """Return the people who can be called, and the reasons why others cannot."""
    from callflows.errors import TicketError

    policy = _make_dial_policy(settings)
    contacts, problems = [], [*listed.problems]
    for contact in listed.contacts:
        reason = policy.find_refusal(contact.number)
        try:
            documents.make_url(contact.number, contact.values, "")
        except TicketError as error:
            reason = f"the values of its row are too long: {error}"
        if reason:
            problems.append(f"line {contact.line}: {contact.number} is not called: {reason}")
        else:
            contacts.append(contact)
    return contacts, problems


def _make_dial_policy(settings: Settings) -> DialPolicy:
    """Return the policy for numbers that a person of ours has chosen: every country that the installation allows."""
    from callflows.flows.dial_policy.target_policy import DialPolicy

    return DialPolicy(regions=None, installation_regions=frozenset(settings.dial_regions) or None)


def _list_waiting(store: SqlStore, name: str) -> list[CampaignNumber]:
    """Return the numbers that are to be called, without forgotten ones."""
    from callflows.journal.campaign_store import NumberState, list_numbers
    from callflows.telephony.phone_numbers import parse_e164

    waiting = store.run_reading(list_numbers, name, [NumberState.waiting])
    return [number for number in waiting if parse_e164(number.number)]


def _describe_plan(store: SqlStore, campaign: StoredCampaign, documents: OutboundDocuments) -> list[str]:
    from callflows.campaigns.campaign_settings import describe_campaign_plan
    from callflows.journal.opt_out_store import query_opt_outs

    waiting = _list_waiting(store, campaign.name)
    opted_out = store.run_reading(query_opt_outs, documents.sender, [number.number for number in waiting])
    return describe_campaign_plan(campaign, documents.flow, waiting, opted_out, time.time())


def _count_states(store: SqlStore, name: str) -> dict[str, int]:
    from callflows.journal.campaign_store import count_numbers

    counts = store.run_reading(count_numbers, name)
    return {state.value: count for state, count in counts.items()}


def _format_states(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in counts.items())


def _rehearse_first_call(
    store: SqlStore, campaign: StoredCampaign, documents: OutboundDocuments, settings: Settings
) -> list[str]:
    """Return the transcript of a call to the first person, who presses nothing; the call has no effects."""
    import asyncio

    from callflows.cli.cli_options import build_command_options
    from callflows.cli.rehearsal_setup import build_rehearsal, ring_number
    from callflows.rehearsal.platform_network import LOCAL_ENGINE_ORIGIN
    from callflows.rehearsal.transcript_text import format_transcript

    first = next(iter(_list_waiting(store, campaign.name)), None)
    if first is None:
        return []
    local_documents = documents._replace(signer=build_command_options(settings).signer, base_url=LOCAL_ENGINE_ORIGIN)
    rehearsal = build_rehearsal(settings, documents.sender, first.number, "", "answer", strict=False)
    rehearsal.url, rehearsal.method = local_documents.make_url(first.number, first.values, "rehearsal"), "GET"
    rehearsal.answers_itself = True  # the person has answered
    transcript = asyncio.run(ring_number(rehearsal, settings)).transcript
    return [f"{first.number}, who answers and presses nothing, hears:", *format_transcript(transcript)]


def _check_server(settings: Settings) -> None:
    """Exit with code 1 if calls could not ask this server for the flow."""
    import asyncio

    from callflows.setup.server_probe import explain_unreachable_server

    if not settings.public_url:
        exit_with_notice(
            "callflows: CALLFLOWS_PUBLIC_URL is not set: each call asks this server for the flow, at that address", 1
        )
    if why := asyncio.run(explain_unreachable_server(settings.public_url)):
        exit_with_notice(f"callflows: the server does not answer at {settings.public_url}: {why}; run callflows serve", 1)


async def _run_with_opentact(
    client: Opentact, store: SqlStore, campaign: StoredCampaign, documents: OutboundDocuments
) -> None:
    from callflows.campaigns.campaign_runner import CampaignRunner
    from callflows.campaigns.campaign_settings import read_campaign_settings
    from callflows.journal.opt_out_store import query_opt_out

    lease = await client.numbers.get_lease(documents.sender)
    if not lease.uuid:
        exit_with_notice(f"callflows: Opentact did not return the lease of {documents.sender}", 1)
    profile = read_campaign_settings(campaign.settings).profile

    async def call_number(number: str, document: bytes) -> str:
        batch = await client.calls.call_numbers(profile, [number], document.decode(), lease.uuid)
        return str(batch.uuid)

    def is_opted_out(number: str) -> bool:
        return store.run_reading(query_opt_out, documents.sender, number)

    await CampaignRunner(store, campaign, documents, call_number, is_opted_out, _tell).run()


def _tell(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}")
    sys.stdout.flush()
