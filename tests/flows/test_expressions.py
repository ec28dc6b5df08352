"""The meaning of conditions and texts, also with hostile values."""

from __future__ import annotations

import json

import pytest
from flow_harness import answer_node, compile_text, compile_valid_flow, make_flow_text, make_turn, spoken_texts
from hypothesis import given
from hypothesis import strategies as st

from callflows.flows.expressions.expression_functions import build_value_function
from callflows.flows.expressions.jinja_sandbox import make_jinja_environment
from callflows.telephony.ports import LookupResult
from callflows.telephony.turn import Variables
from each_case import each_case

ASK = "- lookup: {url: 'https://a.example/c', into: c}\n"


def heard(step: str, data: object, **told: str) -> list[str]:
    flow = compile_valid_flow(make_flow_text(f"{ASK}- {step}"))
    found = {"https://a.example/c": LookupResult(data, ok=True)}
    xml = answer_node(flow, "start", make_turn(**told), lookup_answers=found).decode()
    return spoken_texts(xml.partition("<Response>")[2].removesuffix("</Response>"))


def holds(expression: str, data: object) -> bool:
    return heard(f"{{when: {json.dumps(expression)}, say: Yes.}}", data) == ["Yes."]


@each_case(
    ("expression", "data", "expected"),
    [
        ("c.a > c.b", {"a": 20, "b": "18"}, True),
        ("c.a == c.b", {"a": 123, "b": "123"}, True),
        ("c.a == 5", {"a": "05"}, True),
        ("c.a > 5", {"a": [1]}, False),
        ("c.a > 5", {"a": {"x": 1}}, False),
        ("c.a > 5", {"a": "inf"}, False),
        ("c.a > 5", {"a": "1_0"}, False),
        ("c.a > 5", {}, False),
        ("c.a < 5", {}, False),
        ("c.a == ''", {}, True),
        ("c.a.b.c", {}, False),
        ("c.a.b == 1", {"a": "text"}, False),
        ("c[c.l]", {"l": [1]}, False),
        ("c.l[9]", {"l": [1]}, False),
        ("c.a in c.b", {"a": 1, "b": 5}, False),
        ("c.a not in c.b", {"a": 1, "b": 5}, True),
        ("c.a in [1, 2]", {"a": "1"}, True),
        ("c.a in c.b", {"a": "b", "b": {"b": 1}}, True),
        ("1 < c.a < 3", {"a": "2"}, True),
        ("1 < c.a < 3", {"a": "3"}, False),
        ("c.a < 'b'", {"a": 5}, False),
    ],
)
def test_a_comparison_is_as_people_mean_it_and_never_fails(expression, data, expected):
    assert holds(expression, data) is expected


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    ),
    st.sampled_from(
        ["c.a > 5", "c.a == '5'", "c.a in c.b", "c.a < c.b", "c[c.a]", "c.a.b.a", "not c.a", "c.a ~ c.b", "c.b[c.a]"]
    ),
)
def test_no_data_breaks_a_condition(data, expression):
    holds(expression, data)


_PIECES = st.sampled_from(["a", "b", "'x'", "1", "2", "true", "c.d", "c.e", "(a ~ b)", "a|upper", "b|length"])
_WHOLE = st.recursive(
    _PIECES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or", "~"]), inner).map(lambda parts: f"({' '.join(parts)})"),
        st.tuples(inner, st.sampled_from(["==", "!="]), inner).map(lambda parts: f"({' '.join(parts)})"),
        inner.map(lambda part: f"(not {part})"),
        st.tuples(inner, inner, inner).map(lambda parts: f"({parts[0]} if {parts[1]} else {parts[2]})"),
    ),
    max_leaves=6,
)


@given(_WHOLE, st.text("xyzé ", max_size=3), st.text("xyzé ", max_size=3), st.text("xyz", max_size=2))
def test_a_plain_form_means_what_it_means_to_jinja(expression, a, b, d):
    seen = {"a": a, "b": b, "c": {"d": d}}
    made = make_jinja_environment()
    tree = made.parse(f"{{{{ {expression} }}}}").body[0].nodes[0]
    ours = build_value_function(tree)
    assert ours is not None
    turn = make_turn()
    turn.values = Variables(seen)
    assert ours(turn) == made.compile_expression(expression, undefined_to_none=False)(seen)


@each_case("name", ["{{7*7}}", "{% for x in range(9) %}a{% endfor %}", "<Dial><To>1</To></Dial>", "&amp;", "]]>", "%s"])
def test_what_a_caller_is_called_is_only_ever_text(name):
    assert heard("say: 'Hi {{ caller.name }}{% if caller.name %}{% endif %}.'", {}, name=name) == [f"Hi {name}."]
    assert heard("say: 'Hi {{ caller.name[0:]|trim }}.'", {}, name=name) == [f"Hi {name}."]


@pytest.mark.parametrize(
    "text",
    ["{{ c.__class__ }}", "{{ (c.x ~ 'a').__class__.__mro__ }}", "{{ c['__init__'] }}", "{{ c.x['__class__'] }}"],
)
def test_no_value_shows_what_it_is_made_of(text):
    assert heard(f"say: {json.dumps(f'Hello{text}.')}", {"x": "y"}) == ["Hello."]


@each_case(
    "text",
    [
        "{{ c.x.upper() }}",
        "{{ caller.__class__ }}",
        "{{ ''.join }}",
        "{{ c|attr('x') }}",
        "{{ c|map('x') }}",
        "{{ namespace() }}",
        "{{ c|upper(3) }}",
        "{{ c|default(value=3) }}",
        "{{ c|int(0, 16) }}",
        "{% include 'x' %}",
        "{{ self }}",
        "{{ request }}",
    ],
)
def test_what_cannot_work_is_refused_at_load(text):
    made = compile_text(make_flow_text(f"{ASK}- say: {json.dumps(text)}"))
    assert made.rules == ["template"]


def test_a_name_that_was_given_no_value_on_the_way_is_empty():
    assert heard("say: 'Hello {% if c.z %}{% set a = 1 %}{% endif %}({{ a }})'", {}) == ["Hello ()"]


@pytest.mark.parametrize(
    "url",
    [
        "https://{# / #}{{ c.x }}/a",
        "https://{{ c.x }}/a",
        "https://a.example{{ c.x }}/",
        "{{ c.x }}://a/",
        "https://a.example:{{ c.x }}/",
    ],
)
def test_the_host_of_a_lookup_is_written_out(url):
    assert "value" in compile_text(make_flow_text(f"{ASK}- lookup: {{url: {json.dumps(url)}, into: d}}")).rules
