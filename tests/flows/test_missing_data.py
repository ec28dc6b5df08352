"""Data that is missing breaks no call: in filters, slices, fields and calculations it is empty, or counts as 0."""

from __future__ import annotations

from flow_harness import (
    answer_as_xml,
    answer_node,
    compile_text,
    compile_valid_flow,
    make_flow_text,
    make_turn,
    run_job_now,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callflows.flows.expressions.expression_scope import CALL_SCOPE
from callflows.flows.expressions.jinja_compiler import ExpressionCompiler
from callflows.flows.expressions.jinja_sandbox import make_jinja_environment
from callflows.sandbox.deferred_jobs import NeedsResult
from callflows.telephony.turn import Variables
from each_case import each_case

ANSWERS = [{}, {"n": None}, {"n": ""}, {"n": " "}, {"n": []}, {"n": {}}, None, "", [], 0, "a page", {"n": [None, {}]}]
"""Answers of a server in which the number is missing."""
FILTERS = sorted(make_jinja_environment().filters)
ARGUMENTS = {
    "batch": "(2)",
    "default": "('')",
    "d": "('')",
    "format": "(1)",
    "indent": "",
    "join": "(', ')",
    "replace": "('a', 'b')",
    "round": "(1)",
    "slice": "(2)",
    "truncate": "(5)",
}


def wrap(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Expressions around others; a number of the author stands beside each value in a calculation."""
    return st.one_of(
        st.builds(lambda value, name: f"({value} | {name}{ARGUMENTS.get(name, '')})", inner, st.sampled_from(FILTERS)),
        st.builds(lambda value: f"{value}[:4]", inner),
        st.builds(lambda value, key: f"({value})[{key}]", inner, st.sampled_from(["0", "-1", "'a'", "x.n"])),
        st.builds(lambda value: f"('%02d %s' | format({value}, {value}))", inner),
        st.builds(lambda value, other: f"({value} ~ {other})", inner, inner),
        st.builds(lambda value: f"('a' if {value} else {value})", inner),
        st.builds(lambda value, op: f"({value} {op} 1)", inner, st.sampled_from(["==", "<", ">=", "in [1, 2] or 1 =="])),
    )


EXPRESSIONS = st.recursive(st.sampled_from(["x", "x.n", "x.n.m", "x['n']", "x.n[0]", "x.n[1:3]"]), wrap, max_leaves=4)


def render_text(source, turn):
    """A text about data of the name ``x``; work that is done apart is done here."""
    text = ExpressionCompiler({**CALL_SCOPE, "x": None}).compile_text(source)
    turn.reset_progress()
    while True:
        try:
            return text.render_plain(turn)
        except NeedsResult as needed:
            turn.deferred_results.append(run_job_now(needed.job))
            turn.reset_progress()


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(EXPRESSIONS, st.sampled_from(ANSWERS))
def test_an_expression_about_missing_data_gives_a_text_without_objects(source, answer):
    turn = make_turn()
    turn.earlier_values = Variables({"x": answer})
    rendered = render_text(f"{{{{ {source} }}}}", turn)
    assert " object at 0x" not in rendered
    assert "Undefined" not in rendered


@each_case("answer", ["x.gone", "x.none", "x.empty", "x['gone']", "x.gone.deeper", "x.blank"])
@each_case(
    ("calculation", "spoken"),
    [
        ("{} - 1", "-1"),
        ("3 - {}", "3"),
        ("{} * 2", "0"),
        ("-({})", "0"),
        ("60 / {}", ""),
        ("60 // {}", ""),
        ("60 % {}", ""),
        ("{} / 60", "0"),
        ("{} ** 2", "0"),
    ],
)
def test_a_calculation_with_a_missing_number_breaks_no_call(answer, calculation, spoken):
    flow = compile_valid_flow(
        make_flow_text(f'- say: "It is {{{{ {calculation.format(answer)} }}}}."') + "  other: [{set: {x: '1'}}, {say: a}]\n"
    )
    turn = make_turn()
    turn.earlier_values = Variables({"x": {"none": None, "empty": "", "blank": "  "}})
    turn.reset_progress()
    assert f"It is {spoken}." in answer_node(flow, "start", turn).decode()


@each_case(
    ("text", "spoken"),
    [
        ("{{ x.address }}", "street: Main, no: 1"),
        ("{{ [x.address] }}", "street: Main, no: 1"),
        ("{% for key, value in x.address %}{{ key }}={{ value }} {% endfor %}", "street=Main no=1 "),
        ("{% for key, value in x.gone %}{{ key }}{% endfor %}", ""),
        ("{% for key, value in x.name %}{{ key }}{% endfor %}", ""),
        ("{% for key, value in [[1, 2], 3] %}{{ key }}{{ value }}{% endfor %}", "12"),
    ],
)
def test_a_mapping_is_spoken_without_brackets_and_a_loop_over_its_pairs_breaks_no_call(text, spoken):
    turn = make_turn()
    turn.earlier_values = Variables({"x": {"address": {"street": "Main", "no": 1}, "name": "Ann"}})
    assert render_text(text, turn) == spoken


@each_case(
    ("text", "count"),
    [
        ("{{ data.calls - 1 }}", 1),
        ("{{ data.count - 1 }}", 0),
        ("{{ 60 / data.calls }}", 1),
        ("{{ 60 / (data.calls | int) }}", 1),
        ("{{ -data['calls'] }}", 1),
        ("{{ caller.name * 2 }}", 1),
        ("{{ (data.calls | int) - 1 }}", 0),
        ("{{ 60 / data.calls if data.calls else 0 }}", 0),
        ("{{ now.hour - 12 }}", 0),
        ("{{ pin - 1 }}", 0),
        ("{{ caller.calls_today - 1 }}", 0),
    ],
)
def test_a_calculation_that_could_break_is_told(text, count):
    steps = "- lookup: {url: 'https://x.example.com', into: data, default: {count: 0}}\n- set: {pin: '1'}\n"
    made = compile_text(make_flow_text(f'{steps}- say: "It is {text}."', "timezone: UTC"))
    assert made.rules == ["calculation"] * count


@each_case(
    "text",
    [
        "{{ now - now }}",
        "{{ now + 1 }}",
        "{{ hours.office.next_opening - now }}",
        "{{ 'late' if now > 5 - hours.office.next_closing else 'early' }}",
        "{{ now.time - 1 }}",
        "{{ 7 - now.weekday }}",
        "{{ now.date % 7 }}",
    ],
)
def test_a_calculation_with_a_time_fails_in_every_call_and_is_told(text):
    steps = f'- when: hours.office.open\n  say: "It is {text}."\n- hangup\n'
    made = compile_text(make_flow_text(steps, "timezone: UTC\nhours: {office: {mon: 09:00-17:00}}"))
    (message,) = [problem.message for problem in made.problems if problem.rule == "calculation"]
    assert "is no number: the calculation leads the call to the fallback" in message


@each_case(
    "text",
    [
        "{{ now.hour - 1 }}",
        "{{ 60 - now.minute }}",
        "{{ now.date ~ ', ' ~ now.time }}",
        "{{ now.date + ' at ' + now.time }}",
    ],
)
def test_a_calculation_with_the_hour_and_a_text_with_the_date_are_fine(text):
    assert "calculation" not in compile_text(make_flow_text(f'- say: "It is {text}."', "timezone: UTC")).rules


@each_case(
    ("calculation", "spoken"),
    [
        ("0.1 + 0.2", "0.3"),
        ("19.99 * 3", "59.97"),
        ("1 / 3", "0.3333333333"),
        ("-0.1 * 3", "-0.3"),
        ("10 ** 20 * 1.0", "100000000000000000000"),
        ("1 / 1000000000", "0.000000001"),
        ("12.345678", "12.345678"),
        ("1234567.5", "1234567.5"),
        ("10.0", "10"),
    ],
)
def test_nobody_hears_the_rounding_error_of_a_calculation_or_an_exponent(calculation, spoken):
    flow = compile_text(make_flow_text(f'- say: "It is {{{{ {calculation} }}}}."')).flow
    assert f"It is {spoken}." in answer_as_xml(flow)


@each_case(
    ("text", "lost"),
    [
        ("{% set n = 0 %}{% for i in [1, 2] %}{% set n = n + i %}{% endfor %}{{ n }}", ["n"]),
        (
            "{% set n = 0 %}{% for i in [1] %}{% if i %}{% set n = i %}{% endif %}{% endfor %}{% if n %}a{% endif %}",
            ["n"],
        ),
        ("{% set n = 0 %}{% for i in [1] %}{% for k in [1] %}{% set n = k %}{% endfor %}{% endfor %}{{ n }}", ["n"]),
        ("{% for i in [1] %}{% set n = 0 %}{% for k in [1] %}{% set n = k %}{% endfor %}{{ n }}{% endfor %}", ["n"]),
        ("{% set n = 0 %}{{ n }}{% for i in [1] %}{% set n = i %}{{ n }}{% endfor %}", []),
        ("{% for i in [1] %}{% set n = i %}{{ n }}{% endfor %}", []),
        ("{% set n = 0 %}{% if digits %}{% set n = 1 %}{% endif %}{{ n }}", []),
        ("{% set n = 0 %}{% for i in [1] %}{{ n + i }}{% endfor %}{{ n }}", []),
    ],
)
def test_a_value_that_a_loop_forgets_is_told(text, lost):
    problems = compile_text(make_flow_text(f'- say: "It is {text}."')).problems
    assert [problem.message.partition(" ")[0] for problem in problems if "is forgotten" in problem.message] == lost
