"""The console at an address of its own, whose server fails."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import httpx
from in_process_server import DESK, build_settings

from callflows.server import create_app
from waiting import run_bounded, wait_until_async

if TYPE_CHECKING:
    from pathlib import Path

    from callflows.web.call_endpoint import CallEndpoint


def create_server(folder: Path, console_port: int) -> CallEndpoint:
    (folder / "desk.yaml").write_text(DESK, encoding="utf-8")
    return create_app(build_settings(flows=folder, console_port=console_port, console_password="correct horse battery"))  # noqa: S106 - of the tests


def test_a_console_that_does_not_listen_is_said_everywhere_and_comes_back(tmp_path, capsys):
    async def run() -> None:
        # Another program that has the port and does not listen yet: the address can be bound, and listening to it fails.
        other = socket.socket()
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        app = create_server(tmp_path, port)
        transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 1))
        async with (
            app._other_app.router.lifespan_context(app._other_app),  # noqa: SLF001 - as uvicorn does
            httpx.AsyncClient(transport=transport, base_url="http://flows.localhost") as http,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as browser,
        ):
            other.listen()

            async def read_status() -> dict:
                return (await http.get("/readyz")).json()["console"]

            async def read_metric() -> bool:
                return "callflows_console_listening 1.0" in (await http.get("/metrics")).text

            async def has_problem() -> bool:
                return "in use" in (await read_status())["problem"]

            await wait_until_async(has_problem, "the problem of the console in /readyz")
            assert (await read_status())["listening"] is False
            assert not await read_metric()
            assert (await http.get("/readyz")).status_code == 200, "calls are answered all the same"
            other.close()

            async def is_listening() -> bool:
                return (await read_status())["listening"]

            await wait_until_async(is_listening, "the console to listen")
            assert await read_status() == {"listening": True, "problem": ""}
            assert await read_metric()
            assert (await browser.get("/console/login")).status_code == 200
        with socket.socket() as again:
            assert again.connect_ex(("127.0.0.1", port)), "the address is given up with the server"

    run_bounded(run())
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    told = [
        (line["level"], line["event"])
        for line in lines
        if "the console listens" in line["event"] or "the console does not" in line["event"]
    ]
    assert told == [
        ("info", "the console listens apart"),
        ("error", "the console does not listen; it is tried again"),
        ("info", "the console listens again"),
    ]
