"""A flood of calls gets a document that costs nothing, and never silence."""

from __future__ import annotations

import pytest
from in_process_server import CALL_FIELDS, InProcessServer, is_fallback, list_spoken_texts, read_document

from callflows.errors import CallLimitError
from callflows.web import call_limits
from callflows.web.call_limits import CallLimits

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
