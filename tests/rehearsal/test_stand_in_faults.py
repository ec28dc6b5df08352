"""Faults on demand: each does what its name says, for as long as it is asked for."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
import websockets
from stand_in_harness import SAY, run_harness

from waiting import run_bounded

HELLO = SAY.format("Hello")
CALLER = ["init", "ringing", "live", "hangup", "destroyed"]


async def statuses(count: int, **faults: Any) -> list[int]:
    async with run_harness() as it:
        await it.inject_faults(**faults)
        return [(await it.request_rest("GET", "/sip/app")).status_code for _ in range(count)]


async def told(*, seed: str = "tests", **faults: Any) -> list[str]:
    """The states of a caller's call, as they came while these faults were asked for."""
    async with run_harness(seed=seed, pace=100) as it:
        await it.store_document(HELLO)
        async with it.listen_to_events() as listener:
            await it.inject_faults(**faults)
            await it.ring_and_wait()
            events = []
            while True:
                try:
                    events.append(await listener.next_event(timeout_seconds=3))
                except TimeoutError:
                    return [event["payload"]["state"] for event in events if event["type"] == "call_state"]


# REST


def test_the_next_answers_fail():
    assert run_bounded(statuses(4, fail_next=2)) == [500, 500, 200, 200]
    assert run_bounded(statuses(2, fail_next=1, status=503)) == [503, 200]


def test_a_share_of_the_answers_fails_and_always_the_same_ones_with_a_seed():
    found = run_bounded(statuses(60, fail_share=0.5))
    assert 10 < found.count(500) < 50
    assert run_bounded(statuses(60, fail_share=0.5)) == found


def test_too_many_requests_are_told_when_to_come_again():
    async def limited() -> list[Any]:
        async with run_harness() as it:
            await it.inject_faults(limit_next=1, retry_after=7)
            reply = await it.request_rest("GET", "/sip/app")
            return [reply.status_code, reply.headers["retry-after"], (await it.request_rest("GET", "/sip/app")).status_code]

    assert run_bounded(limited()) == [429, "7", 200]


def test_answers_are_slow():
    async def timed() -> float:
        async with run_harness() as it:
            await it.inject_faults(slow=300)
            began = time.monotonic()
            await it.request_rest("GET", "/sip/app")
            return time.monotonic() - began

    assert run_bounded(timed()) >= 0.3


def test_tokens_of_a_password_expire_at_once_and_another_is_given():
    async def expired() -> list[int]:
        async with run_harness() as it:

            async def token() -> str:
                reply = await it.http.get(f"{it.server.rest_url}/auth", auth=("owner@example.com", "a-password"))
                return str(reply.json()["payload"]["token"])

            async def status(shown: str) -> int:
                return (await it.request_rest("GET", "/sip/app", headers={"x-auth-token": shown})).status_code

            first = await token()
            before = await status(first)
            await it.inject_faults(expire=True)
            return [before, await status(first), await status(await token())]

    assert run_bounded(expired()) == [200, 401, 200]


def test_faults_end_when_they_are_mended():
    async def mended() -> list[int]:
        async with run_harness() as it:
            await it.inject_faults(fail_share=1)
            found = [(await it.request_rest("GET", "/sip/app")).status_code]
            await it.request_control("DELETE", "/faults")
            return [*found, (await it.request_rest("GET", "/sip/app")).status_code]

    assert run_bounded(mended()) == [500, 200]


def test_faults_are_there_from_the_beginning():
    async def asked() -> list[int]:
        async with run_harness(faults={"fail_next": 1}) as it:
            return [(await it.request_rest("GET", "/sip/app")).status_code for _ in range(2)]

    assert run_bounded(asked()) == [500, 200]


def test_what_is_no_fault_is_refused():
    async def refused() -> list[tuple[int, bool]]:
        async with run_harness() as it:
            replies = [await it.request_control("POST", "/faults", body) for body in ({"fial": 1}, {"fail_share": 2})]
            return [(reply.status_code, "params.fail_share" in reply.text) for reply in replies]

    assert run_bounded(refused()) == [(400, False), (400, True)]


# Events


def test_without_faults_each_event_comes_once_and_in_order():
    assert run_bounded(told()) == CALLER


def test_events_are_lost():
    assert run_bounded(told(lose_next=2)) == CALLER[2:]
    assert run_bounded(told(lose_share=1)) == []


def test_events_are_repeated_with_the_same_identity():
    async def heard() -> list[list[str]]:
        async with run_harness(pace=100) as it:
            await it.store_document(HELLO)
            async with it.listen_to_events() as listener:
                await it.inject_faults(repeat_next=1)
                await it.ring_and_wait()
                await listener.wait_until_destroyed()
                return [
                    [event[name] for event in listener.events_of_type("call_state")[:2]] for name in ("uuid", "message")
                ]

    (one, other), (said, again) = run_bounded(heard())
    assert (one, said) == (other, again)
    assert run_bounded(told(repeat_next=1)) == ["init", *CALLER]


def test_events_change_places():
    assert run_bounded(told(swap_next=1)) == ["ringing", "init", *CALLER[2:]]


def test_an_event_that_waits_for_another_comes_in_the_end():
    async def heard() -> str:
        async with run_harness() as it, it.listen_to_events() as listener:
            await it.inject_faults(swap_next=1)
            await it.request_control("POST", "/messages", {"to": "12015550123", "message": "HOURS"})
            return str((await listener.next_event())["type"])

    assert run_bounded(heard()) == "sms"


@pytest.mark.parametrize("faults", [{"drop": True}, {"drop_next": 1}])
def test_connections_break_without_a_word(faults):
    async def broken() -> websockets.ConnectionClosed:
        async with run_harness() as it:
            await it.store_document(HELLO)
            async with it.listen_to_events() as listener:
                await it.inject_faults(**faults)
                await it.ring_and_wait()
                with pytest.raises(websockets.ConnectionClosed) as error:
                    await listener.wait_until_destroyed()
            async with it.listen_to_events() as again:
                await it.start_call()
                await again.wait_until_destroyed()
            return error.value

    assert run_bounded(broken()).rcvd is None


def test_a_silent_connection_answers_no_ping_and_tells_nothing():
    async def silent() -> list[bool]:
        async with run_harness() as it:
            await it.store_document(HELLO)
            async with it.listen_to_events() as listener:
                await asyncio.wait_for(await listener.socket.ping(), 5)
                await it.inject_faults(silent=True)
                await it.ring_and_wait()
                found = []
                for waiting in (await listener.socket.ping(), listener.socket.recv()):
                    with pytest.raises(TimeoutError):
                        await asyncio.wait_for(waiting, 0.3)
                    found.append(True)
                listener.socket.transport.abort()
                await it.inject_faults(silent=False)
            async with it.listen_to_events():
                return found

    assert run_bounded(silent()) == [True, True]


def test_events_are_slow():
    async def timed() -> float:
        async with run_harness() as it, it.listen_to_events() as listener:
            await it.inject_faults(slow=300)
            began = time.monotonic()
            await it.request_control("POST", "/messages", {"to": "12015550123", "message": "HOURS"})
            await listener.next_event()
            return time.monotonic() - began

    assert run_bounded(timed()) >= 0.3


def test_a_client_that_takes_nothing_is_let_go_and_holds_nobody_up():
    async def flooded() -> list[Any]:
        async with run_harness() as it, it.listen_to_events() as deaf:
            deaf.socket.transport.pause_reading()
            served = it.server.platform
            for _ in range(30_000):
                served.messages.add_row({"type": "smsi"})
            (connection,) = served.events.connections
            for _ in range(5_000):
                connection.put_event("x" * 4_000)
            reply = await it.request_rest("GET", "/sip/app")
            deaf.socket.transport.abort()
            return [connection.waiting_events.qsize() <= 1_000, reply.status_code, len([*served.messages])]

    assert run_bounded(flooded()) == [True, 200, 5_000]
