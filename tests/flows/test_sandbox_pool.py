"""Jobs that never end, crash or use too much memory cost only their own caller the answer."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import uvloop

from callflows.errors import AuthorCodeError, SandboxCrashError, SandboxTimeoutError
from callflows.sandbox.sandbox_child import MAX_FRAME_BYTES
from callflows.sandbox.sandbox_pool import SandboxPool
from waiting import kill_after, kill_process, run_bounded, wait_for_exit, wait_until_async

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

SOON = 0.4
LATE = 20.0
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@contextlib.asynccontextmanager
async def workers(entry: str = "worker_functions:answer", **given) -> AsyncIterator[SandboxPool]:
    pool = SandboxPool(entry, **given)
    await pool.start()
    try:
        yield pool
    finally:
        await pool.stop()


async def asked(pool: SandboxPool, request: str, within: float = LATE, lane: str = "desk") -> str:
    return (await pool.run_request(request.encode(), time.monotonic() + within, lane)).decode()


async def until(true: Callable[[], bool]) -> None:
    await wait_until_async(true, "a change in other processes", seconds=LATE)


def alive(pid: int) -> bool:
    """Whether a process runs (one that only waits to be waited for does not)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def children() -> set[int]:
    """The processes of this one, also those that only wait to be waited for."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text(encoding="ascii").rpartition(")")[2].split()[1]) == os.getpid():
                found.add(int(stat.parent.name))
    return found


def lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def begun(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Write a module ``begun`` whose import is noted in the file ``ran``."""
    (folder / "begun.py").write_text(
        f"import os\nwith open({f'{folder}/ran'!r}, 'a') as file:\n    file.write('ran\\n')\n{code}\n"
    )
    monkeypatch.syspath_prepend(folder)


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request):
    def run(awaited):
        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(awaited)

    return run


def test_an_ask_is_answered(run):
    async def story():
        async with workers() as pool:
            assert await asked(pool, "echo hello") == "hello"
            assert pool.counts["asked"] == 1
            assert pool.counts["running"] == pool.counts["overdue"] == 0

    run(story())


def test_a_library_that_looks_into_tasks_finds_what_it_looks_for(capfd):
    async def story():
        async with workers() as pool:
            assert await asked(pool, "look_into_tasks") == "True CORO_RUNNING"

    run_bounded(story())
    assert not capfd.readouterr().err


def test_a_worker_takes_a_hundred_turns_that_wait_at_once(run):
    async def story():
        async with workers(max_processes=1) as pool:
            assert len(set(await asyncio.gather(*(asked(pool, "sleep 0.3") for _ in range(100))))) == 1
            assert pool.counts["processes"] == 1

    run(story())


@pytest.mark.parametrize("work", ["spin", "spin_later", "spin_in_a_task", "power", "loops", "block 100", "deaf"])
def test_what_never_ends_is_overdue_and_its_worker_is_replaced(work):
    async def story():
        async with workers(max_processes=2) as pool:
            with pytest.raises(SandboxTimeoutError):
                await asked(pool, work, SOON)
            await until(lambda: pool.counts["replaced"] == 1)
            assert await asked(pool, "echo again") == "again"
            assert pool.counts["overdue"] == 1
            assert pool.counts["died"] == 0

    run_bounded(story())


def test_a_thread_that_goes_on_after_its_turn_costs_the_worker():
    async def story():
        async with workers(max_processes=2) as pool:
            with pytest.raises(SandboxTimeoutError):
                await asked(pool, "spin_in_a_thread", SOON)
            await until(lambda: pool.counts["replaced"] == 1)

    run_bounded(story())


def test_a_task_ends_with_its_turn_and_is_in_nobodys_way():
    async def story():
        async with workers(max_processes=2) as pool:
            for _ in range(20):
                assert await asked(pool, "leave_a_task") == "left"
                await asyncio.sleep(0.06)
                assert await asked(pool, "echo x", 2, "another flow") == "x"
            assert pool.counts["overdue"] == pool.counts["replaced"] == 0

    run_bounded(story())


def test_a_turn_that_only_waits_too_long_costs_no_worker():
    async def story():
        async with workers(max_processes=1) as pool:
            pid = await asked(pool, "sleep 0")
            with pytest.raises(SandboxTimeoutError):
                await asked(pool, "sleep 100", SOON)
            assert await asked(pool, "sleep 0") == pid
            assert pool.counts["replaced"] == 0

    run_bounded(story())


@pytest.mark.parametrize(("work", "how"), [("die 3", "exit status 3"), ("crash", "SIGSEGV"), ("die 0", "exit status 0")])
def test_a_worker_that_dies_takes_only_its_own_turn_with_it(work, how, tmp_path):
    async def story():
        async with workers(max_processes=2) as pool:
            innocent = asyncio.create_task(asked(pool, f"noted 0.3 {tmp_path}/ran", lane="another flow"))
            await until(lambda: len(lines(tmp_path / "ran")) == 1)
            with pytest.raises(SandboxCrashError, match=how):
                await asked(pool, work)
            assert await innocent == "done"
            assert pool.counts["died"] == 1

    run_bounded(story())
    assert len(lines(tmp_path / "ran")) == 1, "the innocent turn was run once"


def test_an_error_of_the_work_is_told_with_its_place():
    async def story():
        async with workers() as pool:
            with pytest.raises(AuthorCodeError, match="LookupError: no such account") as caught:
                await asked(pool, "fail no such account")
            assert (caught.value.error_type, caught.value.message) == ("LookupError", "no such account")
            assert "raise LookupError(rest)" in caught.value.trace
            with pytest.raises(AuthorCodeError, match="SystemExit: 4"):
                await asked(pool, "leave")
            with pytest.raises(AuthorCodeError, match="SystemExit: 4"):
                await asked(pool, "leave_in_a_task")
            assert pool.counts["died"] == 0

    run_bounded(story())


def test_memory_is_bounded():
    async def story():
        async with workers() as pool:
            with pytest.raises((AuthorCodeError, SandboxCrashError), match="MemoryError"):
                await asked(pool, "memory")
            assert await asked(pool, "echo x") == "x"
            await until(lambda: pool.counts["replaced"] == 1)

    run_bounded(story())


def test_requests_and_replies_are_bounded(run):
    async def story():
        async with workers() as pool:
            assert (
                len(await pool.run_request(f"huge {MAX_FRAME_BYTES}".encode(), time.monotonic() + LATE, "desk"))
                == MAX_FRAME_BYTES
            )
            assert len(await asked(pool, "echo " + "x" * 3_000_000)) == 3_000_000
            with pytest.raises(AuthorCodeError, match="more than 4194304"):
                await asked(pool, f"huge {MAX_FRAME_BYTES + 1}")
            with pytest.raises(AuthorCodeError, match="the request has 4194305 bytes"):
                await pool.run_request(bytes(MAX_FRAME_BYTES + 1), time.monotonic() + LATE, "desk")
            with pytest.raises(AuthorCodeError, match="the reply is str, not bytes"):
                await asked(pool, "text")

    run(story())


def test_what_is_printed_goes_to_standard_error(capfd):
    async def story():
        async with workers() as pool:
            assert await asked(pool, "shout loudly") == "said"

    run_bounded(story())
    out, err = capfd.readouterr()
    assert not out
    assert sorted(err.splitlines()) == ["printed loudly", "written loudly"]


def test_what_is_printed_is_reported_line_by_line_to_whoever_wants_it(capfd):
    printed = []

    async def story():
        async with workers(report_output=printed.append) as pool:
            await asked(pool, "shout loudly")
            await until(lambda: len(printed) == 2)

    run_bounded(story())
    assert sorted(printed) == ["printed loudly", "written loudly"]
    assert capfd.readouterr() == ("", "")


def test_what_is_printed_controls_no_terminal():
    printed = []

    async def story():
        async with workers(report_output=printed.append) as pool:
            await asked(pool, "shout \x1b[2Ja\x9bb\u202ec\rd")
            await until(lambda: len(printed) == 2)

    run_bounded(story())
    assert sorted(printed) == ["printed  [2Ja b c d", "written  [2Ja b c d"]


@LINUX
def test_a_worker_reads_nothing():
    async def story():
        async with workers() as pool:
            assert (await asked(pool, "files")).split()[0] == "/dev/null"

    run_bounded(story())


def test_twenty_endless_turns_of_one_flow_leave_the_others_their_workers():
    async def story():
        async with workers(max_processes=4) as pool:
            bad = [asyncio.create_task(asked(pool, "spin", 2, "bad")) for _ in range(20)]
            for _ in range(40):
                assert await asked(pool, "echo fine", 2, "good") == "fine"
                await asyncio.sleep(0.05)
            outcomes = await asyncio.gather(*bad, return_exceptions=True)
            assert collections.Counter(map(type, outcomes)) == {SandboxTimeoutError: 20}
            assert pool.counts["overdue"] == 20
            await asyncio.sleep(0.3)
            assert 1 <= pool.counts["replaced"] <= 2, "half of the workers, and no more"

    run_bounded(story())


def test_a_flow_whose_turn_spins_answers_its_other_callers_from_other_processes():
    async def story():
        async with workers(max_processes=6) as pool:
            bad = asyncio.create_task(asked(pool, "spin"))
            for _ in range(10):
                assert await asked(pool, "echo fine", LATE / 2) == "fine"
                await asyncio.sleep(0.05)
            assert not bad.done()
        with pytest.raises(SandboxCrashError):  # the pool was stopped
            await bad

    run_bounded(story())


def test_a_turn_that_waits_is_not_killed_for_a_turn_beside_it_that_computes_within_its_time():
    async def story():
        async with workers(max_processes=1) as pool:
            waiting = asyncio.create_task(asked(pool, "sleep 100", 0.3))
            await asyncio.sleep(0.1)
            assert await asked(pool, "block 0.6")
            with pytest.raises(SandboxTimeoutError):
                await waiting
            assert await asked(pool, "echo x") == "x"
            assert pool.counts["replaced"] == 0

    run_bounded(story())


def test_processes_are_started_as_flows_need_them_and_there_are_never_more_than_allowed():
    async def story():
        pool = SandboxPool("worker_functions:answer", max_processes=3)
        assert pool.counts["processes"] == 0
        await pool.start()
        assert pool.counts["processes"] == 2
        flows = [asyncio.create_task(asked(pool, "block 1.5", lane=f"flow {number}")) for number in range(6)]
        await until(lambda: pool.counts["processes"] == 3)
        assert len(set(await asyncio.gather(*flows))) == 3
        await pool.stop()

    run_bounded(story())


def test_a_package_in_the_working_folder_shadows_nothing(tmp_path, monkeypatch):
    for name in ("callflows", "app", "asyncio", "json"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('not ours')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])

    async def story():
        async with workers() as pool:
            assert await asked(pool, "echo x") == "x"

    run_bounded(story())


def test_who_stops_listening_stops_the_work():
    async def story():
        async with workers(max_processes=1) as pool:
            pid = await asked(pool, "sleep 0")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asked(pool, "sleep 100"), 0.1)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asked(pool, "spin", 0.6), 0.1)
            assert await asked(pool, "sleep 0") != pid
            assert pool.counts["replaced"] == 1
            assert pool.counts["running"] == pool.counts["overdue"] == 0

    run_bounded(story())


def test_a_deadline_that_has_passed_is_overdue():
    async def story():
        async with workers() as pool:
            with pytest.raises(SandboxTimeoutError):
                await asked(pool, "spin", -1)
            assert await asked(pool, "echo x") == "x"

    run_bounded(story())


@pytest.mark.parametrize(
    ("code", "error", "message"),
    [
        ("raise ValueError('this flow cannot be read')", AuthorCodeError, "ValueError: this flow cannot be read"),
        ("os._exit(7)", SandboxCrashError, "a process ended before it was ready: exit status 7"),
        ("", AuthorCodeError, "AttributeError: module 'begun' has no attribute 'answer'"),
        ("import no_such_module", AuthorCodeError, "ModuleNotFoundError: No module named 'no_such_module'"),
        ("answer = 5", AuthorCodeError, "TypeError: begun:answer is int, not a function"),
    ],
)
def test_an_entry_that_cannot_start_is_told_to_every_ask_and_tried_less_and_less_often(
    tmp_path, monkeypatch, code, error, message
):
    begun(tmp_path, monkeypatch, code)

    async def story():
        async with workers("begun:answer") as pool:
            for _ in range(10):
                with pytest.raises(error, match=message):
                    await asked(pool, "echo x")
                await asyncio.sleep(0.05)
            assert pool.counts["overdue"] == 0

    run_bounded(story())
    assert len(lines(tmp_path / "ran")) <= 6


@LINUX
def test_a_machine_that_starts_no_process_is_told_and_tried_again(monkeypatch):
    async def story():
        with monkeypatch.context() as patched:
            patched.setattr(sys, "executable", "/no/such/python")
            pool = SandboxPool("worker_functions:answer")
            await pool.start()
            with pytest.raises(SandboxCrashError, match=r"no process can be started: .*No such file"):
                await asked(pool, "echo x")
        reply = ""
        while not reply:
            await asyncio.sleep(0.02)
            with contextlib.suppress(SandboxCrashError):
                reply = await asked(pool, "echo x")
        await pool.stop()

    files = sorted(Path("/proc/self/fd").iterdir())
    run_bounded(story())
    assert sorted(Path("/proc/self/fd").iterdir()) == files


def test_workers_that_end_for_no_reason_are_started_less_and_less_often(tmp_path, monkeypatch):
    begun(
        tmp_path,
        monkeypatch,
        "import threading; from worker_functions import answer; threading.Timer(0.05, os._exit, [7]).start()",
    )

    async def story():
        async with workers("begun:answer", max_processes=1):
            await asyncio.sleep(2)
            await until(lambda: len(lines(tmp_path / "ran")) > 1)

    run_bounded(story())
    assert len(lines(tmp_path / "ran")) <= 5


def test_workers_that_are_not_running_say_so():
    pool = SandboxPool("worker_functions:answer")
    with pytest.raises(SandboxCrashError, match="not running"):
        run_bounded(asked(pool, "echo x"))
    assert pool.counts["processes"] == 0


def test_whoever_waits_when_the_workers_stop_is_told():
    async def story():
        async with workers() as pool:
            waiting = [asyncio.create_task(asked(pool, work)) for work in ("sleep 100", "spin", "echo x")]
            await asyncio.sleep(0.2)
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes[:2]] == [SandboxCrashError, SandboxCrashError]
        assert pool.counts["running"] == 0

    run_bounded(story())


@LINUX
def test_fifty_kills_leave_no_file_and_no_process_behind(run):
    async def story(kills):
        async with workers(max_processes=4) as pool:
            for round_ in range(kills):
                await asked(pool, "echo x")  # a process is ready: what is overdue before it began kills none
                with contextlib.suppress(SandboxCrashError, SandboxTimeoutError):
                    await asked(pool, "die 1" if round_ % 10 else "spin", SOON if round_ % 10 == 0 else LATE)
            await until(lambda: pool.counts["died"] + pool.counts["replaced"] == kills)

    run(story(1))
    before, files = children(), sorted(Path("/proc/self/fd").iterdir())
    run(story(10))  # in each of two loops
    assert children() == before
    assert sorted(Path("/proc/self/fd").iterdir()) == files


@LINUX
def test_what_the_work_started_is_killed_with_it():
    async def story():
        async with workers(max_processes=1) as pool:
            for end in ("die 1", "spin"):
                pid = int(await asked(pool, "grandchild"))
                assert alive(pid)
                with pytest.raises((SandboxCrashError, SandboxTimeoutError)):
                    await asked(pool, end, SOON)
                await until(lambda pid=pid: not alive(pid))
            pid = int(await asked(pool, "grandchild"))
        await until(lambda: not alive(pid))

    run_bounded(story())


PARENT = """
import asyncio, signal, sys, time
from callflows.sandbox.sandbox_pool import SandboxPool
sys.path.append(sys.argv[1])
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background has it ignored

async def main():
    pool = SandboxPool("worker_functions:answer", max_processes=6)
    await pool.start()
    tasks = []
    for work in ("spin", "block 1000", "power"):
        tasks.append(asyncio.create_task(pool.run_request(work.encode(), time.monotonic() + 1000, work)))
        while pool.counts["processes"] < len(tasks) + 1 or not pool._find_idle_processes():
            await asyncio.sleep(0.05)
    print("\\n".join(str(process._process.pid) for process in pool._processes), flush=True)
    print("", flush=True)
    await asyncio.sleep(1000)

asyncio.run(main())
"""


@LINUX
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_when_the_server_is_gone_its_workers_are(end):
    here = Path(__file__)
    with subprocess.Popen(  # noqa: S603 - our own server
        [sys.executable, "-c", PARENT, str(here.parent)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=here.parents[2],
    ) as parent:
        try:
            assert parent.stdout is not None
            with kill_after(parent):
                pids = [int(line) for line in iter(parent.stdout.readline, "\n")]
            assert len(pids) == 4
            assert all(map(alive, pids))
            parent.send_signal(end)
            wait_for_exit(parent)
            run_bounded(until(lambda: not any(map(alive, pids))))
        finally:
            kill_process(parent)


@LINUX
def test_a_signal_to_everybody_is_the_servers_business():
    async def story():
        async with workers(max_processes=1) as pool:
            pid = int(await asked(pool, "sleep 0"))
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                os.kill(pid, number)
            assert int(await asked(pool, "sleep 0.1")) == pid

    run_bounded(story())
