"""Many turns are written by another process, which ends with its server and never keeps one from ending."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog
from store_helpers import build_answered_request

from callflows.journal import cpu_budget
from callflows.journal.journal import Journal
from callflows.journal.redacted_turns import TurnRedactor, pack_turns
from callflows.journal.spool import Spool
from callflows.journal.spool_drainer import DRAINER_PRIORITY, DrainerOptions, SpoolDrainer
from callflows.journal.sql_store import SqlStore
from callflows.journal.stored_rows import CallFilter
from callflows.web import spool_drain_process
from callflows.web.spool_drain_process import drain_until_idle
from waiting import join_thread, wait_for_exit, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def options(url, tmp_path):
    return DrainerOptions(url, str(tmp_path), 1.0, "json")


@pytest.fixture
def drainer(options) -> Iterator[SpoolDrainer]:
    made = SpoolDrainer(options)
    yield made
    made.stop()


def find_process(drainer: SpoolDrainer) -> subprocess.Popen[bytes]:
    assert drainer.process is not None
    return drainer.process


def is_alive(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def list_call_ids(url: str) -> list[str]:
    store = SqlStore(url)
    try:
        return sorted(row["id"] for row in store.list_calls(CallFilter()))
    finally:
        store.close()


def spool_calls(folder: Path, *calls: str) -> None:
    redactor = TurnRedactor()
    turns = [redactor.redact_turn(build_answered_request(2.0, call=call)) for call in calls]
    Spool(folder).append([], [pack_turns(turns, redactor.texts)])


def create_tables(url: str) -> None:
    """As a server has done before it has many calls."""
    store = SqlStore(url)
    store.open()
    store.close()


@pytest.fixture
def many_turns(monkeypatch):
    """A few turns a second are many."""
    monkeypatch.setattr(cpu_budget, "MANY_TURNS_PER_SECOND", 10)
    monkeypatch.setattr(cpu_budget, "RATE_CHECK_SECONDS", 0.1)


def record_calls(journal: Journal, calls: list[str], is_enough: Callable[[], object], awaited: str) -> None:
    """Record further calls, one after the other, until it is enough."""

    def record_call() -> object:
        calls.append(f"call-{len(calls):05}")
        journal.record_soon(build_answered_request(2.0 + len(calls), call=calls[-1]))
        return is_enough()

    wait_until(record_call, awaited)


@pytest.mark.usefixtures("many_turns")
def test_while_many_turns_come_another_process_writes_them_and_none_is_lost(url, tmp_path, drainer):
    journal = Journal(SqlStore(url), Spool(tmp_path), drainer=drainer)
    journal.start()
    calls: list[str] = []
    try:
        record_calls(journal, calls, lambda: journal.count_results()["spooled"] > 50, "turns in the spool")
        process = find_process(drainer)
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == DRAINER_PRIORITY
        assert process.poll() is None
        wait_until(lambda: list_call_ids(url) == calls, "all rows", process=process)
    finally:
        journal.stop()
    assert not is_alive(process.pid)


@pytest.mark.usefixtures("many_turns")
def test_no_turn_is_lost_when_the_process_is_killed(url, tmp_path, drainer):
    journal = Journal(SqlStore(url), Spool(tmp_path), drainer=drainer)
    calls: list[str] = []
    with structlog.testing.capture_logs() as lines:
        journal.start()
        try:
            record_calls(journal, calls, lambda: journal.count_results()["spooled"] > 50, "turns in the spool")
            killed = find_process(drainer)
            killed.kill()
            record_calls(journal, calls, lambda: drainer.process is not killed, "the end of the process")
            wait_until(lambda: list_call_ids(url) == calls, "all rows, written by the server itself")
        finally:
            journal.stop()
    assert [line["code"] for line in lines if line["log_level"] == "warning"] == [-9]


def test_the_process_writes_what_is_spooled_and_ends_when_nothing_comes(url, tmp_path, options, monkeypatch):
    monkeypatch.setattr(spool_drain_process, "IDLE_SECONDS", 0.5)
    create_tables(url)
    spool_calls(tmp_path, "a", "b")
    thread = threading.Thread(target=drain_until_idle, args=(options, threading.Event()))
    thread.start()
    wait_until(lambda: list_call_ids(url) == ["a", "b"], "the first calls")
    spool_calls(tmp_path, "c")
    wait_until(lambda: list_call_ids(url) == ["a", "b", "c"], "a call that was spooled later")
    join_thread(thread)
    assert not Spool(tmp_path).list_segments()


def test_the_process_ends_with_a_server_that_is_killed(options):
    server = (
        "import sys, time\n"
        "from callflows.journal.spool_drainer import DrainerOptions, SpoolDrainer\n"
        f"drainer = SpoolDrainer(DrainerOptions(*{tuple(options)!r}))\n"
        "assert drainer.ensure_running()\n"
        "print(drainer.process.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", server]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603 - as above
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        assert is_alive(pid)
        process.kill()
    wait_until(lambda: not is_alive(pid), "the end of the process")


@pytest.mark.parametrize(("number", "ends"), [(signal.SIGINT, False), (signal.SIGTERM, True)], ids=["Ctrl-C", "SIGTERM"])
def test_a_signal_for_all_processes_is_no_failure(url, drainer, tmp_path, number, ends):
    create_tables(url)
    spool_calls(tmp_path, "a")
    assert drainer.ensure_running()
    process = find_process(drainer)
    wait_until(lambda: not Spool(tmp_path).list_segments(), "the first rows")
    with structlog.testing.capture_logs() as lines:
        process.send_signal(number)
        if ends:
            wait_for_exit(process)
            drainer.note_end()
        else:
            spool_calls(tmp_path, "b")
            wait_until(lambda: not Spool(tmp_path).list_segments(), "more rows", process=process)
            drainer.stop()
    assert process.returncode == 0
    assert lines == []


def test_a_python_flow_with_the_name_of_a_module_is_no_module_of_the_process(url, tmp_path, drainer, monkeypatch):
    create_tables(url)
    (tmp_path / "json.py").write_text("raise SystemExit('an author has written this')")
    monkeypatch.chdir(tmp_path)
    spool_calls(tmp_path, "a")
    assert drainer.ensure_running()
    process = find_process(drainer)
    wait_until(lambda: list_call_ids(url) == ["a"], "the rows", process=process)


def test_where_priorities_are_forbidden_the_process_writes_all_the_same(url, tmp_path, drainer, monkeypatch):
    def forbid(*_: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "setpriority", forbid)
    create_tables(url)
    spool_calls(tmp_path, "a")
    assert drainer.ensure_running()
    wait_until(lambda: list_call_ids(url) == ["a"], "the rows", process=find_process(drainer))


def test_of_two_servers_that_share_a_folder_one_has_a_process(url, tmp_path, options, drainer, monkeypatch):
    create_tables(url)
    spool_calls(tmp_path, "a")
    assert drainer.ensure_running()
    wait_until(lambda: not Spool(tmp_path).list_segments(), "the first process")
    other = SpoolDrainer(options)
    try:
        assert other.ensure_running()
        assert other.process is None
        # As if both had looked at the same moment: the second process notices it.
        monkeypatch.setattr("callflows.journal.spool_drainer.lock_spool_folder", contextlib.nullcontext)
        monkeypatch.setattr(other, "_retry_at", 0.0)
        assert other.ensure_running()
        wait_for_exit(find_process(other))
        assert other.ensure_running()
        assert other.process is None
        drainer.stop()
        monkeypatch.setattr(other, "_retry_at", 0.0)
        assert other.ensure_running()
        assert find_process(other).poll() is None
    finally:
        other.stop()


@pytest.mark.usefixtures("many_turns")
def test_without_the_process_turns_are_written_all_the_same(url, tmp_path, drainer, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nowhere"))
    journal = Journal(SqlStore(url), Spool(tmp_path), drainer=drainer)
    calls: list[str] = []
    with structlog.testing.capture_logs() as lines:

        def list_warnings() -> list[str]:
            return [line["event"] for line in [*lines] if line["log_level"] == "warning"]

        journal.start()
        try:
            record_calls(journal, calls, list_warnings, "a log line")
            wait_until(lambda: list_call_ids(url) == calls, "all rows, written by the server itself")
        finally:
            journal.stop()
    assert list_warnings() == ["no process writes spooled turns to the database beside the answers"]


def test_a_process_that_fails_is_said_and_not_started_again_at_once(drainer, monkeypatch):
    assert drainer.ensure_running()
    find_process(drainer).kill()
    wait_for_exit(find_process(drainer))
    with structlog.testing.capture_logs() as lines:
        assert not drainer.ensure_running()
        assert not drainer.ensure_running()
        monkeypatch.setattr(drainer, "_retry_at", 0.0)
        assert drainer.ensure_running()
    assert [(line["event"], line["code"]) for line in lines] == [
        ("the process that writes spooled turns to the database failed", -9)
    ]
