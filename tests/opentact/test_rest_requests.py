"""The request of each API method: its HTTP method, path and body."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from fake_opentact import FakeOpentact, run_with_platform, success_answer

from callflows.errors import OpentactError, OutboundRequestError
from callflows.opentact.messages_api import create_sms_sender
from callflows.opentact.rest_records import OpentactApp, OpentactLease, OpentactRecord
from callflows.telephony.call_entity import CallEntity
from callflows.telephony.message_entity import MessageEntity
from callflows.telephony.ports import Effect
from callflows.text import MAX_SMS_CHARACTERS
from each_case import each_case

XML = b"<?xml version='1.0'?><Response><Hangup/></Response>"
UNTIL = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)


async def rows(found):
    return [row async for row in found]


async def first(found):
    return [await anext(found)]


CALLS = [
    ("GET /sip/app", None, lambda o: o.apps.list_all()),
    ("GET /sip/app/a", None, lambda o: o.apps.get_app("a")),
    (
        "POST /sip/app",
        {
            "name": "Reception",
            "is_active": True,
            "product": 3,
            "class4_ingress_trunk_settings": {},
            "class4_egress_trunk_settings": {},
            "call_flow_method": "POST",
        },
        lambda o: o.apps.create_app("Reception", 3, call_flow_method="POST"),
    ),
    (
        "PATCH /sip/app/a",
        {"call_flow_request_timeout": 5000},
        lambda o: o.apps.update_app("a", call_flow_request_timeout=5000),
    ),
    ("DELETE /sip/app/a", None, lambda o: o.apps.delete_app("a")),
    ("GET /sip/product", None, lambda o: o.apps.list_products()),
    ("GET /sip/app/a/tnlease", None, lambda o: o.apps.list_leases("a")),
    ("POST /sip/app/a/tnlease", {"add": ["l"], "remove": []}, lambda o: o.apps.assign_numbers("a", ["l"])),
    ("GET /sip/app/call/flow/a", None, lambda o: o.apps.get_document("a")),
    ("DELETE /sip/app/call/flow/a", None, lambda o: o.apps.delete_document("a")),
    ("POST /sip/app/a/logs", {"take": 100, "skip": 0}, lambda o: rows(o.apps.search_executions("a"))),
    ("GET /sip/app/call/online", None, lambda o: o.calls.list_live()),
    ("GET /sip/app/call/c", None, lambda o: o.calls.get_call("c")),
    (
        "POST /sip/app/call/search",
        {"from": "1*", "take": 5, "skip": 0},
        lambda o: rows(o.calls.search_app_calls(take=5, **{"from": "1*"})),
    ),
    (
        "POST /call/search",
        {"direction": "in", "take": 100, "skip": 0},
        lambda o: rows(o.calls.search_calls(direction="in")),
    ),
    (
        "POST /tn/search",
        {"type": "long_code", "country": "US", "features": ["voice"], "npa": "312", "take": 3, "skip": 0},
        lambda o: rows(o.numbers.search_available(npa="312", city="", features=["voice"], take=3)),
    ),
    (
        "POST /order",
        {"items": [{"tn": 13125550168, "features": ["voice", "sms"], "autorenew": False}]},
        lambda o: o.numbers.order_numbers(["+1 (312) 555-0168"], autorenew=False),
    ),
    ("POST /order/search", {"take": 100, "skip": 0}, lambda o: rows(o.numbers.search_orders())),
    ("GET /lease/tn/13125550168/tn", None, lambda o: o.numbers.get_lease("+13125550168")),
    ("GET /lease/tn/a-lease", None, lambda o: o.numbers.get_lease("a-lease")),
    ("PATCH /lease/tn/l", {"sip_control_app": "a"}, lambda o: o.numbers.update_lease("l", sip_control_app="a")),
    ("DELETE /lease/tn/l", None, lambda o: o.numbers.release_number("l")),
    (
        "POST /sms",
        {"from": "13125550168", "to": "13125550147", "message": "Ünïcode 👍"},
        lambda o: o.messages.send_message("+13125550168", "13125550147", "Ünïcode 👍"),
    ),
    ("POST /sms/search", {"take": 100, "skip": 0}, lambda o: rows(o.messages.search_messages())),
    ("POST /sms/search/inbound", {"take": 100, "skip": 0}, lambda o: rows(o.messages.search_messages("in"))),
    ("POST /sms/search/outbound", {"take": 100, "skip": 0}, lambda o: rows(o.messages.search_messages("out"))),
    ("GET /profile/messaging", None, lambda o: o.profiles.list_profiles()),
    (
        "POST /profile/messaging",
        {"name": "n", "callback_url": "https://x.org"},
        lambda o: o.profiles.create_profile("n", callback_url="https://x.org"),
    ),
    ("PATCH /profile/messaging/p", {"name": "n"}, lambda o: o.profiles.update_profile("p", name="n")),
    ("DELETE /profile/messaging/p", None, lambda o: o.profiles.delete_profile("p")),
    (
        "POST /lease/tn/13125550168/subscription/sms",
        {"messaging_profile": "p", "sms_campaign": "c"},
        lambda o: o.profiles.enable_messaging("+13125550168", "p", "c"),
    ),
    ("DELETE /lease/tn/13125550168/subscription/sms", None, lambda o: o.profiles.disable_messaging("13125550168")),
    (
        "POST /batch",
        {"outbound_voice_profile": "p", "phones": [13125550147], "xml": "<Response/>", "tn_lease": "l"},
        lambda o: o.calls.call_numbers("p", ["+13125550147"], "<Response/>", "l"),
    ),
    ("GET /dict/gtts", None, lambda o: o.list_voices()),
    ("GET /sip/connection", None, lambda o: o.connections.list()),
    ("POST /sip/connection", {"name": "n"}, lambda o: o.connections.create(name="n")),
    ("GET /sip/connection/c", None, lambda o: o.connections.show(uuid="c")),
    ("PATCH /sip/connection/c", {"name": "n"}, lambda o: o.connections.change(uuid="c", name="n")),
    ("DELETE /sip/connection/c", None, lambda o: o.connections.delete(uuid="c")),
    (
        "POST /sip/connection/c/tnlease",
        {"add": [], "remove": ["l"]},
        lambda o: o.connections.assign_numbers("c", remove=["l"]),
    ),
    ("GET /sip/domain/lakeside", None, lambda o: o.domains.show(domain="lakeside")),
    ("GET /sip/domain/lakeside/user", None, lambda o: o.users.list(domain="lakeside")),
    (
        "POST /sip/domain/lakeside/invite",
        {"name": "Mia", "email": "m@x.org"},
        lambda o: o.invites.create(domain="lakeside", name="Mia", more={"email": "m@x.org"}),
    ),
    ("GET /profile/outbound_voice", None, lambda o: o.profiles.voice_list()),
    ("GET /event/subscription", None, lambda o: o.subscriptions.list_all()),
    (
        "POST /event/subscription",
        {"is_active": True, "expired_on": "2027-01-02T03:04:05.000Z", "channel": "wss", "type": "call_record"},
        lambda o: o.subscriptions.create_subscription("call_record", UNTIL),
    ),
    ("DELETE /event/subscription/s", None, lambda o: o.subscriptions.delete_subscription("s")),
]


@each_case(("request_", "body", "work"), CALLS, ids=[request for request, _, _ in CALLS])
def test_a_method_asks_what_is_documented(request_, body, work):
    platform = FakeOpentact()
    if request_ in ("GET /sip/app/a", "GET /sip/app/call/c", "GET /lease/tn/13125550168/tn", "GET /lease/tn/a-lease") or (
        request_.startswith("GET /sip/") and request_.endswith(("/c", "/lakeside"))
    ):
        platform.routes[request_] = success_answer({"uuid": "found"})
    run_with_platform(platform, work)
    (asked,) = platform.requests
    assert f"{asked.method} {asked.path}" == request_
    assert asked.body == body


@pytest.mark.parametrize(
    ("path", "work"),
    [
        ("/call/sca/c", lambda o: o.calls.push_document("c", XML)),
        ("/sip/app/call/flow/a", lambda o: o.apps.store_document("a", XML)),
    ],
)
def test_a_document_is_sent_as_a_file(path, work):
    platform = FakeOpentact()
    run_with_platform(platform, work)
    (asked,) = platform.requests
    assert (asked.method, asked.path) == ("POST", path)
    assert asked.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b'name="file"' in asked.raw
    assert XML in asked.raw


def test_a_number_is_changed_and_released_by_the_id_of_its_lease():
    platform = FakeOpentact()
    platform.routes["GET /lease/tn/13125550168/tn"] = success_answer({"uuid": "l"})

    async def change(opentact):
        await opentact.numbers.update_lease("+1 312 555 0168", autorenew=False)
        await opentact.numbers.release_number("13125550168")

    run_with_platform(platform, change)
    asked = [f"{asked.method} {asked.path}" for asked in platform.requests]
    found = "GET /lease/tn/13125550168/tn"
    assert asked == [found, "PATCH /lease/tn/l", found, "DELETE /lease/tn/l"]


def test_the_static_document_is_its_text():
    platform = FakeOpentact()
    platform.routes["GET /sip/app/call/flow/a"] = success_answer("<Response/>")
    assert run_with_platform(platform, lambda o: o.apps.get_document("a")) == "<Response/>"


@pytest.mark.parametrize("number", ["", "mia", "999", "+1"])
def test_what_is_no_number_is_not_sent(number):
    platform = FakeOpentact()
    for work in (
        lambda o: o.messages.send_message("+13125550168", number, "Hi"),
        lambda o: o.numbers.order_numbers([number]),
        lambda o: o.calls.call_numbers("p", [number], "<Response/>", "l"),
    ):
        with pytest.raises(OpentactError, match=r"is no number|must be a phone number"):
            run_with_platform(platform, work)
    assert platform.requests == []


@pytest.mark.parametrize("text", ["", "  \n", "x" * (MAX_SMS_CHARACTERS + 1)])
def test_a_message_without_text_or_of_more_than_918_characters_is_refused_and_not_split(text):
    platform = FakeOpentact()
    with pytest.raises(OpentactError, match="the message has"):
        run_with_platform(platform, lambda o: o.messages.send_message("+13125550168", "+13125550147", text))
    assert platform.requests == []


def test_a_message_of_918_characters_is_sent():
    platform = FakeOpentact()
    run_with_platform(platform, lambda o: o.messages.send_message("+13125550168", "+13125550147", "ü" * MAX_SMS_CHARACTERS))
    assert len(platform.requests[0].body["message"]) == MAX_SMS_CHARACTERS


# The step sms


def effect(**payload):
    return Effect("sms", "key", {"to": "+13125550147", "from": "+13125550168", "text": "We are open.", **payload})


def test_the_step_sms_sends_its_message():
    platform = FakeOpentact()
    run_with_platform(platform, lambda o: create_sms_sender(o.messages)(effect()))
    assert platform.requests[0].body == {"from": "13125550168", "to": "13125550147", "message": "We are open."}


def test_a_message_that_fails_says_why_without_its_text():
    from fake_opentact import error_answer  # noqa: PLC0415 - only here

    platform = FakeOpentact()
    platform.routes["POST /sms"] = error_answer(402, "13125550168 cannot send 'We are open.' to +13125550147")
    with pytest.raises(OutboundRequestError) as caught:
        run_with_platform(platform, lambda o: create_sms_sender(o.messages)(effect()))
    said = str(caught.value)
    assert "[402]" in said
    assert "open" not in said


@pytest.mark.parametrize("payload", [{"to": ""}, {"text": ""}, {"from": "+1"}, {"text": "x" * 919}])
def test_a_message_that_cannot_be_sent_is_an_error_of_the_outside(payload):
    platform = FakeOpentact()
    with pytest.raises(OutboundRequestError):
        run_with_platform(platform, lambda o: create_sms_sender(o.messages)(effect(**payload)))
    assert platform.requests == []


# Records


def test_a_record_keeps_what_it_does_not_know_and_what_it_cannot_read():
    said = {"uuid": 7, "call_flow_request_timeout": "soon", "later": {"a": 1}, "is_active": None, "created_on": "never"}
    app = OpentactApp.model_validate(said)
    assert (app.uuid, app.call_flow_request_timeout, app.created_on, app.is_active) == ("7", None, None, None)
    assert app.later == {"a": 1}
    assert app.raw == said


@pytest.mark.parametrize("tn", [13125550168, "13125550168", {"tn": 13125550168}])
def test_a_number_is_read_in_every_form(tn):
    assert OpentactLease.model_validate({"tn": tn}).number == "+13125550168"
    assert CallEntity({"tn": tn}).to == "13125550168"


@pytest.mark.parametrize("kind", [OpentactApp, CallEntity, OpentactLease, MessageEntity, OpentactRecord])
def test_a_record_of_nothing_is_a_record(kind):
    assert kind.from_raw({}).uuid == ""
    assert OpentactLease.model_validate({"tn": None, "sip_control_app": None}).app_uuid == ""


def test_moments_without_a_zone_are_in_utc():
    record = OpentactRecord.model_validate(
        {"created_on": "2026-03-05T16:24:45", "modified_on": "2026-03-05T18:24:45+02:00"}
    )
    assert record.created_on == record.modified_on == datetime(2026, 3, 5, 16, 24, 45, tzinfo=UTC)
