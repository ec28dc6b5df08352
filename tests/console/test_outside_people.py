"""People whom an OpenID provider or a trusted proxy has signed in, and those who only say so."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

import httpx
import pytest
from openid_provider import CLIENT_ID, CLIENT_SECRET, run_provider
from plain_browser import STRANGER, Browser, ConsoleInstallation
from pydantic import SecretStr

from callflows.errors import SettingsError
from callflows.settings import load_settings
from callflows.web.console.console_access import ATTEMPTS_PER_MINUTE
from each_case import each_case

ROLES = {"group:admins": "author", "group:support": "operator", "user:ann@example.com": "viewer"}


@pytest.fixture
def provider():
    with run_provider() as provider:
        yield provider


@pytest.fixture
def installation(tmp_path, provider):
    return ConsoleInstallation(
        tmp_path,
        console_oidc_issuer=provider.issuer,
        console_oidc_client_id=CLIENT_ID,
        console_oidc_client_secret=SecretStr(CLIENT_SECRET),
        console_roles=ROLES,
    )


def go_to_provider(browser: Browser, path: str = "/console/login/openid?next=/console/calls") -> str:
    """Begin to sign in; the path and query with which the provider sends the browser back."""
    sent = browser.ask(path)
    assert sent.status_code == 303, sent.text
    back = urlsplit(httpx.get(sent.headers["location"], trust_env=False).headers["location"])
    return f"{back.path}?{back.query}"


def test_a_person_signs_in_at_the_provider_with_the_role_of_the_table(installation, provider):
    browser = Browser(installation.app)
    assert "/console/login/openid?next=/console/" in browser.ask("/console/login").text
    done = browser.ask(go_to_provider(browser))
    assert done.headers["location"] == "/console/calls"
    page = browser.ask("/console/calls").text
    assert "ann@example.com" in page
    assert browser.ask("/console/flows/desk/edit").status_code == 403
    assert installation.list_audit() == [("ann@example.com", "signed in", f"console by OpenID, {STRANGER}")]
    assert provider.authorization["redirect_uri"] == "http://calls.example.org/console/login/openid/callback"


def test_the_highest_role_of_the_groups_counts_and_an_address_that_is_not_verified_does_not(installation, provider):
    provider.claims |= {"groups": ["support", "admins"]}
    browser = Browser(installation.app)
    browser.ask(go_to_provider(browser))
    assert browser.ask("/console/flows/desk/edit").status_code == 200
    provider.claims |= {"groups": [], "email_verified": False, "preferred_username": "ann@example.com"}
    other = Browser(installation.app)
    refused = other.ask(go_to_provider(other))
    assert (refused.status_code, "have no role here" in refused.text) == (403, True)
    assert other.ask("/console/calls").status_code == 303


def test_an_answer_counts_once_and_only_in_the_browser_that_asked(installation):
    browser, thief = Browser(installation.app), Browser(installation.app)
    back = go_to_provider(browser)
    go_to_provider(thief)
    assert "was not begun in this browser" in thief.ask(back).text
    cookies = httpx.Cookies(browser.cookies)
    assert browser.ask(back).status_code == 303
    browser.cookies = cookies
    assert "was used already" in browser.ask(back).text


@pytest.mark.parametrize(
    "changes",
    [{"iss": "http://127.0.0.1:1"}, {"aud": "another"}, {"exp": 1}, {"nonce": "of another sign-in"}, {"azp": "another"}],
    ids=lambda changes: next(iter(changes)),
)
def test_a_token_that_is_not_for_this_sign_in_is_refused(installation, provider, changes):
    provider.token_changes = changes
    browser = Browser(installation.app)
    refused = browser.ask(go_to_provider(browser))
    assert (refused.status_code, "is not valid" in refused.text) == (403, True)


def test_a_token_of_another_key_is_refused_and_a_new_key_of_the_provider_is_fetched(installation, provider, monkeypatch):
    monkeypatch.setattr("callflows.web.console.openid_sign_in._MIN_KEY_REFRESH_SECONDS", 0.0)
    browser = Browser(installation.app)
    assert browser.ask(go_to_provider(browser)).status_code == 303
    provider.rotate_key()
    assert browser.ask(go_to_provider(browser)).status_code == 303
    provider.key = provider.create_key()  # signs, and is not published
    assert browser.ask(go_to_provider(browser)).status_code == 403


def test_a_provider_whose_issuer_ends_with_a_slash_signs_people_in(installation, provider):
    provider.issuer += "/"
    browser = Browser(installation.app)
    assert browser.ask(go_to_provider(browser)).status_code == 303
    assert browser.ask("/console/calls").status_code == 200


def test_without_a_table_of_roles_a_name_gives_no_role_and_a_group_does(tmp_path, provider):
    installation = ConsoleInstallation(
        tmp_path,
        console_oidc_issuer=provider.issuer,
        console_oidc_client_id=CLIENT_ID,
        console_oidc_client_secret=SecretStr(CLIENT_SECRET),
    )
    provider.claims = {"sub": "author"}
    browser = Browser(installation.app)
    assert "have no role here" in browser.ask(go_to_provider(browser)).text
    provider.claims = {"sub": "author", "groups": ["viewer"]}
    assert browser.ask(go_to_provider(browser)).status_code == 303
    assert browser.ask("/console/flows/desk/edit").status_code == 403


def test_a_person_who_is_named_like_a_group_has_no_role_of_the_group_and_no_name_that_the_person_chose(tmp_path, provider):
    roles = {"group:phone-admins": "author", "user:support": "viewer", "*": "operator"}
    installation = ConsoleInstallation(
        tmp_path,
        console_oidc_issuer=provider.issuer,
        console_oidc_client_id=CLIENT_ID,
        console_oidc_client_secret=SecretStr(CLIENT_SECRET),
        console_roles=roles,
    )
    browser = Browser(installation.app)
    for claims in (
        {"sub": "phone-admins"},
        {"sub": "group:phone-admins"},
        {"sub": "4711", "groups": ["user:support", "*"]},
    ):
        provider.claims = {**claims, "preferred_username": "ann@example.com"}
        assert browser.ask(go_to_provider(browser)).status_code == 303
        assert browser.ask("/console/flows/desk/edit").status_code == 403
    assert [who for who, *_ in installation.list_audit()] == ["phone-admins", "group:phone-admins", "4711"]


@pytest.mark.usefixtures("_one_minute")
def test_attempts_at_the_provider_are_limited_as_those_with_a_password(installation):
    answers = [Browser(installation.app).ask("/console/login/openid") for _ in range(ATTEMPTS_PER_MINUTE + 1)]
    assert [answer.status_code for answer in answers] == [303] * ATTEMPTS_PER_MINUTE + [429]
    assert "Too many attempts" in answers[-1].text


def test_a_provider_that_is_away_is_told_and_others_are_not_kept_out(tmp_path):
    installation = ConsoleInstallation(tmp_path, console_oidc_issuer="http://127.0.0.1:1", console_oidc_client_id="x")
    refused = Browser(installation.app).ask("/console/login/openid")
    assert (refused.status_code, "did not answer" in refused.text) == (502, True)


PROXY = "10.0.0.7"


@pytest.fixture
def behind_proxy(tmp_path):
    return ConsoleInstallation(
        tmp_path,
        console_user_header="Remote-User",
        console_groups_header="Remote-Groups",
        trusted_proxies=[ipaddress.ip_network(f"{PROXY}/32")],
        console_roles=ROLES,
    )


def test_a_trusted_proxy_signs_people_in_and_nobody_else_does(behind_proxy):
    person = {"remote_user": "olga", "remote_groups": "staff, support", "x_forwarded_for": STRANGER}
    browser = Browser(behind_proxy.app, PROXY)
    assert browser.ask("/console/calls", **person).headers["location"] == "/console/login?next=/console/calls"
    assert browser.ask("/console/login?next=/console/calls", **person).headers["location"] == "/console/calls"
    assert "olga" in browser.ask("/console/calls", **person).text
    assert browser.ask("/console/flows/desk/edit", **person).status_code == 403
    assert browser.ask("/console/calls", remote_user="vera", remote_groups="support").status_code == 303
    assert browser.ask("/console/calls").status_code == 404
    assert "who has no role here" in browser.ask("/console/login", remote_user="eve").text
    stranger = Browser(behind_proxy.app)
    stranger.cookies = browser.cookies
    assert stranger.ask("/console/calls", **person).status_code == 404
    assert behind_proxy.list_audit() == [("olga", "signed in", f"console by a proxy, {STRANGER}")]


@each_case(
    ("settings", "message"),
    [
        ({"console_user_header": "Remote-User"}, "needs CALLFLOWS_TRUSTED_PROXIES"),
        ({"console_oidc_issuer": "https://login.example.com"}, "CONSOLE_OIDC_CLIENT_ID: must be set together"),
        ({"console_oidc_issuer": "http://login.example.com", "console_oidc_client_id": "x"}, "must begin with https://"),
        ({"console_roles": "group:admins=boss"}, "one of viewer, operator, author"),
        ({"console_roles": "admins=author"}, "must be group:NAME, user:NAME or"),
        ({"console_roles": "group:=author"}, "must be group:NAME, user:NAME or"),
    ],
)
def test_half_of_a_way_in_is_refused_with_the_fix(settings, message):
    with pytest.raises(SettingsError, match=message):
        load_settings(**settings)
