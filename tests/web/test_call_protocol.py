"""A call that is answered in the HTTP protocol gets byte for byte what it would have got by ASGI."""

from __future__ import annotations

import asyncio
import json
import time
import types
from typing import Any

import pytest
import uvicorn
from in_process_server import MONDAY, InProcessServer, list_callback_urls, send_request
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from callflows.errors import JournalError
from callflows.telephony.ports import Effect, LookupResult
from callflows.web import call_protocol, http_protocol
from callflows.web.call_endpoint import CallEndpoint
from callflows.web.call_protocol import CallHttpProtocol, choose_http_protocol, explain_unfit_uvicorn
from callflows.web.http_protocol import BoundedHttpProtocol
from callflows.web.request_fields import MAX_REQUEST_BODY_BYTES
from waiting import run_bounded, wait_until_async

FLOWS = {
    "desk": """
numbers: +12015550123
timezone: America/New_York
nodes:
  start:
    - say: Hello {{ caller.name }} from {{ caller.number }}.
    - collect: {into: pin, digits: 4, prompt: Your number., attempts: 1, otherwise: end}
    - say: It is {{ pin }}.
  end:
    - say: Goodbye {{ caller.national }}.
fallback:
  - say: The desk is sorry.
""",
    "slow": """
numbers: +12015550124
nodes:
  start:
    - lookup: {url: "https://crm.example/{{ call.id }}", into: found}
    - say: You are {{ found.name }}.
""",
    "texting": """
numbers: +12015550127
nodes:
  start:
    - sms: See you soon.
    - say: We have sent you a text.
""",
}
HOST = "Host: flows.localhost"
QUERY = "from=%2B12015550999&to=12015550123&call=c1"
SLOW = "from=%2B12015550999&to=12015550124&call=c2"
BODY = json.dumps({"uuid": "c3", "from": "+12015550777", "to": "+12015550123", "from_name": "Ann"})


class FakeTransport(asyncio.Transport):
    """A connection of which the server's bytes are kept."""

    def __init__(self, client: str = "127.0.0.1") -> None:
        super().__init__({"peername": (client, 40000), "sockname": ("127.0.0.1", 8000)})
        self.sent = b""
        self.is_closed = False
        self.reads = True

    def write(self, data: Any) -> None:
        if not self.is_closed:
            self.sent += bytes(data)

    def close(self) -> None:
        self.is_closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.is_closed

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True


class Served:
    """One connection to a server, by one protocol."""

    def __init__(self, app: Any, protocol_class: type[Any], client: str = "127.0.0.1", **options: Any) -> None:
        given = {"access_log": False, "log_config": None, "proxy_headers": False, **options}
        self.state = ServerState()
        self.state.default_headers = [(b"date", b"Mon, 23 Nov 2026 15:00:00 GMT")]
        self.transport = FakeTransport(client)
        self.protocol = protocol_class(uvicorn.Config(app, **given), self.state, {})
        self.protocol.connection_made(self.transport)
        self.task_count = 0

    async def send(self, *chunks: bytes) -> bytes:
        """Send bytes in pieces; what came back when nothing is left to do."""
        for chunk in chunks:
            if not self.transport.is_closed:
                self.protocol.data_received(chunk)
            self.task_count += len(self.state.tasks)
            for _ in range(200):
                if self.state.tasks and not self.is_waiting():
                    await asyncio.sleep(0)
        while self.state.tasks:
            await asyncio.wait(self.state.tasks, timeout=5)
        return self.transport.sent

    def is_waiting(self) -> bool:
        """Whether a body is still to come."""
        cycle = self.protocol.cycle
        return cycle is not None and not cycle.response_complete and cycle.more_body


def get(path: str, *headers: str, method: str = "GET", version: str = "1.1", host: str = HOST) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/{version}", *([host] if host else []), *headers, "", ""]).encode("latin-1")


def post(body: str, *headers: str, path: str = "/call") -> bytes:
    return get(path, f"Content-Length: {len(body)}", *headers, method="POST") + body.encode()


@pytest.fixture
def make_server(tmp_path, monkeypatch):
    """Servers whose clock stands still, so that their tickets are equal."""
    clock = types.SimpleNamespace(time=MONDAY.timestamp, perf_counter=time.perf_counter)
    monkeypatch.setattr("callflows.flows.tickets.time", clock)
    monkeypatch.setattr("callflows.flows.tickets.clock_gettime", lambda _id: 1000.0)
    monkeypatch.setattr("callflows.web.answer_engine.time", clock)

    def make(records: list[Any], **overrides: Any) -> InProcessServer:
        server = InProcessServer(
            tmp_path, FLOWS, clock=lambda: MONDAY, deadline=0.1, record_answer=records.append, **overrides
        )
        server.effect_sender.lookup_results["https://crm.example/c2"] = LookupResult({"name": "Ann"}, ok=True)
        return server

    return make


def describe(answered: Any) -> tuple[Any, ...]:
    """What is recorded, but for the clock."""
    fields = {name: value for name, value in answered.request_fields.items() if name != "began"}
    return (*answered[2:5], fields, answered.status, answered.document, answered.outcome)


def compare(
    make_server, *chunks: bytes, client: str = "127.0.0.1", options: dict[str, Any] | None = None, **overrides: Any
):
    """Both ways with the same bytes: what they sent, and how many requests were tasks of uvicorn in the first."""

    async def ask(protocol_class: type[Any]) -> tuple[Any, ...]:
        records: list[Any] = []
        app = make_server(records, **overrides).app
        served = Served(app, protocol_class, client, **(options or {}))
        sent = await served.send(*chunks)
        seen = (sent, served.transport.is_closed, served.state.total_requests, [*map(describe, records)])
        served.protocol.connection_lost(None)
        return seen, served.task_count

    async def ask_both() -> Any:
        return await ask(CallHttpProtocol), await ask(BoundedHttpProtocol)

    (mine, tasks), (theirs, _) = run_bounded(ask_both())
    assert mine[:2] == theirs[:2]
    if b"Invalid HTTP request" not in mine[0]:
        assert mine == theirs
    return mine[0], tasks


AT_ONCE = {
    "GET": [get(f"/call?{QUERY}")],
    "a name": [get(f"/call?{QUERY}&name=Ann+O%27Hara")],
    "a slash": [get(f"/call/?{QUERY}")],
    "no query": [get("/call")],
    "an empty query": [get("/call?")],
    "two questions": [get(f"/call?{QUERY}?a=b?")],
    "HEAD": [get(f"/call?{QUERY}", method="HEAD")],
    "POST": [post(BODY)],
    "POST with a query": [post(BODY, path=f"/call?{QUERY}")],
    "POST that is no JSON": [post("{")],
    "POST of nothing": [post("")],
    "POST in chunks": [
        get("/call", "Transfer-Encoding: chunked", method="POST")
        + f"5\r\n{BODY[:5]}\r\n{len(BODY) - 5:x}\r\n{BODY[5:]}\r\n0\r\n\r\n".encode()
    ],
    "GET with a body": [get(f"/call?{QUERY}", "Content-Length: 4") + b"body"],
    "close": [get(f"/call?{QUERY}", "Connection: close")],
    "more after close": [get(f"/call?{QUERY}", "Connection: close"), get(f"/call?{QUERY}")],
    "keep-alive": [get(f"/call?{QUERY}", "Connection: keep-alive")],
    "an unknown number": [get("/call?from=1&to=12015550000&call=c9")],
    "no such place": [get("/call/desk")],
    "a forged ticket": [get("/call/desk/start?ticket=abc.def.ghi")],
    "three places": [get("/call/a/b/c?ticket=x")],
    "through a proxy": [get(f"/call?{QUERY}", "X-Forwarded-For: 1.2.3.4")],
    "another host": [get(f"/call?{QUERY}", host="Host: evil.example")],
    "no host": [get(f"/call?{QUERY}", host="")],
    "in pieces": [get(f"/call?{QUERY}")[:30], get(f"/call?{QUERY}")[30:]],
    "one after another": [get(f"/call?{QUERY}"), get(f"/call?{QUERY}&dtmf=1"), post(BODY)],
    "a pipeline": [get(f"/call?{QUERY}") + post(BODY) + get(f"/call?{QUERY}", method="HEAD") + get("/call/x")],
    "a pipeline that ends": [get(f"/call?{QUERY}") + get(f"/call?{QUERY}", "Connection: close")],
    "headers twice": [get(f"/call?{QUERY}", "Host: flows.localhost", "X-A: 1", "X-A: 2")],
}
BY_ASGI = {
    "HTTP/1.0": [get(f"/call?{QUERY}", version="1.0")],
    "HTTP/1.0 kept alive": [get(f"/call?{QUERY}", "Connection: keep-alive", version="1.0")],
    "a lookup": [get(f"/call?{SLOW}")],
    "a lookup by POST": [post(json.dumps({"uuid": "c2", "from": "1", "to": "12015550124"}))],
    "a lookup, then close": [get(f"/call?{SLOW}", "Connection: close")],
    "a lookup by HEAD": [get(f"/call?{SLOW}", method="HEAD")],
    "a pipeline behind a lookup": [get(f"/call?{SLOW}") + get(f"/call?{QUERY}") + post(BODY)],
    "a lookup in the middle": [get(f"/call?{QUERY}") + get(f"/call?{SLOW}") + get(f"/call?{QUERY}"), get(f"/call?{QUERY}")],
    "a body in pieces": [post(BODY)[:-20], post(BODY)[-20:]],
    "a body that never ends": [post(BODY)[:-20]],
    "a body that is too long": [post("x" * (MAX_REQUEST_BODY_BYTES + 1))],
    "100-continue": [get("/call", f"Content-Length: {len(BODY)}", "Expect: 100-continue", method="POST"), BODY.encode()],
    "100-continue with a body": [post(BODY, "Expect: 100-continue")],
    "an escaped path": [get(f"/%63all?{QUERY}")],
    "an escaped node": [get("/call/de%73k/start?ticket=a")],
    "another path": [get("/healthz")],
    "a longer word": [get("/callflows")],
    "a whole URL": [get(f"http://flows.localhost/call?{QUERY}")],
    "PUT": [get(f"/call?{QUERY}", method="PUT")],
    "OPTIONS": [get("/call", method="OPTIONS")],
    "an upgrade": [get(f"/call?{QUERY}", "Connection: Upgrade", "Upgrade: h2c")],
    "a fragment": [get(f"/call?{QUERY}#part")],
}
HOSTILE = {
    "no HTTP": [b"\x16\x03\x01\x02\x00\x01"],
    "a bad method": [b"GET\x00 /call HTTP/1.1\r\n\r\n"],
    "a bad version": [b"GET /call HTTP/9.9\r\nHost: a\r\n\r\n"],
    "spaces in the path": [b"GET /call ?a HTTP/1.1\r\nHost: a\r\n\r\n"],
    "bytes in the query": [b"GET /call?from=\xff\xfe HTTP/1.1\r\nHost: flows.localhost\r\n\r\n"],
    "bytes in the path": [b"GET /call/\xc3\xa9/a?ticket=x HTTP/1.1\r\nHost: flows.localhost\r\n\r\n"],
    "two lengths": [get("/call", "Content-Length: 4", "Content-Length: 5", method="POST") + b"12345"],
    "a length and chunks": [get("/call", "Content-Length: 4", "Transfer-Encoding: chunked", method="POST") + b"0\r\n\r\n"],
    "a bad length": [get("/call", "Content-Length: -4", method="POST") + b"12345"],
    "bad chunks": [get("/call", "Transfer-Encoding: chunked", method="POST") + b"zz\r\nab\r\n0\r\n\r\n"],
    "a bare newline": [b"GET /call HTTP/1.1\nHost: flows.localhost\n\n"],
    "a folded header": [b"GET /call HTTP/1.1\r\nHost: flows.localhost\r\n more\r\n\r\n"],
    "a header without a colon": [b"GET /call HTTP/1.1\r\nHost flows\r\n\r\n"],
    "bytes in a header": [b"GET /call HTTP/1.1\r\nHost: \xff\xfe\r\n\r\n"],
    "rubbish after an answer": [get(f"/call?{QUERY}"), b"\x00\x01\x02"],
    "rubbish after close": [get(f"/call?{QUERY}", "Connection: close") + b"rubbish\r\n\r\n"],
    "half a request": [b"GET /call HTTP/1.1\r\nHos"],
    "CONNECT": [b"CONNECT /call HTTP/1.1\r\nHost: a\r\n\r\n"],
    "a line break in the query": [b"GET /call?from=1%0d%0aX:1 HTTP/1.1\r\nHost: flows.localhost\r\n\r\n"],
}


@pytest.mark.parametrize("kind", AT_ONCE)
def test_a_call_that_needs_nothing_slow_gets_the_same_bytes_without_a_task(make_server, kind):
    sent, tasks = compare(make_server, *AT_ONCE[kind])
    assert sent.startswith(b"HTTP/1.1 ")
    assert tasks == 0


@pytest.mark.parametrize("kind", BY_ASGI)
def test_every_other_request_takes_the_way_by_asgi_and_gets_the_same_bytes(make_server, kind):
    sent, tasks = compare(make_server, *BY_ASGI[kind])
    assert sent.startswith(b"HTTP/1.1 ")
    assert tasks > 0


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_input_gets_what_uvicorn_gives_it(make_server, kind):
    compare(make_server, *HOSTILE[kind])


def test_rubbish_behind_a_whole_request_is_refused_after_its_answer(make_server):
    async def ask() -> bytes:
        return await Served(make_server([]).app, CallHttpProtocol).send(get(f"/call?{QUERY}") + b"\x00\x01\x02")

    answer, _, refusal = run_bounded(ask()).partition(b"</Response>")
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert refusal.startswith(b"HTTP/1.1 400 Bad Request")


@pytest.mark.parametrize("path", [f"/call?{QUERY}", f"/call?{SLOW}"])
@pytest.mark.parametrize("is_split", [False, True], ids=["at once", "in pieces"])
@pytest.mark.parametrize("protocol_class", [CallHttpProtocol, BoundedHttpProtocol])
def test_what_follows_a_body_is_no_header_as_a_proxy_has_not_looked_at_it(make_server, path, is_split, protocol_class):
    """A sender that may not call adds the header of a trusted proxy as a trailer."""
    overrides = {"allowed_sources": ("203.0.113.0/24",), "trusted_proxies": ("10.0.0.0/8",), "token": ("secret",)}
    head = get(f"{path}&token=secret", "Transfer-Encoding: chunked", method="POST")
    body, trailer = b"1\r\nx\r\n0\r\n", b"X-Forwarded-For: 203.0.113.9\r\n\r\n"

    async def ask(given: bytes, *more: bytes) -> bytes:
        server = make_server([], **overrides)
        return await Served(server.app, protocol_class, "10.0.0.1").send(given, *more)

    forged = run_bounded(ask(*([head, body, trailer] if is_split else [head + body + trailer])))
    assert forged.startswith(b"HTTP/1.1 403 ")
    honest = head.replace(b"\r\n\r\n", b"\r\n" + trailer) + body + b"\r\n"
    assert run_bounded(ask(honest)).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("client", "overrides"),
    [
        ("127.0.0.1", {"token": ("secret",)}),
        ("127.0.0.1", {"public_url": "https://calls.example.com"}),
        ("72.21.26.35", {}),
        ("72.21.26.35", {"token": ("secret",), "allowed_sources": ("72.21.26.0/24",)}),
        ("10.0.0.1", {"token": ("secret",), "allowed_sources": ("72.21.26.0/24",), "trusted_proxies": ("10.0.0.0/8",)}),
        ("10.0.0.2", {"token": ("secret",), "allowed_sources": ("72.21.26.0/24",)}),
    ],
)
@pytest.mark.parametrize("token", ["", "&token=secret", "&token=wrong"])
def test_both_ways_trust_the_same_requests(make_server, client, overrides, token):
    asked = get(f"/call?{QUERY}{token}", "X-Forwarded-For: 1.2.3.4, 72.21.26.35", "X-Forwarded-Proto: https")
    _, tasks = compare(make_server, asked, client=client, **overrides)
    assert tasks == 0


def test_a_call_comes_back_with_its_ticket_the_same_way(make_server):
    server = make_server([])
    (url,) = list_callback_urls(server.send_request(params={"from": "+12015550999", "to": "12015550123", "call": "c1"}))
    path = "/" + url.split("/", 3)[3]
    sent, tasks = compare(make_server, get(f"{path}&dtmf=1234"), get(f"{path}&dtmf=12"), get(path.replace("desk", "slow")))
    assert b"It is 1234." in sent
    assert tasks == 0


@pytest.mark.parametrize("protocol_class", [CallHttpProtocol, BoundedHttpProtocol])
def test_a_connection_for_which_there_is_no_memory_is_closed_and_keeps_no_caller_waiting(monkeypatch, protocol_class):
    def find_no_memory(_protocol: object, _transport: object) -> None:
        raise MemoryError

    monkeypatch.setattr(HttpToolsProtocol, "connection_made", find_no_memory)
    loop = asyncio.new_event_loop()
    protocol, transport = (
        protocol_class(uvicorn.Config(CallEndpoint, log_config=None), ServerState(), {}, loop),
        FakeTransport(),
    )
    with pytest.raises(MemoryError):
        protocol.connection_made(transport)
    loop.close()
    assert transport.is_closed


@pytest.mark.parametrize("broken", ["on_header", "on_headers_complete", "on_body"])
def test_a_caller_hears_the_apology_if_the_request_cannot_be_read_here(make_server, monkeypatch, broken):
    def find_no_memory(*_arguments: object) -> None:
        raise MemoryError

    monkeypatch.setattr(HttpToolsProtocol, broken, find_no_memory)
    server = make_server([])

    async def ask(request: bytes) -> bytes:
        return await Served(server.app, CallHttpProtocol).send(request)

    # HTTP/1.0 takes uvicorn's way, and its own methods: all other calls need neither of the last two.
    reply = run_bounded(ask(post(BODY).replace(b"HTTP/1.1", b"HTTP/1.0")))
    assert reply.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"connection: close" in reply
    assert b"your call cannot be taken right now" in reply
    # An event must not be acknowledged, since it was not stored.
    assert run_bounded(ask(post(BODY, path="/webhook"))).startswith(b"HTTP/1.1 400 ")
    assert run_bounded(ask(b"GET /call HTTP/9 x\r\n\r\n")).startswith(b"HTTP/1.1 400 ")


def test_a_caller_hears_the_apology_if_the_answer_cannot_be_sent(make_server, monkeypatch):
    def find_no_memory(*_arguments: object) -> None:
        raise MemoryError

    monkeypatch.setattr(call_protocol, "build_response", find_no_memory)
    server = make_server([])

    async def ask() -> bytes:
        served = Served(server.app, CallHttpProtocol)
        reply = await served.send(get(f"/call?{QUERY}"))
        assert served.transport.is_closed
        return reply

    reply = run_bounded(ask())
    assert reply.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"your call cannot be taken right now" in reply


@pytest.mark.parametrize("protocol_class", [CallHttpProtocol, BoundedHttpProtocol])
def test_an_effect_is_on_the_disk_before_the_caller_hears_of_it(make_server, protocol_class):
    server = make_server([])
    sent_before_effects = []

    async def ask() -> None:
        served = Served(server.app, protocol_class)
        queue = server.effect_sender.queue_effect

        def queue_effect(effect: Effect) -> None:
            sent_before_effects.append(served.transport.sent)
            queue(effect)

        server.effect_sender.queue_effect = queue_effect
        await served.send(get(f"/call?{QUERY.replace('0123', '0127')}"))
        assert b"We have sent you a text." in served.transport.sent

    run_bounded(ask())
    assert sent_before_effects == [b""]


@pytest.mark.parametrize("path", [f"/call?{QUERY}", f"/call?{SLOW}", "/call", "/call/desk/start?ticket=x"])
def test_any_other_asgi_server_gets_the_same_answer(make_server, path):
    reply = send_request(make_server([]).app, path, headers={"host": "flows.localhost"})

    async def ask() -> bytes:
        return await Served(make_server([]).app, CallHttpProtocol).send(get(path))

    head, _, body = run_bounded(ask()).partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    assert (int(status.split()[1]), body) == (reply.status_code, reply.content)
    assert lines[1:] == [f"{name}: {value}" for name, value in reply.headers.items()]


@pytest.mark.parametrize("options", [{"root_path": "/api"}, {"limit_concurrency": 1}, {"headers": [("X-Served-By", "a")]}])
def test_options_of_uvicorn_mean_the_same_both_ways(make_server, options):
    compare(make_server, get(f"/call?{QUERY}"), get(f"/api/call?{QUERY}"), options=options)


def test_a_client_that_does_not_read_gets_no_answer_before_it_reads(make_server):
    async def ask() -> None:
        served = Served(make_server([]).app, CallHttpProtocol)
        served.protocol.pause_writing()
        served.protocol.data_received(get(f"/call?{QUERY}") * 3)
        for _ in range(10):
            await asyncio.sleep(0)
        assert (served.transport.sent, served.transport.reads) == (b"", False)
        served.protocol.resume_writing()
        assert (await served.send()).count(b"HTTP/1.1 200") == 3
        assert served.transport.reads

    run_bounded(ask())


def test_a_server_that_ends_closes_idle_connections_and_answers_what_it_has_begun(make_server):
    async def ask() -> None:
        idle, busy = (Served(make_server([]).app, CallHttpProtocol) for _ in range(2))
        await idle.send(get(f"/call?{QUERY}"))
        idle.protocol.shutdown()
        assert idle.transport.is_closed
        busy.protocol.data_received(get(f"/call?{SLOW}"))
        busy.protocol.shutdown()
        assert not busy.transport.is_closed
        sent = await busy.send()
        assert b"connection: close" in sent
        assert b"You are Ann." in sent
        assert busy.transport.is_closed

    run_bounded(ask())


@pytest.mark.parametrize("path", [f"/call?{QUERY}", f"/call?{SLOW}", "/elsewhere"])
def test_a_server_that_ends_answers_the_request_that_is_on_its_way(make_server, path):
    async def ask() -> None:
        fresh = Served(make_server([]).app, CallHttpProtocol)
        fresh.protocol.shutdown()
        assert not fresh.transport.is_closed
        sent = await fresh.send(get(path))
        assert sent.startswith(b"HTTP/1.1 404" if path == "/elsewhere" else b"HTTP/1.1 200")
        assert b"connection: close" in sent
        assert fresh.transport.is_closed

    run_bounded(ask())


def test_a_server_that_ends_waits_only_for_a_moment_for_a_request(make_server, monkeypatch):
    async def connect() -> None:
        monkeypatch.setattr(http_protocol, "DRAIN_SECONDS", 0.01)
        fresh = Served(make_server([]).app, CallHttpProtocol)
        fresh.protocol.shutdown()
        await wait_until_async(lambda: fresh.transport.is_closed, "the end of the connection")

    run_bounded(connect())


def test_a_connection_is_closed_when_nothing_came_for_the_keep_alive_time(make_server):
    async def ask() -> None:
        loop = asyncio.get_running_loop()
        served = Served(make_server([]).app, CallHttpProtocol, timeout_keep_alive=0.2)
        began = loop.time()
        while loop.time() < began + 0.3 and not served.transport.is_closed:
            last = loop.time()
            await served.send(get(f"/call?{QUERY}"))
            await asyncio.sleep(0.02)
        await wait_until_async(lambda: served.transport.is_closed, "the end of an idle connection")
        assert loop.time() - last > 0.1

    run_bounded(ask())


def test_a_request_that_has_begun_is_not_closed_as_idle_and_has_the_time_for_headers(make_server, monkeypatch):
    monkeypatch.setattr("callflows.web.http_protocol.HEADER_TIMEOUT_SECONDS", 0.3)

    async def ask() -> None:
        loop = asyncio.get_running_loop()
        served = Served(make_server([]).app, CallHttpProtocol, timeout_keep_alive=0.1)
        await served.send(get(f"/call?{QUERY}"))
        assert served.protocol._header_timer is None  # noqa: SLF001 - a whole request needs no timer
        served.protocol.data_received(b"GET /ca")
        began = loop.time()
        await wait_until_async(lambda: served.transport.is_closed, "the end of a connection that sends no headers")
        assert loop.time() - began > 0.2

    run_bounded(ask())


def test_an_answer_that_cannot_be_recorded_closes_the_connection_and_is_no_invalid_request(make_server):
    server = make_server([])

    def fail(*_arguments: object) -> None:
        raise JournalError("no")

    server.engine.record = fail

    async def ask() -> Served:
        served = Served(server.app, CallHttpProtocol)
        await served.send(get(f"/call?{QUERY}"))
        return served

    served = run_bounded(ask())
    assert served.transport.is_closed
    assert served.transport.sent.count(b"HTTP/1.1") == 1
    assert "an answer could not be sent" in server.log.getvalue()


def test_the_uvicorn_that_is_installed_lets_calls_be_answered_in_the_protocol():
    """If this fails with a new uvicorn, see what it changed in its httptools protocol, and change call_protocol.py."""
    assert explain_unfit_uvicorn() == ""
    assert choose_http_protocol() == "callflows.web.call_protocol:CallHttpProtocol"


def _raise_type_error(*_arguments: object, **_named: object) -> None:
    raise TypeError("another constructor")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"__init__": _raise_type_error}, "another constructor"),
        ({"on_body": lambda _self, _body, _more: None}, "on_body()"),
        ({"on_message_begin": lambda _self: None}, "scope"),
        ({"timeout_keep_alive_handler": property()}, "timeout_keep_alive_handler"),
    ],
)
def test_another_uvicorn_answers_calls_by_asgi_and_the_log_says_so_once(monkeypatch, changes, reason, make_server):
    server = make_server([])
    unknown = type("UnknownProtocol", (BoundedHttpProtocol,), changes)
    assert reason in explain_unfit_uvicorn(unknown)
    monkeypatch.setattr(call_protocol, "explain_unfit_uvicorn", lambda: explain_unfit_uvicorn(unknown))
    assert choose_http_protocol() == "callflows.web.http_protocol:BoundedHttpProtocol"
    (line,) = [line for line in server.log.getvalue().splitlines() if "uvicorn" in line]
    assert "answered more slowly" in line
