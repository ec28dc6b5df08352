"""Inputs at random, for all that reads what others wrote; each reader takes them, or refuses them in its own words."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "web")]
from hypothesis import strategies as st
from in_process_server import DESK, KEY, InProcessServer
from test_call_protocol import Served

from callflows.errors import DocumentReadError, TicketError
from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.flow_compilation import compile_flow
from callflows.flows.tickets import TicketSigner
from callflows.language import from_xml
from callflows.opentact.event_parser import MalformedFrameError, parse_frame
from callflows.web.call_protocol import CallHttpProtocol
from callflows.web.request_fields import parse_posted_call, parse_query_fields
from waiting import run_bounded

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 11, 23, 15, tzinfo=UTC)
SIGNER = TicketSigner([KEY.encode()])
OPTIONS = CompilerOptions(SIGNER, "Sorry.")
CALL = (TESTS / "samples" / "call.json").read_bytes()
EVENTS = [file.read_bytes() for file in sorted((TESTS / "journal" / "samples").glob("*.json"))]
DOCUMENTS = [file.read_bytes() for file in sorted((TESTS / "language" / "documents").rglob("*.xml"))]
FLOWS = [file.read_bytes() for file in sorted((TESTS.parent / "callflows").glob("*.yaml"))] + [DESK.encode()]
REQUESTS = [
    b"GET /call?from=%2B12015550999&to=12015550123 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST /call HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(CALL), CALL),
    b"GET /call/desk/menu?ticket=6b0c.e30.AAAA&dtmf=1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
]


def damage(samples: list[bytes]) -> st.SearchStrategy[bytes]:
    """A sample of which some parts are replaced, repeated or cut out; or any bytes at all."""
    edits = st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 40), st.binary(max_size=12) | st.sampled_from(PIECES)), max_size=6
    )
    return st.builds(_apply_edits, st.sampled_from(samples), edits) | st.binary(max_size=300)


PIECES = [
    b"'",
    b'"',
    b"<",
    b"{",
    b"}",
    b"{{",
    b"}}",
    b"{%",
    b"%",
    b"&#0;",
    b"&x;",
    b"\0",
    b"\r\n",
    b"\xff",
    b": ",
    b"- ",
    b"&a ",
    b"*a",
    b"\t",
]
PIECES += [
    b"9" * 30,
    b"-1",
    b"1e999",
    b"null",
    b"[[[[[[[[",
    b"\xed\xa0\x80",
    b"<!DOCTYPE",
    b"<<: *a",
    b"!!python",
    b"\n  start:",
    b"..",
    b"@",
]


def _apply_edits(sample: bytes, edits: list[tuple[float, int, bytes]]) -> bytes:
    for at, length, piece in edits:
        place = int(at * len(sample))
        sample = sample[:place] + piece + sample[place + length :]
    return sample


def read_document(given: bytes) -> None:
    with contextlib.suppress(DocumentReadError):
        from_xml(given)


def read_flow_file(given: bytes) -> None:
    made = compile_flow("desk", given, "desk.yaml", OPTIONS)
    assert not [problem for problem in made.problems if problem.rule == "defect"], made.problems


def read_event(given: bytes) -> None:
    with contextlib.suppress(MalformedFrameError):
        for event in parse_frame(given, NOW):
            str(event)


def read_posted_call(given: bytes) -> None:
    parse_posted_call(given)
    parse_query_fields(given)


def read_ticket(given: bytes) -> None:
    with contextlib.suppress(TicketError):
        SIGNER.read_ticket("desk/menu", given.decode("latin-1"))
        raise AssertionError("a ticket that was not signed was read")


@functools.cache
def open_server() -> InProcessServer:
    return InProcessServer(Path(tempfile.mkdtemp()), DESK)


def send_request(given: bytes) -> None:
    """Whatever comes over a connection, no answer is a server error, and none keeps us once the sender has gone."""

    async def send() -> bytes:
        served = Served(open_server().app, CallHttpProtocol)
        served.protocol.data_received(given)
        while served.state.tasks and not served.is_waiting():
            await asyncio.wait(served.state.tasks, timeout=0.01)
        # A damaged length promises a body that never comes: the sender goes, so that no case waits for the time limit.
        served.protocol.connection_lost(None)
        if served.state.tasks:
            await asyncio.wait(served.state.tasks)
        return served.transport.sent

    sent = run_bounded(send(), 10)
    assert b"HTTP/1.1 5" not in sent, sent


def sign_damaged_ticket() -> st.SearchStrategy[bytes]:
    ticket = SIGNER.make_ticket_factory("desk/menu", {"v": "1"})({"from": "+12015550999"}).encode()
    return damage([ticket]).filter(lambda given: given.decode("latin-1") != ticket.decode())


READERS: dict[str, tuple[Callable[[bytes], None], Callable[[], st.SearchStrategy[Any]]]] = {
    "documents": (read_document, lambda: damage(DOCUMENTS or [b"<Response><Say>Hello.</Say></Response>"])),
    "flow files": (read_flow_file, lambda: damage(FLOWS)),
    "events": (read_event, lambda: damage(EVENTS)),
    "posted calls": (read_posted_call, lambda: damage([CALL, json.dumps({"call": json.loads(CALL)}).encode()])),
    "tickets": (read_ticket, sign_damaged_ticket),
    "requests": (send_request, lambda: damage(REQUESTS)),
}
