"""Three servers with one PostgreSQL behind nginx are one: calls move between them, and none is lost by a replacement."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest

from callflows.flows.hours.overrides import (
    SHARED_OVERRIDES_FILE_NAME,
    HoursOverride,
    add_override,
    cancel_overrides,
    choose_override_folder,
)
from callflows.outbound_http import get_tls_context
from callflows.web.console.console_sessions import SessionSigner

sys.path += [str(Path(__file__).parents[1] / name) for name in ("rehearsal", "journal")]
from stand_in_harness import TOKEN, run_harness
from temporary_databases import create_database, explain_unreachable

from command_process import CommandProcess, build_environment, find_free_port
from waiting import kill_process, run_bounded, stop_process, wait_for_exit, wait_for_server, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

MISSING = explain_unreachable()
KEY = "a-key-that-all-servers-have"
ASKED = {"from": "+12015550999", "to": "12015550123", "token": "knock-knock-knock"}
FLOW = """
numbers: +12015550123
hours: {office: {mon-sun: "00:00-24:00"}}
nodes:
  start:
    - when: not hours.office.open
      say: We are closed.
    - say: Version 1, call {{ caller.calls_today }}.
    - goto: menu
  menu:
    - menu: {prompt: Press 1 in version 1., keys: {1: menu, 2: end}, attempts: 1, otherwise: end}
  end:
    - say: Goodbye.
fallback:
  - say: We are sorry.
"""


class Replica:
    """A server with a folder and a port of its own."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self.folder = folder
        self.flow = folder / "callflows" / "desk.yaml"
        self.flow.parent.mkdir(parents=True)
        self.flow.write_text(FLOW, encoding="utf-8")
        self.data = folder / "data"
        self.port = find_free_port()
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}", trust_env=False, verify=get_tls_context(), timeout=5
        )
        self._environment = build_environment(**settings)
        self.log = folder / "log"

    def start(self) -> None:
        with self.log.open("a") as log:
            arguments = ["serve", "--port", str(self.port)]
            self.process = CommandProcess(arguments, cwd=self.folder, env=self._environment, stderr=log)

    def wait_for_start(self) -> None:
        wait_for_server(self.process, f"http://127.0.0.1:{self.port}/healthz", self.log)

    def ring(self, **more: str) -> str:
        """The document of a call."""
        reply = self.http.get("/call", params={**ASKED, **more})
        assert reply.status_code == 200
        return reply.text

    def read_status(self) -> dict:
        return self.http.get("/readyz").json()

    @property
    def hears_events(self) -> bool:
        return bool(self.read_status()["events"]["connected"])


def find_next_path(document: str, call: str) -> str:
    """Where a call goes on after key 1, without the host, as Opentact asks."""
    found = re.search(r'url="http://[^/]+(/call/desk/menu\?[^"]*)"', document)
    assert found, document
    return f"{found[1].replace('&amp;', '&')}&dtmf=1&call={call}"


@contextlib.contextmanager
def run_stand_in() -> Iterator[tuple[str, str]]:
    """A stand-in in a thread of its own: its addresses for REST and for events."""
    found: list[tuple[str, str]] = []
    begun, ending = threading.Event(), threading.Event()

    async def run() -> None:
        async with run_harness() as harness:
            found.append((harness.server.rest_url, harness.events_url))
            begun.set()
            await asyncio.to_thread(ending.wait)

    thread = threading.Thread(target=lambda: run_bounded(run()), daemon=True)
    thread.start()
    assert begun.wait(20)
    try:
        yield found[0]
    finally:
        ending.set()
        thread.join(20)


@pytest.fixture
def database(tmp_path) -> Iterator[str]:
    with create_database("postgresql", tmp_path) as url:
        yield url


@pytest.fixture
def replicas(tmp_path, database) -> Iterator[list[Replica]]:
    """Three servers that began at the same moment, with an empty database."""
    with run_stand_in() as (rest_url, events_url):
        settings = {
            "TOKEN": ASKED["token"],
            "SECRET_KEYS": KEY,
            "DATABASE_URL": database,
            "OPENTACT_TOKEN": TOKEN,
            "OPENTACT_URL": rest_url,
            "OPENTACT_EVENTS_URL": events_url,
            "LINE_CHECK_SECONDS": "0",
            "CONSOLE_PASSWORD": "a-long-password",
        }
        found = [Replica(tmp_path / name, settings) for name in ("one", "two", "three")]
        for replica in found:
            replica.start()
        try:
            for replica in found:
                replica.wait_for_start()
            yield found
        finally:
            for replica in found:
                replica.process.send_signal(signal.SIGCONT)
                stop_process(replica.process)
                replica.http.close()


def check_that_servers_that_begin_at_once_make_the_tables_once(replicas, database):
    for replica in replicas:
        wait_until(lambda replica=replica: replica.read_status()["journal"]["database"] == "ok", "the database")
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)
    errors = [line for replica in replicas for line in replica.log.read_text().splitlines() if '"level": "error"' in line]
    assert not errors


def check_that_a_call_moves_to_another_server_with_every_key(replicas, database):
    call = "a-call-that-moves"
    path = find_next_path(replicas[0].ring(call=call), call)
    for replica in (*replicas[1:], *replicas):
        reply = replica.http.get(path)
        assert "Press 1 in version 1." in reply.text
        path = find_next_path(reply.text, call)
    with psycopg.connect(database) as connection:

        def count_turns() -> int:
            ((count,),) = connection.execute("SELECT count(*) FROM turns WHERE call = 'a-call-that-moves'").fetchall()
            connection.rollback()
            return count

        wait_until(lambda: count_turns() == 6, "the turns of all servers in one story")


def check_that_calls_of_today_are_counted_together_and_a_repeated_request_once(replicas):
    caller = {"from": "+12015550777"}
    heard = [replica.ring(**caller, call=call) for replica, call in zip([*replicas, *replicas], "abcabc", strict=True)]
    assert [re.findall(r"call (\d)\.", document) for document in heard] == [["1"], ["2"], ["3"]] * 2


def check_that_an_override_of_one_server_holds_at_all_and_can_be_taken_back_at_another(replicas):
    now = datetime.now(UTC)
    closed = HoursOverride("desk", "office", open=False, start=None, until=now + timedelta(hours=1))
    first = replicas[0]
    wait_until((first.data / SHARED_OVERRIDES_FILE_NAME).exists, "the first exchange")
    add_override(choose_override_folder(first.flow.parent, first.data), closed, now)
    for replica in replicas:
        wait_until(lambda replica=replica: "We are closed." in replica.ring(), "the override")
    assert cancel_overrides(replicas[2].data, "desk", "office", now) == 1
    for replica in replicas:
        wait_until(lambda replica=replica: "We are closed." not in replica.ring(), "the usual hours")


def check_that_a_person_signs_in_at_one_server_and_sees_the_calls_of_another_at_a_third(replicas):
    replicas[0].ring(**{"from": "+12015550654"})
    link = replicas[1].http.get("/console/login/link", params={"code": SessionSigner([KEY.encode()]).sign_link()})
    assert link.status_code in (200, 303), link.text
    with httpx.Client(
        base_url=replicas[2].http.base_url, cookies=replicas[1].http.cookies, trust_env=False, verify=get_tls_context()
    ) as third:
        wait_until(lambda: "0654" in third.get("/console/calls").text, "the call on the page")


def check_that_another_server_hears_the_events_within_ten_seconds_if_the_one_that_does_hangs(replicas):
    wait_until(lambda: any(replica.hears_events for replica in replicas), "a server that hears events")
    (holder,) = (replica for replica in replicas if replica.hears_events)
    others = [replica for replica in replicas if replica is not holder]
    # A process that is stopped holds its lease, and looks alive: the others cannot know better than the lease.
    holder.process.send_signal(signal.SIGSTOP)
    stopped = time.monotonic()
    wait_until(lambda: any(replica.hears_events for replica in others), "another server that hears events", seconds=20)
    assert time.monotonic() - stopped < 10
    kill_process(holder.process)
    return others


@contextlib.contextmanager
def run_balancer(replicas, tmp_path) -> Iterator[str]:
    """The address of nginx before the servers, with the file that is shipped."""
    folder, port = tmp_path / "nginx", find_free_port()
    folder.mkdir()
    text = (Path(__file__).parents[2] / "deploy" / "nginx" / "replicas.conf").read_text(encoding="utf-8")
    servers = "\n".join(f"server 127.0.0.1:{replica.port} max_fails=0;" for replica in replicas)
    text = re.sub(r"(    server replica-.*\n)+", lambda _: servers, text).replace("8080", f"127.0.0.1:{port}")
    places = " ".join(f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    process_options = f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors;"
    (folder / "nginx.conf").write_text(f"{process_options} events {{}} http {{ {places} {text} }}")
    command = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)  # noqa: S603 - found above
    try:
        wait_for_server(process, f"http://127.0.0.1:{port}/healthz", folder / "errors")
        yield f"http://127.0.0.1:{port}"
    finally:
        stop_process(process)


def make_calls(url: str, name: str, ending: threading.Event) -> list[tuple[str, str]]:
    """Make calls with a key each, one after the other; return each call and what was wrong with it, or an empty text."""
    calls = []
    with httpx.Client(base_url=url, trust_env=False, verify=get_tls_context(), timeout=10) as http:
        while not ending.wait(0.05):
            call = f"{name}-{len(calls)}"
            wrong = ""
            try:
                begun = http.get("/call", params={**ASKED, "call": call})
                ended = http.get(find_next_path(begun.text, call))
                if (begun.status_code, ended.status_code) != (200, 200) or "Press 1" not in ended.text:
                    wrong = f"{begun.status_code} {ended.status_code} {ended.text}"
            except (httpx.HTTPError, AssertionError) as error:
                wrong = repr(error)
            calls.append((call, wrong))
    return calls


def check_that_servers_are_replaced_under_load_with_a_new_version_and_no_call_is_lost(
    replicas, replaced, database, tmp_path
):
    ending = threading.Event()
    with run_balancer(replicas, tmp_path) as balancer, ThreadPoolExecutor(2) as callers:
        making = [callers.submit(make_calls, balancer, f"load-{number}", ending) for number in range(2)]
        try:
            for replica in replaced:
                replica.flow.write_text(FLOW.replace("ersion 1", "ersion 2"), encoding="utf-8")
                replica.process.send_signal(signal.SIGTERM)
                assert wait_for_exit(replica.process, 20) in (0, -signal.SIGTERM)
                replica.start()
                replica.wait_for_start()
        finally:
            ending.set()
        calls = [call for made in making for call in made.result(20)]
    assert [wrong for _, wrong in calls if wrong] == []
    assert all("Version 2" in replica.ring() for replica in replaced)
    with psycopg.connect(database) as connection:

        def list_remembered() -> set[str]:
            rows = connection.execute("SELECT id FROM calls WHERE id LIKE 'load-%'").fetchall()
            connection.rollback()
            return {row[0] for row in rows}

        wait_until(lambda: list_remembered() == {call for call, _ in calls}, "every call in the log")
    assert len(calls) > 20


def check_that_the_log_of_every_server_is_json_and_has_no_fallback(replicas):
    lines = [json.loads(line) for replica in replicas for line in replica.log.read_text().splitlines()]
    assert not [line for line in lines if line["event"] == "fallback"]


@pytest.mark.skipif(bool(MISSING), reason=MISSING or "PostgreSQL is here")
@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed")
def test_three_servers_are_one(replicas, database, tmp_path):
    # One test, because the servers are started once: each part says in its name what it shows.
    check_that_servers_that_begin_at_once_make_the_tables_once(replicas, database)
    check_that_a_call_moves_to_another_server_with_every_key(replicas, database)
    check_that_calls_of_today_are_counted_together_and_a_repeated_request_once(replicas)
    check_that_an_override_of_one_server_holds_at_all_and_can_be_taken_back_at_another(replicas)
    check_that_a_person_signs_in_at_one_server_and_sees_the_calls_of_another_at_a_third(replicas)
    running = check_that_another_server_hears_the_events_within_ten_seconds_if_the_one_that_does_hangs(replicas)
    # The third server stays dead meanwhile, which costs no call either.
    check_that_servers_are_replaced_under_load_with_a_new_version_and_no_call_is_lost(replicas, running, database, tmp_path)
    check_that_the_log_of_every_server_is_json_and_has_no_fallback(replicas)
