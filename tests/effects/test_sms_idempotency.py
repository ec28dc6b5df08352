"""A text message is sent once for each call and step, and never to a number that sent STOP."""

from __future__ import annotations

import asyncio

import pytest
import structlog
from outside_servers import run_live_effects

from callflows.telephony.ports import Effect, InMemoryOptOuts
from waiting import run_bounded, wait_until_async

OURS, ME = "+12015550123", "+12015550999"


def text(key, before="", *, confirms=False, from_=OURS, to=ME):
    return Effect("sms", key, {"from": from_, "to": to, "text": "Hi"}, before, confirms)


class Remembered:
    """What any process did, in memory; ``gone``: it cannot be asked."""

    def __init__(self, *done, gone=False):
        self.keys = {*done}
        self.gone = gone

    async def claim_key(self, kind, key):
        if self.gone:
            raise OSError("the database is gone")
        fresh = (kind, key) not in self.keys
        self.keys.add((kind, key))
        return fresh


def sent(*effects, **given):
    """The keys of what is sent, and what became of all."""
    keys = []

    async def send(effect):
        keys.append(effect.key)
        await asyncio.sleep(0)

    async def all_of_them():
        async with run_live_effects(send_sms=send, **given) as live:
            for effect in effects:
                live.queue_effect(effect)
            await wait_until_async(
                lambda: sum(live.count_results().values()) >= len(effects), f"the results of {len(effects)} effects"
            )
            return dict(live.count_results())

    counts = run_bounded(all_of_them())
    return keys, {outcome: count for (_, outcome), count in counts.items()}


def test_the_same_effect_is_done_once():
    assert sent(text("a"), text("a"), text("b")) == (["a", "b"], {"sent": 2, "repeated": 1})


def test_a_repetition_on_the_other_side_of_a_full_minute_is_one_too():
    assert sent(text("1", "0"), text("2", "1"), text("3", "2")) == (["1", "3"], {"sent": 2, "repeated": 1})


def test_what_another_process_did_is_not_done_again():
    done = Remembered(("sms", "a"), ("notify", "b"))
    assert sent(text("a"), text("b"), text("c", "a"), idempotency_store=done) == (["b"], {"sent": 1, "repeated": 2})


def test_of_two_processes_one_does_it_across_full_minutes_too():
    done = Remembered()
    assert sent(text("1", "0"), idempotency_store=done)[0] == ["1"]
    assert sent(text("2", "1"), idempotency_store=done)[0] == []
    assert sent(text("3", "2"), idempotency_store=done)[0] == ["3"]


def test_where_it_cannot_be_found_out_what_was_done_it_is_done_and_that_is_said():
    with structlog.testing.capture_logs() as lines:
        assert sent(text("a"), idempotency_store=Remembered(gone=True)) == (["a"], {"sent": 1})
    assert "earlier results cannot be read" in [line["event"] for line in lines]


@pytest.mark.parametrize("from_", [OURS, "12015550123", "+1 201 555 0123"])
def test_who_said_stop_gets_nothing_but_the_confirmation_and_that_is_said(from_):
    store = InMemoryOptOuts()
    run_bounded(store.opt_out(OURS, ME, 1.0))
    effects = (
        text("a", from_=from_),
        text("b", from_="+12015550124"),
        text("c", to="+12015550998"),
        text("d", confirms=True),
    )
    with structlog.testing.capture_logs() as lines:
        assert sent(*effects, opt_outs=store) == (["b", "c", "d"], {"sent": 3, "refused": 1})
    (said,) = [line for line in lines if line["event"] == "sms refused"]
    assert said["reason"] == "+12015550999 sent STOP to +12015550123 and gets no messages from it"


def test_where_it_cannot_be_found_out_who_said_stop_nothing_is_sent():
    class Gone(InMemoryOptOuts):
        async def is_opted_out(self, *_pair):
            raise OSError("the database is gone")

    assert sent(text("a"), opt_outs=Gone()) == ([], {"failed": 1})


def test_what_became_of_a_refused_text_is_told():
    store = InMemoryOptOuts()
    run_bounded(store.opt_out(OURS, ME, 1.0))
    settled = []
    sent(text("a"), opt_outs=store, report_result=settled.append)
    assert [(what.result, what.key) for what in settled] == [("refused", "a")]
