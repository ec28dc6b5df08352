"""The stand-in's own choices about the operation table: pages, forms of a lease, tokens, corrections, a call's history."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from stand_in_harness import NUMBER, TOKEN, run_customer_server, run_harness

from callflows.opentact import Opentact
from callflows.opentact.operation_file import read_operation_file
from callflows.outbound_http import get_tls_context
from waiting import run_bounded

SAMPLES = Path(__file__).parents[1] / "samples"


@pytest.mark.parametrize(
    ("pages", "taken"), [("query", [2, 2, 10]), ("body", [3, 10, 3]), ("both", [2, 2, 3])], ids=["query", "body", "both"]
)
def test_take_and_skip_are_read_where_the_option_says(pages, taken):
    async def searched() -> list[int]:
        async with run_harness(number="", pages=pages) as it:
            await it.request_payload("POST", "/order", {"items": [{"tn": 12025550100 + n} for n in range(25)]})
            asks = [("?take=2", {"take": 3}), ("?take=2", {}), ("", {"take": 3})]
            return [len(await it.search_rows(f"/lease/tn/search{query}", **body)) for query, body in asks]

    assert run_bounded(searched()) == taken


@pytest.mark.parametrize("pages", ["query", "body", "both"])
def test_our_client_reads_all_pages_of_each(pages):
    async def searched() -> list[int]:
        async with (
            run_harness(number="", pages=pages) as it,
            Opentact(TOKEN, url=it.server.rest_url, requests_per_second=1000) as opentact,
        ):
            for begin in (0, 60):
                items = [{"tn": 12025550100 + n} for n in range(begin, begin + 60) if n < 100]
                await it.request_payload("POST", "/order", {"items": items})
            leases = [lease.number async for lease in opentact.numbers.search_leases(take=30)]
            offered = [tn.number async for tn in opentact.numbers.search_available(take=30)]
            return [len(set(leases)), len(set(offered))]

    assert run_bounded(searched()) == [100, 700]


def test_a_lease_shows_its_texts_in_the_form_of_the_option():
    async def shown(form: str) -> dict[str, Any]:
        async with run_harness(leases=form) as it:
            profile = await it.request_payload("POST", "/profile/messaging", {"name": "main"})
            body = {"messaging_profile": profile["uuid"], "sms_campaign": "C1"}
            await it.request_payload("POST", "/lease/tn/12015550123/subscription/sms", body)
            lease: dict[str, Any] = await it.request_payload("GET", "/lease/tn/12015550123/tn")
            numbers = await it.request_payload("GET", f"/profile/messaging/{profile['uuid']}/tnleases")
            assert [row["uuid"] for row in numbers] == [lease["uuid"]]
            return {**lease, "profile": profile["uuid"]}

    old = run_bounded(shown("profile"))
    assert (old["messaging_profile"], old["sms_campaign"]) == ({"uuid": old["profile"]}, "C1")
    new = run_bounded(shown("subscriptions"))
    assert "messaging_profile" not in new
    (subscription,) = new["subscriptions"]
    assert subscription["messaging_profile"]["uuid"] == new["profile"]
    assert subscription["sms_campaign"] == {"uuid": "C1"}


def test_a_created_token_works_until_it_is_deleted():
    async def used() -> list[int]:
        async with run_harness() as it, httpx.AsyncClient(trust_env=False, verify=get_tls_context()) as http:
            made = await it.request_payload("POST", "/token", {"name": "desk", "ttl": 60})
            url = f"{it.server.rest_url}/account"
            asks = [
                lambda: http.get(url, headers={"x-auth-token": made["token"]}),
                lambda: http.get(f"{url}?jwt={made['token']}"),
            ]
            before = [(await ask()).status_code for ask in asks]
            await it.request_payload("PATCH", f"/token/{made['uuid']}", {"name": "front desk"})
            (row,) = await it.request_payload("GET", "/token/list")
            assert (row["name"], "token" in row) == ("front desk", False)
            await it.request_payload("DELETE", f"/token/{made['token']}")
            return [*before, (await asks[0]()).status_code]

    assert run_bounded(used()) == [200, 200, 401]


def test_a_token_of_google_signs_in():
    async def signed_in() -> Any:
        async with (
            run_harness() as it,
            Opentact(google_token="ya29", url=it.server.rest_url) as opentact,  # noqa: S106 - of an imitation
        ):
            payload = await opentact.sign_in()
            assert payload["email"] == "owner@example.com"
            return await opentact.apps.list_all()

    assert len(run_bounded(signed_in())) == 1


def test_what_an_operator_corrected_is_at_the_stand_in_too(tmp_path):
    file = tmp_path / "opentact.yaml"
    file.write_text(
        "calls:\n"
        "  apps show: {method: POST, path: /apps/find, body: {id: '{uuid}'}}\n"
        "  messages send: {path: '/text/{to}', body: {source: '{from}', content: {text: '{message}'}, kind: sms}}\n"
        "  numbers order: {path: /order/tn}\n"
        "  numbers list: {body: {limit: '{take}', offset: '{skip}'}}\n"
        "  calls single: {path: /dial, body: {a: '{from}', b: '{to}', tag: '{tag?}'}}\n"
        "tokens: {portal: {Authorization: 'Token {token}'}}\n"
    )
    table, problems = read_operation_file(file)
    assert problems == []

    async def used() -> list[Any]:
        async with (
            run_harness(table=table) as it,
            Opentact(TOKEN, url=it.server.rest_url, table=table) as opentact,
        ):
            (app,) = await opentact.apps.list_all()
            sent = await opentact.messages.send_message(NUMBER, "+12015550999", "Hi")
            called = await opentact.calls.single(from_=NUMBER, to="+12015550999")
            await opentact.numbers.order_numbers(["+12025550100"])
            leases = [lease.number async for lease in opentact.numbers.search_leases(take=1)]
            assert leases == [NUMBER, "+12025550100"]
            shown = {"headers": {"authorization": f"Token {TOKEN}"}}
            old = [await it.request_rest("POST", path, {}, **shown) for path in ("/sms", "/order")]
            body = {"a": "12015550123", "b": 12015550999, "c": 1}
            other = {"x-auth-token": "", "authorization": f"Bearer {TOKEN}"}
            wrong = await it.request_rest("POST", "/dial", body, headers=other)
            more = await it.request_rest("POST", "/dial", body, **shown)
            return [
                (await opentact.apps.get_app(app.uuid)).uuid == app.uuid,
                (sent.to, sent.text),
                called.raw["to"],
                [answer.status_code for answer in old],
                wrong.status_code,
                more.status_code,
            ]

    assert run_bounded(used()) == [True, ("12015550999", "Hi"), "12015550999", [404, 405], 401, 201]


def test_a_classic_callback_by_post_has_the_commands_before_it():
    document = (
        "<Response><Say>Hello.</Say><Dial><Number>12015550188</Number></Dial>"
        '<Gather numDigits="1" timeout="1000" callback="{}" method="post"/><Hangup/></Response>'
    )

    async def rung() -> dict[str, Any]:
        async with run_customer_server() as other:
            answer = document.format(other.set_answer("/keys"))
            async with run_harness(url=other.set_answer("/call", answer)) as it:
                await it.request_control("PUT", "/callees", "busy")
                await it.ring_and_wait(keys="1")
            (row,) = await other.wait_for_requests(1, "/keys")
            return dict(row["json"])

    told = run_bounded(rung())
    like = json.loads((SAMPLES / "classic-gather.json").read_text(encoding="utf-8"))
    assert set(told) == set(like)
    history = told["history"]
    assert [entry["payload"]["command"]["command"] for entry in history][:1] == ["Say"]
    assert {frozenset(entry["payload"]) for entry in history} == {frozenset(entry["payload"]) for entry in like["history"]}
    assert history[0] == like["history"][1]
