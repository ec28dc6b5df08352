"""The commands for the account at Opentact and its events."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from command_runner import run_command

from callflows.cli.journal_output import open_store
from callflows.journal.opt_out_store import store_opt_out
from callflows.telephony.ports import OptOutRequest

sys.path.insert(0, str(Path(__file__).parents[1] / "opentact"))

from fake_opentact import TOKEN, CannedAnswer, FakeOpentact, create_session, error_answer, load_event_sample, success_answer

FROM = ("--profile", "p", "--from", "+13125550168")
DOCUMENT = "<Response><Say>Your appointment is tomorrow.</Say><Hangup/></Response>"
FLOW = "numbers: [+13125550168]\nnodes: {start: [say: Your appointment is tomorrow., hangup]}\n"
LOOKING_UP = "numbers: [+13125550169]\nnodes: {start: [{lookup: {url: 'https://x.org', into: a}}, hangup]}\n"


@pytest.fixture
def platform(tmp_path, monkeypatch):
    """A platform that this installation is set to."""
    monkeypatch.chdir(tmp_path)
    for name in [*os.environ]:
        if name.startswith("CALLFLOWS_"):
            monkeypatch.delenv(name)
    flows = tmp_path / "callflows"
    flows.mkdir()
    (flows / "reminder.yaml").write_text(FLOW)
    (flows / "looking-up.yaml").write_text(LOOKING_UP)
    (tmp_path / "reminder.xml").write_text(DOCUMENT)
    (tmp_path / "bad.xml").write_text("<Response><Sing/></Response>")
    with FakeOpentact().run_in_thread() as platform:
        monkeypatch.setenv("CALLFLOWS_OPENTACT_URL", platform.url)
        monkeypatch.setenv("CALLFLOWS_OPENTACT_EVENTS_URL", platform.events_url)
        monkeypatch.setenv("CALLFLOWS_OPENTACT_TOKEN", TOKEN)
        platform.routes["GET /lease/tn/13125550168/tn"] = success_answer(
            {"uuid": "lease-1", "tn": {"tn": 13125550168}, "sip_control_app": "app-1"}
        )
        yield platform


def called(*arguments):
    return run_command("opentact", *arguments)


# Lists


def test_apps_are_listed_without_what_may_be_a_secret(platform):
    url = "https://calls.example.org/call?token=s3same"
    row = {
        "uuid": "app-1",
        "name": "Reception",
        "call_flow_url": url,
        "call_flow_method": "POST",
        "call_flow_request_timeout": 0,
    }
    platform.routes["GET /sip/app"] = success_answer([row])
    done = called("apps", "list")
    assert done.code == 0
    assert done.out.split() == ["app-1", "Reception", "POST", "https://calls.example.org/call?…", "0", "ms"]
    assert json.loads(called("apps", "list", "--format", "json").out) == [row]


def test_voices_are_listed_by_language(platform):
    rows = [{"code": code, "name": f"{code}-A", "gender": "FEMALE"} for code in ("en-US", "en-GB", "es-US", "eng")]
    platform.routes["GET /dict/gtts"] = success_answer(rows)
    assert [line.split()[0] for line in called("voices", "--lang", "en").out.splitlines()] == ["en-US", "en-GB"]
    assert len(called("voices").out.splitlines()) == 4


def many(count):
    rows = [{"uuid": str(number), "tn": {"tn": 13125550000 + number}} for number in range(count)]
    return lambda asked: success_answer(rows[asked.body["skip"] :][: asked.body["take"]])


def test_numbers_are_listed_and_a_word_says_that_there_are_more(platform):
    platform.routes["POST /lease/tn/search"] = many(120)
    done = called("numbers", "list")
    assert len(done.out.splitlines()) == 50
    assert "--limit" in done.err
    assert done.out.startswith("+13125550000  0")
    assert len(called("numbers", "list", "--limit", "7").out.splitlines()) == 7


def test_a_program_gets_all_rows(platform):
    platform.routes["POST /lease/tn/search"] = many(120)
    done = called("numbers", "list", "--format", "json")
    assert len(json.loads(done.out)) == 120
    assert done.err == ""


def test_numbers_that_can_be_ordered_are_searched(platform):
    platform.routes["POST /tn/search"] = success_answer([{"tn": 13125550170, "city": "Chicago"}])
    done = called("numbers", "search", "--npa", "312", "--state", "IL", "--features", "voice", "--limit", "5")
    assert done.out.split() == ["+13125550170", "Chicago"]
    body = platform.bodies("POST /tn/search")[0]
    assert body == {
        "type": "long_code",
        "country": "US",
        "features": ["voice"],
        "npa": "312",
        "state": "IL",
        "take": 5,
        "skip": 0,
    }


def test_what_a_number_can_do_is_text_for_people(platform):
    platform.routes["POST /tn/search"] = success_answer([{"tn": 13125550170, "features": ["voice", "sms"]}])
    assert called("numbers", "search").out.split("  ")[-1].strip() == "voice, sms"


def test_where_there_are_no_messages_that_is_said(platform):
    platform.routes["POST /sms/search"] = success_answer([])
    done = called("messages", "list")
    assert (done.out, done.err) == ("", "there are no messages\n")


def test_where_no_number_fits_a_program_hears_it_by_the_exit_code(platform):
    assert called("numbers", "search").code == 1
    assert platform.count_requests("POST /tn/search") == 1


def test_a_message_from_a_stranger_cannot_steer_the_terminal(platform):
    message = {**load_event_sample("2022-sms-received")["payload"], "message": "\x1b[2J\u202ehi\nthere"}
    platform.routes["POST /sms/search/inbound"] = success_answer([message])
    done = called("messages", "list", "--direction", "in")
    assert "\x1b" not in done.out
    assert "\u202e" not in done.out
    assert len(done.out.splitlines()) == 1
    assert "there" in done.out


# What costs money or reaches people

COSTLY = [
    (("numbers", "order", "+13125550168", "13125550168"), "POST /order", "costs money"),
    (("numbers", "release", "+13125550168"), "DELETE /lease/tn/lease-1", "app-1"),
    (("messages", "send", "+13125550147", "We are open.", "--from", "+13125550168"), "POST /sms", "We are open."),
    (
        ("calls", "bulk", "+13125550147", "+13125550148", "--xml", "reminder.xml", *FROM),
        "POST /batch",
        "call 2 number(s)",
    ),
]
IDS = [request for _, request, _ in COSTLY]


@pytest.mark.parametrize(("arguments", "request_", "plan"), COSTLY, ids=IDS)
def test_what_costs_is_shown_and_not_done_where_there_is_nobody_to_ask(platform, monkeypatch, arguments, request_, plan):
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    done = called(*arguments)
    assert done.code == 2
    assert plan in done.err
    assert "nothing was changed" in done.err
    assert "--yes" in done.err
    assert platform.count_requests(request_) == 0


@pytest.mark.parametrize(("arguments", "request_", "plan"), COSTLY, ids=IDS)
def test_what_costs_is_done_once_by_yes(platform, arguments, request_, plan):
    done = called(*arguments, "--yes")
    assert done.code == 0, done.err
    assert plan in done.err
    assert done.out
    assert platform.count_requests(request_) == 1


@pytest.mark.parametrize(("answer", "code"), [(True, 0), (False, 1)])
@pytest.mark.parametrize(("arguments", "request_", "plan"), COSTLY, ids=IDS)
def test_what_costs_is_asked_on_a_terminal(platform, monkeypatch, arguments, request_, plan, answer, code):
    monkeypatch.setattr("sys.stdin", type("Terminal", (), {"isatty": lambda _self: True})())
    monkeypatch.setattr("typer.confirm", lambda *_, **__: answer)
    done = called(*arguments)
    assert (done.code, platform.count_requests(request_)) == (code, int(answer))
    assert plan in done.err


def test_a_number_is_ordered_once_however_often_it_is_named(platform):
    called("numbers", "order", "+13125550168", "13125550168", "--features", "voice", "--no-autorenew", "--yes")
    assert platform.bodies("POST /order") == [{"items": [{"tn": 13125550168, "features": ["voice"], "autorenew": False}]}]


def test_a_number_that_is_not_ours_is_not_released(platform):
    platform.routes["GET /lease/tn/13125550199/tn"] = error_answer(404, "no such lease")
    done = called("numbers", "release", "+13125550168", "+13125550199", "--yes")
    assert done.code == 1
    assert "no such lease" in done.err
    assert not any(asked.method == "DELETE" for asked in platform.requests)


@pytest.mark.parametrize(
    "arguments",
    [
        ("numbers", "order", "mia", "--yes"),
        ("messages", "send", "mia", "Hi", "--from", "+13125550168", "--yes"),
        ("messages", "send", "+13125550147", "x" * 919, "--from", "+13125550168", "--yes"),
        ("calls", "bulk", "+13125550147", "--xml", "reminder.xml", "--from", "+13125550168", "--yes"),
        ("calls", "bulk", "+13125550147", *FROM, "--yes"),
        ("calls", "bulk", "--xml", "reminder.xml", *FROM, "--yes"),
        ("calls", "bulk", "--xml", "gone.xml", *FROM, "--yes", "+13125550147"),
        ("calls", "bulk", "--numbers", "gone.txt", "--xml", "reminder.xml", *FROM, "--yes"),
        ("calls", "bulk", "+13125550147", "--flow", "gone", *FROM, "--yes"),
        ("calls", "push", "call-1", "gone.xml"),
    ],
)
def test_what_is_said_wrongly_is_refused_before_anything_is_asked(platform, arguments):
    done = called(*arguments)
    assert done.code == 2
    assert done.err.startswith("callflows: ")
    assert platform.requests == []


# Documents


def test_a_batch_calls_a_file_of_numbers_with_the_static_document_of_a_flow(platform, tmp_path):
    (tmp_path / "people.txt").write_text("+13125550147  # Mia\n\n# nobody\n13125550148\n+13125550147\n")
    done = called("calls", "bulk", "--flow", "reminder", "--numbers", "people.txt", *FROM, "--yes")
    assert done.code == 0, done.err
    (body,) = platform.bodies("POST /batch")
    assert body["phones"] == [13125550147, 13125550148]
    assert (body["outbound_voice_profile"], body["tn_lease"]) == ("p", "lease-1")
    assert "Your appointment is tomorrow." in body["xml"]


def test_calls_bulk_calls_nobody_who_wants_no_calls_or_whom_the_regions_forbid(platform, monkeypatch):
    monkeypatch.setenv("CALLFLOWS_DIAL_REGIONS", "US")
    with open_store(creates=True) as store:
        store.run_writing(store_opt_out, "+13125550168", "+13125550148", OptOutRequest(1_000.0, opts_out=True))
    numbers = ("+13125550147", "+13125550148", "+442079460018")
    done = called("calls", "bulk", *numbers, "--flow", "reminder", *FROM, "--yes")
    assert done.code == 0, done.err
    (body,) = platform.bodies("POST /batch")
    assert body["phones"] == [13125550147]
    assert "+13125550148 is not called: the person wants no calls" in done.err
    assert "+442079460018 is not called: " in done.err


def test_calls_bulk_repeated_after_a_failure_calls_the_others_only(platform, monkeypatch):
    monkeypatch.setenv("CALLFLOWS_PUBLIC_URL", platform.url)
    platform.routes["GET /healthz"] = CannedAnswer('{"status": "ok"}')
    command = ("calls", "bulk", "+13125550147", "+13125550148", "+13125550149", "--flow", "looking-up", *FROM, "--yes")

    def count_phones():
        return [phone for body in platform.bodies("POST /batch") for phone in body["phones"]]

    made = success_answer({"uuid": "made"})
    platform.routes["POST /batch"] = [made, error_answer(402, "no balance"), made]
    done = called(*command)
    assert done.code == 1
    assert "1 of 3 were called; the same command calls the others" in done.err
    done = called(*command)
    assert done.code == 0, done.err
    assert "+13125550147 is not called: the same command called it before it failed" in done.err
    assert count_phones() == [13125550147, 13125550148, 13125550148, 13125550149]
    assert called(*command).code == 0  # a new run: the earlier one came to its end
    assert count_phones()[4:] == [13125550147, 13125550148, 13125550149]


def test_a_flow_that_is_no_static_document_is_refused_with_the_reasons(platform):
    done = called("calls", "bulk", "+13125550147", "--flow", "looking-up", *FROM, "--yes")
    assert done.code == 1
    assert "[not-static]" in done.err
    assert platform.requests == []


def test_a_flow_that_depends_on_the_call_is_asked_for_by_each_call_if_the_server_has_a_public_url(platform, monkeypatch):
    monkeypatch.setenv("CALLFLOWS_PUBLIC_URL", "https://flows.example.com")
    numbers = ("+13125550147", "+13125550148")
    done = called("calls", "bulk", *numbers, "--flow", "looking-up", *FROM, "--dry-run", "--format", "json")
    assert done.code == 0, done.err
    made = json.loads(done.out)
    assert [batch["phones"] for batch in made] == [[number] for number in numbers]
    urls = [batch["xml"].partition('url="')[2].partition('"')[0] for batch in made]
    assert all(url.startswith("https://flows.example.com/call/looking-up/start?ticket=") for url in urls)
    assert urls[0] != urls[1]
    assert platform.requests == []


def test_a_document_is_pushed_to_a_live_call(platform):
    done = called("calls", "push", "call-1", "reminder.xml")
    assert (done.code, done.out) == (0, "pushed to call-1\n")
    assert DOCUMENT.encode() in platform.requests[0].raw


@pytest.mark.parametrize(
    "arguments",
    [("calls", "push", "c", "bad.xml"), ("calls", "bulk", "+13125550147", "--xml", "bad.xml", *FROM)],
)
def test_a_document_that_opentact_would_not_understand_is_not_sent(platform, arguments):
    done = called(*arguments)
    assert done.code == 1
    assert done.err.startswith("bad.xml:1:")
    assert platform.requests == []


# The table, tokens, dry runs


def test_the_table_of_calls_is_printed_with_what_an_operator_corrected(platform, tmp_path):
    (tmp_path / "callflows" / "opentact.yaml").write_text("calls: {numbers order: {path: /order/tn}}\n")
    done = called("api", "--changed")
    assert done.out.startswith("numbers order  [D]  POST /order/tn\n")
    assert "corrected in callflows/opentact.yaml: path" in done.out
    (row,) = json.loads(called("api", "--changed", "--format", "json").out)
    assert (row["path"], row["corrected"]) == ("/order/tn", ["path"])
    assert len(json.loads(called("api", "--format", "json").out)) == 124
    assert all(len(line) <= 80 for line in called("api").out.splitlines() if line.startswith("    "))
    assert "messages pool" in called("api", "--lost").out
    called("numbers", "order", "+13125550168", "--yes")
    assert platform.count_requests("POST /order/tn") == 1


def test_a_wrong_correction_is_told_by_check_and_by_every_command(platform, tmp_path):
    (tmp_path / "callflows" / "opentact.yaml").write_text("calls: {numbers order: {path: order/tn}}\n")
    place = "callflows/opentact.yaml:1:31: error: path: must begin with /"
    for done in (called("api"), called("voices"), called("numbers", "order", "+13125550168", "--yes")):
        assert done.code == 2
        assert place in done.err
    checked = run_command("check")
    assert checked.code == 1
    assert place in checked.out
    assert run_command("check", "callflows/opentact.yaml").code == 1
    assert platform.requests == []


def test_a_lost_call_says_where_to_write_it(platform):
    done = called("calls", "single", "--from", "(312) 555-0168", "--to", "312-555-0147", "--yes")
    assert done.code == 1
    assert "opentact.yaml" in done.err
    assert platform.requests == []


def test_a_token_is_got_by_a_password_or_by_a_token_of_google(platform, monkeypatch):
    monkeypatch.delenv("CALLFLOWS_OPENTACT_TOKEN")
    assert called("auth").code == 2
    platform.routes["GET /auth"] = success_answer({"token": "jwt.1.sig", "email": "desk@example.org", "role": "User"})
    assert called("auth", "--google-token", "ya29").out.split() == [
        "token",
        "jwt.1.sig",
        "email",
        "desk@example.org",
        "role",
        "User",
    ]
    assert platform.requests[0].headers["x-auth-google-token"] == "ya29"
    assert "authorization" not in platform.requests[0].headers
    monkeypatch.setenv("CALLFLOWS_OPENTACT_EMAIL", "desk@example.org")
    monkeypatch.setenv("CALLFLOWS_OPENTACT_PASSWORD", "s3same-open")
    assert json.loads(called("auth", "--format", "json").out)["token"] == "jwt.1.sig"  # noqa: S105 - of a platform that is none
    assert platform.requests[1].headers["authorization"].startswith("Basic ")


def test_a_number_is_written_as_people_write_it(platform):
    platform.routes["PATCH /lease/tn/lease-1"] = success_answer({"uuid": "lease-1"})
    for number in ("(312) 555-0168", "312-555-0168", "+1 312 555 0168", "13125550168"):
        assert called("numbers", "change", number, "--no-autorenew").code == 0
    assert platform.bodies("PATCH /lease/tn/lease-1") == [{"autorenew": False}] * 4
    assert called("numbers", "sms", "on", "(312) 555-0168", "--messaging-profile", "p").code == 0
    assert platform.count_requests("POST /lease/tn/13125550168/subscription/sms") == 1


def test_what_takes_something_away_is_asked_first(platform, monkeypatch):
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    done = called("domains", "delete", "acme.sip.opentact.org")
    assert (done.code, platform.requests) == (2, [])
    assert "delete a SIP domain: domain acme.sip.opentact.org" in done.err
    assert called("domains", "delete", "acme.sip.opentact.org", "--yes").code == 0


def test_further_fields_and_none_are_sent(platform):
    done = called("apps", "change", "app-1", "--webhook-url", "", "--set", 'later={"a": 1}', "--set", "word=x")
    assert done.code == 0, done.err
    assert platform.bodies("PATCH /sip/app/app-1") == [{"webhook_url": None, "later": {"a": 1}, "word": "x"}]
    assert called("apps", "change", "app-1", "--set", "later").code == 2


def test_a_table_fits_eighty_columns_and_cuts_no_id(platform, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    uuid = "3b206fb6-a5b7-4d62-8a3a-02d9e1880001"
    row = {"uuid": uuid, "name": "The reception on the ground floor of the old house", "number_pool_enable": False}
    platform.routes["GET /profile/messaging"] = success_answer(
        [{**row, "callback_url": "https://calls.example.org/sms?token=s3same"}]
    )
    (line,) = called("profiles", "messaging", "list").out.splitlines()
    assert len(line) <= 80
    assert line.startswith(uuid)
    assert "s3same" not in line


# Refusals


def test_a_refusal_says_what_the_fix_and_the_value(platform):
    platform.routes["POST /sms"] = error_answer(
        400, "Validation failed", fields={"params.to": {"message": "no mobile", "value": "1312"}}
    )
    done = called("messages", "send", "+13125550147", "Hi", "--from", "+13125550168", "--yes")
    assert done.code == 1
    assert "POST /sms: Validation failed (params.to: no mobile) [400]" in done.err
    assert "params.to was '1312'" in done.err
    assert "Traceback" not in done.err


@pytest.mark.usefixtures("platform")
def test_without_a_token_the_settings_to_set_are_said(monkeypatch):
    monkeypatch.delenv("CALLFLOWS_OPENTACT_TOKEN")
    for done in (called("apps", "list"), run_command("events", "--seconds", "1")):
        assert done.code == 2
        assert "CALLFLOWS_OPENTACT_TOKEN" in done.err


@pytest.mark.usefixtures("platform")
def test_a_wrong_token_is_said_and_not_shown(monkeypatch):
    monkeypatch.setenv("CALLFLOWS_OPENTACT_TOKEN", "another-token")
    done = called("apps", "list")
    assert done.code == 1
    assert "[401]" in done.err
    assert "another-token" not in done.err


# Events


def test_events_are_printed_as_they_come(platform):
    platform.sessions = [create_session(load_event_sample("2024-call-init"), load_event_sample("2024-call-destroyed"))]
    done = run_command("events", "--count", "2")
    assert done.code == 0
    first, last = done.out.splitlines()
    assert first.startswith("2026-03-05 16:24:46.183+00:00  call_state")
    assert last.endswith("- destroyed")
    assert done.err.count("connected") == 1


def test_a_program_reads_json_lines_of_the_types_it_wants(platform):
    message = load_event_sample("2022-sms-received")
    platform.sessions = [create_session(load_event_sample("2024-call-init"), message, load_event_sample("2022-balance"))]
    done = run_command("events", "--types", "sms,balance", "--count", "2", "--format", "json")
    sms, balance = map(json.loads, done.out.splitlines())
    assert (sms["type"], sms["raw"], sms["found"]) == ("sms", message, False)
    assert balance["type"] == "balance"


def test_an_event_cannot_steer_the_terminal(platform):
    platform.sessions = [create_session({"type": "\x1b[2Jsms", "uuid": "e", "message": "a\nb\x1b[31m"})]
    done = run_command("events", "--count", "1")
    assert "\x1b" not in done.out
    assert len(done.out.splitlines()) == 1


@pytest.mark.usefixtures("platform")
def test_events_end_when_time_is_up():
    assert run_command("events", "--seconds", "4").code == 0


@pytest.mark.parametrize("arguments", [(), ("--seconds", "9"), ("--count", "1", "--format", "json")])
def test_events_end_with_an_error_if_the_token_is_refused(platform, arguments):
    async def refuse(connection):
        await connection.send(json.dumps({"type": "auth", "message": "auth failed", "uuid": "e", "success": False}))
        await connection.wait_closed()

    platform.sessions = [refuse] * 3
    done = run_command("events", *arguments)
    assert done.code == 1
    assert "auth failed; see whether CALLFLOWS_OPENTACT_TOKEN" in done.err


@pytest.mark.usefixtures("platform")
def test_events_that_cannot_be_listened_to_say_why(monkeypatch):
    monkeypatch.setenv("CALLFLOWS_OPENTACT_EVENTS_URL", "ws://127.0.0.1:9/wss")
    done = run_command("events", "--seconds", "2")
    assert done.code == 1
    assert "no connection" in done.err


def test_json_lines_hold_no_log_lines(platform):
    async def ending(connection):
        await create_session(load_event_sample("2024-call-init"), ends=True)(connection)

    platform.sessions = [ending, ending, create_session(load_event_sample("2024-call-destroyed"))]
    done = run_command("events", "--count", "3", "--format", "json")
    assert [json.loads(line)["state"] for line in done.out.splitlines()] == ["init", "init", "destroyed"]
