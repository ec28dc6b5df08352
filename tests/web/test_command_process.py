"""The processes in which a server runs commands: what they may take from the answers to callers."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import sys
from pathlib import Path

import pytest

from callflows.settings import Settings
from callflows.web.command_process import REPLAY_PRIORITY, SHORT_COMMAND_PRIORITY, CommandProcesses
from waiting import run_bounded, wait_until_async


def find_priorities(process: int) -> list[tuple[int, bool]]:
    """The priority of each process that another one has started, and whether it only gets what others leave."""
    children = [file.read_text().split() for file in Path(f"/proc/{process}/task").glob("*/children")]
    pids = [int(pid) for pid in itertools.chain(*children) if b"stand-in" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return [(os.getpriority(os.PRIO_PROCESS, pid), os.sched_getscheduler(pid) == os.SCHED_IDLE) for pid in pids]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has processes that get what others leave")
@pytest.mark.parametrize(("priority", "is_idle"), [(REPLAY_PRIORITY, True), (SHORT_COMMAND_PRIORITY, False)])
def test_a_replay_gets_only_what_callers_leave_and_a_command_for_which_a_person_waits_gets_more(
    tmp_path, priority, is_idle
):
    processes = CommandProcesses(Settings(_env_file=None, flows=tmp_path, data=tmp_path))

    async def look() -> None:
        lines = processes.stream_lines("stand-in", "--port", "0", priority=priority)
        running = asyncio.ensure_future(anext(lines))
        await wait_until_async(lambda: (priority, is_idle) in find_priorities(os.getpid()), "a process of that priority")
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

    run_bounded(look())


def test_a_python_flow_with_the_name_of_a_module_is_no_module_of_a_command(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise SystemExit('an author has written this')")
    monkeypatch.chdir(tmp_path)
    processes = CommandProcesses(Settings(_env_file=None, flows=tmp_path / "flows", data=tmp_path))
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "desk.yaml").write_text("numbers: [+12015550123]\nnodes:\n  start:\n    - say: Hello.\n")
    found = run_bounded(processes.run_for_json("check", "--format", "json"))
    assert [problem["severity"] for problem in found] == []
