"""Variables by the number called, so that one flow serves many sites."""

from __future__ import annotations

import pytest
from flow_harness import answer_as_xml, compile_text, compile_valid_flow, make_turn, spoken_texts

from each_case import each_case

FLOW = """\
numbers:
  +12015550123: {site: Newark, office: +12015550188}
  +12015550124: {site: Trenton, office: +12015550189, days: [mon, tue]}
  +1202*: {site: Washington}
  rest: {site: the main office}
variables: {office: ann@acme.sip.opentact.org, days: [fri], brand: Acme}
nodes:
  start:
    - say: "{{ variables.brand }}, {{ variables.site }}, {{ variables.days }}."
    - dial: {to: "{{ variables.office }}", no_answer: out}
  out: [say: Goodbye.]
messages:
  - reply: "{{ variables.site }}"
"""


@pytest.mark.parametrize(
    ("number", "said", "office"),
    [
        ("12015550123", "Acme, Newark, fri.", "+12015550188"),
        ("12015550124", "Acme, Trenton, mon, tue.", "+12015550189"),
        ("12025550100", "Acme, Washington, fri.", "ann@acme.sip.opentact.org"),
        ("13105550100", "Acme, the main office, fri.", "ann@acme.sip.opentact.org"),
    ],
)
def test_one_flow_speaks_and_rings_by_the_number_that_was_called(number, said, office):
    document = answer_as_xml(compile_valid_flow(FLOW), turn=make_turn(to=number))
    assert spoken_texts(document)[0] == said
    assert office in document


def test_a_flow_answers_the_numbers_of_its_mapping():
    claims = compile_valid_flow(FLOW).claims
    assert [(claim.number, claim.line, claim.column) for claim in claims] == [
        ("+12015550123", 2, 3),
        ("+12015550124", 3, 3),
        ("+1202*", 4, 3),
        ("rest", 5, 3),
    ]


@each_case(
    ("numbers", "rules"),
    [
        ("{+12015550123: {site: A}, +12015550124: {site: B}}", []),
        ("{+12015550123: {site: A}, +12015550124: }", ["number-values"]),
        ("{+12015550123: {site: A}, +12015550124: {site: [B]}}", ["value"]),
        ("{+12015550123: {site: {a: b}}}", ["value", "template"]),
        ("{+12015550123: {site: '{{ caller.name }}'}}", ["template"]),
        ("{+12015550123: {'a b': A, site: A}}", ["value"]),
        ("{+12015550123: {site: A, other: B}}", ["unused"]),
        ("{12: {site: A}}", ["number"]),
    ],
)
def test_values_that_a_number_lacks_and_values_of_another_shape_are_named(numbers, rules):
    text = f"numbers: {numbers}\nnodes: {{start: [say: 'This is {{{{ variables.site }}}}.']}}\n"
    assert compile_text(text).rules == rules


def test_a_text_that_is_empty_for_one_number_is_doubted():
    text = "numbers: {+12015550123: {site: A}, +12015550124: {site: ''}}\nnodes: {start: [say: '{{ variables.site }}']}\n"
    assert "text-may-be-empty" in compile_text(text).rules


def test_who_is_rung_for_a_number_is_checked_like_any_other_target():
    text = "numbers: {+12015550123: {office: [2015550188]}, +12015550124: {office: [ann@acme.sip.opentact.org, sales]}}\n"
    found = compile_text(
        f"{text}nodes: {{start: [dial: {{to: '{{{{ variables.office }}}}', goes_on: true}}, say: Bye.]}}\n"
    )
    assert [(problem.rule, problem.column) for problem in found.problems] == [("dial-target", 100)]
