"""Worker processes that share the memory of the libraries, and end without leaving a caller unanswered."""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
from typing import Any

from uvicorn.supervisors import Multiprocess

from callflows.log import get_logger


def share_loaded_modules() -> None:
    """Have uvicorn fork its workers from a process with all modules, which takes half the memory of a new Python for each.

    uvicorn has no setting for this. If its module has changed, or if the system cannot fork, each worker has its own copy.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return
    uvicorn_processes: Any = None
    with contextlib.suppress(ImportError):
        uvicorn_processes = importlib.import_module("uvicorn._subprocess")
    if not hasattr(uvicorn_processes, "spawn"):
        get_logger("server").warning("this version of uvicorn is unknown: its workers share no memory")
        return
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["callflows.cli.preloaded_server"])
    uvicorn_processes.spawn = context


def stop_listening_before_workers() -> None:
    """Have uvicorn close its own copy of the listening socket before it ends its workers.

    Otherwise the system accepts connections while the last workers end, which nobody answers; a proxy or Opentact can try
    another server only if the connection is refused.
    """
    terminate_workers = Multiprocess.terminate_all

    def close_and_terminate(supervisor: Multiprocess) -> None:
        for listening in supervisor.sockets:
            listening.close()
        terminate_workers(supervisor)

    Multiprocess.terminate_all = close_and_terminate  # type: ignore[method-assign, assignment]
