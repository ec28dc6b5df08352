"""The console for everybody: axe-core finds nothing, light and dark; on a narrow phone; by the keyboard alone."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

AXE = importlib.util.find_spec("axe_playwright_python")
PAGES = (
    "/", "/calls", "/calls/CALL", "/calls/CALL?view=why", "/calls/CALL?view=reports", "/calls/CALL?view=documents",
    "/flows", "/flows/front-desk", "/flows/front-desk?view=file", "/flows/front-desk?view=versions",
    "/hours/front-desk/office", "/inbox", "/inbox?box=texts", "/inbox?box=missed", "/texts/+12015550123/+12015550931",
    "/numbers", "/health", "/phone", "/phone?flow=front-desk&acts=1", "/phone?flow=front-desk",
    "/flows/front-desk/edit/live", "/flows/front-desk/edit", "/flows/front-desk/ring?acts=1",
    "/calls/CALL/test", "/phone/test?flow=front-desk&acts=h",
)  # fmt: skip

EDIT, QUESTION = "/console/flows/front-desk/edit", "/flows/front-desk/edit/live"


@pytest.fixture(scope="module")
def axe_source() -> str:
    if AXE is None or AXE.origin is None:
        pytest.skip("axe-playwright-python is not installed")
    return next(Path(AXE.origin).parent.rglob("axe.min.js")).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def call(world) -> str:
    items = httpx.get(f"{world.url}/api/v1/calls?q=Bo", trust_env=False).json()["items"]
    return quote(items[0]["id"])


def open_page(page, path: str, call: str) -> None:
    """Open a page; the question before a draft goes live needs a draft."""
    if path == QUESTION:
        page.goto(f"{EDIT}#file")
        file = page.get_by_label("The file")
        file.fill(file.input_value().replace("Welcome to Acme", "Hello at Acme"))
        page.get_by_text(re.compile("^Saved at ")).wait_for()
    page.goto(f"/console{path.replace('CALL', call)}")


def list_violations(page, options: str) -> list[str]:
    found = page.evaluate(f"axe.run(document, {options})")
    return [
        f"{page.url}: {wrong['id']}: {node['target']} {node['failureSummary']}"
        for wrong in found["violations"]
        for node in wrong["nodes"]
    ]


def test_axe_finds_nothing_on_any_page_in_light_and_dark(visit, call, axe_source):
    page = visit(reduced_motion="reduce")  # else a colour is measured while it changes
    page.add_init_script(axe_source)
    found: list[str] = []
    for path in (*PAGES, "/login"):
        if path == "/login":
            page.context.clear_cookies()
        page.emulate_media(color_scheme="light")
        open_page(page, path, call)
        found += list_violations(page, "{resultTypes: ['violations']}")
        page.emulate_media(color_scheme="dark")
        found += list_violations(page, "{runOnly: ['color-contrast']}")
    assert found == []


def test_no_page_is_wider_than_a_narrow_phone(visit, call):
    page = visit(viewport={"width": 360, "height": 740})
    wide = {}
    for path in PAGES:
        open_page(page, path, call)
        wide[path] = page.evaluate("document.documentElement.scrollWidth")
    assert {path: width for path, width in wide.items() if width > 360} == {}


def test_the_keyboard_alone_reaches_the_call_and_its_reasons(visit):
    page = visit()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the page"
    page.goto("/console/calls?q=Bo")
    page.locator(".filter button").focus()
    for _ in range(4):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.className") == "row":
            break
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Bo Chen").wait_for()
    why = page.get_by_role("link", name="Why")
    for _ in range(60):
        page.keyboard.press("Tab")
        if why.evaluate("link => link === document.activeElement"):
            break
    page.keyboard.press("Enter")
    page.locator(".entries").wait_for()
