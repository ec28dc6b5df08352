"""What the workers of ``test_workers`` run: a request is a word and what belongs to it."""

from __future__ import annotations

import asyncio
import ctypes
import dataclasses
import inspect
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

PREPARED: list[bytes] = []


@dataclasses.dataclass
class WaitingJob:
    """A template that needs more time by the clock than one may have of the processor."""

    source: str

    def run(self) -> str:
        time.sleep(2.3)
        return self.source


def note(file: str, line: str = "ran") -> None:
    with Path(file).open("a", encoding="utf-8") as out:
        out.write(f"{line}\n")


async def echo(rest: str) -> bytes:
    return rest.encode()


async def sleep(rest: str) -> bytes:
    await asyncio.sleep(float(rest))
    return str(os.getpid()).encode()


async def noted(rest: str) -> bytes:
    """Say in a file that it began, wait, and answer."""
    seconds, file = rest.split()
    note(file, str(os.getpid()))
    await asyncio.sleep(float(seconds))
    return b"done"


async def spin(rest: str) -> bytes:
    if rest:
        note(rest)
    while True:
        pass


async def spin_later(_: str) -> bytes:
    await asyncio.sleep(0.1)
    while True:
        pass


async def spin_in_a_task(_: str) -> bytes:
    async with asyncio.TaskGroup() as group:
        group.create_task(spin(""))
    return b""


async def leave_a_task(_: str) -> bytes:
    async def later() -> None:
        await asyncio.sleep(0.05)
        await spin("")

    PREPARED.append(asyncio.create_task(later()))  # type: ignore[arg-type]
    return b"left"


async def spin_in_a_thread(_: str) -> bytes:
    await asyncio.to_thread(lambda: asyncio.run(spin("")))
    return b""


async def deaf(_: str) -> bytes:
    while True:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            continue


async def power(_: str) -> bytes:
    return str(9**9**9).encode()


async def loops(_: str) -> bytes:
    return str(sum(1 for _ in range(10**5) for _ in range(10**5) for _ in range(10**5))).encode()


async def block(rest: str) -> bytes:
    time.sleep(float(rest))  # noqa: ASYNC251 - that is the point
    return str(os.getpid()).encode()


async def die(rest: str) -> bytes:
    os._exit(int(rest))


async def leave(_: str) -> bytes:
    sys.exit(4)


async def leave_in_a_task(_: str) -> bytes:
    await asyncio.gather(leave(""))
    return b""


async def crash(_: str) -> bytes:
    return ctypes.string_at(0)


async def shout(rest: str) -> bytes:
    print("printed", rest)  # noqa: T201 - that is the point
    os.write(1, b"written " + rest.encode() + b"\n")
    return b"said"


async def huge(rest: str) -> bytes:
    return bytes(int(rest))


async def text(_: str) -> bytes:
    return "no bytes"  # type: ignore[return-value]


async def memory(_: str) -> bytes:
    return str(len("x" * 10**10)).encode()


async def fail(rest: str) -> bytes:
    raise LookupError(rest)


async def grandchild(_: str) -> bytes:
    process = subprocess.Popen(["sleep", "1000"])  # noqa: ASYNC220, S607 - as a bad node would
    return str(process.pid).encode()


async def files(_: str) -> bytes:
    return " ".join(str(Path(f"/proc/self/fd/{name}").readlink()) for name in "012").encode()  # noqa: ASYNC240 - no disk


async def threads(_: str) -> bytes:
    return str(threading.active_count()).encode()


async def look_into_tasks(_: str) -> bytes:
    import anyio  # noqa: PLC0415 - only this one

    with anyio.move_on_after(0.05) as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 10)
    task = asyncio.current_task()
    assert task is not None
    return f"{scope.cancelled_caught} {inspect.getcoroutinestate(task.get_coro())}".encode()


async def answer(request: bytes) -> bytes:
    word, _, rest = request.decode().partition(" ")
    reply: bytes = await globals()[word](rest)
    return reply
