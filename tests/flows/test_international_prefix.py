"""Numbers as people write them: 00 before the country code, punctuation, and fixes that name no other country's number."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from flow_harness import answer_node, compile_text, compile_valid_flow, make_flow_text, make_turn

from callflows.flows.caller_lists.caller_list_reader import read_caller_list
from callflows.flows.checks.cross_flow_checks import check_across_flows
from callflows.flows.dial_policy.target_policy import DialPolicy
from callflows.flows.flow_book import FlowBook
from callflows.flows.source.positions import ProblemReport
from callflows.telephony.phone_numbers import parse_caller_number, parse_e164
from callflows.telephony.turn import Turn
from each_case import each_case

FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
"""The characters of East Asian keyboards."""


@each_case(
    ("written", "number"),
    [
        ("0033612345678", "+33612345678"),
        ("+0033612345678", "+33612345678"),
        ("00 33 6 12 34 56 78", "+33612345678"),
        ("00-44-20-7946-0018", "+442079460018"),
        ("(00) 44 20 7946 0018", "+442079460018"),
        ("0012015550188", "+12015550188"),
        ("tel:0033612345678", "+33612345678"),
        ("sip:0033612345678@carrier.example", "+33612345678"),
    ],
)
def test_00_before_the_country_code_is_the_plus(written, number):
    assert parse_e164(written) == number
    assert parse_caller_number(written) == number


@each_case(
    ("written", "number"),
    [
        ("+1 (201) 555-0188", "+12015550188"),
        ("1 (201) 555-0188", "+12015550188"),
        ("(+1) 201 555 0188", "+12015550188"),
        ("+1/201/555/0188", "+12015550188"),
        ("+1\u00a0201\u00a0555\u20110188", "+12015550188"),
        ("\u202a+12015550188\u202c", "+12015550188"),
        ("+44 (0)20 7946 0018", "+442079460018"),
    ],
)
def test_punctuation_of_people_and_of_address_books_is_no_part_of_a_number(written, number):
    assert parse_e164(written) == number


@each_case(
    "written",
    ["201-555-0123", "201.555.0123", "tel:201-555-0123", "612-345-678", "44 20 7946 0018", "06 12 34 56 78", "6175550123"],
)
def test_a_number_of_one_country_never_becomes_a_number_of_another(written):
    assert parse_e164(written) == ""
    assert parse_caller_number(written) in (written, written.removeprefix("tel:"))


@pytest.mark.parametrize(
    ("written", "fix"),
    [
        ("201-555-0188", "write +12015550188 if it is North American, else put its own country code"),
        ("6175550188", "write +16175550188 if it is North American, else put its own country code"),
        ("44 20 7946 0018", "write +442079460018 if its first digits are its country's code"),
        ("612 345 678", "as +12015550123"),
    ],
)
def test_a_number_without_its_country_is_refused_with_the_number_that_is_meant(written, fix):
    text = f"numbers: ['{written}']\nnodes:\n  start:\n    - sms: {{to: '{written}', text: Hello}}\n    - hangup\n"
    problems = [str(problem) for problem in compile_text(text).problems if problem.severity == "error"]
    assert len(problems) == 2
    assert all("is not a number" in problem and fix in problem for problem in problems)


@each_case(
    "written",
    [
        "+12015550999".translate(FULL_WIDTH),
        "١٢٠١٥٥٥٠٩٩٩",
        "+1(201)555-0999".translate(FULL_WIDTH),
        "+ 1 201 555 0999",
        "+(1) 201-555-0999",
        "+12015550999 ext 5",
        "+12015550999ext. 5",
        "+1 201 555 0999 x5",
        "+12015550999x5",
        "+12015550999,5",
        "+12015550999,,5#",
        "+12015550999#5",
        "+12015550999;5",
        "+12015550999;ext=5",
        "+12015550999-5",
        "+12015550999/5",
        "+12015550999, +12015550998",
        "+12015550999 (Ann)",
        "+1 201 555 0999 - Ann",
        "sip:%2B12015550999@h",
        "sip:+12015550999x5@h",
        "sip:+12015550999;ext=5@h",
        "sip:+12015550999:secret@h",
        "<+12015550999>",
        "<sip:+12015550999@h>;tag=1",
        '"Ann" <+12015550999>',
        '"+12015550999"',
        "12015550999 ext 5",
        "0012015550999,5",
    ],
)
def test_a_party_of_a_call_is_its_number_whatever_its_network_writes_around_it(written):
    turn = Turn({"from": written, "to": written}, get_base_url=lambda: "")
    assert turn.caller.number == "+12015550999"
    assert turn.number == "+12015550999"


@each_case(
    "written", ["ann", "401", "401 x5", "1001,5", "12015550123bob", "441234567-bob", "sip:ann%40x@h", "2015550999 x5"]
)
def test_a_login_name_or_a_short_number_is_not_taken_for_a_number(written):
    assert parse_caller_number(written) == written


@each_case(
    "written",
    [
        "<anonymous>",
        "Ann <anonymous>",
        "anonymous".translate(FULL_WIDTH),
        "\u202aanonymous\u202c",
        "00000".translate(FULL_WIDTH),
    ],
)
def test_a_withheld_caller_is_anonymous_in_every_spelling(written):
    assert parse_caller_number(written) == ""


@each_case("number", ["+8821612345", "+80012345678", "+979123456789"])
def test_a_number_of_no_country_has_no_region(number):
    region = Turn({"from": number, "to": "12015550123"}, get_base_url=lambda: "").caller.region
    assert not region
    assert region == "unknown"


@each_case("written", ["02079460018", "000", "0000000000", "00", "(201) 555-0188", "+1 (201) 555-0188 or 12"])
def test_a_number_without_a_country_stays_none(written):
    assert parse_e164(written) == ""


@each_case(
    ("computed", "number"),
    [
        ("+1 (201) 555-0188", "+12015550188"),
        ("1 (201) 555-0188", "+12015550188"),
        ("1-201-555-0188", "+12015550188"),
        (" +1.201.555.0188 ", "+12015550188"),
        ("001 201 555 0188", "+12015550188"),
        ("12015550188", "+12015550188"),
    ],
)
def test_a_computed_number_with_punctuation_is_rung_and_judged_as_its_digits(computed, number):
    policy = DialPolicy(frozenset({"US"}))
    assert policy.find_refusal(computed) == ""
    assert policy.normalize_dial_target(computed) == number
    assert "does not allow" in DialPolicy(frozenset({"FR"})).find_refusal(computed)


@each_case(
    "computed",
    [
        "+1 (900) 555-1234",
        "00 44 20 7946 0018",
        "+44 (0)20 7946 0018",
        "9-1-1",
        "(911)",
        "+1 201 555 0188, +1 900 555 1234",
        "+1 201 555 0188;ext=5",
        "+1 201 555 0188 x5",
    ],
)
def test_punctuation_opens_no_way_round_the_dial_policy(computed):
    assert DialPolicy(frozenset({"US"})).find_refusal(computed)


@pytest.mark.parametrize("computed", ["(201) 555-0188", "201-555-0188", "201.555.0188"])
def test_a_computed_number_without_its_country_is_never_rung_in_another_country(computed):
    assert DialPolicy(None).find_refusal(computed)


def test_a_target_written_with_00_is_rung_in_e164():
    flow = compile_valid_flow(make_flow_text("- dial: {to: 0033612345678, no_answer: start}\n- say: Bye."))
    assert "<To>+33612345678</To>" in answer_node(flow, "start", make_turn()).decode()


@pytest.mark.parametrize("written", ["(201) 555-0188", "201-555-0188", "201.555.0188"])
def test_the_fix_of_a_target_without_its_country_names_no_number_of_another_country(written):
    problems = compile_text(make_flow_text(f"- dial: {{to: '{written}', no_answer: start}}\n- say: Bye.")).problems
    (problem,) = [one for one in problems if one.rule == "dial-target"]
    assert "+12015550188" in problem.fix
    assert "+201" not in problem.fix


def test_a_list_takes_00_for_the_plus(tmp_path):
    file = tmp_path / "vip.csv"
    file.write_text("number\n0033612345678\n0044*\n", encoding="utf-8")
    report = ProblemReport(str(file))
    now = datetime(2026, 11, 23, tzinfo=UTC)
    rows = read_caller_list("vip", file, report, ("lists", "vip"), now)
    assert report.problems == []
    assert rows.find_row("+33612345678", now, None) is not None
    assert rows.find_row("+442079460018", now, None) is not None
    assert rows.find_row("+12015550188", now, None) is None


def test_a_flow_may_claim_a_number_with_00():
    flow = compile_valid_flow("numbers: [0033612345678, 0044*]\nnodes: {start: [say: Hello.]}\n")
    assert {claim.number for claim in flow.claims} == {"+33612345678", "+44*"}


def fixes_of(target: str, own: str) -> list[str]:
    text = f"numbers: '{own}'\nnodes:\n  start:\n    - dial: {{to: '{target}', no_answer: end}}\n  end: [say: Goodbye.]\n"
    with_flow = compile_text(text)
    report = [*with_flow.problems]
    if with_flow.flow is not None:
        report += check_across_flows(FlowBook([with_flow.flow]))
    return [problem.fix for problem in report]


@each_case(
    ("target", "own", "fix"),
    [
        ("02071838751", "+442071838750", "write +442071838751 if it is a number of GB"),
        ("020 7183 8751", "+442071838750", "write +442071838751 if it is a number of GB"),
        ("2071838751", "+442071838750", "write +442071838751 if it is a number of GB"),
        ("2079460018", "+442071838750", "write +442079460018 if it is a number of GB"),
        ("0142685301", "+33142685300", "write +33142685301 if it is a number of FR"),
        ("55 1234 5679", "+525512345678", "write +525512345679 if it is a number of MX"),
        ("3012345678", "+4930123456*", "write +493012345678 if it is a number of DE"),
        ("2015550188", "+493012345677", "write +492015550188 if it is a number of DE"),
        ("2015550188", "+33142685300", "put its own country code with a plus before it"),
        ("2015550188", "+12015550123", "write +12015550188 if it is North American"),
        ("2015550188", "rest", "write +12015550188 if it is North American"),
    ],
)
def test_a_fix_names_a_number_of_the_files_own_country_and_of_no_other(target, own, fix):
    fixes = fixes_of(target, own)
    assert any(fix in one for one in fixes), fixes
    assert own.startswith(("+1", "rest")) or not any("+1" in one for one in fixes), fixes


@each_case(
    ("target", "own"),
    [
        ("0044 20 7183 8751", "+442071838750"),
        ("0049 30 12345678", "+442071838750"),
        ("sip:+12015550188", "+12015550123"),
    ],
)
def test_a_number_that_is_rung_as_it_is_written_has_no_problem(target, own):
    assert fixes_of(target, own) == []
