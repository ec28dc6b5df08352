"""The whole server beside the stand-in: calls, events, the journal, text messages and ends of calls."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from typing import Any

import pytest
from pydantic import SecretStr
from stand_in_harness import NUMBER, TOKEN, run_customer_server, run_harness, serve_app

from callflows.journal.call_story import build_call_log_row, build_call_story
from callflows.journal.sql_queries import query_paths
from callflows.journal.sql_store import SqlStore
from callflows.journal.stored_rows import CallFilter
from callflows.server import create_app
from callflows.settings import Settings
from callflows.web import call_end_handler, execution_log_fetcher
from twilio_app import AUTH_TOKEN, run_twilio_app
from waiting import run_bounded, wait_until_async

CALLER = "+12015550999"
DESK = """
numbers: +12015550123
nodes:
  start:
    - say: Hello.
    - menu: {prompt: Press 1., keys: {1: sales, 2: message}, attempts: 1, otherwise: out}
  sales:
    - dial: {to: "+12015550188", timeout: 10s, no_answer: out}
  message:
    - voicemail: {greeting: Leave a message., max: 10s, notify: {url: "http://127.0.0.1:1/voicemail"}}
  out:
    - say: Goodbye.
messages:
  - keyword: hours
    reply: We open at nine.
  - reply: Thank you.
ended:
  - when: ended.missed
    sms: Sorry that we missed your call.
"""


class Ours:
    """Our server beside a stand-in, with a journal of its own."""

    def __init__(self, it: Any, settings: Settings, url: str) -> None:
        self.it = it
        self.settings = settings
        self.url = url

    async def until(self, holds: Any) -> Any:
        """What the journal gives, once it is so."""

        async def find() -> Any:
            store = SqlStore(self.settings.journal_url)
            with contextlib.suppress(Exception), contextlib.closing(store):  # the database may be busy
                return await asyncio.to_thread(holds, store)

        return await wait_until_async(find, "the journal", interval=0.02)

    async def sent(self, count: int) -> list[str]:
        """The texts that the stand-in was given to send, once there are so many."""

        async def find() -> tuple[list[str]] | None:
            rows = await self.it.search_rows("/sms/search/outbound", take=100, order={"created_on": "ASC"})
            return ([row["message"] for row in rows],) if len(rows) >= count else None

        (texts,) = await wait_until_async(find, f"{count} texts", interval=0.02)
        return texts

    async def text(self, message: str, **more: Any) -> None:
        """Somebody writes to our number."""
        await self.it.request_control("POST", "/messages", {"from": CALLER, "to": NUMBER, "message": message, **more})

    async def heard(self, count: int) -> None:
        """Until so many messages came in."""
        await self.until(lambda store: len(store_messages(store)) >= count)


def store_messages(store: SqlStore) -> list[Any]:
    with store._open_read_connection() as connection:  # noqa: SLF001 - looked at
        return [*connection.exec_driver_sql("SELECT text FROM messages WHERE direction = 'in'")]


@contextlib.asynccontextmanager
async def ours(
    tmp_path,
    flow: str = DESK,
    *,
    url: bool = True,
    envelope: str = "2024",
    seed: str = "tests",
    pace: float = 200,
    **given: Any,
):
    (tmp_path / "flows").mkdir(exist_ok=True)
    (tmp_path / "flows" / "desk.yaml").write_text(flow, encoding="utf-8")
    async with run_harness(number="", envelope=envelope, pace=pace, seed=seed) as first:
        settings = Settings(
            _env_file=None,
            flows=tmp_path / "flows",
            data=tmp_path / "data",
            opentact_token=SecretStr(TOKEN),
            opentact_url=first.server.rest_url,
            opentact_events_url=first.events_url,
            private_lookups=(ipaddress.ip_network("127.0.0.0/8"),),
            **given,
        )
        async with serve_app(create_app(settings)) as here:
            await lease(first, f"{here}/call" if url else "")
            server = Ours(first, settings, here)
            await connected(first, here)
            yield server


async def lease(it: Any, url: str) -> None:
    """A number of the stand-in's, whose app asks a URL; or parks its calls."""
    products = await it.request_payload("GET", "/sip/product")
    app = {
        "name": "desk",
        "is_active": True,
        "product": products[0]["id"] if "id" in products[0] else products[0]["uuid"],
        "class4_ingress_trunk_settings": {},
        "class4_egress_trunk_settings": {},
        **({"call_flow_url": url, "call_flow_method": "POST"} if url else {}),
    }
    made = await it.request_payload("POST", "/sip/app", app)
    await it.request_payload("POST", "/order", {"items": [{"tn": int(NUMBER[1:]), "features": ["voice", "sms"]}]})
    rows = await it.search_rows("/lease/tn/search", take=100)
    await it.request_payload("POST", f"/sip/app/{made['uuid']}/tnlease", {"add": [rows[0]["uuid"]]})


async def connected(it: Any, here: str) -> None:
    """Until our server listens."""

    async def is_connected() -> Any:
        return (await it.http.get(f"{here}/readyz")).json()["events"].get("connected")

    await wait_until_async(is_connected, "the event connection", interval=0.02)


def the_call(store: SqlStore) -> Any:
    """The one call of the log, once it is over."""
    rows = [build_call_log_row(row) for row in store.list_calls(CallFilter())]
    return rows[0] if rows and rows[0]["state"] == "destroyed" else None


def load_story_with_way(store: SqlStore, call: str) -> Any:
    """The story of a call, once the place of each executed element is known."""
    story = build_call_story(store.load_call(call), 1.0)
    steps = [entry["step"] for entry in story["story"] if entry.get("step")]
    return story if steps and all("path" in step for step in steps) else None


def load_whole_path(store: SqlStore, call: str) -> list[str] | None:
    """The nodes of a call, once more than the first is known."""
    visits = store.run_reading(lambda connection: query_paths(connection, [call]))[call]
    return [visit["node"] for visit in visits] if len(visits) > 1 else None


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(call_end_handler, "SETTLE_SECONDS", 0.3)
    monkeypatch.setattr(execution_log_fetcher, "LOG_DELAY_SECONDS", 0.3)


@pytest.mark.parametrize("envelope", ["2022", "2024"])
def test_a_call_is_in_the_log_with_what_was_decided_and_what_was_reported(envelope, tmp_path):
    async def work():
        async with ours(tmp_path, envelope=envelope) as server:
            await server.it.ring_and_wait(keys="1", callee="answer", **{"from": CALLER})
            row = await server.until(the_call)
            path = await server.until(lambda store: load_whole_path(store, row["id"]))
            story = await server.until(lambda store: load_story_with_way(store, row["id"]))
            return row, story, path

    row, story, path = run_bounded(work())
    assert path == [visit["node"] for visit in story["path"]] == ["start", "sales"]
    assert (row["from"], row["number"], row["flow"], row["outcome"]) == (CALLER, NUMBER, "desk", "answered")
    assert row["turns"] == 1
    assert row["legs"] == 1
    what = {entry["what"] for entry in story["story"]}
    assert {"asked", "answered", "reported"} <= what
    steps = [entry["step"] for entry in story["story"] if entry.get("step")]
    assert [step["path"] for step in steps if step["name"] == "Gather"] == ["Gather[2]"]  # by events or the log, and once


def test_a_call_that_nobody_took_is_written_back_to_once(tmp_path):
    async def work():
        async with ours(tmp_path) as server:
            await server.it.ring_and_wait(keys="1", callee="no-answer", **{"from": CALLER})
            texts = await server.sent(1)
            await asyncio.sleep(0.5)
            return texts, await server.sent(1)

    assert run_bounded(work()) == (["Sorry that we missed your call."],) * 2


def test_a_call_that_was_taken_is_not_written_back_to(tmp_path):
    async def work():
        async with ours(tmp_path) as server:
            await server.it.ring_and_wait(keys="1", callee="answer", **{"from": CALLER})
            await server.until(the_call)
            await asyncio.sleep(0.8)
            return await server.sent(0)

    assert run_bounded(work()) == []


def test_a_voicemail_is_told_when_its_call_is_over_with_what_was_recorded(tmp_path):
    async def work():
        async with run_customer_server() as other:
            other.set_answer("/voicemail", "{}")
            async with ours(tmp_path, DESK.replace("http://127.0.0.1:1", other.url)) as server:
                await server.it.ring_and_wait(keys="2,#", **{"from": CALLER})
                (told,) = await other.wait_for_requests(1, "/voicemail")
                return told["json"], await server.sent(0)

    told, texts = run_bounded(work())
    assert (told["type"], told["call"]["from"]) == ("voicemail", CALLER)
    assert len(told["recordings"]) == 1
    assert told["recordings"][0]["url"]
    assert texts == []


def test_an_app_written_for_twilio_gets_each_recording_once_however_the_call_ended(tmp_path):
    async def work(app):
        desk = f"numbers: {NUMBER}\ntwiml: {app.url}/message\n"
        more = {"twilio_auth_token": SecretStr(AUTH_TOKEN), "shortest_message_seconds": 0}
        # A caller who hangs up in the moment in which the recording's request is on its way is rare at a person's pace.
        async with ours(tmp_path, desk, pace=6, **more) as server:
            for keys in ("hangup 6s", "#"):
                await server.it.ring_and_wait(keys=keys, **{"from": CALLER})
            await wait_until_async(
                lambda: all(len(app.forms.get(path, ())) > 1 for path in ("/recorded", "/thanks")),
                "the forms",
                interval=0.02,
            )
            link = next(form for form in app.forms["/thanks"] if "Digits" not in form)["RecordingUrl"]
            replies = [await server.it.http.get(f"{link}{ending}") for ending in ("", ".mp3", "x")]
            return [(reply.status_code, reply.headers.get("location", "")) for reply in replies]

    with run_twilio_app() as app:
        direct, with_ending, forged = run_bounded(work(app))
    assert direct == with_ending
    assert (direct[0], direct[1].startswith("http"), forged[0]) == (302, True, 403)
    told = sorted((form["CallStatus"], form.get("Digits", "")) for form in app.forms["/thanks"])
    assert told == [("completed", "hangup"), ("in-progress", "")]
    assert [form["RecordingStatus"] for form in app.forms["/recorded"]] == ["completed"] * 2
    assert len({form["CallSid"] for forms in app.forms.values() for form in forms}) == 2


def test_texts_are_answered_by_rules_once_and_stop_is_honoured_across_restarts(tmp_path):
    async def work():
        async with ours(tmp_path) as server:
            await server.text("Hours?")
            first = await server.sent(1)
            await server.text("STOP")
            second = await server.sent(2)
            await server.text("Hours?")
            await server.heard(3)
            await asyncio.sleep(0.5)
            third = await server.sent(2)
        async with ours(tmp_path, seed="another day") as server:
            await server.text("Hours?")
            await server.heard(4)
            await asyncio.sleep(0.5)
            silent = await server.sent(0)
            await server.text("START")
            again = await server.sent(1)
        return first, second, third, silent, again

    first, second, third, silent, again = run_bounded(work())
    assert first == ["We open at nine."]
    assert second[-1].startswith("You will get no more messages")
    assert third == second
    assert silent == []
    assert again[-1].startswith("You will get messages from this number again")


@pytest.mark.parametrize("envelope", ["2022", "2024"])
def test_a_parked_call_gets_its_document_pushed(envelope, tmp_path):
    async def work():
        given = {"control": "push", "public_url": "http://127.0.0.1:1"}
        # A parked call waits for 30 simulated seconds; on a busy machine the push needs more than a moment of real time.
        async with ours(tmp_path, url=False, envelope=envelope, pace=10, **given) as server:
            told = await server.it.ring_and_wait(keys="1", callee="answer", **{"from": CALLER})
            return told, await server.until(the_call)

    told, row = run_bounded(work())
    assert told["outcome"] == "hung-up"
    assert [step["text"] for step in told["steps"] if step["verb"] == "Say"][:2] == ["Hello.", "Press 1."]
    assert (row["flow"], row["turns"]) == ("desk", 1)


def test_what_was_missed_while_nobody_listened_is_filled_in(tmp_path):
    async def work():
        async with ours(tmp_path) as server:
            await server.it.ring_and_wait(keys="", **{"from": CALLER})
            await server.until(the_call)
            await server.it.inject_faults(lose_share=1.0)
            await server.it.ring_and_wait(keys="", **{"from": "+12015550998"})
            await server.it.inject_faults(lose_share=0.0, drop=True)
            return await server.until(lambda store: len(list(store.list_calls(CallFilter(state="destroyed")))) == 2)

    assert run_bounded(work())
