"""Flows are edited while the server answers: every way to save, and calls in progress."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import threading
import time
from typing import TYPE_CHECKING

import httpx
import pytest
from in_process_server import (
    CALL_FIELDS,
    InProcessServer,
    build_settings,
    is_apology,
    list_callback_urls,
    list_spoken_texts,
    read_document,
    send_request,
)

from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.loader.flow_library import FlowLibrary
from callflows.flows.loader.flow_versions import MAX_EARLIER_VERSIONS
from callflows.flows.loader.folder_watcher import FolderWatcher
from callflows.server import create_app
from waiting import join_thread, run_bounded, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from callflows.flows.loader.folder_loader import LoadedFlows

PATIENCE = 8.0


def version(number: int | str) -> str:
    """A desk whose texts all name its version."""
    return f"""
numbers: +12015550123
nodes:
  start:
    - say: Version {number} greets {{{{ caller.number }}}}.
    - goto: menu
  menu:
    - menu: {{prompt: Version {number} asks., keys: {{1: menu, 2: end}}, attempts: 1, otherwise: end}}
  end:
    - say: Version {number} ends.
fallback:
  - say: Version {number} is sorry.
"""


def spoken(reply: httpx.Response) -> set[str]:
    """The versions that speak in a document, valid to the letter."""
    return {text.split()[1] for text in list_spoken_texts(read_document(reply))}


class Live(InProcessServer):
    """A door whose folder is watched."""

    def __init__(self, folder: Path, text: str, *, every: float = 2.0) -> None:
        super().__init__(folder, text)
        options = CompilerOptions(self.signer, self.settings.apology, self.settings.dialect)
        self.library = FlowLibrary(folder, options)
        self.swaps: list[LoadedFlows] = []
        self.watcher = FolderWatcher(self.library, self._swapped, poll_seconds=every)

    def _swapped(self, _before: LoadedFlows, loaded: LoadedFlows) -> None:
        self.flow_versions.replace_book(loaded.book)
        self.swaps.append(loaded)

    def becomes(self, number: int | str) -> None:
        """Wait until a new call meets a version; a test fails where it never does."""
        until(lambda: spoken(self.send_request()) == {str(number)})


def until(holds: Callable[[], bool]) -> None:
    wait_until(holds, "the reload", seconds=PATIENCE)


@contextlib.contextmanager
def live(folder: Path, text: str = version(1), every: float = 2.0) -> Iterator[Live]:
    door = Live(folder, text, every=every)
    door.watcher.start()
    try:
        yield door
    finally:
        door.watcher.stop()


# Ways to save


def in_place(folder: Path, text: str) -> None:
    (folder / "desk.yaml").write_text(text)


def by_rename(folder: Path, text: str) -> None:
    (folder / ".desk.yaml.new").write_text(text)
    (folder / ".desk.yaml.new").rename(folder / "desk.yaml")


def with_a_backup(folder: Path, text: str) -> None:
    (folder / "desk.yaml").rename(folder / "desk.yaml~")
    (folder / "desk.yaml").write_text(text)


def by_deletion(folder: Path, text: str) -> None:
    (folder / "desk.yaml").unlink()
    (folder / "desk.yaml").write_text(text)


def from_elsewhere(folder: Path, text: str) -> None:
    (folder.parent / "desk.new").write_text(text)
    (folder.parent / "desk.new").rename(folder / "desk.yaml")


def behind_a_link(folder: Path, text: str) -> None:
    (folder.parent / "elsewhere.yaml").write_text(text)
    if not (folder / "desk.yaml").is_symlink():
        (folder / "desk.yaml").unlink()
        (folder / "desk.yaml").symlink_to("../elsewhere.yaml")


def as_kubernetes(folder: Path, text: str) -> None:
    before = (folder / "..data").resolve() if (folder / "..data").is_symlink() else None
    made = folder / f"..{time.monotonic_ns()}"
    made.mkdir()
    (made / "desk.yaml").write_text(text)
    (folder / "..data_tmp").symlink_to(made.name)
    (folder / "..data_tmp").rename(folder / "..data")
    if before is None:
        (folder / "desk.yaml").unlink()
        (folder / "desk.yaml").symlink_to("..data/desk.yaml")
    else:
        shutil.rmtree(before)


def as_another_folder(folder: Path, text: str) -> None:
    made = folder.parent / "made"
    made.mkdir()
    (made / "desk.yaml").write_text(text)
    folder.rename(folder.parent / f"old{time.monotonic_ns()}")
    made.rename(folder)


@pytest.mark.parametrize(
    "save",
    [in_place, by_rename, with_a_backup, by_deletion, from_elsewhere, behind_a_link, as_kubernetes, as_another_folder],
)
def test_a_save_is_live_soon_however_it_is_made(tmp_path, save):
    (tmp_path / "flows").mkdir()
    with live(tmp_path / "flows", every=0.5) as door:
        for number in (2, 3, 4):
            save(tmp_path / "flows", version(number))
            door.becomes(number)
        assert all(loaded.problems == () for loaded in door.swaps[-1:])


def test_a_save_that_nobody_notifies_is_found(tmp_path, monkeypatch):
    def deaf(*_paths: object, **_options: object) -> None:
        raise OSError("no space left for watches")

    monkeypatch.setattr("watchfiles.watch", deaf)
    with live(tmp_path, every=0.1) as door:
        in_place(tmp_path, version(2))
        door.becomes(2)
        assert any("no space left for watches" in line["event"] for line in door.read_log_lines())


def test_a_notified_save_does_not_wait_for_the_next_look(tmp_path):
    with live(tmp_path, every=600.0) as door:
        until(lambda: in_place(tmp_path, version(2)) or spoken(door.send_request()) == {"2"})


def test_a_folder_that_vanishes_keeps_answering_and_is_watched_again_when_it_is_back(tmp_path):
    (tmp_path / "flows").mkdir()
    with live(tmp_path / "flows", every=0.1) as door:
        (tmp_path / "flows").rename(tmp_path / "away")
        until(lambda: [problem.rule for problem in door.library.loaded_flows.problems] == ["no-folder"])
        assert spoken(door.send_request()) == {"1"}
        (tmp_path / "flows").mkdir()
        in_place(tmp_path / "flows", version(2))
        door.becomes(2)
        in_place(tmp_path / "flows", version(3))
        door.becomes(3)
        assert door.library.loaded_flows.problems == ()


def test_what_breaks_while_looking_does_not_end_the_watching(tmp_path, monkeypatch):
    with live(tmp_path, every=0.1) as door:
        with monkeypatch.context() as broken:
            broken.setattr(door.library, "refresh", lambda: 1 / 0)
            until(lambda: any("ZeroDivisionError" in str(line) for line in door.read_log_lines()))
        in_place(tmp_path, version(2))
        door.becomes(2)


def test_what_breaks_while_swapping_is_tried_again(tmp_path, monkeypatch):
    with live(tmp_path, every=0.1) as door:
        with monkeypatch.context() as broken:
            broken.setattr(door.flow_versions, "replace_book", lambda _book: 1 / 0)
            in_place(tmp_path, version(2))
            until(lambda: any("ZeroDivisionError" in str(line) for line in door.read_log_lines()))
        door.becomes(2)


# The server


@contextlib.contextmanager
def running(app: object) -> Iterator[None]:
    """The server's life around a test, its events in a thread of their own."""
    ending, begun = threading.Event(), threading.Event()

    async def live() -> None:
        messages = iter(["lifespan.startup", "lifespan.shutdown"])

        async def receive() -> dict[str, str]:
            message = next(messages)
            if message.endswith("shutdown"):
                await asyncio.to_thread(ending.wait)
            return {"type": message}

        async def send(message: dict[str, str]) -> None:
            assert message["type"].endswith(".complete"), message
            begun.set()

        await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)

    thread = threading.Thread(target=lambda: run_bounded(live()))
    thread.start()
    try:
        assert begun.wait(PATIENCE)
        yield
    finally:
        ending.set()
        join_thread(thread, PATIENCE)


def test_the_server_says_which_flow_goes_on_in_an_earlier_version(tmp_path, capsys):
    (tmp_path / "desk.yaml").write_text(version(1))
    app = create_app(build_settings(flows=tmp_path))
    with running(app):
        in_place(tmp_path, "numbers: [\n")
        until(lambda: send_request(app, "/readyz").json()["stale"] == ["desk"])
        assert spoken(send_request(app, "/call", params=CALL_FIELDS)) == {"1"}
        ready = send_request(app, "/readyz")
        assert (ready.status_code, ready.json()["flows"], ready.json()["broken"]) == (200, 1, [])
        metrics = send_request(app, "/metrics").text
        assert 'callflows_flows{state="stale"} 1.0' in metrics
        assert 'callflows_flows{state="live"} 0.0' in metrics
        in_place(tmp_path, version(2))
        until(lambda: spoken(send_request(app, "/call", params=CALL_FIELDS)) == {"2"})
        until(lambda: send_request(app, "/readyz").json()["stale"] == [])
    said = capsys.readouterr().err
    assert "the file cannot be read here" in said
    assert '"the last good version of a flow stays in use"' in said


def test_workers_are_there_when_the_first_flow_that_needs_them_comes_by_reload(tmp_path):
    (tmp_path / "desk.yaml").write_text(version(1))
    app = create_app(build_settings(flows=tmp_path))
    none = "callflows_sandbox_processes 0.0"
    with running(app):
        assert none in send_request(app, "/metrics").text
        in_place(tmp_path, version(2).replace("{{ caller.number }}", "{% for one in [1] %}{{ one }}{% endfor %}"))
        until(lambda: none not in send_request(app, "/metrics").text)


def test_the_thread_that_watches_ends_with_the_server(tmp_path):
    (tmp_path / "desk.yaml").write_text(version(1))
    with running(create_app(build_settings(flows=tmp_path))):
        assert "watcher" in [thread.name for thread in threading.enumerate()]
    assert "watcher" not in [thread.name for thread in threading.enumerate()]


# Calls in progress


def open_version(door: Live, number: int) -> None:
    in_place(door.folder, version(number))
    door.watcher.refresh_library()
    assert spoken(door.send_request()) == {str(number)}


def test_a_call_goes_on_in_its_version_while_it_is_remembered_and_then_at_the_start_of_its_node(tmp_path):
    door = Live(tmp_path, version(0))
    (url, *_) = list_callback_urls(door.send_request())
    for number in range(1, MAX_EARLIER_VERSIONS + 1):
        open_version(door, number)
        assert spoken(door.send_request(url)) == {"0"}
    open_version(door, MAX_EARLIER_VERSIONS + 1)
    assert spoken(door.send_request(url)) == {str(MAX_EARLIER_VERSIONS + 1)}
    assert list_spoken_texts(read_document(door.send_request(url)))[0] == f"Version {MAX_EARLIER_VERSIONS + 1} asks."


def test_a_remembered_version_goes_on_at_the_exact_attempt(tmp_path):
    big = "x" * 3000
    menu = (
        "numbers: rest\nnodes:\n  start:\n    - menu:\n        prompt: [First., Second., Third.]\n        keys:\n"
        + "".join(f"          {key}: n{key}\n" for key in range(8))
        + "".join(f"  n{key}: [say: {key}{big}]\n" for key in range(8))
    )
    door = Live(tmp_path, menu)
    second = list_callback_urls(door.send_request())[-1]
    in_place(tmp_path, menu.replace("Second.", "2."))
    door.watcher.refresh_library()
    assert list_spoken_texts(read_document(door.send_request(second)))[0] == "Second."


def test_a_call_goes_on_though_its_flow_is_deleted_and_its_node_gone(tmp_path):
    door = Live(tmp_path, version(0))
    (url, *_) = list_callback_urls(door.send_request())
    gone = (
        version(1).replace("menu:\n", "choices:\n", 1).replace("goto: menu", "goto: choices").replace("1: menu", "1: end")
    )
    in_place(tmp_path, gone)
    door.watcher.refresh_library()
    assert spoken(door.send_request(url)) == {"0"}
    (tmp_path / "desk.yaml").unlink()
    door.watcher.refresh_library()
    assert is_apology(door.send_request())
    assert spoken(door.send_request(url)) == {"0"}


# The storm


def test_two_hundred_reloads_under_load_fail_no_call_and_mix_no_versions(tmp_path):
    door = Live(tmp_path, version(0))
    done = threading.Event()
    reloads = 200

    def storm() -> None:
        for number in range(1, reloads + 1):
            by_rename(tmp_path, version(number) if number % 7 else "numbers: [\n")
            door.library._settle_seconds = 0.0  # noqa: SLF001 - a save by rename is whole, and 200 of them are enough to wait for
            door.watcher.refresh_library()
        done.set()

    async def caller(http: httpx.AsyncClient) -> int:
        calls = 0
        while not done.is_set() or not calls:
            first = await http.get("/call", params=CALL_FIELDS)
            began = spoken(first)
            assert len(began) == 1
            further = await http.get(list_callback_urls(first)[0])
            assert len(spoken(further)) == 1
            calls += 1
            await asyncio.sleep(0)
        return calls

    async def callers() -> list[int]:
        transport = httpx.ASGITransport(app=door.app, client=("127.0.0.1", 40000))
        async with httpx.AsyncClient(transport=transport, base_url="http://flows.localhost", trust_env=False) as http:
            return await asyncio.gather(*(caller(http) for _ in range(4)))

    thread = threading.Thread(target=storm)
    thread.start()
    calls = run_bounded(callers())
    join_thread(thread)
    assert sum(calls) > 20
    assert len(door.swaps) > reloads / 2
    assert spoken(door.send_request()) == {str(reloads)}
    assert {line["event"] for line in door.read_log_lines() if line.get("flow")} == {"answered"}
