"""The end of a call is acted on once, when the journal knows the call, however long that takes."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
import structlog
from door import Door, Outside, Within

from app.flows.workshop import Workshop
from app.journal.journal import Journal
from app.journal.spool import Spool
from app.journal.sql import SqlStore
from app.web.ending import AGAIN, SETTLES, Ending

sys.path.append(str(Path(__file__).parents[1] / "journal"))
from gone import breakable
from kept import answered, nothing_decided
from reports import report, sample

FLOW = """
numbers: +12015550123
nodes: {start: [{say: Hello.}]}
missed: [{sms: Sorry that we missed your call.}]
"""
END = report(sample("event-2024-call-destroyed"))


class Ours:
    """What acts on the end of calls, with a journal of its own; ``waited`` is what it waited, and takes no time."""

    def __init__(self, folder, url):
        (folder / "flows").mkdir()
        self.door = Door(folder / "flows", FLOW)
        self.journal = Journal(SqlStore(url), Spool(folder / "data"), nothing_decided)
        self.outside = Outside()
        self.waited = []
        self.then = {}

    def replica(self, sleep=None):
        workshop = Workshop(self.outside, Within())
        return Ending(self.door.shelf, self.journal, workshop, self.outside, hears=True, sleep=sleep or self._sleep)

    async def _sleep(self, seconds):
        self.waited.append(seconds)
        if happens := self.then.pop(len(self.waited), None):
            await happens()
        await asyncio.sleep(0.02)

    def texts(self):
        return [effect.payload["text"] for effect in self.outside.caused]


@pytest.fixture
def there(tmp_path):
    (tmp_path / "database").mkdir()
    with breakable("sqlite:///", tmp_path / "database") as found:
        yield found


@pytest.fixture
def ours(tmp_path, there):
    made = Ours(tmp_path, there.url)
    made.journal.start()
    yield made
    made.journal.stop()


async def known(ours):
    """The call, as it was answered and ended."""
    ours.journal.remember(answered(END.at - 60, call=END.call["uuid"]))
    await ours.journal.record_now(END)
    while not ours.journal.counts()["written"] >= 2:  # noqa: ASYNC110 - a thread writes it
        await asyncio.sleep(0.01)


async def over(*endings):
    while any(ending.unfinished() for ending in endings):  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.01)
    for ending in endings:
        await ending.stop()


def test_the_end_of_a_call_is_acted_on_once_for_all_replicas(ours):
    async def work():
        await known(ours)
        replicas = [ours.replica(), ours.replica()]
        for replica in (*replicas, replicas[0]):
            await replica.heard(END)
        assert [replica.unfinished() for replica in replicas] == [END.at] * 2
        await over(*replicas)

    asyncio.run(work())
    assert ours.texts() == ["Sorry that we missed your call."]
    assert ours.waited == [SETTLES] * 2


def test_it_is_acted_on_when_the_database_is_back(ours, there):
    async def come():
        there.come()

    async def work():
        await known(ours)
        there.go()
        ours.then = {4: come}
        ending = ours.replica()
        await ending.heard(END)
        await over(ending)

    asyncio.run(work())
    assert ours.texts() == ["Sorry that we missed your call."]
    assert ours.waited[:4] == [SETTLES, *AGAIN[:3]]


def test_a_call_of_which_nothing_is_known_is_asked_for_again_and_said_in_the_end(ours):
    async def work():
        await ours.journal.record_now(report(sample("event-2024-call-live"))._replace(call={}, key="other"))
        ending = ours.replica()
        await ending.heard(END)
        await over(ending)

    with structlog.testing.capture_logs() as lines:
        asyncio.run(work())
    assert ours.waited == [SETTLES, *AGAIN]
    assert [line["call"] for line in lines if line["log_level"] == "error"] == [END.call["uuid"]]
    assert ours.texts() == []


def test_what_has_just_ended_when_the_server_stops_is_left_for_the_next(ours):
    async def forever(_seconds):
        await asyncio.Event().wait()

    async def work():
        await known(ours)
        first = ours.replica(sleep=forever)
        await first.heard(END)
        left = first.unfinished()
        await first.stop()
        second = ours.replica()
        await second.heard(END)
        await over(second)
        return left

    assert asyncio.run(work()) == END.at
    assert ours.texts() == ["Sorry that we missed your call."]
