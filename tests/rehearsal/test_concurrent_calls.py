"""A hundred callers at once in one process share no trail, clock, lookups or effects."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from engine_servers import run_simulated_engine
from stand_in_harness import serve_app

from callflows.rehearsal.platform_network import LOCAL_ENGINE_ORIGIN, HttpNetwork
from callflows.rehearsal.rehearsed_call import Rehearsal
from callflows.rehearsal.scripted_parties import ScriptedCaller, parse_caller_script
from callflows.rehearsal.transcript_text import format_transcript
from waiting import run_bounded

FLOW = """
numbers: rest
timezone: UTC
nodes:
  start:
    - collect: {into: code, digits: 3, prompt: Your code., attempts: 1, otherwise: nobody}
    - lookup: {url: "https://crm.example.com/{{ code }}", into: customer, default: {name: nobody}}
    - say: "It is {{ now.time }} for {{ customer.name }}, call {{ caller.calls_today }} of {{ caller.number }}."
    - notify: {url: https://crm.example.com/calls, payload: {code: "{{ code }}", caller: "{{ caller.number }}"}}
    - sms: "Thank you, {{ customer.name }}."
    - hangup
  nobody: [hangup: {tag: nobody}]
"""
BEGAN = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)


class Slowly(ScriptedCaller):
    """Lets others do something whenever it could do something itself."""

    async def choose_action(self, window):
        for _ in range(int(window.start) % 7 + 3):
            await asyncio.sleep(0)
        return await super().choose_action(window)


def caller(number):
    return Rehearsal(
        number="+12015550123",
        caller_id=f"+1201555{number:04}",
        at=BEGAN + timedelta(minutes=10 * number),
        caller=Slowly(parse_caller_script([{"wait": f"{number % 5}s"}, f"{number:03}"])),
        lookups={"customer": {"name": f"Customer {number}"}},
        calls_today=number + 1,
    )


@pytest.fixture
def flows(tmp_path):
    (tmp_path / "acme.yaml").write_text(FLOW)
    return tmp_path


@pytest.mark.parametrize("dialect", ["reference", "classic"])
def test_a_hundred_callers_at_once_have_each_a_call_of_their_own(flows, dialect):
    async def calls():
        async with run_simulated_engine(flows, dialect) as web:
            return await asyncio.gather(*(caller(number).run(web) for number in range(100)))

    for number, told in enumerate(run_bounded(calls())):
        began = BEGAN + timedelta(minutes=10 * number)
        said, who = [step for step in told.steps if step["verb"] == "Say"][-1]["text"], f"+1201555{number:04}"
        assert said == f"It is {began:%H:%M} for Customer {number}, call {number + 1} of {who}."
        (looked_up,) = [step for step in told.steps if step["verb"] == "lookup"]
        assert looked_up["url"] == f"https://crm.example.com/{number:03}"
        (notified,) = [step for step in told.steps if step["verb"] == "notify"]
        assert notified["payload"]["data"] == {"code": f"{number:03}", "caller": who}
        (sent,) = [step for step in told.steps if step["verb"] == "sms"]
        assert (sent["to"], sent["text"]) == (who, f"Thank you, Customer {number}.")
        trail = [decision for asked in told.requests for decision in asked.trail]
        assert f"{number:03}" in str(trail)
        others = [f"Customer {other}." for other in range(100) if other != number]
        assert not any(other in str(told.steps) for other in others)
        assert told.seconds == pytest.approx(number % 5 + 3.3, abs=3)


def test_one_call_after_the_other_in_a_task_is_not_the_one_before(flows):
    async def calls():
        async with run_simulated_engine(flows) as web:
            return [await caller(number).run(web) for number in (3, 4, 3)]

    one, two, three = run_bounded(calls())
    assert [*format_transcript(one)] == [*format_transcript(three)]
    assert [*format_transcript(one)] != [*format_transcript(two)]


def test_a_call_that_is_given_up_leaves_the_others_alone(flows):
    class Never(ScriptedCaller):
        async def choose_action(self, window):
            await asyncio.Event().wait()
            return await super().choose_action(window)

    async def calls():
        async with run_simulated_engine(flows) as web:
            given_up = Rehearsal(number="+12015550123", caller=Never())
            tasks = [asyncio.create_task(call.run(web)) for call in (given_up, caller(7))]
            told = await tasks[1]
            tasks[0].cancel()
            await asyncio.wait(tasks)
            return tasks[0].cancelled(), told

    cancelled, told = run_bounded(calls())
    assert cancelled
    assert told.outcome == "hung-up"


def test_nothing_outside_is_reached_in_any_of_them(flows):
    """A page that an engine on a stage would have to ask is refused, and said."""

    async def asked():
        async with run_simulated_engine(flows) as web:
            return [
                await web.send_request("GET", url, None, 1.0)
                for url in ("http://127.0.0.1:9/", f"{LOCAL_ENGINE_ORIGIN}.example.com/", f"{LOCAL_ENGINE_ORIGIN}/x")
            ]

    other, alike, own = run_bounded(asked())
    assert "does not reach other servers" in other.error
    assert "does not reach other servers" in alike.error
    assert own.status == 404


def test_a_server_that_answers_when_all_have_asked_is_asked_by_all_at_once():
    """No call waits for a connection of another's, which would be counted as the server's slowness."""
    callers = 250

    async def calls():
        there = asyncio.Barrier(callers)

        async def answer(scope, _receive, send):
            assert scope["type"] == "http"  # a lifespan is nothing of this app's
            await asyncio.wait_for(there.wait(), 50)
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"<Response><Hangup/></Response>"})

        async with serve_app(answer) as url, HttpNetwork(allow_external=True) as web:
            rung = (Rehearsal(number="1", url=url, method="GET", timeout=50).run(web) for _ in range(callers))
            return await asyncio.gather(*rung)

    assert {told.outcome for told in run_bounded(calls())} == {"hung-up"}
