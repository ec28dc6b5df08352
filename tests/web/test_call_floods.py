"""A flood of calls gets a document that costs nothing, and never silence."""

from __future__ import annotations

import contextlib

import pytest
from in_process_server import CALL_FIELDS, InProcessServer, is_fallback, list_spoken_texts, read_document

from callflows.errors import CallLimitError
from callflows.journal.call_counting import SharedCallCounter
from callflows.journal.journal_queries import JournalQueries
from callflows.journal.sql_store import SqlStore
from callflows.web import call_limits
from callflows.web.call_limits import CallLimits
from waiting import run_bounded

FLOW = """
numbers: +12015550123
nodes:
  start:
    - notify: {url: "https://crm.example/calls", payload: {about: a call}}
    - say: Hello.
fallback:
  - say: The desk is sorry.
"""


def test_a_caller_beyond_the_limit_hears_the_fallback_and_starts_nothing(tmp_path):
    server = InProcessServer(tmp_path, FLOW, caller_calls_per_minute=2)
    replies = [server.send_request() for _ in range(4)]
    assert [is_fallback(reply) for reply in replies] == [False, False, True, True]
    assert len(server.effect_sender.effects) == 2
    other = server.send_request(params={**CALL_FIELDS, "from": "+12015550888"})
    assert list_spoken_texts(read_document(other)) == ["Hello."]
    assert server.read_log_lines()[-2]["cause"] == "CallLimitError"


def test_a_number_beyond_the_limit_answers_with_the_fallback_whoever_calls(tmp_path):
    server = InProcessServer(tmp_path, FLOW, number_calls_per_minute=2)
    replies = [server.send_request(params={**CALL_FIELDS, "from": f"+1201555099{digit}"}) for digit in range(3)]
    assert [is_fallback(reply) for reply in replies] == [False, False, True]


def test_callers_without_a_number_do_not_share_a_limit():
    limits = CallLimits(1, None)
    for _ in range(3):
        limits.count_call("", "+12015550123")


def test_a_minute_later_a_caller_is_answered_again():
    now = [0.0]
    limits = CallLimits(1, None, lambda: now[0])
    limits.count_call("+12015550999", "+12015550123")
    with pytest.raises(CallLimitError, match="more than 1 calls of one caller within a minute"):
        limits.count_call("+12015550999", "+12015550123")
    now[0] = 60.0
    limits.count_call("+12015550999", "+12015550123")


def test_a_flood_of_callers_takes_a_bounded_memory(monkeypatch):
    monkeypatch.setattr(call_limits, "MAX_COUNTED_CALLERS", 10)
    limits = CallLimits(1, None)
    for number in range(20):
        limits.count_call(f"+1201555{number:04}", "+12015550123")
    limits.count_call("+12015550019", "+12015550123")
    with pytest.raises(CallLimitError):
        limits.count_call("+12015550003", "+12015550123")


def test_a_repeated_request_of_a_call_counts_once():
    limits = CallLimits(1, None)
    for _ in range(3):
        limits.count_call("+12015550999", "+12015550123", "a")
    for _ in range(2):
        with pytest.raises(CallLimitError):
            limits.count_call("+12015550999", "+12015550123", "b")


@pytest.mark.parametrize("limits", [(4, None), (None, 4)], ids=["of a caller", "to a number"])
def test_the_limit_is_one_for_all_processes_with_the_same_database(tmp_path, limits):
    database = f"sqlite:///{tmp_path}/journal.db"
    with contextlib.closing(SqlStore(database)) as store:
        store.open()

    async def ring() -> list[str]:
        journals = [JournalQueries(SqlStore(database)) for _ in range(2)]
        processes = [CallLimits(*limits, shared_counter=SharedCallCounter(journal, 30.0)) for journal in journals]
        answers = []
        for call in ("a", "b", "c", "a", "b", "d", "e", "f", "a", "f"):
            process = processes[len(answers) % 2]
            try:
                process.count_call("+12015550999", "+12015550123", call)
                await process.count_shared_call("+12015550999", "+12015550123", call, 1)
                answers.append("answered")
            except CallLimitError:
                answers.append("refused")
        await processes[0].count_shared_call("+12015550999", "+12015550123", "g", 2)
        for journal in journals:
            journal.close()
        return answers

    # Only the fifth and the sixth call are beyond the limit, and stay so; the next minute is another.
    assert run_bounded(ring()) == ["answered"] * 6 + ["refused", "refused", "answered", "refused"]


def test_a_server_with_several_processes_refuses_what_others_have_counted(tmp_path):
    counted = Counted()
    server = InProcessServer(tmp_path, FLOW, call_limits=CallLimits(2, None, shared_counter=counted))
    replies = []
    for count in (1, 2, 3, None):
        counted.count = count
        replies.append(server.send_request(params={**CALL_FIELDS, "from": f"+1201555099{count or 0}"}))
    assert [is_fallback(reply) for reply in replies] == [False, False, True, False]
    assert len(server.effect_sender.effects) == 3


class Counted:
    """Counts of all processes."""

    count: int | None = None

    async def count_in_scope(self, _scope: str, _party: str, _key: str) -> int | None:
        return self.count
