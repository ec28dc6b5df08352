"""Changes of flows by the forms of the console: without a browser, and without JavaScript."""

from __future__ import annotations

import json
import os
import re
import time
from html import unescape

import pytest
from console_world import DATABASE_KINDS, create_console_database
from plain_browser import PASSWORD, Browser, ConsoleInstallation
from pydantic import SecretStr

from callflows.journal.flow_history import GO_LIVE_ACTION
from callflows.server import create_app
from callflows.web.console.console_accounts import SHARED_NAME, write_console_user

FLOW = """\
numbers: +12015550123
timezone: America/New_York
hours:
  office:
    mon-fri: 09:00-17:00   # the door
    closed: [2026-12-24, 2026-12-31]
groups:
  sales: {to: [ann@acme.sip.opentact.org, +12015550188]}   # Ann first
nodes:
  start:
    - menu: {prompt: For sales press 1., keys: {1: sales}, attempts: 1, otherwise: end}
  sales:
    - dial: {to: sales, no_answer: end}
  end:
    - say: Goodbye.
"""
ANN = "ann@acme.sip.opentact.org"
PAGE = "/console/flows/desk/edit"


@pytest.fixture(params=DATABASE_KINDS)
def installation(request, tmp_path):
    with create_console_database(request.param, tmp_path) as url:
        yield ConsoleInstallation(tmp_path, FLOW, console_password=SecretStr(PASSWORD), database_url=SecretStr(url))


@pytest.fixture
def author(installation):
    browser = Browser(installation.app)
    browser.sign_in()
    return browser


def read_fields(page: str) -> dict[str, str]:
    """The fields of the form of a draft as the browser would send them, with no box checked."""
    fields = {"source": unescape(re.search(r'name="source"[^>]*>(.*?)</textarea>', page, re.DOTALL)[1])}
    for tag in re.findall(r"<input [^>]*>", page):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        if name is not None and "checkbox" not in tag:
            fields[unescape(name[1])] = unescape(value[1]) if value else ""
    return fields


def at(begin: str, *path: str | int) -> str:
    return f"{begin} {json.dumps(path)}"


def press(author: Browser, do: str, page: str, **changed: str) -> str:
    """Press a button of a draft's page; return the address to which it leads."""
    return author.act(PAGE, {**read_fields(page), **changed, "do": do})


def go_live(author: Browser, fields: dict[str, str]):
    """Send a draft to go live, and answer the question."""
    assert author.act(PAGE, {**fields, "do": "live"}) == f"{PAGE}/live"
    return author.ask(f"{PAGE}/live", read_hidden_fields(author.ask(f"{PAGE}/live").text, "digest", "draft"))


def store_version_before(installation: ConsoleInstallation, source: str, since: float) -> None:
    """Store the version that was live before the last change, as a running server does."""
    ((version,),) = installation.run_sql("SELECT before FROM audit ORDER BY at DESC LIMIT 1")
    installation.run_sql(
        "INSERT INTO versions (flow, version, file, source, since, until) "
        "VALUES ('desk', :version, 'desk.yaml', :source, :since, :since)",
        version=version,
        source=source,
        since=since,
    )


def list_versions(installation: ConsoleInstallation) -> list[str]:
    """The stored versions, the newest first."""
    return [version for (version,) in installation.run_sql("SELECT version FROM versions ORDER BY since DESC")]


def read_hidden_fields(page: str, *names: str) -> dict[str, str]:
    """The fields of a form without a text, and the token."""
    return {name: re.search(rf'name="{name}" value="([^"]*)"', page)[1] for name in ("form_token", *names)}


@pytest.mark.parametrize(
    ("fields", "gone", "new"),
    [
        (
            {
                at("add", "groups", "sales", "to"): "+12015550190",
                at("remove", "groups", "sales", "to", 0): "ann@acme.sip.opentact.org",
            },
            "  sales: {to: [ann@acme.sip.opentact.org, +12015550188]}   # Ann first",
            "  sales: {to: [+12015550188, +12015550190]}   # Ann first",
        ),
        (
            {at("value", "groups", "sales", "to", 1): "+12015550177"},
            "  sales: {to: [ann@acme.sip.opentact.org, +12015550188]}   # Ann first",
            "  sales: {to: [ann@acme.sip.opentact.org, +12015550177]}   # Ann first",
        ),
        (
            {
                at("add", "hours", "office", "closed"): "2027-01-01",
                at("remove", "hours", "office", "closed", 0): "2026-12-24",
            },
            "    closed: [2026-12-24, 2026-12-31]",
            "    closed: [2026-12-31, 2027-01-01]",
        ),
        (
            {
                at("remove", "hours", "office", "closed", 0): "2026-12-24",
                at("remove", "hours", "office", "closed", 1): "2026-12-31",
                at("date", "hours", "office", "open"): "2026-12-19",
                at("windows", "hours", "office", "open"): "10:00-16:00",
                at("add", "hours", "office", "holidays"): "US-NJ",
            },
            "    closed: [2026-12-24, 2026-12-31]",
            "    holidays: US-NJ\n    open: {2026-12-19: 10:00-16:00}",
        ),
    ],
)
def test_people_and_dates_are_changed_by_the_form_and_only_their_lines(installation, author, fields, gone, new):
    page = author.ask(PAGE).text
    assert go_live(author, {**read_fields(page), **fields}).status_code == 303
    assert (installation.flows / "desk.yaml").read_text() == FLOW.replace(gone, new)


def test_half_of_a_date_with_hours_is_refused_in_words(author):
    fields = {**read_fields(author.ask(PAGE).text), at("date", "hours", "office", "open"): "2026-12-19", "do": "live"}
    assert author.act(PAGE, fields) == PAGE
    assert "needs both: the date, and its hours" in author.ask(PAGE).text


def test_a_file_with_crlf_keeps_it(installation, author):
    file = installation.flows / "desk.yaml"
    file.write_bytes(FLOW.replace("\n", "\r\n").encode())
    fields = read_fields(author.ask(PAGE).text)
    changed = fields["source"].replace("Goodbye.", "So long.").replace("\r\n", "\n").replace("\n", "\r\n")
    assert go_live(author, {**fields, "source": changed}).status_code == 303
    assert file.read_bytes() == FLOW.replace("Goodbye.", "So long.").replace("\n", "\r\n").encode()


def test_a_draft_is_rung_key_by_key_and_its_call_becomes_a_test_of_it(installation, author):
    page = author.ask(PAGE).text
    source = read_fields(page)["source"].replace("For sales press 1.", "Press 1 to buy.")
    ring = press(author, "ring", page, source=source)
    call = "from=%2B12015550902&at=2026-11-23+10:00"
    page = author.ask(f"{ring}?{call}").text
    assert all(part in page for part in ("Try the draft of desk", "Press 1 to buy.", 'name="acts" value="1"'))
    page = author.ask(f"{ring}?{call}&acts=1n").text
    assert "The call is over" in page
    test = {**read_hidden_fields(page), "from": "+12015550902", "at": "2026-11-23 10:00", "make_test": "1n"}
    assert author.act(ring, test) == PAGE
    draft = read_fields(author.ask(PAGE).text)["source"]
    assert "Press 1 to buy." in draft
    assert "tests:\n  - name: a call comes to start, sales, end\n    at: 2026-11-23 10:00:00-05:00" in draft.replace(
        "'", ""
    )
    assert "Press 1 to buy." not in (installation.flows / "desk.yaml").read_text()


def test_a_draft_is_kept_for_its_author_alone_until_it_is_discarded(installation, author):
    page = author.ask(PAGE).text
    assert "Unchanged: this is the live text." in page
    assert press(author, "check", page, source=FLOW.replace("Goodbye.", "So long.")) == PAGE
    page = author.ask(PAGE).text
    assert all(
        words in page for words in ("No mistake was found.", "Your draft of", "Callers do not hear it yet.", "So long.")
    )
    assert "your draft of" in author.ask("/console/flows").text
    assert "Go on with it" in author.ask("/console/flows/desk").text
    write_console_user(installation.people, "olga", "author", PASSWORD)
    other = Browser(installation.app)
    other.sign_in("olga")
    assert "So long." not in other.ask(PAGE).text
    assert f"draft of {SHARED_NAME}" in other.ask("/console/flows").text
    question = f"{PAGE}/discard"
    asked = author.ask(question).text
    assert "<del>So long.</del>" in asked
    assert author.act(question, {**read_hidden_fields(asked, "draft"), "draft": "another"}) == question
    assert author.act(question, read_hidden_fields(asked, "draft")) == f"{PAGE}?discarded"
    page = author.ask(f"{PAGE}?discarded").text
    assert all(words in page for words in ("Your draft is discarded.", "Unchanged: this is the live text."))
    assert author.act(question, read_hidden_fields(asked, "draft")) == f"{PAGE}?discarded"
    assert "draft of" not in author.ask("/console/flows").text


def test_what_is_typed_is_kept_by_the_script_of_the_page_and_a_half_value_is_told(author):
    fields = {**read_fields(author.ask(PAGE).text), "do": "keep"}
    assert author.ask(PAGE, fields).json() == {"words": "Unchanged: this is the live text."}
    typed = {**fields, "source": FLOW.replace("Goodbye.", "So lo")}
    assert re.fullmatch(r"Saved at \d\d:\d\d\. Callers do not hear it yet\.", author.ask(PAGE, typed).json()["words"])
    typed[at("date", "hours", "office", "open")] = "2026-12-19"
    assert "but for a value: a date with hours of its own needs both" in author.ask(PAGE, typed).json()["words"]
    assert "So lo" in read_fields(author.ask(PAGE).text)["source"]


def test_before_a_draft_goes_live_the_change_is_shown_and_asked_about_and_afterwards_it_can_be_undone(installation, author):
    file = installation.flows / "desk.yaml"
    question = press(author, "live", author.ask(PAGE).text, source=FLOW.replace("Goodbye.", "So long."))
    assert question == f"{PAGE}/live"
    page = unescape(author.ask(question).text)
    assert all(
        part in page
        for part in (
            "1 line of end.",
            "<del>Goodbye.</del>",
            "<ins>So long.</ins>",
            "-    - say: Goodbye.",
            "+    - say: So long.",
        )
    )
    assert file.read_text() == FLOW
    asked = read_hidden_fields(page, "digest", "draft")
    assert author.act(question, {**asked, "draft": "another"}) == f"{question}?again"
    assert "since you were asked" in author.ask(f"{question}?again").text
    landed = author.act(question, asked)
    assert author.act(question, asked) == landed, "a second click is told the same"
    assert file.read_text() == FLOW.replace("Goodbye.", "So long.")
    store_version_before(installation, FLOW, 1.0)
    page = author.ask(landed).text
    assert all(part in page for part in ("Your change is live:", "<ins>So long.</ins>", "1 line of end", "✓ live now"))
    assert "Your draft" not in page
    undo = re.search(r'action="([^"]*/rollback)"', page)[1]
    assert author.ask(undo, {**read_hidden_fields(page), "digest": "of an older file"}).status_code == 409
    for _click in ("the first", "a second one"):
        assert author.act(undo, read_hidden_fields(page, "digest")) == landed
    assert file.read_text() == FLOW
    store_version_before(installation, FLOW.replace("Goodbye.", "So long."), 2.0)
    page = author.ask(landed).text
    first, second = re.findall(r"<tr( class=\"current\")?><td", page)
    assert (first, bool(second)) == ("", True)
    assert all(part in page for part in ("Taken back, and live again:", "live again <time"))
    newer, older = (author.ask(f"/console/flows/desk/versions/{version}").text for version in list_versions(installation))
    assert "live now" in older
    assert "Make this version live again" not in older
    change = newer[newer.index("What making it live again would change") : newer.index("Make this version live again")]
    assert all(part in change for part in ("-    - say: Goodbye.", "+    - say: So long."))


def test_a_version_replaces_a_file_that_has_an_error(installation, author):
    file = installation.flows / "desk.yaml"
    go_live(author, {**read_fields(author.ask(PAGE).text), "source": FLOW.replace("Goodbye.", "So long.")})
    store_version_before(installation, FLOW, 1.0)
    (version,) = list_versions(installation)
    file.write_text("nodes: {")
    later = Browser(create_app(installation.settings))
    later.sign_in()
    page = f"/console/flows/desk/versions/{version}"
    fields = read_hidden_fields(later.ask(page).text, "digest")
    assert later.ask(f"{page}/rollback", fields).status_code == 303
    assert file.read_text() == FLOW


def test_a_draft_of_a_file_that_has_changed_says_so_and_shows_the_difference(installation, author):
    file = installation.flows / "desk.yaml"
    press(author, "check", author.ask(PAGE).text, source=FLOW.replace("Goodbye.", "So long."))
    file.write_text(FLOW.replace("# Ann first", "# Ann always"))
    page = unescape(author.ask(PAGE).text)
    assert all(part in page for part in ("The file has changed since you began", "# Ann always", "+    - say: So long."))
    question = press(author, "live", page)
    page = author.ask(question).text
    assert "would take back what others have changed" in page
    asked = read_hidden_fields(page, "digest", "draft")
    file.write_text(FLOW.replace("# Ann first", "# Ann again"))
    assert author.act(question, asked) == f"{question}?again"
    assert "# Ann again" in file.read_text()


def test_a_draft_that_the_file_has_by_now_is_none_any_more(installation, author):
    changed = FLOW.replace("Goodbye.", "So long.")
    press(author, "check", author.ask(PAGE).text, source=changed)
    (installation.flows / "desk.yaml").write_text(changed)
    assert "Unchanged: this is the live text." in author.ask(PAGE).text
    assert "draft of" not in author.ask("/console/flows").text


def test_the_impact_shows_how_far_it_is_and_that_it_was_interrupted(installation, author):
    press(author, "check", author.ask(PAGE).text, source=FLOW.replace("Goodbye.", "So long."))
    for age, words in ((0, "34 of 200 calls"), (3600, "was interrupted, as the server has started again")):
        report = {"kind": "impact", "is_running": True, "done": 34, "total": 200, "at": time.time() - age}
        installation.run_sql("UPDATE drafts SET report = :report", report=json.dumps(report))
        assert all(words in author.ask(page).text for page in (PAGE, f"{PAGE}/impact"))


def test_keys_of_a_menu_are_changed_by_the_form_and_the_prompt_that_promises_an_old_one_is_told_beside_it(author):
    keys = ("nodes", "start", 0, "menu", "keys")
    page = author.ask(PAGE).text
    added = {at("key", *keys): "3", at("leads", *keys): "end", at("remove", *keys, "1"): "sales"}
    press(author, "check", page, **added)
    page = author.ask(PAGE).text
    assert FLOW.replace("{1: sales}", "{3: end}") == read_fields(page)["source"]
    beside = page[page.index("Texts, keys, hours, dates and people") : page.index('id="file"')]
    assert "tells the caller to press 1" in unescape(beside)
    for wrong, words in (
        ({at("key", *keys): "x", at("leads", *keys): "end"}, "no key of a phone"),
        ({at("key", *keys): "4"}, "both"),
    ):
        press(author, "check", page, **wrong)
        assert words in author.ask(PAGE).text


MENU = """\
numbers: +12015550123
nodes:
  start:
    - menu:
        prompt: For sales press 1. For the door press 2. For help press 3.
        keys:
          1: sales      # most callers
          "2": door     # until spring

          # nobody presses it
          3: help
        otherwise: help
  sales:
    - hangup:
  door:
    - hangup:
  help:
    - hangup:
"""
KEYS = ("nodes", "start", 0, "menu", "keys")


@pytest.mark.parametrize(
    ("fields", "changes"),
    [
        ({at("rename", *KEYS, "3"): "9"}, {"          3: help": "          9: help"}),
        ({at("rename", *KEYS, "2"): "*"}, {'          "2": door     #': '          "*": door     #'}),
        (
            {at("rename", *KEYS, "1"): "2", at("rename", *KEYS, "2"): "1"},
            {"          1: sales ": "          2: sales ", '          "2": door ': '          "1": door '},
        ),
        (
            {at("rename", *KEYS, "1"): "#", at("value", *KEYS, "1"): "help"},
            {"          1: sales      #": '          "#": help      #'},
        ),
        (
            {at("rename", *KEYS, "3"): "1", at("remove", *KEYS, "1"): "sales"},
            {"          1: sales      # most callers\n": "", "          3: help": "          1: help"},
        ),
        (
            {at("rename", *KEYS, "3"): "4", at("key", *KEYS): "3", at("leads", *KEYS): "door"},
            {"          3: help\n": "          4: help\n          3: door\n"},
        ),
    ],
)
def test_a_key_of_a_menu_gets_another_name_by_the_form_and_only_its_line_changes(installation, author, fields, changes):
    (installation.flows / "desk.yaml").write_text(MENU)
    press(author, "check", author.ask(PAGE).text, **fields)
    expected = MENU
    for before, after in changes.items():
        expected = expected.replace(before, after)
    assert read_fields(author.ask(PAGE).text)["source"] == expected


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({at("rename", *KEYS, "3"): "1"}, "key 1 would be there twice"),
        ({at("rename", *KEYS, "3"): "8", at("rename", *KEYS, "1"): "8"}, "key 8 would be there twice"),
        ({at("rename", *KEYS, "3"): "x"}, "'x' is no key of a phone"),
        ({at("rename", *KEYS, "3"): ""}, "'' is no key of a phone"),
    ],
)
def test_a_name_that_no_key_can_have_is_refused_in_words(installation, author, fields, words):
    (installation.flows / "desk.yaml").write_text(MENU)
    press(author, "check", author.ask(PAGE).text, **fields)
    page = unescape(author.ask(PAGE).text)
    assert words in page
    assert read_fields(page)["source"] == MENU


def test_braces_of_a_text_are_explained_beside_it_with_what_a_caller_would_hear_now(author):
    texts = {
        "Goodbye, {{ caller.name }}.": "{{ caller.name }} the caller's name",
        "We open {{ hours.office.next_opening | spoken }}.": (
            r"{{ hours.office.next_opening \| spoken }} when office opens next, now “[\w ]+ at 9 AM”"
        ),
        "Hello{% if caller.name %}, {{ caller.name }}{% endif %}.": "{% if caller.name %} said only in some calls",
        "It is {{ now.time }}.": "{{ now.time }} the time of the call",
        "Your code is {{ digits }}.": "{{ digits }} the keys that the caller pressed last",
    }
    assert "Filled in for each call" not in author.ask(PAGE).text
    for text, explained in texts.items():
        press(author, "check", author.ask(PAGE).text, source=FLOW.replace("Goodbye.", f'"{text}"'))
        page = unescape(re.sub(r"<[^>]+>", " ", author.ask(PAGE).text))
        assert re.search(explained, " ".join(page.split())), text


def test_a_call_of_the_phone_becomes_a_test_that_is_shown_before_it_is_written(installation, author):
    page = author.ask("/console/phone/test?flow=desk&acts=h").text
    scenario = unescape(re.search(r'name="scenario"[^>]*>(.*?)</textarea>', page, re.DOTALL)[1])
    assert "- name: a call comes to start" in scenario
    assert (installation.flows / "desk.yaml").read_text() == FLOW
    fields = {
        "form_token": author.read_form_token(),
        "scenario": scenario.replace("a call comes to start", "hangs up"),
        "do": "add",
    }
    reply = author.ask("/console/flows/desk/tests", fields)
    assert reply.headers["location"] == f"/console/flows/desk?view=file#L{FLOW.count(chr(10)) + 3}"
    assert (installation.flows / "desk.yaml").read_text().startswith(f"{FLOW}\ntests:\n  - name: hangs up\n")
    assert [action for _, action, _ in installation.list_audit()] == ["signed in", GO_LIVE_ACTION]


def test_a_test_for_a_folder_that_is_read_only_is_a_patch(author, monkeypatch):
    fields = {"form_token": author.read_form_token(), "scenario": "- name: hangs up\n  keys: hangup\n", "do": "add"}
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    page = author.act("/console/flows/desk/tests", fields)
    assert "+  - name: hangs up" in unescape(author.ask(page).text)


def test_a_test_that_was_run_stands_there_with_its_result_when_the_page_is_loaded_again(installation, author):
    wrong = "- name: hangs up\n  keys: hangup\n  expect: [nodes: [start, sales]]\n"
    fields = {"form_token": author.read_form_token(), "scenario": wrong, "do": "try"}
    page = author.act("/console/flows/desk/tests", fields)
    for _ in range(2):
        shown = unescape(author.ask(page).text)
        assert all(words in shown for words in ("Tests: 0 of 1 pass", wrong.strip()))
    assert "draft of" not in author.ask("/console/flows").text
    author.act(page, {**fields, "scenario": "nonsense"})
    assert 'id="found-refusal"' in author.ask(page).text
    author.act(page, {**fields, "scenario": "- name: hangs up\n  keys: hangup\n", "do": "add"})
    assert author.act(page, {**fields, "scenario": "- name: hangs up\n  keys: hangup\n", "do": "try"}) == page
    assert author.ask(page).status_code == 200
    assert (installation.flows / "desk.yaml").read_text().count("- name: hangs up") == 1
