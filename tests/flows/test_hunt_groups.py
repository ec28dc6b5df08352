"""Hunt groups, and dial targets that are computed during the call."""

from __future__ import annotations

from flow_harness import (
    answer_as_xml,
    compile_text,
    compile_valid_flow,
    find_signed_targets,
    iterate_documents,
    make_flow_text,
    make_turn,
    request_document,
)

from callflows.flows.decisions import describe_decisions
from callflows.telephony.turn import Variables
from each_case import each_case

SALES = "groups: {sales: {to: [+12015550188, ann@acme.sip.opentact.org], timeout: 25s}}"
WHO = "dial_policy: {regions: [US], sip_hosts: [acme.sip.opentact.org]}"


def rung(steps: str, more: str, **values: object) -> tuple[str, list[dict[str, object]]]:
    """The document of these steps where these values were set before, and its trail."""
    names = "".join(f"\n  before: [set: {{{name}: call.id}}, goto: start]" for name in values)
    flow = compile_valid_flow(make_flow_text(steps, more) + names + "\n  nobody: [say: Nobody.]\n")
    turn = make_turn()
    turn.earlier_values = Variables(values)
    turn.reset_progress()
    return answer_as_xml(flow, turn=turn), describe_decisions(turn)


def test_a_group_is_rung_as_it_says():
    xml = request_document(compile_valid_flow(make_flow_text("- dial: sales", SALES)))
    assert xml == '<Dial timeout="25000"><To>+12015550188</To><To>ann@acme.sip.opentact.org</To></Dial><Hangup/>'


def test_what_a_dial_says_itself_beats_its_group():
    xml = request_document(compile_valid_flow(make_flow_text("- dial: {to: sales, ring: in-turn, timeout: 5s}", SALES)))
    assert xml.count('<Dial timeout="5000">') == 2


def test_a_group_that_is_none_is_an_error_with_the_one_that_is_meant():
    (problem, *_) = compile_text(make_flow_text("- dial: slaes", SALES)).problems
    assert "did you mean 'sales'?" in str(problem)


def test_any_number_of_targets_in_turn_fits_into_documents():
    targets = ", ".join(f"a{i}@acme.sip.opentact.org" for i in range(100))
    flow = compile_valid_flow(
        make_flow_text(f"- dial: {{to: [{targets}], ring: in-turn, no_answer: end}}") + "  end: [say: Nobody.]\n"
    )
    documents = [xml for _, _, xml in iterate_documents(flow)]
    rung = [name for xml in documents for name in [f"a{i}@" for i in range(100)] if f"<To>{name}" in xml]
    assert sorted(rung) == sorted(f"a{i}@" for i in range(100)), "each once"
    assert sum("Nobody." in xml for xml in documents) == 1


def test_a_computed_target_is_rung_if_the_policy_allows_it():
    xml, trail = rung('- dial: {to: "{{ agent }}", no_answer: nobody}', WHO, agent="12015550188")
    assert "<To>+12015550188</To>" in xml
    assert trail[-1]["outcome"] == "allowed"


@each_case("agent", ["+19005550188", "+18765550188", "911", "x@evil.example", "", "+12015550188;x", "<To/>"])
def test_one_that_is_refused_is_not_rung_and_the_trail_says_why(agent):
    xml, trail = rung('- dial: {to: "{{ agent }}", no_answer: nobody}', WHO, agent=agent)
    assert "<Dial" not in xml
    assert "Nobody." in xml
    assert trail[-1]["outcome"] == "refused"
    assert trail[-1]["detail"]["refused"]


def test_of_several_the_refused_are_left_out():
    xml, _ = rung('- dial: {to: [+12015550190, "{{ agent }}"], no_answer: nobody}', WHO, agent="+19005550188")
    assert xml.startswith("<Dial><To>+12015550190</To><Error>")
    xml, _ = rung('- dial: {to: [+12015550190, "{{ agent }}"], no_answer: nobody}', WHO, agent="+12015550188")
    assert xml.startswith("<Dial><To>+12015550190</To><To>+12015550188</To><Error>")


def test_in_turn_a_refused_one_gives_way_to_the_next():
    steps = '- dial: {to: ["{{ agent }}", +12015550190], ring: in-turn, no_answer: nobody}'
    xml, _ = rung(steps, WHO, agent="+19005550188")
    assert xml.count("<Dial>") == 1
    assert "+12015550190" in xml
    xml, _ = rung(steps, WHO, agent="+12015550188")
    assert xml.index("+12015550188") < xml.index("+12015550190")


def test_without_a_policy_only_the_countries_of_the_files_own_numbers_are_rung():
    flow = compile_valid_flow(
        make_flow_text('- dial: "{{ call.from_ }}"').replace("numbers: rest", "numbers: +12015550123")
    )
    assert "<To>+12015550999</To>" in request_document(flow)
    assert "<To>" not in request_document(flow, from_="+442079460018")
    assert not find_signed_targets(request_document(flow))


def test_a_group_in_a_group_is_an_error_that_says_how_both_are_rung():
    text = make_flow_text("- dial: {to: sales, no_answer: start}", "groups: {sales: [support], support: [+12015550188]}")
    (problem,) = [one for one in compile_text(text).problems if one.rule == "dial-target"]
    assert problem.fix.endswith("as dial: {to: [sales, support]}")
