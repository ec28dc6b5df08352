"""``callflows serve`` as a process, for whoever asks it from outside."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

from waiting import stop_process, wait_for_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def run_server_process(folder: Path, flow: str, **settings: str) -> Iterator[str]:
    """The URL of a server with one flow."""
    (folder / "callflows").mkdir()
    (folder / "callflows" / "desk.yaml").write_text(flow)
    port = find_free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CALLFLOWS_")}
    environment |= {f"CALLFLOWS_{name}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "callflows.cli", "serve", "--port", str(port)]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)  # noqa: S603 - our own
    try:
        wait_for_server(process, f"http://127.0.0.1:{port}/healthz", folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        stop_process(process)
