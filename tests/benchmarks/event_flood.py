"""Measures how long callers wait while Opentact's event websocket floods the server.

Run as ``python tests/benchmarks/event_flood.py``; it takes a minute. A process of its own sends events as fast as the
connection takes them: small ones, ones of half a megabyte, and frames that are too long. The server answers a call every
5 ms meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

sys.path.insert(0, str(Path(__file__).parents[1]))
from waiting import run_bounded

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

SECONDS = 5.0
CONNECT_SECONDS = 30.0
FLOODS = {"no events": 0, "small events": 200, "events of half a megabyte": 500_000, "frames that are too long": 2_000_000}
"""The length of an event's message, by the kind of flood."""
FLOW = "numbers: +12015550123\nnodes: {start: [say: Hello.]}\n"
QUERY = b"from=%2B12015550999&to=12015550123&call=flood"


def flood(size: int, port: Connection) -> None:
    """Send events of a size to every connection, in a process of its own."""

    async def send_events(connection: Any) -> None:
        with contextlib.suppress(ConnectionClosed):
            await send_until_closed(connection)

    async def send_until_closed(connection: Any) -> None:
        await connection.recv()
        await connection.send(json.dumps({"type": "auth", "message": "success auth"}))
        number = 0
        while size:  # until the server or the main process closes the connection
            number += 1
            call = {"uuid": f"call-{number}", "direction": "in", "state": "ringing", "from": "+1", "to": "+2"}
            event = {"uuid": f"{number}", "type": "call_state", "message": "x" * size, "call": call}
            await connection.send(json.dumps(event))
        await connection.wait_closed()

    async def run() -> None:
        async with serve(send_events, "127.0.0.1", 0, max_size=None) as server:
            port.send(next(iter(server.sockets)).getsockname()[1])
            await asyncio.sleep(CONNECT_SECONDS + 4 * SECONDS)

    run_bounded(run(), 2 * (CONNECT_SECONDS + 4 * SECONDS))


async def measure(kind: str, port: int, folder: Path) -> None:
    """Run the server in this process, and print how long its answers took."""
    from callflows.installation_parts import load_flow_library  # noqa: PLC0415 - after the child has started
    from callflows.server import create_app  # noqa: PLC0415 - after the child has started
    from callflows.settings import load_settings  # noqa: PLC0415 - as above
    from callflows.web.work_lease import LEASE_SECONDS  # noqa: PLC0415 - as above

    os.environ |= {"CALLFLOWS_OPENTACT_TOKEN": "a-token", "CALLFLOWS_OPENTACT_EVENTS_URL": f"ws://127.0.0.1:{port}"}
    os.environ["CALLFLOWS_OPENTACT_URL"] = f"http://127.0.0.1:{port}/rest"
    settings = load_settings(flows=folder / "flows", data=folder / kind.replace(" ", "-"))
    app = create_app(settings, load_flow_library(settings))
    messages: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    started = asyncio.Event()

    async def notice(message: Any) -> None:
        if message["type"] == "lifespan.startup.complete":
            started.set()

    lifespan = asyncio.create_task(app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, messages.get, notice))
    await messages.put({"type": "lifespan.startup"})
    await started.wait()
    await asyncio.sleep(LEASE_SECONDS / 2)  # until the database is made, the listener begins twice
    connects_until = time.monotonic() + CONNECT_SECONDS
    while not (await read_event_status(app))["connected"]:
        assert time.monotonic() < connects_until, "no connection to the flood"
        await asyncio.sleep(0.2)
    before, times = (await read_event_status(app))["events"], []
    ends_at = time.monotonic() + SECONDS
    while time.monotonic() < ends_at:
        began = time.perf_counter()
        await asyncio.sleep(0.005)
        await ask(app)
        times.append((time.perf_counter() - began - 0.005) * 1000)
    events = (await read_event_status(app)).get("events", before) - before
    await messages.put({"type": "lifespan.shutdown"})
    await lifespan
    times.sort()
    p99 = times[int(len(times) * 0.99)]
    print(
        f"{kind:26} {events / SECONDS:8.0f} events/s; answers: median {statistics.median(times):.1f} ms,"
        f" 99 % {p99:.1f} ms, longest {times[-1]:.1f} ms",
        flush=True,
    )


async def read_event_status(app: Any) -> dict[str, Any]:
    status: dict[str, Any] = json.loads(await ask(app, "/readyz"))["events"]
    return status


async def ask(app: Any, path: str = "/call") -> bytes:
    """Answer a request in this process; the time includes the wait for its turn."""
    body = bytearray()

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        body.extend(message.get("body", b""))

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "scheme": "http",
        "query_string": QUERY if path == "/call" else b"",
        "headers": [(b"host", b"127.0.0.1:8000")],
        "client": ("127.0.0.1", 5),
        "server": ("127.0.0.1", 8000),
    }
    await app(scope, receive, send)
    return bytes(body)


def main() -> None:
    """Measure each kind of flood."""
    with tempfile.TemporaryDirectory() as name, Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        folder = Path(name)
        (folder / "flows").mkdir()
        (folder / "flows" / "desk.yaml").write_text(FLOW, encoding="utf-8")
        for kind, size in FLOODS.items():
            ours, theirs = multiprocessing.Pipe()
            process = multiprocessing.get_context("spawn").Process(target=flood, args=(size, theirs), daemon=True)
            process.start()
            with contextlib.redirect_stderr(nowhere):
                run_bounded(measure(kind, ours.recv(), folder), 2 * (CONNECT_SECONDS + SECONDS))
            process.terminate()
            process.join(timeout=10)


if __name__ == "__main__":
    sys.exit(main())
