"""The console in process, and a browser without pictures that asks it."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING, Any

import httpx
from sqlalchemy import create_engine, text

from callflows.journal.sql_store import SqlStore, parse_database_url
from callflows.server import create_app
from callflows.settings import Settings
from waiting import run_bounded

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD = "correct horse battery"  # noqa: S105 - of a server that lives for a test
STRANGER = "203.0.113.9"
FLOW = "numbers: +12015550123\nnodes:\n  start:\n    - say: Hello.\n"


class Browser:
    """A browser without pictures: it keeps cookies, and says from where its requests come."""

    def __init__(self, app: Any, address: str = STRANGER, host: str = "calls.example.org") -> None:
        self._app = app
        self._address = address
        self._base = f"http://{host}"
        self.cookies = httpx.Cookies()

    def ask(self, path: str, fields: dict[str, str] | None = None, **headers: str) -> httpx.Response:
        given = {"sec-fetch-site": "same-origin", **{name.replace("_", "-"): value for name, value in headers.items()}}
        return run_bounded(self._ask(path, fields, {name: value for name, value in given.items() if value}))

    async def _ask(self, path: str, fields: dict[str, str] | None, headers: dict[str, str]) -> httpx.Response:
        transport = httpx.ASGITransport(app=self._app, client=(self._address, 40000))
        async with httpx.AsyncClient(transport=transport, base_url=self._base, cookies=self.cookies) as http:
            method = "GET" if fields is None else "POST"
            reply = await http.request(method, path, data=fields, headers=headers)
            self.cookies = http.cookies
            return reply

    def act(self, path: str, fields: dict[str, str]) -> str:
        """Send a form; return the address to which the answer leads, without the part of that page."""
        reply = self.ask(path, fields)
        assert reply.status_code == 303, unescape(reply.text)
        return reply.headers["location"].partition("#")[0]

    def sign_in(self, name: str = "", password: str = PASSWORD) -> httpx.Response:
        return self.ask("/console/login", {"name": name, "password": password})

    def read_form_token(self) -> str:
        return re.search(r'name="form_token" value="([0-9a-f]+)"', self.ask("/console/calls").text)[1]


class ConsoleInstallation:
    def __init__(self, folder: Path, flow: str = FLOW, **settings: Any) -> None:
        self.flows = folder / "flows"
        self.flows.mkdir()
        (self.flows / "desk.yaml").write_text(flow, encoding="utf-8")
        self.people = folder / "people"
        self.settings = Settings(
            _env_file=None, flows=self.flows, data=folder / "data", console_users=self.people, **settings
        )
        self.app = create_app(self.settings)
        store = SqlStore(self.settings.journal_url)  # the tables, without starting the whole server
        store.open()
        store.close()

    def run_sql(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        """Run a statement in the database of the installation; return its rows."""
        engine = create_engine(parse_database_url(self.settings.journal_url))
        with engine.begin() as database:
            found = database.execute(text(sql), values)
            rows = [tuple(row) for row in found] if found.returns_rows else []
        engine.dispose()
        return rows

    def list_audit(self) -> list[tuple[str, str, str]]:
        return self.run_sql("SELECT who, action, origin FROM audit ORDER BY at")
