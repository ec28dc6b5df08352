"""The pages about the API are for operators, and load nothing from elsewhere."""

from __future__ import annotations

import json
import re

import pytest
from in_process_server import OPENTACT_ADDRESS, build_settings, send_request

from callflows.errors import SettingsError
from callflows.server import create_app

PAGES = pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
METHODS = {"get", "post", "put", "delete", "patch", "head"}


@pytest.fixture
def app(tmp_path):
    return create_app(build_settings(flows=tmp_path, token=["t"]))


@PAGES
def test_strangers_do_not_see_them(app, path):
    for more in ({}, {"params": {"token": "x"}}, {"headers": {"authorization": "Bearer x"}}):
        assert send_request(app, path, client=OPENTACT_ADDRESS, **more).status_code == 403
    assert send_request(app, path, headers={"x-forwarded-for": "203.0.113.9"}).status_code == 403
    assert send_request(app, path, headers={"host": "calls.example.com"}).status_code == 403


@PAGES
def test_operators_see_them_with_the_token_or_on_this_machine(app, path):
    assert send_request(app, path, client=OPENTACT_ADDRESS, params={"token": "t"}).status_code == 200
    assert send_request(app, path, client=OPENTACT_ADDRESS, headers={"authorization": "Bearer t"}).status_code == 200
    assert send_request(app, path).status_code == 200


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_loads_nothing_and_runs_nothing(app, path):
    reply = send_request(app, path)
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert reply.headers["content-security-policy"].startswith("default-src 'none'")
    assert not re.search(r"<script|<link|<img|<iframe|src=|//", reply.text)


def test_a_person_who_opens_the_server_reads_what_it_is(app):
    assert "This server answers phone calls." in send_request(app, "/", client=OPENTACT_ADDRESS).text


def test_the_description_has_every_path_once(app):
    api = json.loads(send_request(app, "/openapi.json").content)
    known = {"/call", "/call/{flow}/{node}", "/webhook", "/sms", "/healthz", "/readyz", "/metrics", "/media/{name}"}
    known |= {"/recordings/{call}/{tag}/{signature}"}
    assert {path for path in api["paths"] if not path.startswith("/api/v1/")} == known
    operations = [operation for methods in api["paths"].values() for operation in methods.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len({*names})
    assert {method for methods in api["paths"].values() for method in methods} <= METHODS
    for reference in re.findall(r'"\$ref": "#/components/schemas/([^"]+)"', json.dumps(api)):
        assert reference in api["components"]["schemas"]


def test_the_description_tells_content_types_and_the_token(app):
    paths = json.loads(send_request(app, "/openapi.json").content)["paths"]
    assert [*paths["/call"]["get"]["responses"]["200"]["content"]] == ["application/xml"]
    assert [*paths["/metrics"]["get"]["responses"]["200"]["content"]] == ["text/plain"]
    assert [*paths["/media/{name}"]["get"]["responses"]["200"]["content"]] == ["audio/wav", "audio/mpeg"]
    assert paths["/webhook"]["post"]["security"] == [{"token": []}]
    assert paths["/healthz"]["get"]["security"] == []
    assert "/call/{flow}/{node}" in send_request(app, "/docs").text


def test_the_description_has_the_answers_that_come_and_no_others(app):
    paths = json.loads(send_request(app, "/openapi.json").content)["paths"]
    assert all("422" not in operation["responses"] for methods in paths.values() for operation in methods.values())
    for path, status in (("/media/nothing.wav", 404), ("/recordings/a/b/c", 403)):
        reply = send_request(app, path, client=OPENTACT_ADDRESS)
        (described,) = [one["get"] for name, one in paths.items() if name.startswith(f"/{path.split('/')[1]}/")]
        assert (reply.status_code, described["security"]) == (status, []), "neither needs a token"
        assert [*described["responses"][str(status)]["content"]] == [reply.headers["content-type"]]


def test_a_method_that_is_not_there_names_those_that_are(app):
    assert send_request(app, "/healthz", method="POST").headers["allow"] == "GET, HEAD"
    assert send_request(app, "/webhook", method="PUT").headers["allow"] == "GET, POST"


@pytest.mark.parametrize(
    ("url", "starts"),
    [
        ("", True),
        ("http://127.0.0.1:8000", True),
        ("http://localhost:8000/phones", True),
        ("https://calls.example.com", False),
        ("http://192.168.1.5:8000", False),
    ],
)
def test_a_server_that_others_reach_needs_a_token(tmp_path, url, starts):
    create_app(build_settings(flows=tmp_path, token=["t"], public_url=url))
    if starts:
        create_app(build_settings(flows=tmp_path, public_url=url))
    else:
        with pytest.raises(SettingsError, match="CALLFLOWS_TOKEN"):
            create_app(build_settings(flows=tmp_path, public_url=url))
