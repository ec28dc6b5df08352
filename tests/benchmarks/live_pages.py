"""The answers to callers while people watch the live page of the console, beside the same without them.

Run as ``python tests/benchmarks/live_pages.py``; needs wrk. Rounds with fifty open pages and without alternate. The medians
of paired ratios are printed: of answers a second, and of the 99th percentile at a thousand calls a second.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from callflows.benchmark.load_generator import find_wrk, measure_slow_answers, run_full_load
from callflows.benchmark.measured_server import run_measured_server
from callflows.installation_parts import load_secret_keys
from callflows.settings import Settings
from callflows.web.console.console_accounts import ConsoleAccounts, write_console_user
from callflows.web.console.console_sessions import SESSION_COOKIE, SessionSigner

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS, SECONDS, PAGES, RATE = 6, 9, 50, 1000
PASSWORD = "correct horse battery"  # noqa: S105 - of a server that lives for the benchmark


def sign_cookie(people: Path) -> str:
    """Return the cookie of a person who has signed in."""
    write_console_user(people, "ann", "viewer", PASSWORD)
    user = ConsoleAccounts("", people).find_user("ann")
    assert user is not None
    settings = Settings(_env_file=None, secret_keys=(SecretStr("benchmark"),))
    return SessionSigner(load_secret_keys(settings)).sign_session(user)


@contextlib.contextmanager
def open_live_pages(port: int, count: int, cookie: str) -> Iterator[None]:
    """Hold some live pages open, and read what they are sent: in one thread, as one for each would slow callers down."""
    closing = threading.Event()

    def read_pages() -> None:
        while not closing.is_set():
            for ready, _events in pages.select(0.5):
                if not ready.fileobj.recv(65_536):  # type: ignore[union-attr]  # a socket
                    pages.unregister(ready.fileobj)

    request = f"GET /console/live HTTP/1.1\r\nHost: localhost\r\nCookie: {SESSION_COOKIE}={cookie}\r\n\r\n"
    with contextlib.ExitStack() as stack:
        pages = stack.enter_context(selectors.DefaultSelector())
        for _ in range(count):
            page = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
            page.sendall(request.encode())
            assert page.recv(200).startswith(b"HTTP/1.1 200"), "the live page was refused"
            pages.register(page, selectors.EVENT_READ)
        reader = threading.Thread(target=read_pages, daemon=True)
        reader.start()
        stack.callback(reader.join)
        stack.callback(closing.set)
        time.sleep(1)
        yield
        # A page that is one too many gets status 200, too, and ends at once.
        assert len(pages.get_map()) == count, "the server has ended live pages: these would be numbers without them"


def main() -> None:
    """Measure."""
    rates, slowest, seconds = [], [], []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        people = Path(folder) / "people"
        cookie, command = sign_cookie(people), ["callflows", "serve", "--port", "PORT"]
        with run_measured_server(command, Path(folder), CONSOLE_PASSWORD=PASSWORD, CONSOLE_USERS=str(people)) as server:
            run_full_load(server, 1, wrk=find_wrk())
            for number in range(ROUNDS):
                rate, slow = {}, {}
                for pages in (0, PAGES) if number % 2 else (PAGES, 0):
                    with open_live_pages(server.port, pages, cookie):
                        rate[pages] = run_full_load(server, SECONDS, wrk=find_wrk()).rate
                        slow[pages] = measure_slow_answers(server, RATE, SECONDS)
                rates.append(rate[PAGES] / rate[0])
                slowest.append(slow[PAGES] / slow[0])
                seconds.append(slow[PAGES])
    print(f"answers a second beside {PAGES} live pages: {statistics.median(rates):.2f} of those without")
    print(
        f"99th percentile at {RATE:,} calls a second: {statistics.median(slowest):.2f} times that without, "
        f"{statistics.median(seconds) * 1000:.1f} ms"
    )
    print(f"load of the machine: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
