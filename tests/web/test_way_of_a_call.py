"""The way of a call stays short: counted in calls of functions, which no load of the machine changes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from in_process_server import InProcessServer
from test_call_protocol import Served

from callflows.benchmark.load_generator import build_call_request
from callflows.benchmark.measured_server import BENCHMARK_FLOWS, BENCHMARK_TOKEN
from callflows.journal.redacted_turns import TurnRedactor, pack_turns
from callflows.web.call_protocol import CallHttpProtocol
from function_calls import count_function_calls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callflows.telephony.events import AnsweredRequest

CALLS = 50


@pytest.fixture(scope="module")
def answered() -> list[AnsweredRequest]:
    return []


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory, answered: list[AnsweredRequest]) -> Iterator[Served]:
    """A connection to the server of ``callflows bench``; its first calls have filled the caches."""
    flows = {"front-desk": (BENCHMARK_FLOWS / "front-desk.yaml").read_text(encoding="utf-8")}
    server = InProcessServer(
        tmp_path_factory.mktemp("flows"), flows, token=(BENCHMARK_TOKEN,), record_answer=answered.append
    )
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        served = Served(server.app, CallHttpProtocol)
        ask_calls(served, 5)
        yield served
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def ask_calls(served: Served, count: int, *, posts: bool = False) -> None:
    for number in range(count):
        served.protocol.data_received(build_call_request(number, posts=posts))


@pytest.mark.parametrize(("posts", "limit"), [(False, 150), (True, 262)], ids=["a GET", "a POST"])
def test_answering_a_call_calls_no_more_functions_than_it_did(connection, posts, limit):
    connection.transport.sent = b""
    ask_calls(connection, 5, posts=posts)
    assert connection.transport.sent.count(b"HTTP/1.1 200 OK") == 5
    assert connection.transport.sent.count(b"<Gather") >= 5
    assert count_function_calls(lambda: ask_calls(connection, CALLS, posts=posts)) / CALLS < limit


def test_remembering_a_call_on_a_busy_server_calls_no_more_functions_than_it_did(connection, answered):
    answered.clear()
    ask_calls(connection, CALLS)

    def redact_turns() -> None:
        redactor = TurnRedactor()
        pack_turns([redactor.redact_turn(turn) for turn in answered], redactor.texts)

    redact_turns()
    assert len(answered) == CALLS
    assert count_function_calls(redact_turns) / CALLS < 104
