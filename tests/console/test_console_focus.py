"""The focus of the keyboard after an action in a real browser: at the result, or at the same control."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


def press_enter(control: Locator) -> None:
    """Use a button or link by the keyboard alone, and wait for the next page."""
    control.focus()
    with control.page.expect_navigation():
        control.page.keyboard.press("Enter")


def read_focused(page: Page) -> str:
    """The words of the focused part, with those that name it; empty if the focus is at the top of the page."""
    return page.evaluate(
        """() => {
            const part = document.activeElement;
            if (part === document.body) return "";
            const names = (part.getAttribute("aria-labelledby") || "").split(" ").filter(Boolean);
            const words = names.map((name) => document.getElementById(name)).filter(Boolean).map((one) => one.textContent);
            return (words.length ? words.join(" ") : part.textContent).replace(/\\s+/g, " ").trim();
        }"""
    )


@pytest.fixture(params=[True, False], ids=["with JavaScript", "without JavaScript"])
def page(visit, request) -> Page:
    return visit(java_script_enabled=request.param)


def test_marking_a_voicemail_and_undoing_that_lead_to_the_sentence_about_it(page):
    page.goto("/console/inbox")
    press_enter(page.get_by_role("button", name="Mark as handled").first)
    assert "is marked as handled" in read_focused_by_browser(page)
    page.keyboard.press("Tab")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert "is new again" in read_focused_by_browser(page)


def read_focused_by_browser(page: Page) -> str:
    """The words of the focused part, also where the page may run no scripts."""
    return page.locator(":focus").inner_text()


def test_a_note_is_where_the_focus_goes_after_it_was_written(page):
    page.goto("/console/calls?q=Bo")
    page.locator("a.row").click()
    page.get_by_label("New note").fill("rings back on Monday")
    press_enter(page.get_by_role("button", name="Add the note"))
    assert "rings back on Monday" in read_focused_by_browser(page)
    page.goto("/console/inbox")
    page.get_by_label("Note").first.fill("heard by us")
    press_enter(page.get_by_role("button", name="Save the note").first)
    assert "heard by us" in read_focused_by_browser(page)


def test_a_line_that_was_closed_is_where_the_focus_goes(page):
    page.get_by_role("link", name="Close for a while … front-desk office").click()
    press_enter(page.get_by_role("button", name="Show what callers hear then"))
    assert "We are closed." in read_focused_by_browser(page)
    press_enter(page.get_by_role("button", name="Close the line now"))
    assert re.search(r"front-desk\s+Closed\s+by hand until", read_focused_by_browser(page))
    page.get_by_role("link", name="Change or undo").click()
    press_enter(page.get_by_role("button", name="Back to the hours of the file"))
    assert re.search(r"front-desk\s+Open", read_focused_by_browser(page))


def test_each_step_of_a_call_of_the_phone_is_read_before_the_next_decision(visit):
    page = visit()
    page.goto("/console/phone?flow=front-desk")
    press_enter(page.get_by_role("button", name="Ring"))
    assert read_focused(page) == "The call"
    press_enter(page.get_by_role("link", name="2", exact=True))
    assert re.match(r"pressed 2\. “One moment, .*”\. rings \+1 201 555 0190\. It rings", read_focused(page))
    press_enter(page.get_by_role("link", name="No answer"))
    assert "Please leave a message" in read_focused(page)
    press_enter(page.get_by_role("link", name="One step back"))
    assert "It rings" in read_focused(page)


def test_every_button_of_a_draft_leads_to_what_was_found(visit):
    page = visit()
    page.goto("/console/flows/front-desk/edit#file")
    source = page.get_by_label("The file")
    whole = source.input_value()
    source.fill(whole.replace("2: support", "2: suport"))
    press_enter(page.get_by_role("button", name="Check"))
    assert "did you mean 'support'?" in read_focused(page)
    page.goto("/console/flows/front-desk/edit#file")
    page.get_by_label("The file").fill(whole.replace("2: support", "2: sales"))
    press_enter(page.get_by_role("button", name="Check"))
    assert "No mistake was found." in read_focused(page)
    press_enter(page.get_by_role("button", name="Run the tests"))
    assert "Tests: 1 of 1 pass" in read_focused(page)
    press_enter(page.get_by_role("button", name="Compare with last week"))
    assert "Nobody is called" in read_focused(page) or "another way" in read_focused(page)
    page.get_by_role("heading", name=re.compile("another way$")).wait_for()
    press_enter(page.get_by_role("button", name="Go live"))
    assert read_focused(page) == "Go live with front-desk?"
    press_enter(page.get_by_role("button", name="Go live now"))
    assert "Your change is live:" in read_focused(page)
    press_enter(page.get_by_role("button", name=re.compile("^Undo")))
    assert "Taken back, and live again:" in read_focused(page)
    page.goto("/console/flows/front-desk/edit#file")
    page.get_by_label("The file").fill(whole.replace("2: support", "2: sales"))
    press_enter(page.get_by_role("button", name="Check"))
    press_enter(page.get_by_role("link", name="Discard it"))
    assert read_focused(page) == "Discard the draft of front-desk?"
    press_enter(page.get_by_role("button", name="Discard the draft"))
    assert "Your draft is discarded." in read_focused(page)
    press_enter(page.get_by_role("button", name="Go live"))
    assert "You have changed nothing yet" in read_focused(page)


def test_enter_in_a_field_of_a_draft_checks_it_and_loses_nothing(visit):
    page = visit()
    page.goto("/console/flows/front-desk/edit")
    hours = page.get_by_label(re.compile("^Hours office: mon-sun"))
    hours.fill("00:00-23:00")
    press_enter(hours)
    assert "No mistake was found." in read_focused(page)
    # The draft is there now, and Enter still does not discard it.
    hours = page.get_by_label(re.compile("^Hours office: mon-sun"))
    hours.fill("00:00-22:00")
    press_enter(hours)
    assert "No mistake was found." in read_focused(page)
    assert page.get_by_label(re.compile("^Hours office: mon-sun")).input_value() == "00:00-22:00"
    page.goto("/console/flows/front-desk/edit/discard")
    page.get_by_role("button", name="Discard the draft").click()


@pytest.mark.parametrize("script", [True, False], ids=["with JavaScript", "without"])
def test_a_node_leads_to_its_field_in_the_form(visit, script):
    page = visit(java_script_enabled=script)
    page.goto("/console/flows/front-desk")
    page.get_by_role("link", name="change closed").click()
    field = page.get_by_label(re.compile("^closed: says"))
    page.locator("textarea:target:focus").wait_for()
    assert "We are closed." in field.input_value()


def test_the_result_of_the_impact_is_told_to_screen_readers_when_it_comes(visit):
    page = visit()
    page.goto("/console/flows/front-desk/edit#file")
    page.get_by_label("The file").fill(page.get_by_label("The file").input_value().replace("2: support", "2: message"))
    page.get_by_role("button", name="Compare with last week").click()
    if page.get_by_role("link", name="Look again").count():
        page.get_by_role("link", name="Look again").focus()
    page.locator("#announcement", has_text="another way").or_(
        page.get_by_role("heading", name=re.compile("another way$"))
    ).first.wait_for(state="attached")
    page.goto("/console/flows/front-desk/edit/discard")
    page.get_by_role("button", name="Discard the draft").click()


def test_filters_and_tabs_keep_the_focus(visit):
    page = visit()
    page.goto("/console/calls")
    page.get_by_label("Number or name").fill("bo")
    page.keyboard.press("Tab")
    page.get_by_label("Number or name").focus()
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.locator(":focus").get_attribute("name") == "q"
    press_enter(page.get_by_role("button", name="Show"))
    assert read_focused(page) == "Show"
    page.goto("/console/inbox")
    press_enter(page.get_by_role("link", name="Texts"))
    assert read_focused(page) == "Texts"


def test_a_live_change_of_the_first_page_leaves_the_focus_where_it_is(visit, world):
    page = visit()
    link = page.get_by_role("link", name="All calls")
    link.focus()
    page.evaluate("document.activeElement.dataset.old = 'yes'")
    world.begin_call(**{"from": "+12015550978", "name": "Live Two", "keys": "1", "callee": "answer", "pace": 15})
    page.locator("#going li", has_text="Live Two").wait_for()
    assert read_focused(page) == "All calls"
    assert page.evaluate("document.activeElement.dataset.old || ''") == "", "the part was not replaced"


def test_a_wrong_password_is_told_beside_the_field_that_has_the_focus(visit):
    page = visit("", expected_error="status of 403")
    page.goto("/console/login")
    page.get_by_label("Name").fill("ann")
    page.get_by_label("Password").fill("not this one")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    field = page.locator("input:focus")
    assert field.get_attribute("aria-describedby") == page.get_by_role("alert").get_attribute("id")
