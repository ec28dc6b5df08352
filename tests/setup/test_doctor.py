"""``callflows doctor`` finds each fault, and says how to fix it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import shutil
import sqlite3
import ssl
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from callflows.cli.cli_options import build_command_options
from callflows.errors import SettingsError
from callflows.flows.loader.folder_loader import load_flow_folder
from callflows.journal.sql_store import SqlStore
from callflows.settings import Settings
from callflows.setup.doctor import local_checks
from callflows.setup.doctor.doctor_runner import (
    DoctorCheck,
    DoctorFinding,
    SharedFetch,
    run_doctor_checks,
    run_in_daemon_thread,
)
from callflows.setup.doctor.reachability_checks import diagnose_mail
from callflows.setup.server_probe import explain_unreachable_server
from cli.command_runner import run_command
from command_process import find_free_port
from effects.smtp_servers import run_smtp_server
from opentact.fake_opentact import AUTH_FAILURE_EVENT, CannedAnswer, create_session, error_answer
from setup.fake_account import DESK_FLOW, NUMBER, OTHER_NUMBER, OUR_TOKEN, THIRD_NUMBER, FakeAccount, install_account
from setup.server_process import run_server_of_flow
from waiting import join_thread, run_bounded

FLOW = DESK_FLOW.replace(", rest", "")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server that runs, with the token of these tests."""
    with run_server_of_flow(tmp_path_factory.mktemp("server"), FLOW, TOKEN=OUR_TOKEN) as url:
        yield url


def add_leases(account):
    account.add_lease(NUMBER)
    account.add_lease(OTHER_NUMBER)


@pytest.fixture(scope="module")
def connected(tmp_path_factory, server):
    """What ``callflows connect`` makes of an account, and the folder in which it remembers that."""
    there, folder = FakeAccount(), tmp_path_factory.mktemp("connected")
    with pytest.MonkeyPatch.context() as environment, install_account(there, folder, environment, FLOW):
        environment.setenv("CALLFLOWS_PUBLIC_URL", server)
        add_leases(there)
        assert run_command("connect", "--yes").code == 0
        app(there)["max_call_length_min"] = 240
    return there, folder / "data"


@pytest.fixture
def account(tmp_path, monkeypatch, server, connected):
    """An account that is connected, and an installation in which nothing is wrong."""
    there = FakeAccount()
    there.restore_rows(connected[0])
    shutil.copytree(connected[1], tmp_path / "data")
    there.routes["GET /"] = CannedAnswer("", 404, {"date": format_datetime(datetime.now(UTC), usegmt=True)})
    with install_account(there, tmp_path, monkeypatch, FLOW):
        monkeypatch.setenv("CALLFLOWS_PUBLIC_URL", server)
        yield there


def app(account):
    return next(iter(account.apps.values()))


def examined(*arguments):
    done = run_command("doctor", "--format", "json", *arguments)
    assert "Traceback" not in done.err
    assert OUR_TOKEN not in done.out + done.err
    results = json.loads(done.out)
    assert done.code == (1 if any(result["level"] == "error" for result in results) else 0)
    return results


def of(results, check):
    found = [result for result in results if result["check"] == check]
    assert found, f"{check} says nothing"
    return found


def worst(results, check):
    return max(of(results, check), key=lambda result: ["ok", "warning", "error"].index(result["level"]))


@pytest.mark.usefixtures("account")
def test_where_nothing_is_wrong_nothing_is_said_to_be():
    results = examined()
    doubtful = {result["check"]: result["found"] for result in results if result["level"] != "ok"}
    assert [*doubtful] == ["public-url"], "on this machine there is no TLS"
    assert {result["check"] for result in results} >= {"reachable", "closed", "token-known", "clock", "events", "numbers"}


def test_offline_asks_nobody(account):
    account.requests.clear()
    checks = {result["check"] for result in examined("--offline")}
    assert checks == {"settings", "token", "public-url", "secret-keys", "proxies", "data", "database", "flows"}
    assert account.requests == []
    assert account.connections == 0


@pytest.mark.usefixtures("account")
def test_for_people_there_is_a_line_each_and_the_fix_below(monkeypatch):
    monkeypatch.setenv("CALLFLOWS_TOKEN", "short")
    done = run_command("doctor", "--offline")
    assert done.code == 1
    assert "error    token" in done.out
    assert "→ make one by" in done.out
    assert "1 error(s)" in done.err
    assert "\x1b[" not in done.out


# A table of faults: settings


@pytest.mark.parametrize(
    ("given", "check", "level", "said"),
    [
        ({"TOKEN": ""}, "token", "error", "not set"),
        ({"TOKEN": "short"}, "token", "error", "has 5 characters"),
        ({"TOKEN": "changeme-changeme-changeme"}, "token", "error", "words that attackers try"),
        ({"TOKEN": "abcabcabcabcabcabcabcabc"}, "token", "error", "repeats itself"),
        ({"TOKEN": "abcdefghijklmnopqrstuvwxyz"}, "token", "error", "counts up or down"),
        ({"TOKEN": f"{OUR_TOKEN},short"}, "token", "error", "token 2 of 2"),
        ({"PUBLIC_URL": ""}, "public-url", "error", "not set"),
        ({"PUBLIC_URL": "http://calls.example.com"}, "public-url", "error", "does not use TLS"),
        ({"PUBLIC_URL": "http://127.0.0.1:1"}, "public-url", "warning", "this machine"),
        ({"PUBLIC_URL": "https://calls.example.com"}, "public-url", "ok", "uses TLS"),
        ({"WORKERS": "4"}, "secret-keys", "warning", "4 workers"),
        ({"PUBLIC_URL": "https://calls.example.com"}, "proxies", "warning", "TRUSTED_PROXIES is empty"),
        (
            {"PUBLIC_URL": "https://calls.example.com", "ALLOWED_SOURCES": "72.21.26.35/32"},
            "proxies",
            "error",
            "ALLOWED_SOURCES",
        ),
        ({"PUBLIC_URL": "https://x.example.com", "TRUSTED_PROXIES": "10.0.0.0/8"}, "proxies", "ok", "1 network"),
        ({"TOKNE": "x"}, "settings", "warning", "CALLFLOWS_TOKNE is not a setting"),
        ({"FLOWS": "nowhere"}, "flows", "error", "no such folder"),
        ({"DATA": "callflows/desk.yaml"}, "data", "error", "cannot be"),
        ({"DATA": "callflows/desk.yaml/x"}, "data", "error", "cannot be created"),
        ({"DATABASE_URL": "postgresql://nobody:pw-of-it@127.0.0.1:9/x"}, "database", "error", "cannot be written"),
        ({"DATABASE_URL": "sqlite:///callflows/desk.yaml"}, "database", "error", "cannot be written"),
    ],
)
@pytest.mark.usefixtures("account")
def test_a_fault_of_the_settings_is_found(monkeypatch, given, check, level, said):
    for name, value in given.items():
        monkeypatch.setenv(f"CALLFLOWS_{name}", value)
    results = examined("--offline")
    found = worst(results, check)
    assert (found["level"], said in found["found"]) == (level, True), found
    assert level == "ok" or found["fix"]
    assert "pw-of-it" not in json.dumps(results)


@pytest.mark.parametrize(
    "secret", ["0d9f4b0e5a3c1d78", "Qx2_kP9-vR7tLm4wZs8yBn3c", "3f1c2a9e-7b4d-4e8a-9c6f-1d2e3a4b5c6d", OUR_TOKEN]
)
def test_a_random_secret_is_not_called_weak(secret):
    assert local_checks.explain_weak_secret(secret) == ""


@pytest.mark.parametrize(("free", "level"), [(2**40, "ok"), (400 * 2**20, "warning"), (2**20, "error")])
def test_a_disk_that_is_nearly_full_is_said(tmp_path, free, level):
    (found,) = local_checks.diagnose_data_folder(Settings(data=tmp_path), lambda _: (2**40, 0, free))
    assert found.level == level


def test_a_database_is_written_to_where_it_has_tables_and_left_alone_where_not(tmp_path):
    settings = Settings(data=tmp_path)
    file = tmp_path / "callflows.db"
    assert "is created when the server starts" in next(local_checks.diagnose_database(settings)).found
    assert not file.exists()
    file.touch()
    assert "is empty" in next(local_checks.diagnose_database(settings)).found
    store = SqlStore(settings.journal_url)
    store.open()
    store.close()
    (found,) = local_checks.diagnose_database(settings)
    assert (found.level, "can be written" in found.found) == ("ok", True)


def test_a_database_that_the_log_refuses_is_an_error(tmp_path):
    settings = Settings(data=tmp_path)
    store = SqlStore(settings.journal_url)
    store.open()
    store.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "callflows.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    (found,) = local_checks.diagnose_database(settings)
    assert (found.level, "newer callflows" in found.found) == ("error", True)


@pytest.mark.parametrize(
    ("flow", "level", "said"),
    [
        (FLOW.replace("hangup", "hangupp"), "error", "hangupp"),
        (FLOW.replace("hangup]}", "{goto: end}], end: [hangup], lost: [hangup]}"), "warning", "lost"),
    ],
)
@pytest.mark.usefixtures("account")
def test_flows_that_are_wrong_are_told_with_their_place(tmp_path, flow, level, said):
    (tmp_path / "callflows" / "desk.yaml").write_text(flow)
    found = worst(examined("--offline"), "flows")
    assert found["level"] == level
    assert "desk.yaml:2:" in found["found"]
    assert said in found["found"]


# A table of faults: the app, its numbers, its events


def one_lease(account, number=NUMBER):
    return next(row for row in account.leases.values() if row["tn"]["tn"] == int(number[1:]))


def one_subscription(account):
    return next(iter(account.subscriptions.values()))


def given(change):
    """A fault made by a change of the app's fields."""
    return lambda account: app(account).update(change)


@pytest.mark.parametrize(
    ("fault", "check", "level", "said"),
    [
        (
            given({"call_flow_url": "https://old.example.com/x?key=s3cret"}),
            "app",
            "error",
            "https://old.example.com/x?key=…",
        ),
        (given({"call_flow_url": None}), "app", "error", "requests nothing"),
        (given({"call_flow_method": "GET"}), "app", "warning", "only with POST"),
        (given({"is_active": False}), "app", "error", "not active"),
        (given({"webhook_url": None}), "app", "warning", "sends call states to nothing"),
        (lambda account: account.apps.clear(), "app", "error", "no app of the account"),
        (given({"call_flow_request_timeout": None}), "timeout", "error", "without end"),
        (given({"call_flow_request_timeout": 0}), "timeout", "error", "turns it off"),
        (given({"call_flow_request_timeout": 10_001}), "timeout", "warning", "10,001 ms"),
        (given({"call_flow_request_timeout": 2_000}), "timeout", "error", "gives up before"),
        (lambda account: app(account).pop("call_flow_request_timeout"), "timeout", "warning", "does not report"),
        (given({"max_call_length_min": None}), "call-length", "warning", "not limited"),
        (lambda account: account.leases.clear(), "numbers", "error", "is not a number of the account"),
        (lambda account: one_lease(account).update(sip_control_app=None), "numbers", "error", "belongs to no app"),
        (
            lambda account: one_lease(account).update(sip_control_app=account.add_app(name="other")),
            "numbers",
            "error",
            "belongs to the app 'other'",
        ),
        (lambda account: one_lease(account).update(sip_connection="trunk-1"), "numbers", "error", "SIP connection trunk-1"),
        (lambda account: account.add_lease(THIRD_NUMBER, app(account)["uuid"]), "numbers", "error", "no flow claims"),
        (lambda account: account.subscriptions.clear(), "subscriptions", "error", "there is no subscription"),
        (lambda account: one_subscription(account).update(is_active=False), "subscriptions", "error", "not active"),
        (
            lambda account: one_subscription(account).update(expired_on="2026-03-06T00:00:00Z"),
            "subscriptions",
            "error",
            "has ended",
        ),
        (
            lambda account: one_subscription(account).update(expired_on="2026-01-01T00:00:00Z"),
            "subscriptions",
            "warning",
            "does not document",
        ),
        (
            lambda account: one_subscription(account).update(
                expired_on=(datetime.now(UTC) + timedelta(days=2)).isoformat()
            ),
            "subscriptions",
            "warning",
            "ends on",
        ),
        (lambda account: account.sessions.__setitem__(0, refusing), "events", "error", "failed auth"),
        (lambda account: account.sessions.__setitem__(0, hanging_up), "events", "error", "after callflows sent the token"),
        (lambda account: setattr(account, "accepts", lambda _: False), "credentials", "error", "CALLFLOWS_OPENTACT_TOKEN"),
        (
            lambda account: account.routes.update({"GET /sip/app": error_answer(402, "no money")}),
            "credentials",
            "error",
            "no money",
        ),
    ],
)
def test_a_fault_at_opentact_is_found(account, fault, check, level, said):
    fault(account)
    results = examined()
    found = worst(results, check)
    assert (found["level"], said in found["found"]) == (level, True), found
    assert level == "ok" or found["fix"]
    assert "s3cret" not in json.dumps(results)


async def refusing(connection):
    await connection.send(json.dumps(AUTH_FAILURE_EVENT))
    await connection.wait_closed()


async def hanging_up(_connection):
    return


def test_an_event_that_comes_before_the_welcome_is_no_welcome_and_no_failure(account):
    async def late(connection):
        await connection.send("no json")
        await connection.send(json.dumps({"type": "call_state", "timestamp": "2026-03-05T16:30:00Z", "payload": {}}))
        await create_session()(connection)

    account.sessions[0] = late
    assert worst(examined(), "events")["level"] == "ok"


@pytest.mark.parametrize(
    ("flow", "auto_answer", "level"),
    [
        ("false", True, "warning"),
        ("true", True, "warning"),
        ("auto", True, "ok"),
        ("false", False, "ok"),
        ("true", None, "ok"),
    ],
)
def test_who_answers_the_line_is_compared(account, tmp_path, flow, auto_answer, level):
    (tmp_path / "callflows" / "desk.yaml").write_text(f"{FLOW}auto_answer: {flow}\n")
    app(account)["auto_answer"] = auto_answer
    assert worst(examined(), "answering")["level"] == level


@pytest.mark.parametrize(
    ("steps", "lease", "level"),
    [
        ("{sms: We are open.}", {"features": ["voice"]}, "error"),
        ("{sms: We are open.}", {"messaging_profile": None}, "error"),
        ("{sms: We are open.}", {"messaging_profile": {"uuid": "p"}}, "ok"),
        ("{sms: We are open.}", {"subscriptions": []}, "error"),
        ("{sms: We are open.}", {"subscriptions": [{"type": "sms", "messaging_profile": {"uuid": "p"}}]}, "ok"),
        ("{sms: We are open.}", {"messaging_profile": "p", "sms_campaign": None}, "warning"),
        ("{sms: We are open.}", {"messaging_profile": "p", "sms_campaign": "c"}, "ok"),
        ('{set: {sms: "1"}}', {"features": ["voice"]}, "ok"),
    ],
)
def test_numbers_that_shall_send_must_be_able_to(account, tmp_path, steps, lease, level):
    (tmp_path / "callflows" / "desk.yaml").write_text(FLOW.replace("[hangup]", f"[{steps}, hangup]"))
    one_lease(account).update(lease)
    assert worst(examined(), "messages")["level"] == level


READING = FLOW.replace("nodes:", "messages: [{keyword: HOURS, reply: We are open.}]\nnodes:")


@pytest.mark.parametrize(
    ("lease", "callback", "level"),
    [
        ({"messaging_profile": None}, "", "error"),
        ({"features": ["voice"]}, "", "error"),
        ({"messaging_profile": "p", "sms_campaign": "c"}, "https://other.example.com/sms", "error"),
        ({"messaging_profile": "p", "sms_campaign": "c"}, None, "error"),
        ({"messaging_profile": "p", "sms_campaign": "c"}, "ours", "ok"),
        ({"subscriptions": [{"messaging_profile": {"uuid": "p"}, "sms_campaign": None}]}, "ours", "warning"),
    ],
)
def test_numbers_that_read_texts_have_them_on_with_a_campaign_and_our_callback(
    account, server, tmp_path, lease, callback, level
):
    (tmp_path / "callflows" / "desk.yaml").write_text(READING)
    one_lease(account).update(lease)
    url = f"{server}/sms?token={OUR_TOKEN}" if callback == "ours" else callback
    account.profiles["p"] = {"uuid": "p", "name": "main", "callback_url": url}
    assert worst(examined(), "messages")["level"] == level


def test_a_token_of_opentact_that_ends_soon_is_said(account, monkeypatch):
    def token(left):
        end = int((datetime.now(UTC) + left).timestamp())
        return f"e30.{base64.urlsafe_b64encode(json.dumps({'exp': end}).encode()).decode().rstrip('=')}.sig"

    account.accepts = lambda _: True
    for left, level in ((timedelta(days=90), "ok"), (timedelta(days=2), "warning"), (-timedelta(days=1), "warning")):
        monkeypatch.setenv("CALLFLOWS_OPENTACT_TOKEN", token(left))
        assert worst(examined(), "credentials")["level"] == level
    monkeypatch.setenv("CALLFLOWS_OPENTACT_EMAIL", "desk@example.org")
    monkeypatch.setenv("CALLFLOWS_OPENTACT_PASSWORD", "s3same-open")
    assert worst(examined(), "credentials")["level"] == "ok", "it is renewed"


@pytest.mark.usefixtures("account")
def test_without_credentials_all_that_needs_them_says_where_to_look(monkeypatch):
    monkeypatch.setenv("CALLFLOWS_OPENTACT_TOKEN", "")
    results = examined()
    assert worst(results, "credentials")["level"] == "error"
    for check in ("app", "timeout", "numbers", "subscriptions", "events"):
        assert worst(results, check)["found"] == "not checked: first fix credentials"


def test_an_opentact_that_is_not_there_is_an_error_and_the_rest_is_told(account, monkeypatch):
    monkeypatch.setenv("CALLFLOWS_OPENTACT_URL", f"http://127.0.0.1:{find_free_port()}")
    results = examined()
    assert worst(results, "credentials")["level"] == "error"
    assert worst(results, "clock")["level"] == "error"
    assert worst(results, "reachable")["level"] == "ok"
    assert worst(results, "flows")["level"] == "ok"
    assert account.count_requests("GET /sip/app") == 0


@pytest.mark.parametrize(
    ("off", "level"), [(0, "ok"), (60, "warning"), (-60, "warning"), (600, "error"), (-600, "error"), (None, "warning")]
)
def test_a_clock_that_is_off_is_said(account, off, level):
    moment = datetime.now(UTC) + timedelta(seconds=off or 0)
    headers = {"date": format_datetime(moment, usegmt=True)} if off is not None else {}
    account.routes["GET /"] = CannedAnswer("", 404, headers)
    assert worst(examined(), "clock")["level"] == level


# A table of faults: the server as others see it


@pytest.mark.usefixtures("account")
def test_a_server_that_does_not_answer_is_said_with_where_to_look(monkeypatch, server):
    monkeypatch.setenv("CALLFLOWS_PUBLIC_URL", f"http://127.0.0.1:{find_free_port()}")
    monkeypatch.setenv("CALLFLOWS_PORT", str(find_free_port()))
    assert "does not run here either" in worst(examined(), "reachable")["fix"]
    monkeypatch.setenv("CALLFLOWS_PORT", server.rpartition(":")[2])
    assert "the server itself answers" in worst(examined(), "reachable")["fix"]


@pytest.mark.usefixtures("account")
def test_an_app_with_another_token_than_the_settings_is_said(monkeypatch):
    monkeypatch.setenv("CALLFLOWS_TOKEN", "another-token-that-nobody-can-guess-9")
    assert "with a token that is not in CALLFLOWS_TOKEN" in worst(examined(), "app")["found"]


@pytest.mark.parametrize("rest", ["-and-more", ""])
def test_a_server_that_runs_with_another_token_than_the_settings_is_said(account, monkeypatch, somebody, rest):
    monkeypatch.setenv("CALLFLOWS_PUBLIC_URL", f"http://127.0.0.1:{somebody.server_port}")
    somebody.knows = f"{OUR_TOKEN}{rest}"
    found = worst(examined(), "token-known")
    assert (found["level"], account.connections) == ("error" if rest else "ok", 1)


class Somebody(BaseHTTPRequestHandler):
    """Somebody else's server, which answers everything; where it ``knows`` a token, strangers get no metrics."""

    def do_GET(self):
        if (
            self.path.startswith("/metrics")
            and getattr(self.server, "knows", OUR_TOKEN) != self.path.partition("token=")[2]
        ):
            self.send_response(403)
            self.send_header("content-type", "application/problem+json")
            self.end_headers()
            return
        self.send_response(200 if self.path != "/moved/healthz" else 302)
        self.send_header("location", "https://elsewhere.example.com/")
        self.end_headers()
        self.wfile.write(b"<html>hello</html>")

    do_POST = do_GET  # noqa: N815 - as http.server calls it

    def log_message(self, *_):
        pass


@pytest.fixture
def somebody():
    served = HTTPServer(("127.0.0.1", 0), Somebody)
    thread = threading.Thread(target=served.serve_forever)
    thread.start()
    yield served
    served.shutdown()
    join_thread(thread)
    served.server_close()


@pytest.mark.usefixtures("account")
def test_somebody_elses_server_at_the_public_url_is_said(monkeypatch, somebody):
    monkeypatch.setenv("CALLFLOWS_PUBLIC_URL", f"http://127.0.0.1:{somebody.server_port}")
    results = examined()
    assert "another server answers there" in worst(results, "reachable")["found"]
    assert "with status 200" in worst(results, "closed")["found"]
    monkeypatch.setenv("CALLFLOWS_PUBLIC_URL", f"http://127.0.0.1:{somebody.server_port}/moved")
    assert "redirects to another URL" in worst(examined(), "reachable")["found"]


def test_a_certificate_that_is_not_valid_is_said(somebody, tmp_path):
    certificate = tmp_path / "certificate.pem"
    certificate.write_bytes(self_signed())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    somebody.socket = context.wrap_socket(somebody.socket, server_side=True)
    why = run_bounded(explain_unreachable_server(f"https://127.0.0.1:{somebody.server_port}"))
    assert "certificate is not valid" in why


def self_signed():
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "calls.example.com")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, form, plain)
    return private + made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


# Checks themselves


async def fine():
    return [DoctorFinding("ok", "fine")]


async def broken():
    raise ZeroDivisionError("by hand")


async def slow():
    await asyncio.sleep(1000)
    return []


async def blocked():
    return await run_in_daemon_thread(threading.Event().wait) or []


async def refused():
    raise SettingsError("nothing is set")


def test_a_check_that_breaks_or_hangs_is_reported_and_takes_no_other_with_it():
    checks = [
        DoctorCheck("broken", broken),
        DoctorCheck("slow", slow, timeout_seconds=0.05),
        DoctorCheck("blocked", blocked, timeout_seconds=0.05),
        DoctorCheck("refused", refused),
        DoctorCheck("fine", fine),
    ]
    results = {result.check: result for result in run_bounded(run_doctor_checks(checks))}
    assert {name: result.level for name, result in results.items()} == {
        "broken": "error",
        "slow": "error",
        "blocked": "error",
        "refused": "warning",
        "fine": "ok",
    }
    assert "ZeroDivisionError: by hand" in results["broken"].found
    assert results["broken"].fix == "please report it"


def test_what_several_checks_ask_is_asked_once_also_where_it_fails():
    asked = []

    async def ask():
        asked.append(1)
        raise SettingsError("nothing is set")

    async def both():
        once = SharedFetch(ask)
        return await asyncio.gather(once(), once(), return_exceptions=True)

    assert [type(found) for found in run_bounded(both())] == [SettingsError, SettingsError]
    assert asked == [1]


@pytest.mark.parametrize(
    ("steps", "password", "level", "said"),
    [
        ("mail: office@example.com", None, "error", "CALLFLOWS_SMTP_URL is not set, and these flows send mails: desk"),
        ("say: Hello.", None, "ok", "no flow sends mails"),
        ("mail: office@example.com", "right", "ok", "takes mails from phone@example.com"),
        ("mail: office@example.com", "wrong", "error", "535"),
    ],
)
@pytest.mark.filterwarnings("ignore:Requiring AUTH")
def test_a_mail_server_that_does_not_take_the_login_is_said(steps, password, level, said, tmp_path):
    (tmp_path / "desk.yaml").write_text(f"numbers: rest\nnodes:\n  start:\n    - {steps}\n    - say: Hello.\n")
    with run_smtp_server(needs_login=True) as (_, address):
        url = f"smtp://phone@{address}" if password else ""
        settings = Settings(_env_file=None, smtp_url=url, smtp_password=password or "", mail_from="phone@example.com")

        async def load():
            return load_flow_folder(tmp_path, build_command_options(settings))

        (found,) = run_bounded(diagnose_mail(settings, load))
    assert (found.level, said in found.found) == (level, True), found
