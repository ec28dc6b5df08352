"""Who said STOP is remembered for good, on both databases: the same contract as in memory."""

from __future__ import annotations

import itertools
import re

import pytest

from callflows.journal.opt_out_store import query_opt_out, store_opt_out
from callflows.telephony.ports import InMemoryOptOuts, OptOutRequest
from waiting import run_bounded

OURS, THEIRS = "+12015550123", "+12015550999"


class Kept:
    """A store as the Protocol has it."""

    def __init__(self, store):
        self.store = store

    async def is_opted_out(self, number, other):
        return self.store.run_reading(query_opt_out, number, other)

    async def opt_out(self, number, other, at):
        return self.store.run_writing(store_opt_out, number, other, OptOutRequest(at, opts_out=True))

    async def opt_in(self, number, other, at):
        return self.store.run_writing(store_opt_out, number, other, OptOutRequest(at, opts_out=False))


@pytest.fixture(params=["memory", "store"])
def opt_outs(request, store):
    return InMemoryOptOuts() if request.param == "memory" else Kept(store)


def said(opt_outs, *what):
    async def run():
        changes = [await getattr(opt_outs, how)(OURS, THEIRS, at) for how, at in what]
        return changes, await opt_outs.is_opted_out(OURS, THEIRS)

    return run_bounded(run())


def test_nobody_is_opted_out_who_did_not_say_so(opt_outs):
    assert said(opt_outs) == ([], False)


def test_a_stop_holds_until_a_start(opt_outs):
    assert said(opt_outs, ("opt_out", 1.0), ("opt_out", 2.0)) == ([True, False], True)
    assert said(opt_outs, ("opt_in", 3.0)) == ([True], False)


def test_the_latest_counts_in_whatever_order_it_comes_and_of_two_at_once_the_stop(opt_outs):
    assert said(opt_outs, ("opt_in", 5.0), ("opt_out", 4.0)) == ([False, False], False)
    assert said(opt_outs, ("opt_out", 5.0), ("opt_in", 5.0)) == ([True, False], True)


def test_a_pair_is_that_of_both_numbers(opt_outs):
    said(opt_outs, ("opt_out", 1.0))
    pairs = [(OURS, "+12015550998"), ("+12015550124", THEIRS), (THEIRS, OURS)]
    assert not any(run_bounded(opt_outs.is_opted_out(*pair)) for pair in pairs)


def test_whatever_the_order_the_end_is_the_same(store):
    words = [("opt_out", 1.0), ("opt_in", 2.0), ("opt_out", 3.0)]
    ends = []
    for n, order in enumerate(itertools.permutations(words)):
        for how, at in order:
            store.run_writing(store_opt_out, f"+1201555{n:04}", THEIRS, OptOutRequest(at, opts_out=how == "opt_out"))
        ends.append(store.run_reading(query_opt_out, f"+1201555{n:04}", THEIRS))
    assert ends == [True] * 6


def test_a_stop_outlives_the_number_that_is_forgotten(store):
    store.run_writing(store_opt_out, OURS, THEIRS, OptOutRequest(1.0, opts_out=True))
    store.forget_number(THEIRS, re.compile("2015550999"), lambda _done: None)
    assert store.run_reading(query_opt_out, OURS, THEIRS)
