"""The effects of a call's end happen once, when the journal knows the call, however long that takes."""

from __future__ import annotations

import asyncio
import functools
import sys
import time
from pathlib import Path

import pytest
import structlog
from in_process_server import FakeEffects, InlineWorkers, InProcessServer

from callflows.journal.journal import Journal
from callflows.journal.spool import Spool
from callflows.journal.sql_store import SqlStore
from callflows.sandbox.job_runner import JobRunner
from callflows.telephony.call_entity import CallEntity
from callflows.telephony.ports import Effect
from callflows.web import call_end_handler
from callflows.web.call_end_handler import COMPLETION_RETRY_SECONDS, SETTLE_SECONDS, TAKEOVER_SECONDS, CallEndHandler

sys.path.append(str(Path(__file__).parents[1] / "journal"))
from breakable_database import open_breakable_database
from sample_events import build_platform_event, load_sample
from store_helpers import build_answered_request

from waiting import run_bounded, wait_until_async

FLOW = """
numbers: +12015550123
nodes: {start: [{say: Hello.}]}
ended: [{when: ended.missed, sms: Sorry that we missed your call.}]
"""
END = build_platform_event(load_sample("event-2024-call-destroyed"))


class Ours:
    """What acts on the end of calls, with a journal of its own; ``waited`` is what it waited, and takes no time."""

    def __init__(self, folder, url):
        (folder / "flows").mkdir()
        self.door = InProcessServer(folder / "flows", FLOW)
        self.journal = Journal(SqlStore(url), Spool(folder / "data"))
        self.outside = FakeEffects()
        self.waited = []
        self.then = {}

    def replica(self, sleep=None, *, receives_events=True):
        workshop = JobRunner(self.outside, InlineWorkers())
        return CallEndHandler(
            self.door.flow_versions,
            self.journal,
            workshop,
            self.outside,
            receives_events=receives_events,
            sleep=sleep or self._sleep,
        )

    async def _sleep(self, seconds):
        self.waited.append(seconds)
        if happens := self.then.pop(len(self.waited), None):
            await happens()
        await asyncio.sleep(0.02)

    async def sleep_until_completed(self, seconds):
        """Like a replica in time: however busy the machine is, half a minute is enough for the other one to be done."""
        await self._sleep(seconds)
        if seconds == TAKEOVER_SECONDS:
            completed = functools.partial(self.journal.is_claimed, "completed", END.call.uuid)
            await wait_until_async(completed, "the completion by the other replica")

    def texts(self):
        return [effect.payload["text"] for effect in self.outside.effects]


@pytest.fixture
def there(tmp_path):
    (tmp_path / "database").mkdir()
    with open_breakable_database("sqlite:///", tmp_path / "database") as found:
        yield found


@pytest.fixture
def ours(tmp_path, there):
    made = Ours(tmp_path, there.url)
    made.journal.start()
    yield made
    made.journal.stop()


async def known(ours):
    """The call, as it was answered and ended."""
    ours.journal.record_soon(build_answered_request(END.occurred_at - 60, call=END.call.uuid))
    await ours.journal.record_now(END)
    await wait_until_async(lambda: ours.journal.count_results()["written"] >= 2, "two written rows")


def hold_voicemail_notice(ours):
    ours.outside.held_effects = [Effect("voicemail", f"{END.call.uuid}/notice", {"url": "https://a.example/", "body": {}})]


def report_recording(seconds, **more):
    """The same end of the call, with a recording."""
    record = {"uuid": "r", "url": "https://a.example/r.wav", "duration": seconds, "tag": "voicemail", **more}
    raw = {**END.call.raw, "records": [record]}
    return END._replace(key="recorded", call=CallEntity(raw))


@pytest.mark.parametrize(("seconds", "is_message"), [(0.3, False), (4, True)])
def test_the_end_of_a_call_without_a_message_cancels_the_notice_of_its_voicemail(seconds, is_message, ours):
    async def work():
        await known(ours)
        await ours.journal.record_now(report_recording(seconds))
        hold_voicemail_notice(ours)
        ending = ours.replica()
        await ending.handle_event(END)
        await over(ending)

    run_bounded(work())
    assert [effect.kind for effect in ours.outside.effects] == ["voicemail" if is_message else "sms"]
    assert [reason for _, reason in ours.outside.cancelled_effects] == ["the caller left no message"] * (not is_message)


@pytest.mark.parametrize(
    "transcript", ["Call me back.", {"text": "Call me back."}, [{"text": "Call me"}, {"text": "back."}]]
)
def test_the_notice_of_a_voicemail_has_the_transcript_that_stands_in_the_recording(transcript, ours):
    async def work():
        await known(ours)
        await ours.journal.record_now(report_recording(4, transcript=transcript))
        hold_voicemail_notice(ours)
        ending = ours.replica()
        await ending.handle_event(END)
        await over(ending)

    run_bounded(work())
    (effect,) = ours.outside.effects
    assert [one["transcript"] for one in effect.payload["body"]["recordings"]] == ["Call me back."]


def remember_document(ours, document):
    """The call as it was answered, with a document."""
    request = build_answered_request(END.occurred_at - 60, call=END.call.uuid)
    ours.journal.record_soon(request._replace(document_parts=(document,)))


@pytest.mark.parametrize(
    ("asr", "comes_at", "waits", "transcript"),
    [
        ('asr="true"', 3, [SETTLE_SECONDS, 5.0, 10.0], "Call me back."),
        ('asr="true"', None, [SETTLE_SECONDS, 5.0, 10.0, 15.0, 30.0], ""),
        ("", None, [SETTLE_SECONDS], ""),
    ],
    ids=["it comes later", "it never comes", "it is not asked for"],
)
def test_the_notice_of_a_voicemail_waits_a_minute_for_a_transcript_that_was_asked_for(
    asr, comes_at, waits, transcript, ours
):
    async def work():
        remember_document(ours, f'<Response><Record tag="voicemail" {asr}><Pause/></Record></Response>')
        await ours.journal.record_now(END, report_recording(4))
        hold_voicemail_notice(ours)
        later = report_recording(4, transcript="Call me back.")._replace(key="transcribed")
        if comes_at:
            ours.then[comes_at] = lambda: ours.journal.record_now(later)
        ending = ours.replica()
        await ending.handle_event(END)
        await over(ending)

    run_bounded(work())
    assert ours.waited == waits
    (effect,) = ours.outside.effects
    assert [one["transcript"] for one in effect.payload["body"]["recordings"]] == [transcript]


async def over(*endings):
    await wait_until_async(
        lambda: not any(ending.find_oldest_unfinished() for ending in endings), "the end of all unfinished calls"
    )
    for ending in endings:
        await ending.stop()


def test_the_end_of_a_call_is_acted_on_once_for_all_replicas(ours):
    async def work():
        await known(ours)
        replicas = [ours.replica(ours.sleep_until_completed) for _ in range(2)]
        for replica in (*replicas, replicas[0]):
            await replica.handle_event(END)
        assert [replica.find_oldest_unfinished() for replica in replicas] == [END.occurred_at] * 2
        await over(*replicas)

    run_bounded(work())
    assert ours.texts() == ["Sorry that we missed your call."]
    assert ours.waited[:2] == [SETTLE_SECONDS] * 2
    assert [seconds for seconds in ours.waited[2:] if seconds != TAKEOVER_SECONDS] == []


def test_a_call_whose_process_was_killed_before_its_effects_is_completed_by_the_next(ours, monkeypatch):
    async def die(_self, _over):
        raise asyncio.CancelledError

    async def work():
        await known(ours)
        first = ours.replica()
        with monkeypatch.context() as dying:
            dying.setattr(CallEndHandler, "_complete_call", die)
            await first.handle_event(END)
            await over(first)
        assert ours.texts() == []
        for replica in (ours.replica(), ours.replica()):
            await replica.handle_event(END)
            await over(replica)

    run_bounded(work())
    assert ours.texts() == ["Sorry that we missed your call."]
    assert ours.waited == [SETTLE_SECONDS, SETTLE_SECONDS, TAKEOVER_SECONDS, SETTLE_SECONDS]


@pytest.mark.parametrize(
    ("seconds_left", "texts"), [(60, ["Sorry that we missed your call."]), (-60, [])], ids=["just-over", "long-over"]
)
def test_a_call_whose_end_only_a_killed_process_knew_is_completed_once_unless_it_is_long_over(
    ours, monkeypatch, seconds_left, texts
):
    """Webhooks are acknowledged, and not sent again."""
    age = time.time() - END.occurred_at + seconds_left
    monkeypatch.setattr(call_end_handler, "UNCOMPLETED_CALL_SECONDS", age)

    async def work():
        await known(ours)
        replicas = [ours.replica(ours.sleep_until_completed, receives_events=False) for _ in range(2)]
        for replica in replicas:
            replica.start()
        await wait_until_async(lambda: ours.waited.count(600.0) >= 4 and len(ours.texts()) == len(texts), "two sweeps each")
        await over(*replicas)

    run_bounded(work())
    assert ours.texts() == texts


def test_it_is_acted_on_when_the_database_is_back(ours, there):
    async def come():
        there.bring_back()

    async def work():
        await known(ours)
        there.take_away()
        ours.then = {4: come}
        ending = ours.replica()
        await ending.handle_event(END)
        await over(ending)

    run_bounded(work())
    assert ours.texts() == ["Sorry that we missed your call."]
    assert ours.waited[:4] == [SETTLE_SECONDS, *COMPLETION_RETRY_SECONDS[:3]]


def test_a_call_of_which_nothing_is_known_is_asked_for_again_and_said_in_the_end(ours):
    async def work():
        await ours.journal.record_now(
            build_platform_event(load_sample("event-2024-call-live"))._replace(call=None, key="other")
        )
        ending = ours.replica()
        await ending.handle_event(END)
        await over(ending)

    with structlog.testing.capture_logs() as lines:
        run_bounded(work())
    assert ours.waited == [SETTLE_SECONDS, *COMPLETION_RETRY_SECONDS]
    assert [line["call"] for line in lines if line["log_level"] == "error"] == [END.call.uuid]
    assert ours.texts() == []


def test_what_has_just_ended_when_the_server_stops_is_left_for_the_next(ours):
    async def forever(_seconds):
        await asyncio.Event().wait()

    async def work():
        await known(ours)
        first = ours.replica(sleep=forever)
        await first.handle_event(END)
        left = first.find_oldest_unfinished()
        await first.stop()
        second = ours.replica()
        await second.handle_event(END)
        await over(second)
        return left

    assert run_bounded(work()) == END.occurred_at
    assert ours.texts() == ["Sorry that we missed your call."]
