"""Webhooks are signed, repeated until the receiver accepts them, and never delay a call."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import email.utils
import json
import threading

import pytest
import standardwebhooks
import structlog
from outside_servers import (
    LOOPBACK_NETWORK,
    ONLY_OTHER_NETWORK,
    OTHER_HOST,
    format_answer,
    run_live_effects,
    run_server,
)

from callflows.effects import effect_outbox
from callflows.effects.address_guard import AddressGuard
from callflows.effects.effect_outbox import EFFECT_RETRY_SECONDS, EXPIRY_SECONDS
from callflows.effects.guarded_http import GuardedClient
from callflows.effects.live_effects import LiveEffects
from callflows.effects.signed_webhooks import WebhookSender
from callflows.errors import OutboundRequestError, RetryLaterError
from callflows.telephony.ports import Effect
from each_case import each_case
from waiting import run_bounded, wait_until_async

KEY = "whsec_" + base64.b64encode(b"a key of the tests, 32 bytes...!").decode()
OLDER = "whsec_" + base64.b64encode(b"an older key of these tests.....").decode()
BODY = {"type": "notify", "call": {"from": "+12015550999"}, "data": {"name": "Zoë", "pin": "4711"}}


def notice(url, key="call-1/acme/start/2", body=BODY, kind="notify"):
    return Effect(kind, key, {"url": url, "body": body})


def done(live):
    return sum(count for (kind, outcome), count in live.count_results().items() if outcome in {"sent", "failed", "expired"})


async def settled(live, effects=1):
    await wait_until_async(lambda: done(live) == effects, f"the results of {effects} effects")


class FakeSleep:
    """Waits that are over at once, and remembered; its clock goes on all the same."""

    def __init__(self):
        self.seconds = []

    async def __call__(self, seconds):
        self.seconds.append(seconds)
        await asyncio.sleep(0)

    def clock(self):
        return 1_795_000_000.0 + sum(self.seconds)


def sent(*answers, keys=(), effect=notice, path="/hook"):
    """What a server is asked that gives these answers, the last for ever; the waits between; what became of it."""
    left = [*answers]

    async def one():
        sleep = FakeSleep()
        take = lambda _asked: left.pop(0) if len(left) > 1 else left[0]  # noqa: E731 - one line of a test
        async with run_server(take) as server, run_live_effects(signing_keys=keys, sleep=sleep, clock=sleep.clock) as live:
            live.queue_effect(effect(server.url(path)))
            await settled(live)
            return server.requests, sleep.seconds, dict(live.count_results())

    return run_bounded(one())


# The signature


def test_a_webhook_is_posted_and_anybody_who_knows_the_key_can_check_it():
    (asked,), _, counts = sent(format_answer(), keys=[KEY])
    assert (asked.method, asked.path, asked.headers["content-type"]) == ("POST", "/hook", "application/json")
    assert standardwebhooks.Webhook(KEY).verify(asked.body, asked.headers) == BODY
    assert counts == {("notify", "sent"): 1}
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(OLDER).verify(asked.body, asked.headers)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(KEY).verify(asked.body + b" ", asked.headers)


def test_while_a_key_is_changed_both_sign():
    (asked,), _, _ = sent(format_answer(), keys=[KEY, OLDER.removeprefix("whsec_")])
    for key in (KEY, OLDER):
        assert standardwebhooks.Webhook(key).verify(asked.body, asked.headers) == BODY
    assert len(asked.headers["webhook-signature"].split(" ")) == 2


def test_every_attempt_has_the_same_id_and_other_effects_have_others():
    asked, _, _ = sent(format_answer(status=500), format_answer(status=503), format_answer())
    assert len({each.headers["webhook-id"] for each in asked}) == 1
    (other,), _, _ = sent(format_answer(), effect=lambda url: notice(url, key="call-2/acme/start/2"))
    assert other.headers["webhook-id"] != asked[0].headers["webhook-id"]
    assert "call" not in asked[0].headers["webhook-id"]


def test_without_a_key_a_webhook_is_sent_unsigned_and_the_log_says_so_once():
    async def two():
        async with run_server(lambda _asked: format_answer()) as server, run_live_effects() as live:
            for key in "ab":
                live.queue_effect(notice(server.url(), key))
            await settled(live, 2)
            return server.requests

    with structlog.testing.capture_logs() as lines:
        asked = run_bounded(two())
    assert all("webhook-signature" not in each.headers and "webhook-id" in each.headers for each in asked)
    said = [line for line in lines if "CALLFLOWS_NOTIFY_KEY" in line["event"]]
    assert [line["log_level"] for line in said] == ["warning"]


# Attempts


def test_a_server_that_is_broken_is_asked_again_after_growing_waits_until_a_day_is_over():
    _, waits, counts = sent(format_answer(status=500))
    planned = [*EFFECT_RETRY_SECONDS, *[EFFECT_RETRY_SECONDS[-1]] * (len(waits) - len(EFFECT_RETRY_SECONDS))]
    assert all(0.8 * plan <= wait <= 1.2 * plan for wait, plan in zip(waits, planned, strict=True))
    assert EXPIRY_SECONDS["notify"] - 1.2 * EFFECT_RETRY_SECONDS[-1] <= sum(waits) <= EXPIRY_SECONDS["notify"]
    assert counts == {("notify", "expired"): 1}


@each_case("status", [408, 409, 425, 429, 500, 502, 503, 504])
def test_what_may_be_better_later_is_tried_later(status):
    asked, _, counts = sent(format_answer(status=status), format_answer(status=204))
    assert len(asked) == 2
    assert counts == {("notify", "sent"): 1}


@each_case("status", [301, 302, 307, 400, 401, 403, 404, 410, 413, 422])
def test_what_will_not_be_better_later_is_not_tried_again(status):
    asked, waits, counts = sent(format_answer(status=status, location="/there"))
    assert (len(asked), waits) == (1, [])
    assert counts == {("notify", "failed"): 1}


def test_a_server_that_says_when_is_asked_then_and_not_before():
    _, waits, _ = sent(
        format_answer(status=429, retry_after="120"), format_answer(status=503, retry_after="1"), format_answer()
    )
    assert waits[0] == 120
    assert waits[1] >= 0.8 * EFFECT_RETRY_SECONDS[1]


def test_a_server_that_wants_to_be_left_alone_for_hours_is_asked_then():
    asked, waits, counts = sent(format_answer(status=503, retry_after="36000"), format_answer())
    assert (len(asked), waits) == (2, [36000])
    assert counts == {("notify", "sent"): 1}


def test_a_server_that_wants_to_be_left_alone_for_longer_than_anybody_waits_is_not_asked_again_and_that_is_said():
    with structlog.testing.capture_logs() as lines:
        asked, waits, counts = sent(format_answer(status=503, retry_after=str(25 * 3600)))
    assert (len(asked), waits) == (1, [])
    assert counts == {("notify", "expired"): 1}
    assert [line["reason"] for line in lines if line["event"] == "notify expired"] == [
        "status 503; it could not be sent within 24 hours and is given up"
    ]


@each_case("said", ["soon", "-5", "1e9", "²", "Mon, 99 Nov 2026 10:00:00 GMT", "9" * 400])
def test_a_server_that_says_nonsense_about_when_harms_nothing(said):
    _, _, counts = sent(format_answer(status=503, retry_after=said.encode().decode("latin-1")), format_answer())
    assert sum(counts.values()) == 1


def test_a_server_may_say_when_as_a_moment():
    now = 1_795_000_000.0

    async def one():
        client = GuardedClient(AddressGuard(LOOPBACK_NETWORK), 1, 1)

        async def get_client():
            return client

        at = email.utils.formatdate(now + 300, usegmt=True)
        async with run_server(lambda _asked: format_answer(status=503, retry_after=at)) as server:
            webhooks = WebhookSender(get_client, (), clock=lambda: now)
            with pytest.raises(RetryLaterError) as refusal:
                await webhooks.send_webhook(notice(server.url()))
            await client.close()
            return refusal.value.retry_after

    assert run_bounded(one()) == 300.0


def test_a_server_that_is_away_is_tried_again_until_it_is_back():
    async def back():
        async with run_server(lambda _asked: format_answer()) as gone:
            url, port = gone.url(), gone.port
        servers = contextlib.AsyncExitStack()

        async def nap(_seconds):
            await servers.enter_async_context(run_server(lambda _asked: format_answer(), port=port))

        async with servers, run_live_effects(sleep=nap) as live:
            live.queue_effect(notice(url))
            await settled(live)
            return dict(live.count_results())

    assert run_bounded(back()) == {("notify", "sent"): 1}


@each_case(
    "url", ["http://10.0.0.1/", "http://[::ffff:127.0.0.1]/", "http://2130706433/", "file:///etc/passwd", "", "http://["]
)
def test_a_webhook_goes_nowhere_where_a_lookup_may_not_go(url):
    async def one():
        sleep = FakeSleep()
        async with run_live_effects(ONLY_OTHER_NETWORK, sleep=sleep) as live:
            live.queue_effect(notice(url))
            await settled(live)
            return sleep.seconds, dict(live.count_results())

    assert run_bounded(one()) == ([], {("notify", "failed"): 1})


@pytest.mark.parametrize("body", [{"a": object()}, {"a": float("nan")}, "x" * 300_000])
def test_a_payload_that_cannot_be_sent_is_a_failure(body):
    asked, _, counts = sent(format_answer(), effect=lambda url: notice(url, body=body))
    assert (asked, counts) == ([], {("notify", "failed"): 1})


def test_the_log_says_what_became_of_a_webhook_and_nothing_that_was_in_it():
    with structlog.testing.capture_logs() as lines:
        sent(format_answer(), path="/secret/path?token=secret")
        sent(format_answer("secret-answer", 404), path="/secret")
    said = [(line["event"], line["log_level"], line["host"]) for line in lines if "host" in line]
    assert said == [("notify sent", "info", "127.0.0.1"), ("notify failed", "error", "127.0.0.1")]
    assert not any(word in json.dumps(lines) for word in ("secret", "4711", "2015550999", "call-1"))


# Many at once


async def never(_asked, _writer):
    await asyncio.Event().wait()


def test_a_server_that_hangs_holds_up_nobody_else_s_webhooks():
    async def both():
        async with (
            run_server(never) as slow,
            run_server(lambda _asked: format_answer(), OTHER_HOST) as quick,
            run_live_effects() as live,
        ):
            for n in range(300):
                live.queue_effect(notice(slow.url(), f"slow {n}"))
            await wait_until_async(lambda: slow.connections == 4, "four connections")
            for n in range(20):
                live.queue_effect(notice(quick.url(), f"quick {n}"))
            await settled(live, 20)
            return len(quick.requests), slow.connections

    assert run_bounded(both()) == (20, 4)


def test_a_burst_to_one_host_waits_for_its_turn_and_loses_none(monkeypatch):
    monkeypatch.setattr(effect_outbox, "MAX_RUNNING_EFFECTS", 20)

    async def burst():
        async with run_server(lambda _asked: format_answer()) as server, run_live_effects() as live:
            for n in range(200):
                live.queue_effect(notice(server.url(), f"{n}"))
            waiting = live.get_status()["waiting"]
            await settled(live, 200)
            return waiting, len(server.requests), dict(live.count_results()), live.get_status()

    idle = {"waiting": 0, "oldest_seconds": 0}
    assert run_bounded(burst()) == (200, 200, {("notify", "sent"): 200}, idle)


def test_what_does_not_fit_into_the_memory_is_dropped_counted_and_said(monkeypatch):
    monkeypatch.setattr(effect_outbox, "MAX_WAITING_EFFECTS", 5)

    async def many():
        live = LiveEffects()
        for n in range(7):
            live.queue_effect(notice("https://one.example.com/", f"one {n}"))
        return live.count_results()

    with structlog.testing.capture_logs() as lines:
        assert run_bounded(many()) == {("notify", "dropped"): 2}
    assert [line["event"] for line in lines] == ["effects dropped: too many wait"]


def test_an_effect_that_is_caused_twice_happens_once():
    async def twice():
        async with run_server(lambda _asked: format_answer()) as server, run_live_effects() as live:
            live.queue_effect(notice(server.url()))
            live.queue_effect(notice(server.url()))
            live.queue_effect(notice(server.url(), kind="voicemail"))
            await settled(live, 2)
            live.queue_effect(notice(server.url()))
            return len(server.requests), dict(live.count_results())

    asked, counts = run_bounded(twice())
    assert asked == 2
    assert counts == {("notify", "sent"): 1, ("notify", "repeated"): 2, ("voicemail", "sent"): 1}


def test_an_effect_that_was_dropped_may_be_caused_again(monkeypatch):
    monkeypatch.setattr(effect_outbox, "MAX_WAITING_EFFECTS", 1)

    async def again():
        async with run_live_effects() as live:
            live.queue_effect(notice("http://10.0.0.1/", "a"))
            live.queue_effect(notice("http://10.0.0.1/", "b"))
            await settled(live, 1)
            live.queue_effect(notice("http://10.0.0.1/", "b"))
            await settled(live, 2)
            return dict(live.count_results())

    assert run_bounded(again()) == {("notify", "failed"): 2, ("notify", "dropped"): 1}


def test_what_is_known_to_be_done_is_a_bounded_number(monkeypatch):
    monkeypatch.setattr(effect_outbox, "MAX_REMEMBERED_EFFECT_KEYS", 2)

    async def three():
        async with run_live_effects() as live:
            for count, key in enumerate(("a", "b", "c", "a"), 1):
                live.queue_effect(notice("http://10.0.0.1/", key))
                await settled(live, count)
            live.queue_effect(notice("http://10.0.0.1/", "c"))
            return dict(live.count_results())

    assert run_bounded(three()) == {("notify", "failed"): 4, ("notify", "repeated"): 1}


def test_effects_are_caused_from_any_thread_and_before_the_start():
    async def threads():
        async with run_server(lambda _asked: format_answer()) as server:
            live = LiveEffects(LOOPBACK_NETWORK)
            live.queue_effect(notice(server.url(), "early"))

            def work(name):
                for n in range(50):
                    live.queue_effect(notice(server.url(), f"{name} {n}"))

            await live.start()
            workers = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
            for worker in workers:
                worker.start()
            await settled(live, 201)
            await live.stop(1)
            return dict(live.count_results())

    assert run_bounded(threads()) == {("notify", "sent"): 201}


# The end


def test_at_the_end_what_waits_is_sent_and_what_waits_for_another_attempt_has_it_at_once():
    async def end():
        broken = True

        async def take(_asked, writer):
            writer.write(format_answer(status=503) if broken else format_answer())

        async with run_server(take) as server, run_server(lambda _asked: format_answer(), OTHER_HOST) as other:
            live = LiveEffects(LOOPBACK_NETWORK)
            await live.start()
            live.queue_effect(notice(server.url(), "waits ten seconds"))
            await wait_until_async(lambda: len(server.requests) == 1, "the first request")
            await asyncio.sleep(0.02)
            broken = False
            live.queue_effect(notice(other.url(), "just caused"))
            await live.stop(10)
            return dict(live.count_results())

    assert run_bounded(end()) == {("notify", "sent"): 2}


def test_at_the_end_what_cannot_be_sent_in_time_is_dropped_counted_and_said():
    async def end():
        async with run_server(never) as server:
            live = LiveEffects(LOOPBACK_NETWORK)
            await live.start()
            live.queue_effect(notice(server.url(), "a"))
            live.queue_effect(notice(server.url(), "b"))
            await wait_until_async(lambda: len(server.requests) == 2, "the second request")
            await live.stop(0.01)
            live.queue_effect(notice(server.url(), "too late"))
            return dict(live.count_results())

    with structlog.testing.capture_logs() as lines:
        assert run_bounded(end()) == {("notify", "dropped"): 3}
    assert ("effects dropped: the server stops", 2) in [(line["event"], line.get("count")) for line in lines]


def test_a_broken_server_does_not_keep_the_end_waiting():
    async def end():
        async with run_server(lambda _asked: format_answer(status=500)) as server:
            live = LiveEffects(LOOPBACK_NETWORK)
            await live.start()
            live.queue_effect(notice(server.url()))
            await wait_until_async(lambda: server.requests, "a request")
            await live.stop(30)
            return len(server.requests), dict(live.count_results())

    asked, counts = run_bounded(end())
    assert asked <= 2
    assert counts == {("notify", "failed"): 1}


# Messages


def text(key="k"):
    return Effect("sms", key, {"to": "+12015550999", "from": "+12015550123", "text": "Main Street 1"})


def test_a_message_goes_to_whoever_sends_messages():
    out = []

    async def one():
        async def send(effect):
            out.append(effect.payload["text"])

        async with run_live_effects(send_sms=send) as live:
            live.queue_effect(text())
            await settled(live)
            return dict(live.count_results())

    assert run_bounded(one()) == {("sms", "sent"): 1}
    assert out == ["Main Street 1"]


@pytest.mark.parametrize("error", [OutboundRequestError("no credit"), RuntimeError("+12015550999"), TimeoutError()])
def test_a_message_that_cannot_be_sent_is_counted_and_said(error):
    async def one():
        async def send(_effect):
            raise error

        async with run_live_effects(send_sms=send) as live:
            live.queue_effect(text())
            await settled(live)
            return dict(live.count_results())

    with structlog.testing.capture_logs() as lines:
        assert run_bounded(one()) == {("sms", "failed"): 1}
    assert lines[0]["event"] == "sms failed"
    assert "2015550999" not in str(lines)


def test_an_installation_that_sends_no_messages_says_so():
    async def one():
        async with run_live_effects() as live:
            live.queue_effect(text())
            await settled(live)
            return dict(live.count_results())

    with structlog.testing.capture_logs() as lines:
        assert run_bounded(one()) == {("sms", "failed"): 1}
    assert lines[0]["reason"] == "this server cannot send text messages (to +12015550999): it has no token of Opentact"
