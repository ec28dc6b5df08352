"""Toll fraud: a target that a caller can choose is judged, whichever way the document was made."""

from __future__ import annotations

import pytest
from flow_harness import APOLOGY, SIGNER, answer_node, compile_valid_flow, make_flow_text, make_turn

from callflows.errors import DocumentReadError, VerbBuildError
from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.flow import Flow
from callflows.flows.flow_compilation import FlowCompilation, compile_flow
from each_case import each_case

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


HIDDEN_DIALS = {
    "a macro writes the element": (
        "{% macro e(n, x) %}<{{ n }}>{{ x }}</{{ n }}>{% endmacro %}"
        "<Response>{{ e('Dial', e('To', '+' ~ digits)) }}</Response>"
    ),
    "a comment names the number": (
        "<Response><!-- <To>+19005551234</To> --><Dial><To>+{{ digits }}</To></Dial></Response>"
    ),
    "a comment that a value interrupts": (
        "<Response><!-- <To>+19005551234</To>{{ digits }} --><Dial><To>+{{ digits }}</To></Dial></Response>"
    ),
    "character data name the number": (
        "<Response><Say><![CDATA[<To>+19005551234</To>]]></Say><Dial><To>+{{ digits }}</To></Dial></Response>"
    ),
}


@pytest.mark.parametrize("template", HIDDEN_DIALS.values(), ids=HIDDEN_DIALS)
def test_a_dial_that_does_not_stand_in_a_template_as_one_is_judged_too(tmp_path, template):
    document, outcomes = answer(compile_template(tmp_path, template).flow, "19005551234")
    assert "<Dial" not in document
    assert outcomes == ["refused"]


def test_a_template_makes_no_markup_of_what_a_caller_brings(tmp_path):
    template = "<Response><Say>{% autoescape false %}{{ caller.name }}{% endautoescape %}</Say></Response>"
    compiled = compile_template(tmp_path, template)
    assert compiled.flow is None
    assert "autoescape has no place in a flow" in compiled.problems[0].message


@pytest.mark.parametrize(
    "expression",
    [
        '{{ ("a\nb"|e) | indent(caller.name) }}',
        '{{ ("a\nb"|e) | indent(width=caller.name) }}',
        '{{ ("a\nb"|e) | indent(caller.name, true, true) }}',
        "{% filter indent(caller.name) %}a\nb{% endfilter %}",
        "{% set x %}a\nb{% endset %}{{ x | indent(caller.name) }}",
        '{{ ("a"|e) | replace("a", caller.name) }}',
        '{{ [("a"|e), ("b"|e)] | join(caller.name) }}',
        '{{ ("%s"|e) | format(caller.name) }}',
        '{{ ("a b c d e f"|e) | truncate(5, true, caller.name) }}',
        '{{ ("a b c d"|e) | wordwrap(1, true, caller.name) }}',
        '{{ [("a"|e)] | sum(start=caller.name) }}',
        '{{ ("a"|e) ~ caller.name }}',
        '{{ ("a"|e) + caller.name }}',
        '{{ {"a": 1} | tojson(indent=caller.name) }}',
        "{{ caller.name | tojson }}",
        '{{ [("a"|e)] | batch(2, caller.name) | first | last }}',
    ],
)
def test_no_filter_makes_markup_of_an_argument_that_a_caller_brings(tmp_path, expression):
    flow = compile_template(tmp_path, f"<Response><Say>{expression}</Say></Response>").flow
    assert flow is not None
    for name in ("</Say><Dial><To>+19005551234</To></Dial><Say>", '"><Dial/>'):
        document = answer_node(flow, "start", make_turn(name=name)).decode()
        assert "<Dial" not in document


def test_lines_of_markup_are_indented_by_a_number_or_a_text(tmp_path):
    template = '<Response><Say>{{ ("a\nb"|e) | indent(1) }}{{ ("a\nb"|e) | indent("&") }}</Say></Response>'
    document, _ = answer(compile_template(tmp_path, template).flow, "1")
    assert "a\n ba\n&amp;b" in document


@pytest.mark.parametrize("written", ["+12015550188@evil.example.com", "12015550188@evil.example.com"])
def test_the_authors_number_at_another_host_is_another_target(tmp_path, written):
    template = "<Response><Dial><To>+12015550188</To></Dial><Dial><To>{{ digits }}</To></Dial></Response>"
    assert "evil" not in answer(compile_template(tmp_path, template).flow, written)[0]
    program = "return Response(Dial('+12015550188'), Dial(To(turn.entered_digits)))"
    assert "evil" not in answer(compile_program(program), written)[0]


def test_a_number_that_a_program_denies_is_not_its_word():
    policy = "numbers=['+12015550123'], dial_policy={'regions': ['US'], 'deny': ['+12012345678']}"
    flow = compile_program("return Response(Dial('+' + turn.entered_digits), Hangup())", policy)
    assert answer(flow, "12012345678")[1] == ["refused"]
    assert answer(flow, "12012345679")[1] == []


@pytest.mark.parametrize("user", ["1_900_555_1234", "1.900.555.1234", "9_1_1", "+1_900-555.1234", "0_0_1_900_555_1234"])
def test_a_gateway_that_passes_over_separators_gets_no_forbidden_number(tmp_path, user):
    template = "<Response><Dial><To>{{ digits }}@trunk.example.com</To></Dial><Say>Bye.</Say></Response>"
    flow = compile_template(tmp_path, template, US_ONLY.replace("}", ", sip_hosts: [trunk.example.com]}")).flow
    assert "<Dial" not in answer(flow, user)[0]
    assert "<Dial" in answer(flow, "1_201_555_0188")[0]


COMPUTED_URLS = {
    "a whole URL": "<Callback url='{{ digits }}'/>",
    "a URL as text": "<Callback> {{ caller.name }} </Callback>",
    "a host": "<Callback url='https://{{ digits }}/next'/>",
    "the end of a host": "<Gather url='https://acme.example.com{{ digits }}'/>",
}


@pytest.mark.parametrize("element", COMPUTED_URLS.values(), ids=COMPUTED_URLS)
def test_a_template_whose_next_document_a_caller_can_choose_is_an_error(tmp_path, element):
    compiled = compile_template(tmp_path, f"<Response>{element}</Response>")
    assert [(problem.severity, problem.rule) for problem in compiled.problems if problem.severity == "error"] == [
        ("error", "value")
    ]


def test_no_document_comes_from_a_host_that_a_caller_has_chosen(tmp_path):
    template = "{% set url = digits %}<Response><Callback url='{{ url }}'/></Response>"
    with pytest.raises(DocumentReadError, match="a host that is not written out"):
        answer(compile_template(tmp_path, template).flow, "https://evil.example.com/x")
    with pytest.raises(DocumentReadError, match="a host that is not written out"):
        answer(compile_program("return Response(Callback(turn.entered_digits))"), "https://Evil.example.com/x")


@each_case(
    ("url", "name", "is_asked"),
    [
        ('f"https://{turn.caller.name}/x"', "evil.example", False),
        ('f"https://{turn.caller.name}:8443/x"', "evil.example", False),
        ('f"https://api.{turn.caller.name}/x"', "evil.example", False),
        ('f"https://api.{turn.caller.name}/x"', "EVIL.example/q", False),
        ('f"https://api.{turn.caller.name}/x"', "a@evil.example", False),
        ('f"https://api.{turn.caller.name}/x"', "evil.example:1", False),
        ('f"https://user@{turn.caller.name}/x"', "evil.example", False),
        ('f"https://{turn.caller.name}.acme.example/x"', "evil", False),
        ('f"https://{turn.caller.name}/x"', "[::1", False),
        ('f"https://flows.acme.{turn.caller.name[:3]}/x"', "org", True),
        ("f\"https://{'flows.acme.example'}/x\"", "Ann", True),
        ('"https://flows.acme.example/x"', "acme", True),
        ('f"https://flows.acme.example/{turn.caller.name}"', "acme", False),
    ],
)
def test_a_program_asks_no_host_for_a_document_that_a_caller_chooses_even_in_part(url, name, is_asked):
    flow = compile_program(f"return Response(Callback(url={url}))")
    turn = make_turn(name=name)
    if is_asked:
        assert b"<Callback" in answer_node(flow, "start", turn)
    else:
        with pytest.raises((DocumentReadError, VerbBuildError)):
            answer_node(flow, "start", turn)


def test_documents_of_hosts_that_the_author_wrote_out_are_fetched(tmp_path):
    variable = f"{US_ONLY}variables: {{crm: https://crm.example.com/a}}\n"
    for url in ("https://acme.example.com/{{ digits }}", "{{ variables.crm }}/b", "{{ here }}"):
        flow = compile_template(tmp_path, f"<Response><Callback url='{url}'/></Response>", variable).flow
        assert "<Callback url=" in answer(flow, "acme")[0]
    for url in ("'https://acme.example.com/' + turn.entered_digits", "turn.url('start')"):
        assert "<Callback url=" in answer(compile_program(f"return Response(Callback({url}))"), "12")[0]


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


@pytest.mark.parametrize(
    ("caller", "is_sent"),
    [
        ("19005551234", False),
        ("19000001234", False),
        ("881612345678", False),
        ("+8835100012345", False),
        ("+882991234567", False),
        ("+99912345678", False),
        ("447911123456", True),
        ("12015550100", True),
    ],
)
def test_no_text_goes_to_a_caller_whose_pretended_number_costs_money(caller, is_sent):
    flow = compile_valid_flow(make_flow_text("- sms: Thanks.\n- hangup"))
    turn = make_turn(**{"from": caller, "to": "12015550123"})
    answer_node(flow, "start", turn)
    assert bool(turn.effects) == is_sent


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
