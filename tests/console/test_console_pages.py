"""The pages of the console in a real browser."""

from __future__ import annotations

import re

from console_world import HOSTILE_NAME


def test_a_person_finds_a_call_and_reads_what_was_heard(visit):
    page = visit()
    page.get_by_role("searchbox", name="Find a number or a name").fill("bo ch")
    page.keyboard.press("Enter")
    page.get_by_role("row", name=re.compile("Bo Chen")).get_by_role("link").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Bo Chen"
    heard = page.locator(".heard li").all_inner_texts()
    assert any("Welcome to Acme, Bo Chen." in words for words in heard)
    assert any("pressed 2" in words for words in heard)
    lit = page.locator(".flow-picture .lit[data-node]").evaluate_all("boxes => boxes.map(box => box.dataset.node)")
    assert {*lit} == {"start", "menu", "support", "message"}


def test_a_box_of_the_picture_leads_to_its_steps_and_to_what_was_heard_in_it(visit):
    page = visit()
    page.goto("/console/calls?q=Bo")
    page.locator("a.row").click()
    page.locator('.flow-picture [data-node="support"]').click()
    assert page.locator("#node-support").is_visible()
    assert "looking for somebody in support" in " ".join(page.locator(".heard .picked").all_inner_texts())


def test_what_a_caller_calls_itself_is_only_text(visit):
    page = visit()
    page.goto("/console/calls?q=0999")
    assert HOSTILE_NAME in page.locator("td", has_text="onerror").inner_text()
    page.locator("a.row").click()
    assert page.get_by_role("heading", level=1).inner_text() == HOSTILE_NAME
    assert page.locator("main img").count() == 0


def test_pages_can_be_read_without_javascript(visit):
    page = visit(java_script_enabled=False)
    page.goto("/console/calls?q=Bo")
    page.locator("a.row").click()
    assert "pressed 2" in page.locator(".heard").inner_text()
    page.get_by_role("link", name="Why").click()
    assert "hours.office" in page.locator(".entries").inner_text()
