"""A parked call gets its document by REST, from the same engine as all other calls."""

from __future__ import annotations

import asyncio
import json

import pytest
from in_process_server import DESK, KEY, SAMPLES, InProcessServer, list_spoken_texts

from callflows.errors import OpentactNotFoundError, OpentactRateLimitError, OpentactUnavailableError
from callflows.language import from_xml
from callflows.telephony.call_entity import CallEntity
from callflows.telephony.events import PlatformEvent
from callflows.telephony.message_entity import MessageEntity
from callflows.web import call_pushing as pushing_module
from callflows.web.call_pushing import MAX_PARKED_SECONDS, PUSH_RETRY_SECONDS, CallPusher
from waiting import run_bounded

CALL = {**json.loads((SAMPLES / "call.json").read_text()), "direction": "in"}
TIMES_OUT = 30
"""platform: seconds after which a call without a document times out."""
BASE = "https://calls.example.com"


def reported(state="init", **fields):
    return PlatformEvent("call_state", f"key-{state}", 0.0, {}, state=state, call=CallEntity({**CALL, **fields}))


class Platform:
    """Takes documents for live calls."""

    def __init__(self, *fails):
        self.pushed = []
        self.claimed = set()
        self.fails = [*fails]
        self.waited = []

    async def sleep(self, seconds):
        self.waited.append(seconds)

    async def push_document(self, uuid, document):
        if self.fails:
            raise self.fails.pop(0)
        self.pushed.append((uuid, document))

    async def claim_key(self, kind, key):
        first = (kind, key) not in self.claimed
        self.claimed.add((kind, key))
        return first


def pushed(door, *reports, platform=None):
    platform = platform or Platform()
    pushing = CallPusher(door.engine, platform.push_document, platform.claim_key, BASE, platform.sleep)

    async def run():
        for report in reports:
            await pushing.handle_event(report)

    run_bounded(run())
    return platform.pushed


def test_the_first_event_of_a_call_has_its_flow_answer(tmp_path):
    ((uuid, document),) = pushed(InProcessServer(tmp_path), reported())
    assert uuid == CALL["uuid"]
    assert list_spoken_texts(from_xml(document))[0] == "Hello WIRELESS CALLER from +12015550999."
    assert f'url="{BASE}/call/desk/menu?ticket='.encode() in document


def test_a_call_gets_one_document_whatever_else_is_reported_of_it(tmp_path):
    door = InProcessServer(tmp_path)
    assert len(pushed(door, reported(), reported("ringing"), reported("live"), reported())) == 1


def test_of_several_replicas_one_answers(tmp_path):
    platform = Platform()
    for _ in range(2):
        pushed(InProcessServer(tmp_path), reported(), platform=platform)
    assert len(platform.pushed) == 1


@pytest.mark.parametrize(
    "report",
    [
        reported("hangup"),
        reported(direction="out"),
        reported(parent={"uuid": "another"}),
        reported(uuid=None),
        PlatformEvent("sms", "m", 0.0, {}, sms=MessageEntity({"uuid": "m"})),
    ],
    ids=["over already", "outbound", "a leg", "no uuid", "a message"],
)
def test_what_is_no_arriving_call_gets_no_document(tmp_path, report):
    assert pushed(InProcessServer(tmp_path), report) == []


def test_an_unknown_number_gets_the_apology(tmp_path):
    ((_, document),) = pushed(InProcessServer(tmp_path), reported(to="12015550199", tn={"tn": 12015550199}))
    assert list_spoken_texts(from_xml(document)) == [
        "We are sorry, your call cannot be taken right now. Please try again later."
    ]


def test_a_flow_that_breaks_says_its_fallback(tmp_path):
    flow = DESK.replace("{{ caller.name }}", "{{ 1 // 0 }}")
    ((_, document),) = pushed(InProcessServer(tmp_path, flow), reported())
    assert list_spoken_texts(from_xml(document)) == ["The desk is sorry."]


def test_a_document_that_cannot_be_pushed_keeps_no_other_call_from_its_own(tmp_path):
    door = InProcessServer(tmp_path)
    assert pushed(door, reported(), platform=Platform(OSError("nobody is there"))) == []
    assert len(pushed(door, reported())) == 1


def broken(kind, times):
    return [kind("no", request="POST /call", status=500)] * times


@pytest.mark.parametrize("kind", [OpentactUnavailableError, OpentactRateLimitError])
def test_a_document_is_pushed_again_while_that_may_help(tmp_path, kind):
    platform = Platform(*broken(kind, 5))
    assert len(pushed(InProcessServer(tmp_path), reported(), platform=platform)) == 1
    assert platform.waited == [*PUSH_RETRY_SECONDS]
    assert sum(PUSH_RETRY_SECONDS) < MAX_PARKED_SECONDS < TIMES_OUT


def test_a_document_is_pushed_no_more_when_the_call_is_parked_no_longer_or_the_platform_says_no(tmp_path):
    door = InProcessServer(tmp_path)
    for platform in (Platform(*broken(OpentactUnavailableError, 6)), Platform(*broken(OpentactNotFoundError, 1))):
        assert pushed(door, reported(), reported("ringing"), platform=platform) == []
        assert platform.fails == []
    assert platform.waited == []


def test_a_push_that_takes_longer_than_a_call_is_parked_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(pushing_module, "MAX_PARKED_SECONDS", 0.05)

    class Slow(Platform):
        async def push_document(self, uuid, document):
            await asyncio.sleep(30)
            await super().push_document(uuid, document)

    assert pushed(InProcessServer(tmp_path), reported(), platform=Slow()) == []


def test_a_document_that_reached_no_call_is_not_remembered_as_an_answer(tmp_path):
    answers = []
    door = InProcessServer(tmp_path, record_answer=answers.append)
    pushed(door, reported(), platform=Platform(*broken(OpentactNotFoundError, 1)))
    (answered,) = answers
    assert (answered.outcome.kind, answered.outcome.cause, answered.outcome.flow) == (
        "fallback",
        "OpentactNotFoundError",
        "desk",
    )


def test_a_pushed_answer_is_counted_and_remembered_as_any_other(tmp_path):
    answers = []
    door = InProcessServer(tmp_path, record_answer=answers.append)
    pushed(door, reported())
    (answered,) = answers
    assert (answered.method, answered.outcome.kind, answered.request_fields["call"]) == ("PUSH", "answered", CALL["uuid"])
    assert b'callflows_answers_total{flow="desk",outcome="answered"} 1.0' in door.answer_metrics.render_prometheus()[0]
    assert KEY not in door.log.getvalue()
