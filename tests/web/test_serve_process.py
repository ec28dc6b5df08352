"""``callflows serve``, as a process that Opentact requests over HTTP."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import httpx
import pytest
from in_process_server import CALL_FIELDS, DESK, is_fallback, list_callback_urls, list_spoken_texts, read_document

from callflows.outbound_http import get_tls_context
from callflows.settings import Settings
from callflows.text import format_address
from command_process import CommandProcess, build_environment, find_free_port, run_callflows, run_serve
from waiting import wait_for_exit, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

BROKEN = DESK.replace("0123", "0124").replace(
    "- say: Hello", "- when: caller.number[0] - 1\n      hangup:\n    - say: Hello"
)


TOKEN = "sesame"  # noqa: S105 - of the tests
PASSWORD = "correct horse battery"  # noqa: S105 - as above
ASKED = {**CALL_FIELDS, "token": TOKEN}


class Served(NamedTuple):
    process: CommandProcess
    http: httpx.Client
    port: int
    log: Path
    console_url: str


@contextlib.contextmanager
def serving(folder: Path, *, err: int | None = None, **settings: str) -> Iterator[Served]:
    """A server in a folder of its own; ``err`` is where its log goes, else a file."""
    flows = folder / "callflows"
    flows.mkdir()
    (flows / "desk.yaml").write_text(DESK, encoding="utf-8")
    (flows / "broken.yaml").write_text(BROKEN, encoding="utf-8")
    with (
        run_serve(folder, env=build_environment(**settings), stderr=err) as (process, url),
        httpx.Client(base_url=url, trust_env=False, verify=get_tls_context(), timeout=5) as http,
    ):
        port = int(url.rpartition(":")[2])
        yield Served(process, http, port, folder / "log", f"http://127.0.0.1:{settings.get('console_port', port)}")


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    with serving(
        folder, token=TOKEN, deadline_ms="300", console_port=str(find_free_port()), console_password=PASSWORD
    ) as found:
        yield found


def test_a_call_is_answered_and_goes_on(served):
    reply = served.http.get("/call", params=ASKED)
    assert list_spoken_texts(read_document(reply))[0] == "Hello  from +12015550999."
    (url, *_) = list_callback_urls(reply)
    assert url.startswith(f"http://127.0.0.1:{served.port}/call/desk/menu?ticket=")
    assert list_spoken_texts(read_document(served.http.get(f"{url}&dtmf=1&from=x")))[0] == "Press 1."


def test_a_call_by_post_is_answered(served):
    body = {"from": "+12015550999", "to": "12015550123", "meta": {"cid_name": "Ann"}}
    assert (
        list_spoken_texts(read_document(served.http.post("/call?token=sesame", json=body)))[0]
        == "Hello Ann from +12015550999."
    )


def test_a_stranger_is_refused(served):
    assert served.http.get("/call", params=CALL_FIELDS).status_code == 403
    assert served.http.get("/call", params={**CALL_FIELDS, "token": "x"}).status_code == 403


def test_a_raw_plus_in_the_query_is_a_number(served):
    reply = served.http.get("/call?token=sesame&from=+12015550999&to=+12015550123")
    assert list_spoken_texts(read_document(reply))[0] == "Hello  from +12015550999."


@pytest.mark.parametrize("size", [100_000, 1_000_000, 20_000_000])
def test_a_huge_body_gets_a_document(served, size):
    reply = served.http.post("/call", params=ASKED, content=b" " * size)
    assert list_spoken_texts(read_document(reply))[0] == "Hello  from +12015550999."


def talk(served: Served, sent: bytes) -> bytes:
    """What comes back for octets on the wire."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as wire:
        wire.sendall(sent)
        found = b""
        with contextlib.suppress(ConnectionResetError):
            while b"</Response>" not in found and (part := wire.recv(65_536)):
                found += part
        return found


LINE = b"/call?token=sesame&from=%2B12015550999&to=12015550123 HTTP/1.1\r\nhost: x\r\n"


def test_a_body_that_is_promised_and_never_comes_does_not_keep_the_caller_waiting(served):
    found = talk(served, b"POST " + LINE + b"content-length: 1000\r\n\r\n{")
    assert found.startswith(b"HTTP/1.1 200 OK")
    assert b"Hello" in found


def test_a_body_in_broken_chunks_gets_an_answer(served):
    assert talk(served, b"POST " + LINE + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n").startswith(
        b"HTTP/1.1 200"
    )


def test_a_head_request_is_answered_and_the_connection_lives_on(served):
    reply = served.http.head("/call", params=ASKED)
    assert (reply.status_code, reply.content) == (200, b"")
    assert served.http.get("/healthz").status_code == 200


def test_a_console_with_a_port_of_its_own_is_nowhere_else_and_has_nothing_else(served):
    with httpx.Client(base_url=served.console_url, trust_env=False, verify=get_tls_context()) as there:
        asked = there.get("/console/calls")
        assert (asked.status_code, asked.headers["location"]) == (303, "/console/login?next=/console/calls")
        signed_in = there.post("/console/login", data={"password": PASSWORD}, headers={"sec-fetch-site": "same-origin"})
        assert signed_in.status_code == 303
        assert there.get("/console/").status_code == 200
        assert there.get("/").headers["location"] == "/console/"
        assert [there.get(path, params=ASKED).status_code for path in ("/call", "/healthz", "/api/v1/calls")] == [404] * 3
    assert [served.http.get(path).status_code for path in ("/console", "/console/", "/console/login")] == [404] * 3


def test_a_flow_that_raises_gets_its_fallback(served):
    assert is_fallback(served.http.get("/call", params={**ASKED, "to": "12015550124"}))


def test_the_counters_count(served):
    served.http.get("/call", params=ASKED)
    assert 'callflows_answers_total{flow="desk",outcome="answered"}' in served.http.get("/metrics").text


@pytest.mark.parametrize("token", [{"token": TOKEN}, {}], ids=["with a token", "without one"])
def test_what_it_says_when_it_starts_is_how_to_try_it(tmp_path, token):
    with serving(tmp_path, log_format="text", **token) as served:
        greeting = served.log.read_text()
    assert f"remote call control URL: http://127.0.0.1:{served.port}/call\n" in greeting
    assert f'curl "http://127.0.0.1:{served.port}/call?' in greeting
    assert ("CALLFLOWS_TOKEN&from" in greeting, "?token=" in greeting) == ((True, True) if token else (False, False))
    assert "sesame" not in greeting


def test_a_folder_without_flows_names_the_command_that_begins_one(tmp_path):
    with serving(tmp_path, log_format="text", flows="elsewhere") as served:
        greeting = served.log.read_text()
    assert "callflows new front-desk --template front-desk" in greeting


def test_no_line_for_people_stands_among_log_lines_of_json(served):
    lines = [json.loads(line) for line in served.log.read_text().splitlines()]
    (greeting,) = (line for line in lines if line["event"] == "callflows serves")
    assert greeting["address"] == f"127.0.0.1:{served.port}"


def test_a_port_that_another_program_uses_is_said_before_anything_else(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        done = run_callflows("serve", "--port", str(other.getsockname()[1]), cwd=tmp_path)
    assert done.returncode == 2
    assert "another program uses this port" in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr
    assert "remote call control URL" not in done.stderr
    assert json.loads(done.stderr)["level"] == "error", "a program reads the log, as it is JSON by default"


def test_an_address_that_the_machine_has_not_is_said_with_what_to_write(tmp_path):
    for host in ("192.0.2.1", "127.0.0.1:8000", "http://localhost"):
        done = run_callflows("serve", "--host", host, "--port", "1", cwd=tmp_path)
        assert done.returncode == 2
        assert "this machine has no such address" in done.stderr
        assert "give --host a host alone, as 127.0.0.1" in done.stderr


def test_the_address_of_a_server_is_written_as_in_a_url_and_read_so():
    assert Settings(host="[::1]").host == "::1"
    assert [format_address(host, 8000) for host in ("::1", "127.0.0.1")] == ["[::1]:8000", "127.0.0.1:8000"]


def test_its_log_is_lines_of_json_that_name_nobody(served):
    served.http.get("/call", params={**ASKED, "from": "+12015557654"})
    wait_until(lambda: '"...7654.' in served.log.read_text(), "the line of the call", log=served.log)
    lines = [line for line in served.log.read_text().splitlines() if line.startswith("{")]
    assert "...7654" in [json.loads(line).get("caller", "").rpartition(".")[0] for line in lines]
    assert not [line for line in lines if "12015557654" in line or "sesame" in line]


def test_a_log_that_nobody_reads_keeps_no_caller_waiting(tmp_path):
    unread, writing = os.pipe()
    with open(unread, "rb"), open(writing, "wb") as log, serving(tmp_path, err=log.fileno()) as served:  # noqa: PTH123 - a pipe
        for _ in range(150):
            assert is_fallback(served.http.get("/call", params={**CALL_FIELDS, "to": "12015550124"}))
        assert list_spoken_texts(read_document(served.http.get("/call", params=CALL_FIELDS)))


def test_a_log_on_a_full_disk_keeps_no_caller_waiting(tmp_path):
    with Path("/dev/full").open("w") as full, serving(tmp_path, err=full.fileno()) as served:
        for _ in range(3):
            assert is_fallback(served.http.get("/call", params={**CALL_FIELDS, "to": "12015550124"}))
        assert list_spoken_texts(read_document(served.http.get("/call", params=CALL_FIELDS)))
        assert 'outcome="fallback"} 3.0' in served.http.get("/metrics").text


def test_several_processes_answer_one_call(tmp_path):
    with serving(tmp_path, workers="2", console_port=str(find_free_port())) as served:
        for _ in range(6):
            with httpx.Client(base_url=served.http.base_url, trust_env=False, verify=get_tls_context()) as another:
                (url, *_) = list_callback_urls(another.get("/call", params=CALL_FIELDS))
                assert read_document(served.http.get(url))
                assert another.get(f"{served.console_url}/console/login").status_code == 200


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_that_can_keep_no_key_says_so_once_and_does_not_start(workers, tmp_path):
    (tmp_path / "callflows").mkdir()
    (tmp_path / "data").write_text("a file, and no folder", encoding="utf-8")
    options = ["--workers", workers, "--port", str(find_free_port())]
    done = run_callflows("serve", *options, cwd=tmp_path, env=build_environment(data=str(tmp_path / "data")))
    assert done.returncode == 2
    assert "callflows: CALLFLOWS_SECRET_KEYS is not set and no key can be kept in " in done.stderr, done.stderr
    assert "a file is where a folder must be" in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr


def test_every_worker_gives_the_counts_of_all(tmp_path):
    def read_counts(served: Served) -> dict[str, float]:
        with httpx.Client(base_url=served.http.base_url, trust_env=False, verify=get_tls_context()) as another:
            lines = another.get("/metrics").text.splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}

    old = tmp_path / "data" / "metrics" / "1999999999"
    old.mkdir(parents=True)
    (old / "7.json").write_text("{}", encoding="utf-8")
    with serving(tmp_path, workers="3") as served:
        for _ in range(60):
            with httpx.Client(base_url=served.http.base_url, trust_env=False, verify=get_tls_context()) as another:
                another.get("/call", params=CALL_FIELDS)
        name = 'callflows_answers_total{flow="desk",outcome="answered"}'

        def list_workers(counts: dict[str, float]) -> list[str]:
            return [key for key in counts if key.startswith("process_cpu_seconds_total{")]

        def are_all_counted() -> bool:
            counts = read_counts(served)
            return counts.get(name) == 60 and len(list_workers(counts)) == 3

        wait_until(are_all_counted, "the counts of all workers")
        found = [read_counts(served) for _ in range(8)]
        assert {counts[name] for counts in found} == {60}
        assert {counts["callflows_answer_seconds_count"] for counts in found} == {60}
        assert {counts['callflows_flows{state="live"}'] for counts in found} == {2}
        workers = {tuple(list_workers(counts)) for counts in found}
        assert [len(names) for names in workers] == [3], "every worker names all three"
    assert not old.exists()


def test_it_ends_when_it_is_told_to(tmp_path):
    with serving(tmp_path) as served:
        served.http.get("/call", params=CALL_FIELDS)
        served.process.send_signal(signal.SIGTERM)
        assert wait_for_exit(served.process, 10) in (0, -signal.SIGTERM)
        assert "Traceback" not in served.log.read_text()
        assert '"event": "answered"' in served.log.read_text()
