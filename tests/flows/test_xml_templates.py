"""XML templates beside flow files give a valid document, or the fallback and a problem in the check."""

from __future__ import annotations

import pytest
from flow_harness import APOLOGY, SIGNER, Conversation, answer_node, make_turn

from callflows.errors import DocumentReadError
from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.compiler.xml_templates import TemplateRenderJob
from callflows.flows.flow_compilation import FlowCompilation, compile_flow
from callflows.language import Extensions

DIALECTS = pytest.mark.parametrize("dialect", ["reference", "classic"])
FILE = "numbers: rest\ntemplate: acme.xml.j2\nvariables: {desk: 'north & <south>'}\nfallback: [say: Sorry.]\n"
GATHER = {
    "reference": '<Gather dtmf_length="1" url="{{ here }}"><Error><Say>None.</Say></Error></Gather>',
    "classic": '<Gather numDigits="1" callback="{{ here }}"><Switch><Error><Say>None.</Say></Error></Switch></Gather>',
}


def compiled(folder, template: str | bytes, dialect: str = "reference", file: str = FILE) -> FlowCompilation:
    """A flow made of a template."""
    (folder / "acme.xml.j2").write_bytes(template if isinstance(template, bytes) else template.encode())
    options = CompilerOptions(SIGNER, APOLOGY, dialect)  # type: ignore[arg-type]
    return compile_flow("acme", file.encode(), str(folder / "acme.yaml"), options)


def document(folder, template: str, dialect: str = "reference", **told: str) -> str:
    """What a caller gets."""
    made = compiled(folder, template, dialect)
    assert made.flow is not None, made.problems
    return (
        answer_node(made.flow, "start", make_turn(**told)).decode().partition("<Response>")[2].removesuffix("</Response>")
    )


@DIALECTS
def test_a_template_sees_what_a_flow_sees_and_a_caller_brings_only_text(tmp_path, dialect):
    template = "<Response><Say>Hi {{ caller.name }} of {{ variables.desk }}.</Say></Response>"
    hostile = 'Bob</Say><Dial><To>+882991234</To></Dial><Say>"&'
    xml = document(tmp_path, template, dialect, name=hostile)
    assert xml.count("<Say>") == 1
    assert "<Dial>" not in xml
    assert "north &amp; &lt;south&gt;" in xml


@DIALECTS
def test_a_template_of_either_dialect_is_written_in_that_of_the_flow(tmp_path, dialect):
    ring = {"reference": "<To>+12015550188</To>", "classic": "<Number>+12015550188</Number>"}
    for written in ring.values():
        assert ring[dialect] in document(tmp_path, f"<Response><Dial>{written}</Dial></Response>", dialect)


@DIALECTS
def test_a_call_comes_back_to_the_template_with_what_was_pressed(tmp_path, dialect):
    pressed = "<Say>You pressed {{ digits }}.</Say>"
    template = f"<Response>{{% if digits %}}{pressed}{{% else %}}{GATHER[dialect]}{{% endif %}}</Response>"
    made = compiled(tmp_path, template, dialect)
    assert made.flow is not None, made.problems
    assert Conversation(made.flow, dialect).press_keys("7").spoken_texts == ["You pressed 7."]


BROKEN = {
    "an unknown element": "<Response><Sya>Hi.</Sya></Response>",
    "an unknown attribute": '<Response><Say lnag="es">Hi.</Say></Response>',
    "a child that may not stand there": "<Response><Hangup><Say>Hi.</Say></Hangup></Response>",
    "an element left open": "<Response><Say>Hi.</Response>",
    "no root": "{% if false %}<Response/>{% endif %}",
    "two roots": "<Response/><Response/>",
    "another root": "<Say>Hi.</Say>",
    "an entity": '<!DOCTYPE x [<!ENTITY a "b">]><Response><Say>&a;</Say></Response>',
    "a wrong value": '<Response><Pause length="soon"/></Response>',
    "markup in an attribute": "<Response><Pause length='{{ caller.name }}'/></Response>",
}


COMPUTED = ("no root", "markup in an attribute")
"""Faults that depend on values, and are seen only when a call is there."""


@DIALECTS
@pytest.mark.parametrize("template", BROKEN.values(), ids=BROKEN)
def test_what_is_no_document_never_leaves(dialect, template):
    job = TemplateRenderJob(template, dialect, Extensions(), {"caller": {"name": "a<b"}})
    with pytest.raises(DocumentReadError):
        job.run()


@DIALECTS
@pytest.mark.parametrize("fault", COMPUTED)
def test_a_fault_that_depends_on_values_leads_to_the_fallback(tmp_path, dialect, fault):
    made = compiled(tmp_path, BROKEN[fault], dialect)
    assert made.flow is not None, made.problems
    with pytest.raises(DocumentReadError):
        answer_node(made.flow, "start", make_turn(name="a<b"))
    assert b"Sorry." in made.flow.fallback


@pytest.mark.parametrize("fault", sorted(BROKEN.keys() - set(COMPUTED)))
def test_a_template_that_is_no_document_for_any_caller_is_an_error_before_a_call_is_there(tmp_path, fault):
    made = compiled(tmp_path, BROKEN[fault])
    assert made.flow is None
    assert made.broken_flow is not None
    (problem,) = [problem for problem in made.problems if problem.severity == "error"]
    assert (problem.rule, problem.file) == ("document", str(tmp_path / "acme.xml.j2"))


@pytest.mark.parametrize(
    ("template", "place", "said"),
    [
        ("<Response>\n  <Say>Tom & Jerry</Say>\n</Response>", (2, 12), "&amp;"),
        ('<Response>\n<Play url="https://a.example/?a=1&b=2"/></Response>', (2, 34), "&amp;"),
        ("<Response>\n{% if digits %}\n  <Sya>a</Sya>\n{% endif %}</Response>", (3, 3), "did you mean 'Say'?"),
        ("<Response>{% if digits %}a{% elif caller.anonymous %}\n<Sya/>{% endif %}</Response>", (2, 1), "<Sya>"),
        ("<Response>\n{% for c in digits %}<Sya>{{ c }}</Sya>{% endfor %}</Response>", (2, 22), "<Sya>"),
        ("<Response>{% macro m(x) %}\n <Sya>{{ x }}</Sya>{% endmacro %}{{ m('a') }}</Response>", (2, 2), "<Sya>"),
        ('<Response>{# a\nb #}<Say lnag="{{ digits }}">a</Say></Response>', (2, 5), "did you mean 'lang'?"),
        ('<Response>\n  <Say lang="{{ digits }}">a\n</Response>', (3, 11), "<Say> is not closed before </Response>"),
    ],
)
def test_the_constant_parts_of_a_template_are_read_as_a_document_with_their_places(tmp_path, template, place, said):
    problems = compiled(tmp_path, template).problems
    errors = [problem for problem in problems if problem.severity == "error"]
    assert [(problem.line, problem.column) for problem in errors if said in str(problem)] == [place], problems


@pytest.mark.parametrize(
    "template",
    [
        "<Response>{% if digits %}<Gather>{% endif %}<Say>x</Say>{% if digits %}</Gather>{% endif %}</Response>",
        "<Response><Dial>{% if digits %}<To>{{ digits }}</To>{% endif %}</Dial></Response>",
        "<Response><Dial>{% for c in [1, 2] %}<To>+1201555018{{ c }}</To>{% endfor %}</Dial></Response>",
        "{% if digits %}<Response><Say>a</Say></Response>{% else %}<Response><Hangup/></Response>{% endif %}",
        '<?xml version="1.0"?>\n<!-- a & b --><Response><Say>a &amp; b {{ digits }}{# & #}</Say></Response>',
        "<Response><Say><![CDATA[a & b]]></Say></Response>",
        '<Response><Pause length="{{ digits }}"/></Response>',
        "{% set a = 1 %}\n{% macro m() %}<Say>a</Say>{% endmacro %}<Response>{{ m() }}</Response>",
        "\r\n<Response>\r\n{% raw %}<Say>{{ a }}</Say>{% endraw %}</Response>",
    ],
)
def test_a_template_that_can_be_a_document_has_no_error(tmp_path, template):
    problems = compiled(tmp_path, template).problems
    assert [problem for problem in problems if problem.severity == "error"] == []


@pytest.mark.parametrize(
    ("template", "rule", "said"),
    [
        ("<Response>\n<Say>{{ caller.nmae }}</Say></Response>", "template", "acme.xml.j2:2: caller has no 'nmae'"),
        ("<Response>\n\n{% if %}</Response>", "template", "acme.xml.j2:3: Expected an expression"),
        ("<Response>{% for a in [1] %}</Response>", "template", "acme.xml.j2:1: {% for … %} is not closed"),
        ("<Response>{% include 'other.xml' %}</Response>", "template", "acme.xml.j2:1: include has no place"),
        ("<Response>{% extends 'other.xml' %}</Response>", "template", "acme.xml.j2:1: extends has no place"),
        ("<Response>{{ caller.number | sahfe }}</Response>", "template", "acme.xml.j2:1: there is no filter 'sahfe'"),
        ("<Response>{{ nobody }}</Response>", "template", "acme.xml.j2:1: there is no 'nobody'"),
        (b"<Response>\xff</Response>", "template-file", "cannot be read"),
        (b"x" * 1_000_001, "template-file", "it has more than 1000000 bytes"),
    ],
)
def test_what_is_wrong_with_a_template_is_said_before_a_call_is_there(tmp_path, template, rule, said):
    made = compiled(tmp_path, template)
    assert made.flow is None
    (problem,) = made.problems
    assert (problem.rule, problem.line) == (rule, 2)
    assert said in problem.message


@pytest.mark.parametrize("name", ["../acme.xml.j2", "/etc/passwd", "nowhere.xml.j2", "."])
def test_a_template_stands_beside_its_flow_file(tmp_path, name):
    made = compiled(tmp_path, "<Response/>", file=FILE.replace("acme.xml.j2", f"'{name}'"))
    assert [problem.rule for problem in made.problems if problem.severity == "error"] == ["template-file"]


def test_a_template_that_changes_is_another_version(tmp_path):
    texts = ("One.", "Two.", "Two.")
    one, two, same = (compiled(tmp_path, f"<Response><Say>{text}</Say></Response>").flow for text in texts)
    assert one is not None
    assert two is not None
    assert same is not None
    assert one.version != two.version == same.version


DIAL = "<Dial><To>12015550188</To></Dial>"
SILENT = "<Default><Hangup/></Default><Error><Hangup/></Error>"
MENU = f'<Gather dtmf_length="1"><DTMF value="1">{{}}</DTMF>{SILENT}</Gather>'


def list_silent_ends(folder, content: str, dialect: str = "reference") -> list[tuple[int, int]]:
    """The places of the dials and menus that are warned of."""
    problems = compiled(folder, f"<Response><Say>Hi.</Say>\n{content}</Response>", dialect).problems
    assert not [problem for problem in problems if problem.severity == "error"]
    return [(problem.line, problem.column) for problem in problems if problem.rule == "no-way-out"]


@pytest.mark.parametrize(
    "content",
    [
        DIAL,
        MENU.format(DIAL),
        "{% if caller.name %}" + DIAL + "{% else %}<Hangup/>{% endif %}",
        "{% for number in variables.desk %}" + DIAL + "{% endfor %}",
        "<!-- <Dial> -->" + DIAL.replace("</Dial>", "<Error><Hangup/></Error></Dial>") + DIAL,
    ],
)
def test_a_dial_of_a_template_after_which_nothing_comes_is_warned_of(tmp_path, content):
    assert list_silent_ends(tmp_path, content) == [(2, content.rindex("<Dial>") + 1)]


@pytest.mark.parametrize(
    "content",
    [
        DIAL + "<Say>Nobody is there.</Say>",
        DIAL + "<Hangup/>",
        DIAL.replace("</Dial>", "<Error><Say>Nobody.</Say></Error></Dial>"),
        MENU.format(DIAL) + "<Say>Nobody is there.</Say>",
        "{% if caller.name %}" + DIAL + "{% endif %}<Say>Nobody is there.</Say>",
        DIAL + "{% if caller.name %}<Say>Nobody is there.</Say>{% else %}<Hangup/>{% endif %}",
        "<!-- " + DIAL + " --><Hangup/>",
    ],
)
def test_a_dial_of_a_template_with_a_way_out_is_not_warned_of(tmp_path, content):
    assert list_silent_ends(tmp_path, content) == []


def test_a_dial_in_a_branch_of_the_classic_dialect_is_warned_of(tmp_path):
    content = f'<Gather numDigits="1"><Switch><DTMF value="1">{DIAL}</DTMF>{SILENT}</Switch></Gather>'
    assert list_silent_ends(tmp_path, content, "classic") == [(2, content.index("<Dial>") + 1)]
    assert list_silent_ends(tmp_path, content + "<Hangup/>", "classic") == []


SAID = "<Say>Nothing was pressed.</Say>"
KEY = '<DTMF value="1"><Dial><To>12015550188</To><Error><Hangup/></Error></Dial></DTMF>'


@pytest.mark.parametrize(
    "content",
    [
        f'<Gather dtmf_length="1">{KEY}</Gather>',
        f"<Gather dtmf_length='1'>{KEY}<Default>{SAID}</Default></Gather>",
        f'<Gather dtmf_length="1">{KEY}<Default>{SAID}</Default><Error/></Gather>',
        f'<Gather dtmf_length="1">{KEY}<Error>{SAID}</Error></Gather>',
        f'<Gather dtmf_length="1">{KEY}<Default>{SAID}</Default><Error tag="silent"/></Gather>',
        '<Gather dtmf_length="4"/>',
        f'{{% for key in [1, 2] %}}<Gather dtmf_length="1">{KEY}</Gather>{{% endfor %}}',
    ],
)
def test_a_menu_of_a_template_after_which_nothing_comes_is_warned_of(tmp_path, content):
    assert list_silent_ends(tmp_path, content) == [(2, content.index("<Gather") + 1)]


@pytest.mark.parametrize(
    "content",
    [
        f'<Gather dtmf_length="1">{KEY}</Gather>{SAID}',
        f'<Gather dtmf_length="1">{KEY}</Gather><Hangup/>',
        f'<Gather dtmf_length="1">{KEY}<Default>{SAID}</Default><Error>{SAID}</Error></Gather>',
        f'<Gather dtmf_length="1">{KEY}<Default>{SAID}</Default><Error play="true"/></Gather>',
        '<Gather dtmf_length="4" url="https://a.example/keys?caller={{ caller.number }}"/>',
        f'<Gather dtmf_length="1">{KEY}{{% if caller.name %}}<Default/>{{% endif %}}</Gather>{SAID}',
    ],
)
def test_a_menu_of_a_template_with_a_way_out_is_not_warned_of(tmp_path, content):
    assert list_silent_ends(tmp_path, content) == []


def test_a_menu_of_the_classic_dialect_without_a_branch_for_silent_callers_is_warned_of(tmp_path):
    content = f'<Gather numDigits="1"><Say>Press 1.</Say><Switch>{KEY}<Default><Hangup/></Default></Switch></Gather>'
    assert list_silent_ends(tmp_path, content, "classic") == [(2, 1)]
    assert list_silent_ends(tmp_path, content.replace("</Switch>", f"<Error>{SAID}</Error></Switch>"), "classic") == []


def test_a_template_with_a_namespace_is_read_like_any_other(tmp_path):
    template = f'<Response xmlns="https://a.example/"><Say>Hi.</Say>{DIAL}</Response>'
    assert "document" in {problem.rule for problem in compiled(tmp_path, template).problems}
    template = "<Response><Say>Hi.</Say>" + DIAL.replace("<Dial>", '<Dial xmlns="https://a.example/">') + "</Response>"
    assert compiled(tmp_path, template).problems


def test_a_template_counts_its_loops(tmp_path):
    template = (
        "<Response><Say>{% for x in ['a', 'b'] %}{{ loop.index }} of {{ loop.length }}: {{ x }}"
        "{% if loop.last %}.{% else %}, {% endif %}{% endfor %}</Say></Response>"
    )
    assert "<Say>1 of 2: a, 2 of 2: b.</Say>" in document(tmp_path, template)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{% for x in ['a'] %}{{ loop.idnex }}{% endfor %}", "loop has no 'idnex'"),
        ("{% for x in ['a'] %}{{ loop.cycle('a', 'b') }}{% endfor %}", "loop has no 'cycle'"),
        ("{% for x in ['a'] %}{{ loop }}{% endfor %}", "loop itself is no text"),
        ("{% for x in ['a'] %}{{ x }}{% endfor %}{{ loop.index }}", "there is no 'loop'"),
    ],
)
def test_what_a_loop_does_not_have_is_an_error_of_the_check(tmp_path, written, said):
    problems = compiled(tmp_path, f"<Response><Say>Hi. {written}</Say></Response>").problems
    assert any(said in problem.message for problem in problems if problem.severity == "error"), problems
