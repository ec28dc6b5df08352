"""Every flow is rung through the public URL: a caller who would not hear it is reported, and the call leaves no trace."""

from __future__ import annotations

import json
import pathlib
import sys

import pytest
import standardwebhooks
from in_process_server import CALL_FIELDS, DESK, InProcessServer, build_settings

from callflows.flows.tickets import TicketSigner
from callflows.journal.journal import Journal
from callflows.journal.spool import Spool
from callflows.journal.sql_store import SqlStore
from callflows.rehearsal.platform_network import HttpNetwork
from callflows.web.call_limits import CallLimits
from callflows.web.line_check_calls import make_line_check_call, read_outcome_comment
from callflows.web.line_checker import STATUS_FILE_NAME, LineChecker, find_check_number, load_line_status
from plain_http_server import serve_pages
from waiting import run_bounded, wait_until_async

sys.path += [str(pathlib.Path(__file__).parents[1] / folder) for folder in ("cli", "journal")]
from breakable_database import open_breakable_database
from command_runner import run_command

URL = "http://flows.localhost"
BUSY = """
numbers: [+1202*]
nodes:
  start:
    - when: caller.calls_today > 1
      hangup:
    - lookup: {url: "https://crm.example.com/", into: customer, default: {name: nobody}}
    - say: Hello {{ customer.name }}.
    - collect: {into: pin, digits: 4, prompt: Your PIN., otherwise: late}
    - goto: late
  late:
    - notify: {url: "https://hooks.example.com/", payload: {what: late}}
    - say: Goodbye.
"""
"""A flow that counts calls, asks another server, sends something, and comes back to us."""
BROKEN = DESK.replace("0123", "0124").replace(
    "- say: Goodbye", "- when: caller.number[0] - 1\n      hangup:\n    - say: Bye"
)
"""A flow whose callers hear the fallback, but not at once."""


class OnlyProcess:
    """The leases of an installation with one process."""

    async def hold_lease(self, *_arguments):
        return True


def make_checker(server: InProcessServer, folder, alerts: list, leases=None, **settings) -> LineChecker:
    settings = build_settings(public_url=URL, data=folder, alert_url="https://ops.example.com/alerts", **settings)
    signer = TicketSigner([key.get_secret_value().encode() for key in settings.secret_keys])
    return LineChecker(
        settings,
        leases or OnlyProcess(),
        signer,
        lambda: server.flow_versions.book,
        alerts.append,
        lambda: HttpNetwork(server.app, base_url=URL),
    )


def check(checker: LineChecker) -> None:
    async def work() -> None:
        await checker.take_lease()
        await checker.check_lines()

    run_bounded(work())


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr("callflows.web.line_checker._SECOND_TRY_SECONDS", 0.0)


def test_lines_that_are_heard_are_up_and_the_calls_leave_no_trace(tmp_path):
    records, alerts = [], []
    server = InProcessServer(tmp_path, {"desk": DESK, "busy": BUSY}, record_answer=records.append)
    server.engine._call_limits = CallLimits(1, 1)  # noqa: SLF001 - the least that there is
    checker = make_checker(server, tmp_path, alerts)
    for _ in range(2):
        check(checker)
    assert checker.read_line_states() == {"desk": 1, "busy": 1}
    assert checker.count_results() == {"ok": 4, "fallback": 0, "nothing": 0}
    outside = server.effect_sender
    assert (records, alerts, outside.effects, outside.lookups, server.read_log_lines()) == ([], [], [], [], [])
    assert "callflows_answers_total{" not in server.answer_metrics.render_prometheus()[0].decode()


def test_a_line_whose_callers_hear_the_fallback_is_reported_once_and_again_when_it_is_up(tmp_path):
    alerts = []
    server = InProcessServer(tmp_path, {"desk": DESK, "broken": BROKEN})
    checker = make_checker(server, tmp_path, alerts)
    for _ in range(2):
        check(checker)
    down = {"flow": "broken", "number": "+12015550124", "hears": "fallback", "reason": "TypeError"}
    assert checker.get_status()["down"] == [down]
    assert checker.read_line_states() == {"desk": 1, "broken": 0}
    (line,) = (line for line in server.read_log_lines() if line["level"] == "error")
    assert (line["event"], line["flow"], line["number"]) == ("callers do not hear the flow", "broken", "...0124")
    (tmp_path / "broken.yaml").write_text(DESK.replace("0123", "0124"), encoding="utf-8")
    server.flow_versions.replace_book(server.load_flows().book)
    check(checker)
    assert [alert.payload["body"]["type"] for alert in alerts] == ["lines.down", "lines.up"]
    assert alerts[0].payload["body"]["data"] == {"public_url": URL, "lines": [down]}
    assert checker.get_status()["down"] == []


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"token": ["another-token-of-the-tests"]}, "the status is 403"),
        ({"secret_keys": ["a key of another server"]}, "another CALLFLOWS_SECRET_KEYS"),
    ],
    ids=["a token that the server refuses", "another server behind the URL"],
)
def test_a_caller_who_would_hear_nothing_of_this_server_is_reported(tmp_path, settings, reason):
    server = InProcessServer(tmp_path, **({"token": ["the-token-of-the-server"]} if "token" in settings else {}))
    checker = make_checker(server, tmp_path, [], **settings)
    check(checker)
    ((hears, said),) = {(line["hears"], line["reason"]) for line in checker.get_status()["down"]}
    assert hears == "nothing"
    assert reason in said


def test_a_fault_at_one_line_keeps_no_other_line_from_its_check(tmp_path, monkeypatch):
    ring = LineChecker._ring  # noqa: SLF001 - broken for one flow

    async def ring_or_fail(self, network, flow, number):
        if flow == "busy":
            raise TypeError
        return await ring(self, network, flow, number)

    monkeypatch.setattr(LineChecker, "_ring", ring_or_fail)
    checker = make_checker(InProcessServer(tmp_path, {"busy": BUSY, "desk": DESK}), tmp_path, [])
    check(checker)
    assert checker.read_line_states() == {"desk": 1}


def test_a_server_that_cannot_be_reached_is_reported(tmp_path):
    server = InProcessServer(tmp_path)
    checker = make_checker(server, tmp_path, [])
    checker._open_network = lambda: HttpNetwork(base_url="http://127.0.0.1:9")  # noqa: SLF001 - nobody listens there
    checker._settings = checker._settings.model_copy(update={"public_url": "http://127.0.0.1:9"})  # noqa: SLF001 - as above
    check(checker)
    (line,) = checker.get_status()["down"]
    assert (line["hears"], "ConnectError" in line["reason"]) == ("nothing", True)


def test_other_workers_of_the_server_know_the_result_and_a_new_one_reports_nothing_twice(tmp_path):
    server, alerts = InProcessServer(tmp_path, {"broken": BROKEN}), []
    first, second = (make_checker(server, tmp_path, alerts) for _ in range(2))
    check(first)
    status = load_line_status(tmp_path / STATUS_FILE_NAME)
    assert second.get_status() == first.get_status() == status
    assert status["lines"] == len(status["down"]) == 1
    assert second.read_line_states() == {}
    check(second)
    assert len(alerts) == 1


def test_in_an_outage_of_the_database_the_process_that_rang_goes_on_alone_until_the_outage_lasts(tmp_path, monkeypatch):
    with open_breakable_database("sqlite:///", tmp_path) as database:
        journals = [Journal(SqlStore(database.url), Spool(tmp_path / name)) for name in "ab"]
        journals[0].start()
        server = InProcessServer(tmp_path)
        first, second = (make_checker(server, tmp_path, [], journal) for journal in journals)

        async def take() -> list[bool]:
            return [await first.take_lease(), await second.take_lease()]

        async def work() -> list[list[bool]]:
            await wait_until_async(lambda: journals[0].get_status()["database"] == "ok", "the database")
            taken = [await take()]
            database.take_away()
            for journal in journals:
                journal._store._engine.dispose()  # noqa: SLF001 - an open file would not notice
            taken.append(await take())
            monkeypatch.setattr("callflows.web.line_checker.OUTAGE_TAKEOVER_SECONDS", 0.0)
            taken.append(await take())
            database.bring_back()
            taken.append(await take())
            return taken

        assert run_bounded(work()) == [[True, False], [True, False], [True, True], [True, False]]
        journals[0].stop()
        journals[1].close()


def test_a_stranger_cannot_make_a_call_that_is_not_counted(tmp_path):
    server = InProcessServer(tmp_path)
    genuine = make_line_check_call(server.signer)
    at = int(genuine.split(".")[1])
    forged = [genuine[:-1] + ("A" if genuine[-1] != "A" else "B"), genuine.replace(str(at), str(at + 1)), "line-check."]
    for call in forged:
        reply = server.send_request(params={**CALL_FIELDS, "call": call})
        assert read_outcome_comment(reply.content) is None
    assert len([line for line in server.read_log_lines() if "ms" in line]) == len(forged)
    reply = server.send_request(params={**CALL_FIELDS, "call": genuine})
    assert read_outcome_comment(reply.content) == ("answered", "desk", "")


def test_a_number_is_found_for_each_kind_of_claim(tmp_path):
    rest = DESK.replace("+12015550123", "rest")
    server = InProcessServer(tmp_path, {"desk": DESK, "busy": BUSY, "rest": rest})
    book = server.flow_versions.book
    numbers = {flow.name: find_check_number(book, flow) for flow in book.flows.values()}
    assert numbers == {"desk": "+12015550123", "busy": "+12020000000", "rest": "+19995550000"}


def test_alerts_sends_a_signed_test(monkeypatch):
    key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    with serve_pages({"/alerts": "taken"}) as ops:
        monkeypatch.setenv("CALLFLOWS_ALERT_URL", f"{ops.url}/alerts")
        monkeypatch.setenv("CALLFLOWS_NOTIFY_KEY", key)
        monkeypatch.setenv("CALLFLOWS_PRIVATE_LOOKUPS", "127.0.0.0/8")
        done = run_command("alerts")
        assert (done.code, "took the test (signed)" in done.out) == (0, True), done.err
        (request,) = ops.requests
        assert standardwebhooks.Webhook(key).verify(request.body, request.headers)["type"] == "lines.test"
        monkeypatch.setenv("CALLFLOWS_ALERT_URL", f"{ops.url}/gone")
        refused = run_command("alerts")
        assert (refused.code, "did not take the test" in refused.err) == (1, True)
    monkeypatch.delenv("CALLFLOWS_ALERT_URL")
    assert "CALLFLOWS_ALERT_URL is not set" in run_command("alerts").err
    assert json.loads(request.body)["data"]["lines"] == []
