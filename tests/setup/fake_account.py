"""An account at the small platform of the client's tests: its apps, numbers, subscriptions and documents change."""

from __future__ import annotations

import contextlib
import copy
import json
import re
from typing import TYPE_CHECKING, Any

from opentact.fake_opentact import TOKEN, CannedAnswer, FakeOpentact, ReceivedRequest, error_answer, success_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pytest

NUMBER, OTHER_NUMBER, THIRD_NUMBER = "+12015550123", "+12015550124", "+12015550125"
OUR_TOKEN = "a-token-of-ours-that-nobody-can-guess-7Qx2"  # noqa: S105 - of a server that is none
PUBLIC_URL = "http://127.0.0.1:9"
DESK_FLOW = f"numbers: [{NUMBER}, {OTHER_NUMBER}, '+1202555*', rest]\nnodes: {{start: [hangup]}}\n"
EXISTING_APP_FIELDS = {
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


class FakeAccount(FakeOpentact):
    """The platform with a memory. ``breaks`` is asked before each change: what it gives is the answer instead."""

    def __init__(self) -> None:
        super().__init__()
        self.apps: dict[str, dict[str, Any]] = {}
        self.leases: dict[str, dict[str, Any]] = {}
        self.subscriptions: dict[str, dict[str, Any]] = {}
        self.documents: dict[str, str] = {}
        self.profiles: dict[str, dict[str, Any]] = {}
        self.products: list[dict[str, Any]] = [{"product": 7, "name": "Standard"}]
        self.breaks: Callable[[ReceivedRequest], CannedAnswer | None] = lambda _: None
        self.lost: set[str] = set()
        self.lease_form = "profile"
        """``subscriptions``: leases show their texts as Opentact does from 2022 on."""
        self.changes: list[str] = []
        self._row_count = 0

    def add_app(self, **fields: Any) -> str:
        return self._store_row(self.apps, {**EXISTING_APP_FIELDS, **fields})

    def add_lease(self, number: str, app: str | None = None, connection: str | None = None, **more: Any) -> str:
        fields = {"tn": {"tn": int(number.lstrip("+"))}, "features": ["voice", "sms"], "sip_connection": connection}
        return self._store_row(self.leases, {**fields, "sip_control_app": app, **more})

    def _store_row(self, drawer: dict[str, dict[str, Any]], fields: dict[str, Any]) -> str:
        self._row_count += 1
        uuid = f"00000000-0000-4000-8000-{self._row_count:012}"
        drawer[uuid] = {"uuid": uuid, "created_on": "2026-03-05T16:30:00.000Z", **fields}
        return uuid

    def restore_rows(self, other: FakeAccount) -> None:
        """Give the account copies of all that another has."""
        names = ("apps", "leases", "subscriptions", "documents", "profiles", "_row_count")
        self.__dict__.update({name: copy.deepcopy(other.__dict__[name]) for name in names})

    def dump_state(self) -> Any:
        """All that the account has, to be compared."""
        return json.loads(json.dumps([self.apps, self.leases, self.subscriptions, self.documents, self.profiles]))

    def find_holder(self, number: str) -> str | None:
        lease = next(row for row in self.leases.values() if row["tn"]["tn"] == int(number.lstrip("+")))
        return lease["sip_control_app"]

    def answer_request(self, http_request: ReceivedRequest) -> CannedAnswer:
        request = f"{http_request.method} {http_request.path}"
        if request in self.routes or not self.accepts(http_request.headers.get("x-auth-token", "")):
            return super().answer_request(http_request)
        changes = http_request.method != "GET" and not http_request.path.endswith("/search")
        if changes:
            if (broken := self.breaks(http_request)) is not None:
                return broken
            self.changes.append(request)
        answer = self._answer_account_request(http_request)
        if changes and any(re.fullmatch(pattern, request) for pattern in self.lost):
            return CannedAnswer(breaks=True)
        return answer

    def _answer_account_request(self, http_request: ReceivedRequest) -> CannedAnswer:
        match [http_request.method, *http_request.path.strip("/").split("/")]:
            case ["GET", "sip", "product"]:
                return success_answer(self.products)
            case [_, "sip", "app", "call", "flow", uuid]:
                return self._answer_document_request(http_request, uuid)
            case ["POST", "sip", kind, uuid, "tnlease"]:
                return self._answer_assignment(kind, uuid, http_request.body)
            case ["POST", "lease", "tn", "search"]:
                return success_answer([self._show_lease(row) for row in self.leases.values()])
            case [_, "sip", "app", *rest]:
                return self._answer_row_request(http_request, self.apps, rest)
            case [_, "event", "subscription", *rest]:
                return self._answer_row_request(http_request, self.subscriptions, rest)
            case [_, "profile", "messaging", *rest]:
                return self._answer_row_request(http_request, self.profiles, rest)
            case [_, "lease", "tn", number, "subscription", "sms"]:
                lease = next(row for row in self.leases.values() if str(row["tn"]["tn"]) == number)
                fields = http_request.body if http_request.method == "POST" else {}
                lease["messaging_profile"] = fields.get("messaging_profile")
                lease["sms_campaign"] = fields.get("sms_campaign")
                return success_answer(lease)
        return error_answer(404, "no such path")

    def _show_lease(self, row: dict[str, Any]) -> dict[str, Any]:
        if self.lease_form == "profile":
            return row
        shown = {name: value for name, value in row.items() if name not in ("messaging_profile", "sms_campaign")}
        texts = {"uuid": "s", "type": "sms", "messaging_profile": {"uuid": row["messaging_profile"], "operators": []}}
        campaign = {"sms_campaign": {"uuid": row["sms_campaign"], "name": "Offers"} if row["sms_campaign"] else None}
        return {**shown, "subscriptions": [{**texts, **campaign}] if row["messaging_profile"] else []}

    def _answer_row_request(
        self, http_request: ReceivedRequest, drawer: dict[str, dict[str, Any]], rest: list[str]
    ) -> CannedAnswer:
        match http_request.method, rest:
            case "GET", []:
                return success_answer([*drawer.values()])
            case "POST", []:
                return success_answer(drawer[self._store_row(drawer, http_request.body)], 201)
            case _, [uuid] if uuid not in drawer:
                return error_answer(404, "not found")
            case "PATCH", [uuid]:
                drawer[uuid].update(http_request.body)
                return success_answer(drawer[uuid])
            case "DELETE", [uuid]:
                return success_answer(drawer.pop(uuid))
            case _, [uuid]:
                return success_answer(drawer[uuid])
        return error_answer(404, "no such path")

    def _answer_assignment(self, kind: str, uuid: str, body: dict[str, list[str]]) -> CannedAnswer:
        field = {"app": "sip_control_app", "connection": "sip_connection"}[kind]
        if kind == "app" and uuid not in self.apps:
            return error_answer(404, "no such app")
        for lease in body["add"]:
            self.leases[lease][field] = uuid
        for lease in body["remove"]:
            if self.leases[lease][field] == uuid:
                self.leases[lease][field] = None
        return success_answer([])

    def _answer_document_request(self, http_request: ReceivedRequest, app: str) -> CannedAnswer:
        if http_request.method == "POST":
            self.documents[app] = re.search(r"(<\?xml.*</Response>)", http_request.raw.decode(), re.DOTALL)[1]
        elif app not in self.documents:
            return error_answer(404, "no document")
        return success_answer(self.documents.pop(app) if http_request.method == "DELETE" else self.documents[app])


@contextlib.contextmanager
def install_account(
    account: FakeAccount, folder: Path, environment: pytest.MonkeyPatch, flow: str = DESK_FLOW
) -> Iterator[FakeAccount]:
    """An installation in a folder, whose Opentact is this account."""
    (folder / "callflows").mkdir(exist_ok=True)
    (folder / "callflows" / "desk.yaml").write_text(flow)
    environment.chdir(folder)
    with account.run_in_thread():
        given = {"OPENTACT_URL": account.url, "OPENTACT_EVENTS_URL": account.events_url, "OPENTACT_TOKEN": TOKEN}
        for name, value in {**given, "TOKEN": OUR_TOKEN, "PUBLIC_URL": PUBLIC_URL}.items():
            environment.setenv(f"CALLFLOWS_{name}", value)
        yield account
