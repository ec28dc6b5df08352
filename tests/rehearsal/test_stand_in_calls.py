"""Callers ring the stand-in's numbers: our URLs are asked, XML is pushed, and REST knows the calls."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from stand_in_harness import MENU, NUMBER, SAY, run_customer_server, run_harness, serve_app

from callflows.server import create_app
from callflows.settings import Settings
from each_case import each_case
from waiting import run_bounded, wait_until_async

SAMPLES = Path(__file__).parents[1] / "samples"
DESK = """
numbers: +12015550123
nodes:
  start:
    - say: Hello {{ caller.name }} from {{ caller.number }}, attested {{ call.attestation }}.
    - menu: {prompt: Press 1., keys: {1: again, 2: sales}, attempts: 1, otherwise: again}
  again:
    - set: {times: 1}
    - say: You came to {{ number.national }}.
  sales:
    - dial: {to: "+12015550188", no_answer: again}
"""


def says(told: dict[str, Any]) -> list[str]:
    return [step["text"] for step in told["steps"] if step["verb"] == "Say"]


# Our own server, end to end


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_our_own_server_answers_a_call_of_the_stand_in(method, tmp_path):
    (tmp_path / "desk.yaml").write_text(DESK, encoding="utf-8")
    settings = Settings(_env_file=None, flows=tmp_path, data=tmp_path / "data")

    async def rung() -> dict[str, Any]:
        async with serve_app(create_app(settings)) as url, run_harness(url=f"{url}/call", method=method, pace=1000) as it:
            return await it.ring_and_wait(keys="1", name="Ann", attestation="A", **{"from": "+12015550999"})

    told = run_bounded(rung())
    assert told["outcome"] == "hung-up"
    first = "Hello Ann from +12015550999, attested A." if method == "POST" else "Hello from +12015550999, attested unknown."
    assert [" ".join(text.split()) for text in says(told)] == [first, "Press 1.", "You came to (201) 555-0123."]
    assert [request["method"] for request in told["requests"]] == [method, "GET"]
    assert set(told) == {"number", "from", "outcome", "seconds", "answers_itself", "steps", "requests"}


def test_our_own_server_tries_another_way_when_nobody_answers(tmp_path):
    (tmp_path / "desk.yaml").write_text(DESK, encoding="utf-8")
    settings = Settings(_env_file=None, flows=tmp_path, data=tmp_path / "data")

    async def rung() -> dict[str, Any]:
        async with serve_app(create_app(settings)) as url, run_harness(url=f"{url}/call", pace=1000) as it:
            return await it.ring_and_wait(keys="2", callee="no-answer")

    told = run_bounded(rung())
    assert next(step["result"] for step in told["steps"] if step["verb"] == "Dial") == "no-answer"
    assert says(told)[-1] == "You came to (201) 555-0123."


# How our URLs are asked


async def asked(method: str, **given: Any) -> dict[str, Any]:
    async with run_customer_server() as other:
        url = other.set_answer("/call", SAY.format("Hello")) + "?token=a%20b"
        async with run_harness(url=url, method=method) as it:
            await it.ring_and_wait(**given)
        return other.requests[0]


def test_by_get_the_url_is_told_from_and_to_behind_its_own_query():
    row = run_bounded(asked("GET"))
    assert row["query"] == [("token", "a b"), ("from", "+12015550999"), ("to", "12015550123")]
    assert (row["method"], row["json"]) == ("GET", None)


def test_by_post_the_body_is_the_whole_call():
    row = run_bounded(asked("POST", name="WIRELESS CALLER"))
    like = json.loads((SAMPLES / "call.json").read_text(encoding="utf-8"))
    assert row["query"] == [("token", "a b"), ("from", "+12015550999"), ("to", "12015550123")]
    assert set(row["json"]) == set(like)
    for name in ("meta", "tn", "account", "sip_control_app"):
        assert set(row["json"][name]) == set(like[name])
    assert row["json"]["meta"]["cid_name"] == "WIRELESS CALLER"


def test_what_the_network_does_not_tell_is_left_out():
    body = run_bounded(asked("POST"))["json"]
    assert "cid_name" not in body["meta"]
    assert "stir_shaken_attest_level" not in body


def test_a_withheld_caller_is_told_as_it_is():
    assert run_bounded(asked("GET", **{"from": "anonymous"}))["query"][1] == ("from", "anonymous")


def test_the_state_webhook_is_told_each_state_in_order():
    async def hooked() -> list[dict[str, Any]]:
        async with run_customer_server() as other:
            hook = other.set_answer("/hook", status=204)
            async with run_harness(url=other.set_answer("/call", SAY.format("Hello")), webhook=f"{hook}?token=1") as it:
                await it.ring_and_wait()
                return await other.wait_for_requests(5, "/hook")

    rows = run_bounded(hooked())
    states = [dict(row["query"])["state"] for row in rows]
    assert states == ["init", "ringing", "live", "hangup", "destroyed"]
    assert [name for name, _ in rows[0]["query"]] == ["token", "state", "from", "to"]
    assert {row["json"]["sip_control_app"]["name"] for row in rows} == {"App of +12015550123"}


def test_a_server_that_is_slower_than_the_app_allows_is_given_up():
    async def rung(milliseconds: int | None) -> dict[str, Any]:
        async with (
            run_customer_server() as other,
            run_harness(url=other.set_answer("/call", SAY.format("Hello"), delay=0.3)) as it,
        ):
            (app,) = await it.request_payload("GET", "/sip/app")
            await it.request_payload("PATCH", f"/sip/app/{app['uuid']}", {"call_flow_request_timeout": milliseconds})
            return await it.ring_and_wait()

    told = run_bounded(rung(50))
    assert told["outcome"] == "error"
    assert "no answer within 0.05 s" in told["error"]
    assert says(run_bounded(rung(0))) == ["Hello"]
    assert says(run_bounded(rung(None))) == ["Hello"]


@pytest.mark.parametrize(("status", "body"), [(500, ""), (200, "nonsense"), (404, "")])
def test_a_url_that_gives_no_document_ends_the_call(status, body):
    async def rung() -> dict[str, Any]:
        async with run_customer_server() as other, run_harness(url=other.set_answer("/call", body, status)) as it:
            return await it.ring_and_wait()

    assert run_bounded(rung())["outcome"] == "error"


# Static documents, and pushed ones


def test_a_static_document_is_kept_and_answers_without_a_server():
    async def rung() -> tuple[dict[str, Any], str, int]:
        async with run_harness() as it:
            app = await it.store_document(SAY.format("Static"))
            told = await it.ring_and_wait()
            document = await it.request_payload("GET", f"/sip/app/call/flow/{app}")
            await it.request_payload("DELETE", f"/sip/app/call/flow/{app}")
            return told, document, (await it.request_rest("GET", f"/sip/app/call/flow/{app}")).status_code

    told, document, gone = run_bounded(rung())
    assert says(told) == ["Static"]
    assert document == SAY.format("Static")
    assert gone == 404


def test_of_a_url_and_a_static_document_the_url_wins_unless_nothing_is_to_be_chosen():
    async def rung(*, strict: bool) -> dict[str, Any]:
        async with (
            run_customer_server() as other,
            run_harness(url=other.set_answer("/call", SAY.format("By the URL")), strict=strict) as it,
        ):
            await it.store_document(SAY.format("Static"))
            return await it.ring_and_wait()

    assert says(run_bounded(rung(strict=False))) == ["By the URL"]
    assert "the documentation does not say" in run_bounded(rung(strict=True))["error"]


@pytest.mark.parametrize("path", ["/call/sca/{}", "/sip/app/call/{}"])
def test_xml_is_pushed_to_a_parked_call_on_both_known_paths(path):
    async def rung() -> tuple[dict[str, Any], list[dict[str, Any]]]:
        async with run_harness(pace=50) as it, it.listen_to_events() as listener:
            uuid = await it.start_call()
            event = await listener.wait_for_event(lambda event: event["type"] == "call_state")
            assert (event["call"]["direction"], event["call"]["uuid"]) == ("in", uuid)
            reply = await it.request_rest("POST", path.format(uuid), files={"file": SAY.format("Pushed").encode()})
            assert reply.status_code == 202, reply.text
            return await it.wait_until_over(uuid), listener.events

    told, _ = run_bounded(rung())
    assert says(told) == ["Pushed"]
    assert told["outcome"] == "hung-up"


def test_pushed_xml_takes_the_place_of_what_is_left():
    async def rung() -> dict[str, Any]:
        async with run_harness(pace=50) as it, it.listen_to_events() as listener:
            await it.store_document("<Response><Hold/><Say>Never</Say></Response>")
            uuid = await it.start_call()
            await listener.wait_for_event(lambda event: event["message"].endswith("live"))
            await it.request_payload("POST", f"/call/sca/{uuid}", files={"file": SAY.format("Instead").encode()})
            return await it.wait_until_over(uuid)

    assert says(run_bounded(rung())) == ["Instead"]


def test_a_call_that_gets_no_xml_ends_after_thirty_seconds():
    async def rung() -> dict[str, Any]:
        async with run_harness() as it:
            return await it.ring_and_wait()

    told = run_bounded(rung())
    assert told["outcome"] == "ended"
    assert told["error"] == "no document was pushed within 30 s"
    assert told["seconds"] >= 30


def test_xml_that_cannot_be_pushed_is_refused_with_the_reason():
    async def refused() -> list[tuple[int, str]]:
        async with run_harness(pace=50) as it:
            uuid = await it.start_call()
            path = f"/call/sca/{uuid}"
            replies = [
                await it.request_rest("POST", path, files={"file": b"<Response><Sing/></Response>"}),
                await it.request_rest("POST", path, {"xml": SAY}),
                await it.request_rest("POST", "/call/sca/nobody", files={"file": SAY.format("x").encode()}),
            ]
            await it.request_control("DELETE", f"/calls/{uuid}")
            await it.wait_until_over(uuid)
            replies.append(await it.request_rest("POST", path, files={"file": SAY.format("x").encode()}))
            return [(reply.status_code, json.dumps(reply.json())) for reply in replies]

    unknown, no_file, nobody, late = run_bounded(refused())
    assert unknown[0] == 400
    assert "Sing" in unknown[1]
    assert no_file[0] == 400
    assert "params.file" in no_file[1]
    assert (nobody[0], late[0]) == (404, 409)


# Callers


@pytest.mark.parametrize("document", [None, MENU, "<Response><Hold/></Response>"])
def test_a_caller_can_hang_up_at_any_moment(document):
    async def rung() -> dict[str, Any]:
        async with run_harness(pace=1) as it, it.listen_to_events() as listener:
            if document:
                await it.store_document(document)
            uuid = await it.start_call()
            await listener.wait_for_event(lambda event: event["message"].endswith("live"))
            await it.request_control("DELETE", f"/calls/{uuid}")
            told = await it.wait_until_over(uuid)
            await listener.wait_until_destroyed()
            return told

    assert run_bounded(rung())["outcome"] == "caller-hung-up"


def test_who_hangs_up_does_not_wait_for_a_server_that_is_slow():
    async def rung() -> dict[str, Any]:
        async with run_customer_server() as other, run_harness(pace=1, url=other.set_answer("/call", delay=8)) as it:
            uuid = await it.start_call()
            await other.wait_for_requests(1, "/call")
            await it.request_control("DELETE", f"/calls/{uuid}")
            return await asyncio.wait_for(it.wait_until_over(uuid), 5)

    assert run_bounded(rung())["outcome"] == "caller-hung-up"


def test_xml_that_is_pushed_while_somebody_is_rung_waits_until_it_is_answered():
    async def rung() -> dict[str, Any]:
        async with run_harness(pace=2) as it, it.listen_to_events() as listener:
            profile = await it.request_payload("POST", "/profile/outbound_voice", {"name": "all"})
            body = {"outbound_voice_profile": profile["uuid"], "phones": [12015550188], "tn_lease": "12015550123"}
            await it.request_payload("POST", "/batch", {**body, "xml": SAY.format("The batch's")})
            uuid = (await listener.wait_for_event(lambda event: event["type"] == "call_state"))["ref_id"]
            await it.request_payload("POST", f"/call/sca/{uuid}", files={"file": SAY.format("Pushed").encode()})
            return await it.wait_until_over(uuid)

    assert says(run_bounded(rung())) == ["Pushed"]


def test_a_call_is_cut_off_after_the_longest_that_its_app_allows():
    async def rung() -> dict[str, Any]:
        async with run_harness() as it:
            app = await it.store_document("<Response><Hold/></Response>")
            await it.request_payload("PATCH", f"/sip/app/{app}", {"max_call_length_min": 1})
            return await it.ring_and_wait()

    told = run_bounded(rung())
    assert (told["outcome"], told["error"]) == ("ended", "the app allows 1 min")
    assert 60 <= told["seconds"] < 300


def test_old_calls_are_forgotten_and_too_many_at_once_are_refused(monkeypatch):
    async def rung() -> list[int]:
        async with run_harness(pace=1) as it:  # so that no call is over before it is ended here
            await it.store_document('<Response><Answer/><Pause length="3600000"/></Response>')
            begun = [await it.start_call() for _ in range(3)]
            full = (await it.request_control("POST", "/calls", {"to": NUMBER})).status_code
            for uuid in begun:
                await it.request_control("DELETE", f"/calls/{uuid}")
                await it.wait_until_over(uuid)
            kept = [begun[-1], await it.start_call(), await it.start_call()]
            return [full, *[(await it.request_control("GET", f"/calls/{uuid}")).status_code for uuid in (begun[0], *kept)]]

    monkeypatch.setattr("callflows.stand_in.call_registry.MAX_LIVE_CALLS", 3)
    monkeypatch.setattr("callflows.stand_in.call_registry.MAX_REMEMBERED_CALLS", 3)
    assert run_bounded(rung()) == [429, 404, 200, 200, 200]


def test_those_who_are_dialled_behave_as_they_are_told_for_all_calls():
    async def rung() -> list[str]:
        async with run_harness() as it:
            await it.store_document(MENU)
            await it.request_control("PUT", "/callees", {"ann@acme.sip.opentact.org": "busy", "else": "answer"})
            calls = [await it.ring_and_wait(keys="1"), await it.ring_and_wait(keys="1", callee="answer")]
            return [next(step["result"] for step in told["steps"] if step["verb"] == "Dial") for told in calls]

    assert run_bounded(rung()) == ["busy", "answered"]


def test_another_number_of_the_account_is_dialled_like_any_other_which_is_a_named_rule():
    document = "<Response><Answer/><Dial><To>{}</To></Dial><Hangup/></Response>"

    async def rung(to: str) -> tuple[dict[str, Any], list[str]]:
        async with run_harness() as it:
            await it.request_payload("POST", "/order", {"items": [{"tn": "12015550124", "features": ["voice"]}]})
            await it.store_document(document.format(to))
            uuid = await it.start_call()
            told = await it.wait_until_over(uuid)
            return told["steps"][1], [*it.server.calls.get_session(uuid).call.rules.applied_rules]

    step, used = run_bounded(rung("12015550124"))
    assert (step["result"], step["by"], "own-number" in used) == ("answered", "12015550124", True)
    assert "own-number" not in run_bounded(rung("12015550125"))[1]
    assert "own-number" not in run_bounded(rung("12015550124@acme.sip.opentact.org"))[1]


@each_case(
    ("given", "status", "said"),
    [
        ({"to": "+12015550100"}, 404, "+12015550100"),
        ({"to": NUMBER, "keys": "12x"}, 400, "are not keys"),
        ({"to": NUMBER, "callee": "sing"}, 400, "not an action of a callee"),
        ({"to": NUMBER, "pace": 0}, 400, "params.pace"),
        ({"to": NUMBER, "talks": 1e300}, 400, "params.talks"),
        ({"to": NUMBER, "kees": "1"}, 400, "params.kees"),
        ({}, 400, "params.to"),
    ],
)
def test_a_call_that_cannot_be_rung_is_refused_with_the_reason(given, status, said):
    async def rung() -> tuple[int, str]:
        async with run_harness() as it:
            reply = await it.request_control("POST", "/calls", given)
            return reply.status_code, reply.text

    found, text = run_bounded(rung())
    assert (found, said in text) == (status, True), text


def test_many_calls_run_at_once():
    async def rung() -> list[dict[str, Any]]:
        async with run_harness(pace=2000) as it:
            await it.store_document(MENU)
            return await asyncio.gather(*(it.ring_and_wait(keys=str(1 + n % 2)) for n in range(40)))

    told = run_bounded(rung())
    assert [sum(step["verb"] == verb for call in told for step in call["steps"]) for verb in ("Dial", "Record")] == [20, 20]


def test_strict_refuses_where_a_document_comes_to_what_is_not_documented():
    async def rung(*, strict: bool) -> dict[str, Any]:
        async with run_harness(strict=strict) as it:
            await it.store_document("<Response><Record/></Response>")
            return await it.ring_and_wait()

    assert run_bounded(rung(strict=False))["outcome"] == "ended"
    assert "a Record with nothing in it" in run_bounded(rung(strict=True))["error"]


# What REST knows of calls


def test_calls_and_the_legs_they_dial_are_found():
    async def searched() -> dict[str, Any]:
        # At a high pace a moment of a busy machine is so many seconds of the first call that it begins after the second.
        async with run_harness(pace=20) as it:
            await it.store_document(MENU)
            await it.ring_and_wait(keys="1")
            await it.ring_and_wait(keys="2", **{"from": "+12015550777"})
            find = it.search_rows
            return {
                "in": await find("/call/search", direction="in", order={"created_on": "ASC"}),
                "out": await find("/call/search", direction="out"),
                "tn": await find("/call/search", tn=12015550123, created_on_from="2020-01-01T00:00:00Z"),
                "past": await find("/call/search", created_on_to="2020-01-01T00:00:00Z"),
                "from": await find("/sip/app/call/search", **{"from": "*0777"}),
                "or": await find("/call/search", mode="OR", direction="out", **{"from": "+12015550777"}),
            }

    found = run_bounded(searched())
    assert [len(rows) for rows in found.values()] == [2, 1, 2, 0, 1, 2]
    assert found["in"][0]["from"] == "+12015550999"
    assert found["out"][0]["parent"]["uuid"] == found["in"][0]["uuid"]
    assert found["in"][0]["q850_cause"] == 16
    assert found["in"][0]["finished_on"] is not None


def test_a_call_is_online_until_it_is_over():
    async def looked() -> tuple[list[str], list[str], str]:
        async with run_harness(pace=50) as it:
            uuid = await it.start_call()
            before = [row["uuid"] for row in await it.request_payload("GET", "/sip/app/call/online")]
            await it.request_control("DELETE", f"/calls/{uuid}")
            await it.wait_until_over(uuid)
            after = [row["uuid"] for row in await it.request_payload("GET", "/sip/app/call/online")]
            assert before == [uuid]
            return before, after, (await it.request_payload("GET", f"/sip/app/call/{uuid}"))["state"]

    _, after, state = run_bounded(looked())
    assert (after, state) == ([], "destroyed")


def test_each_executed_element_is_in_the_log_of_its_app():
    async def logged() -> list[dict[str, Any]]:
        async with run_harness() as it:
            app = await it.store_document(MENU)
            await it.ring_and_wait(keys="1", callee="busy")
            return await it.search_rows(f"/sip/app/{app}/logs", take=50)

    rows = run_bounded(logged())
    assert [(row["name"], row["success"]) for row in rows] == [
        ("Answer", True),
        ("Say", True),
        ("Dial", False),
        ("Say", True),
        ("Gather", True),
    ]
    assert rows[2]["response"]["reason"].startswith("[originate] ERR USER_BUSY")


# Bulk calls


def test_a_batch_rings_its_numbers_with_its_document():
    async def rung() -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
        async with run_harness() as it, it.listen_to_events() as listener:
            await it.request_control("PUT", "/callees", {"+12015550188": "answer", "else": "no-answer"})
            profile = await it.request_payload("POST", "/profile/outbound_voice", {"name": "all"})
            lease = await it.request_payload("GET", "/lease/tn/12015550123")
            body = {"outbound_voice_profile": profile["uuid"], "phones": [12015550188, "12015550189"]}
            more = {"xml": SAY.format("Pay"), "tn_lease": lease["uuid"]}
            made = await it.request_payload("POST", "/batch", {**body, **more})

            async def read_finished_batch() -> dict[str, Any] | None:
                batch: dict[str, Any] = (await it.request_control("GET", f"/batches/{made['uuid']}")).json()
                return batch if batch["state"] == "finished" else None

            finished = await wait_until_async(read_finished_batch, "the end of the batch")
            ended = [f"{phone} - destroyed" for phone in body["phones"]]
            await listener.wait_for_events(*(lambda event, end=end: event["message"].endswith(end) for end in ended))
            return made, finished["items"], listener.events_of_type("call_state")

    made, items, events = run_bounded(rung())
    assert (made["type"], made["state"]) == ("call_xml", "created")
    assert [(item["phone"], item["state"]) for item in items] == [(12015550188, "success"), (12015550189, "failed")]
    taken = [event["payload"]["state"] for event in events if event["call"]["to"] == "12015550188"]
    missed = [event for event in events if event["call"]["to"] == "12015550189"]
    assert taken == ["init", "ringing", "live", "hangup", "destroyed"]
    assert [event["payload"]["state"] for event in missed] == ["init", "ringing", "hangup", "destroyed"]
    assert missed[-1]["call"]["q850_cause"] == 18
    assert {event["call"]["direction"] for event in events} == {"out"}
