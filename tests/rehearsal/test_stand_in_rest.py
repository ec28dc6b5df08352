"""The stand-in's REST: what it gives, and how it refuses what is wrong."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from stand_in_harness import NUMBER, TOKEN, run_customer_server, run_harness

from callflows.outbound_http import get_tls_context
from each_case import each_case
from waiting import run_bounded

SAMPLES = Path(__file__).parents[1] / "samples"
APP = {"name": "Front desk", "product": 1, "class4_ingress_trunk_settings": {}, "class4_egress_trunk_settings": {}}


async def asked(method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
    async with run_harness(**options) as it:
        return await it.request_rest(method, path, body)


def refused(reply: httpx.Response) -> tuple[int, list[str]]:
    """A refusal in the documented envelope: its status, and the fields that are wrong."""
    said = reply.json()
    assert said["success"] is False
    assert said["status"] == reply.status_code
    assert said["message"]
    return reply.status_code, [*said.get("fields", {})]


# Authentication


@each_case(
    ("headers", "status"),
    [
        ({"x-auth-token": TOKEN}, 200),
        ({"authorization": f"Bearer {TOKEN}"}, 200),
        ({"x-auth-token": f"{TOKEN}x"}, 401),
        ({"authorization": "Bearer a.b.c"}, 401),
        ({"authorization": "Bearer é"}, 401),
        ({}, 401),
    ],
)
def test_a_token_is_shown_in_either_header(headers, status):
    async def shown() -> httpx.Response:
        async with run_harness() as it, httpx.AsyncClient(verify=get_tls_context()) as http:
            raw = {name: value.encode("latin-1") for name, value in headers.items()}
            return await http.get(f"{it.server.rest_url}/sip/app", headers=raw)

    reply = run_bounded(shown())
    assert reply.status_code == status
    if status == 401:
        assert refused(reply) == (401, [])


def test_an_email_and_a_password_get_a_token_that_ends():
    async def shown(life: int) -> list[int]:
        async with run_harness(token_life=life) as it:
            reply = await it.http.get(f"{it.server.rest_url}/auth", auth=("owner@example.com", "a-password"))
            token = reply.json()["payload"]["token"]
            assert len(token.split(".")) == 3
            await asyncio.sleep(1.1)
            headers = {"x-auth-token": token}
            return [(await it.request_rest("GET", "/sip/app", headers=headers)).status_code]

    assert run_bounded(shown(60)) == [200]
    assert run_bounded(shown(1)) == [401]


def test_a_wrong_password_gets_none():
    async def shown() -> list[int]:
        async with run_harness() as it:
            wrong = base64.b64encode("owner@example.com:wörng".encode()).decode()
            headers = [
                {"authorization": f"Basic {wrong}"},
                {"authorization": "Basic"},
                {"authorization": f"Bearer {TOKEN}"},
            ]
            return [(await it.request_rest("GET", "/auth", headers=one)).status_code for one in headers]

    assert run_bounded(shown()) == [401, 401, 401]


def test_a_token_that_was_made_up_is_refused():
    async def shown() -> int:
        async with run_harness() as it:
            reply = await it.http.get(f"{it.server.rest_url}/auth", auth=("owner@example.com", "a-password"))
            head, claims, sign = reply.json()["payload"]["token"].split(".")
            later = json.loads(base64.urlsafe_b64decode(claims + "==")) | {"exp": 9_999_999_999}
            forged = base64.urlsafe_b64encode(json.dumps(later).encode()).decode().rstrip("=")
            return (
                await it.request_rest("GET", "/sip/app", headers={"x-auth-token": f"{head}.{forged}.{sign}"})
            ).status_code

    assert run_bounded(shown()) == 401


# Apps and their numbers


def test_an_app_is_made_changed_and_removed():
    async def made() -> list[Any]:
        async with run_harness(number="") as it:
            app = await it.request_payload("POST", "/sip/app", {**APP, "call_flow_url": "https://calls.example.com/call"})
            path = f"/sip/app/{app['uuid']}"
            changed = await it.request_payload(
                "PATCH", path, {"call_flow_method": "POST", "call_flow_request_timeout": 5000}
            )
            listed = await it.request_payload("GET", "/sip/app")
            await it.request_payload("DELETE", path)
            return [app, changed, listed, (await it.request_rest("GET", path)).status_code]

    app, changed, listed, gone = run_bounded(made())
    assert app["call_flow_url"] == "https://calls.example.com/call"
    assert (changed["call_flow_method"], changed["name"], changed["created_on"]) == (
        "POST",
        "Front desk",
        app["created_on"],
    )
    assert [row["uuid"] for row in listed] == [app["uuid"]]
    assert gone == 404


@each_case(
    ("body", "fields"),
    [
        ({}, ["name", "product", "class4_ingress_trunk_settings", "class4_egress_trunk_settings"]),
        ({**APP, "call_flow_url": "calls.example.com"}, ["call_flow_url"]),
        ({**APP, "call_flow_method": "PUT"}, ["call_flow_method"]),
        ({**APP, "call_flow_request_timeout": -1}, ["call_flow_request_timeout"]),
        ({**APP, "product": 99}, ["product"]),
        ({**APP, "colour": "red"}, ["colour"]),
        ({**APP, "name": ""}, ["name"]),
    ],
)
def test_an_app_that_is_wrong_is_refused_by_its_fields(body, fields):
    reply = run_bounded(asked("POST", "/sip/app", body))
    assert refused(reply) == (400, [f"params.{field}" for field in fields])


def test_a_refusal_has_the_documented_shape():
    reply = run_bounded(asked("POST", "/sms", {"from": NUMBER, "to": "qwerty", "message": "Hello"}))
    like = json.loads((SAMPLES / "rest-error.json").read_text(encoding="utf-8"))
    said = reply.json()
    assert set(said) == set(like)
    assert said["message"] == like["message"]
    assert said["fields"]["params.to"]["value"] == "qwerty"
    assert "invalid integer number" in said["fields"]["params.to"]["message"]


@each_case(
    "raw",
    [b"{", b"[]", b"\xff", b"[" * 100_000, b'"text"', b'{"name": NaN}', b'{"name": 1e999}', b'{"product": -Infinity}'],
)
def test_a_body_that_is_no_object_is_refused(raw):
    async def sent() -> httpx.Response:
        async with run_harness() as it:
            return await it.request_rest("POST", "/sip/app", content=raw)

    assert refused(run_bounded(sent()))[0] == 400


def test_what_is_not_there_is_said_in_the_envelope():
    assert refused(run_bounded(asked("GET", "/nowhere")))[0] == 404
    assert refused(run_bounded(asked("DELETE", "/sip/app")))[0] == 405
    assert refused(run_bounded(asked("PATCH", "/sip/app/nobody", {})))[0] == 404


def test_a_number_is_given_to_an_app_by_either_way_and_taken():
    async def given() -> list[Any]:
        async with run_harness(number="") as it:
            await it.request_payload(
                "POST", "/order", {"items": [{"tn": 12015550123, "features": ["voice"], "autorenew": True}]}
            )
            app = await it.request_payload("POST", "/sip/app", APP)
            lease = await it.request_payload("GET", "/lease/tn/+12015550123")
            path = f"/sip/app/{app['uuid']}/tnlease"
            by_app = await it.request_payload("POST", path, {"add": [lease["uuid"]], "remove": []})
            taken = await it.request_payload("POST", path, {"remove": [lease["uuid"]]})
            by_lease = await it.request_payload("PATCH", f"/lease/tn/{lease['uuid']}", {"sip_control_app": app["uuid"]})
            rows = await it.request_payload("GET", path)
            unknown = await it.request_rest("PATCH", "/lease/tn/12015550123", {"sip_control_app": "nobody"})
            await it.request_payload("DELETE", f"/sip/app/{app['uuid']}")
            after = await it.request_payload("GET", "/lease/tn/12015550123")
            return [by_app, taken, by_lease, rows, unknown.status_code, after["sip_control_app"]]

    by_app, taken, by_lease, rows, unknown, after = run_bounded(given())
    assert [row["tn"]["tn"] for row in by_app] == [12015550123]
    assert taken == []
    assert by_lease["sip_control_app"]["name"] == "Front desk"
    assert len(rows) == 1
    assert (unknown, after) == (404, None)


# Numbers


@each_case(
    ("body", "first", "count"),
    [
        ({"type": "long_code", "country": "US", "state": "NJ", "features": ["sms", "voice"], "take": 5}, 12015550100, 100),
        ({"npa": "212", "nxx": "555", "line": "0142"}, 12125550142, 1),
        ({"city": "jersey", "rate_center": "JERSEYCITY"}, 12015550100, 100),
        ({"province": "NY", "rateCenter": "NWYRCYZN01"}, 12125550100, 100),
        ({"pattern": "202*0155"}, 12025550155, 1),
        ({"pattern": "20%5550123"}, 12015550123, 2),
        ({"pattern": "jkl01", "abcSearch": True, "npa": "201"}, 12015550100, 100),
        ({"postalCode": "07302"}, None, 0),
    ],
)
def test_numbers_are_found_by_each_of_the_known_bodies(body, first, count):
    found = run_bounded(asked("POST", "/tn/search", body, number="")).json()["payload"]
    assert found["total"] == count
    assert (found["data"][0]["tn"] if found["data"] else None) == first
    assert len(found["data"]) <= found["take"]


def test_numbers_are_found_by_pages_too():
    async def paged() -> list[int]:
        async with run_harness() as it:
            rows = await it.request_payload("POST", "/tn/search?page=2&size=5", {"pattern": "201"})
            return [row["tn"] for row in rows["data"]]

    assert run_bounded(paged()) == list(range(12015550105, 12015550110))


def test_a_number_is_ordered_once_and_costs_money():
    async def ordered() -> list[Any]:
        async with run_harness(balance=1.5) as it:
            body = {"items": [{"tn": 12025550100, "features": ["voice", "sms"], "autorenew": False}]}
            made = await it.request_rest("POST", "/order", body)
            again = await it.request_rest("POST", "/order", body)
            poor = await it.request_rest("POST", "/order", {"items": [{"tn": 12025550101}]})
            none = await it.request_rest("POST", "/order", {"items": [{"tn": 12025559999}]})
            orders = await it.search_rows("/order/search")
            leases = await it.search_rows("/lease/tn/search", order={"tn": "DESC"})
            free = (await it.request_payload("POST", "/tn/search", {"pattern": "2025550100"}))["total"]
            released = await it.request_payload("DELETE", "/lease/tn/12025550100")
            return [made, [reply.status_code for reply in (again, poor, none)], orders, leases, free, released]

    made, refusals, orders, leases, free, released = run_bounded(ordered())
    assert made.status_code == 201
    assert refusals == [409, 402, 404]
    assert [item["tn"] for item in orders[0]["items"]] == [12025550100]
    assert [(row["tn"]["tn"], row["autorenew"]) for row in leases] == [(12025550100, False), (12015550123, True)]
    assert (free, released["tn"]["tn"]) == (0, 12025550100)


# Searches


@each_case(
    ("body", "field"),
    [
        ({"take": 0}, "take"),
        ({"take": 101}, "take"),
        ({"skip": -1}, "skip"),
        ({"mode": "XOR"}, "mode"),
        ({"order": {"tn": "UP"}}, "order.tn"),
        ({"order": {"colour": "ASC"}}, "order.colour"),
        ({"colour": "red"}, "colour"),
        ({"created_on_from": "yesterday"}, "created_on_from"),
    ],
)
def test_a_search_that_is_wrong_is_refused_by_its_fields(body, field):
    assert refused(run_bounded(asked("POST", "/lease/tn/search", body))) == (400, [f"params.{field}"])


def test_a_search_that_is_wrong_is_refused_where_there_is_nothing_to_find_too():
    assert refused(run_bounded(asked("POST", "/call/search", {"created_on_to": "x"}))) == (400, ["params.created_on_to"])
    assert refused(run_bounded(asked("POST", "/tn/search?page=0&size=5", {}))) == (400, ["params.page"])


def test_a_search_takes_ten_skips_and_orders():
    async def searched() -> list[list[int]]:
        async with run_harness(number="") as it:
            items = [{"tn": 12025550100 + n} for n in range(25)]
            await it.request_payload("POST", "/order", {"items": items})
            pages = [{}, {"take": 100}, {"take": 20, "skip": 20, "order": {"tn": "DESC"}}, {"tn": "*0110"}]
            return [[row["tn"]["tn"] for row in await it.search_rows("/lease/tn/search", **page)] for page in pages]

    first, whole, last, masked = run_bounded(searched())
    assert (len(first), len(whole)) == (10, 25)
    assert last == [12025550104, 12025550103, 12025550102, 12025550101, 12025550100]
    assert masked == [12025550110]


# Messages


def test_a_message_is_sent_in_both_forms_and_found():
    async def sent() -> list[Any]:
        async with run_harness() as it, it.listen_to_events() as listener:
            one = await it.request_rest("POST", "/sms", {"from": "12015550123", "to": "12015550999", "message": "Hello"})
            other = await it.request_rest("POST", "/sms", {"tn": 12015550123, "to": 12015550999, "message": "x" * 918})
            for _ in range(2):
                await listener.wait_for_event(lambda event: event["type"] == "sms" and event["payload"]["delivered"])
            await it.request_control("POST", "/messages", {"from": "+12015550999", "to": NUMBER, "message": "HOURS"})
            paths = ("/sms/search", "/sms/search/outbound", "/sms/search/inbound")
            rows = [await it.search_rows(path, order={"created_on": "ASC"}) for path in paths]
            return [one, other, rows, await it.search_rows("/sms/search", message="Hel*", delivered=True)]

    one, other, (every, outbound, inbound), masked = run_bounded(sent())
    assert (one.status_code, other.status_code) == (202, 202)
    assert one.json()["payload"]["state"] == "created"
    assert (len(every), len(outbound), len(inbound), len(masked)) == (3, 2, 1, 1)
    assert len({row["thread"] for row in every}) == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"from": "12015550123", "to": "12015550999", "message": ""}, 400),
        ({"from": "12015550123", "to": "12015550999", "message": "x" * 919}, 400),
        ({"to": "12015550999", "message": "Hello"}, 400),
        ({"from": "12015550100", "to": "12015550999", "message": "Hello"}, 404),
    ],
)
def test_a_message_that_cannot_be_sent_is_refused(body, status):
    assert refused(run_bounded(asked("POST", "/sms", body)))[0] == status


def test_a_message_costs_money_and_needs_a_number_that_is_enabled():
    async def sent() -> list[int]:
        body = {"from": "12015550123", "to": "12015550999", "message": "Hello"}
        path = "/lease/tn/12015550123/subscription/sms"
        async with run_harness(balance=0.01) as it:
            statuses = [(await it.request_rest("POST", "/sms", body)).status_code for _ in range(2)]
            await it.request_payload("DELETE", path)
            statuses.append((await it.request_rest("POST", "/sms", body)).status_code)
            profile = await it.request_payload("POST", "/profile/messaging", {"name": "main"})
            await it.request_payload("POST", path, {"messaging_profile": profile["uuid"], "sms_campaign": "C1"})
            return [*statuses, (await it.request_rest("POST", "/sms", body)).status_code]

    assert run_bounded(sent()) == [202, 402, 409, 402]


@pytest.mark.parametrize(
    ("own", "first", "paths"), [(True, True, ["/own"]), (False, True, ["/one"]), (False, False, ["/two"])]
)
def test_of_callbacks_the_message_s_own_goes_before_those_of_its_profile(own, first, paths):
    async def called() -> list[str]:
        async with run_customer_server() as other, run_harness() as it:
            other.answers = dict.fromkeys(("/own", "/one", "/two"), (200, "", 0.0))
            one = f"{other.url}/one" if first else "http://127.0.0.1:9/one"
            lease = await it.request_payload("GET", "/lease/tn/12015550123")
            profile = f"/profile/messaging/{lease['messaging_profile']['uuid']}"
            await it.request_payload("PATCH", profile, {"callback_url": one, "callback_url2": f"{other.url}/two"})
            body = {"from": "12015550123", "to": "12015550999", "message": "Hello"}
            more = {"custom_callback_url": f"{other.url}/own"} if own else {}
            await it.request_payload("POST", "/sms", {**body, **more})
            rows = await other.wait_for_requests(3, paths[0])
            assert [(row["json"]["state"], row["json"]["delivered"]) for row in rows[-1:]] == [("success", True)]
            return [row["path"] for row in other.requests]

    assert set(run_bounded(called())) == set(paths)


def test_a_message_from_outside_reaches_the_callback_of_the_profile():
    async def called() -> dict[str, Any]:
        async with run_customer_server() as other, run_harness() as it:
            lease = await it.request_payload("GET", "/lease/tn/12015550123")
            profile = f"/profile/messaging/{lease['messaging_profile']['uuid']}"
            await it.request_payload("PATCH", profile, {"callback_url": other.set_answer("/sms")})
            await it.request_control("POST", "/messages", {"from": "+12015550999", "to": NUMBER, "message": "HOURS"})
            (row,) = await other.wait_for_requests(1, "/sms")
            return dict(row["json"])

    body = run_bounded(called())
    assert {name: body[name] for name in ("type", "state", "from", "to", "message")} == {
        "type": "smsi",
        "state": "success",
        "from": "12015550999",
        "to": "12015550123",
        "message": "HOURS",
    }


# Subscriptions, voices, SIP


@pytest.mark.parametrize("listing", ["bare", "envelope"])
def test_subscriptions_are_listed_bare_or_in_the_envelope(listing):
    async def listed() -> Any:
        async with run_harness(listing=listing) as it:
            body = {"is_active": True, "expired_on": "2027-01-02T07:36:44.784Z", "channel": "wss", "type": "call_record"}
            await it.request_payload("POST", "/event/subscription", body)
            return (await it.request_rest("GET", "/event/subscription")).json()

    said = run_bounded(listed())
    rows = said if listing == "bare" else said["payload"]
    like = json.loads((SAMPLES / "subscriptions.json").read_text(encoding="utf-8"))
    assert set(rows[0]) == set(like[0])
    assert rows[0]["expired_on"] == "2027-01-02T07:36:44.784Z"


def test_a_type_that_there_is_not_is_refused():
    reply = run_bounded(asked("POST", "/event/subscription", {"type": "call_recrd", "channel": "wss"}))
    assert refused(reply) == (400, ["params.type"])
    assert "call_record" in reply.text


def test_what_is_not_documented_is_refused_when_nothing_is_to_be_chosen():
    async def asked_strictly() -> list[int]:
        async with run_harness(strict=True, number="") as it:
            asks = [("GET", "/event/subscription"), ("DELETE", "/event/subscription/x"), ("POST", "/lease/tn/search")]
            return [
                (await it.request_rest(method, path, {} if method == "POST" else None)).status_code for method, path in asks
            ]

    assert run_bounded(asked_strictly()) == [501, 501, 501]


def test_voices_have_the_documented_fields():
    rows = run_bounded(asked("GET", "/dict/gtts")).json()["payload"]
    assert {frozenset(row) for row in rows} == {
        frozenset({"uuid", "type", "code", "name", "gender", "naturalSampleRateHertz"})
    }
    assert {row["type"] for row in rows} == {"Standard", "WaveNet"}


def test_sip_connections_domains_and_users_are_kept():
    async def kept() -> list[Any]:
        async with run_harness() as it:
            connection = await it.request_payload("POST", "/sip/connection", {"name": "trunk", "ip": "192.0.2.7"})
            lease = await it.request_payload("GET", "/lease/tn/12015550123")
            rows = await it.request_payload(
                "POST", f"/sip/connection/{connection['uuid']}/tnlease", {"add": [lease["uuid"]]}
            )
            await it.request_payload("POST", "/sip/domain", {"domain": "acme"})
            again = await it.request_rest("POST", "/sip/domain", {"domain": "acme"})
            user = await it.request_payload("POST", "/sip/domain/acme/user", {"login": "ann", "password": "secret-word"})
            users = await it.request_payload("GET", "/sip/domain/acme.sip.opentact.org/user")
            await it.request_payload("DELETE", f"/sip/domain/acme/user/{user['uuid']}")
            empty = await it.request_payload("GET", "/sip/domain/acme/user")
            switch = await it.request_payload("POST", "/sip/domain/acme/switch", {"name": "pbx", "remote_ip": "192.0.2.7"})
            return [connection, rows, again.status_code, users, empty, switch["remote_ip"]]

    connection, rows, again, users, empty, switch = run_bounded(kept())
    assert connection["ip"] == "192.0.2.7"
    assert len(rows) == 1
    assert (again, switch) == (409, "192.0.2.7")
    assert [row["login"] for row in users] == ["ann"]
    assert "password" not in users[0]
    assert empty == []


# The stand-in's own door


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "application/json"}, 404),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"content-type": "application/json", "host": "evil.example.com"}, 401),
        ({"content-type": "application/json", "host": "evil.example.com", "x-auth-token": TOKEN}, 404),
    ],
)
def test_a_page_of_the_web_cannot_have_the_stand_in_ring(headers, status):
    async def posted() -> int:
        async with run_harness() as it, httpx.AsyncClient(verify=get_tls_context()) as http:
            body = b'{"to": "+12015550100"}'
            return (await http.post(f"{it.server.url}/stand-in/calls", content=body, headers=headers)).status_code

    assert run_bounded(posted()) == status


@each_case(
    ("method", "path", "content", "status", "detail"),
    [
        ("POST", "/calls", b"{bad", 400, "Invalid JSON"),
        ("POST", "/calls", b"[]", 400, "body: must be an object"),
        ("POST", "/calls", b'{"keys": "1"}', 400, "to: Field required"),
        ("POST", "/calls", b'{"to": "+12015550123", "pace": 0, "kees": 1}', 400, "kees: Extra inputs are not permitted"),
        ("GET", "/calls", b"", 405, "Method Not Allowed"),
        ("GET", "/nothing", b"", 404, "Not Found"),
        ("DELETE", "/calls/nobody", b"", 404, "Call not found"),
    ],
)
def test_its_own_door_says_what_is_wrong_as_problem_details_with_every_field(method, path, content, status, detail):
    async def asked() -> httpx.Response:
        async with run_harness() as it:
            headers = {"x-auth-token": "", "content-type": "application/json"}
            url = f"{it.server.url}/stand-in{path}"
            return await it.http.request(method, url, content=content, headers=headers)

    reply = run_bounded(asked())
    assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json")
    told = reply.json()
    assert {"type", "title", "status", "detail"} <= set(told)
    assert told["status"] == status
    assert detail in told["detail"]


@pytest.mark.parametrize(
    ("method", "path", "token", "status"),
    [
        ("GET", "/nothing", TOKEN, 404),
        ("GET", "/sip/app/nothing", TOKEN, 404),
        ("PUT", "/sip/app", TOKEN, 405),
        ("GET", "/sip/app", "another", 401),
        ("GET", "/sip/app", "", 401),
    ],
)
def test_rest_refuses_in_the_documented_envelope(method, path, token, status):
    async def asked() -> httpx.Response:
        async with run_harness() as it:
            return await it.request_rest(method, path, headers={"x-auth-token": token})

    reply = run_bounded(asked())
    told = reply.json()
    assert (reply.status_code, told["success"], told["status"]) == (status, False, status)
    assert told["message"]
    assert ("allow" in reply.headers) == (status == 405)


def test_what_was_asked_of_our_urls_is_told():
    async def told() -> list[dict[str, Any]]:
        async with run_customer_server() as other, run_harness(url=other.set_answer("/call", "", 503)) as it:
            await it.ring_and_wait()
            return list((await it.request_control("GET", "/requests")).json())

    (row,) = run_bounded(told())
    assert (row["method"], row["status"]) == ("POST", 503)
    assert "/call?from=%2B12015550999" in row["url"]
