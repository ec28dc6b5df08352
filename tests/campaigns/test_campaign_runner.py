"""Campaigns beside each other, campaigns that are cancelled, and one whose process is killed."""

from __future__ import annotations

import contextlib
import signal

import pytest
from campaign_harness import BEGIN, SENDER, Clock, ClockStoppedError, make_runner, prepare_campaign, read_states
from killed_campaign import run_killed_campaign
from sqlalchemy import delete, insert

from callflows.journal.campaign_store import cancel_numbers, load_campaign
from callflows.journal.erasure import compile_mention_pattern
from callflows.journal.journal_tables import CALLS_TABLE, LEASES_TABLE
from callflows.journal.sql_store import SqlStore
from command_process import FORKING
from waiting import run_bounded

ANN, BEN, CARL = "+12015550901", "+12015550902", "+12015550903"


@pytest.fixture
def store(tmp_path):
    made = SqlStore(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    with contextlib.closing(made):
        made.open()
        yield made


class Calls:
    """The calls that a campaign began: second and number."""

    def __init__(self, store, name, numbers, clock, **settings):
        self.begun = []
        self.told = []
        self._store, self._clock = store, clock
        self._campaign = prepare_campaign(store, name, numbers, **settings)

    def run(self, until=float("inf")):
        async def call_number(number, _document):
            self.begun.append((self._clock.seconds, number))
            return "batch"

        self._clock.stop = until
        runner = make_runner(self._store, self._campaign, call_number, self._clock, self.told.append)
        with contextlib.suppress(ClockStoppedError):
            run_bounded(runner.run())


def report_busy(store, second):
    """Opentact's report of a call to Ann that was busy, as the journal keeps it."""
    row = {"id": f"call-{second}", "caller": SENDER, "number": ANN, "direction": "out", "cause": "USER_BUSY"}
    times = {"started": BEGIN + second, "finished": BEGIN + second + 2}
    store.run_writing(lambda connection: connection.execute(insert(CALLS_TABLE).values(**row, **times)))


def test_of_two_campaigns_from_one_number_to_one_person_each_reads_its_own_call_only(store):
    clock = Clock()
    first, second = Calls(store, "first", [ANN], clock), Calls(store, "second", [ANN], clock)
    first.run(until=3)
    assert first.begun == [(0.0, ANN)]
    second.run(until=6)  # Ann's telephone rings for the first campaign
    assert second.begun == []
    report_busy(store, 1)
    first.run()
    assert read_states(store, "first") == ["no answer"]
    second.run(until=60)
    ((moment, _number),) = second.begun
    assert moment >= 20
    assert read_states(store, "second") == ["calling"]  # the report of the first call says nothing of this one
    report_busy(store, moment + 1)
    second.run()
    assert read_states(store, "second") == ["no answer"]


def test_a_campaign_that_is_cancelled_while_it_waits_ends_soon(store):
    clock = Clock()
    calls = Calls(store, "reminder", [ANN, BEN], clock, attempts=2, retry_seconds=36_000.0)

    def cancel(seconds):
        if seconds == 200:
            store.run_writing(lambda connection: cancel_numbers(connection, "reminder", "cancelled by Zoë"))

    clock.at_tick = cancel
    calls.run(until=1000)
    assert clock.seconds < 210
    assert read_states(store, "reminder") == ["cancelled", "cancelled"]
    assert "2 number(s) were cancelled, and are not called" in calls.told


def test_a_person_who_is_forgotten_while_a_campaign_waits_is_given_up_soon(store):
    clock = Clock()
    calls = Calls(store, "reminder", [ANN], clock, attempts=2, retry_seconds=36_000.0)

    def forget(seconds):
        if seconds == 200:
            store.forget_number(ANN, compile_mention_pattern(ANN), lambda _rows: None)

    clock.at_tick = forget
    calls.run(until=1000)
    assert clock.seconds < 210
    assert read_states(store, "reminder") == ["failed"]
    assert calls.begun == [(0.0, ANN)]


def test_a_campaign_whose_process_is_killed_calls_nobody_twice(tmp_path, store):
    called = tmp_path / "calls.txt"
    database = f"sqlite:///{tmp_path / 'journal.sqlite'}"
    process = FORKING.Process(target=run_killed_campaign, args=(database, BEN, called))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    numbers = called.read_text(encoding="utf-8").split()
    assert numbers == [ANN, BEN]

    async def call_number(number, _document):
        numbers.append(number)
        return "batch"

    store.run_writing(lambda connection: connection.execute(delete(LEASES_TABLE)))  # it ends a minute after the kill
    campaign = store.run_reading(lambda connection: load_campaign(connection, "reminder"))
    run_bounded(make_runner(store, campaign, call_number, Clock()).run())
    assert numbers == [ANN, BEN, CARL]
    assert read_states(store, "reminder") == ["no answer", "unknown", "no answer"]
