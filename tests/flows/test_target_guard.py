"""Toll fraud: a target that a caller can choose is judged, whichever way the document was made."""

from __future__ import annotations

import pytest
from flow_harness import APOLOGY, SIGNER, answer_node, make_turn

from callflows.errors import DocumentReadError
from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.flow import Flow
from callflows.flows.flow_compilation import FlowCompilation, compile_flow

FILE = "numbers: +12015550123\ntemplate: acme.xml.j2\nfallback: [say: Sorry.]\n"
US_ONLY = "dial_policy: {regions: [US]}\n"
FORBIDDEN = {
    "premium": "19005551234",
    "abroad": "442079460018",
    "satellite": "881612345678",
    "emergency": "911",
    "a foreign host": "ann@evil.example.com",
}
forbidden = pytest.mark.parametrize("digits", FORBIDDEN.values(), ids=FORBIDDEN)


def compile_template(folder, template: str, more: str = US_ONLY, **options) -> FlowCompilation:
    (folder / "acme.xml.j2").write_text(template)
    return compile_flow(
        "acme", f"{FILE}{more}".encode(), str(folder / "acme.yaml"), CompilerOptions(SIGNER, APOLOGY, **options)
    )


def compile_program(source: str, arguments: str = "numbers=['+12015550123'], dial_policy={'regions': ['US']}") -> Flow:
    head = f"from callflows import *\nacme = flow('acme', {arguments})\n"
    node = f"@acme.node\nasync def start(turn):\n    {source}\n"
    compiled = compile_flow("acme", (head + node).encode(), "acme.py", CompilerOptions(SIGNER, APOLOGY))
    assert compiled.flow is not None, compiled.problems
    return compiled.flow


def answer(flow: Flow | None, digits: str) -> tuple[str, list[str]]:
    """The document for a caller who keyed digits, and the outcomes in the trail of its turn."""
    assert flow is not None
    turn = make_turn(**{"from": "12015550100", "to": "12015550123", "dtmf": digits})
    document = answer_node(flow, "start", turn).decode()
    return document, [outcome for _, outcome, _, _ in turn.trail]


@forbidden
def test_a_template_rings_no_number_that_the_policy_refuses(tmp_path, digits):
    plus = "" if "@" in digits else "+"
    template = f"<Response><Dial><To>{plus}{{{{ digits }}}}</To></Dial><Say>Bye.</Say></Response>"
    document, outcomes = answer(compile_template(tmp_path, template).flow, digits)
    assert "<Dial" not in document
    assert "<Say>Bye.</Say>" in document
    assert outcomes == ["refused"]


@forbidden
def test_a_program_rings_no_number_that_the_policy_refuses(digits):
    flow = compile_program("return Response(Dial(To(turn.entered_digits)), Say('Bye.'))")
    document, outcomes = answer(flow, digits if "@" in digits or len(digits) < 5 else f"+{digits}")
    assert "<Dial" not in document
    assert "<Say>Bye.</Say>" in document
    assert outcomes == ["refused"]


def test_a_target_that_is_not_one_number_gets_the_fallback(tmp_path):
    template = "<Response><Dial><To>+{{ digits }}</To></Dial></Response>"
    with pytest.raises(DocumentReadError):
        answer(compile_template(tmp_path, template).flow, "12015550188;19005551234")


def test_a_template_rings_what_the_policy_allows(tmp_path):
    template = "<Response><Dial><To>+{{ digits }}</To></Dial></Response>"
    assert answer(compile_template(tmp_path, template).flow, "12015550188") == (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Response><Dial><To>+12015550188</To></Dial></Response>',
        [],
    )


def test_a_number_that_the_author_wrote_out_is_the_authors_word(tmp_path):
    abroad = "+442079460018"
    template = f"<Response><Dial><To> {abroad} </To><To>+{{{{ digits }}}}</To></Dial></Response>"
    assert f"<To>{abroad}</To>" in answer(compile_template(tmp_path, template).flow, "12015550188")[0]
    program = compile_program(f"return Response(Dial({{'de': '{abroad}'}}['de']))")
    assert f"<To>{abroad}</To>" in answer(program, "")[0]


@pytest.mark.parametrize("written", ["f'+1900555{turn.entered_digits}'", "'+1900555' + turn.entered_digits"])
def test_a_number_put_together_from_a_written_part_is_judged(written):
    document, outcomes = answer(compile_program(f"return Response(Dial({written}), Hangup())"), "1234")
    assert "<Dial" not in document
    assert outcomes == ["refused"]


def test_only_the_refused_targets_of_a_dial_are_taken_out(tmp_path):
    template = "<Response><Dial timeout='20000'><To>+12015550188</To><To>+{{ digits }}</To></Dial></Response>"
    document, _ = answer(compile_template(tmp_path, template).flow, "19005551234")
    assert '<Dial timeout="20000"><To>+12015550188</To></Dial>' in document


def test_a_dial_that_may_ring_nobody_goes_on_as_if_nobody_had_answered(tmp_path):
    error = "<Error><Say>Nobody is there.</Say><Dial><To>+{{ digits }}</To></Dial></Error>"
    template = f"<Response><Answer/><Dial><To>+{{{{ digits }}}}</To>{error}</Dial></Response>"
    document, outcomes = answer(compile_template(tmp_path, template).flow, "19005551234")
    assert document.endswith("<Response><Answer/><Say>Nobody is there.</Say></Response>")
    assert outcomes == ["refused", "refused"]


@pytest.mark.parametrize(
    "outer",
    [
        "<Record>{}</Record>",
        "<Gather><DTMF value='1'>{}</DTMF></Gather>",
        "<Gather><Default>{}</Default></Gather>",
        "<Gather><Error>{}</Error></Gather>",
        "<Callback url='https://acme.example.com/'><Error>{}</Error></Callback>",
        "<Schedule dow='mon'>{}</Schedule>",
        "<Geo states='NJ'>{}</Geo>",
    ],
)
def test_a_target_is_found_in_every_branch_of_a_document(tmp_path, outer):
    dial = "<Dial><To>+{{ digits }}</To></Dial>"
    flow = compile_template(tmp_path, f"<Response>{outer.format(dial)}<Say>Bye.</Say></Response>").flow
    assert "<To>" in answer(flow, "12015550188")[0]
    document, outcomes = answer(flow, "19005551234")
    assert "<Dial" not in document
    assert "<Record" not in document
    assert outcomes == ["refused"]


def test_classic_targets_are_judged_too(tmp_path):
    dials = "<Dial><Number>+{{ digits }}</Number></Dial><Dial><Sip>{{ digits }}@acme.example.com</Sip></Dial>"
    template = f"<Response>{dials}</Response>"
    document, outcomes = answer(compile_template(tmp_path, template, dialect="classic").flow, "19005551234")
    assert "<Dial" not in document
    assert outcomes == ["refused", "refused"]


def test_the_regions_of_the_installation_bind_templates_and_programs(tmp_path):
    template = "<Response><Dial><To>+{{ digits }}</To></Dial></Response>"
    flow = compile_template(tmp_path, template, "dial_policy: {regions: any}\n", dial_regions=frozenset({"US"})).flow
    assert answer(flow, "442079460018")[1] == ["refused"]
    assert answer(flow, "12015550188")[1] == []


def test_check_warns_of_a_computed_target_that_may_never_be_rung(tmp_path):
    computed = "<Response><Dial><To>+{{ digits }}</To></Dial></Response>"
    closed = "dial_policy: {regions: [DE], types: []}\n"
    assert "dial-policy-closed" in [problem.rule for problem in compile_template(tmp_path, computed, closed).problems]
    literal = "<Response><Dial><To>+12015550188</To></Dial></Response>"
    assert "dial-policy-closed" not in [problem.rule for problem in compile_template(tmp_path, literal, closed).problems]


@pytest.mark.parametrize("policy", ["{'regions': 'US'}", "['US']", "{'regions': ['Atlantis']}", "{'countries': ['US']}"])
def test_a_faulty_policy_of_a_program_is_an_error(policy):
    source = f"from callflows import *\nacme = flow('acme', dial_policy={policy})\n"
    node = "@acme.node\nasync def start(turn):\n    return Response(Say('Hi.'))\n"
    compiled = compile_flow("acme", (source + node).encode(), "acme.py", CompilerOptions(SIGNER, APOLOGY))
    assert compiled.flow is None
    assert "dial_policy" in " ".join(problem.message for problem in compiled.problems)


def answer_of_server(flow: Flow, digits: str, owned: str = "+12015550124") -> str:
    """The document for a caller who keyed digits, of a server that also answers another number."""
    turn = make_turn(**{"from": "12015550100", "to": "12015550123", "dtmf": digits})
    turn.owns_number = {owned, "+12015550123"}.__contains__
    return answer_node(flow, "start", turn).decode()


OWN_SPELLINGS = pytest.mark.parametrize(
    ("digits", "rings"), [("12015550123", False), ("12015550124", False), ("12015550188", True)]
)


@OWN_SPELLINGS
def test_a_template_dials_no_number_of_ours_that_is_computed(tmp_path, digits, rings):
    template = "<Response><Dial><To>+{{ digits }}</To><Error><Say>No.</Say></Error></Dial></Response>"
    document = answer_of_server(compile_template(tmp_path, template).flow, digits)
    assert ("<Dial" in document) == rings
    assert "<Say>No.</Say>" in document


@OWN_SPELLINGS
def test_a_program_dials_no_number_of_ours_that_is_computed(digits, rings):
    flow = compile_program("return Response(Dial(To('+' + turn.entered_digits)), Say('Bye.'))")
    document = answer_of_server(flow, digits)
    assert ("<Dial" in document) == rings
    assert "<Say>Bye.</Say>" in document


def test_a_program_that_names_another_number_of_ours_dials_it():
    flow = compile_program("return Response(Dial(To('+12015550124')), Say('Bye.'))")
    assert "<Dial" in answer_of_server(flow, "1")


def test_a_sip_address_of_a_number_of_ours_is_refused(tmp_path):
    template = "<Response><Dial><To>{{ digits }}@trunk.example.com</To></Dial><Say>Bye.</Say></Response>"
    flow = compile_template(tmp_path, template, US_ONLY.replace("}", ", sip_hosts: [trunk.example.com]}")).flow
    assert "<Dial" not in answer_of_server(flow, "12015550124")
    assert "<Dial" in answer_of_server(flow, "12015550188")
    assert "<Dial" in answer_of_server(flow, "7")
