"""A second Opentact, written only from what is known of its REST API: it shares no line with callflows and its stand-in.

It knows paths, the types of fields and which are required, the pages of a search, and the envelope of answers and errors.
"""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

from fake_opentact import CannedAnswer, FakeOpentact, ReceivedRequest, error_answer, success_answer

TEXT, NUMBER, FRACTION, TRUTH, OBJECT, LIST = "text", "number", "fraction", "truth", "object", "list"
DIGITS, URL = "digits", "url"
APP_FIELDS = {
    "name": TEXT,
    "is_active": TRUTH,
    "product": NUMBER,
    "class4_ingress_trunk_settings": OBJECT,
    "class4_egress_trunk_settings": OBJECT,
    "webhook_url": URL,
    "webhook_method": TEXT,
    "webhook_request_timeout": NUMBER,
    "call_flow_url": URL,
    "call_flow_method": TEXT,
    "call_flow_request_timeout": NUMBER,
}
CONNECTION_FIELDS = {"name": TEXT, "ip": TEXT, "port": NUMBER, "hostname": TEXT, "is_active": TRUTH, "product": NUMBER}
CONNECTION_FIELDS |= {"shaken_verify_policy": NUMBER, "shaken_minimum_accepted_attest_lvl": TEXT}
CONNECTION_FIELDS |= {"class4_ingress_trunk_settings": OBJECT, "class4_egress_trunk_settings": OBJECT}
PROFILE_FIELDS = {"name": TEXT, "callback_url": URL, "callback_url2": URL, "number_pool_enable": TRUTH}
PROFILE_FIELDS |= {"long_code_weight": FRACTION, "tollfree_weight": FRACTION}
PROFILE_FIELDS |= {"skip_unhealthy_tns": TRUTH, "sticky_sender": TRUTH}
VOICE_FIELDS = {
    "name": TEXT,
    "is_active": TRUTH,
    "product": NUMBER,
    "tn_lease": TEXT,
    "class4_ingress_trunk_settings": OBJECT,
}
HOURS_FIELDS = {"name": TEXT, "type": TEXT, "dow": NUMBER, "time_from": NUMBER, "time_to": NUMBER}
USER_FIELDS = dict.fromkeys(
    ("login", "password", "first_name", "last_name", "email", "avatar", "dob", "gender", "tn_lease"), TEXT
)
USER_FIELDS |= {"phone_number": DIGITS, "same_domain_calls_only": TRUTH, "is_active": TRUTH}
INVITE_FIELDS = {"name": TEXT, "expired_on": TEXT}
SWITCH_FIELDS = {"name": TEXT, "description": TEXT, "remote_ip": TEXT, "remote_domain": TEXT, "is_active": TRUTH}
DOMAIN_FIELDS = {"domain": TEXT, "sip_connection": TEXT, "sip_control_app": TEXT, "outbound_voice_profile": TEXT}
LEASE_FIELDS = dict.fromkeys(("voice", "fax", "sms", "mms", "emergency", "autorenew"), TRUTH)
LEASE_FIELDS |= {"messaging_profile": TEXT, "sip_connection": TEXT, "sip_control_app": TEXT}
ROOM_FIELDS = {"name": TEXT, "access_type": TEXT, "max_clients": NUMBER}
NUMBER_SEARCH_FIELDS = dict.fromkeys(
    ("type", "country", "state", "city", "rate_center", "npa", "nxx", "line", "pattern", "rateCenter", "province"), TEXT
)
NUMBER_SEARCH_FIELDS |= {"postalCode": TEXT, "profile": TEXT, "abcSearch": TRUTH, "features": LIST}
BATCH_FIELDS = {"outbound_voice_profile": TEXT, "phones": LIST, "xml": TEXT, "tn_lease": TEXT}
SUBSCRIPTION_FIELDS = {"type": TEXT, "channel": TEXT, "is_active": TRUTH, "expired_on": TEXT}
SMS_FIELDS = {"from": DIGITS, "to": DIGITS, "message": TEXT, "custom_callback_url": URL}

RESOURCES: list[tuple[str, str, dict[str, str], list[str]]] = [
    # path, key, fields, required in a new one
    ("/sip/app", "uuid", APP_FIELDS, ["name", "product", "class4_ingress_trunk_settings", "class4_egress_trunk_settings"]),
    ("/sip/connection", "uuid", CONNECTION_FIELDS, ["name"]),
    ("/sip/domain", "domain", DOMAIN_FIELDS, ["domain"]),
    ("/sip/domain/{}/user", "uuid", USER_FIELDS, ["login", "password"]),
    ("/sip/domain/{}/invite", "uuid", INVITE_FIELDS, ["name"]),
    ("/sip/domain/{}/switch", "uuid", SWITCH_FIELDS, ["name"]),
    ("/profile/messaging", "uuid", PROFILE_FIELDS, ["name"]),
    ("/profile/outbound_voice", "uuid", VOICE_FIELDS, ["name"]),
    ("/account/office_hours", "uuid", HOURS_FIELDS, ["name"]),
    ("/janus/session", "uuid", ROOM_FIELDS, ["name"]),
]
SEARCHES: dict[str, dict[str, str]] = {
    "/tn/search": NUMBER_SEARCH_FIELDS,
    "/order/search": {"state": TEXT},
    "/lease/tn/search": {"tn": TEXT, "autorenew": TRUTH, "sip_connection": TEXT, "sip_control_app": TEXT}
    | {"sip_connections_skip": LIST},
    "/sms/search": {"to": TEXT, "message": TEXT, "tn": TEXT, "delivered": TRUTH},
    "/sms/search/inbound": {"to": TEXT, "from": TEXT, "message": TEXT, "delivered": TRUTH, "readed": TRUTH, "state": TEXT},
    "/sms/search/outbound": {"to": TEXT, "message": TEXT, "delivered": TRUTH, "state": TEXT, "reference_id": TEXT},
    "/call/search": {"direction": TEXT, "tn": TEXT},
    "/sip/app/call/search": {"tn": TEXT, "from": TEXT, "to": TEXT, "state": TEXT, "sip_control_app": TEXT},
    "/sip/app/{}/logs": {"name": TEXT, "success": TRUTH, "from": TEXT, "tn": TEXT, "call": TEXT},
}
SEARCH_FIELDS = {"mode": TEXT, "order": OBJECT, "take": NUMBER, "skip": NUMBER}
SEARCH_FIELDS |= dict.fromkeys(("created_on_from", "created_on_to", "modified_on_from", "modified_on_to"), TEXT)
READS = (
    "/token/list",
    "/account",
    "/tn/search/countries",
    "/dict/country",
    "/dict/tz",
    "/dict/gtts",
    "/order",
    "/order/{}",
    "/profile/tn",
    "/profile/tn/{}",
    "/profile/tn/special_prices",
    "/lease/tn/{}",
    "/lease/tn/{}/tn",
    "/profile/messaging/{}/tnleases",
    "/sip/app/{}/tnlease",
    "/sip/app/call/flow/{}",
    "/sip/app/call/online",
    "/sip/app/call/{}",
    "/sip/connection/{}/tnlease",
    "/sip/product",
    "/sip/tech_prefix/{}/{}",
    "/sms/inbound/{}",
    "/sms/outbound/{}",
    "/event/subscription",
    "/janus/session/{}/whitelist",
    "/janus/session/{}/blacklist",
    "/janus/session/{}/roster",
    "/janus/conn",
)
LISTS = frozenset(path for path in READS if not path.endswith("}") and path not in ("/account", "/lease/tn/{}/tn")) | {
    path for path, *_ in RESOURCES
}
CHANGES: list[tuple[str, str, dict[str, str], list[str]]] = [
    ("POST", "/token", {"name": TEXT, "ttl": NUMBER}, ["name", "ttl"]),
    ("PATCH", "/token/{}", {"name": TEXT, "ttl": NUMBER}, []),
    ("DELETE", "/token/{}", {}, []),
    ("DELETE", "/token/all", {}, []),
    ("PATCH", "/account/notification", {"balance": TRUTH}, []),
    ("POST", "/order", {"items": LIST}, ["items"]),
    ("POST", "/order/tn", {"items": LIST}, ["items"]),
    ("POST", "/order/price", {"items": LIST}, ["items"]),
    ("PATCH", "/lease/tn/{}", LEASE_FIELDS, []),
    ("DELETE", "/lease/tn/{}", {}, []),
    ("POST", "/lease/tn/{}/subscription/sms", {"messaging_profile": TEXT, "sms_campaign": TEXT}, ["messaging_profile"]),
    ("DELETE", "/lease/tn/{}/subscription/sms", {}, []),
    ("POST", "/sip/app/{}/tnlease", {"add": LIST, "remove": LIST}, []),
    ("POST", "/sip/connection/{}/tnlease", {"add": LIST, "remove": LIST}, []),
    ("DELETE", "/sip/app/call/flow/{}", {}, []),
    ("POST", "/batch", BATCH_FIELDS, list(BATCH_FIELDS)),
    ("POST", "/sms", SMS_FIELDS, ["from", "to", "message"]),
    ("POST", "/event/subscription", SUBSCRIPTION_FIELDS, ["type", "channel"]),
    ("DELETE", "/event/subscription/{}", {}, []),
    ("POST", "/janus/session/{}/whitelist", {"login": TEXT}, []),
    ("POST", "/janus/session/{}/blacklist", {"login": TEXT}, []),
    ("DELETE", "/janus/session/{}/whitelist/{}", {}, []),
    ("DELETE", "/janus/session/{}/blacklist/{}", {}, []),
    ("POST", "/janus/conn", {"session": TEXT}, []),
    ("DELETE", "/janus/conn/{}", {}, []),
]
FOUND_PATH = "/found/"
"""Where an operator of the tests has found the lost calls."""
FORMS = ("/sip/app/call/flow/{}", "/sip/app/call/{}", "/call/sca/{}")


def has_type(value: Any, kind: str) -> bool:
    match kind:
        case "text":
            return isinstance(value, str)
        case "number":
            return isinstance(value, int) and not isinstance(value, bool)
        case "fraction":
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        case "truth":
            return isinstance(value, bool)
        case "digits":
            return isinstance(value, str) and value.isdecimal()
        case "url":
            return isinstance(value, str) and value.startswith(("http://", "https://"))
        case "object":
            return isinstance(value, dict)
        case _:
            return isinstance(value, list)


class TableServer(FakeOpentact):
    """``pages`` is where a search reads take and skip; ``rows`` are what it finds, by path."""

    def __init__(self, pages: str = "both") -> None:
        super().__init__()
        self.pages = pages
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self._routes: dict[tuple[str, str], Any] = {}
        for path in READS:
            self._routes["GET", path] = ({}, [])
        for method, path, fields, required in CHANGES:
            self._routes[method, path] = (fields, required)
        for path, _, fields, required in RESOURCES:
            self._routes["GET", path] = self._routes["GET", f"{path}/{{}}"] = ({}, [])
            self._routes["POST", path] = (fields, required)
            self._routes["PATCH", f"{path}/{{}}"] = (fields, [])
            self._routes["DELETE", f"{path}/{{}}"] = ({}, [])
        for path, fields in SEARCHES.items():
            self._routes["POST", path] = (fields | SEARCH_FIELDS, [])
        self._places = {"country": "/dict/lerg/states", "state": "/dict/lerg/ratecenters"}

    def answer_request(self, http_request: ReceivedRequest) -> CannedAnswer:
        if f"{http_request.method} {http_request.path}" in self.routes:
            return super().answer_request(http_request)
        if http_request.path == "/auth":
            shown = {"authorization", "x-auth-google-token", "x-auth-facebook-token", "x-auth-ha1b-token"}
            if not shown & http_request.headers.keys():
                return error_answer(401, "Unauthorized")
            return success_answer({"token": "jwt.1.sig", "uuid": "u", "email": "e", "wss_online": False, "role": "User"})
        if not self.accepts(http_request.headers.get("x-auth-token", "")):
            return error_answer(401, "Unauthorized")
        for name, path in self._places.items():
            if http_request.path == path:
                return success_answer([]) if http_request.query.get(name) else wrong_field(name, None, "is required")
        return self._answer_known_path(http_request)

    def _answer_known_path(self, http_request: ReceivedRequest) -> CannedAnswer:
        matching = [
            path for method, path in self._routes if method == http_request.method and matches(path, http_request.path)
        ]
        if http_request.path.startswith(FOUND_PATH):
            return success_answer({"uuid": "found"})
        is_form = http_request.headers.get("content-type", "").startswith("multipart/form-data")
        if http_request.method == "POST" and is_form and any(matches(path, http_request.path) for path in FORMS):
            return (
                success_answer({"uuid": "call"}) if b'name="file"' in http_request.raw else wrong_field("file", None, "no")
            )
        if not matching:
            return error_answer(404, f"no route for {http_request.method} {http_request.path}")
        route = min(matching, key=lambda path: path.count("{}"))
        fields, required = self._routes[http_request.method, route]
        try:
            body = http_request.body or {}
        except ValueError:
            return error_answer(400, "Invalid JSON")
        if (wrong := find_wrong_field(body, fields, required)) is not None:
            return wrong
        if route in SEARCHES:
            return self._answer_search(http_request, route, body)
        if http_request.method == "GET":
            last = http_request.path.rpartition("/")[2]
            one = {"uuid": last, "tn": {"tn": 12015550123}, "state": "success", "delivered": True}
            return success_answer([] if route in LISTS else one)
        return success_answer({"uuid": str(uuid.uuid4()), **body}, 201 if http_request.method == "POST" else 200)

    def _answer_search(self, http_request: ReceivedRequest, route: str, body: dict[str, Any]) -> CannedAnswer:
        page = {"take": 10, "skip": 0}
        if self.pages in ("body", "both"):
            page |= {name: body[name] for name in page if name in body}
        if self.pages in ("query", "both"):
            if route == "/tn/search" and "size" in http_request.query:
                size = int(http_request.query["size"])
                page = {"take": size, "skip": size * (int(http_request.query.get("page", "1")) - 1)}
            else:
                page |= {name: int(http_request.query[name]) for name in page if name in http_request.query}
        if not 1 <= page["take"] <= 100:
            return wrong_field("take", page["take"], "must be 1 to 100")
        rows = self.rows.get(route, [])
        return success_answer({**page, "total": len(rows), "data": rows[page["skip"] :][: page["take"]]})


def find_wrong_field(body: dict[str, Any], fields: dict[str, str], required: list[str]) -> CannedAnswer | None:
    for name in required:
        if name not in body:
            return wrong_field(name, None, "is required")
    for name, value in body.items():
        if name not in fields:
            return wrong_field(name, value, "is not known")
        if value is not None and not has_type(value, fields[name]):
            return wrong_field(name, value, f"must be {fields[name]}")
    return None


def matches(template: str, path: str) -> bool:
    return re.fullmatch(re.escape(template).replace(r"\{\}", "[^/]+"), path) is not None


def wrong_field(name: str, value: object, message: str) -> CannedAnswer:
    said = {"success": False, "message": "Validation failed", "status": 400, "meta": ""}
    return CannedAnswer(json.dumps({**said, "fields": {f"params.{name}": {"message": message, "value": value}}}), 400)
