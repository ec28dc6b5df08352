"""What the platform asks of our URLs, to the letter: parameters, their order, methods and bodies, over HTTP."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from callflows.rehearsal.phone_call import REHEARSAL_APP_UUID, append_query
from callflows.rehearsal.platform_network import HttpNetwork
from callflows.rehearsal.rehearsed_call import Rehearsal
from callflows.rehearsal.scripted_parties import ScriptedCaller, parse_caller_script
from callflows.web.request_fields import parse_posted_call, parse_query_fields
from each_case import each_case
from plain_http_server import StaticPage, serve_pages
from waiting import run_bounded

END = "<Response><Hangup/></Response>"
AT = datetime(2026, 11, 23, 15, tzinfo=UTC)
WHO = f"from=%2B12015550999&tn=12015550123&state=live&sca={REHEARSAL_APP_UUID}&call="


def rung(there, document, path="/call", keys="1", **given):
    """The requests of a call whose first answer is this document."""
    there.pages["/call"] = StaticPage(document.replace("HERE", there.url))

    async def ring():
        fields = {"number": "+12015550123", "at": AT, "caller": ScriptedCaller(parse_caller_script(keys)), **given}
        async with HttpNetwork(allow_external=True) as web:
            return await Rehearsal(url=f"{there.url}{path}", **fields).run(web)

    told = run_bounded(ring())
    return told, there.requests


@pytest.fixture
def there():
    with serve_pages({"/next": END, "/c": ""}) as pages:
        yield pages


def after(request):
    """A request's target without the id of the call, which is another each time."""
    return request.target.partition("&call=")[0] + "&call="


def test_the_first_request_by_get_says_who_rings_whom_and_keeps_the_query_of_the_url(there):
    _, (asked,) = rung(there, END, "/call?token=a%20b&x#here", method="GET")
    assert (asked.method, asked.target) == ("GET", "/call?token=a%20b&x&from=%2B12015550999&to=12015550123")
    assert asked.body == b""


def test_the_first_request_by_post_has_the_call_entity_too(there):
    given = {"name": "Ann Brown", "attestation": "A", "answers_itself": True}
    _, (asked,) = rung(there, END, "/call?token=t", method="POST", **given)
    assert (asked.method, asked.target) == ("POST", "/call?token=t&from=%2B12015550999&to=12015550123")
    assert asked.headers["content-type"] == "application/json"
    told = json.loads(asked.body)
    documented = {"uuid", "tn", "from", "to", "meta", "state", "source", "logs", "account", "sip_control_app"}
    assert documented | {"created_on", "modified_on", "stir_shaken_attest_level"} == {*told}
    assert told["tn"] == {"tn": 12015550123}
    fields, answers = parse_posted_call(asked.body)
    assert answers is True
    assert fields.pop("call")
    assert fields == {
        "from": "+12015550999",
        "to": "12015550123",
        "sca": REHEARSAL_APP_UUID,
        "started": "2026-11-23T15:00:00.000Z",
        "name": "Ann Brown",
        "attestation": "A",
    }


def test_what_is_not_told_is_not_in_the_entity(there):
    _, (asked,) = rung(there, END)
    fields, answers = parse_posted_call(asked.body)
    assert answers is None
    assert "name" not in fields
    assert "attestation" not in fields


@pytest.mark.parametrize(
    ("caller", "told", "from_"),
    [
        ("", "from=", ""),
        ("anonymous", "from=anonymous", "anonymous"),
        ("ann", "from=ann", "ann"),
        ("4711", "from=4711", "4711"),
        ("sip:ann@acme.sip.opentact.org", "from=sip%3Aann%40acme.sip.opentact.org", "sip:ann@acme.sip.opentact.org"),
        ("+1 (201) 555-0999", "from=%2B12015550999", "+12015550999"),
        ("12015550999", "from=12015550999", "12015550999"),
        ("A & B = ü", "from=A+%26+B+%3D+%C3%BC", "A & B = ü"),
    ],
)
def test_a_caller_is_told_as_opentact_writes_callers(there, caller, told, from_):
    transcript, (asked,) = rung(there, END, method="GET", caller_id=caller)
    assert asked.target == f"/call?{told}&to=12015550123"
    assert parse_query_fields(asked.target.partition("?")[2].encode())["from"] == from_
    assert transcript.from_ == from_


@pytest.mark.parametrize(
    ("number", "to", "shown"),
    [
        ("+12015550123", "12015550123", "+12015550123"),
        ("12015550123", "12015550123", "+12015550123"),
        ("+1 201-555-0123", "12015550123", "+12015550123"),
        ("reception", "reception", "reception"),
    ],
)
def test_the_number_called_has_no_plus_on_its_way(there, number, to, shown):
    transcript, (asked,) = rung(there, END, method="GET", number=number)
    assert asked.target == f"/call?from=%2B12015550999&to={to}"
    assert transcript.number == shown


def test_a_gather_url_is_asked_by_get_with_the_digits_first(there):
    menu = '<Response><Gather dtmf_length="3" url="HERE/next?ticket=a.b&amp;n=1#x"/></Response>'
    _, (_, asked) = rung(there, menu, keys="1*#")
    assert (asked.method, asked.body) == ("GET", b"")
    assert after(asked) == f"/next?ticket=a.b&n=1&dtmf=1%2A%23&{WHO}"


def test_a_callback_is_asked_with_the_call_its_tag_and_what_metas_said(there):
    document = """<Response><Meta name="a b" value="1 &amp; 2"/>
    <Callback url="HERE/next" method="POST" body="true" tag="new orders"><Meta name="c">x
y</Meta></Callback></Response>"""
    _, (first, asked) = rung(there, document)
    assert asked.method == "POST"
    assert after(asked) == f"/next?{WHO}"
    assert asked.target.partition("&tag=")[2] == "new+orders&a%20b=1+%26+2&c=x%0Ay"
    assert json.loads(asked.body) == json.loads(first.body)
    assert f"&call={json.loads(first.body)['uuid']}&" in asked.target


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_a_callback_without_body_has_none(there, method):
    _, (_, asked) = rung(there, f'<Response><Callback url="HERE/next?k=v" method="{method}"/></Response>')
    assert (asked.method, asked.body) == (method, b"")
    assert after(asked) == f"/next?k=v&{WHO}"


def test_a_callback_is_waited_for_as_long_as_it_says(there):
    there.pages["/slow"] = StaticPage(END, delay_seconds=20)
    document = (
        '<Response><Callback url="HERE/slow" timeout="200"><Error><Say>Late.</Say><Hangup/></Error></Callback></Response>'
    )
    told, _ = rung(there, document)
    assert told.requests[1].error == "there was no answer within 0.2 s"
    assert [step["text"] for step in told.steps if step["verb"] == "Say"] == ["Late."]


def test_a_classic_callback_has_the_code_as_an_integer_the_attempt_and_whether_there_was_one(there):
    attributes = 'numDigits="4" timeout="1000" attempts="3" callback="HERE/c?t=1" finishOnKey="#"'
    gather = f"<Response><Gather {attributes}/><Hangup/></Response>"
    _, (_, *asked) = rung(there, gather, keys="0042,,0000")
    assert [request.target for request in asked] == [
        "/c?t=1&code=42&attempts=1&success=true",
        "/c?t=1&code=&attempts=2&success=false",
        "/c?t=1&code=0&attempts=3&success=true",
    ]
    assert {request.method for request in asked} == {"GET"}


def test_a_classic_callback_by_post_has_the_call_that_our_own_server_reads(there):
    gather = '<Response><Gather numDigits="1" timeout="1000" callback="HERE/c" method="post"/><Hangup/></Response>'
    _, (_, asked) = rung(there, gather)
    assert asked.method == "POST"
    assert asked.target == "/c?code=1&attempts=1&success=true"
    told = json.loads(asked.body)
    assert {*told} == {"history", "call"}
    assert {"from", "to", "state", "sip_control_app"} <= {*told["call"]}
    assert parse_posted_call(asked.body)[0] == {"from": "12015550999", "to": "12015550123", "sca": REHEARSAL_APP_UUID}


def test_a_code_of_thousands_of_digits_is_told_like_any_other(there):
    gather = '<Response><Gather numDigits="5000" timeout="1000" callback="HERE/c"/><Hangup/></Response>'
    told, (_, asked) = rung(there, gather, keys="0" + "7" * 4999)
    assert told.outcome == "hung-up"
    assert f"code={'7' * 4999}&" in asked.target


def test_a_curl_is_asked_only_where_that_is_wanted(there):
    document = '<Response><Curl url="HERE/next?a=1" method="POST"/><Hangup/></Response>'
    rung(there, document)
    assert [request.target.partition("?")[0] for request in there.requests] == ["/call"]
    rung(there, document, curls=True)
    assert (there.requests[-1].method, there.requests[-1].target, there.requests[-1].body) == ("POST", "/next?a=1", b"")


@each_case(
    ("url", "whole"),
    [
        ("http://a.test/c", "http://a.test/c?n=1"),
        ("http://a.test/c?", "http://a.test/c?n=1"),
        ("http://a.test/c?x=1", "http://a.test/c?x=1&n=1"),
        ("http://a.test/c?x=1&", "http://a.test/c?x=1&n=1"),
        ("http://a.test/c?x=a?b#f?g", "http://a.test/c?x=a?b&n=1#f?g"),
        ("http://a.test#f", "http://a.test?n=1#f"),
    ],
)
def test_what_is_appended_stands_behind_the_urls_own_query_and_before_its_fragment(url, whole):
    assert append_query(url, [("n", "1")]) == whole
