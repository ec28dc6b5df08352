"""The inbox handles each text message once, handles STOP first, and stops loops between machines."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
import structlog
from flow_harness import compile_valid_flow

from callflows.flows.flow_book import FlowBook
from callflows.flows.messages import reply_limits
from callflows.flows.messages.message_inbox import MAX_ANSWERABLE_AGE_SECONDS, MessageInbox
from callflows.flows.messages.message_rules import CarrierReplies
from callflows.flows.messages.text_message import TextMessage
from callflows.telephony.ports import InMemoryOptOuts
from each_case import each_case
from waiting import run_bounded

NOW = 1_790_000_000.0
ME, OURS = "+12015550999", "+12015550123"
SENTENCES = CarrierReplies("Stopped.", "Started.", "Help.")
ECHO = "numbers: [+12015550123]\nnodes: {start: [{say: Hello.}]}\nmessages:\n  - reply: 'You said {{ message.text }}'\n"
ids = itertools.count()


class Remembered:
    """What was done, in memory."""

    def __init__(self):
        self.keys = set()

    async def claim_key(self, kind, key):
        fresh = (kind, key) not in self.keys
        self.keys.add((kind, key))
        return fresh


class Phone:
    """An inbox with a clock, to which people write."""

    def __init__(self, *flows, optouts=None, done=None):
        self.now = NOW
        self.optouts = optouts or InMemoryOptOuts()
        self.book = FlowBook([compile_valid_flow(text) for text in flows or (ECHO,)])
        done = done or Remembered()
        self.inbox = MessageInbox(
            lambda: self.book, SENTENCES, optouts=self.optouts, deduplication=done, run_job=self._do, clock=lambda: self.now
        )

    async def _do(self, job, _end, _flow):
        return job.run()

    def take(self, text, **given):
        self.now += 0.001
        said = {"from_": ME, "to": "12015550123", "received_at": self.now, "uuid": f"m{next(ids)}", **given}
        return run_bounded(self.inbox.handle_message(TextMessage(text=text, **said)))

    def says(self, text, **given):
        """What is sent, as to whom and what."""
        return [(e.payload["to"], e.payload["text"]) for e in self.take(text, **given).effects if e.kind == "sms"]


def refusals(taken):
    return [entry["detail"]["refused"] for entry in taken.trail if entry["outcome"] == "refused"]


# Each once


def test_a_text_that_goes_out_is_one_line_of_the_log_however_often_it_is_reported():
    phone = Phone()
    with structlog.testing.capture_logs() as lines:
        for state in ("created", "success", "success"):
            phone.take("Come in.", type="smso", state=state, uuid="m", from_=OURS, to=ME)
        phone.take("Come in.", type="smso", uuid="n", from_=OURS, to=ME)
    assert [line["outcome"] for line in lines] == ["outbound", "outbound"]


def test_a_text_is_answered_from_the_number_that_it_came_to():
    taken = Phone().take("Hi")
    (effect,) = taken.effects
    assert dict(effect.payload) == {"to": ME, "from": OURS, "text": "You said Hi"}
    assert (taken.outcome, taken.flow, taken.rule_index) == ("matched", "acme", 0)
    assert taken.trail[-1]["detail"] == {"to": "...0999"}


def test_a_text_is_answered_once_however_often_it_is_told():
    phone = Phone()
    assert phone.says("Hi", uuid="u") == [(ME, "You said Hi")]
    again = phone.take("Hi", uuid="u")
    assert (again.outcome, again.effects) == ("repeated", ())


@each_case(
    ("given", "outcome"),
    [
        ({"type": "smso"}, "outbound"),
        ({"type": "smsr"}, "outbound"),
        ({"state": "created"}, "not-arrived"),
        ({"state": ""}, "not-arrived"),
        ({"from_": "12015550123"}, "own-number"),
        ({"to": "12015550777"}, "unknown-number"),
    ],
)
def test_what_is_no_text_to_us_is_not_answered_and_that_is_said(given, outcome):
    with structlog.testing.capture_logs() as lines:
        taken = Phone().take("Hi", **given)
    assert (taken.outcome, taken.effects) == (outcome, ())
    assert [line["outcome"] for line in lines] == [outcome]


def test_a_text_that_arrives_after_it_was_told_as_created_is_answered():
    phone = Phone()
    assert phone.says("Hi", uuid="u", state="created") == []
    assert phone.says("Hi", uuid="u") == [(ME, "You said Hi")]


def test_whose_rule_breaks_is_said_and_the_next_text_is_answered():
    broken = ECHO.replace("{{ message.text }}", "{{ 1 / (message.words | length) }}{{ message.text | title }}")
    phone = Phone(broken)
    assert phone.take("").outcome in ("broken", "matched")
    assert phone.take("one").outcome == "matched"


def test_a_flow_without_rules_still_honours_stop():
    phone = Phone("numbers: [+12015550123]\nnodes: {start: [{say: Hello.}]}\n")
    assert phone.take("Hi").outcome == "unmatched"
    assert phone.says("help") == [(ME, "Help.")]
    assert phone.says("stop") == [(ME, "Stopped.")]


# STOP


def test_after_stop_nothing_is_sent_until_start():
    phone = Phone()
    stopped = phone.take("Stop!")
    assert [(e.payload["text"], e.reaches_opted_out) for e in stopped.effects] == [("Stopped.", True)]
    assert stopped.outcome == "stopped"
    for text in ("Hi", "STOP", "stop please"):
        silent = phone.take(text)
        assert silent.effects == (), text
        assert len(refusals(silent)) == 1, text
    assert phone.says("start") == [(ME, "Started.")]
    assert phone.says("Hi") == [(ME, "You said Hi")]


def test_yes_is_a_start_only_to_who_is_opted_out():
    phone = Phone()
    assert phone.says("yes") == [(ME, "You said yes")]
    phone.take("stop")
    assert phone.says("Yes!") == [(ME, "Started.")]


def test_stop_is_of_one_pair_of_numbers():
    phone = Phone(ECHO.replace("[+12015550123]", "[+12015550123, +12015550124]"))
    phone.take("stop")
    assert phone.says("Hi", to="12015550124") == [(ME, "You said Hi")]
    assert phone.says("Hi", from_="+12015550998") == [("+12015550998", "You said Hi")]
    assert phone.says("Hi") == []


def test_numbers_may_be_written_in_any_way():
    phone = Phone()
    phone.take("stop", from_="12015550999")
    assert phone.says("Hi", from_="+1 (201) 555-0999", to="+12015550123") == []


def test_what_is_told_late_or_again_does_not_undo_what_was_said_since():
    phone = Phone()
    phone.take("stop", received_at=NOW - 20, uuid="stop")
    phone.take("start", received_at=NOW - 10, uuid="start")
    assert phone.take("stop", received_at=NOW - 20, uuid="stop").outcome == "repeated"
    assert phone.says("a") == [(ME, "You said a")]
    phone.take("stop", received_at=NOW - 5)
    assert phone.says("start", received_at=NOW - 15) == []
    assert phone.says("b") == []


def test_the_opt_outs_are_the_same_in_every_order():
    said = [("out", 1.0), ("in", 2.0), ("out", 3.0), ("in", 3.0)]

    async def after(order):
        store = InMemoryOptOuts()
        for what, at in order:
            await (store.opt_out if what == "out" else store.opt_in)(OURS, ME, at)
        return await store.is_opted_out(OURS, ME)

    assert {run_bounded(after(order)) for order in itertools.permutations(said)} == {True}


def test_a_stop_that_cannot_be_kept_is_not_taken_and_is_taken_when_it_comes_again():
    class Gone(InMemoryOptOuts):
        gone = True

        async def opt_out(self, *said):
            if self.gone:
                raise OSError("the database is gone")
            return await super().opt_out(*said)

    store = Gone()
    phone = Phone(optouts=store)
    with pytest.raises(OSError, match="gone"):
        phone.take("stop", uuid="u")
    store.gone = False
    assert phone.says("stop", uuid="u") == [(ME, "Stopped.")]


def test_a_stop_to_a_number_that_nobody_answers_is_kept():
    phone = Phone()
    assert phone.take("stop", to="12015550777").outcome == "unknown-number"
    assert run_bounded(phone.optouts.is_opted_out("+12015550777", ME))


def test_nothing_is_forwarded_to_who_said_stop_and_what_he_writes_still_is():
    phone = Phone(ECHO.replace("reply: 'You said {{ message.text }}'", "forward: [+12015550188, +12015550189]"))
    phone.take("stop", from_="+12015550188")
    phone.take("stop", from_=ME)
    assert [to for to, _ in phone.says("Hi")] == ["+12015550189"]


def test_help_is_answered_after_a_stop_and_stop_is_confirmed_once():
    phone = Phone()
    assert phone.says("STOP") == [(ME, "Stopped.")]
    assert phone.says("HELP") == [(ME, "Help.")]
    assert phone.take("info").effects[0].reaches_opted_out
    assert phone.says("STOP") == []
    assert phone.says("Hi") == []
    own = Phone(
        ECHO.replace("messages:", "messages:\n  - keyword: help\n    reply: We are Acme.\n    forward: +12015550188")
    )
    own.take("STOP")
    assert own.says("help") == [(ME, "We are Acme."), ("+12015550188", f"{ME}: help")]


# Circles


def test_a_tapback_is_told_and_forwarded_and_not_answered():
    phone = Phone(ECHO + "    notify: https://a.example/x\n    forward: +12015550188\n")
    taken = phone.take("Liked \u201cYou said Hi\u201d")
    assert sorted(effect.kind for effect in taken.effects) == ["notify", "sms"]
    assert refusals(taken) == ["it is a reaction that a phone reports, and nobody wrote"]


def test_a_tapback_to_a_message_with_stop_opts_nobody_out():
    phone = Phone()
    for reaction in (
        "\U0001f44d to \u201cReply STOP to unsubscribe.\u201d",
        "\U0001f44e to \u201cSTOP\u201d",
        "Liked \u201cSTOP\u201d",
    ):
        taken = phone.take(reaction)
        assert (taken.outcome, taken.effects) == ("matched", ()), reaction
    assert phone.says("Hi") == [(ME, "You said Hi")]


def test_a_tapback_to_a_message_with_start_opts_nobody_in():
    phone = Phone()
    phone.take("STOP")
    assert phone.take("\U0001f44d to \u201cSTART\u201d").effects == ()
    assert phone.says("Hi") == []


def test_a_wish_for_a_text_is_answered_by_the_rules():
    phone = Phone(ECHO.replace("messages:", "messages:\n  - keyword: cancel\n    reply: Which appointment?"))
    assert phone.says("Cancel - Haircut") == [(ME, "Which appointment?")]
    assert phone.says("Can you text me? I need to cancel") == [(ME, "You said Can you text me? I need to cancel")]
    assert phone.says("Hi") == [(ME, "You said Hi")]


def test_a_machine_is_not_answered_and_its_stop_is_kept():
    phone = Phone(ECHO + "    notify: https://a.example/x\n")
    taken = phone.take("Out of office", automated=True)
    assert [effect.kind for effect in taken.effects] == ["notify"]
    assert refusals(taken) == ["a machine wrote it, and machines are not answered"]
    assert phone.take("stop", automated=True).effects == ()
    assert phone.says("Hi") == []


COSTLY_SENDERS = ["+19005550199", "+881612345678"]


@pytest.mark.parametrize("sender", COSTLY_SENDERS)
@pytest.mark.parametrize("text", ["Hi", "STOP", "HELP", "START"])
def test_a_sender_whose_number_costs_money_gets_no_answer_and_a_stop_still_counts(sender, text):
    phone = Phone()
    taken = phone.take(text, from_=sender)
    assert taken.effects == ()
    assert any("premium" in reason or "satellite" in reason for reason in refusals(taken))
    assert run_bounded(phone.optouts.is_opted_out(OURS, sender)) is (text == "STOP")


def test_a_sender_whom_the_dial_policy_of_the_file_denies_is_forwarded_and_gets_no_answer():
    flow = ECHO + "    forward: +12015550188\n"
    denied = Phone(f"{flow}dial_policy: {{deny: [+1201555*]}}\n")
    assert denied.says("Hi") == [("+12015550188", f"{ME}: Hi")]
    assert len(Phone(flow).says("Hi")) == 2


def test_a_sender_from_abroad_gets_an_answer():
    assert Phone().says("Hi", from_="+442079460018") == [("+442079460018", "You said Hi")]


@pytest.mark.parametrize("sender", ["72345", "729725", "ACME", "", "+4912"])
def test_short_codes_and_names_are_not_answered(sender):
    phone = Phone()
    taken = phone.take("Your code is 123456", from_=sender)
    assert taken.effects == ()
    assert len(refusals(taken)) == 1
    assert phone.take("stop", from_=sender).effects == ()


def test_a_short_code_is_sent_on_to_a_person():
    phone = Phone(ECHO.replace("reply: 'You said {{ message.text }}'", "forward: +12015550188"))
    assert phone.says("Your code is 123456", from_="72345") == [("+12015550188", "72345: Your code is 123456")]


def test_two_machines_are_silent_after_five_answers_in_ten_minutes_and_twenty_a_day():
    phone = Phone()
    sent = Counter()
    for minute in range(24 * 60):
        phone.now = NOW + 60 * minute
        sent[minute // 10] += len(phone.says(f"Answer {minute}"))
    assert sent[0] == 5
    assert sum(sent.values()) == 20
    phone.now = NOW + 25 * 3600
    assert phone.says("Good morning") == [(ME, "You said Good morning")]


def test_who_writes_after_the_clock_was_set_back_gets_an_answer():
    phone = Phone()
    phone.now = NOW + 3 * 3600
    assert [len(phone.says(f"Hi {number}")) for number in range(6)] == [1, 1, 1, 1, 1, 0]
    phone.now = NOW
    assert phone.says("Hi 0") == [(ME, "You said Hi 0")]
    phone.now = NOW - 400
    assert [len(phone.says(f"Bye {number}")) for number in range(6)].count(1) == 4, "another five in ten minutes"


def test_who_had_enough_answers_still_gets_the_confirmation_of_stop():
    phone = Phone()
    for n in range(7):
        phone.take(f"{n}")
    assert phone.says("one more") == []
    assert phone.says("stop") == [(ME, "Stopped.")]


def test_the_same_text_is_not_answered_alike_within_a_minute():
    phone = Phone()
    assert len(phone.says("Hi")) == 1
    phone.now += 30
    again = phone.take("Hi")
    assert refusals(again) == ["the same text was answered so less than 60 seconds ago"]
    phone.now += 31
    assert len(phone.says("Hi")) == 1


def test_two_people_to_whom_texts_are_sent_on_do_not_go_in_circles():
    phone = Phone(ECHO.replace("reply: 'You said {{ message.text }}'", "forward: [+12015550188, +12015550189]"))
    left = [(ME, "Hi")]
    sent = 0
    while left and sent < 1000:
        sender, text = left.pop()
        for to, said in phone.says(text[-100:] + str(sent), from_=sender):
            sent += 1
            left.append((to, said))
    assert sent < 150
    assert left == []


def test_nothing_is_sent_to_a_number_of_ours_or_back_to_its_sender():
    phone = Phone(ECHO.replace("reply: 'You said {{ message.text }}'", "forward: ['{{ message.text }}', +12015550188]"))
    assert phone.says("12015550123") == [("+12015550188", f"{ME}: 12015550123")]
    assert phone.says("Hi", from_="+12015550188") == []
    back = phone.take(ME)
    assert "it comes from there" in refusals(back)


def test_a_number_that_only_begins_as_a_prefix_of_ours_is_a_person():
    phone = Phone(ECHO.replace("[+12015550123]", "[+1201555*]"))
    assert phone.says("Hi") == [(ME, "You said Hi")]


def test_a_text_that_was_found_late_is_told_and_not_answered():
    phone = Phone(ECHO + "    notify: https://a.example/x\n")
    taken = phone.take("Hi", received_at=NOW - MAX_ANSWERABLE_AGE_SECONDS - 1)
    assert [effect.kind for effect in taken.effects] == ["notify"]
    assert refusals(taken) == ["it is older than 6 hours"]
    assert len(phone.says("Hi", received_at=NOW - MAX_ANSWERABLE_AGE_SECONDS + 1)) == 1


def test_what_is_remembered_of_talks_is_bounded(monkeypatch):
    monkeypatch.setattr(reply_limits, "MAX_TEXT_CONVERSATIONS", 10)
    kept = reply_limits.ReplyLimiter()
    for n in range(50):
        assert kept.count_or_refuse((OURS, str(n), "reply"), reply_limits.REPLY_LIMITS, "a", "b", NOW) == ""
    assert len(kept) == 10
