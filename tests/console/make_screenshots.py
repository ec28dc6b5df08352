"""Make the pictures of the console in ``docs``: ``python tests/console/make_screenshots.py``. They are WebP, and small.

A server with a stand-in is started, calls are made, and Chromium takes the pictures.
"""

from __future__ import annotations

import base64
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from console_world import CALLS, HOSTILE_NAME, ConsoleWorld, await_stored_calls
from playwright.sync_api import sync_playwright

from callflows.web.console.console_sessions import SESSION_COOKIE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DOCS = Path(__file__).parents[2] / "docs"
LAPTOP = {"width": 1180, "height": 760}
PHONE = {"width": 390, "height": 760}
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def encode_webp(browser: Browser, png: bytes) -> bytes:
    """Let the browser itself make a WebP of a PNG: no other tool is needed."""
    page = browser.new_page()
    url = page.evaluate(
        """async (data) => {
            const image = new Image();
            image.src = `data:image/png;base64,${data}`;
            await image.decode();
            const canvas = Object.assign(document.createElement("canvas"), {width: image.width, height: image.height});
            canvas.getContext("2d").drawImage(image, 0, 0);
            return canvas.toDataURL("image/webp", 0.86);
        }""",
        base64.b64encode(png).decode(),
    )
    page.close()
    return base64.b64decode(url.partition(",")[2])


def open_page(browser: Browser, world: ConsoleWorld, size: dict[str, int], colours: str) -> Page:
    context = browser.new_context(base_url=world.url, viewport=size, color_scheme=colours)  # type: ignore[arg-type]
    context.add_cookies([{"name": SESSION_COOKIE, "value": world.sign_cookie("ann"), "url": f"{world.url}/console/"}])
    return context.new_page()


def make_pictures(browser: Browser, world: ConsoleWorld) -> None:
    page = open_page(browser, world, LAPTOP, "light")
    world.begin_call(**{"from": "+12015550977", "name": "Mia Park", "keys": "1", "callee": "answer", "pace": 6})
    page.goto("/console/")
    page.locator("#going li", has_text="Mia Park").wait_for()
    save_picture(browser, page, "console-now")
    page.goto("/console/calls?q=Bo")
    page.locator("a.row").click()
    save_picture(browser, page, "console-call")
    page.goto("/console/flows/front-desk")
    save_picture(browser, page, "console-flow")
    narrow = open_page(browser, world, PHONE, "dark")
    narrow.goto("/console/inbox")
    save_picture(browser, narrow, "console-inbox")
    narrow.goto("/console/phone?flow=front-desk&name=Ann&acts=1#end")
    save_picture(browser, narrow, "console-phone")


def save_picture(browser: Browser, page: Page, name: str) -> None:
    file = DOCS / f"{name}.webp"
    file.write_bytes(encode_webp(browser, page.screenshot()))
    print(f"{file.relative_to(DOCS.parent)}: {file.stat().st_size // 1000} kB")


def main() -> None:
    executable = shutil.which("chromium")
    if executable is None:
        sys.exit("there is no Chromium: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        world = ConsoleWorld(Path(folder))
        world.start()
        try:
            shown = [call for call in CALLS if call.get("name") != HOSTILE_NAME]
            for call in shown:
                world.ring(**call)
            world.send_text("+12015550931", "Are you open on Sunday?")
            await_stored_calls(world, len(shown))
            browser = driver.chromium.launch(executable_path=executable, args=OPTIONS)
            make_pictures(browser, world)
            browser.close()
        finally:
            world.stop()


if __name__ == "__main__":
    main()
