"""An account at the small platform of the client's tests: its apps, numbers, subscriptions and documents change."""

from __future__ import annotations

import contextlib
import json
import re
from typing import TYPE_CHECKING, Any

from opentact.small_platform import TOKEN, Answer, Asked, Platform, fine, wrong

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pytest

NUMBER, OTHER, THIRD = "+12015550123", "+12015550124", "+12015550125"
OURS = "a-token-of-ours-that-nobody-can-guess-7Qx2"
PUBLIC = "http://127.0.0.1:9"
DESK = f"numbers: [{NUMBER}, {OTHER}, '+1202555*', rest]\nnodes: {{start: [hangup]}}\n"
THEIRS = {
    "name": "callflows",
    "is_active": False,
    "product": 7,
    "call_flow_url": "https://old.example.com/x?key=s3cret",
    "call_flow_method": "GET",
    "call_flow_request_timeout": None,
    "webhook_url": None,
    "webhook_method": "GET",
    "webhook_request_timeout": 0,
    "auto_answer": True,
    "max_call_length_min": 240,
}


class Account(Platform):
    """The platform with a memory. ``breaks`` is asked before each change: what it gives is the answer instead."""

    def __init__(self) -> None:
        super().__init__()
        self.apps: dict[str, dict[str, Any]] = {}
        self.leases: dict[str, dict[str, Any]] = {}
        self.subscriptions: dict[str, dict[str, Any]] = {}
        self.documents: dict[str, str] = {}
        self.profiles: dict[str, dict[str, Any]] = {}
        self.products: list[dict[str, Any]] = [{"product": 7, "name": "Standard"}]
        self.breaks: Callable[[Asked], Answer | None] = lambda _: None
        self.lost: set[str] = set()
        self.changes: list[str] = []
        self._made = 0

    def app(self, **fields: Any) -> str:
        return self._keep(self.apps, {**THEIRS, **fields})

    def lease(self, number: str, app: str | None = None, connection: str | None = None, **more: Any) -> str:
        fields = {"tn": {"tn": int(number.lstrip("+"))}, "features": ["voice", "sms"], "sip_connection": connection}
        return self._keep(self.leases, {**fields, "sip_control_app": app, **more})

    def _keep(self, drawer: dict[str, dict[str, Any]], fields: dict[str, Any]) -> str:
        self._made += 1
        uuid = f"00000000-0000-4000-8000-{self._made:012}"
        drawer[uuid] = {"uuid": uuid, "created_on": "2026-03-05T16:30:00.000Z", **fields}
        return uuid

    def state(self) -> Any:
        """All that the account has, to be compared."""
        return json.loads(json.dumps([self.apps, self.leases, self.subscriptions, self.documents, self.profiles]))

    def holder(self, number: str) -> str | None:
        found = next(row for row in self.leases.values() if row["tn"]["tn"] == int(number.lstrip("+")))
        return found["sip_control_app"]

    def answer(self, asked: Asked) -> Answer:
        request = f"{asked.method} {asked.path}"
        if request in self.routes or not self.accepts(asked.headers.get("x-auth-token", "")):
            return super().answer(asked)
        changes = asked.method != "GET" and not asked.path.endswith("/search")
        if changes:
            if (broken := self.breaks(asked)) is not None:
                return broken
            self.changes.append(request)
        found = self._account(asked)
        if changes and any(re.fullmatch(pattern, request) for pattern in self.lost):
            return Answer(breaks=True)
        return found

    def _account(self, asked: Asked) -> Answer:
        match [asked.method, *asked.path.strip("/").split("/")]:
            case ["GET", "sip", "product"]:
                return fine(self.products)
            case [_, "sip", "app", "call", "flow", uuid]:
                return self._document(asked, uuid)
            case ["POST", "sip", kind, uuid, "tnlease"]:
                return self._assign(kind, uuid, asked.body)
            case ["POST", "lease", "tn", "search"]:
                return fine([*self.leases.values()])
            case [_, "sip", "app", *rest]:
                return self._row(asked, self.apps, rest)
            case [_, "event", "subscription", *rest]:
                return self._row(asked, self.subscriptions, rest)
            case [_, "profile", "messaging", *rest]:
                return self._row(asked, self.profiles, rest)
            case [_, "lease", "tn", number, "subscription", "sms"]:
                lease = next(row for row in self.leases.values() if str(row["tn"]["tn"]) == number)
                fields = asked.body if asked.method == "POST" else {}
                lease["messaging_profile"] = fields.get("messaging_profile")
                lease["sms_campaign"] = fields.get("sms_campaign")
                return fine(lease)
        return wrong(404, "no such path")

    def _row(self, asked: Asked, drawer: dict[str, dict[str, Any]], rest: list[str]) -> Answer:
        match asked.method, rest:
            case "GET", []:
                return fine([*drawer.values()])
            case "POST", []:
                return fine(drawer[self._keep(drawer, asked.body)], 201)
            case _, [uuid] if uuid not in drawer:
                return wrong(404, "not found")
            case "PATCH", [uuid]:
                drawer[uuid].update(asked.body)
                return fine(drawer[uuid])
            case "DELETE", [uuid]:
                return fine(drawer.pop(uuid))
            case _, [uuid]:
                return fine(drawer[uuid])
        return wrong(404, "no such path")

    def _assign(self, kind: str, uuid: str, body: dict[str, list[str]]) -> Answer:
        field = {"app": "sip_control_app", "connection": "sip_connection"}[kind]
        if kind == "app" and uuid not in self.apps:
            return wrong(404, "no such app")
        for lease in body["add"]:
            self.leases[lease][field] = uuid
        for lease in body["remove"]:
            if self.leases[lease][field] == uuid:
                self.leases[lease][field] = None
        return fine([])

    def _document(self, asked: Asked, app: str) -> Answer:
        if asked.method == "POST":
            self.documents[app] = re.search(r"(<\?xml.*</Response>)", asked.raw.decode(), re.DOTALL)[1]
        elif app not in self.documents:
            return wrong(404, "no document")
        return fine(self.documents.pop(app) if asked.method == "DELETE" else self.documents[app])


@contextlib.contextmanager
def installed(account: Account, folder: Path, environment: pytest.MonkeyPatch, flow: str = DESK) -> Iterator[Account]:
    """An installation in a folder, whose Opentact is this account."""
    (folder / "callflows").mkdir(exist_ok=True)
    (folder / "callflows" / "desk.yaml").write_text(flow)
    environment.chdir(folder)
    with account.in_a_thread():
        given = {"OPENTACT_URL": account.url, "OPENTACT_EVENTS_URL": account.events_url, "OPENTACT_TOKEN": TOKEN}
        for name, value in {**given, "TOKEN": OURS, "PUBLIC_URL": PUBLIC}.items():
            environment.setenv(f"CALLFLOWS_{name}", value)
        yield account
