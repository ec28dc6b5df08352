"""``callflows connect`` with the stand-in: an app, a number, an answered call, and the removal."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from cli.command_runner import run_command
from setup.fake_account import NUMBER, OTHER_NUMBER, OUR_TOKEN
from setup.server_process import run_server_of_flow
from waiting import join_thread

if TYPE_CHECKING:
    from collections.abc import Iterator

imitated = pytest.importorskip("callflows.stand_in.stand_in_server", reason="there is no stand-in yet")

FLOW = f"numbers: [{NUMBER}]\nnodes: {{start: [say: Hello., hangup]}}\n"


@contextlib.contextmanager
def in_a_thread(options: Any) -> Iterator[Any]:
    loop, ready, stop, made = asyncio.new_event_loop(), threading.Event(), asyncio.Event(), []

    async def work() -> None:
        async with imitated.run_stand_in(options) as there:
            made.append(there)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(work()))
    thread.start()
    try:
        assert ready.wait(30), "the stand-in did not start"
        yield made[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        join_thread(thread)
        loop.close()


@pytest.fixture
def platform(tmp_path, monkeypatch):
    options = pytest.importorskip("callflows.stand_in.stand_in_options")
    numbers = (
        options.StandInNumber(number=NUMBER, url="https://old.example.com/x"),
        options.StandInNumber(number=OTHER_NUMBER),
    )
    with (
        run_server_of_flow(tmp_path, FLOW, TOKEN=OUR_TOKEN) as server,
        in_a_thread(options.StandInOptions(numbers=numbers)) as there,
    ):
        monkeypatch.chdir(tmp_path)
        token = there.platform.options.token
        given = {"OPENTACT_URL": there.rest_url, "OPENTACT_EVENTS_URL": there.events_url, "OPENTACT_TOKEN": token}
        for name, value in {**given, "TOKEN": OUR_TOKEN, "PUBLIC_URL": server}.items():
            monkeypatch.setenv(f"CALLFLOWS_{name}", value)
        yield there


def state(there):
    """All that its account has; when it was changed aside."""
    drawers = there.platform.apps, there.platform.leases.table, there.platform.subscriptions
    return [[{name: value for name, value in row.items() if name != "modified_on"} for row in rows] for rows in drawers]


def rung(there):
    """What a caller of the number meets."""
    asked = {"from": "+12015550999", "to": NUMBER, "wait": True}
    return httpx.post(f"{there.url}/stand-in/calls", json=asked, timeout=30, trust_env=False).text


def test_a_number_of_another_app_stays_there_and_is_taken_if_that_is_said_and_rings_here(platform):
    before = state(platform)
    left = run_command("connect", "--yes", "--product", "1")
    assert (left.code, NUMBER in left.err) == (1, True)
    assert "Hello." not in rung(platform)
    taken = run_command("connect", "--yes", "--take")
    assert taken.code == 0, taken.err
    assert "Hello." in rung(platform)
    assert json.loads(run_command("connect", "--dry-run", "--format", "json").out)["steps"] == []
    results = json.loads(run_command("doctor", "--format", "json").out)
    assert {result["check"] for result in results if result["level"] != "ok"} == {"public-url"}
    assert run_command("connect", "--remove", "--yes").code == 0
    assert state(platform) == before


def test_of_several_products_one_must_be_named(platform):
    done = run_command("connect", "--yes")
    assert (done.code, "SIP TLS" in done.err) == (2, True)
    assert len([*platform.platform.apps]) == 2
