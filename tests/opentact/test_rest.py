"""Opentact's REST API asked, also where it refuses, breaks, or is not what it should be."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys

import pytest
from small_platform import EMAIL, PASSWORD, SAMPLES, TOKEN, Answer, Platform, Waits, asking, client, fine, run, wrong

from app.errors import (
    Conflict,
    NotAuthenticated,
    NotDocumented,
    NotEnoughBalance,
    NotFound,
    OpentactError,
    OutsideError,
    SettingsError,
    TooManyRequests,
    Unavailable,
    Unintelligible,
)
from app.opentact import Opentact, paths
from app.opentact.rest import ATTEMPTS

LOGIN = {"token": "", "email": EMAIL, "password": PASSWORD}


@pytest.fixture
def platform():
    return Platform()


def refused(platform, work, kind=OpentactError, **given):
    with pytest.raises(kind) as caught:
        asking(platform, work, **given)
    return caught.value


async def all_apps(opentact):
    return await opentact.apps.all()


async def order(opentact):
    return await opentact.numbers.order(["+13125550168"])


async def send(opentact):
    return await opentact.messages.send("+13125550168", "+13125550147", "We are open.")


async def call_many(opentact):
    return await opentact.dialling.batch("profile", ["+13125550147"], "<Response/>", "lease")


# Tokens


def test_a_token_of_the_portal_is_shown_in_both_ways_that_are_documented(platform):
    asking(platform, all_apps)
    assert platform.asked[0].headers["x-auth-token"] == TOKEN
    assert platform.asked[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_an_email_and_a_password_get_a_token_by_basic_authentication(platform):
    platform.only()
    asking(platform, all_apps, **LOGIN)
    auth, apps = platform.asked
    basic = base64.b64encode(f"{EMAIL}:{PASSWORD}".encode()).decode()
    assert (auth.path, auth.headers["authorization"]) == ("/auth", f"Basic {basic}")
    assert (apps.path, apps.headers["x-auth-token"]) == ("/sip/app", "jwt.1.sig")
    assert "authorization" not in apps.headers


def test_an_expired_token_is_renewed_once_and_the_request_is_done(platform):
    platform.only("another")
    platform.jwts = 5
    asking(platform, order, email=EMAIL, password=PASSWORD)
    assert [asked.path for asked in platform.asked] == ["/order", "/auth", "/order"]
    assert platform.asked[-1].headers["x-auth-token"] == "jwt.6.sig"


def test_many_requests_with_an_expired_token_renew_it_once(platform):
    platform.only("another")

    async def many(opentact):
        await asyncio.gather(*(opentact.apps.all() for _ in range(20)))

    asking(platform, many, email=EMAIL, password=PASSWORD)
    assert platform.count("GET /auth") == 1


def test_a_wrong_password_is_tried_once_for_all_who_wait(platform):
    platform.routes["GET /auth"] = wrong(401, "wrong password")

    async def many(opentact):
        return await asyncio.gather(*(opentact.apps.all() for _ in range(20)), return_exceptions=True)

    assert {type(error) for error in asking(platform, many, **LOGIN)} == {NotAuthenticated}
    assert platform.count("GET /auth") == 1
    assert platform.count("GET /sip/app") == 0


def test_a_token_that_cannot_be_renewed_is_an_error_with_the_mend(platform):
    error = refused(platform, all_apps, NotAuthenticated, token="old-token")  # noqa: S106 - of a platform that is none
    assert "CALLFLOWS_OPENTACT_TOKEN" in str(error)
    assert len(platform.asked) == 1


def test_a_renewed_token_that_is_refused_too_is_not_renewed_again(platform):
    platform.accepts = lambda _token: False
    refused(platform, all_apps, NotAuthenticated, email=EMAIL, password=PASSWORD)
    assert platform.count("GET /auth") == 1
    assert platform.count("GET /sip/app") == 2


def test_an_answer_without_a_token_is_said(platform):
    platform.routes["GET /auth"] = fine({"tokens": 1})
    assert "no token" in str(refused(platform, all_apps, Unintelligible, **LOGIN))


def test_no_secret_that_opentact_repeats_is_in_an_error(platform):
    fields = {TOKEN: {"message": TOKEN, "value": [TOKEN]}, "b": TOKEN}
    platform.routes["GET /sip/app"] = wrong(400, f"bad {TOKEN}", fields=fields)
    error = refused(platform, all_apps)
    assert TOKEN not in str(error)
    assert TOKEN not in repr([*error.fields.values()])


def test_no_secret_is_in_what_is_printed(platform):
    opentact = client(platform, email=EMAIL, password=PASSWORD)
    token = run(opentact.token())
    for shown in (opentact, token, vars(opentact)):
        assert TOKEN not in repr(shown)
        assert PASSWORD not in repr(shown)


@pytest.mark.parametrize("given", [{}, {"email": EMAIL}, {"password": PASSWORD}, {"token": "two words"}, {"token": "a\nb"}])
def test_a_client_without_anything_to_show_is_refused_with_the_settings_to_set(given):
    with pytest.raises(SettingsError):
        Opentact(**given)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.opentact.org/rest",
        "ftp://127.0.0.1",
        "https://",
        "https://u:p@x.org",
        "https://x.org?a=1",
        "http://[::1",
        "",
    ],
)
def test_a_url_that_a_token_must_not_be_sent_to_is_refused(url):
    with pytest.raises(SettingsError, match="CALLFLOWS_OPENTACT_URL"):
        Opentact(TOKEN, url=url)


@pytest.mark.parametrize(
    "url", ["https://api.stage.opentact.org/rest/", "http://127.0.0.1:9/rest", "http://localhost", "http://[::1]:9"]
)
def test_tls_and_this_machine_are_fine(url):
    Opentact(TOKEN, url=url)


# Refusals


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, OpentactError),
        (401, NotAuthenticated),
        (402, NotEnoughBalance),
        (404, NotFound),
        (409, Conflict),
        (500, Unavailable),
    ],
)
@pytest.mark.parametrize("http", [None, 200])
def test_a_refusal_has_its_class_by_its_status_also_where_http_says_that_all_is_well(platform, status, kind, http):
    platform.routes["POST /order"] = wrong(status, "so it is", http)
    error = refused(platform, order)
    assert type(error) is kind
    assert (error.status, error.message, error.request) == (status, "so it is", "POST /order")
    assert isinstance(error, OutsideError)


def test_the_fields_that_opentact_names_are_told(platform):
    platform.routes["POST /sms"] = Answer((SAMPLES / "rest-error.json").read_text(), 400)
    error = refused(platform, send)
    assert error.fields["params.to"].message == "invalid integer number"
    assert error.fields["params.to"].value == "my phone"
    assert "params.to: invalid integer number" in str(error)


@pytest.mark.parametrize("fields", [None, [], "x", {"a": "said"}, {"a": None}, {"a": {"value": [1]}}])
def test_fields_of_another_form_do_no_harm(platform, fields):
    platform.routes["POST /sms"] = wrong(400, "no", fields=fields)
    assert refused(platform, send).status == 400


def test_an_error_says_no_number_and_no_id(platform):
    platform.routes["DELETE /lease/tn/13125550168"] = wrong(404, "no such lease")

    async def release(opentact):
        await opentact.numbers.release("+1 312-555-0168")

    assert str(refused(platform, release, NotFound)).startswith("DELETE /lease/tn/{lease}: no such lease [404]; ")


@pytest.mark.parametrize(
    "body",
    [
        "<html>",
        "",
        "nonsense",
        "[" * 100_000,
        '"text"',
        "7",
        "null",
        "{}",
        '{"success": "yes"}',
        '{"ok": true}',
        b"\xff\xfe",
    ],
)
def test_an_answer_that_is_not_opentacts_is_an_error(platform, body):
    platform.routes["GET /sip/app/1"] = Answer(body)

    async def get(opentact):
        await opentact.apps.get("1")

    assert refused(platform, get, Unintelligible)


@pytest.mark.parametrize("body", ["<html>Bad gateway", "", '"x"', "[]"])
def test_a_broken_gateway_is_unavailable_whatever_it_says(platform, body):
    platform.routes["GET /sip/app"] = Answer(body, 502)
    assert refused(platform, all_apps, Unavailable).status == 502


def test_what_opentact_says_cannot_break_a_line_of_a_log_or_steer_a_terminal(platform):
    platform.routes["GET /sip/app"] = wrong(400, "one\ntwo \x1b[31m" + "x" * 10_000)
    said = str(refused(platform, all_apps))
    assert said.isprintable()
    assert len(said) < 1000


# Again, where it is safe


def test_a_question_is_asked_again_after_growing_waits(platform):
    platform.routes["GET /sip/app"] = [wrong(500), Answer(breaks=True), wrong(503), fine([{"uuid": "1"}])]
    waits = Waits()
    (app,) = asking(platform, all_apps, pace=waits.pace())
    assert app.uuid == "1"
    assert waits.waited == [0.5, 1.0, 2.0]


def test_a_search_is_asked_again_too_and_not_for_ever(platform):
    platform.routes["POST /sms/search"] = wrong(500)

    async def search(opentact):
        return [message async for message in opentact.messages.search()]

    refused(platform, search, Unavailable)
    assert platform.count("POST /sms/search") == ATTEMPTS


@pytest.mark.parametrize(("work", "path"), [(order, "/order"), (send, "/sms"), (call_many, "/batch")])
@pytest.mark.parametrize("answer", [wrong(500), wrong(503), Answer(breaks=True), Answer("", 502), Answer("<html>", 429)])
def test_what_costs_money_or_reaches_people_is_asked_once(platform, work, path, answer):
    platform.routes[f"POST {path}"] = answer
    error = refused(platform, work)
    assert platform.count(f"POST {path}") == 1
    if isinstance(error, Unavailable):
        assert error.done
        assert "look before you do it again" in str(error)


def test_a_server_that_never_answers_is_given_up(platform):
    platform.routes["POST /order"] = Answer(hangs=True)
    error = refused(platform, order, Unavailable, seconds=2.0)
    assert "in time" in str(error)
    assert platform.count("POST /order") == 1


def test_what_was_not_even_sent_is_tried_again(platform):
    waits = Waits()

    async def nobody_listens():
        async with platform.serving():
            pass
        async with client(platform, pace=waits.pace()) as opentact:
            await order(opentact)

    with pytest.raises(Unavailable, match="cannot be connected to") as caught:
        run(nobody_listens())
    assert not caught.value.done
    assert len(waits.waited) == ATTEMPTS - 1


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("Thu, 05 Mar 2026 16:30:12 GMT", 12.0),
        ("Thu, 05 Mar 2026 16:00:00 GMT", 0.0),
        ("soon", 0.5),
        ("", 0.5),
    ],
)
def test_a_limit_is_respected_as_long_as_opentact_wants(platform, said, seconds):
    platform.routes["GET /sip/app"] = [Answer("", 429, {"retry-after": said}), fine([])]
    waits = Waits()
    assert asking(platform, all_apps, pace=waits.pace()) == []
    assert waits.waited == [seconds]


def test_who_asks_after_a_limit_waits_too(platform):
    platform.routes["POST /order"] = Answer("", 429, {"retry-after": "9"})
    waits = Waits()

    async def two(opentact):
        with pytest.raises(TooManyRequests) as caught:
            await order(opentact)
        await opentact.apps.all()
        return caught.value

    assert asking(platform, two, pace=waits.pace()).retry_after == 9.0
    assert waits.waited == [9.0]


def test_a_limit_of_an_hour_is_not_waited_for(platform):
    platform.routes["GET /sip/app"] = Answer("", 429, {"retry-after": "3600"})
    error = refused(platform, all_apps, TooManyRequests)
    assert error.retry_after == 3600
    assert platform.count("GET /sip/app") == 1


def test_the_client_keeps_a_rate_of_its_own(platform):
    async def two(opentact):
        second = None
        await opentact.apps.all()
        second = asyncio.create_task(opentact.apps.all())
        await asyncio.wait([second], timeout=0.3)
        waits = not second.done()
        second.cancel()
        return waits

    assert asking(platform, two, per_second=0.01)
    assert platform.count("GET /sip/app") == 1


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_token_does_not_follow_to_another_host(platform, status):
    other = Platform()

    async def one():
        async with other.serving(), platform.serving(), client(platform) as opentact:
            platform.routes["GET /sip/app"] = Answer("", status, {"location": f"{other.url}/sip/app"})
            with pytest.raises(OpentactError, match="not followed") as caught:
                await opentact.apps.all()
            return caught.value

    assert "127.0.0.1" in str(run(one()))
    assert other.asked == []


# Paths and pages


def test_an_id_cannot_lead_to_another_path(platform):
    async def get(opentact):
        with pytest.raises(OpentactError):
            await opentact.apps.get("../../sms?x=1#{uuid}")

    platform.accepts = lambda _token: False
    asking(platform, get)
    assert platform.asked[0].path == "/sip/app/..%2F..%2Fsms%3Fx%3D1%23%7Buuid%7D"


@pytest.mark.parametrize("empty", ["", " ", ".", "..", " .. "])
def test_an_empty_id_is_refused_before_everything_is_deleted(platform, empty):
    async def delete(opentact):
        await opentact.apps.delete(empty)

    assert "uuid is empty" in str(refused(platform, delete))
    assert platform.asked == []


def paged(rows, *, total="", most=100):
    def answer(asked):
        page = rows[asked.body["skip"] : asked.body["skip"] + min(asked.body["take"], most)]
        return fine({"items": page, total: len(rows)} if total else page)

    return answer


@pytest.mark.parametrize(("count", "skips"), [(0, [0]), (1, [0, 1]), (100, [0, 100]), (250, [0, 100, 200, 250])])
def test_a_search_brings_all_pages(platform, count, skips):
    rows = [{"uuid": str(number)} for number in range(count)]
    platform.routes["POST /lease/tn/search"] = paged(rows)

    async def leases(opentact):
        return [lease.uuid async for lease in opentact.numbers.leases(state="NJ")]

    assert asking(platform, leases) == [row["uuid"] for row in rows]
    asked = platform.bodies("POST /lease/tn/search")
    assert [body["skip"] for body in asked] == skips
    assert all((body["take"], body["state"]) == (100, "NJ") for body in asked)


@pytest.mark.parametrize("total", ["", "total", "count"])
def test_pages_may_be_shorter_than_what_was_asked_for(platform, total):
    platform.routes["POST /lease/tn/search"] = paged([{"uuid": str(number)} for number in range(24)], total=total, most=10)

    async def leases(opentact):
        return [lease.uuid async for lease in opentact.numbers.leases()]

    assert len(asking(platform, leases)) == 24


def test_a_search_that_says_how_many_there_are_is_not_asked_for_more(platform):
    platform.routes["POST /lease/tn/search"] = paged([{"uuid": str(number)} for number in range(100)], total="total")

    async def leases(opentact):
        return [lease.uuid async for lease in opentact.numbers.leases()]

    assert len(asking(platform, leases)) == 100
    assert platform.count("POST /lease/tn/search") == 1


def test_a_search_that_repeats_its_page_ends(platform):
    platform.routes["POST /lease/tn/search"] = fine([{"uuid": str(number)} for number in range(10)])

    async def leases(opentact):
        return [lease.uuid async for lease in opentact.numbers.leases(take=10)]

    assert len(asking(platform, leases)) == 10


@pytest.mark.parametrize("take", [0, 101])
def test_a_page_that_opentact_does_not_have_is_refused(platform, take):
    async def leases(opentact):
        return [lease async for lease in opentact.numbers.leases(take=take)]

    with pytest.raises(ValueError, match="1 to 100"):
        asking(platform, leases)


def test_a_list_may_be_bare_or_in_the_envelope(platform):
    rows = json.loads((SAMPLES / "subscriptions.json").read_text())

    async def both(opentact):
        return [await opentact.subscriptions.all(), await opentact.subscriptions.all()]

    platform.routes["GET /event/subscription"] = [Answer(json.dumps(rows)), fine(rows)]
    bare, wrapped = asking(platform, both)
    assert bare == wrapped
    assert (bare[0].type, bare[0].is_active, bare[0].said) == ("call_record", True, rows[0])


# What the documentation lost


@pytest.mark.parametrize(
    ("what", "work"),
    [
        ("caller lists of a number", lambda o: o.numbers.caller_lists("+13125550168", {"a": 1})),
        ("one call", lambda o: o.dialling.call({"a": 1})),
        ("a bridge between two calls", lambda o: o.dialling.bridge({"a": 1})),
        ("a message from a pool of numbers", lambda o: o.messages.send_by_pool({"a": 1})),
    ],
)
def test_what_the_documentation_lost_says_so_until_its_path_is_filled_in(platform, monkeypatch, what, work):
    assert "lost" in str(refused(platform, work, NotDocumented))
    assert platform.asked == []
    monkeypatch.setitem(
        paths.LOST, what, ("POST", "/found/{lease}" if "number" in what and "pool" not in what else "/found")
    )
    asking(platform, work)
    assert platform.asked[0].path in ("/found", "/found/13125550168")
    assert platform.asked[0].body == {"a": 1}


def test_to_import_the_package_of_flows_loads_no_client():
    code = "import sys, app, app.opentact; print([m for m in ('httpx', 'websockets') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - our own
    assert done.stdout.strip() == "[]"
