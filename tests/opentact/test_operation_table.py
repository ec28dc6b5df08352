"""The operation table, its corrections by an operator, and the page that is written from it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from callflows.errors import OpentactError, SettingsError
from callflows.opentact.operation_fields import FIELD_KIND_MEANINGS, convert_value
from callflows.opentact.operation_file import DOCUMENTED_TABLE, load_operation_table, read_operation_file
from callflows.opentact.operation_reference import replace_reference
from callflows.opentact.rest_operations import REST_OPERATIONS
from callflows.opentact.rest_requests import build_rest_request, read_body_values
from callflows.settings import Settings
from each_case import each_case

PAGE = Path(__file__).parents[2] / "docs" / "opentact.md"


def read_corrections(tmp_path, text):
    (tmp_path / "opentact.yaml").write_text(text, encoding="utf-8")
    table, problems = read_operation_file(tmp_path / "opentact.yaml")
    return table, [re.sub(r"^.*/opentact\.yaml:", "", str(problem)) for problem in problems]


def test_the_page_of_the_rest_api_is_written_from_the_table():
    """Write it again: python -m callflows.opentact.operation_reference docs/opentact.md"""
    text = PAGE.read_text(encoding="utf-8")
    assert text == replace_reference(text), test_the_page_of_the_rest_api_is_written_from_the_table.__doc__


def test_a_call_has_one_line_and_one_command():
    requests = [f"{operation.method} {re.sub('{.*?}', '{}', operation.path)}" for operation in REST_OPERATIONS]
    known = [request for request in requests if not request.endswith(" ")]
    assert len(set(known)) == len(known)
    names = [operation.name for operation in REST_OPERATIONS]
    assert len(set(names)) == len(names)
    assert [name for name in names if any(other.startswith(f"{name} ") for other in names)] == []


@each_case("operation", REST_OPERATIONS, ids=lambda operation: operation.name)
def test_a_line_says_where_it_is_known_from_and_its_examples_fit(operation):
    assert set(operation.evidence.split(", ")) <= {"A", "D", "C", "lost"}
    placeholders = re.findall(r"{(\w+)}", operation.path)
    assert placeholders == [field.name for field in operation.list_fields("path")]
    assert {field.kind for field in operation.fields} <= FIELD_KIND_MEANINGS.keys()
    for field in operation.fields:
        assert convert_value(field, field.example) is not None
    if not operation.is_lost:
        values = {field.name: field.example for field in operation.fields}
        request = build_rest_request(operation, values)
        if operation.list_fields("body"):
            sent = {field.name: convert_value(field, field.example) for field in operation.list_fields("body")}
            assert read_body_values(operation, request.body) == sent


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, "message: is missing"),
        ({"from": "mia"}, "from: must be a phone number"),
        ({"mesage": "x"}, "mesage: there is no such field \\(did you mean 'message'"),
        ({"message": "x" * 919}, "message: must be at most 918 characters"),
        ({"custom_callback_url": "calls.example.com"}, "must be a URL"),
    ],
)
def test_a_request_that_does_not_fit_the_table_is_refused_by_its_fields(values, reason):
    operation = DOCUMENTED_TABLE.get_operation("messages send")
    with pytest.raises(OpentactError, match=reason):
        build_rest_request(operation, values)


def test_a_field_may_be_none():
    operation = DOCUMENTED_TABLE.get_operation("apps change")
    assert build_rest_request(operation, {"uuid": "a", "call_flow_url": None}).body == {"call_flow_url": None}


def test_take_and_skip_stand_in_the_query_and_in_the_body():
    request = build_rest_request(DOCUMENTED_TABLE.get_operation("numbers list"), {"take": 5, "skip": 10})
    assert request.query == {"take": "5", "skip": "10"}
    assert request.body == {"take": 5, "skip": 10}


# Corrections


def test_an_operator_moves_fields_renames_them_and_adds_constants(tmp_path):
    table, problems = read_corrections(
        tmp_path,
        "calls:\n"
        "  messages send:\n"
        "    path: /v2/{from}/sms\n"
        "    query: {lang: en}\n"
        "    headers: {X-Tag: '{tag?}'}\n"
        "    body: {target: {to: '{to}'}, text: '{message}', count: '{count:integer}', flash: false, parts: [1, two]}\n",
    )
    assert problems == []
    operation = table.get_operation("messages send")
    values = {"from": "+12015550123", "to": "+1 (201) 555-0999", "message": "Hi", "count": "2"}
    request = build_rest_request(operation, values)
    assert request.fill_path() == "/v2/12015550123/sms"
    assert (request.query, request.headers) == ({"lang": "en"}, {})
    body = {"target": {"to": "12015550999"}, "text": "Hi", "count": 2, "flash": False, "parts": [1, "two"]}
    assert request.body == body
    assert read_body_values(operation, body) == {"to": "12015550999", "message": "Hi", "count": 2}
    assert build_rest_request(operation, {**values, "tag": "x"}).headers == {"X-Tag": "x"}
    assert table.changed_keys == {"messages send": ("path", "query", "headers", "body")}


def test_a_line_that_is_not_corrected_stays_as_it_is(tmp_path):
    table, _ = read_corrections(tmp_path, "calls: {numbers order: {path: /order/tn}}\n")
    assert table.get_operation("numbers order").path == "/order/tn"
    assert table.get_operation("numbers order").fields == DOCUMENTED_TABLE.get_operation("numbers order").fields
    assert table.get_operation("apps list") is DOCUMENTED_TABLE.get_operation("apps list")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("- a\n", "1:1: error: the file: must be a mapping"),
        ("call: {}\n", "1:1: error: there is no 'call' here (did you mean 'calls'?)"),
        ("calls: {aps list: {path: /x}}\n", "1:9: error: there is no 'aps list' here (did you mean 'apps list'?)"),
        ("calls: {apps list: {pth: /x}}\n", "1:21: error: there is no 'pth' here (did you mean 'path'?)"),
        ("calls: {apps list: /x}\n", "1:20: error: apps list: must be a mapping"),
        ("calls: {apps list: {}}\n", "1:20: error: apps list: nothing is corrected"),
        ("calls: {apps list: {path: x}}\n", "1:27: error: path: must begin with /"),
        ("calls: {apps list: {path: '/x?a=b'}}\n", "1:27: error: path: '/x?a=b' has a character that no path has (write"),
        ("calls: {apps list: {path: '/x/{a b}'}}\n", "1:27: error: path: '/x/{a b}' has a brace that is no placeholder"),
        (
            "calls: {apps list: {method: FETCH}}\n",
            "1:29: error: method: there is no method 'FETCH' (did you",
        ),
        ("calls: {apps list: {answer: rows}}\n", "1:29: error: answer: there is no answer 'rows'"),
        (
            "calls: {apps list: {path: /sip/product}}\n",
            "1:9: error: apps list: GET /sip/product is the call 'apps products'",
        ),
        ("calls: {calls single: {method: POST}}\n", "1:23: error: path is missing: calls single is a lost call"),
        ("calls: {calls single: {path: /c, body: x}}\n", "1:40: error: body: must be a mapping"),
        ("calls: {calls single: {path: /c, body: {to: '{to:fone}'}}}\n", "1:45: error: {to:fone}: there is no kind 'fone'"),
        ("calls: {calls single: {path: /c, body: {to: 'tel {to}'}}}\n", "1:45: error: to: 'tel {to}' mixes a placeholder"),
        ("calls: {calls single: {path: /c, query: {to: [1]}}}\n", "1:46: error: to: must be a text"),
        ("calls: {calls single: {path: /c, headers: {'x y': '1'}}}\n", "1:44: error: 'x y' is no name of a header"),
        ("calls: {lists black show: {path: /black}}\n", "1:27: error: profile would stand in the body, and a GET has none"),
        ("tokens: {portal: {}}\n", "1:18: error: portal: must be a mapping of headers"),
        ("tokens: {jwt: {X-Auth-Token: abc}}\n", "1:30: error: X-Auth-Token: must have {token} once"),
        ("tokens: {jtw: {X: '{token}'}}\n", "1:10: error: there is no 'jtw' here (did you mean 'jwt'?)"),
        ("calls: {a: [\n", "2:1: error:"),
    ],
)
def test_a_wrong_correction_is_reported_with_its_place_and_fix(tmp_path, text, problem):
    table, problems = read_corrections(tmp_path, text)
    assert len(problems) == 1
    assert problems[0].startswith(problem)
    assert table.operations == DOCUMENTED_TABLE.operations


def test_a_client_is_not_made_with_wrong_corrections(tmp_path):
    (tmp_path / "opentact.yaml").write_text("calls: {apps list: {path: x}}\n")
    with pytest.raises(SettingsError, match=r"opentact\.yaml:1:27: error: path: must begin with /"):
        load_operation_table(Settings(flows=tmp_path))
    with pytest.raises(SettingsError, match="cannot be read"):
        load_operation_table(Settings(flows=tmp_path, opentact_paths=tmp_path / "gone.yaml"))


def test_corrections_are_found_beside_the_flows_or_where_the_setting_says(tmp_path):
    assert load_operation_table(Settings(flows=tmp_path)) is DOCUMENTED_TABLE
    (tmp_path / "opentact.yaml").write_text("calls: {apps list: {path: /one}}\n")
    other = tmp_path / "other.yaml"
    other.write_text("calls: {apps list: {path: /two}}\n")
    assert load_operation_table(Settings(flows=tmp_path)).get_operation("apps list").path == "/one"
    table = load_operation_table(Settings(flows=tmp_path, opentact_paths=other))
    assert table.get_operation("apps list").path == "/two"


def test_the_headers_of_tokens_are_corrected(tmp_path):
    table, problems = read_corrections(tmp_path, "tokens: {portal: {Authorization: 'Token {token}'}}\n")
    assert problems == []
    assert table.portal_token_headers == {"Authorization": "Token {token}"}
    assert table.jwt_headers == {"X-Auth-Token": "{token}"}
