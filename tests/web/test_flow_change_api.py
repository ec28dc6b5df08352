"""Flows are changed over HTTP: a draft is checked, tried and goes live; versions are compared and come back."""

from __future__ import annotations

import contextlib
import json

import pytest
from test_operator_api import FLOW, Api

from callflows.flows.authoring import flow_drafts
from callflows.journal.inbox import query_audit_rows
from callflows.testing.replay_runner import ReplayReport

DRAFT = FLOW.replace("- say: Hello.", "- hangup")


@pytest.fixture
def api(tmp_path, monkeypatch):
    monkeypatch.setattr("callflows.web.flow_workshop.REPLAY_PRIORITY", 0)  # the machine of the tests is busy
    api = Api(tmp_path)
    with contextlib.closing(api.store):
        yield api


def send(api, request, body, scope="author"):
    return api.ask(f"{request}\n\n{json.dumps(body)}", api.make_token(scope))


def read_digest(api):
    return api.ask("GET /api/v1/flows/front-desk/source", api.make_token("read")).json()["digest"]


@pytest.mark.parametrize("scope", ["read", "operate"])
@pytest.mark.parametrize(
    "request_line",
    ["POST /api/v1/flows/front-desk/check", "PUT /api/v1/flows/front-desk/source", "POST /api/v1/flows/front-desk/test"],
)
def test_drafts_need_the_scope_author(api, scope, request_line):
    assert send(api, request_line, {"source": FLOW}, scope).status_code == 403
    draft = {"flow": "front-desk", "source": FLOW}
    assert send(api, "POST /api/v1/replay", {"draft": draft}, scope).status_code == 403


def test_a_draft_goes_live_with_an_entry_in_the_audit_log_and_conflicts_are_refused(api, tmp_path):
    digest, text = read_digest(api), FLOW.replace("Hello.", "Welcome.")
    put = "PUT /api/v1/flows/front-desk/source"
    published = send(api, put, {"source": text, "digest": digest}).json()
    assert (tmp_path / "front-desk.yaml").read_text("utf-8") == text
    (change,) = api.store.run_reading(query_audit_rows, ["go-live"], "front-desk")
    assert (change["who"], change["origin"], change["after"]) == ("dashboard", "127.0.0.1", published["version"])
    late = send(api, put, {"source": FLOW, "digest": digest})
    assert (late.status_code, "has changed meanwhile" in late.json()["detail"]) == (409, True)
    wrong = send(api, put, {"source": FLOW.replace("say", "sya"), "digest": read_digest(api)})
    (problem,) = wrong.json()["problems"]
    assert (wrong.status_code, problem["line"], problem["severity"]) == (400, 4, "error")
    taken = send(api, "PUT /api/v1/flows/other/source", {"source": FLOW}).json()["problems"]
    assert [problem["rule"] for problem in taken] == ["number-claimed-twice"]
    assert send(api, "PUT /api/v1/flows/..%2Fother/source", {"source": FLOW}).status_code == 404
    assert send(api, "PUT /api/v1/flows/a.b/source", {"source": FLOW}).status_code == 404


@pytest.mark.parametrize("flow", ["%00", "..", "a%0ab", "é", "x" * 3000, "%ff"])
def test_a_name_that_no_flow_can_have_is_not_found_whatever_is_asked_of_it(api, flow):
    for request in ("source", "lists/spam", "hours/office", "versions", "versions/a/diff", ""):
        assert api.ask(f"GET /api/v1/flows/{flow}/{request}".rstrip("/"), api.make_token("read")).status_code in (404, 400)
    assert api.ask(f"DELETE /api/v1/flows/{flow}/lists/spam/a", api.make_token("author")).status_code == 404
    for request in ("POST check", "PUT source", "POST lists/spam"):
        method, _, path = request.partition(" ")
        body = {"entry": "+12015550177"} if "lists" in path else {"source": FLOW}
        assert send(api, f"{method} /api/v1/flows/{flow}/{path}", body).status_code in (404, 400)


def test_a_read_only_folder_is_answered_with_the_patch(api, monkeypatch):
    digest = read_digest(api)
    monkeypatch.setattr(flow_drafts.os, "access", lambda *_arguments, **_options: False)
    text = FLOW.replace("Hello.", "Welcome.")
    refused = send(api, "PUT /api/v1/flows/front-desk/source", {"source": text, "digest": digest})
    assert (refused.status_code, "+    - say: Welcome." in refused.json()["patch"]) == (409, True)
    assert api.store.run_reading(query_audit_rows, ["go-live"], "front-desk") == []


def test_a_version_is_compared_and_comes_back(api, tmp_path):
    (first,) = api.ask("GET /api/v1/flows/front-desk/versions", api.make_token("read")).json()["items"]
    assert (first["is_live"], first["who"]) == (True, "")
    text = FLOW.replace("Hello.", "Welcome.")
    send(api, "PUT /api/v1/flows/front-desk/source", {"source": text, "digest": read_digest(api)})
    path = f"/api/v1/flows/front-desk/versions/{first['version']}"
    assert "+    - say: Welcome." in api.ask(f"GET {path}/diff", api.make_token("read")).json()["diff"]
    assert api.ask(f"POST {path}/rollback", api.make_token("operate")).status_code == 403
    assert api.ask(f"POST {path}/rollback?digest=other", api.make_token("author")).status_code == 409
    back = api.ask(f"POST {path}/rollback", api.make_token("author")).json()
    assert (back["version"], (tmp_path / "front-desk.yaml").read_text("utf-8")) == (first["version"], FLOW)
    (again,) = api.ask("GET /api/v1/flows/front-desk/versions", api.make_token("read")).json()["items"]
    assert (again["who"], again["action"]) == ("dashboard", "roll-back")
    assert api.ask("POST /api/v1/flows/front-desk/versions/none/rollback", api.make_token("author")).status_code == 404


def test_a_draft_is_rung_tested_and_replayed_in_a_process_of_its_own(api):
    ring = {"number": "+12015550123", "source": DRAFT}
    rung = send(api, "POST /api/v1/flows/front-desk/ring", ring).json()
    assert "steps" in rung, rung
    assert [step["verb"] for step in rung["steps"]] == ["Hangup"]
    tested = f"{FLOW}tests:\n  - name: greets\n    expect: [say: Hello.]\n"
    report = send(api, "POST /api/v1/flows/front-desk/test", {"source": tested}).json()
    assert [(one["name"], one["passed"]) for one in report["scenarios"]] == [("greets", True)]
    lines = api.ask(
        f"POST /api/v1/replay\n\n{json.dumps({'since': '2026-11-01'})}",
        api.make_token("read"),
        accept="application/x-ndjson",
    ).text.splitlines()
    assert json.loads(lines[-1])["calls"] == 4


def test_a_replay_of_no_calls_is_answered_without_a_process(api, monkeypatch):
    monkeypatch.setattr("callflows.web.command_process.MAX_COMMANDS_AT_ONCE", 0)
    for call in ("none", "--draft=/tmp/front-desk.yaml"):
        unknown = send(api, "POST /api/v1/replay", {"call": call}, "read")
        assert (unknown.status_code, f"no record of a call '{call}'" in unknown.json()["detail"]) == (400, True)
    for since in ("yesterday", "9" * 5000 + "d"):
        wrong = send(api, "POST /api/v1/replay", {"since": since}, "read")
        assert (wrong.status_code, f"since: '{since[:40]}' is no moment" in wrong.json()["detail"]) == (400, True)
    empty = send(api, "POST /api/v1/replay", {"flow": "nobody"}, "read")
    assert empty.json() == ReplayReport().build_report()
    assert send(api, "POST /api/v1/replay", {"since": "2026-11-01"}, "read").status_code == 429


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("replay", {"number": "\ud800"}),
        ("replay", {"call": "\udfff"}),
        ("replay", {"draft": {"flow": "\ud800", "source": FLOW}}),
        ("flows/front-desk/ring", {"number": "+12015550123", "keys": "\ud83d"}),
        ("flows/front-desk/check", {"source": "\ud800"}),
    ],
)
def test_half_of_a_character_is_refused(api, path, body):
    answer = send(api, f"POST /api/v1/{path}", body)
    assert (answer.status_code, "half of a character" in answer.json()["detail"]) == (400, True)
    whole = send(api, "POST /api/v1/flows/front-desk/check", {"source": "# \U0001f600\n" + FLOW})
    assert whole.status_code == 200


HOURS_FLOW = """\
numbers: +12015550123
timezone: America/New_York
hours:
  office: {mon-sun: 00:00-24:00}
nodes:
  start:
    - when: not hours.office.open
      goto: closed
    - say: Welcome.
  closed:
    - say: We are closed.
"""


def test_a_line_is_closed_by_an_operator_after_the_sentence_was_shown_and_opened_again(tmp_path):
    api = Api(tmp_path, flow=HOURS_FLOW)
    with contextlib.closing(api.store):
        path, operator = "/api/v1/flows/front-desk/hours/office", api.make_token("operate")
        now = api.ask(f"GET {path}", operator).json()
        assert (now["state"], now["callers_hear"]) == ("open", ["“Welcome.”", "hangs up"])
        then = api.ask(f"GET {path}?state=closed&until=2h", operator).json()
        assert (then["state"], then["callers_hear"]) == ("closed", ["“We are closed.”", "hangs up"])
        assert send(api, f"PUT {path}", {"state": "closed", "until": "2h"}, "read").status_code == 403
        assert send(api, f"PUT {path}", {"state": "closed", "until": "soon"}, "operate").status_code == 400
        assert not (tmp_path / "overrides.yaml").exists()
        done = send(api, f"PUT {path}", {"state": "closed", "until": "2h"}, "operate").json()
        assert (done["state"], done["override_until"][:16]) == ("closed", then["override_until"][:16])
        assert "state: closed" in (tmp_path / "overrides.yaml").read_text("utf-8")
        held = api.ask(f"GET {path}", operator).json()
        assert (held["state"], held["override_until"]) == ("closed", done["override_until"]), "it holds at once"
        assert send(api, f"PUT {path}", {"state": "normal"}, "operate").json()["removed"] == 1
        assert api.ask(f"GET {path}", operator).json()["state"] == "open"
        changes = api.store.run_reading(query_audit_rows, ["override"], "front-desk office")
        assert [change["who"] for change in changes] == ["dashboard", "dashboard"]
        assert api.ask("GET /api/v1/flows/front-desk/hours/other", operator).status_code == 404


def test_a_number_is_added_to_a_list_and_removed_with_entries_in_the_audit_log(tmp_path):
    flow = FLOW.replace("nodes:", "lists: {spam: lists/spam.csv, far: ../far.csv}\nnodes:")
    (tmp_path / "lists").mkdir()
    file = tmp_path / "lists" / "spam.csv"
    file.write_text("number,reason\n+12015550177,rang at night\n", encoding="utf-8")
    (tmp_path.parent / "far.csv").touch()
    api = Api(tmp_path, flow=flow)
    with contextlib.closing(api.store):
        path, author = "/api/v1/flows/front-desk/lists/spam", api.make_token("author")
        entry = {"entry": "+12015550178", "reason": "sells"}
        assert send(api, f"POST {path}", entry, "operate").status_code == 403
        assert send(api, f"POST {path}", entry).status_code == 201
        assert send(api, f"POST {path}", entry).status_code == 400
        assert file.read_text("utf-8").endswith("rang at night\n+12015550178,sells\n")
        assert api.ask(f"DELETE {path}/+12015550177", author).json()["removed"]
        items = api.ask(f"GET {path}", author).json()["items"]
        assert [(item["entry"], item["reason"]) for item in items] == [("+12015550178", "sells")]
        assert [row["before"] for row in api.store.run_reading(query_audit_rows, ["list"], "front-desk spam")] == [
            "+12015550177",
            "",
        ]
        assert api.ask("GET /api/v1/flows/front-desk/lists/far", author).status_code == 404
