"""Events of a gap in the connection, requested by REST."""

from __future__ import annotations

from datetime import timedelta

import pytest
import structlog
from fake_opentact import NOW, FakeOpentact, error_answer, load_event_sample, run_with_platform, success_answer

from callflows.errors import OpentactAuthenticationError, OpentactUnavailableError
from callflows.opentact.backfill import BACKFILL_LOOK_BACK, EventBackfill
from callflows.telephony.events import extract_executed_step

SINCE, UNTIL = NOW - timedelta(minutes=10), NOW
APP = "app-1"


def at(minutes):
    return (NOW + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


def call(uuid="c", **moments):
    return {
        "uuid": uuid,
        "direction": "in",
        "from": "+13125550147",
        "to": "13125550168",
        "state": "destroyed",
        "duration": 61,
        **moments,
    }


@pytest.fixture
def platform():
    platform = FakeOpentact()
    platform.routes["GET /sip/app"] = success_answer([{"uuid": APP}, {"name": "without an id"}])
    return platform


def found(platform):
    async def one(opentact):
        return [event async for event in EventBackfill(opentact)(SINCE, UNTIL)]

    return run_with_platform(platform, one)


def test_calls_messages_and_executed_elements_are_asked_for(platform):
    assert found(platform) == []
    asked = [f"{asked.method} {asked.path}" for asked in platform.requests]
    assert asked == [
        "GET /sip/app/call/online",
        "POST /call/search",
        "POST /sms/search",
        "GET /sip/app",
        f"POST /sip/app/{APP}/logs",
    ]
    (calls,) = platform.bodies("POST /call/search")
    assert calls["created_on_from"] == (SINCE - BACKFILL_LOOK_BACK).isoformat(timespec="milliseconds").replace(
        "+00:00", "Z"
    )
    assert platform.bodies("POST /sms/search")[0]["created_on_from"] == "2026-03-05T16:20:00.000Z"


def test_a_call_that_began_before_the_gap_and_ended_in_it_is_found(platform):
    ended = call(created_on=at(-60), init_on=at(-60), answer_on=at(-59), destroy_on=at(-5))
    platform.routes["POST /call/search"] = success_answer([ended])
    (event,) = found(platform)
    assert (event.kind, event.found_by_search, event.state, event.call.uuid, event.call_seconds) == (
        "call_state",
        True,
        "destroyed",
        "c",
        61.0,
    )
    assert event.occurred_at == (NOW - timedelta(minutes=5)).timestamp()
    assert [*event.call.moments] == ["init", "answer", "destroy"]


def test_a_call_that_was_over_before_the_gap_is_none_of_it(platform):
    platform.routes["POST /call/search"] = success_answer([call(created_on=at(-60), destroy_on=at(-30))])
    assert found(platform) == []


def test_a_call_that_is_live_is_found(platform):
    platform.routes["GET /sip/app/call/online"] = success_answer(
        [call(state="live", created_on=at(-100), answer_on=at(-99))]
    )
    (event,) = found(platform)
    assert event.state == "live"


def test_the_same_call_has_the_same_key_however_often_it_is_found(platform):
    platform.routes["POST /call/search"] = success_answer([call(created_on=at(-9), destroy_on=at(-5))])
    keys = {event.key for _ in range(2) for event in found(platform)}
    assert len(keys) == 1


def test_a_message_is_found(platform):
    message = {**load_event_sample("2022-sms-received")["payload"], "created_on": at(-3), "modified_on": at(-2)}
    platform.routes["POST /sms/search"] = success_answer(
        [message, {**message, "uuid": "old", "created_on": at(-30), "modified_on": at(-29)}]
    )
    (event,) = found(platform)
    assert (event.kind, event.sms.text, event.state) == ("sms", "OPEN", "success")


@pytest.mark.parametrize("named", [{"uuid": "c", "state": "destroyed"}, "c"])
def test_an_executed_element_is_found_with_its_call(platform, named):
    element = {
        "name": "Dial",
        "success": False,
        "command": {"To": "mia"},
        "response": "busy",
        "call": named,
        "created_on": at(-4),
    }
    platform.routes[f"POST /sip/app/{APP}/logs"] = success_answer(
        [element, {**element, "name": "Say"}, {**element, "created_on": at(-40)}]
    )
    dial, say = found(platform)
    assert (dial.kind, dial.call_uuid) == ("call_flow", "c")
    step = extract_executed_step(dial.raw)
    assert (step["name"], step["success"], step["response"]) == ("Dial", False, "busy")
    assert dial.key != say.key


def test_what_has_no_moment_may_have_happened_then(platform):
    platform.routes[f"POST /sip/app/{APP}/logs"] = success_answer([{"name": "Say", "success": True}])
    (event,) = found(platform)
    assert (extract_executed_step(event.raw)["name"], event.occurred_at) == ("Say", UNTIL.timestamp())


def test_what_an_account_cannot_search_is_said_and_the_rest_is_found(platform):
    platform.routes["POST /call/search"] = error_answer(404, "no such page")
    platform.routes["POST /sms/search"] = success_answer(
        [{"uuid": "m", "created_on": at(-3), "message": "hi", "state": "success"}]
    )
    with structlog.testing.capture_logs() as lines:
        (event,) = found(platform)
    assert event.kind == "sms"
    assert [line["type"] for line in lines] == ["call_state"]


def test_where_masks_are_refused_the_search_is_done_without_them(platform):
    message = {"uuid": "m", "created_on": at(-3), "message": "hi", "state": "success"}
    rows = [message, {**message, "uuid": "old", "created_on": at(-300)}]
    platform.routes["POST /sms/search"] = lambda asked: (
        error_answer(400, "created_on_from: unknown") if len(asked.body) > 2 else success_answer(rows)
    )
    (event,) = found(platform)
    assert event.sms.uuid == "m"


@pytest.mark.parametrize(
    ("answer", "kind"), [(error_answer(500), OpentactUnavailableError), (error_answer(401), OpentactAuthenticationError)]
)
def test_what_may_go_better_later_is_an_error(platform, answer, kind):
    platform.routes["POST /sms/search"] = answer
    with pytest.raises(kind):
        found(platform)


def test_a_search_without_end_is_bounded(platform, monkeypatch):
    monkeypatch.setattr("callflows.opentact.backfill.MAX_BACKFILL_ROWS", 150)
    numbers = iter(range(100_000))
    platform.routes["POST /call/search"] = lambda asked: success_answer(
        [call(str(next(numbers)), created_on=at(-1)) for _ in range(asked.body["take"])]
    )
    with structlog.testing.capture_logs() as lines:
        events = found(platform)
    assert len(events) == 150
    assert "more was missed than is looked at" in [line["event"] for line in lines]


# The execution log of one call


def executions_of_call(platform, app=APP):
    return run_with_platform(platform, lambda opentact: EventBackfill(opentact).find_executions("c", app, SINCE, UNTIL))


def answer_logs(rows, *refused_masks):
    """An app's log that refuses some masks and keeps the mask of a call."""

    def answer(asked):
        for name in refused_masks:
            if name in asked.body:
                return error_answer(400, f"{name}: unknown")
        return success_answer([row for row in rows if asked.body.get("call", row["call"]) == row["call"]])

    return answer


@pytest.mark.parametrize("app", [APP, ""], ids=["its app is known", "its app is not known"])
@pytest.mark.parametrize(
    ("refused", "calls_asked"),
    [((), ["c"]), (("created_on_from",), ["c", "c"]), (("call",), ["c", "c", None])],
    ids=["all masks", "no times", "no mask of a call"],
)
def test_the_execution_log_is_asked_for_its_own_call_alone(platform, app, refused, calls_asked):
    rows = [{"name": name, "call": uuid, "created_on": at(-4)} for name, uuid in (("Say", "c"), ("Dial", "another"))]
    platform.routes[f"POST /sip/app/{APP}/logs"] = answer_logs(rows, *refused)
    (event,) = executions_of_call(platform, app)
    assert extract_executed_step(event.raw)["name"] == "Say"
    first_pages = [body for body in platform.bodies(f"POST /sip/app/{APP}/logs") if not body["skip"]]
    assert [body.get("call") for body in first_pages] == calls_asked
