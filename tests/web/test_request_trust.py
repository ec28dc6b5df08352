"""Requests that the server accepts, and requests that it refuses."""

from __future__ import annotations

import json

import pytest
from in_process_server import (
    CALL_FIELDS,
    LOCAL_ADDRESS,
    OPENTACT_ADDRESS,
    InProcessServer,
    build_settings,
    list_callback_urls,
    list_spoken_texts,
    read_document,
    send_asgi_request,
)

from callflows.probe_tokens import make_probe_token
from callflows.web.request_trust import RequestTrust

TOKENS = ["first-token", "zweites-Tökèn-☎", "third_token-%&+"]


def refused(reply) -> str:
    assert reply.status_code == 403
    assert reply.headers["content-type"] == "application/problem+json"
    problem = json.loads(reply.content)
    assert (problem["status"], problem["title"]) == (403, "Forbidden")
    return problem["detail"]


def with_token(token: str, **more: str) -> dict[str, str]:
    return {**CALL_FIELDS, "token": token, **more}


# Tokens


@pytest.mark.parametrize("token", TOKENS)
def test_any_of_the_tokens_opens_the_door_from_anywhere(tmp_path, token):
    door = InProcessServer(tmp_path, token=TOKENS)
    assert list_spoken_texts(read_document(door.send_request(client="203.0.113.9", params=with_token(token))))


@pytest.mark.parametrize(
    "token", ["", "wrong", "first-toke", "first-token ", "FIRST-TOKEN", "first-token,third_token", "zweites-T", "\x00", "☎"]
)
def test_a_wrong_token_is_refused_even_to_this_machine(tmp_path, token):
    door = InProcessServer(tmp_path, token=TOKENS)
    assert "token" in refused(door.send_request(params=with_token(token)))


def test_a_missing_token_is_refused(tmp_path):
    door = InProcessServer(tmp_path, token=["t"])
    assert "token" in refused(door.send_request())
    assert "token" in refused(door.send_request(method="POST", json={"token": "t"}))
    assert "token" in refused(door.send_request(headers={"authorization": "Bearer t", "x-token": "t", "cookie": "token=t"}))


def test_the_first_of_two_tokens_counts_and_a_later_one_cannot_shadow_it(tmp_path):
    door = InProcessServer(tmp_path, token=["t"])
    assert send_asgi_request(door.app, query_string=b"token=t&to=12015550123&token=wrong")[0] == 200
    assert send_asgi_request(door.app, query_string=b"token=wrong&to=12015550123&token=t")[0] == 403


@pytest.mark.parametrize(
    "octets", [b"token=\xff\xfe", b"token=%FF%FE", b"token=%ED%A0%80", b"token=%", b"token=" + b"x" * 100_000]
)
def test_octets_that_are_no_text_are_a_wrong_token_and_no_crash(tmp_path, octets):
    assert send_asgi_request(InProcessServer(tmp_path, token=TOKENS).app, query_string=octets)[0] == 403


def test_a_refusal_tells_neither_the_token_nor_whether_the_number_exists(tmp_path):
    door = InProcessServer(tmp_path, token=["sesame"])
    known, unknown = (refused(door.send_request(params={"to": to, "token": "x"})) for to in ("12015550123", "12015550999"))
    assert known == unknown
    assert "sesame" not in known


def test_doctor_is_refused_like_all_who_are_wrong_and_told_from_a_stranger(tmp_path, monkeypatch):
    door = InProcessServer(tmp_path, token=["sesame", "zweites"])
    for token in ("zweites", "sesame", "another"):
        assert door.send_request(params=with_token(make_probe_token(token))).status_code == 403
    old = make_probe_token("sesame")
    monkeypatch.setattr("callflows.probe_tokens.time.time", lambda: 1e10)
    for token in (old, "doctor.", "doctor.1.", "doctor.²." + "0" * 32, old[:-1], old + "é"):
        assert door.send_request(params=with_token(token)).status_code == 403
    causes = [line["cause"] for line in door.read_log_lines()]
    assert causes == ["doctor asked with a wrong token"] * 2 + ["the token is missing or wrong"] * 7


def test_a_token_is_as_long_as_it_was_made(tmp_path):
    long = "x" * 400
    door = InProcessServer(tmp_path, token=[long])
    assert door.send_request(params=with_token(long)).status_code == 200
    assert door.send_request(params=with_token(long[:-1])).status_code == 403
    assert door.send_request(params=with_token(long[:256])).status_code == 403


# Without a token


@pytest.mark.parametrize("client", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_without_a_token_this_machine_is_answered(tmp_path, client):
    assert read_document(InProcessServer(tmp_path).send_request(client=client))


@pytest.mark.parametrize(
    "client",
    ["203.0.113.9", "10.0.0.1", "192.168.1.2", "8.8.8.8", "::2", "::ffff:203.0.113.9", "fe80::1", "testclient", ""],
)
def test_without_a_token_no_other_machine_is_answered(tmp_path, client):
    assert "CALLFLOWS_TOKEN" in refused(InProcessServer(tmp_path).send_request(client=client))


def test_without_a_token_a_request_from_nowhere_is_refused(tmp_path):
    assert send_asgi_request(InProcessServer(tmp_path).app, client=None)[0] == 403


@pytest.mark.parametrize(
    "name",
    [
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-Port",
        "X-Forwarded-Server",
        "X-Forwarded",
        "Forwarded-For",
        "X-Original-Forwarded-For",
        "X-Original-URL",
        "X-Real-IP",
        "X-Client-IP",
        "X-Cluster-Client-IP",
        "X-Remote-IP",
        "X-Remote-Addr",
        "X-ProxyUser-Ip",
        "True-Client-IP",
        "Client-IP",
        "CF-Connecting-IP",
        "CF-Ray",
        "CDN-Loop",
        "Fastly-Client-IP",
        "Fly-Client-IP",
        "X-Envoy-External-Address",
        "X-Amzn-Trace-Id",
        "X-Azure-ClientIP",
        "X-Appengine-User-IP",
        "X-Vercel-Forwarded-For",
        "X-ARR-SSL",
        "Via",
    ],
)
def test_without_a_token_a_request_through_a_proxy_is_refused(tmp_path, name):
    assert "proxy" in refused(InProcessServer(tmp_path).send_request(headers={name: LOCAL_ADDRESS}))


def test_without_a_token_a_request_of_http_1_0_is_refused_because_a_bare_proxy_speaks_it(tmp_path):
    assert send_asgi_request(InProcessServer(tmp_path).app, http_version="1.0")[0] == 403
    assert (
        send_asgi_request(InProcessServer(tmp_path, token=["t"]).app, http_version="1.0", query_string=b"token=t")[0] == 200
    )


@pytest.mark.parametrize("hosts", [("evil.example.com", "127.0.0.1"), ("127.0.0.1", "evil.example.com"), ("",)])
def test_without_a_token_every_host_header_names_this_machine(tmp_path, hosts):
    scope = {"type": "http", "client": ("127.0.0.1", 1), "http_version": "1.1"}
    scope["headers"] = [(b"host", host.encode()) for host in hosts]
    trust = RequestTrust(build_settings(flows=tmp_path))
    assert "names another host" in trust.explain_refusal(scope, "")
    assert trust.explain_refusal({**scope, "headers": [(b"host", b"127.0.0.1:8000")]}, "") == ""


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("localhost", 200),
        ("LOCALHOST:8000", 200),
        ("[::1]:8000", 200),
        ("127.4.5.6", 200),
        ("flows.localhost:8000", 200),
        ("calls.example.com", 403),
        ("calls.example.com:8000", 403),
        ("localhost.example.com", 403),
        ("127.0.0.1.example.com", 403),
        ("10.0.0.7", 403),
        ("[2001:db8::1]:443", 403),
        ("[::1].example.com", 403),
        ("0.0.0.0", 403),  # noqa: S104 - a name in a request, not an address to listen on
    ],
)
def test_without_a_token_only_a_host_that_is_this_machine_is_answered(tmp_path, host, status):
    assert InProcessServer(tmp_path).send_request(headers={"host": host}).status_code == status
    assert (
        InProcessServer(tmp_path, token=["t"]).send_request(headers={"host": host}, params=with_token("t")).status_code
        == 200
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site", "sec-fetch-dest": "image"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site", "origin": "http://127.0.0.1:8000"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
def test_without_a_token_a_page_of_another_site_makes_no_call(tmp_path, headers, method):
    door = InProcessServer(tmp_path)
    given = {"host": "127.0.0.1:8000", **headers}
    assert door.send_request(method=method, headers=given).status_code == 403
    (url, *_) = list_callback_urls(door.send_request())
    assert door.send_request(url, method=method, headers=given).status_code == 403


@pytest.mark.parametrize(
    "headers", [{"sec-fetch-site": "none"}, {"sec-fetch-site": "same-origin"}, {"origin": "http://127.0.0.1:8000"}]
)
def test_without_a_token_a_person_at_this_machine_may_open_a_call_in_a_browser(tmp_path, headers):
    door = InProcessServer(tmp_path)
    assert read_document(door.send_request(headers={"host": "127.0.0.1:8000", **headers}))


def test_without_a_token_the_rest_of_a_call_is_for_this_machine_only_too(tmp_path):
    door = InProcessServer(tmp_path)
    (url, *_) = list_callback_urls(door.send_request())
    assert read_document(door.send_request(url))
    assert "CALLFLOWS_TOKEN" in refused(door.send_request(url, client="203.0.113.9"))
    assert "proxy" in refused(door.send_request(url, headers={"x-forwarded-for": LOCAL_ADDRESS}))


# Source addresses


def test_only_the_allowed_sources_are_answered(tmp_path):
    door = InProcessServer(tmp_path, token=["t"], allowed_sources=f"{OPENTACT_ADDRESS}, 2001:db8::/32")
    for client in (OPENTACT_ADDRESS, f"::ffff:{OPENTACT_ADDRESS}", "2001:db8::7"):
        assert read_document(door.send_request(client=client, params=with_token("t")))
    for client in ("72.21.26.36", LOCAL_ADDRESS, "2001:db9::7", "testclient"):
        assert "source" in refused(door.send_request(client=client, params=with_token("t")))


def test_an_allowed_source_still_needs_the_token(tmp_path):
    door = InProcessServer(tmp_path, token=["t"], allowed_sources=OPENTACT_ADDRESS)
    assert "token" in refused(door.send_request(client=OPENTACT_ADDRESS))


def test_the_rest_of_a_call_comes_from_an_allowed_source_too(tmp_path):
    door = InProcessServer(tmp_path, token=["t"], allowed_sources=OPENTACT_ADDRESS)
    (url, *_) = list_callback_urls(door.send_request(client=OPENTACT_ADDRESS, params=with_token("t")))
    assert read_document(door.send_request(url, client=OPENTACT_ADDRESS))
    assert "source" in refused(door.send_request(url, client="203.0.113.9"))


PROXIED = {"token": ["t"], "allowed_sources": OPENTACT_ADDRESS, "trusted_proxies": "10.0.0.0/8"}


@pytest.mark.parametrize(
    ("client", "forwarded", "let_in"),
    [
        ("10.0.0.1", OPENTACT_ADDRESS, True),
        ("10.0.0.1", f"{OPENTACT_ADDRESS}, 10.0.0.2", True),
        ("10.0.0.1", f"203.0.113.9, {OPENTACT_ADDRESS}", True),
        ("10.0.0.1", f" {OPENTACT_ADDRESS} ,10.0.0.2, 10.9.9.9 ", True),
        ("10.0.0.1", f"{OPENTACT_ADDRESS}, 203.0.113.9", False),
        ("10.0.0.1", f"{OPENTACT_ADDRESS}, 203.0.113.9, 10.0.0.2", False),
        ("10.0.0.1", f"{OPENTACT_ADDRESS}, garbage", False),
        ("10.0.0.1", f"{OPENTACT_ADDRESS},", False),
        ("10.0.0.1", "", False),
        ("10.0.0.1", None, False),
        ("203.0.113.9", OPENTACT_ADDRESS, False),
        (OPENTACT_ADDRESS, "203.0.113.9", True),
        ("10.0.0.1", f"{OPENTACT_ADDRESS}:50123", True),
        ("10.0.0.1", "::ffff:72.21.26.35", True),
    ],
)
def test_the_source_behind_a_proxy_is_the_last_that_no_trusted_proxy_is(tmp_path, client, forwarded, let_in):
    door = InProcessServer(tmp_path, **PROXIED)
    headers = {} if forwarded is None else {"x-forwarded-for": forwarded}
    assert door.send_request(client=client, params=with_token("t"), headers=headers).status_code == (200 if let_in else 403)


def test_a_spoofed_header_before_the_one_of_the_proxy_is_not_believed(tmp_path):
    door = InProcessServer(tmp_path, **PROXIED)
    spoofed = [(b"x-forwarded-for", OPENTACT_ADDRESS.encode()), (b"x-forwarded-for", b"203.0.113.9"), (b"host", b"x")]
    query = b"to=12015550123&token=t"
    assert send_asgi_request(door.app, client=("10.0.0.1", 1), headers=spoofed, query_string=query)[0] == 403
    honest = [(b"x-forwarded-for", OPENTACT_ADDRESS.encode()), (b"x-forwarded-for", b"10.0.0.2"), (b"host", b"x")]
    assert send_asgi_request(door.app, client=("10.0.0.1", 1), headers=honest, query_string=query)[0] == 200


# What is not a door


@pytest.mark.parametrize(
    "path", ["/call/desk", "/call/desk/", "/call/desk/menu", "/call/desk/menu/x", "/call//", "/call/../call/x"]
)
def test_the_rest_of_a_call_without_a_ticket_is_refused(tmp_path, path):
    door = InProcessServer(tmp_path, token=["t"])
    assert send_asgi_request(door.app, path=path, query_string=b"token=t")[0] == 403


def test_what_only_begins_like_the_door_is_not_the_door(tmp_path):
    door = InProcessServer(tmp_path)
    assert send_asgi_request(door.app, path="/caller")[0] == 404
    assert send_asgi_request(door.app, path="/")[0] == 404
