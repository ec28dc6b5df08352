"""Every wait in the tests has an end, and says what it waited for."""

from __future__ import annotations

import ast
import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest

from waiting import kill_after, kill_process, run_bounded, run_process, stop_process, wait_until, wait_until_async

TESTS = Path(__file__).parent
PYTHON_FILES = [
    file
    for file in sorted(TESTS.rglob("*.py"))
    if file.name != "waiting.py" and TESTS / "flows" / "bad" not in file.parents
]
WAITING_METHODS = {"wait", "join", "communicate", "acquire"}
RUN_FUNCTIONS = {"subprocess.run", "subprocess.check_call", "subprocess.check_output"}


@pytest.fixture
def sleeping_process():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], stdout=subprocess.PIPE)
    yield process
    kill_process(process)
    process.stdout.close()


def list_unbounded_waits(file: Path) -> list[str]:
    """Return the calls that may wait for ever. ``run_bounded``, which replaces asyncio.run, bounds all awaits."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    awaited = {
        id(part) for node in ast.walk(tree) if isinstance(node, ast.Await) for part in ast.walk(node) if part is not node
    }
    unbounded = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name = ast.unparse(node.func)
            has_timeout = any(keyword.arg == "timeout" for keyword in node.keywords)
            waits = node.func.attr in WAITING_METHODS and not node.args and id(node) not in awaited
            if ((waits or name in RUN_FUNCTIONS) and not has_timeout) or name == "asyncio.run":
                unbounded.append(f"{file.relative_to(TESTS)}:{node.lineno}: {name}")
        if isinstance(node, ast.While) and any(ast.unparse(part) == "time.sleep" for part in ast.walk(node)):
            unbounded.append(f"{file.relative_to(TESTS)}:{node.lineno}: while {ast.unparse(node.test)}")
    return unbounded


def test_no_test_waits_without_end():
    allowed = TESTS / "flows" / "worker_functions.py"  # waits on purpose, in processes that the sandbox kills
    waits = [wait for file in PYTHON_FILES if file != allowed for wait in list_unbounded_waits(file)]
    assert waits == [], "use waiting.py"


def test_a_wait_fails_with_what_it_waited_for():
    with pytest.raises(AssertionError, match=r"^waited up to 0\.05 s for rain$"):
        wait_until(lambda: False, "rain", seconds=0.05)
    with pytest.raises(AssertionError, match=r"^waited up to 0\.05 s for rain$"):
        run_bounded(wait_until_async(lambda: False, "rain", seconds=0.05))


def test_a_wait_returns_the_value_that_it_waited_for():
    async def find() -> str:
        return "rain"

    assert wait_until(lambda: "rain", "rain") == "rain"
    assert run_bounded(wait_until_async(lambda: "rain", "rain")) == "rain"
    assert run_bounded(wait_until_async(find, "rain")) == "rain"


def test_a_wait_for_a_process_that_has_ended_fails_at_once_and_shows_its_log(tmp_path):
    (tmp_path / "log").write_text("the disk is full\n")
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    began = time.monotonic()
    with pytest.raises(
        AssertionError, match=r"for rain; process \d+ ended with code 3; its log ends with:\nthe disk is full"
    ):
        wait_until(lambda: False, "rain", process=process, log=tmp_path / "log")
    assert time.monotonic() - began < 30


def test_a_wait_for_a_process_that_runs_says_so(sleeping_process):
    with pytest.raises(AssertionError, match="still runs"):
        wait_until(lambda: False, "rain", process=sleeping_process, seconds=0.05)


def test_a_coroutine_that_does_not_end_fails_with_its_name():
    async def sleep_for_long():
        await asyncio.sleep(600)

    with pytest.raises(AssertionError, match="sleep_for_long to end"):
        run_bounded(sleep_for_long(), 0.05)


def test_a_timeout_inside_a_coroutine_stays_a_timeout():
    async def give_up():
        raise TimeoutError

    with pytest.raises(TimeoutError):
        run_bounded(give_up())


def test_a_program_that_does_not_end_fails_with_its_output():
    with pytest.raises(AssertionError, match=r"waited up to 1 s for .*hello"):
        run_process([sys.executable, "-u", "-c", "print('hel' + 'lo'); import time; time.sleep(600)"], seconds=1)


def test_a_process_that_does_not_end_when_it_is_asked_is_killed():
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:  # noqa: S603 - our own
        with kill_after(process):
            assert process.stdout.readline() == b"ready\n"
        assert stop_process(process, 0.1) == -9


def test_reading_from_a_process_that_is_late_ends(sleeping_process):
    with kill_after(sleeping_process, 0.05):
        assert sleeping_process.stdout.readline() == b""
