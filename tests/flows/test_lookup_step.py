"""The exact request of a lookup step, and the values of its answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from flow_harness import Conversation, compile_text, compile_valid_flow, make_flow_text, make_turn

from callflows.flows.entry_points import START_NODE
from callflows.sandbox.deferred_jobs import NeedsResult
from callflows.telephony.ports import LookupRequest, LookupResult

if TYPE_CHECKING:
    from callflows.flows.flow import Flow

DIALECTS = pytest.mark.parametrize("dialect", ["reference", "classic"])
URL = "https://crm.example.com/accounts"


def asked(lookup: str, dialect: str = "reference", **told: str) -> LookupRequest:
    """The question of a flow whose first step is a lookup with these keys."""
    return question(
        compile_valid_flow(make_flow_text(f"- lookup: {{into: found, {lookup}}}\n- say: '{{{{ found }}}}'"), dialect),
        **told,
    )


def question(flow: Flow, **told: str) -> LookupRequest:
    """The first question of a flow; what must be worked out apart before it is."""
    turn = make_turn(**told)
    while True:
        with pytest.raises(NeedsResult) as pending:
            flow.answer(START_NODE, turn)
        if isinstance(pending.value.job, LookupRequest):
            return pending.value.job
        turn.deferred_results.append(pending.value.job.run())
        turn.reset_progress()


@DIALECTS
def test_a_question_names_what_is_asked_and_for_what(dialect):
    lookup = asked(f"url: '{URL}'", dialect)
    assert (lookup.url, lookup.method, lookup.headers, lookup.body) == (URL, "GET", (), "")
    assert (lookup.timeout_ms, lookup.step_path, lookup.variable) == (800, "acme/start/0", "found")


@DIALECTS
@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("X-Key: abc", ("X-Key", "abc")),
        ("X-Caller: '{{ caller.number }}'", ("X-Caller", "+12015550999")),
        ("X-Name: 'Hi {{ caller.name }}'", ("X-Name", "Hi Ann  Evil: 1")),
        ("X-Zone: '{{ variables.desk }}'", ("X-Zone", "north & <south>")),
        ('X-Rare: \'{{ caller.number | replace("+", "") }}\'', ("X-Rare", "12015550999")),
    ],
)
def test_a_header_is_the_authors_text_on_one_line(dialect, written, sent):
    flow = compile_valid_flow(
        make_flow_text(
            f"- lookup: {{into: found, url: '{URL}', headers: {{{written}}}}}\n- say: '{{{{ found }}}}'",
            "variables: {desk: 'north & <south>', unused: x}",
        ),
        dialect,
    )
    assert question(flow, name="Ann\r\nEvil: 1").headers == (sent,)


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ("Hello", "Hello"),
        ("'{{ caller.number }}'", "+12015550999"),
        ("42", "42"),
        (
            "{a: 1, b: true, c: null, d: 1.5, e: '007', f: [x, 2]}",
            {"a": 1, "b": True, "c": None, "d": 1.5, "e": "007", "f": ["x", 2]},
        ),
        (
            "{who: '{{ caller.name }}', deep: {er: ['{{ caller.number }}']}}",
            {"who": 'Ann "A" \\', "deep": {"er": ["+12015550999"]}},
        ),
        ("[1, '{{ caller.number }}']", [1, "+12015550999"]),
    ],
)
@DIALECTS
def test_a_body_is_a_text_or_data_whatever_a_caller_is_named(dialect, body, sent):
    lookup = asked(f"url: '{URL}', method: POST, body: {body}", dialect, name='Ann "A" \\')
    if isinstance(sent, str):
        assert (lookup.body, lookup.headers) == (sent, ())
    else:
        assert json.loads(lookup.body) == sent
        assert lookup.headers == (("content-type", "application/json"),)


def test_a_content_type_that_the_author_names_is_the_only_one():
    lookup = asked(f"url: '{URL}', method: POST, body: {{a: 1}}, headers: {{Content-Type: application/vnd.acme+json}}")
    assert lookup.headers == (("Content-Type", "application/vnd.acme+json"),)


@pytest.mark.parametrize("name", ["'X Key'", "'X:Key'", "''", "'X\tKey'"])
def test_a_header_that_cannot_be_named_so_is_an_error(name):
    made = compile_text(
        make_flow_text(f"- lookup: {{into: found, url: '{URL}', headers: {{{name}: x}}}}\n- say: '{{{{ found }}}}'")
    )
    assert made.flow is None
    assert {"value", "tab"} & {*made.rules}


@pytest.mark.parametrize(
    "given",
    [
        "headers: {X-A: '{{ nothing }}'}",
        "method: POST, body: '{{ nothing }}'",
        "method: POST, body: {a: [{b: '{{ nothing }}'}]}",
    ],
)
def test_a_name_that_cannot_be_is_an_error_in_headers_and_bodies(given):
    made = compile_text(
        make_flow_text(f"- lookup: {{into: found, url: '{URL}', {given}}}\n- say: 'Hello {{{{ found }}}}.'")
    )
    assert made.rules == ["template"]


@DIALECTS
@pytest.mark.parametrize(
    ("value", "heard"),
    [
        ({"name": "Ann"}, "Hello Ann."),
        ({"name": "A & <b>"}, "Hello A & <b>."),
        ({"name": 7}, "Hello 7."),
        ({"name": None}, "Hello ."),
        ({"name": {"first": "Ann"}}, "Hello first: Ann."),
        ({}, "Hello ."),
        ([1, 2], "Hello ."),
        ("a text", "Hello ."),
        (None, "Hello ."),
    ],
)
def test_whatever_is_answered_is_only_ever_text(dialect, value, heard):
    text = make_flow_text(f"- lookup: {{into: found, url: '{URL}'}}\n- say: Hello {{{{ found.name }}}}.")
    call = Conversation(compile_valid_flow(text, dialect), dialect, {URL: LookupResult(value, ok=True, status=200)})
    assert call.spoken_texts == [heard]


@DIALECTS
def test_the_default_stands_in_and_otherwise_leads_on_where_nobody_answers(dialect):
    lookup = f"{{into: found, url: '{URL}', default: {{vip: true}}, otherwise: down}}"
    text = make_flow_text(f"- lookup: {lookup}\n- say: Fine {{{{ found.vip }}}}.")
    text += "  down: [say: 'Down {{ found.vip }}.']\n"
    there: dict[str, Any] = {URL: LookupResult({"vip": False}, ok=True)}
    assert Conversation(compile_valid_flow(text, dialect), dialect, there).spoken_texts == ["Fine False."]
    assert Conversation(compile_valid_flow(text, dialect), dialect).heard_texts[-1] == "Down True."
