"""The flow that answers each number."""

from __future__ import annotations

import pytest
from flow_harness import SIGNER, compile_text, compile_valid_flow
from hypothesis import given
from hypothesis import strategies as st

from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.entry_points import NumberClaim
from callflows.flows.flow import Flow
from callflows.flows.flow_book import FlowBook, find_claim_conflicts
from callflows.flows.loader.folder_loader import load_flow_folder
from callflows.flows.loader.related_flow_files import find_related_files
from callflows.telephony.phone_numbers import PhoneNumber, parse_e164
from callflows.telephony.turn import Turn
from each_case import each_case


def book(**claims: str) -> FlowBook:
    return FlowBook([named(name, numbers) for name, numbers in claims.items()])


def named(name: str, numbers: str) -> Flow:
    flow = compile_valid_flow(f"numbers: {numbers}\nnodes: {{start: [hangup]}}\n")
    return Flow(name, f"{name}.yaml", "1", "reference", None, flow.claims, {}, b"")


def answers(found: FlowBook, number: str) -> str:
    flow = found.find_answering_flow(number)
    return flow.name if flow else ""


def test_an_exact_number_beats_the_longest_prefix_beats_the_rest():
    found = book(rest="rest", us="+1*", jersey="+1201*", acme="+12015550123", sales="+120155501*")
    assert answers(found, "+12015550123") == "acme"
    assert answers(found, "+12015550124") == "sales"
    assert answers(found, "+12015559999") == "jersey"
    assert answers(found, "+12125559999") == "us"
    assert answers(found, "+442079460018") == "rest"
    assert answers(found, "") == "rest"
    assert answers(found, "ann") == "rest"


def test_the_order_of_the_files_makes_no_difference():
    claims = {"rest": "rest", "us": "+1*", "jersey": "+1201*", "acme": "+12015550123"}
    for number in ("+12015550123", "+12015550124", "+12125550123", "+44207946"):
        assert answers(book(**claims), number) == answers(book(**dict(reversed(claims.items()))), number)


def test_a_number_that_nobody_claims_has_no_flow():
    assert book(acme="+12015550123").find_answering_flow("+12015550124") is None
    assert book(jersey="+1201*").find_answering_flow("+1202") is None
    assert book(jersey="+1201*").find_answering_flow("+120") is None
    assert book().find_answering_flow("+12015550123") is None


def test_a_prefix_claims_the_number_that_is_the_prefix_itself():
    assert answers(book(short="+12015550123*"), "+12015550123") == "short"


def test_a_flow_may_claim_several_numbers_and_prefixes():
    found = book(acme="[+12015550123, 12015550124, +1 (201) 555-0125, +1202*, rest]")
    for number in ("+12015550123", "+12015550124", "+12015550125", "+12025550000", "+442079460018"):
        assert answers(found, number) == "acme"


@each_case("written", ["+1 201*", "+1201 *", "+1-201*", "+1 (201) *", "001201*", "1201*"])
def test_a_prefix_may_have_the_blanks_of_people(written):
    assert answers(book(jersey=f'"{written}"'), "+12015550123") == "jersey"


@each_case("written", ["020*", "011*", "+0*", "00*", "+*"])
def test_a_prefix_with_which_no_number_begins_is_an_error(written):
    assert "number" in compile_text(f'numbers: ["{written}"]\nnodes: {{start: [hangup]}}').rules


@each_case(
    ("numbers", "fix"),
    [
        ("[201*]", "write +1201* if it is North American"),
        ("[201555*, +12125550123]", "write +1201555* if it is North American"),
        ("[201*, +442079460018]", "put its own country code with a plus before it"),
        ("[447*, +442079460018]", ""),
        ("[4420*]", ""),
        ("[1201*]", ""),
        ("[0044*]", ""),
        ("[+201*]", ""),
    ],
)
def test_a_prefix_without_its_country_is_a_doubt(numbers, fix):
    doubts = [
        one.fix for one in compile_text(f"numbers: {numbers}\nnodes: {{start: [hangup]}}").problems if "plus" in one.message
    ]
    assert [bool(fix)] * len(doubts) == [True] * bool(fix)
    assert all(doubt.startswith(fix) for doubt in doubts)


def test_a_hundred_thousand_numbers_are_looked_up():
    claims = tuple(NumberClaim(f"+1201{number:07}", "acme.yaml", 1, 1) for number in range(2_000_000, 2_100_000))
    prefixes = tuple(NumberClaim(f"+44{number}*", "other.yaml", 1, 1) for number in range(10_000))
    flows = [
        Flow("acme", "", "", "reference", None, claims, {}, b""),
        Flow("other", "", "", "reference", None, prefixes, {}, b""),
    ]
    found = FlowBook(flows)
    assert all(answers(found, claim.number) == "acme" for claim in claims)
    assert answers(found, "+12012100000") == ""
    assert answers(found, "+4499991") == "other"
    assert find_claim_conflicts(claim for flow in flows for claim in flow.claims) == []


def test_a_file_with_ten_thousand_numbers_is_read():
    numbers = "".join(f"  - +1201{number:07}\n" for number in range(2_000_000, 2_010_000))
    flow = compile_valid_flow(f"numbers:\n{numbers}nodes: {{start: [hangup]}}\n")
    assert len({claim.number for claim in flow.claims}) == 10_000
    assert flow.claims[-1].line == 10_001


# How numbers are written


@each_case(
    ("text", "number"),
    [
        ("+12015550123", "+12015550123"),
        ("12015550123", "+12015550123"),
        (" 12015550123", "+12015550123"),
        ("+1 201 555 0123", "+12015550123"),
        ("+1 (201) 555-0123", "+12015550123"),
        ("+1.201.555.0123", "+12015550123"),
        ("tel:+1-201-555-0123", "+12015550123"),
        ("sip:12015550123@opentact.org", "+12015550123"),
        ("12015550123@opentact.org", "+12015550123"),
        ("+442079460018", "+442079460018"),
        ("442079460018", "+442079460018"),
        ("+44 (0)20 7946 0018", "+442079460018"),
        ("+18765550123", "+18765550123"),
        ("+4930123456", "+4930123456"),
        ("+390612345678", "+390612345678"),
        ("+97721234567", "+97721234567"),
    ],
)
def test_a_number_is_the_same_however_it_is_written(text, number):
    assert parse_e164(text) == number
    assert compile_text(f"numbers: ['{text}']\nnodes: {{start: [hangup]}}\n").flow.claims[0].number == number


@each_case(
    "text",
    [
        "",
        "+",
        "0",
        "911",
        "02015550123",
        "+0",
        "ann",
        "ann@acme.org",
        "+1201555012345678901",
        "1" * 300,
        "\u0661\u0662",
        "+1x",
    ],
)
def test_what_is_no_number_with_its_country_is_none(text):
    assert parse_e164(text) == ""


@given(st.text(max_size=60))
def test_any_text_is_a_number_or_none(text):
    found = parse_e164(text)
    assert found == "" or (found[0] == "+" and found[1:].isdecimal() and found.isascii() and len(found) <= 16)
    if found:
        assert parse_e164(found) == found


def test_a_number_knows_its_country_and_how_it_is_written_there():
    assert (PhoneNumber("+12015550123").national, PhoneNumber("+12015550123").region) == ("(201) 555-0123", "US")
    assert PhoneNumber("+18765550123").region == "JM"
    assert (PhoneNumber("+442079460018").national, PhoneNumber("+442079460018").region) == ("020 7946 0018", "GB")
    assert (PhoneNumber("ann").national, PhoneNumber("ann").region) == ("ann", "unknown")
    assert (PhoneNumber("").national, PhoneNumber("").region) == ("", "unknown")


@pytest.mark.parametrize(
    "told", [{"to": "12015550123"}, {"tn": "12015550123"}, {"to": "", "tn": "12015550123"}, {"to": " 12015550123 "}]
)
def test_the_number_called_is_told_in_several_ways(told):
    assert Turn(told, get_base_url=str).number == "+12015550123"


# Claims that are wrong


@each_case("number", ["x", "+", "*", "+*", "+12x*", "+1201**", "REST", "rest*"])
def test_a_claim_that_is_no_number_is_an_error_with_its_place(number):
    found = compile_text(
        f"numbers:\n  - +12015550123\n  - {number!s}\nnodes: {{start: [hangup]}}\n"
        if number != "*"
        else "numbers:\n  - +12015550123\n  - '*'\nnodes: {start: [hangup]}\n"
    )
    (problem,) = found.problems
    assert (problem.rule, problem.line, problem.column) == ("number", 3, 5)
    assert "country code" in problem.fix


def test_several_numbers_in_one_text_are_an_error_with_the_list_that_is_meant():
    (problem,) = compile_text("numbers: '+12015550123, +12015550124'\nnodes: {start: [hangup]}\n").problems
    assert (problem.rule, problem.line, problem.fix) == ("number", 1, "several are a list: [+12015550123, +12015550124]")


def test_a_number_claimed_twice_in_a_file_names_both_places():
    flow = compile_valid_flow(
        "numbers:\n  - +12015550123\n  - +12015550124\n  - 1 201 555 0123\nnodes: {start: [hangup]}\n"
    )
    (problem,) = find_claim_conflicts(flow.claims)
    assert (problem.file, problem.line, problem.column) == ("acme.yaml", 4, 5)
    assert "acme.yaml:2:5" in problem.message


@pytest.mark.parametrize("number", ["+12015550123", "+1201*", "rest"])
def test_a_number_claimed_in_two_files_names_both_places(tmp_path, number):
    (tmp_path / "a.yaml").write_text(f"numbers: {number}\nnodes: {{start: [hangup]}}\n")
    (tmp_path / "b.yaml").write_text(f"nodes: {{start: [hangup]}}\nnumbers: [+12015550199, {number}]\n")
    loaded = load_flow_folder(tmp_path, CompilerOptions(SIGNER, "sorry"))
    (problem,) = loaded.problems
    assert (problem.file, problem.line, problem.column) == (str(tmp_path / "b.yaml"), 2, 25)
    assert problem.rule == "number-claimed-twice"
    assert f"{tmp_path / 'a.yaml'}:1:10" in problem.message
    assert loaded.has_errors
    assert answers(loaded.book, "+12015550123") == "a"


def test_a_prefix_and_a_number_in_it_do_not_clash():
    assert find_claim_conflicts([*named("a", "+1201*").claims, *named("b", "[+12015550123, +12015*, rest]").claims]) == []


def test_a_clash_is_found_though_one_of_the_files_is_wrong_elsewhere(tmp_path):
    (tmp_path / "a.yaml").write_text("numbers: +12015550123\nnodes: {start: [hangup]}\n")
    (tmp_path / "b.yaml").write_text("numbers: +12015550123\nnodes: {start: [hangpu]}\n")
    rules = {problem.rule for problem in load_flow_folder(tmp_path, CompilerOptions(SIGNER, "sorry")).problems}
    assert rules == {"unknown-step", "number-claimed-twice"}


def test_of_the_files_beside_a_file_only_those_are_read_that_may_have_a_number_in_common(tmp_path):
    texts = {
        "acme": "numbers: [+12015550123, +1202*]\nnodes: {start: [dial: +12015550188]}",
        "claims_the_same": "numbers:\n  # ours\n\n- (201) 555-0123\nnodes: {start: [hangup]}",
        "claims_within_the_prefix": "numbers: +12025550100\nnodes: {start: [hangup]}",
        "rings_it": "numbers: +12015550101\nnodes: {start: [dial: +12015550123]}",
        "answers_whom_it_rings": "numbers: +1 201 555 0188\nnodes: {start: [hangup]}",
        "rings_the_same": "numbers: +12015550102\nnodes: {start: [dial: +12015550188]}",
        "answers_the_rest": "numbers: rest\nnodes: {start: [hangup]}",
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    found = {file.stem for file in find_related_files([tmp_path / "acme.yaml"], tmp_path)}
    assert found == {"claims_the_same", "claims_within_the_prefix", "rings_it", "answers_whom_it_rings"}
