"""The values that ``when`` can use."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from flow_harness import (
    Conversation,
    answer_as_xml,
    compile_text,
    compile_valid_flow,
    in_words,
    make_flow_text,
    make_turn,
    request_document,
    spoken_texts,
)

from callflows.flows.source.source_values import parse_plain_data
from callflows.telephony.ports import LookupResult
from each_case import each_case

if TYPE_CHECKING:
    from collections.abc import Callable

MONDAY = datetime(2026, 11, 23, 14, 30, 5, tzinfo=UTC)
"""Half past nine in the morning in New York."""
ZONE = "timezone: America/New_York"


def holds(condition: str, more: str = ZONE, at: datetime = MONDAY, **told: str) -> bool:
    return compile_condition(condition, more)(at, **told)


def compile_condition(condition: str, more: str) -> Callable[..., bool]:
    """Return whether a condition holds, for moments and what is told of a call."""
    quoted = condition.replace("'", "''")
    flow = compile_valid_flow(make_flow_text(f"- when: '{quoted}'\n  say: Yes.\n- say: After.", more))

    def holds_then(at: datetime, **told: str) -> bool:
        heard = spoken_texts(answer_as_xml(flow, turn=make_turn(lambda: at, **told)))
        assert heard[-1] == "After."
        return heard[0] == "Yes."

    return holds_then


@each_case(
    "condition",
    [
        "caller.number == '+12015550999'",
        "caller.number != '+12015550998'",
        "caller.number in ['+12015550999', '+12015550998']",
        "caller.number not in ['+12015550998']",
        "caller.region == 'US'",
        "caller.national == '(201) 555-0999'",
        "not caller.anonymous",
        "caller.name == 'Ann'",
        "'nn' in caller.name",
        "caller.name | lower == 'ann'",
        "caller.name and not caller.anonymous",
        "caller.anonymous or caller.name",
        "number == '+12015550123'",
        "number.region == 'US'",
        "number[-4:] == '0123'",
        "call.to == number",
        "call.from_ == caller.number",
        "call.id == 'c-1'",
        "call.app == 'unknown'",
        "call.attestation == 'unknown'",
        "now.hour == 9",
        "now.hour >= 9 and now.hour < 18",
        "9 <= now.hour < 18",
        "now.time == '09:30'",
        "now.time >= '09:00'",
        "now.date == '2026-11-23'",
        "now.weekday == 'mon'",
        "now.weekday in ['mon', 'tue']",
        "now.weekday not in ('sat', 'sun')",
        "(now.year, now.month, now.day) == (2026, 11, 23)",
        "now.minute == 30 and now.second == 5",
        "now.month is odd",
        "true",
        "not (caller.anonymous or now.hour > 17)",
        "caller.number is defined",
        "('Ann' if caller.name else 'x') == 'Ann'",
    ],
)
def test_a_condition_that_holds(condition):
    assert holds(condition, name="Ann", call="c-1")


@each_case(
    "condition",
    [
        "caller.anonymous",
        "caller.name == 'Bob'",
        "caller.number in []",
        "caller.name and caller.anonymous",
        "now.hour > 17",
        "now.weekday in ['sat', 'sun']",
        "18 <= now.hour < 20",
        "false",
        "''",
        "0",
    ],
)
def test_a_condition_that_does_not_hold(condition):
    assert not holds(condition, name="Ann")


def test_who_is_withheld_is_anonymous():
    for told in ("", "anonymous", "Restricted", "sip:anonymous@anonymous.invalid", "UNKNOWN"):
        assert holds("caller.anonymous and caller.number == '' and caller.region == 'unknown'", from_=told)


UNKNOWN_FIELDS = [
    "caller.state",
    "caller.region",
    "number.region",
    "call.attestation",
    "call.id",
    "call.app",
    "call.started",
]


def test_norway_is_no_no():
    assert holds("caller.region and not not caller.region and caller.region == 'NO'", from_="+4722345678")


@pytest.mark.parametrize("value", ["caller.region", "caller.region or 'US'", "[caller.region] | first"])
def test_norway_is_true_also_after_it_was_remembered_and_travelled_in_a_ticket(value):
    steps = f"""
- set: {{r: "{value}", rest: caller.number}}
- say: "{{% if r %}}here{{% endif %}}"
- collect: {{into: pin, digits: 1, prompt: Enter it.}}
- when: r and r == "NO"
  say: "{{{{ r }}}}, {{{{ rest }}}}"
"""
    call = Conversation(compile_valid_flow(make_flow_text(steps)), from_="+4722345678")
    assert call.spoken_texts[0] == "here"
    assert call.press_keys("1").spoken_texts == ["NO, +4722345678"]


@pytest.mark.parametrize("word", ["nein", "Inactive", "n/a"])
def test_a_variable_that_reads_like_a_no_and_is_true_is_a_warning(word):
    for asked, rules in (
        ("variables.x", ["text-as-truth"]),
        ("not variables.x", ["text-as-truth"]),
        ("variables.x == 'a'", []),
    ):
        made = compile_text(make_flow_text(f"- when: {asked}\n  say: Hello.\n- say: Bye.", f"variables: {{x: {word}}}"))
        assert made.rules == rules


@each_case("field", UNKNOWN_FIELDS)
@each_case(
    "condition",
    [
        "not FIELD",
        "FIELD == ''",
        "not (FIELD and true)",
        "'b' == (FIELD or 'b')",
        "FIELD | length == 0",
        "'n' not in FIELD",
    ],
)
def test_what_nobody_knows_is_false_and_empty(field, condition):
    assert holds(condition.replace("FIELD", field), from_="anonymous", to="desk")


EXPRESSIONS_WITHOUT_A_CONSTANT = [
    *(f"FIELD | {name}" for name in ("upper", "lower", "title", "capitalize", "trim", "string", "join", "spoken")),
    *(f"FIELD | {name}" for name in ("e", "list", "reverse", "sort", "unique", "max", "first", "truncate", "tojson")),
    *("FIELD | replace('u', 'x')", "FIELD | upper | lower", "[FIELD] | join(', ')", "[FIELD, FIELD] | max"),
    *("FIELD ~ ''", "FIELD + FIELD", "FIELD[:2]", "FIELD * 2", "'%s' | format(FIELD)", "FIELD | format"),
]


@pytest.mark.parametrize("expression", EXPRESSIONS_WITHOUT_A_CONSTANT)
def test_what_nobody_knows_stays_false_whatever_filter_it_goes_through(expression):
    condition = expression.replace("FIELD", "caller.state")
    assert not holds(condition, from_="anonymous")
    assert holds(condition, from_="+12145550999")  # Texas


def test_what_nobody_knows_is_still_a_word_in_a_text_after_a_filter():
    flow = compile_valid_flow(make_flow_text("- say: '{{ caller.state | upper }}{{ caller.state ~ \"!\" }}'"))
    assert spoken_texts(answer_as_xml(flow, turn=make_turn(from_="anonymous"))) == ["UNKNOWNunknown!"]


def test_norway_is_true_also_after_a_filter():
    assert holds(
        "caller.region | upper and caller.region | replace('x', 'y') and [caller.region] | max", from_="+4722345678"
    )


@each_case("field", UNKNOWN_FIELDS)
def test_what_nobody_knows_reads_unknown_in_a_text_and_is_remembered_as_empty(field):
    steps = f"- set: {{x: {field}}}\n- say: '{{{{ {field} }}}}.'\n- say: '{{{{ x }}}}.'\n- when: x\n  say: Never."
    flow = compile_valid_flow(make_flow_text(steps))
    assert spoken_texts(answer_as_xml(flow, turn=make_turn(from_="anonymous", to="desk"))) == ["unknown.", "."]


def test_what_is_known_is_true():
    told = {"call": "c-1", "attestation": "A"}
    assert holds("caller.region and caller.state == 'NJ' and caller.state and call.id and call.attestation", **told)


def test_a_sip_user_is_known_by_name_and_not_anonymous():
    assert holds("caller.number == 'ann' and not caller.anonymous and caller.national == 'ann'", from_="ann")


# Truth as it is written


FALSE_FORMS = ["false", "False", "no", "off", "0", "null", "~", "''", '"false"', "", "n", "F", "Disabled", "0.0", "nil"]
TRUE_FORMS = ["true", "yes", "on", "1", "today", "0.5", "00"]


@each_case("form", [*FALSE_FORMS, *TRUE_FORMS])
@each_case(
    "condition",
    ["variables.emergency", "not not variables.emergency", "variables.emergency and true", "variables.emergency or ''"],
)
def test_a_variable_that_is_written_as_false_is_false(form, condition):
    more = f"{ZONE}\nvariables: {{emergency: {form}}}"
    assert holds(condition, more) == (form in TRUE_FORMS)


@each_case(
    ("written", "live", "truth"),
    [
        ("false", False, False),
        ("false", "false", False),
        ("False", False, False),
        ("FALSE", "FALSE", False),
        ("no", False, False),
        ("no", "no", False),
        ("off", "off", False),
        ("0", 0, False),
        ("0", "0", False),
        ("0.0", 0.0, False),
        ("n", "N", False),
        ("f", "f", False),
        ("disabled", "DISABLED", False),
        ("-0.0", "-0.0", False),
        ("undefined", "undefined", False),
        ("null", None, False),
        ("null", "null", False),
        ("~", None, False),
        ("", "", False),
        ("true", True, True),
        ("yes", True, True),
        ("on", "on", True),
        ("1", 1, True),
        ("gold", "gold", True),
        (["false"], ["false"], True),
        ([], [], False),
        ({}, {}, False),
    ],
)
@each_case("condition", ["x.vip", "not not x.vip", "x.vip or x.gone", "x.vip and x", "x.vip | default(false)"])
def test_a_scenario_tells_the_truth_that_live_data_tells(written, live, truth, condition):
    flow = compile_valid_flow(
        make_flow_text(f"- lookup: {{url: 'https://a.example/', into: x}}\n- when: {condition}\n  say: Yes.")
    )
    for answer in (parse_plain_data({"vip": written}), {"vip": live}):
        call = Conversation(flow, lookup_answers={"https://a.example/": LookupResult(answer, ok=True, status=200)})
        assert call.spoken_texts == (["Yes."] if truth else []), answer


def test_the_names_of_a_call_are_true_if_they_are_there():
    for name in ("No", "Off", "0", "Null"):
        assert holds("caller.name", name=name)
        assert holds("caller.name and not caller.anonymous", name=name)


VIPS = f"{ZONE}\nvariables: {{vips: [+12015550999, +12015550998], one: [+12015550999], nobody: []}}"
ALL = "variables.vips and variables.one and not variables.nobody"


@pytest.mark.parametrize(
    "condition",
    [
        "caller.number in variables.vips",
        "caller.number in variables.one and caller.number not in variables.nobody",
        "variables.vips[1] == '+12015550998' and variables.vips | length == 2",
        "variables.vips | join(' ') == '+12015550999 +12015550998'",
    ],
)
def test_variables_may_be_lists(condition):
    assert holds(f"{condition} and ({ALL})", VIPS)


@pytest.mark.parametrize("from_", ["anonymous", "", "+1201555099", "+12015550990", "ann"])
def test_who_is_anonymous_or_only_alike_is_in_no_list(from_):
    assert holds(f"caller.number not in variables.vips and ({ALL})", VIPS, from_=from_)
    assert not holds(f"caller.number in variables.vips and ({ALL})", VIPS, from_=from_)


@pytest.mark.parametrize("value", ["{a: b}", "[[a]]", "[{a: b}]"])
def test_a_variable_is_a_text_or_a_list_of_texts(value):
    made = compile_text(make_flow_text("- say: Hello.", f"variables: {{x: {value}}}"))
    assert made.flow is None
    assert "must be a text, or a list of texts" in str(made.problems[0])


# The wall clock of the file


@each_case(
    ("zone", "at", "condition"),
    [
        ("America/New_York", datetime(2026, 3, 8, 6, 59, tzinfo=UTC), "now.time == '01:59'"),
        ("America/New_York", datetime(2026, 3, 8, 7, 0, tzinfo=UTC), "now.time == '03:00'"),
        ("America/New_York", datetime(2026, 11, 1, 5, 59, tzinfo=UTC), "now.time == '01:59'"),
        ("America/New_York", datetime(2026, 11, 1, 6, 0, tzinfo=UTC), "now.time == '01:00'"),
        ("Asia/Kathmandu", datetime(2026, 1, 1, 0, 0, tzinfo=UTC), "now.time == '05:45'"),
        ("Pacific/Kiritimati", datetime(2026, 12, 31, 10, 0, tzinfo=UTC), "now.year == 2027 and now.weekday == 'fri'"),
        ("Pacific/Pago_Pago", datetime(2026, 1, 1, 10, 59, tzinfo=UTC), "now.date == '2025-12-31'"),
        ("UTC", datetime(2026, 11, 23, 23, 59, 59, tzinfo=UTC), "now.time == '23:59' and now.second == 59"),
    ],
)
def test_now_is_on_the_wall_clock_of_the_file(zone, at, condition):
    assert holds(condition, f"timezone: {zone}", at)


def test_a_file_that_uses_time_without_a_zone_gets_utc_and_a_warning():
    for steps in (
        "- when: now.hour < 9\n  hangup:\n- say: Good day.",
        "- say: It is {{ now.time }}.",
        "- say: '{{ now | spoken }}'",
    ):
        made = compile_text(make_flow_text(steps))
        assert made.flow is not None
        assert [problem.severity for problem in made.problems] == ["warning"]
        assert "UTC" in str(made.problems[0])
        assert "timezone" in str(made.problems[0])
    assert spoken_texts(
        answer_as_xml(compile_valid_flow(make_flow_text("- say: It is {{ now.time }}.")), turn=make_turn(lambda: MONDAY))
    ) == ["It is 14:30."]


def test_a_file_that_uses_no_time_needs_no_zone():
    assert compile_text(make_flow_text("- say: Hello {{ caller.name }}.")).problems == ()


def test_one_turn_has_one_moment():
    ticks = iter(range(100))
    flow = compile_valid_flow(make_flow_text("- say: '{{ now.second }}'\n- say: '{{ now.second }}'", ZONE))
    heard = spoken_texts(answer_as_xml(flow, turn=make_turn(lambda: MONDAY.replace(second=next(ticks)))))
    assert heard[0] == heard[1]


@each_case("zone", ["Mars/Olympus", "America/new_york", "../../etc/passwd", "/etc/passwd", "EST5EDT4,x", "Europe"])
def test_a_zone_that_is_none_is_an_error(zone):
    made = compile_text(f'timezone: "{zone}"\nnodes: {{start: [hangup]}}\n')
    assert made.rules == ["timezone"]
    assert (made.problems[0].line, made.problems[0].column) == (1, 11)


# Conditions that are wrong


@each_case(
    ("condition", "said"),
    [
        ("caller.nmae", "did you mean 'name'?"),
        ("calller.name", "did you mean 'caller'?"),
        ("now.houre > 3", "did you mean 'hour'?"),
        ("number.name", "number has no 'name'"),
        ("hours.office.open", "the file has no hours"),
        ("yes", "there is no 'yes'"),
        ("{{ caller.name }}", "braces"),
        ("{% if caller.name %}", "braces"),
        ("caller.name ==", "expected"),
        ("caller.name = 'x'", "write =="),
        ("caller.name 'x'", "did you forget"),
        ("caller.name caller.number", "did you forget"),
        ("caller.name }} {{ caller.number", "braces"),
        ("caller.name.upper()", "upper(…) is a function"),
        ("caller.name.first", "first"),
        ("caller.name.upper", "upper"),
        ("caller['nmae']", "nmae"),
        ("caller.__class__", "no '__class__'"),
        ("caller.number | nofilter", "there is no filter 'nofilter' (there are abs, "),
        ("caller.number is notest", "notest"),
        ("caller.name if caller.anonymous | nofilter else caller.name", "nofilter"),
        ("range(3)", "range(…) is a function"),
        ("now.hour is 9", "compare with =="),
        ("now.hour is not 9", "compare with =="),
        ("'", "unexpected char"),
        ("", "expression"),
        ("(" * 500, ""),
    ],
)
def test_a_condition_that_cannot_be_is_an_error_at_its_place(condition, said):
    quoted = condition.replace("'", "''")
    made = compile_text(make_flow_text(f"- when: '{quoted}'\n  say: Yes."))
    assert made.flow is None
    assert made.rules[0] == "expression"
    assert (made.problems[0].line, made.problems[0].column) == (5, 13)
    assert said in str(made.problems[0]).lower() or said in str(made.problems[0])


def test_a_very_long_condition_is_evaluated_or_refused():
    made = compile_text(make_flow_text(f"- when: '{' and '.join(['caller.name'] * 3000)}'\n  say: Yes."))
    if made.flow is not None:
        request_document(made.flow, name="Ann")
    else:
        assert made.rules == ["expression"]


# What the check says about conditions

FIXES = {
    'now.weekday == "weekend"': 'now.weekday in ["sat", "sun"]',
    'now.weekday != "weekday"': 'now.weekday not in ["mon", "tue", "wed", "thu", "fri"]',
    'now.weekday in "fri-mon"': 'now.weekday in ["fri", "sat", "sun", "mon"]',
    'now.weekday == "Saturday, Sunday"': 'now.weekday in ["sat", "sun"]',
    'now.time in "09:00-17:00"': '"09:00" <= now.time < "17:00"',
    'now.time not in "22:00 - 6:00"': 'not (now.time >= "22:00" or now.time < "06:00")',
    'now.hour in "9-17"': "9 <= now.hour < 17",
    "now.hour in [9-17]": "9 <= now.hour < 17",
    "now.hour not in [22-6]": "not (now.hour >= 22 or now.hour < 6)",
    'now.hour >= "17:00"': 'now.time >= "17:00"',
    '"17:00" > now.hour': 'now.time < "17:00"',
    "now.month in 6-8": "6 <= now.month <= 8",
    'digits not in "1-3"': 'digits not in ["1", "2", "3"]',
    'caller.number[:3] == "201"': 'caller.number[:5] == "+1201"',
    'caller.number[:4] != "0044"': 'caller.number[:3] != "+44"',
    'caller.number[0] == "1"': 'caller.number[:2] == "+1"',
    'caller.region == ("US" or "CA")': 'caller.region in ["US", "CA"]',
    '"{{ caller.region }}" == "US"': 'caller.region == "US"',
    "{{ now.hour }} >= 9": "now.hour >= 9",
    '"+1{{ digits }}" == caller.number': '("+1" ~ digits) == caller.number',
    'call.started > "09:00"': 'now.time > "09:00"',
    "hours.office.status": "hours.office.open",
    "caller.name is none": "not caller.name",
    "caller.name is not none": "caller.name",
    "now.hour == 9 or 10": "now.hour in [9, 10]",
    "now.month != 7 and 8": "now.month not in [7, 8]",
    'caller.region == "SE" or "NO"': 'caller.region in ["SE", "NO"]',
    '"Ann" in caller.name | lower': '"ann" in caller.name | lower',
}
"""The condition that the check proposes for each wrong one."""
HEAD = f"numbers: +12015550123\n{ZONE}\nhours: {{office: {{mon-fri: 09:00-17:00}}}}"


def doubts_about(condition: str, head: str = HEAD) -> list[str]:
    quoted = condition.replace("'", "''")
    made = compile_text(f"{head}\nnodes:\n  start:\n    - when: '{quoted}'\n      say: Yes.\n    - say: After.\n")
    return [str(problem) for problem in made.problems if problem.rule not in ("unused", "hours-not-asked")]


@each_case("condition", FIXES)
def test_the_fix_of_a_condition_is_a_condition_without_a_problem(condition):
    (problem,) = doubts_about(condition)
    assert f"{FIXES[condition]})" in problem
    assert doubts_about(FIXES[condition]) == []


@each_case(
    "condition",
    [
        "true",
        "not true",
        "not false",
        "not 0",
        "not ''",
        "'no'",
        "not 'no'",
        "'yes'",
        "not 'yes'",
        "not not 'off'",
        "caller.name is none",
        "caller.name is not none",
        "caller.name is not defined",
        "not (caller.name is defined)",
        "now.weekday",
        "not now.weekday",
        "now.hour < 9 and now.hour >= 18",
        "not (now.hour < 9 and now.hour >= 18)",
        "now.date > '2026-12-24' and now.date < '2026-01-02'",
        "not (now.date != '2026-12-24' or now.date != '2026-12-25')",
    ],
)
def test_a_condition_is_called_always_or_never_true_as_it_turns_out_in_calls(condition):
    (problem,) = doubts_about(condition, f"numbers: rest\n{ZONE}")
    assert ("always true" in problem, "never true" in problem) == (holds(condition), not holds(condition))


@each_case(
    "condition",
    [
        "caller.anonymous == 1",
        "caller.anonymous == 0",
        "caller.anonymous != 1",
        "hours.office.open == 1",
        "hours.office.open == 2",
    ],
)
def test_a_number_is_no_truth_only_if_it_is_none_in_calls(condition):
    head = f"{ZONE}\nhours: {{office: {{mon: 09:00-17:00}}}}"
    callers: list[dict[str, str]] = [{}, {"from_": "anonymous"}]
    moments = (MONDAY, MONDAY.replace(day=22))
    answers = {holds(condition, head, at, **caller) for at in moments for caller in callers}
    said = doubts_about(condition)
    assert bool(said) is (len(answers) == 1), said


@each_case(
    ("condition", "fix", "meant"),
    [
        ('caller.number == "011442079460018"', 'write it as "+442079460018"', 'caller.number == "+442079460018"'),
        ('now.weekday[:2] == "Mo"', "did you mean 'mo'?", 'now.weekday[:2] == "mo"'),
        ('hours.office.status[0] == "O"', "did you mean 'o'?", 'hours.office.status[0] == "o"'),
        ('now.weekday[:2] == "mn"', "it is one of mo, tu, we, th, fr, sa, su", 'now.weekday[:2] in ["mo", "tu"]'),
        ("now.minute == 60", "it is a number from 0 to 59, without quotes", "now.minute == 0"),
    ],
)
def test_the_fix_of_a_value_is_a_value_without_a_problem(condition, fix, meant):
    (problem,) = doubts_about(condition)
    assert f"({fix})" in problem
    assert doubts_about(meant) == []


@each_case(
    ("condition", "proposed"),
    [
        ('call.attestation in "AB"', '["A", "B"]'),
        ('call.attestation in "A"', '["A"]'),
        ('digits in "12"', '["1", "2"]'),
        ('pin in "4711"', '["4711"]'),
        ('pin in "4711, 4712"', '["4711", "4712"]'),
        ('caller.number in "2015550188"', '["2015550188"]'),
        ('now.month in "12"', '["12"]'),
    ],
)
def test_a_list_is_proposed_of_values_that_may_come(condition, proposed):
    collect = "collect: {into: pin, digits: 4, prompt: Your PIN?}"
    text = f"{HEAD}\nnodes:\n  start:\n    - {collect}\n    - when: '{condition}'\n      say: Yes.\n    - say: After."
    (problem,) = [problem for problem in compile_text(text).problems if problem.rule == "text-as-list"]
    assert problem.fix == f"write a list: {proposed}"


@each_case(
    ("condition", "said"),
    [
        ("caller.anonymous and 10", "10 alone is always true"),
        ("caller.anonymous or 0", "0 alone is never true"),
        ("true and caller.anonymous", "true alone is always true"),
        ("caller.anonymous or false", "false alone is never true"),
        ("caller.region == 'SE' or 'NO'", "'NO' alone is never true"),
        ("caller.anonymous and not 'no'", "not 'no' alone is always true"),
        ("caller.anonymous or 'off'", "'off' alone is never true"),
    ],
)
def test_of_a_condition_that_changes_only_the_part_is_called_always_or_never_true(condition, said):
    (problem,) = doubts_about(condition)
    assert f"when: {said} (" in problem


@each_case(
    "condition",
    [
        '"hours" in caller',
        '"A" in call',
        '"mon" in now',
        '"open" in hours.office',
        '"09:00" in hours.office.next_opening',
        "hours.office.next_opening == now.date",
        "hours.office.next_opening == hours.office.next_closing",
        '"Ann" in caller.name | upper',
        'now.weekday[0] == "S"',
        'hours.office.status[:2] == "Op"',
    ],
)
def test_a_condition_that_no_call_meets_is_a_doubt(condition):
    head = f"{ZONE}\nhours: {{office: {{mon: 09:00-17:00}}}}"
    assert not any(holds(condition, head, MONDAY.replace(day=day), name="Ann") for day in range(22, 29))
    assert len(doubts_about(condition)) == 1


@each_case(
    "calculation",
    [
        "hours.office.next_closing - now < 30",
        "now - 30 > 0",
        "now.time - 30 < 0",
        "now.date - 1 == 0",
        "1 / now.weekday > 0",
        "hours.office.status * 1.5 > 1",
        "-now.date == 0",
        "now + 30 > 0",
        "hours.office.next_opening + 1 > 0",
    ],
)
def test_a_calculation_with_what_is_no_number_always_fails_and_is_a_doubt(calculation):
    (problem,) = doubts_about(calculation)
    assert "leads the call to the fallback" in problem
    head = f"numbers: rest\n{ZONE}\nhours: {{office: {{mon: 09:00-17:00}}}}"
    made = compile_text(f"{head}\nnodes: {{start: [{{when: '{calculation}', say: Yes.}}]}}")
    assert made.flow is not None
    with pytest.raises(TypeError):
        request_document(made.flow)


@each_case(
    ("text", "spoken"),
    [
        ("{% for number in c.all %}{% if number == 5 %}{{ number * 2 }}{% endif %}{% endfor %}", "10"),
        ("{% for call in c.all %}{{ call - 1 }}{% endfor %}", "4"),
        ("{% for caller in c.people %}{% if caller.age == 9 %}{{ caller.age - 1 }}{% endif %}{% endfor %}", "8"),
        ("{% for digits in c.words %}{% if digits == 'one' %}one{% endif %}{% endfor %}", "one"),
        ("{% set now = 5 %}{{ now - 1 }}{% if 'x' in caller %}{% endif %}", "4"),
    ],
)
def test_a_name_that_a_text_sets_itself_is_not_that_of_the_call(text, spoken):
    lookup = "lookup: {into: c, url: 'https://a.example', default: {all: [5], people: [{age: 9}], words: [one]}}"
    made = compile_text(make_flow_text(f'- {lookup}\n- say: "Hi {text}"', ZONE))
    assert not any("\ufdd5" in str(problem) for problem in made.problems)
    doubts = [str(problem) for problem in made.problems if problem.rule != "calculation"]
    assert [doubt for doubt in doubts if "'x'" not in text] == []
    assert len(doubts) == ("'x'" in text)
    call = Conversation(made.flow)
    assert f"Hi {spoken}" in " ".join(call.spoken_texts)


def test_without_a_country_of_its_own_a_flow_is_told_no_number_of_another_country():
    for numbers in ("rest", "[+12015550123, +493012345678]", "+39*"):
        (problem,) = doubts_about("caller.number[:3] == '201'", f"numbers: {numbers}")
        assert "+20" not in problem.partition("(")[2]
        assert ("+39201" in problem) is (numbers == "+39*")


def test_a_number_that_the_flow_does_not_answer_is_a_doubt_only_if_all_its_numbers_are_known():
    asked = "number == '+12015550188' or number[-4:] == '0188'"
    assert len(doubts_about(asked, "numbers: [+12015550123, +12015550124]")) == 2
    for head in ("numbers: rest", "numbers: [+12015550123, +1202*]", "numbers: +12015550123\nreceives: [account]"):
        assert doubts_about(asked, head) == []


def test_each_value_of_a_variable_by_number_is_judged():
    head = f"numbers:\n  +12015550123: {{boss: 2015550188}}\n  +12015550124: {{boss: +12015550187}}\n{ZONE}"
    (problem,) = doubts_about("caller.number == variables.boss", head)
    assert "variables.boss: caller.number is never '2015550188'" in problem


def test_of_many_wrong_values_of_a_variable_some_are_reported():
    numbers = "".join(f"\n  +120155501{at}: {{boss: 20155502{at}0}}" for at in range(10, 40))
    assert len(doubts_about("caller.number == variables.boss", f"numbers:{numbers}\n{ZONE}")) == 5


def test_a_variable_that_equals_a_number_or_a_truth_in_calls_is_no_doubt():
    variables = (
        "variables: {nine: 09, yes: 'on', vips: [+12015550999, ann], nobody: none}\nhours: {all: {daily: 00:00-24:00}}"
    )
    for condition in (
        "now.hour == variables.nine",
        "hours.all.open == variables.yes",
        "caller.number in variables.vips",
        "caller.number != variables.nobody",
    ):
        assert holds(condition, f"{ZONE}\n{variables}"), condition
        assert doubts_about(condition, f"numbers: rest\n{ZONE}\n{variables}") == [], condition


WRITTEN_VALUES = ("9", "09", " 9 ", "9.0", "9.5", "24", "9am", "yes", "No", " off ", "true", "maybe", "")


@each_case("name", ["now.hour", "now.day", "now.month", "caller.anonymous", "hours.office.open"])
@each_case("op", ["==", "!=", "in"])
def test_of_a_number_or_a_truth_in_quotes_the_check_says_only_what_is_so_in_calls(name, op):
    moments = [
        datetime(2026, month, day, hour, tzinfo=UTC) for month in (8, 9) for day in (9, 10, 24) for hour in (4, 13, 14)
    ]
    for written in WRITTEN_VALUES:
        asked = f'{name} {op} "{written}"' if op != "in" else f'{name} in ["{written}"]'
        holds_now = compile_condition(asked, f"{ZONE}\nhours: {{office: {{mon-fri: 09:00-17:00}}}}")
        answers = {holds_now(at, **caller) for at in moments for caller in ({}, {"from": "anonymous"})}
        said = " ".join(doubts_about(asked))
        assert answers == {op == "!="} if said else len(answers) == 2, asked


def test_a_number_in_quotes_has_an_order_as_it_has_in_calls():
    assert holds('now.hour < "10"')
    assert not holds('now.hour < "9"')
    for condition in ('now.hour < "10"', '"9" <= now.hour', 'caller.calls_today > "3"'):
        assert doubts_about(condition) == [], condition


# With goto and without


def test_a_condition_with_goto_leads_elsewhere():
    flow = compile_valid_flow(
        make_flow_text("- when: caller.anonymous\n  goto: hidden\n- say: Hello.") + "  hidden: [say: Who?]\n"
    )
    assert spoken_texts(request_document(flow)) == ["Hello."]
    assert spoken_texts(request_document(flow, from_="")) == ["Who?"]


def test_conditions_are_asked_in_order_until_one_ends():
    steps = (
        "- {when: caller.anonymous, say: A.}\n- {when: not caller.number, goto: b}\n- {when: caller.anonymous, say: Never.}"
    )
    flow = compile_valid_flow(make_flow_text(steps) + "  b: [say: B.]\n")
    assert spoken_texts(request_document(flow, from_="")) == ["A.", "B."]
    assert spoken_texts(request_document(flow)) == []


def test_a_condition_stands_in_branches_too():
    text = "- record:\n    do:\n      - when: caller.name == 'Ann'\n        say: Hi Ann.\n      - say: Speak."
    flow = compile_valid_flow(make_flow_text(text))
    assert spoken_texts(request_document(flow, name="Ann")) == ["Hi Ann.", "Speak."]
    assert spoken_texts(request_document(flow)) == ["Speak."]


def test_a_condition_in_an_empty_branch_leaves_a_valid_document():
    step = "{when: caller.name == 'Ann', say: Hi.}"
    text = f"- gather: {{dtmf: {{1: [{step}]}}, error: [{step}]}}"
    assert spoken_texts(request_document(compile_valid_flow(make_flow_text(text)))) == []


def test_a_decision_on_a_list_whose_name_is_computed_is_described():
    flow = compile_valid_flow(make_flow_text("- when: lists[digits]\n  say: Hi.\n- say: Bye."))
    turn = make_turn(dtmf="1")
    answer_as_xml(flow, turn=turn)
    (decision,) = in_words(turn)
    assert (decision["outcome"], decision["values"]["lists"]) == (False, "")


def test_a_text_counts_its_loops():
    text = "{% for x in ['a', 'b'] %}{{ loop.index }}. {{ x }}{{ ', ' if not loop.last }}{% endfor %}"
    flow = compile_valid_flow(make_flow_text(f'- say: "Hi: {text}"'))
    assert Conversation(flow).spoken_texts == ["Hi: 1. a, 2. b"]


def test_what_nobody_knows_has_no_parts_to_go_through():
    loop = "{% for x in caller.state %}{{ x }},{% endfor %}"
    flow = compile_valid_flow(make_flow_text(f"- say: 'Hi.{loop}'"))
    assert Conversation(flow, from_="desk").spoken_texts == ["Hi."]
    assert Conversation(flow, from_="12015550999").spoken_texts == ["Hi.N,J,"]


@each_case("empty", ["[]", "{}", "''", "null"])
@each_case("whole", ["'gold platinum'", "['gold']", "[[], {}, '']"])
def test_an_empty_value_of_data_is_in_nothing(empty, whole):
    lookup = f"- lookup: {{url: 'https://a.example/', into: c, default: {{tags: {empty}}}}}"
    failed = LookupResult(None, ok=False)
    steps = f"{lookup}\n- when: c.tags in {whole}\n  say: In.\n- when: c.tags not in {whole}\n  say: Not in."
    call = Conversation(compile_valid_flow(make_flow_text(steps)), lookup_answers={"https://a.example/": failed})
    assert call.spoken_texts == ["Not in."]


def test_a_caller_as_a_whole_is_in_no_text():
    assert not holds("caller in variables.vip1", f"{ZONE}\nvariables: {{vip1: '+12015550998'}}")


@each_case("form", [*TRUE_FORMS, "false", "no", "off", "0", "Ann"])
@each_case("test", ["is true", "is false", "is not true", "is not false", "is sameas true"])
def test_a_test_for_true_or_false_holds_as_the_comparison_does(form, test):
    comparison = test.replace("is not", "!=").replace("is sameas", "==").replace("is ", "== ")
    more = f"{ZONE}\nvariables: {{x: {form}}}"
    assert holds(f"variables.x {test}", more) == holds(f"variables.x {comparison}", more)


def test_a_variable_that_is_written_as_true_is_true():
    assert holds("variables.x is true and variables.y is false", f"{ZONE}\nvariables: {{x: true, y: false}}")
