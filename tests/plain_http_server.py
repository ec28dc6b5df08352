"""A server written with other tools: a plain http.server with static documents, in a thread of its own."""

from __future__ import annotations

import contextlib
import http.server
import threading
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from waiting import join_thread

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class StaticPage(NamedTuple):
    """An answer; it takes ``seconds``, or goes on at ``onward``."""

    document: str | bytes
    status: int = 200
    delay_seconds: float = 0.0
    redirect_url: str = ""
    headers: Mapping[str, str] = {}


class ReceivedHTTPRequest(NamedTuple):
    """What was asked, to the letter."""

    method: str
    target: str
    body: bytes
    headers: dict[str, str]


class StaticPageServer:
    """Pages by path; whatever is asked is remembered."""

    def __init__(self, pages: Mapping[str, StaticPage | str | bytes]) -> None:
        self.pages = {path: page if isinstance(page, StaticPage) else StaticPage(page) for path, page in pages.items()}
        self.requests: list[ReceivedHTTPRequest] = []
        self.closing = threading.Event()
        self.url = ""

    def find_page(self, path: str) -> StaticPage:
        return self.pages.get(path, StaticPage("no such page", 404))


@contextlib.contextmanager
def serve_pages(pages: Mapping[str, StaticPage | str | bytes]) -> Iterator[StaticPageServer]:
    page_server = StaticPageServer(pages)

    class PageHandler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else what follows a head waits 40 ms

        def send_page(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            page_server.requests.append(ReceivedHTTPRequest(self.command, self.path, body, headers))
            page = page_server.find_page(urlsplit(self.path).path)
            if page.delay_seconds:
                page_server.closing.wait(page.delay_seconds)
            content = page.document.encode() if isinstance(page.document, str) else page.document
            with contextlib.suppress(ConnectionError):
                self.send_response(page.status)
                self.send_header("content-length", str(len(content)))
                if page.redirect_url:
                    self.send_header("location", page.redirect_url)
                for name, value in page.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_DELETE = send_page  # noqa: N815 - as http.server calls them

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), PageHandler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    page_server.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield page_server
    finally:
        page_server.closing.set()
        server.shutdown()
        server.server_close()
        join_thread(thread)
