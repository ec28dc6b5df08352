"""The browser of the console's tests: Debian's Chromium, driven by Playwright, one for the module."""

from __future__ import annotations

import shutil
import time
import types
from typing import TYPE_CHECKING

import pytest
from console_world import CHROMIUM_OPTIONS, open_world

from callflows.web.console import console_access
from callflows.web.console.console_sessions import SESSION_COOKIE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from console_world import ConsoleWorld
    from playwright.sync_api import Browser, Page

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser")
"""Programs that are Chromium, the first that is there is used. The shell has no windows: it takes a third of the time."""


@pytest.fixture(scope="session", autouse=True)
def _replays_get_their_share() -> Iterator[None]:
    """On a busy machine a process of the lowest priority gets nothing for minutes, and the tests are as busy as any."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("callflows.web.flow_workshop.REPLAY_PRIORITY", 0)
        yield


@pytest.fixture
def _one_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts to sign in are counted by the minutes of the clock, and a busy machine may need two of them."""
    now = time.time()
    monkeypatch.setattr(console_access, "time", types.SimpleNamespace(time=lambda: now))


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Iterator[ConsoleWorld]:
    with open_world(tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        pytest.skip("there is no Chromium: apt-get install chromium-headless-shell")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


class Visitor:
    """A person at a browser. Errors in the browser's console and requests to other hosts are noted."""

    def __init__(self, chromium: Browser, world: ConsoleWorld, *, expected_error: str = "", **options: object) -> None:
        self.context = chromium.new_context(base_url=world.url, **options)  # type: ignore[arg-type]
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.errors: list[str] = []
        self.hosts: set[str] = set()
        self._expected_error = expected_error
        self.page.on("console", lambda said: self._note_error(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.errors.append(f"a dialog: {dialog.message}"), dialog.dismiss()))
        self.context.on("request", lambda request: self.hosts.add(request.url.split("/")[2].partition(":")[0]))

    def _note_error(self, text: str) -> None:
        if not self._expected_error or self._expected_error not in text:
            self.errors.append(text)

    def enter(self, world: ConsoleWorld, name: str) -> Page:
        """Open the first page as somebody who has signed in."""
        cookie = {"name": SESSION_COOKIE, "value": world.sign_cookie(name), "url": f"{world.url}/console/"}
        self.context.add_cookies([cookie])
        self.page.goto("/console/")
        return self.page


@pytest.fixture
def visit(chromium, world):
    """Open a browser window for a person. In the end: no error was told, and no other machine was asked."""
    visitors: list[Visitor] = []

    def open_window(name: str = "ann", **options: object) -> Page:
        visitor = Visitor(chromium, world, **options)  # type: ignore[arg-type]
        visitors.append(visitor)
        return visitor.enter(world, name) if name else visitor.page

    yield open_window
    for visitor in visitors:
        visitor.context.close()
        assert visitor.errors == []
        assert visitor.hosts <= {"127.0.0.1"}
