"""The URLs in our documents, where Opentact reaches the server again."""

from __future__ import annotations

import pytest
from in_process_server import CALL_FIELDS, InProcessServer, list_callback_urls, send_asgi_request

from callflows.language import from_xml


def base(door: InProcessServer, **more) -> str:
    (*_, url) = list_callback_urls(door.send_request(**more))
    return url.partition("/call/")[0]


def test_the_urls_of_a_document_lead_to_where_the_request_came_to(tmp_path):
    door = InProcessServer(tmp_path)
    assert base(door) == "http://flows.test"
    assert base(door, headers={"host": "flows.test:8443"}) == "http://flows.test:8443"
    assert base(door, headers={"host": "[::1]:8000"}) == "http://[::1]:8000"


def test_forwarded_scheme_and_host_are_not_believed_from_anybody(tmp_path):
    door = InProcessServer(tmp_path, token=["t"])
    forwarded = {"x-forwarded-proto": "https", "x-forwarded-host": "evil.example.com", "forwarded": "host=evil.example.com"}
    assert base(door, params={**CALL_FIELDS, "token": "t"}, headers=forwarded) == "http://flows.test"


def test_forwarded_scheme_and_host_are_believed_from_a_trusted_proxy(tmp_path):
    door = InProcessServer(tmp_path, token=["t"], trusted_proxies="10.0.0.0/8")
    asked = {"params": {**CALL_FIELDS, "token": "t"}}
    assert base(door, client="10.1.2.3", headers={"x-forwarded-proto": "https"}, **asked) == "https://flows.test"
    both = {"x-forwarded-proto": "HTTPS", "x-forwarded-host": "calls.example.com:444"}
    assert base(door, client="10.1.2.3", headers=both, **asked) == "https://calls.example.com:444"
    assert base(door, client="11.1.2.3", headers=both, **asked) == "http://flows.test"
    assert base(door, client="10.1.2.3", headers={"x-forwarded-proto": "gopher"}, **asked) == "http://flows.test"


def test_the_public_url_wins_over_everything(tmp_path):
    door = InProcessServer(
        tmp_path, token=["t"], trusted_proxies="10.0.0.0/8", public_url="https://calls.example.com/phones/"
    )
    forwarded = {"x-forwarded-proto": "http", "x-forwarded-host": "other.example.com", "host": "third.example.com"}
    asked = {"params": {**CALL_FIELDS, "token": "t"}}
    assert base(door, client="10.1.2.3", headers=forwarded, **asked) == "https://calls.example.com/phones"


@pytest.mark.parametrize(
    "host",
    [
        b'evil"><Hangup/><Say x="',
        b"evil.example.com/path?x=",
        b"user@evil.example.com",
        b"a b",
        b"",
        b"\xff\xfe",
        b"evil\r\nx: y",
        b"x" * 5000,
        b"flows.test:999999",
    ],
)
def test_a_hostile_host_header_becomes_no_part_of_a_document(tmp_path, host):
    door = InProcessServer(tmp_path)
    status, _, body = send_asgi_request(door.app, headers=[(b"host", host)])
    assert status == 200
    from_xml(body)
    assert b'url="http://127.0.0.1:8000/call/desk/menu?ticket=' in body


def test_a_request_without_a_host_or_an_address_of_ours_gets_a_document(tmp_path):
    door = InProcessServer(tmp_path)
    for server in (None, ("/run/callflows.sock", None), ("127.0.0.1", 8000)):
        from_xml(send_asgi_request(door.app, headers=[], server=server)[2])
