"""The execution log of a call is asked for until it is there, or the story of the call says that it was given up."""

from __future__ import annotations

import contextlib
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from callflows.journal.journal import Journal
from callflows.journal.spool import Spool
from callflows.journal.sql_store import SqlStore
from callflows.journal.story_words import describe_story_entry
from callflows.opentact.backfill import EventBackfill
from callflows.web import execution_log_fetcher
from callflows.web.execution_log_fetcher import FIRST_PAUSE_SECONDS, LOG_DELAY_SECONDS, MAX_REFUSALS, ExecutionLogFetcher

sys.path += [str(Path(__file__).parents[1] / folder) for folder in ("journal", "opentact")]
from breakable_database import open_breakable_database
from fake_opentact import FakeClock, FakeOpentact, error_answer, run_with_platform, success_answer
from sample_events import build_platform_event, load_sample
from store_helpers import build_answered_request, load_call_story

from waiting import wait_until_async

END = build_platform_event(load_sample("event-2024-call-destroyed"))
APP = END.call.app_uuid
LOGS = f"POST /sip/app/{APP}/logs"
AWAY, REFUSAL = error_answer(503, "the platform is away"), error_answer(400, "no log of this call")


class Ours:
    """A journal that knows a call of a flow, and an imitation of Opentact that has the log of the call."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.platform = FakeOpentact()
        self.clock = FakeClock()

    def answer(self, *answers) -> None:
        """Answers of Opentact to the requests for logs, the last for ever."""
        # The client asks four times before it says that Opentact is away.
        self.platform.routes[LOGS] = [one for answer in answers for one in ([answer] * 4 if answer is AWAY else [answer])]

    def list_log_requests(self) -> list[str]:
        return [body["call"] for body in self.platform.bodies(LOGS) if not body["skip"]]

    def run_calls(self, *calls: str) -> None:
        """End calls, and wait until no log is waited for any more."""

        journal = Journal(SqlStore(self.url), Spool(self.folder / "data"))

        async def work(opentact) -> None:
            fetcher = ExecutionLogFetcher(journal, EventBackfill(opentact), self.clock.create_clock())
            for call in calls:
                journal.record_soon(build_answered_request(END.occurred_at - 60, call=call, sca=APP))
                await journal.record_now(end_of(call))
            for call in calls:
                await fetcher.handle_event(end_of(call))
            await wait_until_async(fetcher._task.done, "the end of the waiting calls")  # noqa: SLF001
            await fetcher.stop()

        journal.start()
        run_with_platform(self.platform, work)
        journal.stop()

    def read_story(self, call: str) -> list[str]:
        """The words of a call's story that say something of its execution log."""
        with contextlib.closing(SqlStore(self.url)) as store:
            story = load_call_story(store, call)["story"]
        return [
            f"{entry['what']} {describe_story_entry(entry)}"
            for entry in story
            if entry["what"] in ("caused", "given-up") or entry.get("kind") == "call_flow"
        ]


def end_of(call: str):
    raw = {**END.raw, "uuid": f"end of {call}", "call": {**END.raw["call"], "uuid": call}}
    return build_platform_event(raw)


def build_log(call: str):
    at = datetime.fromtimestamp(END.occurred_at - 30, UTC).isoformat()
    return success_answer([{"name": "Say", "path": "Say[0]", "success": True, "call": call, "created_on": at}])


@pytest.fixture
def ours(tmp_path):
    (tmp_path / "database").mkdir()
    with open_breakable_database("sqlite:///", tmp_path / "database") as database:
        yield Ours(tmp_path, database.url)


SAID = ["reported call_flow: Say success (node start, turn 1)"]


def test_a_log_that_opentact_could_not_give_is_there_when_opentact_is_back(ours):
    ours.answer(AWAY, AWAY, build_log("a"))
    ours.run_calls("a")
    assert ours.read_story("a") == SAID
    assert ours.clock.delays == [pytest.approx(LOG_DELAY_SECONDS), FIRST_PAUSE_SECONDS, 2 * FIRST_PAUSE_SECONDS]


def test_a_log_that_opentact_refuses_is_asked_for_three_times_and_the_story_says_so(ours):
    def answer(request):
        call = request.body["call"]
        return REFUSAL if call == "refused" else build_log(call) if not request.body["skip"] else success_answer([])

    ours.platform.routes[LOGS] = answer
    ours.run_calls("refused", "a", "b")
    assert [ours.list_log_requests().count(call) for call in ("refused", "a", "b")] == [MAX_REFUSALS, 1, 1]
    assert (ours.read_story("a"), ours.read_story("b")) == (SAID, SAID), "others are not given up with it"
    (told,) = ours.read_story("refused")
    assert told.startswith("given-up execution log: asked for 3 times: ")
    assert "no log of this call" in told


def test_during_an_outage_opentact_is_asked_rarely_and_all_logs_are_given_up_in_their_stories_after_hours(ours):
    ours.answer(AWAY)
    calls = ["a", "b", "c"]
    ours.run_calls(*calls)
    assert 20 < len(ours.list_log_requests()) / 4 < 35, "in six hours"
    assert max(ours.clock.delays) <= execution_log_fetcher.MAX_PAUSE_SECONDS
    for call in calls:
        (told,) = ours.read_story(call)
        assert told.startswith("given-up execution log: asked for over 6 hours: ")
        assert "the platform is away" in told


def test_of_too_many_calls_the_oldest_is_given_up_in_its_story(ours, monkeypatch):
    monkeypatch.setattr(execution_log_fetcher, "MAX_CALLS_AWAITING_LOG", 2)
    ours.platform.routes[LOGS] = lambda request: build_log(request.body["call"])
    ours.run_calls("a", "b", "c")
    assert ours.read_story("a") == ["given-up execution log: more than 2 calls waited for theirs"]
    assert (ours.read_story("b"), ours.read_story("c")) == (SAID, SAID)


def test_a_log_is_asked_for_once_however_often_the_end_is_reported(ours):
    ours.answer(build_log("a"), success_answer([]))
    ours.run_calls("a")
    ours.run_calls("a")
    assert ours.list_log_requests() == ["a"]
