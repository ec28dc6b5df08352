"""The events of the stand-in have the shapes of the documented ones, and come to whoever is connected and wants them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import websockets
from stand_in_harness import MENU, SAY, TOKEN, run_customer_server, run_harness

from waiting import run_bounded

SAMPLES = Path(__file__).parents[1] / "samples" / "events"
STATES = ["init", "ringing", "live", "hangup", "destroyed"]
FUTURE = "2099-01-01T00:00:00.000Z"


def sample(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    return event


def assert_shaped(event: Any, like: Any, place: str = "event") -> None:
    """All that the sample has is there, of the same type; what is null in one may be anything in the other."""
    if event is None or like is None:
        return
    number = isinstance(like, (int, float)) and not isinstance(like, bool)
    assert isinstance(event, (int, float) if number else type(like)), place
    if isinstance(like, dict):
        assert set(like) <= set(event), f"{place} lacks {set(like) - set(event)}"
        for name, value in like.items():
            assert_shaped(event[name], value, f"{place}.{name}")


async def heard(envelope: str, keys: str = "1", document: str = MENU, **given: Any) -> list[dict[str, Any]]:
    async with run_harness(envelope=envelope) as it:
        await it.store_document(document)
        async with it.listen_to_events() as listener:
            await it.start_call(keys=keys, **given)
            await listener.wait_until_destroyed()
            return listener.events


def of_state(events: list[dict[str, Any]], direction: str, state: str) -> dict[str, Any]:
    """The event of a leg that is in a state."""
    said = [event for event in events if event["message"].startswith(f"CallSCA {direction} ")]
    return next(event for event in said if event["message"].endswith(f" - {state}"))


# The envelope of 2024


def test_a_call_of_2024_is_reported_by_its_states_in_the_documented_shapes():
    events = run_bounded(heard("2024"))
    assert_shaped(events[0], sample("2024-auth-success"))
    for state in ("init", "live", "destroyed"):
        event = of_state(events, "in", state)
        assert set(event) == set(sample(f"2024-call-{state}"))
        assert_shaped(event, sample(f"2024-call-{state}"))
    caller = [event for event in events if event["message"].startswith("CallSCA in ")]
    assert [event["payload"]["state"] for event in caller] == STATES
    assert {event["ref_id"] for event in caller} == {caller[0]["call"]["uuid"]}


def test_an_event_of_2024_has_the_moment_of_its_own_state_only():
    call = of_state(run_bounded(heard("2024")), "in", "live")["call"]
    assert "answer_on" in call
    assert not {"init_on", "ring_on", "hangup_on"} & set(call)


def test_a_leg_that_nobody_takes_names_its_parent_and_the_cause():
    events = run_bounded(heard("2024", callee="no-answer"))
    event = of_state(events, "out", "hangup")
    assert_shaped(event, sample("2024-dialled-leg-hangup"))
    assert event["message"] == "CallSCA out 12015550999 > ann - hangup"
    assert (event["call"]["q850_cause"], event["call"]["q850_cause_string"]) == (18, "NO_USER_RESPONSE")
    assert event["call"]["parent"]["uuid"] == of_state(events, "in", "init")["call"]["uuid"]


def test_a_dial_that_nobody_takes_is_reported_with_its_element_and_the_documented_reason():
    events = run_bounded(heard("2024", callee="no-answer"))
    failed = next(event for event in events if event.get("call_flow", {}).get("name") == "Dial")
    like = sample("2024-call-flow-dial-failed")
    assert_shaped(failed, like)
    assert failed["call_flow"]["reason"] == like["call_flow"]["reason"]
    assert failed["message"] == like["message"]
    told = {"To": ["ann@acme.sip.opentact.org"], "Error": [{"Say": ["Nobody is free"]}]}
    assert failed["call_flow"]["element"] == told


def test_a_leg_that_is_taken_is_live_and_ends_before_its_dial_is_reported():
    events = run_bounded(heard("2024"))
    legs = [event["payload"]["state"] for event in events if event["message"].startswith("CallSCA out ")]
    assert legs == STATES
    dial = next(n for n, event in enumerate(events) if event.get("call_flow", {}).get("name") == "Dial")
    assert events.index(of_state(events, "out", "destroyed")) < dial


def test_a_tag_is_in_the_event_of_its_command_also_where_it_ends_the_call():
    events = run_bounded(heard("2024", keys=""))
    tags = {
        event["call_flow"]["name"]: event["call_flow"]["command"].get("tag") for event in events if "call_flow" in event
    }
    assert (tags["Answer"], tags["Hangup"]) == ("lifted", "silent")


# The envelope of 2022


def test_a_command_of_2022_is_reported_in_the_documented_shape():
    events = run_bounded(heard("2022"))
    answer = next(event for event in events if event.get("command") == "Answer")
    like = sample("2022-call-flow-answer")
    assert set(answer) == set(like)
    assert_shaped(answer, like)
    assert answer["message"].startswith("[success] command Answer[0], reason: ")


def test_a_call_of_2022_has_all_its_moments_and_milliseconds():
    events = run_bounded(heard("2022", document=SAY.format("x" * 40)))
    over = next(event for event in events if event["message"].endswith("> 12015550123 - destroyed"))
    assert set(over) == {"timestamp", "type", "message", "payload"}
    call = over["payload"]
    assert [name for name in ("init_on", "ring_on", "answer_on", "hangup_on", "destroy_on") if call[name] is None] == []
    assert call["duration"] >= 2400


def test_messages_of_2022_have_the_documented_shapes():
    async def told() -> list[dict[str, Any]]:
        async with run_harness(envelope="2022") as it, it.listen_to_events() as listener:
            await it.request_control(
                "POST", "/messages", {"from": "+12015550999", "to": "+12015550123", "message": "HOURS"}
            )
            await listener.wait_for_event(lambda event: event["type"] == "sms")
            await it.request_payload("POST", "/sms", {"from": "12015550123", "to": "12015550999", "message": "Hello"})
            await listener.wait_for_event(lambda event: event["type"] == "sms" and event["payload"].get("delivered"))
            return listener.events_of_type("sms")

    received, *sent = run_bounded(told())
    assert_shaped(received, sample("2022-sms-received"))
    assert_shaped(sent[-1], sample("2022-sms-sent"))
    assert [(event["payload"]["state"], event["payload"]["delivered"]) for event in sent] == [
        ("created", False),
        ("success", False),
        ("success", True),
    ]


# What is delivered


def test_types_beyond_those_that_come_unasked_are_subscribed_to():
    async def told(*types: str) -> set[str]:
        async with run_harness(envelope="2022") as it:
            await it.store_document(MENU)
            for kind in types:
                body = {"type": kind, "channel": "wss", "is_active": True, "expired_on": FUTURE}
                await it.request_payload("POST", "/event/subscription", body)
            async with it.listen_to_events() as listener:
                await it.start_call(keys="2,#")
                await listener.wait_until_destroyed()
                await it.request_payload("POST", "/sms", {"from": "12015550123", "to": "12015550999", "message": "Hello"})
                await listener.wait_for_event(lambda event: event["type"] == "sms" and event["payload"].get("delivered"))
                return {event["type"] for event in listener.events}

    assert run_bounded(told()) == {"auth", "call_state", "call_flow", "sms"}
    assert run_bounded(told("call_record", "balance")) == {
        "auth",
        "call_state",
        "call_flow",
        "sms",
        "call_record",
        "balance",
    }


def test_a_subscription_that_is_over_or_inactive_or_removed_delivers_nothing():
    async def told() -> list[str]:
        async with run_harness(envelope="2022") as it:
            over = {"type": "balance", "expired_on": "2099-01-01T00:00:00Z", "is_active": False}
            await it.request_payload("POST", "/event/subscription", over)
            removed = await it.request_payload("POST", "/event/subscription", {"type": "balance"})
            await it.request_payload("DELETE", f"/event/subscription/{removed['uuid']}")
            async with it.listen_to_events() as listener:
                await it.request_payload("POST", "/sms", {"from": "12015550123", "to": "12015550999", "message": "Hello"})
                await listener.wait_for_event(lambda event: event["type"] == "sms" and event["payload"].get("delivered"))
                return [event["type"] for event in listener.events]

    assert "balance" not in run_bounded(told())


def test_a_balance_event_has_the_documented_shape():
    async def told() -> dict[str, Any]:
        async with run_harness(envelope="2022") as it:
            await it.request_payload("PATCH", "/account/notification", {"balance": True})
            async with it.listen_to_events() as listener:
                await it.request_payload("POST", "/sms", {"from": "12015550123", "to": "12015550999", "message": "Hello"})
                return await listener.wait_for_event(lambda event: event["type"] == "balance")

    event = run_bounded(told())
    assert_shaped(event, sample("2022-balance"))
    assert event["message"] == "New balance is 99.99"


def test_the_recording_of_a_caller_who_hangs_up_is_reported():
    async def told() -> dict[str, Any]:
        async with run_harness() as it:
            await it.store_document(MENU)
            await it.request_payload("POST", "/event/subscription", {"type": "call_record"})
            async with it.listen_to_events() as listener:
                await it.start_call(keys=["2", "hangup"])
                await listener.wait_until_destroyed()
                (event,) = listener.events_of_type("call_record")
                return event

    event = run_bounded(told())
    assert event["payload"]["tag"] == "message"
    assert event["payload"]["transcript"]


def test_each_recording_that_was_begun_is_reported_once_by_its_tag_also_where_nobody_stops_it():
    document = """<Response><Answer/><RecordStart tag="a"/><RecordStart tag="b"/><RecordStart tag="c"/>
    <Pause length="9000"/><RecordStop tag="a"/><RecordStop tag="a"/><RecordStart tag="d"/><RecordWait/><Hangup/>
    </Response>"""

    async def told() -> list[tuple[str, int]]:
        async with run_harness(pace=2_000) as it:
            await it.store_document(document)
            await it.request_payload("POST", "/event/subscription", {"type": "call_record"})
            async with it.listen_to_events() as listener:
                await it.start_call()
                await listener.wait_until_destroyed()
                return [
                    (event["payload"]["tag"], event["payload"]["duration"])
                    for event in listener.events_of_type("call_record")
                ]

    recorded = run_bounded(told())
    assert [tag for tag, _ in recorded] == ["a", "d", "b", "c"]
    assert all(seconds >= 9 for tag, seconds in recorded if tag != "d")


def test_nothing_is_queued_for_those_who_come_later():
    async def told() -> list[str]:
        async with run_harness() as it:
            await it.store_document(SAY.format("Hello"))
            await it.ring_and_wait()
            async with it.listen_to_events() as listener:
                with pytest.raises(TimeoutError):
                    await listener.next_event(timeout_seconds=0.2)
                return [event["type"] for event in listener.events]

    assert run_bounded(told()) == ["auth"]


@pytest.mark.parametrize(
    "frame", ['{"type": "auth", "payload": "wrong"}', '{"type": "hello"}', "not JSON", "[]", '{"type": "auth"}']
)
def test_a_token_that_is_not_accepted_closes_the_connection_by_policy(frame):
    async def closed() -> int | None:
        async with run_harness() as it, websockets.connect(it.events_url) as socket:
            await socket.send(frame)
            with pytest.raises(websockets.ConnectionClosed) as error:
                await asyncio.wait_for(socket.recv(), 10)
            return error.value.rcvd.code if error.value.rcvd else None

    assert run_bounded(closed()) == 1008


def test_a_token_of_an_email_and_a_password_opens_the_websocket_too():
    async def opened() -> str:
        async with run_harness() as it:
            reply = await it.http.get(f"{it.server.rest_url}/auth", auth=("owner@example.com", "a-password"))
            async with it.listen_to_events(reply.json()["payload"]["token"]) as listener:
                return str(listener.events[0]["payload"]["user"]["email"])

    assert run_bounded(opened()) == "owner@example.com"


def test_several_clients_hear_the_same():
    async def told() -> list[list[str]]:
        async with run_harness() as it:
            await it.store_document(SAY.format("Hello"))
            async with it.listen_to_events() as one, it.listen_to_events(TOKEN) as other:
                await it.start_call()
                await asyncio.gather(one.wait_until_destroyed(), other.wait_until_destroyed())
                return [[event["uuid"] for event in listener.events[1:]] for listener in (one, other)]

    one, other = run_bounded(told())
    assert one == other


def test_the_same_seed_gives_the_same_identities():
    async def told() -> list[str]:
        async with run_customer_server(), run_harness(seed="seven") as it:
            await it.store_document(MENU)
            async with it.listen_to_events() as listener:
                await it.start_call(keys="1")
                await listener.wait_until_destroyed()
                return [event["uuid"] for event in listener.events] + [event["ref_id"] for event in listener.events[1:]]

    assert run_bounded(told()) == run_bounded(told())
