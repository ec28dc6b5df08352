"""Opentact's events over connections that break, send nonsense or fall silent."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import logging
from datetime import timedelta

import pytest
import structlog
from fake_opentact import (
    AUTH_FAILURE_EVENT,
    AUTH_SUCCESS_EVENT,
    EMAIL,
    FOREVER_SECONDS,
    NOW,
    PASSWORD,
    TOKEN,
    CannedAnswer,
    FakeClock,
    FakeOpentact,
    create_client,
    create_session,
    error_answer,
    load_event_sample,
    success_answer,
)

from callflows.errors import SettingsError
from callflows.opentact import EventStream
from callflows.opentact.event_connection import (
    MAX_EVENT_FRAME_BYTES,
    ConnectionTimeouts,
    EventConnectionLostError,
    is_token_accepted,
)
from callflows.opentact.event_parser import parse_event
from callflows.opentact.event_stream import BACKFILL_OVERLAP, MAX_HALT_SECONDS, STABLE_CONNECTION_SECONDS
from callflows.opentact.subscriptions_api import SUBSCRIPTION_LIFETIME
from each_case import each_case
from waiting import run_bounded, wait_until_async

CALL = load_event_sample("2024-call-init")
CALLS = [load_event_sample(name) for name in ("2024-call-init", "2024-call-live", "2024-call-destroyed")]
QUICK = ConnectionTimeouts(open_seconds=20, auth_seconds=20, close_seconds=0.1, ping_interval_seconds=20, pong_seconds=20)


async def nothing(_since, _until):
    return
    yield


@pytest.fixture
def platform():
    return FakeOpentact()


@contextlib.asynccontextmanager
async def listening(platform, *, token=TOKEN, login=False, waits=None, beat=QUICK, fill=nothing, types=(), **given):
    """Events of a platform, and the list that they come into."""
    pace = (waits or FakeClock()).create_clock()
    extra = {"email": EMAIL, "password": PASSWORD} if login else {}
    async with platform.run_servers(), create_client(platform, token, **extra) as opentact:
        yield EventStream(opentact, platform.events_url, types=types, clock=pace, timeouts=beat, backfill=fill, **given)


def come(platform, count, **given):
    """The first events, and how it is then."""

    async def one():
        found = []
        async with listening(platform, **given) as events, contextlib.aclosing(aiter(events)) as stream:
            async for event in stream:
                found.append(event)
                if len(found) == count:
                    break
            return found, dataclasses.replace(events.health)

    return run_bounded(one())


def types_of(found):
    return [event.kind for event in found]


# Events at a rate


def test_a_frame_that_is_too_long_ends_its_connection_and_the_next_one_goes_on(platform):
    giant = {**CALL, "uuid": "giant", "message": "x" * MAX_EVENT_FRAME_BYTES}
    large = {**CALL, "uuid": "large", "message": "x" * (MAX_EVENT_FRAME_BYTES // 2)}
    platform.sessions = [create_session(large, giant, CALL), create_session(CALL)]
    found, health = come(platform, 4)
    assert [event.key for event in found if event.kind != "auth"] == ["large", CALL["uuid"]]
    assert (health.reconnects, health.gaps) == (1, 1)


def test_packed_frames_are_not_agreed_to_because_one_read_would_unpack_a_hundred_at_once(platform):
    platform.sessions = [create_session(CALL)]
    come(platform, 2)
    assert (platform.connections, platform.offered_extensions) == (1, [])


def test_a_flood_of_frames_leaves_the_process_to_others_after_each(platform):
    platform.sessions = [create_session(*({**CALL, "uuid": str(number)} for number in range(400)))]

    async def count_turns() -> tuple[int, int]:
        turns = most = last = 0

        async def take_turns() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async with listening(platform) as events, contextlib.aclosing(aiter(events)) as stream:
            other = asyncio.create_task(take_turns())
            seen = frames_at_once = 0
            async for _ in stream:
                frames_at_once = frames_at_once + 1 if turns == last else 1
                most, last, seen = max(most, frames_at_once), turns, seen + 1
                if seen == 401:
                    break
            other.cancel()
        return most, seen

    most, seen = run_bounded(count_turns())
    assert seen == 401
    assert most <= 3


# Connected


def test_events_come_once_the_token_is_accepted(platform):
    platform.sessions = [create_session(*CALLS)]
    found, health = come(platform, 4)
    assert platform.token_frames == [{"type": "auth", "payload": TOKEN}]
    assert [event.state for event in found[1:]] == ["init", "live", "destroyed"]
    assert [event.key for event in found[1:]] == [call["uuid"] for call in CALLS]
    assert (health.connected, health.events, health.last_event, health.since) == (True, 4, NOW, NOW)
    assert (health.gaps, health.reconnects, health.problem) == (0, 0, "")
    assert json.dumps(health.as_json())


def test_both_envelopes_twice_and_unknown_types_come_as_they_are(platform):
    unknown = {"type": "call_transcript", "uuid": "t", "payload": {"text": "hi"}}
    platform.sessions = [create_session(load_event_sample("2022-balance"), CALL, CALL, unknown)]
    found, _ = come(platform, 5)
    assert types_of(found) == ["auth", "balance", "call_state", "call_state", "call_transcript"]
    assert found[2].key == found[3].key


@pytest.mark.parametrize("frame", ["nonsense", "[]", b"\xff\xfe\x00", '"text"', "{"])
def test_a_malformed_frame_is_counted_and_harms_no_other(platform, frame):
    platform.sessions = [create_session(frame, frame, CALL)]
    with structlog.testing.capture_logs() as lines:
        found, health = come(platform, 2)
    assert found[1].state == "init"
    assert health.malformed == 2
    assert [line["count"] for line in lines if line["event"] == "frames are no events"] == [1, 2]


def test_a_text_frame_that_is_no_utf8_is_malformed_and_no_end(platform):
    async def session(connection):
        await create_session(ends=True)(connection)
        await connection.send(b"\xff", text=True)
        await connection.send(json.dumps(CALL))
        await connection.wait_closed()

    platform.sessions = [session]
    found, health = come(platform, 2)
    assert (found[1].state, health.malformed, health.reconnects) == ("init", 1, 0)


def test_an_event_that_comes_before_the_token_is_accepted_is_kept(platform):
    async def session(connection):
        await connection.send(json.dumps(CALL))
        await create_session()(connection)

    platform.sessions = [session]
    found, _ = come(platform, 2)
    assert types_of(found) == ["call_state", "auth"]


def test_whoever_takes_events_may_break(platform):
    platform.sessions = [create_session(*CALLS)]
    taken = []

    async def one():
        done = asyncio.Event()

        async def take(event):
            taken.append(event.state)
            if event.state == "destroyed":
                done.set()
            raise RuntimeError(event.state)

        async with listening(platform) as events:
            task = asyncio.create_task(events.run(take))
            await done.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    run_bounded(one())
    assert taken == ["", "init", "live", "destroyed"]


# Tokens


@each_case(
    ("said", "fine_"),
    [
        ({"message": "WSS connection x@1.2.3.4 - success auth fail@example.org"}, True),
        ({"message": "WSS connection x@1.2.3.4 - failed auth success@example.org"}, False),
        ({"message": "Success"}, True),
        ({"message": "unsuccessful"}, False),
        ({"message": "", "success": True}, True),
        ({"message": "success auth", "success": False}, False),
        ({"payload": {"success": True}}, True),
        ({"message": "hello"}, False),
        ({}, False),
    ],
)
def test_success_is_told_from_failure(said, fine_):
    assert is_token_accepted(parse_event({"type": "auth", **said}, NOW)) is fine_


async def closing(connection):
    await connection.close(4001, "bad token")


async def refusing(connection):
    await connection.send(json.dumps(AUTH_FAILURE_EVENT))
    await connection.wait_closed()


@pytest.mark.parametrize("session", [closing, refusing])
def test_a_token_that_is_refused_is_renewed_and_the_connection_opened_at_once(platform, session):
    platform.sessions = [session, create_session(CALL)]
    waits = FakeClock()
    found, _ = come(platform, 3 if session is refusing else 2, login=True, waits=waits)
    assert found[-1].state == "init"
    assert [shown["payload"] for shown in platform.token_frames] == [TOKEN, "jwt.1.sig"]
    assert waits.delays == []


def test_a_token_that_nobody_answers_counts_as_refused(platform):
    async def silent(connection):
        await connection.wait_closed()

    platform.sessions = [silent, create_session(CALL)]
    beat = ConnectionTimeouts(open_seconds=20, auth_seconds=2.0, close_seconds=0.1)
    come(platform, 2, login=True, beat=beat)
    assert [shown["payload"] for shown in platform.token_frames] == [TOKEN, "jwt.1.sig"]


def test_a_token_that_cannot_be_renewed_is_tried_again_after_growing_waits(platform):
    platform.sessions = [closing, closing, closing, closing, create_session(CALL)]
    waits = FakeClock()
    with structlog.testing.capture_logs() as lines:
        come(platform, 2, waits=waits)
    assert waits.delays[:4] == [0.5, 1.0, 2.0, 4.0]
    said = [line for line in lines if line["event"] == "no connection to Opentact's events"]
    assert len(said) == 1
    assert "4001 bad token" in said[0]["reason"]


def test_a_handshake_that_is_forbidden_renews_the_token(platform):
    answers = [403, None]

    def process_request(connection, _request):
        status = answers.pop(0) if answers else None
        return connection.respond(status, "no") if status else None

    async def one():
        platform.sessions = [create_session(CALL)]
        async with (
            platform.run_servers(process_request=process_request),
            create_client(platform, email=EMAIL, password=PASSWORD) as o,
        ):
            events = EventStream(
                o, platform.events_url, types=(), clock=FakeClock().create_clock(), timeouts=QUICK, backfill=nothing
            )
            async with contextlib.aclosing(aiter(events)) as stream:
                await anext(stream)
        return platform.token_frames

    assert run_bounded(one()) == [{"type": "auth", "payload": "jwt.1.sig"}]


@pytest.mark.parametrize(
    ("days", "searched_seconds"),
    [
        (-400, 100.0),  # set back: the gap is where it was
        (0.5, 100.0 + 43_200.0),  # the machine may have been halted for half a day
        (20_000, 100.0 + MAX_HALT_SECONDS),  # it began in 1970: nobody wants all calls since then
    ],
)
def test_a_gap_is_searched_where_it_was_although_the_clock_was_set_in_it(days, searched_seconds, platform):
    searched = []

    class SetClock(FakeClock):
        async def sleep(self, seconds):
            if seconds < FOREVER_SECONDS and not self.delays:  # between the two connections
                self.day += timedelta(days=days, seconds=100)
                self.time += 100
            await super().sleep(seconds)

    async def fill(since, until):
        searched.append((until - since - 2 * BACKFILL_OVERLAP).total_seconds())
        return
        yield

    platform.sessions = [create_session(CALL, ends=True), create_session(CALL)]
    come(platform, 4, waits=SetClock(), fill=fill)
    assert searched == [pytest.approx(searched_seconds, abs=1.0)]


def test_no_token_is_logged_even_where_everything_is(platform, caplog):
    caplog.set_level(logging.DEBUG)

    async def telling(connection):
        await connection.close(4001, f"bad {TOKEN}")

    platform.sessions = [telling, create_session(CALL)]
    with structlog.testing.capture_logs() as lines:
        come(platform, 2)
    client_lines = [record for record in caplog.records if record.name != "websockets.server"]
    assert not any(TOKEN in record.getMessage() for record in client_lines)
    assert "bad" in repr(lines)
    assert TOKEN not in repr(lines)


@pytest.mark.parametrize(
    "url", ["ws://api.opentact.org/wss", "https://api.opentact.org/wss", "wss://", "wss://a@b", "wss://b?token=x"]
)
def test_a_url_that_a_token_must_not_be_sent_to_is_refused(platform, url):
    with pytest.raises(SettingsError, match="CALLFLOWS_OPENTACT_EVENTS_URL"):
        EventStream(create_client(platform), url)


def test_a_token_is_not_sent_on_to_another_host(platform):
    other = FakeOpentact()

    async def one():
        async with other.run_servers():

            def process_request(connection, _request):
                response = connection.respond(302, "")
                response.headers["Location"] = other.events_url
                return response

            waits = FakeClock()
            async with platform.run_servers(process_request=process_request), create_client(platform) as opentact:
                events = EventStream(
                    opentact, platform.events_url, types=(), clock=waits.create_clock(), timeouts=QUICK, backfill=nothing
                )
                task = asyncio.create_task(events.run(nothing))
                await wait_until_async(lambda: len(waits.delays) >= 3, "three retries")
                task.cancel()
            return events.health.problem

    assert "not followed" in run_bounded(one())
    assert (other.connections, other.token_frames) == (0, [])


# Broken connections


async def dropping(connection):
    await create_session(CALL, ends=True)(connection)
    connection.transport.abort()


def stable(session, waits):
    """A session that lasts as long as a good one."""

    async def lasting(connection):
        waits.time += STABLE_CONNECTION_SECONDS
        await session(connection)

    return lasting


def test_a_good_connection_that_ends_is_opened_again_at_once(platform):
    waits = FakeClock()

    async def good(connection):
        await create_session(CALL)(connection) if platform.connections > 1 else await dropping(connection)

    platform.sessions = [good]

    async def one():
        async with listening(platform, waits=waits) as events, contextlib.aclosing(aiter(events)) as stream:
            await anext(stream)
            waits.time += STABLE_CONNECTION_SECONDS
            found = [await anext(stream) for _ in range(3)]
            return found, dataclasses.replace(events.health)

    found, health = run_bounded(one())
    assert types_of(found) == ["call_state", "auth", "call_state"]
    assert (health.reconnects, health.gaps) == (1, 1)
    assert waits.delays[0] == 0.0


def test_connections_that_end_at_once_are_opened_after_growing_waits(platform):
    platform.sessions = [create_session(ends=True)] * 5 + [create_session(CALL)]
    waits = FakeClock()
    _, health = come(platform, 7, waits=waits)
    assert waits.delays[:5] == [0.0, 1.0, 2.0, 4.0, 8.0]
    assert health.reconnects == 5


def test_waits_are_jittered_and_bounded():
    for chance, least in ((0.0, 60.0), (1.0, 30.0)):
        pace = FakeClock().create_clock(chance)
        assert pace.backoff_seconds(0) == 0.5 * (least / 60)
        assert pace.backoff_seconds(100) == pace.backoff_seconds(10**9) == least


def test_an_unreachable_platform_is_tried_for_ever(platform):
    waits = FakeClock()

    async def one():
        async with platform.run_servers():
            pass
        async with create_client(platform) as opentact:
            events = EventStream(opentact, platform.events_url, types=(), clock=waits.create_clock(), timeouts=QUICK)
            task = asyncio.create_task(events.run(nothing))
            await wait_until_async(lambda: len(waits.delays) >= 20, "twenty retries")
            assert not task.done()
            task.cancel()
            return events.health

    health = run_bounded(one())
    assert waits.delays[-1] == 60.0
    assert not health.connected
    assert health.problem


def test_a_peer_that_answers_no_ping_is_dead_without_waiting_for_tcp(platform):
    seen = asyncio.Event()

    async def silent(connection):
        await connection.send(json.dumps(AUTH_SUCCESS_EVENT))
        connection.transport.pause_reading()
        await seen.wait()
        connection.transport.abort()

    platform.sessions = [silent, create_session(CALL)]
    beat = ConnectionTimeouts(
        open_seconds=20, auth_seconds=20, close_seconds=0.05, ping_interval_seconds=0.05, pong_seconds=2.0
    )

    async def one():
        found = []
        async with listening(platform, beat=beat) as events, contextlib.aclosing(aiter(events)) as stream:
            async for event in stream:
                found.append(event)
                if event.kind == "call_state":
                    break
            seen.set()
            return found, dataclasses.replace(events.health)

    found, health = run_bounded(one())
    assert types_of(found) == ["auth", "auth", "call_state"]
    assert health.gaps == 1


# Gaps


class Filling:
    def __init__(self, *answers):
        self.asked = []
        self.answers = [*answers]

    async def __call__(self, since, until):
        self.asked.append((since, until))
        answer = self.answers.pop(0) if self.answers else []
        if isinstance(answer, Exception):
            raise answer
        for said in answer:
            yield parse_event(said, until, "search")


def test_a_gap_is_filled_in_from_what_was_heard_last(platform):
    waits = FakeClock()
    fill = Filling([CALLS[2]])

    async def later(connection):
        waits.day = NOW + timedelta(minutes=5)
        await create_session()(connection)

    platform.sessions = [create_session(CALL, ends=True), later]
    found, health = come(platform, 4, waits=waits, fill=fill)
    assert [event.found_by_search for event in found] == [False, False, False, True]
    assert fill.asked == [(NOW - BACKFILL_OVERLAP, NOW + timedelta(minutes=5) + BACKFILL_OVERLAP)]
    assert (health.found, health.gaps) == (1, 1)


def test_without_a_gap_nothing_is_searched(platform):
    platform.sessions = [create_session(*CALLS)]
    fill = Filling()
    come(platform, 4, fill=fill)
    assert fill.asked == []


def test_what_happened_since_the_newest_event_that_is_known_is_filled_in_at_the_start(platform):
    fill = Filling([CALL])
    found, _ = come(platform, 2, fill=fill, complete_until=NOW - timedelta(hours=1))
    assert found[1].found_by_search
    assert fill.asked[0][0] == NOW - timedelta(hours=1) - BACKFILL_OVERLAP


def test_all_is_known_up_to_a_gap_until_what_happened_in_it_is_found_and_taken(platform):
    early, complete = NOW - timedelta(hours=1), []

    async def one():
        async with listening(platform, fill=Filling([CALL, CALL]), complete_until=early) as events:
            complete.append(events.complete_until)
            async with contextlib.aclosing(aiter(events)) as stream:
                for _ in range(3):
                    await anext(stream)
                    await asyncio.sleep(0.05)
                    complete.append(events.complete_until)
                more = asyncio.create_task(anext(stream))
                await wait_until_async(
                    lambda: events.complete_until != early, "a new time up to which the events are complete"
                )
                more.cancel()
                await asyncio.gather(more, return_exceptions=True)

    run_bounded(one())
    assert complete == [early] * 4


def test_whoever_waits_for_events_is_told_when_connecting_itself_broke(platform):
    class Breaks(FakeClock):
        async def sleep(self, seconds):
            raise ValueError(seconds)

    platform.sessions = [create_session(CALL, ends=True)]
    with pytest.raises(EventConnectionLostError):
        come(platform, 3, waits=Breaks())


def test_a_search_that_fails_is_tried_until_it_finds(platform):
    waits = FakeClock()
    fill = Filling(OSError("gone"), RuntimeError("bug"), [CALL])
    found, _ = come(platform, 2, fill=fill, complete_until=NOW, waits=waits)
    assert found[1].found_by_search
    assert len(fill.asked) == 3
    assert waits.delays[:2] == [0.5, 1.0]


def test_events_that_come_while_a_gap_is_filled_in_do_not_wait(platform):
    platform.sessions = [create_session(*CALLS)]

    async def slow(_since, _until):
        await asyncio.sleep(FOREVER_SECONDS)
        yield

    found, _ = come(platform, 4, fill=slow, complete_until=NOW)
    assert found[3].state == "destroyed"


def test_a_gap_in_which_another_connection_ends_goes_on(platform):
    waits = FakeClock()
    since = []

    async def never(begin, _until):
        since.append(begin)
        await asyncio.sleep(FOREVER_SECONDS)
        yield

    async def later(connection):
        waits.day += timedelta(minutes=5)
        await create_session(CALL, ends=True)(connection)

    platform.sessions = [later, later, later, create_session(CALL)]
    _, health = come(platform, 8, fill=never, waits=waits)
    assert {*since} <= {NOW + timedelta(minutes=5) - BACKFILL_OVERLAP}
    assert health.gaps == 1


# Subscriptions


def subscription(**given):
    return {
        "uuid": "s",
        "channel": "wss",
        "type": "call_record",
        "is_active": True,
        "expired_on": "2027-01-02T07:36:44.784Z",
        **given,
    }


def subscribed(platform, there, *, types=("call_record",), waits=None, done=lambda _platform: True):
    """What is asked of subscriptions by somebody who listens, once it looked."""
    platform.routes.setdefault("GET /event/subscription", success_answer(there))

    async def one():
        async with listening(platform, types=types, waits=waits) as events:
            task = asyncio.create_task(events.run(nothing))
            await wait_until_async(
                lambda: platform.count_requests("GET /event/subscription") and done(platform), "the subscription"
            )
            await asyncio.sleep(0.05)
            task.cancel()
            return events.health

    return run_bounded(one()), platform.bodies("POST /event/subscription")


def test_a_subscription_that_is_there_is_left_alone(platform):
    assert subscribed(platform, [subscription()])[1] == []
    assert subscribed(FakeOpentact(), [subscription(expired_on=None)])[1] == []


@pytest.mark.parametrize(
    "there",
    [
        [],
        [subscription(is_active=False)],
        [subscription(expired_on="2026-03-08T00:00:00Z")],
        [subscription(expired_on="2025-01-01T00:00:00Z")],
        [subscription(channel="email")],
        [subscription(type="auth")],
    ],
)
def test_a_subscription_that_is_missing_inactive_or_about_to_end_is_made(platform, there):
    _, (made,) = subscribed(platform, there, done=lambda p: p.bodies("POST /event/subscription"))
    end = (NOW + SUBSCRIPTION_LIFETIME).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert made == {"is_active": True, "expired_on": end, "channel": "wss", "type": "call_record"}


def test_a_type_that_is_refused_is_reported_and_not_fatal(platform):
    platform.sessions = [create_session(CALL)]

    def answer(asked):
        return (
            error_answer(400, "no such type") if asked.body["type"] == "call_state" else success_answer({"uuid": "s"}, 201)
        )

    platform.routes["POST /event/subscription"] = answer
    health, made = subscribed(
        platform, [], types=("call_state", "call_record"), done=lambda p: len(p.bodies("POST /event/subscription")) == 2
    )
    assert [*health.refused] == ["call_state"]
    assert "no such type" in health.refused["call_state"]
    assert [body["type"] for body in made] == ["call_state", "call_record"]
    assert health.events == 2


def test_subscriptions_that_cannot_be_looked_at_now_are_looked_at_again(platform):
    platform.routes["GET /event/subscription"] = [*[error_answer(500)] * 9, success_answer([])]
    _, made = subscribed(platform, None, done=lambda p: p.bodies("POST /event/subscription"))
    assert len(made) == 1


def test_a_subscription_is_renewed_while_this_goes_on(platform):
    waits = FakeClock()

    class Hourly(FakeClock):
        async def sleep(self, seconds):
            self.delays.append(seconds)
            await asyncio.sleep(0)
            self.day += timedelta(seconds=seconds)

    waits = Hourly()
    ends = NOW + timedelta(days=8)
    platform.routes["GET /event/subscription"] = lambda _asked: success_answer([subscription(expired_on=ends.isoformat())])

    async def one():
        async with listening(platform, types=("call_record",), waits=waits) as events:
            task = asyncio.create_task(events.run(nothing))
            await wait_until_async(lambda: platform.bodies("POST /event/subscription"), "a new subscription")
            looked = platform.count_requests("GET /event/subscription")
            await wait_until_async(
                lambda: platform.count_requests("GET /event/subscription") >= looked + 50,
                "fifty more checks of the subscription",
            )
            task.cancel()

    run_bounded(one())
    assert platform.count_requests("GET /event/subscription") > 24
    assert len(platform.bodies("POST /event/subscription")) == 1


def test_a_subscription_that_somebody_removed_is_made_again(platform):
    class Hourly(FakeClock):
        async def sleep(self, seconds):
            self.day += timedelta(seconds=seconds)
            await asyncio.sleep(0)

    _, made = subscribed(platform, [], waits=Hourly(), done=lambda p: len(p.bodies("POST /event/subscription")) > 1)
    assert len(made) > 1


def test_numbers_are_masked_in_what_is_logged(platform):
    platform.routes["POST /event/subscription"] = error_answer(400, "the number +13125550168 is not yours")
    health, _ = subscribed(platform, [], done=lambda p: p.bodies("POST /event/subscription"))
    assert "the number ...0168 is" in health.refused["call_record"]


def test_an_old_subscription_that_is_in_the_way_is_replaced(platform):
    platform.routes["POST /event/subscription"] = [error_answer(409, "exists"), success_answer({"uuid": "new"})]
    subscribed(platform, [subscription(is_active=False)], done=lambda p: len(p.bodies("POST /event/subscription")) == 2)
    asked = [f"{asked.method} {asked.path}" for asked in platform.requests]
    assert asked[1:] == ["POST /event/subscription", "DELETE /event/subscription/s", "POST /event/subscription"]


def test_without_wanted_types_subscriptions_are_not_touched(platform):
    platform.sessions = [create_session(CALL)]
    come(platform, 2, types=())
    assert platform.requests == []


def test_rest_may_be_down_and_events_come_all_the_same(platform):
    platform.sessions = [create_session(*CALLS)]
    platform.routes["GET /event/subscription"] = CannedAnswer("<html>", 502)
    found, _ = come(platform, 4, types=("call_record",))
    assert found[3].state == "destroyed"
