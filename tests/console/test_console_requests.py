"""Requests of the console without a browser: who may sign in, what a role may do, and which requests are forged."""

from __future__ import annotations

import hashlib
import ipaddress
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from plain_browser import PASSWORD, Browser, ConsoleInstallation
from pydantic import SecretStr

from callflows.installation_parts import load_secret_keys
from callflows.server import create_app
from callflows.web.console.console_access import ATTEMPTS_PER_MINUTE
from callflows.web.console.console_accounts import (
    SHARED_NAME,
    ConsoleAccounts,
    ConsoleUser,
    read_console_users,
    write_console_user,
)
from callflows.web.console.console_sessions import SESSION_COOKIE, SessionSigner
from callflows.web.console.page_rendering import SECURITY_HEADERS
from callflows.web.console.vendored_scripts import VENDORED_SCRIPTS
from plain_http_server import serve_pages


@pytest.fixture
def open_installation(tmp_path):
    return lambda **settings: ConsoleInstallation(tmp_path, **settings)


def test_without_a_password_and_people_the_console_is_off_for_others(open_installation):
    installation = open_installation()
    assert Browser(installation.app).ask("/console/").status_code == 404
    assert Browser(installation.app).sign_in().status_code == 404
    here = Browser(installation.app, "127.0.0.1", "localhost:8000").ask("/console/login")
    assert here.status_code == 200
    assert "has no password yet" in here.text


def test_a_link_of_serve_signs_in_once_and_only_on_this_machine(open_installation):
    installation = open_installation()
    link = f"/console/login/link?code={SessionSigner(load_secret_keys(installation.settings)).sign_link()}"
    assert Browser(installation.app).ask(link).status_code == 404
    here = Browser(installation.app, "127.0.0.1", "localhost:8000")
    assert here.ask(link).headers["location"] == "/console/"
    assert here.ask("/console/calls").status_code == 200
    assert Browser(installation.app, "127.0.0.1", "localhost:8000").ask(link).status_code == 403
    moved = Browser(installation.app)
    moved.cookies = here.cookies
    assert moved.ask("/console/calls").status_code == 404
    assert installation.list_audit() == [("this machine", "signed in", "console, 127.0.0.1")]


def test_the_shared_password_opens_and_a_wrong_one_does_not(open_installation):
    browser = Browser(open_installation(console_password=SecretStr(PASSWORD)).app)
    asked = browser.ask("/console/calls?flow=desk")
    assert asked.headers["location"] == "/console/login?next=/console/calls%3Fflow%3Ddesk"
    assert browser.sign_in("", "wrong password").status_code == 403
    cookie = browser.sign_in().headers["set-cookie"]
    assert {"HttpOnly", "SameSite=lax", "Path=/console", "Max-Age=43200"} <= {*cookie.split("; ")}
    assert browser.ask("/console/calls").status_code == 200


def test_people_have_roles_and_their_sessions_end_with_their_password(open_installation):
    installation = open_installation()
    write_console_user(installation.people, "vera", "viewer", PASSWORD)
    write_console_user(installation.people, "olga", "operator", PASSWORD)
    assert PASSWORD not in installation.people.read_text()
    assert installation.people.stat().st_mode & 0o077 == 0
    vera, olga = Browser(installation.app), Browser(installation.app)
    vera.sign_in("vera")
    olga.sign_in("olga")
    refused = vera.ask("/console/calls/one/notes", {"form_token": vera.read_form_token(), "text": "x"})
    assert (refused.status_code, "this needs the role operator" in refused.text) == (403, True)
    assert olga.ask("/console/flows/desk/edit").status_code == 403
    assert vera.ask("/console/hours/desk/office").status_code == 403
    assert olga.ask("/console/calls/one/notes", {"form_token": olga.read_form_token(), "text": "x"}).status_code == 404
    write_console_user(installation.people, "olga", "operator", "another long password")
    assert olga.ask("/console/calls").status_code == 303
    assert read_console_users(installation.people)["vera"].role == "viewer"


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "", "origin": "https://elsewhere.example"},
        {"sec_fetch_site": ""},
    ],
)
def test_a_request_that_another_site_has_sent_changes_nothing(open_installation, headers):
    browser = Browser(open_installation(console_password=SecretStr(PASSWORD)).app)
    browser.sign_in()
    token = browser.read_form_token()
    assert browser.ask("/console/logout", {"form_token": token}, **headers).status_code == 403
    assert browser.ask("/console/logout", {"form_token": "0" * 32}).status_code == 403
    assert browser.ask("/console/calls").status_code == 200


def test_who_signs_out_is_out_wherever_a_copy_of_the_cookie_is(open_installation):
    installation = open_installation(console_password=SecretStr(PASSWORD))
    browser, thief = Browser(installation.app), Browser(installation.app)
    browser.sign_in()
    thief.cookies = httpx.Cookies(browser.cookies)
    browser.ask("/console/logout", {"form_token": browser.read_form_token()})
    assert thief.ask("/console/calls").status_code == 303
    assert [action for _, action, _ in installation.list_audit()] == ["signed in", "signed out"]


def test_the_audit_log_has_the_address_of_the_person_and_not_of_the_trusted_proxy(open_installation):
    proxies = (ipaddress.ip_network("10.0.0.0/8"),)
    installation = open_installation(console_password=SecretStr(PASSWORD), trusted_proxies=proxies)
    browser = Browser(installation.app, "10.0.0.7")
    reply = browser.ask("/console/login", {"password": PASSWORD}, x_forwarded_for="203.0.113.77", x_forwarded_proto="https")
    assert "secure" in reply.headers["set-cookie"].lower()
    assert installation.list_audit() == [("console", "signed in", "console, 203.0.113.77")]


def test_a_wrong_password_still_leads_to_the_wanted_page_later(open_installation):
    browser = Browser(open_installation(console_password=SecretStr(PASSWORD)).app)
    reply = browser.ask("/console/login", {"password": "not this one", "next": "/console/calls?q=Bo"})
    assert (reply.status_code, 'name="next" value="/console/calls?q=Bo"' in reply.text) == (403, True)


@pytest.mark.parametrize(("seconds", "holds"), [(-3 * 3600, True), (-2, True), (11 * 3600, True), (13 * 3600, False)])
def test_a_session_holds_if_the_clock_was_set_back_or_is_another_servers(monkeypatch, seconds, holds):
    signer = SessionSigner([b"a key of the console"])
    cookie = signer.sign_session(ConsoleUser("ann", "author"))
    now = time.time() + seconds
    monkeypatch.setattr("callflows.web.console.console_sessions.time.time", lambda: now)
    assert (signer.read_session(cookie) is not None) is holds


def test_a_cookie_does_not_let_its_holder_guess_the_password(open_installation):
    installation = open_installation(console_password=SecretStr(PASSWORD))
    user = ConsoleAccounts(PASSWORD, installation.people).find_user(SHARED_NAME)
    keys = load_secret_keys(installation.settings)
    signed = SessionSigner(keys).read_session(SessionSigner(keys).sign_session(user))
    assert SessionSigner([b"another key", *keys]).has_current_stamp(signed, user)
    assert not SessionSigner([b"another key"]).has_current_stamp(signed, user)
    assert not SessionSigner(keys).has_current_stamp(signed, user._replace(stamp="of another password"))


@pytest.mark.usefixtures("_one_minute")
def test_attempts_are_limited_also_with_the_right_password_and_for_all_processes(open_installation):
    installation = open_installation(console_password=SecretStr(PASSWORD))
    browser = Browser(installation.app)
    codes = [browser.sign_in(password=f"wrong password {number}").status_code for number in range(ATTEMPTS_PER_MINUTE)]
    again = Browser(create_app(installation.settings)).sign_in()
    assert {*codes} == {403}
    assert (again.status_code, "Wait a minute" in again.text) == (429, True)
    assert Browser(installation.app, "203.0.113.10").sign_in().status_code == 303


@pytest.mark.parametrize("wanted", ["//elsewhere.example/", "https://elsewhere.example/", "/console/\\x", "/call"])
def test_signing_in_leads_to_no_other_site(open_installation, wanted):
    browser = Browser(open_installation(console_password=SecretStr(PASSWORD)).app)
    reply = browser.ask("/console/login", {"password": PASSWORD, "next": wanted})
    assert reply.headers["location"] == "/console/"


def test_every_answer_has_the_security_headers_and_no_page_has_inline_script_or_style(open_installation):
    browser = Browser(open_installation(console_password=SecretStr(PASSWORD)).app)
    browser.sign_in()
    for path in ("/console/login", "/console/calls", "/console/static/console.css", "/console/nothing"):
        reply = browser.ask(path)
        assert {name: reply.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
        assert not re.search(r"<style|<script(?! src)| style=| on\w+=|javascript:", reply.text)
    assert "unsafe" not in SECURITY_HEADERS["content-security-policy"]


def test_a_forged_cookie_is_no_session(open_installation):
    installation = open_installation(console_password=SecretStr(PASSWORD))
    browser = Browser(installation.app)
    browser.sign_in()
    signed = browser.cookies[SESSION_COOKIE]
    # The last character has bits that mean nothing.
    forged = f"{signed[:-5]}{'a' if signed[-5] != 'a' else 'b'}{signed[-4:]}"
    browser.cookies = httpx.Cookies({SESSION_COOKIE: forged})
    assert browser.ask("/console/calls").status_code == 303


@pytest.mark.parametrize("name", VENDORED_SCRIPTS)
def test_a_script_of_others_is_the_one_in_the_table(name):
    script = Path(__file__).parents[2] / "app" / "callflows" / "web" / "console" / "static" / name
    assert hashlib.sha256(script.read_bytes()).hexdigest() == VENDORED_SCRIPTS[name].sha256


def test_a_recording_is_played_through_the_server_in_ranges_and_nothing_but_a_sound(open_installation):
    sound = b"RIFF" + bytes(range(200))
    telephone_mp3 = b"\xff\xe3" + bytes(range(200))
    pages = {"/one.wav": sound, "/mp3.wav": telephone_mp3, "/page.wav": b"<html>not a sound"}
    with serve_pages(pages) as records:
        installation = open_installation(
            console_password=SecretStr(PASSWORD), private_lookups=(ipaddress.ip_network("127.0.0.0/8"),)
        )
        for name in ("one", "mp3", "page"):
            sql = "INSERT INTO recordings (id, call, at, url, raw) VALUES (:id, 'call', 1.0, :url, '{}')"
            installation.run_sql(sql, id=name, url=f"{records.url}/{name}.wav")
        browser = Browser(installation.app)
        assert browser.ask("/console/recordings/one/sound").status_code == 303
        browser.sign_in()
        whole = browser.ask("/console/recordings/one/sound")
        assert (whole.content, whole.headers["content-type"]) == (sound, "audio/wav")
        part = browser.ask("/console/recordings/one/sound", range="bytes=4-7")
        assert (part.status_code, part.content) == (206, sound[4:8])
        assert part.headers["content-range"] == f"bytes 4-7/{len(sound)}"
        assert browser.ask("/console/recordings/one/sound", range="bytes=-2").content == sound[-2:]
        assert browser.ask("/console/recordings/one/sound", range="bytes=999-").status_code == 416
        assert browser.ask("/console/recordings/mp3/sound").headers["content-type"] == "audio/mpeg"
        assert browser.ask("/console/recordings/page/sound").status_code == 502
        assert browser.ask("/console/recordings/none/sound").status_code == 404
        assert len(records.requests) == 3


def test_the_list_of_calls_has_the_days_that_people_ask_for(open_installation):
    installation = open_installation(console_password=SecretStr(PASSWORD))
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = {days: today - timedelta(days=days) for days in range(9)}
    for ago, begin in days.items():
        sql = "INSERT INTO calls (id, number, started) VALUES (:id, '+12015550123', :started)"
        installation.run_sql(sql, id=str(ago), started=begin.timestamp() + 1)
    browser = Browser(installation.app)
    browser.sign_in()

    def list_days(period: str) -> list[int]:
        return sorted(int(row["id"]) for row in browser.ask(f"/console/calls.json?period={period}").json()["items"])

    assert (list_days("today"), list_days("yesterday")) == ([0], [1])
    assert list_days("week") == [*range(today.weekday() + 1)]
    assert list_days("7d") == [*range(8)]


def test_a_refused_answer_to_a_text_leads_to_a_page_that_says_why_and_can_be_loaded_again(open_installation):
    installation = open_installation(console_password=SecretStr(PASSWORD), opentact_token=SecretStr("token"))
    installation.run_sql(
        "INSERT INTO messages (id, direction, sender, recipient, text, at) "
        "VALUES ('one', 'in', '+12015550931', '+12015550123', 'Are you open?', 1.0)"
    )
    browser = Browser(installation.app)
    browser.sign_in()
    page = "/console/texts/+12015550123/+12015550931"
    sent = {"form_token": browser.read_form_token(), "text": " "}
    landed = browser.act(page, sent)
    assert landed != page
    for _load in ("the first", "again"):
        assert re.search(r'role="alert"[^>]*>A text has 1 to \d+ characters\.<', browser.ask(landed).text)
    assert "Are you open?" in browser.ask(landed).text
    assert "made up" not in browser.ask(f"{page}?refused=made+up").text


def test_a_search_that_takes_long_says_how_far_it_has_looked_and_its_page_looks_further(open_installation, monkeypatch):
    monkeypatch.setattr("callflows.web.console.call_pages.SEARCH_SECONDS", 0.0)
    monkeypatch.setattr("callflows.journal.call_search.FIRST_BLOCK_CALLS", 3)
    installation = open_installation(console_password=SecretStr(PASSWORD))
    for number in range(8):
        row = {"id": str(number), "name": "Bo Chen" if number in (0, 3) else "", "at": 1_790_000_000.0 + number}
        installation.run_sql("INSERT INTO calls (id, number, name, started) VALUES (:id, '', :name, :at)", **row)
    browser = Browser(installation.app)
    browser.sign_in()
    address, pages = "/console/calls?q=bo", []
    while address:
        page = browser.ask(address).text
        pages.append((page.count('class="row"'), "back to <time" in page))
        found = re.search(r'rel="next" href="([^"]+)"', page)
        address = found[1].replace("&amp;", "&") if found else ""
        assert ('hx-trigger="load"' in page) == (bool(address) and not pages[-1][0])
    assert pages == [(0, True), (1, True), (0, True), (1, False)]
