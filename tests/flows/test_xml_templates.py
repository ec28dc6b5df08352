"""XML templates beside flow files give a valid document, or the fallback and a problem in the check."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from flow_harness import APOLOGY, SIGNER, Conversation, answer_node, make_turn
from worker_functions import WaitingJob

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
        "<Response>{% if digits %}<Dial>{% else %}<Dial timeout='9000'>{% endif %}<To>+12015550188</To></Dial></Response>",
        "<Response>{% if not digits %}{% else %}<Gather>{% endif %}{% if digits %}</Gather>{% endif %}</Response>",
        "<Response><Say>{% for a in digits %}{% if not loop.first %}</Say><Say>{% endif %}{% endfor %}a</Say></Response>",
        "<Response>{% if digits %}<Dial>{% elif not digits %}<Dial>{% endif %}<To>+12015550188</To></Dial></Response>",
        "<Response>{% for a in digits %}<Gather>{% endfor %}{% for a in digits %}</Gather>{% endfor %}</Response>",
        "<Response><!-- {% if digits %}<Say>{% endif %} --><Say {% if digits %}loop='2'{% endif %}>x</Say></Response>",
        "{% macro m(x) %}{% if x %}<Gather>{% endif %}{% endmacro %}<Response>{{ m(true) }}</Gather></Response>",
        "\r\n<Response>\r\n{% raw %}<Say>{{ a }}</Say>{% endraw %}</Response>",
    ],
)
def test_a_template_that_can_be_a_document_has_no_error(tmp_path, template):
    problems = compiled(tmp_path, template).problems
    assert [problem for problem in problems if problem.severity == "error"] == []


@pytest.mark.parametrize(
    ("template", "rule", "place", "said"),
    [
        ("<Response>\n<Say>{{ caller.nmae }}</Say></Response>", "template", ("xml.j2", 2, 6), "caller has no 'nmae'"),
        ("<Response>\n\n{% if %}</Response>", "template", ("xml.j2", 3, 1), "{% if %} has no condition"),
        ("<Response>{% for a in [1] %}</Response>", "template", ("xml.j2", 1, 11), "{% for … %} is not closed"),
        ("<Response>{% include 'other.xml' %}</Response>", "template", ("xml.j2", 1, 11), "include has no place"),
        ("<Response>{% extends 'other.xml' %}</Response>", "template", ("xml.j2", 1, 11), "extends has no place"),
        ("<Response>{{ caller.number | sahfe }}</Response>", "template", ("xml.j2", 1, 11), "there is no filter 'sahfe'"),
        ("<Response>{{ nobody }}</Response>", "template", ("xml.j2", 1, 11), "there is no 'nobody'"),
        (b"<Response>\xff</Response>", "template-file", ("xml.j2", 1, 11), "the file is not UTF-8"),
        (
            "<Response>\n<Say>Zoë</Say></Response>".encode("latin-1"),
            "template-file",
            ("xml.j2", 2, 8),
            "the file is not UTF-8",
        ),
        ("<Response/>".encode("utf-16"), "template-file", ("xml.j2", 1, 1), "the file is not UTF-8"),
        (b"x" * 1_000_001, "template-file", ("yaml", 2, 11), "it has more than 1000000 bytes"),
    ],
)
def test_what_is_wrong_with_a_template_is_said_at_its_place_before_a_call_is_there(tmp_path, template, rule, place, said):
    made = compiled(tmp_path, template)
    assert made.flow is None
    (problem,) = made.problems
    file, line, column = place
    assert (problem.rule, problem.file) == (rule, str(tmp_path / f"acme.{file}"))
    assert (problem.line, problem.column) == (line, column)
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
        DIAL + '<Pause length="1000"/>',
        DIAL.replace("</Dial>", '<Error><Pause length="1000"/></Error></Dial>'),
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


CALLER = 'caller.number == "+12015550177"'


@pytest.mark.parametrize(
    ("content", "column", "said"),
    [
        (f"{{% if {CALLER} %}}<Dial><To>+12015550188</To>{{% endif %}}<Say>x</Say>", 41, "<Dial> is not closed"),
        ("{% if now.month == 7 %}<Say>b{% endif %}", 24, "<Say> is not closed before </Response>"),
        ('{% if variables.desk == "a" %}<Say>b</Sayy>{% endif %}', 37, "</Sayy> closes nothing"),
        ("{% if digits %}a{% elif caller.name %}b{% else %}<Say>c{% endif %}", 50, "if no condition of line 2 holds"),
        ("{% for key in digits %}<Say>{{ key }}{% endfor %}", 24, "if the loop of line 2 has values"),
        ("{% if digits %}{% if caller.name %}<Say>b{% endif %}{% endif %}", 36, "<Say> is not closed"),
        ("{% if digits %}<Dial>{% endif %}<To>+12015550188</To></Dial>", 54, "if the condition of line 2 does not hold"),
        ("{% if digits %}<Dial><Say>b{% else %}<Dial>{% endif %}</Dial>", 22, "<Say> is not closed before </Dial>"),
        ("{% macro m(x) %}{% if x %}<Say>{{ x }}{% endif %}{% endmacro %}{{ m(digits) }}", 27, "<Say> is not closed"),
    ],
)
def test_an_element_that_a_branch_leaves_open_or_closes_wrongly_is_found_in_the_branch(tmp_path, content, column, said):
    problems = compiled(tmp_path, f"<Response>\n{content}</Response>").problems
    (error,) = [problem for problem in problems if said in problem.message]
    assert (error.rule, error.line, error.column) == ("document", 2, column), error


def test_each_of_many_branches_that_leave_an_element_open_is_found(tmp_path):
    branches = "".join(f"{{% if digits == '{key}' %}}<Say>x{{% endif %}}\n" for key in range(30))
    problems = compiled(tmp_path, f"<Response>\n{branches}</Response>").problems
    assert [problem.line for problem in problems if problem.rule == "document"] == [*range(2, 32)]


def test_a_tag_that_is_written_wrongly_has_one_message_and_no_guess_about_what_follows(tmp_path):
    for tag, said in (("<Say lang=en-US>", "plain quotes"), ('<Say lang="en-US" lang="es-US">', "is given twice")):
        (problem,) = [
            problem
            for problem in compiled(tmp_path, f"<Response>\n{tag}x</Say></Response>").problems
            if problem.rule == "document"
        ]
        assert said in problem.message
        assert problem.line == 2


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("a&nbsp;b", "take it out, or write &#160;"),
        ("&copy; us", "take it out, or write &#169;"),
        ("&nothing;", "take it out"),
        ("Tom & Jerry", "write &amp; for it"),
    ],
)
def test_an_ampersand_has_the_fix_that_is_spoken_as_it_is_meant(tmp_path, text, fix):
    problems = compiled(tmp_path, f"<Response><Say>{text}</Say></Response>").problems
    assert [problem.fix for problem in problems if problem.rule == "document"] == [fix]


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("<Hangup/><Say>x</Say>", (2, 10)),
        ("<Hangup></Hangup>\n<!-- a --> <Say>{{ digits }}</Say>", (3, 12)),
        ("<Say>a</Say><Hangup/> {# b #} <Dial><To>+12015550188</To><Error><Hangup/></Error></Dial>", (2, 31)),
    ],
)
def test_what_stands_right_after_the_end_of_a_call_is_warned_of(tmp_path, content, place):
    template = f"<Response>\n{content}</Response>"
    problems = [problem for problem in compiled(tmp_path, template).problems if problem.rule == "after-the-end"]
    assert [(problem.line, problem.column) for problem in problems] == [place]


@pytest.mark.parametrize(
    "content",
    [
        "{% if digits %}<Hangup/>{% endif %}<Say>x</Say>",
        "<Say>a</Say><Hangup/>{% if digits %}<Say>x</Say>{% endif %}",
        "<!-- <Hangup/> --><Say>x</Say>",
        "<Dial><To>+12015550188</To><Error><Hangup/></Error></Dial><Say>x</Say>",
    ],
)
def test_what_may_be_reached_after_a_hangup_is_not_warned_of(tmp_path, content):
    problems = compiled(tmp_path, f"<Response>{content}</Response>").problems
    assert "after-the-end" not in {problem.rule for problem in problems}


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


def render_apart(job: object) -> dict[str, object]:
    """What the process of the check tells of one job."""
    command = [sys.executable, "-c", "from callflows.flows.loader.template_samples import render_main; render_main()"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(  # noqa: S603 - runs this Python
        command, input=pickle.dumps([job]), capture_output=True, env=environment, check=True, timeout=60
    )
    return json.loads(done.stdout)


def test_a_template_that_waits_for_a_busy_machine_is_not_given_up():
    assert render_apart(WaitingJob("<Response/>")) == {"result": "<Response/>"}


def test_a_template_that_computes_without_end_is_given_up():
    loops = "".join(f"{{% for {name} in digits %}}" for name in "abcdef") + "{% endfor %}" * 6
    job = TemplateRenderJob(f"<Response>{loops}</Response>", "reference", Extensions(), {"digits": "1" * 100})
    assert render_apart(job) == {"error": "it takes more than 2 s"}


def test_a_template_that_divides_by_zero_is_told_so_in_plain_words():
    job = TemplateRenderJob("<Response>\n{{ 1 / number }}</Response>", "reference", Extensions(), {"number": 0})
    assert render_apart(job)["error"] == "it divides by zero"
