"""The pages of the console in a real browser."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any

import httpx
from console_world import HOSTILE_NAME, PASSWORD

from callflows.web.console.console_sessions import SESSION_COOKIE
from callflows.web.console.counts_cache import CountsCache
from callflows.web.console.number_routes import NumberRoutes, RoutesAnswer

if TYPE_CHECKING:
    from collections.abc import Awaitable


def test_a_person_signs_in_and_out(visit):
    page = visit("")
    page.goto("/console/calls?q=Bo")
    page.locator("input[name=name]:focus").wait_for()  # the first field has the cursor
    page.keyboard.type("ann")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("row", name=re.compile("Bo Chen")).wait_for()
    page.locator(".me summary").click()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="Sign in").wait_for()


def test_a_person_finds_a_call_and_reads_what_was_heard(visit):
    page = visit()
    page.get_by_role("searchbox", name="Find a number or a name").fill("bo ch")
    page.keyboard.press("Enter")
    page.get_by_role("row", name=re.compile("Bo Chen")).get_by_role("link").click()
    page.wait_for_load_state()  # a click waits only until the next page begins
    assert page.get_by_role("heading", level=1).inner_text() == "Bo Chen"
    assert re.match(
        r"Went to voicemail because nobody answered at support for \d+ s\.", page.locator(".notice").inner_text()
    )
    heard = page.locator(".heard li").all_inner_texts()
    assert any("Welcome to Acme, Bo Chen." in words for words in heard)
    assert any("pressed 2" in words for words in heard)
    words = {words.partition("\n")[2].strip() or words for words in page.locator(".heard .said").all_inner_texts()}
    assert {"a beep", "records a message", "rings +1 201 555 0190: nobody answers (no user response)"} <= words, words
    lit = page.locator(".flow-picture .lit[data-node]").evaluate_all("boxes => boxes.map(box => box.dataset.node)")
    assert {*lit} == {"start", "menu", "support", "message"}
    page.get_by_role("link", name="Why").click()
    page.wait_for_load_state()
    page.locator(".entries .words", has_text="came to message").first.wait_for()
    reasons = page.locator(".entries .words").all_inner_texts()
    rang = next(n for n, words in enumerate(reasons) if words.startswith("rings +1 201 555 0190: nobody answers"))
    assert reasons.index("came to message") > rang


def test_a_box_of_the_picture_leads_to_its_steps_and_to_what_was_heard_in_it(visit):
    page = visit()
    page.goto("/console/calls?q=Bo")
    page.locator("a.row").click()
    page.wait_for_load_state()
    page.locator('.flow-picture.wide [data-node="support"]').click()
    assert page.locator("#node-support").is_visible()
    assert "looking for somebody in support" in " ".join(page.locator(".heard .picked").all_inner_texts())


def test_what_a_caller_calls_itself_is_only_text(visit):
    page = visit()
    page.goto("/console/calls?q=0999")
    assert HOSTILE_NAME in page.locator("td", has_text="onerror").inner_text()
    page.locator("a.row").click()
    page.wait_for_load_state()
    assert page.get_by_role("heading", level=1).inner_text() == HOSTILE_NAME
    assert page.locator("main img").count() == 0


def test_pages_can_be_read_without_javascript(visit):
    page = visit(java_script_enabled=False)
    page.goto("/console/calls?q=Bo")
    page.locator("a.row").click()
    page.wait_for_load_state()
    assert "pressed 2" in page.locator(".heard").inner_text()
    page.get_by_role("link", name="Why").click()
    page.wait_for_load_state()
    assert re.search(r"no because office was open: on \w+day it is open 00:00-24:00", page.locator(".entries").inner_text())


def test_a_live_call_appears_moves_and_ends(visit, world):
    page = visit()
    assert page.locator("#going").get_by_text("Nobody at the moment.").is_visible()
    world.begin_call(**{"from": "+12015550977", "name": "Live One", "keys": "1", "callee": "answer", "pace": 15})
    row = page.locator("#going li", has_text="Live One")
    row.wait_for()
    assert "front-desk" in row.inner_text()
    page.locator("#announcement", has_text="A call from Live One to front-desk").wait_for(state="attached")
    page.locator("section", has=page.get_by_role("heading", name="The last calls")).get_by_text("Live One").wait_for()
    assert page.locator("#going li", has_text="Live One").count() == 0


def test_a_line_is_closed_by_hand_after_its_sentence_was_shown_and_opened_again(visit):
    page = visit("olga")
    page.get_by_role("link", name="Close for a while … front-desk office").click()
    # In the last hour of a day the line opens tomorrow.
    assert re.match(r"We are closed\. We open (?:today|tomorrow) at ", page.locator(".hear.big").inner_text())
    page.get_by_role("button", name="Close the line now").click()
    hours = page.locator(".hours", has_text="by hand until")
    hours.wait_for()
    assert "Closed" in hours.inner_text()
    assert "We are closed." in hours.locator(".hear").inner_text()
    hours.get_by_role("link", name="Change or undo").click()
    page.get_by_role("button", name="Back to the hours of the file").click()
    page.get_by_role("link", name="Close for a while … front-desk office").wait_for()


def test_a_voicemail_is_noted_and_handled_and_a_viewer_may_do_neither(visit):
    page = visit("olga", expected_error="status of 502")  # the recordings are at an address that does not exist
    page.goto("/console/inbox")
    first = page.locator(".inbox li").first
    who = first.locator(".caller").inner_text()
    reasons = page.locator(".inbox").inner_text()
    assert "Went to voicemail because the caller pressed 0." in reasons
    assert "Went to voicemail because sales was busy." in reasons
    first.locator("audio").evaluate("player => player.play().catch(() => {})")
    first.get_by_role("alert").get_by_text("The recording cannot be fetched: ").wait_for()
    first.get_by_label("Note").fill("called back")
    first.get_by_role("button", name="Mark as handled").click()
    told = page.get_by_role("status").inner_text()
    assert re.search(r"The voicemail of .+ is marked as handled\. Your note is with it\.", told)
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("is new again.").wait_for()
    noted = page.locator(".inbox li", has_text="called back")
    assert "● New" in noted.inner_text()
    noted.get_by_role("button", name="Mark as handled").click()
    page.get_by_role("link", name="Handled").click()
    handled = page.locator(".inbox li", has_text="Handled by olga")
    assert who in handled.inner_text()
    assert "called back" in handled.inner_text()
    viewer = visit("vera")
    viewer.goto("/console/inbox?state=handled")
    assert viewer.get_by_role("button", name="Mark as new").count() == 0


def test_a_text_is_answered_and_nothing_is_sent_after_stop(visit, world):
    page = visit("olga")
    page.goto("/console/inbox?box=texts")
    page.get_by_role("link", name="Answer").first.click()
    page.get_by_label("Answer from").fill("Yes, until six.")
    page.get_by_role("button", name="Send the text").click()
    page.get_by_role("status").get_by_text("Sent off.").wait_for()
    for _ in range(100):
        if page.get_by_text("Yes, until six.").count():
            break
        page.reload()
    assert page.locator(".ours", has_text="Yes, until six.").is_visible()
    world.send_text("+12015550931", "STOP")
    page.get_by_label("Answer from").fill("One more thing.")
    notice = page.get_by_text("has sent STOP")
    for _ in range(100):
        page.reload()
        if notice.count():
            break
    assert page.get_by_role("button", name="Send the text").count() == 0


def test_a_flow_is_rung_in_the_browser_key_by_key(visit, world):
    page = visit()
    page.goto("/console/phone")
    page.get_by_label("Caller's name").fill("Zoe")
    page.get_by_role("button", name="Ring").click()
    page.locator(".heard").get_by_text("Welcome to Acme, Zoe.").wait_for()
    page.keyboard.press("2")
    page.get_by_text("It rings").wait_for()
    page.get_by_role("link", name="No answer").click()
    page.locator(".heard").get_by_text("Please leave a message after the tone").wait_for()
    page.get_by_text("The line records what you say.").wait_for()
    page.get_by_role("link", name="#", exact=True).click()
    page.wait_for_load_state()
    page.get_by_text("The call is over:").wait_for()
    words = page.locator(".heard .said").all_inner_texts()
    assert {"a beep", "records a message, 0 s", "pressed 2", "rings +1 201 555 0190: nobody answers"} <= {*words}, words
    box = page.locator(".picture-box").evaluate("box => [box.scrollWidth, box.clientWidth]")
    assert box[0] <= box[1], "the picture is cut off"
    assert page.get_by_role("link", name="Make it a test").count() == 1
    lit = page.locator(".flow-picture .lit[data-node]").evaluate_all("boxes => boxes.map(box => box.dataset.node)")
    assert {*lit} == {"start", "menu", "support", "message"}
    assert httpx.get(f"{world.url}/api/v1/calls?q=Zoe", trust_env=False).json()["items"] == []


def test_numbers_say_what_they_are_for_and_what_opentact_does_with_their_calls(visit):
    page = visit("vera", java_script_enabled=False)
    page.goto("/console/numbers")
    assert "The front desk of Acme." in page.get_by_role("table").inner_text()
    for _ in range(200):
        if "being asked" not in page.locator("main").inner_text():
            break
        page.reload()
    assert "belongs to the app 'desk'" in page.get_by_role("table").inner_text()


def test_a_number_does_not_come_here_before_opentact_has_said_so(world, monkeypatch):
    """Its answer may come while the page is made."""
    known: list[NumberRoutes] = []

    async def read_late(work: Awaitable[Any]) -> Any:
        rows = await work
        known[0].answer = RoutesAnswer(0.0, {})
        return rows

    cookies = {SESSION_COOKIE: world.sign_cookie("vera")}
    with httpx.Client(base_url=world.url, cookies=cookies, trust_env=False) as browser, monkeypatch.context() as patch:
        patch.setattr(NumberRoutes, "refresh_soon", lambda routes: known.append(routes))  # noqa: PLW0108 - a method needs a function
        browser.get("/console/numbers")
        before, known[0].answer = known[0].answer, None
        try:
            patch.setattr("callflows.web.console.flow_pages.ask_journal", read_late)
            page = browser.get("/console/numbers").text
        finally:
            known[0].answer = before
    assert "is being asked" in page
    assert "comes here" not in page


def test_the_phone_rings_at_another_time_too(visit):
    page = visit(java_script_enabled=False)
    page.goto("/console/phone?flow=front-desk&at=soon")
    assert "is no date and time" in page.get_by_role("alert").inner_text()
    page.goto("/console/phone?flow=front-desk&at=Saturday+11:00&from=anonymous&acts=1a")
    assert "The call is over" in page.locator("#end").inner_text()
    assert re.search(r"It comes on Saturday \d+ \w+ 20\d\d, 11:00, New York\.", page.locator("main").inner_text())


def test_a_draft_shows_its_mistakes_and_its_impact_goes_live_and_is_rolled_back(visit, world):
    page = visit()
    page.goto("/console/flows/front-desk/edit#file")
    source = page.get_by_label("The file")
    whole = source.input_value()
    source.fill(whole.replace("2: support", "2: suport"))
    page.get_by_text("Changed. It is saved in a moment.").wait_for()
    page.get_by_text(re.compile("^Saved at ")).wait_for()
    page.get_by_role("link", name="Flows", exact=True).first.click()
    page.get_by_role("link", name=re.compile("^your draft of")).click()
    assert "did you mean 'support'?" in page.get_by_role("alert").inner_text()
    page.get_by_label("The file").fill(whole.replace("2: support", "2: sales").replace("Welcome to Acme", "Hello at Acme"))
    page.get_by_text("Texts, keys, hours, dates and people").click()
    page.get_by_label(re.compile("^closed: says")).fill("We are closed today.")
    page.get_by_role("button", name="Compare with last week").click(timeout=60_000)
    page.get_by_role("heading", name=re.compile("last calls|last 7 days")).wait_for()
    page.reload()
    page.get_by_role("heading", name=re.compile("^2 of [0-9]+ calls .* another way$")).wait_for(timeout=60_000)
    page.get_by_role("button", name="Go live").click()
    page.wait_for_load_state()
    assert "We are closed today." in page.locator("ins").all_inner_texts()
    page.get_by_role("button", name="Go live now").click()
    page.get_by_text("✓ live now", exact=True).wait_for()
    file = world.settings.flows / "front-desk.yaml"
    live = file.read_text()
    assert all(part in live for part in ("# The front desk of Acme.", "2: sales", "Hello at Acme", "We are closed today."))
    page.get_by_role("button", name=re.compile("^Undo")).click()
    page.get_by_text("Taken back, and live again:").wait_for()
    assert file.read_text() == whole


def test_what_would_happen_now_to_a_past_call_is_told(visit):
    page = visit("vera")
    page.goto("/console/calls?q=Bo")
    page.locator("a.row").click()
    page.get_by_role("link", name="what would happen now?").click(timeout=60_000)
    page.get_by_role("heading", name="Now the call would go the same way").wait_for(timeout=60_000)


def test_a_draft_is_rung_by_the_keyboard_and_a_past_call_becomes_a_test(visit, world):
    page = visit()
    page.goto("/console/flows/front-desk/edit#file")
    page.get_by_label("The file").fill(
        page.get_by_label("The file").input_value().replace("Welcome to Acme", "Hello at Acme")
    )
    page.get_by_role("button", name="Try it").click()
    page.locator(".heard").get_by_text("Hello at Acme").wait_for()
    page.keyboard.press("1")
    page.get_by_text("It rings").wait_for()
    page.get_by_role("button", name="Somebody answers").click()
    page.get_by_text("The call is over:").wait_for()
    page.get_by_role("link", name="Back to the draft").last.click()
    assert "Hello at Acme" in page.get_by_label("The file").input_value()
    page.goto("/console/calls?q=Bo")
    page.locator("a.row").click()
    page.get_by_role("link", name="make it a test").click(timeout=60_000)
    test = page.get_by_label("The test")
    test.fill(test.input_value().replace("a call comes to start, menu, support, message", "Bo leaves a message"))
    page.get_by_role("button", name="Run it").click(timeout=60_000)
    page.get_by_role("heading", name="Tests: 2 of 2 pass").wait_for(timeout=60_000)
    page.get_by_role("button", name="Add it to front-desk").click()
    page.get_by_text("- name: Bo leaves a message").wait_for()
    assert "- name: Bo leaves a message" in (world.settings.flows / "front-desk.yaml").read_text()


def test_the_picture_of_a_flow_fits_the_screen_of_a_phone_and_can_be_read_there(visit):
    page = visit(viewport={"width": 390, "height": 800})
    page.goto("/console/calls?q=Bo")
    call = page.locator("a.row").get_attribute("href")
    for address in (call, "/console/flows/front-desk", "/console/phone?flow=front-desk&acts=2"):
        page.goto(address)
        picture = page.locator(".flow-picture:visible")
        picture.locator('[data-node="support"].lit').wait_for()  # a busy server counts the calls later
        scale = picture.evaluate("one => one.getBoundingClientRect().width / one.viewBox.baseVal.width")
        assert scale > 0.9, f"{address}: texts of 12.5 pixels have {12.5 * scale:.1f}"
        box = page.locator(".picture-box").evaluate("box => [box.scrollWidth, box.clientWidth]")
        assert box[0] <= box[1], address
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), address


def test_a_picture_whose_calls_take_long_to_count_gets_them_by_itself(visit, monkeypatch):
    page = visit()
    get_within, is_counted = CountsCache.get_within, threading.Event()

    async def get_late(counts, key, compute, seconds):
        return await get_within(counts, key, compute, seconds) if is_counted.is_set() else None

    monkeypatch.setattr(CountsCache, "get_within", get_late)
    page.goto("/console/flows/front-desk")
    page.get_by_text("are being counted").wait_for()
    assert "never" not in page.locator("main").inner_text()
    is_counted.set()
    page.get_by_text("Numbers say how often they came").wait_for()
    assert page.locator('.flow-picture.wide .lit[data-node="menu"] .badge').text_content()
