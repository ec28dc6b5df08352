"""Changes of flows by the forms of the console: without a browser, and without JavaScript."""

from __future__ import annotations

import json
import os
import re
from html import unescape

import pytest
from plain_browser import PASSWORD, Browser, ConsoleInstallation
from pydantic import SecretStr

from callflows.journal.flow_history import GO_LIVE_ACTION

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


@pytest.fixture
def installation(tmp_path):
    return ConsoleInstallation(tmp_path, FLOW, console_password=SecretStr(PASSWORD))


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
    reply = author.ask(PAGE, {**read_fields(page), **fields, "do": "live"})
    assert reply.status_code == 303, unescape(reply.text)
    assert (installation.flows / "desk.yaml").read_text() == FLOW.replace(gone, new)


def test_half_of_a_date_with_hours_is_refused_in_words(author):
    fields = {**read_fields(author.ask(PAGE).text), at("date", "hours", "office", "open"): "2026-12-19", "do": "live"}
    assert "needs both: the date, and its hours" in author.ask(PAGE, fields).text


def test_a_file_with_crlf_keeps_it(installation, author):
    file = installation.flows / "desk.yaml"
    file.write_bytes(FLOW.replace("\n", "\r\n").encode())
    fields = read_fields(author.ask(PAGE).text)
    changed = fields["source"].replace("Goodbye.", "So long.").replace("\r\n", "\n").replace("\n", "\r\n")
    assert author.ask(PAGE, {**fields, "source": changed, "do": "live"}).status_code == 303
    assert file.read_bytes() == FLOW.replace("Goodbye.", "So long.").replace("\n", "\r\n").encode()


def test_a_draft_is_rung_key_by_key_and_its_call_becomes_a_test_of_it(installation, author):
    fields = read_fields(author.ask(PAGE).text)
    fields["source"] = fields["source"].replace("For sales press 1.", "Press 1 to buy.")
    page = author.ask(
        "/console/flows/desk/ring", {**fields, "from": "+12015550902", "name": "", "at": "2026-11-23 10:00"}
    ).text
    assert all(part in page for part in ("Ring the draft of desk", "Press 1 to buy.", 'name="acts" value="1"'))
    page = author.ask("/console/flows/desk/ring", {**read_fields(page), "acts": "1n"}).text
    assert "The call is over" in page
    draft = read_fields(author.ask("/console/flows/desk/ring", {**read_fields(page), "make_test": "1n"}).text)["source"]
    assert "Press 1 to buy." in draft
    assert "tests:\n  - name: a call comes to start, sales, end\n    at: 2026-11-23 10:00:00-05:00" in draft.replace(
        "'", ""
    )
    assert "Press 1 to buy." not in (installation.flows / "desk.yaml").read_text()


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
    assert "+  - name: hangs up" in unescape(author.ask("/console/flows/desk/tests", fields).text)
