"""Requests to Opentact's REST API, also if it refuses, fails, or answers nonsense."""

from __future__ import annotations

import asyncio
import base64
import json
import sys

import pytest
from fake_opentact import (
    EMAIL,
    PASSWORD,
    SAMPLES_FOLDER,
    TOKEN,
    CannedAnswer,
    FakeClock,
    FakeOpentact,
    create_client,
    error_answer,
    run_with_platform,
    success_answer,
)

from callflows.errors import (
    OpentactAuthenticationError,
    OpentactBalanceError,
    OpentactConflictError,
    OpentactError,
    OpentactNotFoundError,
    OpentactRateLimitError,
    OpentactResponseError,
    OpentactUnavailableError,
    OpentactUndocumentedError,
    OutboundRequestError,
    SettingsError,
)
from callflows.opentact import Opentact
from callflows.opentact.operation_file import read_operation_file
from callflows.opentact.rest_client import MAX_REST_ATTEMPTS
from callflows.opentact.rest_operations import REST_OPERATIONS
from each_case import each_case
from waiting import run_bounded, run_process

LOGIN = {"token": "", "email": EMAIL, "password": PASSWORD}


@pytest.fixture
def platform():
    return FakeOpentact()


def refused(platform, work, kind=OpentactError, **given):
    with pytest.raises(kind) as caught:
        run_with_platform(platform, work, **given)
    return caught.value


async def all_apps(opentact):
    return await opentact.apps.list_all()


async def order(opentact):
    return await opentact.numbers.order_numbers(["+13125550168"])


async def send(opentact):
    return await opentact.messages.send_message("+13125550168", "+13125550147", "We are open.")


async def call_many(opentact):
    return await opentact.calls.call_numbers("profile", ["+13125550147"], "<Response/>", "lease")


# Tokens


def test_a_token_of_the_portal_is_shown_in_both_ways_that_are_documented(platform):
    run_with_platform(platform, all_apps)
    assert platform.requests[0].headers["x-auth-token"] == TOKEN
    assert platform.requests[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_an_email_and_a_password_get_a_token_by_basic_authentication(platform):
    platform.accept_only()
    run_with_platform(platform, all_apps, **LOGIN)
    auth, apps = platform.requests
    basic = base64.b64encode(f"{EMAIL}:{PASSWORD}".encode()).decode()
    assert (auth.path, auth.headers["authorization"]) == ("/auth", f"Basic {basic}")
    assert (apps.path, apps.headers["x-auth-token"]) == ("/sip/app", "jwt.1.sig")
    assert "authorization" not in apps.headers


def test_an_expired_token_is_renewed_once_and_the_request_is_done(platform):
    platform.accept_only("another")
    platform.jwt_count = 5
    run_with_platform(platform, order, email=EMAIL, password=PASSWORD)
    assert [asked.path for asked in platform.requests] == ["/order", "/auth", "/order"]
    assert platform.requests[-1].headers["x-auth-token"] == "jwt.6.sig"


def test_many_requests_with_an_expired_token_renew_it_once(platform):
    platform.accept_only("another")

    async def many(opentact):
        await asyncio.gather(*(opentact.apps.list_all() for _ in range(20)))

    run_with_platform(platform, many, email=EMAIL, password=PASSWORD)
    assert platform.count_requests("GET /auth") == 1


def test_a_wrong_password_is_tried_once_for_all_who_wait(platform):
    platform.routes["GET /auth"] = error_answer(401, "wrong password")

    async def many(opentact):
        return await asyncio.gather(*(opentact.apps.list_all() for _ in range(20)), return_exceptions=True)

    assert {type(error) for error in run_with_platform(platform, many, **LOGIN)} == {OpentactAuthenticationError}
    assert platform.count_requests("GET /auth") == 1
    assert platform.count_requests("GET /sip/app") == 0


def test_a_token_that_cannot_be_renewed_is_an_error_with_the_fix(platform):
    error = refused(platform, all_apps, OpentactAuthenticationError, token="old-token")  # noqa: S106 - of a platform that is none
    assert "CALLFLOWS_OPENTACT_TOKEN" in str(error)
    assert len(platform.requests) == 1


def test_a_renewed_token_that_is_refused_too_is_not_renewed_again(platform):
    platform.accepts = lambda _token: False
    refused(platform, all_apps, OpentactAuthenticationError, email=EMAIL, password=PASSWORD)
    assert platform.count_requests("GET /auth") == 1
    assert platform.count_requests("GET /sip/app") == 2


def test_an_answer_without_a_token_is_said(platform):
    platform.routes["GET /auth"] = success_answer({"tokens": 1})
    assert "no token" in str(refused(platform, all_apps, OpentactResponseError, **LOGIN))


def test_no_secret_that_opentact_repeats_is_in_an_error(platform):
    fields = {TOKEN: {"message": TOKEN, "value": [TOKEN]}, "b": TOKEN}
    platform.routes["GET /sip/app"] = error_answer(400, f"bad {TOKEN}", fields=fields)
    error = refused(platform, all_apps)
    assert TOKEN not in str(error)
    assert TOKEN not in repr([*error.fields.values()])


def test_no_secret_is_in_what_is_printed(platform):
    opentact = create_client(platform, email=EMAIL, password=PASSWORD)
    token = run_bounded(opentact.get_token())
    for shown in (opentact, token, vars(opentact)):
        assert TOKEN not in repr(shown)
        assert PASSWORD not in repr(shown)


@pytest.mark.parametrize("given", [{}, {"email": EMAIL}, {"password": PASSWORD}, {"token": "two words"}, {"token": "a\nb"}])
def test_a_client_without_anything_to_show_is_refused_with_the_settings_to_set(given):
    with pytest.raises(SettingsError):
        Opentact(**given)


@each_case(
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
        (401, OpentactAuthenticationError),
        (402, OpentactBalanceError),
        (404, OpentactNotFoundError),
        (409, OpentactConflictError),
        (500, OpentactUnavailableError),
    ],
)
@pytest.mark.parametrize("http", [None, 200])
def test_a_refusal_has_its_class_by_its_status_also_where_http_says_that_all_is_well(platform, status, kind, http):
    platform.routes["POST /order"] = error_answer(status, "so it is", http)
    error = refused(platform, order)
    assert type(error) is kind
    assert (error.status, error.message, error.request) == (status, "so it is", "POST /order")
    assert isinstance(error, OutboundRequestError)


def test_the_fields_that_opentact_names_are_told(platform):
    platform.routes["POST /sms"] = CannedAnswer((SAMPLES_FOLDER / "rest-error.json").read_text(), 400)
    error = refused(platform, send)
    assert error.fields["params.to"].message == "invalid integer number"
    assert error.fields["params.to"].value == "my phone"
    assert "params.to: invalid integer number" in str(error)


@pytest.mark.parametrize("fields", [None, [], "x", {"a": "said"}, {"a": None}, {"a": {"value": [1]}}])
def test_fields_of_another_form_do_no_harm(platform, fields):
    platform.routes["POST /sms"] = error_answer(400, "no", fields=fields)
    assert refused(platform, send).status == 400


def test_an_error_says_no_number_and_no_id(platform):
    platform.routes["GET /lease/tn/13125550168/tn"] = success_answer({"uuid": "lease-1"})
    platform.routes["DELETE /lease/tn/lease-1"] = error_answer(404, "no such lease")

    async def release(opentact):
        await opentact.numbers.release_number("+1 312-555-0168")

    assert str(refused(platform, release, OpentactNotFoundError)).startswith(
        "DELETE /lease/tn/{lease}: no such lease [404]; "
    )


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
    platform.routes["GET /sip/app/1"] = CannedAnswer(body)

    async def get(opentact):
        await opentact.apps.get_app("1")

    assert refused(platform, get, OpentactResponseError)


@pytest.mark.parametrize("body", ["<html>Bad gateway", "", '"x"', "[]"])
def test_a_broken_gateway_is_unavailable_whatever_it_says(platform, body):
    platform.routes["GET /sip/app"] = CannedAnswer(body, 502)
    assert refused(platform, all_apps, OpentactUnavailableError).status == 502


def test_what_opentact_says_cannot_break_a_line_of_a_log_or_steer_a_terminal(platform):
    platform.routes["GET /sip/app"] = error_answer(400, "one\ntwo \x1b[31m" + "x" * 10_000)
    said = str(refused(platform, all_apps))
    assert said.isprintable()
    assert len(said) < 1000


# Again, where it is safe


def test_a_question_is_asked_again_after_growing_waits(platform):
    platform.routes["GET /sip/app"] = [
        error_answer(500),
        CannedAnswer(breaks=True),
        error_answer(503),
        success_answer([{"uuid": "1"}]),
    ]
    waits = FakeClock()
    (app,) = run_with_platform(platform, all_apps, clock=waits.create_clock())
    assert app.uuid == "1"
    assert waits.delays == [0.5, 1.0, 2.0]


def test_a_search_is_asked_again_too_and_not_for_ever(platform):
    platform.routes["POST /sms/search"] = error_answer(500)

    async def search(opentact):
        return [message async for message in opentact.messages.search_messages()]

    refused(platform, search, OpentactUnavailableError)
    assert platform.count_requests("POST /sms/search") == MAX_REST_ATTEMPTS


@pytest.mark.parametrize(("work", "path"), [(order, "/order"), (send, "/sms"), (call_many, "/batch")])
@pytest.mark.parametrize(
    "answer",
    [error_answer(500), error_answer(503), CannedAnswer(breaks=True), CannedAnswer("", 502), CannedAnswer("<html>", 429)],
)
def test_what_costs_money_or_reaches_people_is_asked_once(platform, work, path, answer):
    platform.routes[f"POST {path}"] = answer
    error = refused(platform, work)
    assert platform.count_requests(f"POST {path}") == 1
    if isinstance(error, OpentactUnavailableError):
        assert error.may_have_happened
        assert "look before you do it again" in str(error)


def test_a_server_that_never_answers_is_given_up(platform):
    platform.routes["POST /order"] = CannedAnswer(hangs=True)
    error = refused(platform, order, OpentactUnavailableError, timeout_seconds=2.0)
    assert "in time" in str(error)
    assert platform.count_requests("POST /order") == 1


def test_what_was_not_even_sent_is_tried_again(platform):
    waits = FakeClock()

    async def nobody_listens():
        async with platform.run_servers():
            pass
        async with create_client(platform, clock=waits.create_clock()) as opentact:
            await order(opentact)

    with pytest.raises(OpentactUnavailableError, match="cannot be connected to") as caught:
        run_bounded(nobody_listens())
    assert not caught.value.may_have_happened
    assert len(waits.delays) == MAX_REST_ATTEMPTS - 1


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
    platform.routes["GET /sip/app"] = [CannedAnswer("", 429, {"retry-after": said}), success_answer([])]
    waits = FakeClock()
    assert run_with_platform(platform, all_apps, clock=waits.create_clock()) == []
    assert waits.delays == [seconds]


def test_who_asks_after_a_limit_waits_too(platform):
    platform.routes["POST /order"] = CannedAnswer("", 429, {"retry-after": "9"})
    waits = FakeClock()

    async def two(opentact):
        with pytest.raises(OpentactRateLimitError) as caught:
            await order(opentact)
        await opentact.apps.list_all()
        return caught.value

    assert run_with_platform(platform, two, clock=waits.create_clock()).retry_after == 9.0
    assert waits.delays == [9.0]


def test_a_limit_of_an_hour_is_not_waited_for(platform):
    platform.routes["GET /sip/app"] = CannedAnswer("", 429, {"retry-after": "3600"})
    error = refused(platform, all_apps, OpentactRateLimitError)
    assert error.retry_after == 3600
    assert platform.count_requests("GET /sip/app") == 1


def test_the_client_keeps_a_rate_of_its_own(platform):
    async def two(opentact):
        second = None
        await opentact.apps.list_all()
        second = asyncio.create_task(opentact.apps.list_all())
        await asyncio.wait([second], timeout=0.3)
        waits = not second.done()
        second.cancel()
        return waits

    assert run_with_platform(platform, two, requests_per_second=0.01)
    assert platform.count_requests("GET /sip/app") == 1


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_token_does_not_follow_to_another_host(platform, status):
    other = FakeOpentact()

    async def one():
        async with other.run_servers(), platform.run_servers(), create_client(platform) as opentact:
            platform.routes["GET /sip/app"] = CannedAnswer("", status, {"location": f"{other.url}/sip/app"})
            with pytest.raises(OpentactError, match="not followed") as caught:
                await opentact.apps.list_all()
            return caught.value

    assert "127.0.0.1" in str(run_bounded(one()))
    assert other.requests == []


# Paths and pages


def test_an_id_cannot_lead_to_another_path(platform):
    async def get(opentact):
        with pytest.raises(OpentactError):
            await opentact.apps.get_app("../../sms?x=1#{uuid}")

    platform.accepts = lambda _token: False
    run_with_platform(platform, get)
    assert platform.requests[0].path == "/sip/app/..%2F..%2Fsms%3Fx%3D1%23%7Buuid%7D"


@pytest.mark.parametrize("empty", ["", " ", ".", "..", " .. "])
def test_an_empty_id_is_refused_before_everything_is_deleted(platform, empty):
    async def delete(opentact):
        await opentact.apps.delete_app(empty)

    assert "uuid is empty" in str(refused(platform, delete))
    assert platform.requests == []


def paged(rows, *, total="", most=100):
    def answer(asked):
        page = rows[asked.body["skip"] : asked.body["skip"] + min(asked.body["take"], most)]
        return success_answer({"items": page, total: len(rows)} if total else page)

    return answer


@pytest.mark.parametrize(("count", "skips"), [(0, [0]), (1, [0, 1]), (100, [0, 100]), (250, [0, 100, 200, 250])])
def test_a_search_brings_all_pages(platform, count, skips):
    rows = [{"uuid": str(number)} for number in range(count)]
    platform.routes["POST /lease/tn/search"] = paged(rows)

    async def leases(opentact):
        return [lease.uuid async for lease in opentact.numbers.search_leases(state="NJ")]

    assert run_with_platform(platform, leases) == [row["uuid"] for row in rows]
    asked = platform.bodies("POST /lease/tn/search")
    assert [body["skip"] for body in asked] == skips
    assert all((body["take"], body["state"]) == (100, "NJ") for body in asked)


@pytest.mark.parametrize("total", ["", "total", "count"])
def test_pages_may_be_shorter_than_what_was_asked_for(platform, total):
    platform.routes["POST /lease/tn/search"] = paged([{"uuid": str(number)} for number in range(24)], total=total, most=10)

    async def leases(opentact):
        return [lease.uuid async for lease in opentact.numbers.search_leases()]

    assert len(run_with_platform(platform, leases)) == 24


def test_a_search_that_says_how_many_there_are_is_not_asked_for_more(platform):
    platform.routes["POST /lease/tn/search"] = paged([{"uuid": str(number)} for number in range(100)], total="total")

    async def leases(opentact):
        return [lease.uuid async for lease in opentact.numbers.search_leases()]

    assert len(run_with_platform(platform, leases)) == 100
    assert platform.count_requests("POST /lease/tn/search") == 1


def test_a_search_that_repeats_its_page_ends(platform):
    platform.routes["POST /lease/tn/search"] = success_answer([{"uuid": str(number)} for number in range(10)])

    async def leases(opentact):
        return [lease.uuid async for lease in opentact.numbers.search_leases(take=10)]

    assert len(run_with_platform(platform, leases)) == 10


@pytest.mark.parametrize("take", [0, 101])
def test_a_page_that_opentact_does_not_have_is_refused(platform, take):
    async def leases(opentact):
        return [lease async for lease in opentact.numbers.search_leases(take=take)]

    with pytest.raises(ValueError, match="1 to 100"):
        run_with_platform(platform, leases)


def test_a_list_may_be_bare_or_in_the_envelope(platform):
    rows = json.loads((SAMPLES_FOLDER / "subscriptions.json").read_text())

    async def both(opentact):
        return [await opentact.subscriptions.list_all(), await opentact.subscriptions.list_all()]

    platform.routes["GET /event/subscription"] = [CannedAnswer(json.dumps(rows)), success_answer(rows)]
    bare, wrapped = run_with_platform(platform, both)
    assert bare == wrapped
    assert (bare[0].type, bare[0].is_active, bare[0].raw) == ("call_record", True, rows[0])


# What the documentation lost


LOST = [operation for operation in REST_OPERATIONS if operation.is_lost]


@pytest.mark.parametrize("operation", LOST, ids=lambda operation: operation.name)
def test_what_the_documentation_lost_says_so_until_its_path_is_filled_in(platform, tmp_path, operation):
    values = {field.name: field.example for field in operation.fields}

    async def call(opentact):
        return await opentact.call_operation(operation.name, values)

    assert "lost" in str(refused(platform, call, OpentactUndocumentedError))
    assert platform.requests == []
    body = ", ".join(f'"{name}": "{{{name}}}"' for name in values)
    (tmp_path / "opentact.yaml").write_text(
        f"calls: {{{operation.name}: {{path: /found, method: POST, body: {{{body}}}}}}}"
    )
    table, problems = read_operation_file(tmp_path / "opentact.yaml")
    assert problems == []
    run_with_platform(platform, call, table=table)
    assert (platform.requests[0].path, platform.requests[0].body) == ("/found", values)


def test_to_import_the_package_of_flows_loads_no_client():
    code = "import sys, app, callflows.opentact; print([m for m in ('httpx', 'websockets') if m in sys.modules])"
    done = run_process([sys.executable, "-c", code], check=True)
    assert done.stdout.strip() == "[]"
