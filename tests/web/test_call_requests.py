"""The requests that Opentact may send, and the values taken from them."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import quote_plus, unquote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from in_process_server import (
    CALL_FIELDS,
    MONDAY,
    SAMPLES,
    InProcessServer,
    list_callback_urls,
    list_spoken_texts,
    read_document,
    send_asgi_request,
)

from callflows.language import from_xml
from callflows.web.request_fields import parse_posted_call, parse_query_fields

REST = """
numbers: rest
nodes:
  start:
    - say: >-
        {{ caller.number }}|{{ caller.name }}|{{ number }}|{{ call.id }}|{{ call.app }}|{{ call.attestation }}|
        {{- call.started }}|
"""
"""A flow that says all it was told."""
GIVEN = ("caller", "name", "number", "call", "app", "attestation", "started")


def heard(reply) -> dict[str, str]:
    (text,) = list_spoken_texts(read_document(reply))
    return dict(zip(GIVEN, text.split("|")[:-1], strict=True))


@pytest.fixture
def door(tmp_path) -> InProcessServer:
    return InProcessServer(tmp_path, REST)


# Both methods, and every shape of body


def test_a_get_request_is_answered_from_its_query(door):
    assert heard(door.send_request()) == {
        "caller": "+12015550999",
        "name": "",
        "number": "+12015550123",
        "call": "unknown",
        "app": "unknown",
        "attestation": "unknown",
        "started": "unknown",
    }


def test_a_post_request_with_the_whole_call_entity_is_answered_with_all_that_it_tells(door):
    reply = door.send_request(method="POST", content=(SAMPLES / "call.json").read_bytes())
    assert heard(reply) == {
        "caller": "+12015550999",
        "name": "WIRELESS CALLER",
        "number": "+12015550123",
        "call": "3b206fb6-a5b7-4d62-8a3a-02d9e1880001",
        "app": "03302770-4a53-438e-adb6-7a3062d60001",
        "attestation": "unknown",
        "started": "2026-02-19T16:24:45.961Z",
    }


def test_a_post_request_without_anything_in_its_query_is_answered_from_its_body(door):
    reply = door.send_request(method="POST", params={}, content=(SAMPLES / "call.json").read_bytes())
    assert heard(reply)["caller"] == "+12015550999"
    assert heard(reply)["number"] == "+12015550123"


def test_the_call_of_a_classic_gather_is_found_under_its_key(door):
    reply = door.send_request(method="POST", params={}, content=(SAMPLES / "classic-gather.json").read_bytes())
    assert heard(reply)["caller"] == "+12015550999"
    assert heard(reply)["number"] == "+12015550123"


def test_the_number_called_may_be_a_json_number_under_tn(door):
    reply = door.send_request(method="POST", params={}, json={"tn": {"tn": 12015550123}, "from": "ann"})
    assert heard(reply)["number"] == "+12015550123"


def test_what_the_query_says_is_not_overwritten_by_the_body(door):
    reply = door.send_request(method="POST", json={"from": "+12015550777", "to": "12015550666", "uuid": "u"})
    assert heard(reply)["caller"] == "+12015550999"
    assert heard(reply)["number"] == "+12015550123"
    assert heard(reply)["call"] == "u"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"7",
        b'"text"',
        b"\xff\xfe\x00",
        b"\x00",
        b"from=%2B12015550777",
        b"<Response/>",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"from": ' + b"1" * 6000 + b"}",
        b'{"from": 1e999, "uuid": NaN}',
        b'{"from": {"a": 1}, "to": ["x"], "tn": 7, "meta": "x", "sip_control_app": [1], "call": "x"}',
        b'{"tn": {"tn": {"tn": 1}}, "meta": {"cid_name": ["x"]}}',
        b'{"tn": {"tn": true}, "uuid": false}',
        json.dumps({"from": "x" * 1_000_000}).encode(),
        b" " * 5_000_000,
    ],
    ids=lambda body: f"{body[:20]!r} ({len(body)} bytes)",
)
def test_a_body_that_is_no_call_entity_leaves_the_query_to_answer_from(door, body):
    got = heard(door.send_request(method="POST", content=body))
    assert (got["caller"], got["number"], got["name"]) == ("+12015550999", "+12015550123", "")


def test_a_form_body_is_ignored(door):
    reply = door.send_request(method="POST", data={"from": "+12015550777", "to": "12015550124"})
    assert heard(reply)["caller"] == "+12015550999"


def test_a_body_of_another_content_type_is_read_as_what_it_is(door):
    reply = door.send_request(method="POST", content=b'{"uuid": "u"}', headers={"content-type": "text/plain"})
    assert heard(reply)["call"] == "u"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
def test_another_method_gets_a_document_too(door, method):
    assert heard(door.send_request(method=method))["caller"] == "+12015550999"


def test_a_head_request_gets_the_headers_of_the_document_without_it(door):
    reply = door.send_request(method="HEAD")
    assert reply.status_code == 200
    assert reply.content == b""
    assert reply.headers["content-length"] == door.send_request().headers["content-length"]


def test_unknown_fields_are_ignored(door):
    told = json.loads((SAMPLES / "call.json").read_bytes())
    told |= {"new": {"deep": [1, 2, {"from": "+1"}]}, "name": "Mallory", "token": "t"}
    plain = door.send_request(method="POST", content=(SAMPLES / "call.json").read_bytes())
    more = door.send_request(method="POST", params={**CALL_FIELDS, "new": "1", "name": "Mallory", "_": ""}, json=told)
    assert heard(more) == heard(plain)


def test_the_slash_at_the_end_makes_no_difference(door):
    assert heard(door.send_request("/call/", params=CALL_FIELDS)) == heard(door.send_request())


def test_no_answer_may_be_stored_on_its_way(door):
    assert door.send_request().headers["cache-control"] == "no-store"


# A body that comes slowly, or never


def test_a_body_that_never_ends_does_not_keep_the_caller_waiting(tmp_path):
    door = InProcessServer(tmp_path, REST, deadline=0.05)

    async def never():
        await asyncio.sleep(60)

    async def one_byte_for_ever():
        await asyncio.sleep(0.005)
        return {"type": "http.request", "body": b" ", "more_body": True}

    for receive in (never, one_byte_for_ever):
        status, _, body = send_asgi_request(door.app, receive, method="POST")
        assert status == 200
        assert b"+12015550999" in body


def test_a_lookup_has_the_time_that_a_slow_body_left_of_the_deadline(tmp_path):
    lookup = "{url: 'https://crm.invalid/x', into: x, timeout: 5s, default: {}}"
    flow = f"numbers: rest\nnodes: {{start: [{{lookup: {lookup}}}, {{say: Hello.}}]}}\n"
    door = InProcessServer(tmp_path, flow, deadline=5.0)

    async def slow():
        await asyncio.sleep(0.3)
        return {"type": "http.request", "body": b"", "more_body": False}

    assert send_asgi_request(door.app, slow, method="POST")[0] == 200
    (asked,) = door.effect_sender.lookups
    assert 0 < asked.left_ms <= 4_700


def test_an_endless_body_is_not_read_to_its_end(door):
    parts = 0

    async def endless():
        nonlocal parts
        parts += 1
        return {"type": "http.request", "body": b"x" * 65_536, "more_body": True}

    status, _, body = send_asgi_request(door.app, endless, method="POST")
    assert status == 200
    assert b"+12015550999" in body
    assert parts < 10


def test_a_client_that_goes_away_while_it_sends_harms_nothing(door):
    async def gone():
        return {"type": "http.disconnect"}

    assert send_asgi_request(door.app, gone, method="POST")[0] == 200


# The query, however it is written


@pytest.mark.parametrize(
    ("written", "caller"),
    [
        ("from=%2B12015550999", "+12015550999"),
        ("from=%2b12015550999", "+12015550999"),
        ("from=+12015550999", "+12015550999"),
        ("from=%2012015550999", "+12015550999"),
        ("from=12015550999", "+12015550999"),
        ("from=%2B1%20(201)%20555-0999", "+12015550999"),
        ("from=%2B1+201+555+0999", "+12015550999"),
        ("from=tel:%2B12015550999", "+12015550999"),
        ("from=sip:%2B12015550999@203.0.113.7:5060;transport=udp", "+12015550999"),
        ("from=%2B442079460018", "+442079460018"),
        ("from=442079460018", "+442079460018"),
        ("from=ann", "ann"),
        ("from=sip:ann@acme.sip.opentact.org", "sip:ann@acme.sip.opentact.org"),
        ("from=anonymous", ""),
        ("from=Anonymous", ""),
        ("from=sip:anonymous@anonymous.invalid", ""),
        ("from=", ""),
        ("from", ""),
        ("", ""),
        ("from=ann&from=bob", "ann"),
        ("from=%", "%"),
        ("from=%zz%4", "%zz%4"),
        ("from=%FF%FE", "\ufffd\ufffd"),
        ("from=%00%01ann%1f", "ann"),
        ("from=%ED%A0%80ann", "\ufffd\ufffd\ufffdann"),
        ("from=%EF%BF%BFann", "ann"),
        ("&&&=&from=ann&=x", "ann"),
    ],
)
def test_a_caller_is_understood_however_the_query_is_written(door, written, caller):
    status, _, body = send_asgi_request(door.app, query_string=f"{written}&to=12015550123".encode())
    assert status == 200
    assert says_raw(body) == caller


def says_raw(body: bytes) -> str:
    return list_spoken_texts(from_xml(body))[0].split("|")[0]


@given(st.text(max_size=40))
def test_a_field_is_decoded_as_a_form_decodes_it(value):
    kept = value.encode("utf-8", "replace").decode()
    found = parse_query_fields(f"tag={quote_plus(kept)}".encode())["tag"]
    assert found == "".join(c for c in kept if c in "\t\n\r" or (ord(c) >= 32 and ord(c) not in {0xFFFE, 0xFFFF}))


@given(st.text("%+2Bb0aA1 &=", max_size=30))
@example("%2Ba+b")
@example("a+%2B%20")
def test_odd_percent_signs_and_pluses_are_decoded_as_everywhere_else(value):
    decoded = unquote_plus(value.partition("&")[0], errors="replace")
    assert parse_query_fields(f"tag={value}".encode())["tag"] == "".join(c for c in decoded if c == "\n" or ord(c) >= 32)


@pytest.mark.parametrize(
    ("query", "call"), [("uuid=a-1", "a-1"), ("call=a-1", "a-1"), ("uuid=b&call=a-1", "a-1"), ("uuid=a%2D1&x=+", "a-1")]
)
def test_the_id_of_a_call_is_read_under_the_name_that_a_posted_call_has_too(query, call):
    assert parse_query_fields(query.encode()) == {"call": call}


@given(st.binary(max_size=200))
def test_no_query_and_no_body_can_raise(octets):
    parse_query_fields(octets)
    parse_posted_call(octets)


# Whether the app answers by itself


def test_the_line_is_answered_by_us_unless_the_app_is_told_to_do_it(tmp_path):
    door = InProcessServer(tmp_path)
    app = {"sip_control_app": {"auto_answer": True}}
    assert "<Answer/>" in door.send_request().text
    assert "<Answer/>" not in door.send_request(method="POST", json=app).text
    assert "<Answer/>" in door.send_request(method="POST", json={"sip_control_app": {"auto_answer": False}}).text
    assert "<Answer/>" in door.send_request(method="POST", json={"sip_control_app": {"auto_answer": "true"}}).text


# The clock


def test_the_moment_of_a_call_is_told_on_the_wall_clock_of_the_file(tmp_path):
    when = "nodes:\n  start:\n    - say: It is {{ now.time }} on {{ now.weekday }}.\n"
    door = InProcessServer(tmp_path, f"numbers: rest\ntimezone: Asia/Kathmandu\n{when}", clock=lambda: MONDAY)
    assert list_spoken_texts(door.read_call_document()) == ["It is 20:45 on mon."]


def test_every_url_of_a_call_leads_on_for_as_long_as_the_call_goes_round(tmp_path):
    door = InProcessServer(tmp_path)
    reply = door.send_request(method="POST", content=(SAMPLES / "call.json").read_bytes())
    for _ in range(5):
        (*_, url) = list_callback_urls(reply)
        reply = door.send_request(f"{url}&from=%2B12015550999&tn=12015550123&state=live&sca=a&call=c")
        assert list_spoken_texts(read_document(reply))[0] == "Press 1."
