"""Campaigns: the runner, our server and the stand-in together, with real requests, events and a real database."""

from __future__ import annotations

import asyncio
import contextlib
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import insert
from stand_in_harness import NUMBER, TOKEN, run_customer_server
from test_server_with_stand_in import ours

from callflows.campaigns.campaign_runner import CampaignRunner
from callflows.campaigns.campaign_settings import CampaignSettings
from callflows.campaigns.outbound_document import OutboundDocuments
from callflows.errors import CampaignError
from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.loader.folder_loader import load_flow_folder
from callflows.flows.tickets import TicketSigner
from callflows.installation_parts import create_ticket_signer
from callflows.journal.campaign_store import (
    NumberState,
    StoredCampaign,
    cancel_numbers,
    iterate_report,
    list_numbers,
    load_campaign,
    make_campaign_key,
    store_campaign,
)
from callflows.journal.erasure import compile_mention_pattern
from callflows.journal.journal_tables import CAMPAIGN_CALLS_TABLE
from callflows.journal.opt_out_store import query_opt_out
from callflows.journal.sql_store import SqlStore
from callflows.opentact import Opentact
from callflows.web import call_end_handler
from cli.command_runner import run_command
from waiting import run_bounded, wait_until_async

ANN, BEN, CARL = "+12015550901", "+12015550902", "+12015550903"
CONFIRM = """
numbers: +12015550123
receives: [first_name, appointment]
nodes:
  start:
    - menu:
        prompt: Hello {{ first_name }}. Your appointment is on {{ appointment }}. Press 1 to confirm.
        keys: {1: confirmed, 9: never}
        attempts: 1
        otherwise: bye
  confirmed:
    - notify: {url: "http://127.0.0.1:1/confirmed", payload: {who: "{{ first_name }}", when: "{{ appointment }}"}}
    - sms: See you on {{ appointment }}.
    - say: Thank you.
  never:
    - opt_out
    - say: We will not call you again.
  bye:
    - say: Goodbye.
ended:
  - sms: Thank you for your time.
"""
PEOPLE = [(ANN, {"first_name": "Ann", "appointment": "Monday"}), (BEN, {"first_name": "Ben", "appointment": "Tuesday"})]


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(call_end_handler, "SETTLE_SECONDS", 0.3)


class Dialler:
    """A campaign beside our server and the stand-in; ``at`` is added to the clock."""

    def __init__(self, server, client, **settings):
        self.server = server
        self.client = client
        self.store = SqlStore(server.settings.journal_url)
        self.told: list[str] = []
        self.at = 0.0
        given = {"hours": "00:00-24:00", "days": "mon-sun", "calls_per_minute": 100_000.0, **settings}
        self.settings = CampaignSettings(sender=NUMBER, profile="", **given)
        self.opted_out: set[str] = set()

    async def prepare(self, people):
        it = self.server.it
        self.profile = (await self._make_profile(it))["uuid"]
        self.lease = (await self.client.numbers.get_lease(NUMBER)).uuid
        campaign = StoredCampaign("reminder", "desk", time.time(), "a test", self.settings.to_data())
        await asyncio.to_thread(self.store.run_writing, lambda connection: store_campaign(connection, campaign, people))
        self.campaign = await asyncio.to_thread(
            self.store.run_reading, lambda connection: load_campaign(connection, "reminder")
        )
        signer = create_ticket_signer(self.server.settings)
        book = load_flow_folder(self.server.settings.flows, CompilerOptions(signer, "Sorry.")).book
        self.documents = OutboundDocuments(book.flows["desk"], signer, self.server.url, NUMBER)

    async def _make_profile(self, it):
        products = await it.request_payload("GET", "/sip/product")
        product = products[0].get("id", products[0]["uuid"])
        body = {"name": "calls", "is_active": True, "product": product}
        return await it.request_payload("POST", "/profile/outbound_voice", body)

    async def call_number(self, number, document):
        batch = await self.client.calls.call_numbers(self.profile, [number], document.decode(), self.lease)
        return batch.uuid

    async def run(self, call_number=None):
        async def soon(_seconds):
            await asyncio.sleep(0.02)

        runner = CampaignRunner(
            self.store, self.campaign, self.documents, call_number or self.call_number, self.opted_out.__contains__,
            self.told.append, get_time=lambda: time.time() + self.at, sleep=soon,
        )  # fmt: skip
        await runner.run()

    async def wait_for_line(self, part):
        """Until the runner has told a line with a text."""

        async def is_told():
            return any(part in line for line in self.told)

        await wait_until_async(is_told, part)

    def states(self):
        numbers = self.store.run_reading(lambda connection: list_numbers(connection, "reminder"))
        return {one.number: (one.state, one.attempts) for one in numbers}

    def report(self):
        return self.store.run_reading(lambda connection: [*iterate_report(connection, "reminder")])

    async def called(self):
        """The numbers that the stand-in has called."""
        rows = await self.server.it.search_rows("/call/search", direction="out", take=100)
        return sorted(f"+{str(row['to']).lstrip('+')}" for row in rows)


async def dialler(stack, tmp_path, flow=CONFIRM, people=PEOPLE, **settings):
    server = await stack.enter_async_context(ours(tmp_path, flow, notify_key=()))
    client = await stack.enter_async_context(Opentact.from_settings(server.settings))
    made = Dialler(server, client, **settings)
    stack.callback(made.store.close)
    await made.prepare(people)
    return made


def run_with_stack(work):
    async def inside():
        async with contextlib.AsyncExitStack() as stack:
            return await work(stack)

    return run_bounded(inside())


def test_press_1_to_confirm_tells_the_office_who_confirmed_and_writes_to_the_person(tmp_path):
    async def work(stack):
        office = await stack.enter_async_context(run_customer_server())
        office.set_answer("/confirmed", "{}")
        it = await dialler(stack, tmp_path, CONFIRM.replace("http://127.0.0.1:1", office.url))
        await it.server.it.request_control("PUT", "/callee-keys", {"keys": "1"})
        await it.run()
        told = [request["json"] for request in await office.wait_for_requests(2, "/confirmed")]
        await it.server.sent(4)
        texts = await it.server.it.search_rows("/sms/search/outbound", take=100)
        return told, texts, it.states(), it.report(), it.told

    told, texts, states, report, lines = run_with_stack(work)
    assert {(one["call"]["from"], one["data"]["who"], one["data"]["when"]) for one in told} == {
        (ANN, "Ann", "Monday"), (BEN, "Ben", "Tuesday")
    }  # fmt: skip
    assert {(str(text["to"]).lstrip("+"), text["message"]) for text in texts} == {
        ("12015550901", "See you on Monday."), ("12015550901", "Thank you for your time."),
        ("12015550902", "See you on Tuesday."), ("12015550902", "Thank you for your time."),
    }  # fmt: skip
    assert states == {ANN: (NumberState.answered, 1), BEN: (NumberState.answered, 1)}
    assert [(row["number"], row["first_name"], row["node"], bool(row["call"])) for row in report] == [
        (ANN, "Ann", "confirmed", True), (BEN, "Ben", "confirmed", True)
    ]  # fmt: skip
    assert f"{ANN}: called" in lines
    assert f"{BEN}: answered" in lines


def test_who_asks_not_to_be_called_again_gets_no_call_from_another_campaign(tmp_path):
    async def work(stack):
        it = await dialler(stack, tmp_path)
        await it.server.it.request_control("PUT", "/callee-keys", {"keys": "9"})
        await it.run()
        return await it.server.until(
            lambda store: all(store.run_reading(query_opt_out, NUMBER, number) for number in (ANN, BEN))
        )

    assert run_with_stack(work)


def test_who_does_not_answer_is_called_again_later_and_then_left_alone(tmp_path):
    async def work(stack):
        it = await dialler(stack, tmp_path, attempts=2, retry_seconds=3600.0)
        await it.server.it.request_control("PUT", "/callees", {ANN[1:]: "no-answer", "else": "answer"})
        running = asyncio.create_task(it.run())
        await it.wait_for_line("attempt 2 follows")
        before = await it.called()
        it.at = 3700.0
        await it.wait_for_line("called, attempt 2")
        it.at = 3900.0  # the stand-in's clock stands apart: nothing is reported of a call at this moment
        await running
        return before, await it.called(), it.states()

    before, after, states = run_with_stack(work)
    assert (before, after) == ([ANN, BEN], [ANN, ANN, BEN])
    assert states == {ANN: (NumberState.unanswered, 2), BEN: (NumberState.answered, 1)}


def test_a_killed_campaign_goes_on_and_calls_nobody_twice(tmp_path):
    async def work(stack):
        it = await dialler(stack, tmp_path, people=[*PEOPLE, (CARL, {"first_name": "Carl", "appointment": "Friday"})],
                           calls_at_once=1)  # fmt: skip

        class KilledError(BaseException):
            """The process ends: nothing is written any more."""

        async def be_killed(number, document):
            if number == BEN:
                await it.call_number(number, document)
                raise KilledError
            if number == CARL:
                raise KilledError
            return await it.call_number(number, document)

        with pytest.raises(KilledError):  # after Opentact was asked for Ben
            await it.run(be_killed)
        after_ben = it.states()
        with pytest.raises(KilledError):  # before Opentact was asked for Carl
            await it.run(be_killed)
        it.at = 500.0
        await it.run()
        return after_ben, it.states(), await it.called()

    after_ben, states, called = run_with_stack(work)
    assert after_ben[BEN] == (NumberState.calling, 1)
    assert called == [ANN, BEN]
    assert states[ANN] == states[BEN] == (NumberState.answered, 1)
    assert states[CARL] == (NumberState.unknown, 1)


def test_who_answers_late_or_is_forgotten_while_a_campaign_waits_is_not_called_again(tmp_path):
    async def work(stack):
        it = await dialler(stack, tmp_path, attempts=2, retry_seconds=3600.0)
        called = []

        async def call_unseen(number, _document):
            called.append(number)
            return "batch"

        running = asyncio.create_task(it.run(call_unseen))
        await it.wait_for_line(f"{BEN}: called")
        it.at = 130.0
        await it.wait_for_line(f"{BEN}: no answer: nothing is reported of the call; attempt 2 follows")

        answered_call = {"key": make_campaign_key("reminder", 1, 1), "call": "0532f383-4c97-4935-8747-227c77ed108c"}
        await asyncio.to_thread(
            it.store.run_writing, lambda connection: connection.execute(insert(CAMPAIGN_CALLS_TABLE).values(answered_call))
        )
        await asyncio.to_thread(it.store.forget_number, BEN, compile_mention_pattern(BEN), lambda _count: None)
        it.at = 3800.0
        await running
        return called, it.states()

    called, states = run_with_stack(work)
    assert called == [ANN, BEN]
    assert states[ANN] == (NumberState.answered, 1)


def test_a_cancelled_campaign_does_not_repeat_the_calls_that_ring(tmp_path):
    async def work(stack):
        it = await dialler(stack, tmp_path, attempts=2, retry_seconds=3600.0, calls_at_once=1)
        called = []

        async def call_unseen(number, _document):
            called.append(number)
            return "batch"

        running = asyncio.create_task(it.run(call_unseen))
        await it.wait_for_line(f"{ANN}: called")
        count = await asyncio.to_thread(
            it.store.run_writing, lambda connection: cancel_numbers(connection, "reminder", "cancelled by Zoë")
        )
        it.at = 130.0
        await running
        return called, count, it.states()

    called, count, states = run_with_stack(work)
    assert (called, count) == ([ANN], 1)
    assert states == {ANN: (NumberState.cancelled, 1), BEN: (NumberState.cancelled, 0)}


def test_two_processes_cannot_run_one_campaign(tmp_path):
    async def work(stack):
        it = await dialler(stack, tmp_path, hours="00:00-24:00", days="mon-sun")
        hung = asyncio.Event()

        async def hang(_number, _document):
            hung.set()
            await asyncio.Event().wait()
            return ""

        first = asyncio.create_task(it.run(hang))
        await hung.wait()
        with pytest.raises(CampaignError, match="another process"):
            await it.run()
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        return it.states()

    assert run_with_stack(work)[ANN] == (NumberState.calling, 1)


def test_who_wants_no_calls_gets_none_and_nobody_is_called_at_night(tmp_path):
    async def work(stack):
        night = time.strftime("%H", time.gmtime(time.time() + 12 * 3600))
        it = await dialler(stack, tmp_path, people=[*PEOPLE, ("+447700900123", {})], days="mon-sun")
        it.opted_out.add(ANN)
        it.campaign = it.campaign._replace(settings={**it.campaign.settings, "hours": f"{night}:00-{night}:59"})
        running = asyncio.create_task(it.run())
        await it.wait_for_line("may be called before")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return it.states(), await it.called()

    states, called = run_with_stack(work)
    assert (states[ANN][0], states[BEN][0], called) == (NumberState.opted_out, NumberState.waiting, [])


def test_a_refusal_of_the_platform_is_stored(tmp_path):
    async def work(stack):
        it = await dialler(stack, tmp_path)
        it.profile = "00000000-0000-4000-8000-000000000000"
        await it.run()
        return it.states(), it.told

    states, told = run_with_stack(work)
    assert {state for state, _ in states.values()} == {NumberState.failed}
    assert all("404" in line or "not found" in line.lower() for line in told)


def test_the_ticket_of_a_call_names_the_person_as_the_caller_and_has_only_what_the_flow_receives(tmp_path):
    (tmp_path / "desk.yaml").write_text(CONFIRM)
    keys = TicketSigner([b"key"])
    flow = load_flow_folder(tmp_path, CompilerOptions(keys, "Sorry.")).book.flows["desk"]
    documents = OutboundDocuments(flow, keys, "https://flows.example.com", NUMBER)
    url = documents.make_url(ANN, {"first_name": "Ann", "notes": "secret"}, "reminder/1/1")
    state = keys.read_ticket("desk/start", parse_qs(urlsplit(url).query)["ticket"][0])
    assert (state["t"]["from"], state["t"]["to"], state["t"]["campaign"]) == (ANN, NUMBER, "reminder/1/1")
    assert state["s"] == {"first_name": "Ann"}
    document = documents.make_document(ANN, {}, "reminder/1/1").decode()
    assert document.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<Response><Callback url=')
    assert "<Error><Say>Sorry.</Say><Hangup/></Error>" in document


def test_the_command_asks_and_then_runs_a_campaign_to_its_end(tmp_path, monkeypatch):
    (tmp_path / "server").mkdir()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "people.csv").write_text(f"phone,First name\n{ANN},Ann\n{BEN},Ben\n")
    create = ("campaign", "create", "hello", "--flow", "desk", "--list", "people.csv", "--from", NUMBER)

    async def work():
        async with ours(tmp_path / "server", CONFIRM) as server:
            product = (await server.it.request_payload("GET", "/sip/product"))[0]
            body = {"name": "calls", "is_active": True, "product": product.get("id", product["uuid"])}
            profile = (await server.it.request_payload("POST", "/profile/outbound_voice", body))["uuid"]
            environment = {
                "FLOWS": server.settings.flows, "DATA": server.settings.data, "PUBLIC_URL": server.url,
                "OPENTACT_URL": server.settings.opentact_url, "OPENTACT_TOKEN": TOKEN,
            }  # fmt: skip
            for name, value in environment.items():
                monkeypatch.setenv(f"CALLFLOWS_{name}", str(value))
            hours = ("--hours", "00:00-24:00", "--days", "mon-sun", "--pace", "600")
            made = await asyncio.to_thread(run_command, *create, "--profile", profile, *hours)
            unconfirmed = await asyncio.to_thread(run_command, "campaign", "run", "hello")
            done = await asyncio.to_thread(run_command, "campaign", "run", "hello", "--yes")
            bulk = await asyncio.to_thread(
                run_command, "opentact", "calls", "bulk", "--flow", "desk", "--numbers", "people.csv",
                "--from", NUMBER, "--profile", profile, "--yes",
            )  # fmt: skip
            assert (bulk.code, len(bulk.out.splitlines())) == (0, 2), bulk.err
            assert f"call 2 number(s) from {NUMBER}, one by one: {ANN}, {BEN}" in bulk.err
            return made, unconfirmed, done

    made, unconfirmed, done = run_bounded(work())
    assert made.code == 0, made.err
    assert (unconfirmed.code, "without a terminal, nobody can confirm" in unconfirmed.err) == (2, True)
    assert done.code == 0, done.err
    assert "call 2 number(s)" in done.err  # the plan, before it begins
    assert done.out.splitlines()[-1] == "hello: 2 answered"
    report = run_command("campaign", "report", "hello", "--format", "csv").out.splitlines()
    assert report[0] == "number,state,attempts,called,seconds,node,call,reason,first_name"
    assert [line.split(",")[:3] for line in report[1:]] == [
        ["+12015550901", "answered", "1"],
        ["+12015550902", "answered", "1"],
    ]
