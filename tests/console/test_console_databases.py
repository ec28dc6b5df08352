"""The whole console beside SQLite and PostgreSQL, with recorded calls: each page, and each kind of change."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING

import httpx
import pytest
from console_world import DATABASE_KINDS, create_console_database, open_world

from callflows.web.console.console_sessions import SESSION_COOKIE
from waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from console_world import ConsoleWorld

BO = "+12015550906"
EDIT = "/console/flows/front-desk/edit"


@pytest.fixture(scope="module", params=DATABASE_KINDS)
def world(request, tmp_path_factory) -> Iterator[ConsoleWorld]:
    folder = tmp_path_factory.mktemp("world")
    with create_console_database(request.param, folder) as url, open_world(folder, database_url=url) as world:
        assert world.settings.journal_url.startswith(request.param)
        yield world


class Author:
    """An author who sends forms as a browser does."""

    def __init__(self, world: ConsoleWorld) -> None:
        cookies, headers = {SESSION_COOKIE: world.sign_cookie("ann")}, {"origin": world.url}
        self._http = httpx.Client(
            base_url=world.url, cookies=cookies, headers=headers, trust_env=False, follow_redirects=True, timeout=60
        )

    def close(self) -> None:
        self._http.close()

    def read(self, page: str) -> str:
        return unescape(self._http.get(page).raise_for_status().text)

    def list_calls(self, query: str) -> list[str]:
        items = self._http.get(f"/console/calls.json?{query}").raise_for_status().json()["items"]
        return [item["from"] for item in items]

    def send(self, page: str, **fields: str) -> str:
        """Send a form, and read the page to which it leads."""
        token = re.search(r'name="form_token" value="([0-9a-f]+)"', self.read("/console/calls"))[1]
        return unescape(self._http.post(page, data={"form_token": token, **fields}).raise_for_status().text)


@pytest.fixture
def author(world) -> Iterator[Author]:
    author = Author(world)
    yield author
    author.close()


def test_every_page_answers(author):
    call = re.search(r'href="(/console/calls/[^"/]+)"', author.read("/console/calls?q=Bo"))[1]
    for page in (
        "/console/", "/console/calls", "/console/calls.csv", call, f"{call}?view=why", f"{call}?view=documents",
        f"{call}/now", f"{call}/test", "/console/flows", "/console/flows/front-desk", "/console/flows/front-desk?view=file",
        "/console/flows/front-desk?view=versions", EDIT, "/console/inbox", "/console/inbox?box=texts",
        "/console/inbox?box=missed", "/console/inbox?state=", "/console/texts/+12015550123/+12015550931",
        "/console/numbers", "/console/health", "/console/phone?flow=front-desk&acts=2n", "/console/hours/front-desk/office",
    ):  # fmt: skip
        assert author.read(page), page


def test_calls_are_searched_and_filtered(author):
    assert author.list_calls("q=bo+ch") == [BO]
    assert author.list_calls("q=5550944") == ["+12015550944"]
    assert author.list_calls("q=%2B4420") == ["+442079460018"]
    assert author.list_calls("q=nobody+at+all") == []
    assert {BO} < {*author.list_calls("outcome=voicemail&period=7d")}
    # The way within a document is known once Opentact's execution log is read, some seconds after the call.
    wait_until(lambda: BO in author.list_calls("node=support&flow=front-desk"), "the execution log")
    assert author.list_calls("node=closed") == []
    assert len(author.list_calls("q=Bo&node=message&outcome=voicemail")) == 1


def test_a_voicemail_and_a_text_are_noted_handled_and_new_again(author):
    for box, kind in (("voicemails", "voicemail"), ("texts", "message")):
        page = f"/console/inbox?box={box}"
        id_ = re.search(rf'action="/console/inbox/{kind}/([^"]+)"', author.read(page))[1]
        shown = author.send(f"/console/inbox/{kind}/{id_}", do="handled", text="Ärger - 你好", next=page)
        assert "is marked as handled. Your note is with it." in shown
        handled = author.read(f"{page}&state=handled")
        assert all(words in handled for words in ("Handled by ann", "Ärger - 你好"))
        assert "is new again" in author.send(f"/console/inbox/{kind}/{id_}", do="new", next=page)


def test_a_draft_is_kept_goes_live_is_undone_and_an_earlier_version_comes_back(author, world):
    file = world.settings.flows / "front-desk.yaml"
    before = file.read_text()
    digest = re.search(r'name="digest" value="([^"]*)"', author.read(EDIT))[1]
    changed = before.replace("Welcome to Acme", "Hello at Acme")
    shown = author.send(EDIT, do="test", source=changed, digest=digest)
    assert all(words in shown for words in ("Tests: 1 of 1 pass", "Your draft of"))
    assert "your draft of" in author.read("/console/flows")
    asked = author.send(EDIT, do="live", source=changed, digest=digest)
    fields = {name: re.search(rf'name="{name}" value="([^"]*)"', asked)[1] for name in ("digest", "draft")}
    live = author.send(f"{EDIT}/live", **fields)
    assert "Your change is live:" in live
    assert file.read_text() == changed
    digest = re.search(r'name="digest" value="([^"]*)"', live)[1]
    undone = author.send(re.search(r'action="([^"]*/rollback)"', live)[1], digest=digest)
    assert "Taken back, and live again:" in undone
    assert file.read_text() == before
    newer = next(
        version for version in re.findall(r'href="(/console/flows/front-desk/versions/[^"]+)"', undone)
        if "Make this version live again" in author.read(version)
    )  # fmt: skip
    digest = re.search(r'name="digest" value="([^"]*)"', author.read(newer))[1]
    author.send(f"{newer}/rollback", digest=digest)
    assert file.read_text() == changed
    assert "draft of" not in author.read("/console/flows")
