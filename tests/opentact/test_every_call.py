"""Every line of the operation table works through the command, the client and the stand-in, and says what is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import httpx
import hypothesis
import pytest
from every_call import (
    ALL_NAMES,
    CommandTree,
    EveryCall,
    find_bad_body,
    is_json,
    list_example_values,
    list_example_words,
    write_folder,
)
from fake_opentact import TOKEN
from hypothesis import strategies as st
from table_server import TableServer

from callflows.cli.opentact_commands import WRITTEN_COMMANDS
from callflows.errors import OpentactError
from callflows.opentact import Opentact
from callflows.opentact.operation_file import DOCUMENTED_TABLE
from callflows.opentact.rest_operations import REST_OPERATIONS
from callflows.opentact.rest_requests import build_rest_request
from each_case import each_case
from waiting import run_bounded

TREE = CommandTree()
NEVER_WRONG_KINDS = frozenset({"text", "texts", "boolean", "json"})
"""Kinds for which every text of a command line has a meaning."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of flows with what the examples name; the corrections fill in the lost calls."""
    folder = tmp_path_factory.mktemp("calls")
    write_folder(folder)
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


@pytest.fixture(scope="module")
def calls(folder):
    with EveryCall(folder / "callflows").run_in_thread() as calls:
        yield calls


@pytest.fixture(scope="module")
def second_server():
    with TableServer().run_in_thread() as server:
        yield server


@pytest.fixture
def settings(monkeypatch):
    for name in [*os.environ]:
        if name.startswith("CALLFLOWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CALLFLOWS_OPENTACT_TOKEN", TOKEN)
    return monkeypatch


@each_case("name", ALL_NAMES)
def test_the_example_of_a_command_works_at_the_stand_in(name, calls, settings):
    calls.restore_examples(name)
    settings.setenv("CALLFLOWS_OPENTACT_URL", calls.server.rest_url)
    done = TREE.run_words(list_example_words(name, calls.table))
    assert done.code == 0, done.err
    assert is_json(done.out), done.out


@each_case("name", ALL_NAMES)
def test_the_example_of_a_command_works_at_a_server_that_knows_only_the_sources(name, calls, second_server, settings):
    settings.setenv("CALLFLOWS_OPENTACT_URL", second_server.url)
    second_server.rows["/tn/search"] = [{"tn": 12015550123}]
    done = TREE.run_words(list_example_words(name, calls.table))
    assert done.code == 0, done.err
    assert is_json(done.out), done.out


@each_case("operation", REST_OPERATIONS, ids=lambda operation: operation.name)
def test_a_call_through_the_client_works_and_one_that_is_wrong_is_refused(operation, calls):
    name = operation.name
    values = list_example_values(operation)
    group, _, words = name.partition(" ")

    async def call() -> None:
        async with Opentact(TOKEN, url=calls.server.rest_url, table=calls.table, requests_per_second=10_000) as opentact:
            if name in ("auth", "voices"):
                assert name == "auth" or await opentact.call_operation(name)
                return
            method = getattr(getattr(opentact, group), words.replace(" ", "_").replace("-", "_"))
            fields = {f"{field}_" if field in ("from", "to") else field: value for field, value in values.items()}
            answer = method(**fields)
            if hasattr(answer, "__aiter__"):
                assert isinstance([row async for row in answer], list)
            else:
                await answer
            bad = find_bad_body(operation)
            with pytest.raises(OpentactError, match="nothing was sent" if bad else "."):
                await opentact.call_operation(name, {**values, **(dict([bad]) if bad else {"no_such_field": 1})})

    calls.restore_examples(name)
    run_bounded(call())


@pytest.fixture(scope="module")
def http():
    with httpx.Client(headers={"x-auth-token": TOKEN}, trust_env=False, verify=False) as client:  # noqa: S501 - plain http
        yield client


@each_case("operation", REST_OPERATIONS, ids=lambda operation: operation.name)
def test_a_wrong_request_gets_the_documented_error_and_never_a_500(operation, calls, http):
    calls.restore_examples(operation.name)
    table_line = calls.table.get_operation(operation.name)
    request = build_rest_request(table_line, list_example_values(operation))
    url = f"{calls.server.rest_url}{request.fill_path()}"
    bad = find_bad_body(operation)
    if bad is not None and table_line.list_fields("body"):
        name = next(field.sent_name for field in table_line.list_fields("body") if field.name == bad[0])
        answer = http.request(request.method, url, json={**(request.body or {}), name: bad[1]})
        statuses = {400}
        if operation.name == "account notifications":  # its body is lost: every body is taken
            statuses = {200}
    elif table_line.list_fields("path"):
        template = request.path.replace(f"{{{table_line.list_fields('path')[-1].name}}}", "nobody")
        answer = http.request(request.method, f"{calls.server.rest_url}{template.format(**request.path_parameters)}")
        statuses = {200, 400, 404}
    else:
        answer = http.request(request.method, url, headers={"x-auth-token": "wrong"})
        statuses = {401}
    assert answer.status_code in statuses, answer.text
    said = answer.json()
    if answer.status_code != 200:
        assert (said["success"], said["status"]) == (False, answer.status_code)
        assert said["message"]
    if answer.status_code == 400:
        assert all(path.startswith("params.") and field["message"] for path, field in said["fields"].items())


@each_case("operation", REST_OPERATIONS, ids=lambda operation: operation.name)
def test_a_command_says_what_is_wrong_and_sends_nothing(operation, settings, calls):
    settings.setenv("CALLFLOWS_OPENTACT_URL", "http://127.0.0.1:9/rest")
    name = operation.name
    typed = next(
        (field for field in operation.list_fields("body") if not field.is_mask and field.kind not in NEVER_WRONG_KINDS),
        None,
    )
    if name in WRITTEN_COMMANDS or typed is None or typed.name in ("take", "skip"):
        words = [*list_example_words(name, calls.table), "--no-such-option"]
    else:
        words = [*list_example_words(name, calls.table), f"--{typed.name.replace('_', '-')}", "{nonsense"]
    done = TREE.run_words(words)
    assert done.code == 2
    assert done.err


@each_case("name", [name for name in ALL_NAMES if name != "api"])
def test_a_dry_run_shows_the_request_without_an_account(name, settings, calls):
    settings.delenv("CALLFLOWS_OPENTACT_TOKEN", raising=False)
    words = [word for word in list_example_words(name, calls.table) if word != "--yes"]
    done = TREE.run_words([*words, "--dry-run"])
    assert done.code == 0, done.err
    assert '"method"' in done.out


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
WITH_BODY = [operation for operation in REST_OPERATIONS if operation.list_fields("body")]


@hypothesis.settings(max_examples=120, deadline=None, database=None, derandomize=True)
@hypothesis.given(st.data())
def test_any_body_is_answered_in_the_envelope_and_never_with_a_500(calls, http, data):
    operation = calls.table.get_operation(data.draw(st.sampled_from(WITH_BODY)).name)
    names = st.sampled_from([field.sent_name for field in operation.fields]) | st.text(max_size=6)
    body = data.draw(st.dictionaries(names, JSON_VALUES, max_size=5))
    path = operation.path.format(**{field.name: field.example for field in operation.list_fields("path")})
    answer = http.request(operation.method, f"{calls.server.rest_url}{path}", json=body)
    said = answer.json()
    assert answer.status_code < 500
    assert said["success"] is (answer.status_code < 300)
    if not said["success"]:
        assert said["status"] == answer.status_code
        assert said["message"]


def test_every_group_of_the_client_is_a_group_of_the_table():
    opentact = Opentact(TOKEN)
    groups = {operation.group for operation in DOCUMENTED_TABLE.operations.values()} - {"auth", "voices"}
    assert {name for name in groups if not hasattr(opentact, name)} == set()
    with pytest.raises(AttributeError, match="did you mean 'list'"):
        opentact.rooms.lits  # noqa: B018 - the access itself
