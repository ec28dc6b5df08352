"""Workers share the memory of the libraries."""

from __future__ import annotations

import multiprocessing
import socket
import sys

import pytest
import structlog
import uvicorn
from uvicorn import _subprocess as uvicorn_processes
from uvicorn.supervisors import Multiprocess

from callflows.cli.worker_processes import share_loaded_modules, stop_listening_before_workers


@pytest.mark.skipif("forkserver" not in multiprocessing.get_all_start_methods(), reason="this system cannot fork")
def test_uvicorn_forks_its_workers_from_a_process_that_has_imported_the_server(monkeypatch):
    monkeypatch.setattr(uvicorn_processes, "spawn", uvicorn_processes.spawn)
    share_loaded_modules()
    with socket.socket() as listening:
        worker = uvicorn_processes.get_subprocess(uvicorn.Config("app:app"), lambda: None, [listening])
    assert type(worker).__name__ == "ForkServerProcess"


@pytest.mark.parametrize("has_module", [True, False])
def test_an_unknown_uvicorn_is_said_and_used(monkeypatch, has_module):
    if has_module:
        monkeypatch.delattr(uvicorn_processes, "spawn")
    else:
        monkeypatch.setitem(sys.modules, "uvicorn._subprocess", None)
    with structlog.testing.capture_logs() as lines:
        share_loaded_modules()
    assert [line["event"] for line in lines] == ["this version of uvicorn is unknown: its workers share no memory"]


def test_the_command_line_does_not_load_the_server_for_its_help():
    assert "callflows.cli.preloaded_server" not in sys.modules


def test_connections_are_refused_as_soon_as_the_workers_end(monkeypatch):
    order: list[object] = []
    monkeypatch.setattr(Multiprocess, "terminate_all", lambda supervisor: order.append(supervisor.sockets[0].fileno()))
    stop_listening_before_workers()
    supervisor = Multiprocess.__new__(Multiprocess)
    supervisor.sockets = [socket.socket()]
    supervisor.terminate_all()
    assert order == [-1]
