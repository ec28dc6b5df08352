"""Connections that never complete a request keep no caller out, and no worker outlives the server."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
from test_serve_process import ASKED, PASSWORD, TOKEN, serving

from callflows.outbound_http import get_tls_context
from callflows.web import http_protocol
from callflows.web.bounded_bodies import BODY_SECONDS
from command_process import find_free_port
from waiting import kill_process, wait_until


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("served"), token=TOKEN, deadline_ms="300") as found:
        yield found


def connect_halfway(port: int, data: bytes) -> socket.socket:
    """A connection that sends the beginning of a request and then nothing."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=5)
    connection.sendall(data)
    return connection


def ask_by_new_connection(port: int) -> httpx.Response:
    """The answer to a call whose connection was never idle, so that the server has not closed it to make room."""
    return httpx.get(f"http://127.0.0.1:{port}/call", params=ASKED, timeout=30, trust_env=False, verify=get_tls_context())


@pytest.mark.parametrize("data", [b"", b"GET /call HTTP/1.1\r\nHost: a\r\nX-Half: ", b"GET /ca"])
def test_many_connections_with_half_a_request_keep_no_caller_out(served, data):
    waiting = [connect_halfway(served.port, data) for _ in range(http_protocol.MAX_WAITING_CONNECTIONS + 200)]
    try:
        for _ in range(5):
            assert ask_by_new_connection(served.port).status_code == 200
        closed = 0
        for connection in waiting[:200]:
            connection.settimeout(5)
            closed += connection.recv(1) == b""
        assert closed == 200
    finally:
        for connection in waiting:
            connection.close()


def test_a_connection_that_sends_no_headers_is_closed_after_a_while(served):
    connection = connect_halfway(served.port, b"GET /call HTTP/1.1\r\n")
    connection.settimeout(http_protocol.HEADER_TIMEOUT_SECONDS + 5)
    began = time.monotonic()
    assert connection.recv(1) == b""
    assert time.monotonic() - began > http_protocol.HEADER_TIMEOUT_SECONDS - 2
    connection.close()


def test_a_keep_alive_connection_may_wait_between_its_requests(served):
    for _ in range(3):
        assert served.http.get("/call", params=ASKED).status_code == 200


@pytest.mark.parametrize("path", ["/webhook", "/sms", "/call"])
def test_a_body_that_never_comes_is_answered_in_time(served, path):
    head = f"POST {path}?token={TOKEN} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n".encode()
    connection = connect_halfway(served.port, head)
    connection.settimeout(5)
    assert connection.recv(100).startswith(b"HTTP/1.1 200" if path == "/call" else b"HTTP/1.1 408")
    connection.close()


HEALTHZ = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
UNFINISHED = {
    "bodies": b"POST /console/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\nname=",
    "idle": HEALTHZ,
    "refused calls": b"GET /call HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "unread": HEALTHZ * http_protocol.MAX_REQUESTS_AT_ONCE,
}


@pytest.mark.parametrize("data", UNFINISHED.values(), ids=UNFINISHED)
def test_a_server_with_few_files_answers_callers_while_many_connections_wait_for_their_client(few_files, data):
    def is_answered() -> bool:
        with contextlib.suppress(httpx.TransportError):
            return ask_by_new_connection(few_files.port).status_code == 200
        return False

    waiting = [connect_halfway(few_files.port, data) for _ in range(400)]
    try:
        # The burst itself takes all files, and what it leaves takes a part. New connections are accepted in their order.
        wait_until(is_answered, "the first call after the burst", seconds=120)
        replies = [ask_by_new_connection(few_files.port) for _ in range(5)]
        assert [reply.status_code for reply in replies] == [200] * 5
    finally:
        for connection in waiting:
            connection.close()
    assert "ClientDisconnect" not in few_files.log.read_text(encoding="utf-8")


def test_more_requests_at_once_than_a_client_has_close_their_connection(served):
    most = http_protocol.MAX_REQUESTS_AT_ONCE
    for one in (HEALTHZ, HEALTHZ.replace(b"/healthz", b"/call?to=%2B12015550123")):
        with contextlib.closing(connect_halfway(served.port, one * (most + 1))) as connection:
            connection.settimeout(30)
            assert b"HTTP/1.1 400 " in read_to_the_end(connection)
    with contextlib.closing(connect_halfway(served.port, HEALTHZ * most)) as connection:
        connection.settimeout(30)
        read_answers(connection, most)
        connection.sendall(HEALTHZ * most)
        read_answers(connection, most)


def read_answers(connection: socket.socket, count: int) -> None:
    """Read answers until so many have come; the connection stays open."""
    answers = b""
    while answers.count(b"HTTP/1.1 200 ") < count or not answers.endswith(b"}"):
        part = connection.recv(65_536)
        assert part, answers[-300:]
        answers += part


@pytest.fixture(scope="module")
def few_files(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("few"), token=TOKEN, console_password=PASSWORD) as found:
        resource.prlimit(found.process.pid, resource.RLIMIT_NOFILE, (256, 256))  # before the first connection
        yield found


def read_to_the_end(connection: socket.socket) -> bytes:
    """What comes until the server closes the connection."""
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65_536):
            answer += part
    return answer


@pytest.mark.parametrize("path", ["/sms", "/call", "/healthz", "/console/login", "/nothing", "/api/v1/calls/a/notes"])
def test_a_body_that_comes_in_drops_ends_with_the_connection_soon_after_the_answer(served, path):
    head = f"POST {path}?token={TOKEN} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n".encode()
    with contextlib.closing(connect_halfway(served.port, head)) as connection:
        wait_until(lambda: is_refused(connection), "the end of the connection", seconds=30)


def is_refused(connection: socket.socket) -> bool:
    """Send one more byte, and return True if nobody is there any more."""
    try:
        connection.sendall(b"a")
    except OSError:
        return True
    return False


def test_a_body_of_a_stranger_is_not_read(served):
    head = b"POST /api/v1/replay HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n"
    with contextlib.closing(connect_halfway(served.port, head)) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 401")


@pytest.mark.parametrize("size", [70_000, 1_000_000])
@pytest.mark.parametrize("what", ["address", "header", "many headers"])
def test_headers_without_end_are_refused(served, what, size):
    texts = {
        "address": f"GET /call?a={'a' * size}",
        "header": f"GET /call HTTP/1.1\r\nX: {'a' * size}",
        "many headers": "GET /call HTTP/1.1\r\n" + "X: a\r\n" * (size // 6),
    }
    with contextlib.closing(connect_halfway(served.port, texts[what].encode())) as connection:
        assert read_to_the_end(connection)[:12] in (b"HTTP/1.1 400", b"")
    assert served.http.get("/call", params=ASKED).status_code == 200


def test_an_address_that_is_too_long_is_refused_and_is_no_error_of_the_server(served):
    with contextlib.closing(connect_halfway(served.port, b"GET /call?a=" + b"a" * 66_000)) as connection:
        assert read_to_the_end(connection)[:12] in (b"HTTP/1.1 400", b"")
    request = b"GET /call?a=%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"a" * 66_000)
    with contextlib.closing(connect_halfway(served.port, request)) as whole:
        whole.shutdown(socket.SHUT_WR)
        # A busy server may read all of the address at once: then the request is complete, and is answered.
        assert read_to_the_end(whole)[:12] in (b"HTTP/1.1 200", b"HTTP/1.1 400", b"")
    assert "an answer could not be sent" not in served.log.read_text(encoding="utf-8")


@pytest.mark.parametrize("count", [1, 3])
def test_who_only_ends_the_own_side_gets_every_answer(served, count):
    request = f"GET /call?{urlencode(ASKED)} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    slow = f"POST /sms?token={TOKEN} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{{}}".encode()
    with contextlib.closing(connect_halfway(served.port, slow * (count - 1) + request)) as connection:
        connection.shutdown(socket.SHUT_WR)
        answer = read_to_the_end(connection)
    assert answer.count(b"HTTP/1.1 ") == count
    assert answer.endswith(b"</Response>")


def test_a_body_that_comes_in_drops_does_not_hold_up_the_end_of_the_server(tmp_path):
    with serving(tmp_path, token=TOKEN, console_password=PASSWORD) as served:
        head = (
            f"POST /console/login HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nOrigin: http://127.0.0.1:{served.port}\r\n"
        )
        with contextlib.closing(connect_halfway(served.port, f"{head}Content-Length: 9999\r\n\r\n".encode())) as connection:
            connection.sendall(b"name=a")
            wait_until(lambda: not is_refused(connection), "the connection")
            served.process.send_signal(signal.SIGTERM)
            # Without the signal the body would have twice that time.
            wait_until(lambda: is_refused(connection), "the end of the connection", seconds=BODY_SECONDS / 2)


def test_a_body_in_drops_whose_headers_come_after_the_signal_does_not_hold_up_the_end_of_the_server(tmp_path):
    with serving(tmp_path, token=TOKEN, console_password=PASSWORD) as served:
        head = f"Origin: http://127.0.0.1:{served.port}\r\nContent-Length: 9999\r\n\r\n".encode()
        begin = f"POST /console/login HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n".encode()
        with contextlib.closing(connect_halfway(served.port, begin)) as connection:
            for _ in range(2):
                assert served.http.get("/call", params=ASKED).status_code == 200  # so that the server has read the half
            served.process.send_signal(signal.SIGTERM)
            wait_until(lambda: is_port_closed(served.port), "the shutdown")
            connection.sendall(head)
            # The headers are given two seconds from the signal on, and so is the body from the headers on.
            wait_until(lambda: is_refused(connection), "the end of the connection", seconds=BODY_SECONDS / 2)


def is_port_closed(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return True
    return False


def test_workers_end_with_their_parent_even_if_it_is_killed(tmp_path):
    with serving(tmp_path, token=TOKEN, workers="2") as served:
        children = Path(f"/proc/{served.process.pid}/task/{served.process.pid}/children")
        if not children.exists():
            pytest.skip("this system does not name the children of a process")
        workers = [int(pid) for pid in children.read_text().split()]
        os.kill(served.process.pid, signal.SIGKILL)
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), "the end of the workers")


HANGING_WORKER = """
import multiprocessing, os, signal, time
from callflows import server

def hang():
    server.WORKER_END_SECONDS = 0.1
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    server.end_with_parent_process()
    print(os.getpid(), flush=True)
    time.sleep(600)

multiprocessing.get_context("fork").Process(target=hang).start()
time.sleep(600)
"""


def test_a_worker_that_hangs_ends_with_its_parent_too():
    command = [sys.executable, "-c", HANGING_WORKER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:  # noqa: S603 - the lines above
        worker = int(parent.stdout.readline())
        kill_process(parent)
        try:
            wait_until(lambda: not is_process_alive(worker), "the end of the worker")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)


def is_process_alive(pid):
    """A process that has ended and that nobody has asked for its result counts as ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_public_server_without_a_token_does_not_start(tmp_path):
    with (
        pytest.raises(AssertionError, match="CALLFLOWS_TOKEN must be set"),
        serving(tmp_path, public_url="https://a.example"),
    ):
        pass


def test_a_server_of_this_machine_needs_no_token(tmp_path):
    with serving(tmp_path, public_url=f"http://127.0.0.1:{find_free_port()}") as served:
        assert served.http.get("/healthz").status_code == 200


def test_callers_are_answered_when_the_server_may_open_hardly_any_more_files(tmp_path):
    with serving(tmp_path, token=TOKEN) as found:
        assert ask_by_new_connection(found.port).status_code == 200
        folder = Path(f"/proc/{found.process.pid}/fd")
        before = resource.prlimit(found.process.pid, resource.RLIMIT_NOFILE)
        for _ in range(2):  # the second time, the reserve is there again
            resource.prlimit(found.process.pid, resource.RLIMIT_NOFILE, (len([*folder.iterdir()]) + 2, before[1]))
            request = f"GET /call?{urlencode(ASKED)} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
            with contextlib.ExitStack() as stack:
                for _ in range(20):
                    connection = stack.enter_context(contextlib.closing(connect_halfway(found.port, request)))
                    connection.settimeout(30)
                    assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
            resource.prlimit(found.process.pid, resource.RLIMIT_NOFILE, before)
            wait_until(lambda: ask_by_new_connection(found.port).status_code == 200, "an answer")
