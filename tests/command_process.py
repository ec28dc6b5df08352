"""Commands of callflows in processes of their own, without the time that an interpreter needs to import the package.

Each process is forked from one that has imported the package: most commands take longer to import it than to run. Tests of
the start itself (the interpreter, its path, a missing library) start ``python -m callflows`` by ``waiting.run_process``.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import termios
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from callflows.cli import main
from callflows.cli.command_table import ROOT_COMMANDS
from waiting import MAX_COMMAND_SECONDS, stop_process, wait_for_exit, wait_for_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

FORKING = multiprocessing.get_context("forkserver")
"""Makes processes that have the package loaded."""
FORKING.set_forkserver_preload(
    [
        *(f"callflows.cli.{command.module}" for command in ROOT_COMMANDS.values()),
        "callflows.cli.root_commands",
        "callflows.flows.loader.check_runner",
        "callflows.journal.sql_store",
        "callflows.rehearsal_engine",
        "callflows.server",
        "callflows.stand_in.stand_in_server",
        "callflows.testing.phone_arguments",
        "callflows.web.http_protocol",
        "httpx",
        "pydantic.v1",  # FastAPI imports it when a server begins
        "sqlite3",
        "uvicorn.lifespan.on",
        "uvicorn.logging",
        "uvicorn.protocols.websockets.auto",
    ]
)


class CommandProcess:
    """A command that runs. Has the methods of subprocess.Popen that tests use.

    ``stdin``, ``stdout`` and ``stderr`` are files, descriptors, or None for those of the tests. ``prepare`` is called in
    the new process before the command.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        stdin: IO[Any] | int | None = None,
        stdout: IO[Any] | int | None = None,
        stderr: IO[Any] | int | None = None,
        prepare: Callable[[], None] | None = None,
    ) -> None:
        self.args = ["callflows", *arguments]
        streams = [_SharedStream(given, number) for number, given in enumerate((stdin, stdout, stderr))]
        environment = dict(os.environ if env is None else env)
        self._process = FORKING.Process(target=_run_main, args=(self.args, str(cwd), environment, streams, prepare))
        self._process.start()
        self.pid: int = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class _SharedStream:
    """A standard stream for another process, which gets a duplicate of the descriptor."""

    def __init__(self, given: IO[Any] | int | None, default: int) -> None:
        if given is None:
            given = default
        self._descriptor = given if isinstance(given, int) else given.fileno()

    def __getstate__(self) -> dict[str, Any]:
        # multiprocessing duplicates a descriptor only while it pickles what the new process gets.
        return {"_descriptor": DupFd(self._descriptor)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._descriptor = state["_descriptor"].detach()

    def become(self, number: int) -> None:
        os.dup2(self._descriptor, number)


def _run_main(
    arguments: list[str],
    folder: str,
    environment: dict[str, str],
    streams: list[_SharedStream],
    prepare: Callable[[], None] | None,
) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, stream in enumerate(streams):
        stream.become(number)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - as long as the process
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115 - as long as the process
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115 - as long as the process
    sys.argv = arguments
    if prepare:
        prepare()
    try:
        main()
    finally:
        atexit._run_exitfuncs()  # noqa: SLF001 - a process of multiprocessing ends without


def take_terminal() -> None:
    """Make the standard input the terminal of a session of its own, as if the command were typed there."""
    os.setsid()
    # A shell's background job, such as a CI job, may ignore both.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def run_callflows(
    *arguments: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    check: bool = False,
    seconds: float = MAX_COMMAND_SECONDS,
) -> subprocess.CompletedProcess[str]:
    """Run a command and return its output. Fails if it does not end in time, or if it fails and ``check`` is on."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err, Path(os.devnull).open("rb") as nothing:
        process = CommandProcess(arguments, cwd=cwd, env=env, stdin=nothing, stdout=out, stderr=err)
        try:
            code = wait_for_exit(process, seconds)
        finally:
            process.kill()
        out.seek(0)
        err.seek(0)
        done = subprocess.CompletedProcess(process.args, code, out.read(), err.read())
    if check:
        done.check_returncode()
    return done


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def build_environment(**settings: str) -> dict[str, str]:
    """Return this process's environment with these settings of callflows and no others."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CALLFLOWS_")}
    return environment | {f"CALLFLOWS_{name.upper()}": value for name, value in settings.items()}


@contextlib.contextmanager
def run_serve(
    folder: Path, *arguments: str, env: Mapping[str, str] | None = None, stderr: IO[Any] | int | None = None
) -> Iterator[tuple[CommandProcess, str]]:
    """Run ``callflows serve`` in a folder, with its log in the file ``log`` there. Yields the process and its URL."""
    port = find_free_port()
    log = folder / "log"
    with log.open("ab") as out:
        process = CommandProcess(
            ["serve", "--port", str(port), *arguments],
            cwd=folder,
            env=build_environment() if env is None else env,
            stdout=out,
            stderr=out if stderr is None else stderr,
        )
    try:
        wait_for_server(process, f"http://127.0.0.1:{port}/healthz", log)
        yield process, f"http://127.0.0.1:{port}"
    finally:
        stop_process(process)
