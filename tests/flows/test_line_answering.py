"""The call is answered when necessary, not before, and once."""

from __future__ import annotations

import itertools
import time
import types

import pytest
from flow_harness import (
    APOLOGY,
    SIGNER,
    answer_as_xml,
    compile_text,
    compile_valid_flow,
    find_signed_targets,
    make_flow_text,
    make_turn,
    request_document,
)

from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.entry_points import NodeEntry
from callflows.flows.flow_compilation import compile_flow
from each_case import each_case

NEEDS = {
    "say: Hello.": True,
    "play: https://media.example.com/a.mp3": True,
    "tone: {hz: 440}": True,
    "gather: {dtmf: {1: [hangup]}}": True,
    "record: {do: [pause: 1s]}": True,
    "hold: 1s": True,
    "menu: {prompt: a, keys: {1: start}, attempts: 1}": True,
    "voicemail: a": True,
    "dial: +12015550188": False,
    "pause: 1s": False,
    "hangup": False,
    "meta: {name: a, value: b}": False,
    "curl: https://x.example.com": False,
    "callback: https://x.example.com": False,
}


def xml(steps: str, mode: str = "auto", dialect: str = "reference", answers: bool | None = None) -> str:  # noqa: FBT001
    flow = compile_valid_flow(make_flow_text(steps, f"auto_answer: {mode}"), dialect)
    return answer_as_xml(flow, turn=make_turn(answers=answers))


@each_case("step", NEEDS)
def test_auto_answers_before_the_first_step_that_needs_it(step):
    assert xml(f"- {step}").startswith("<Answer/>") is NEEDS[step]


@each_case("step", [step for step in NEEDS if NEEDS[step]])
def test_auto_leaves_it_to_an_app_that_answers_by_itself(step):
    assert "<Answer/>" not in xml(f"- {step}", answers=True).partition("<Error>")[0]
    assert xml(f"- {step}", answers=False).startswith("<Answer/>")


@each_case("step", NEEDS)
def test_true_answers_before_what_needs_it_whatever_the_app_does(step):
    for answers in (None, True, False):
        assert xml(f"- {step}", "true", answers=answers).startswith("<Answer/>") is NEEDS[step]


@each_case("mode", ["false", "no"])
@each_case("step", NEEDS)
def test_false_never_answers(step, mode):
    made = compile_text(make_flow_text(f"- {step}", f"auto_answer: {mode}"))
    if mode == "false":
        assert "<Answer/>" not in request_document(made.flow)
        assert b"<Answer/>" not in made.flow.fallback
    else:
        assert "value" in made.rules
        assert "did you mean" in str(made.problems[0]) or "false" in str(made.problems[0])


@each_case("mode", ["auto", "true", "false"])
@each_case("answers", [None, True, False])
def test_the_classic_dialect_has_no_answer(mode, answers):
    assert "Answer" not in xml("- say: Hello.", mode, "classic", answers)


def test_the_line_is_answered_once():
    assert (
        xml("- pause: 1s\n- dial: +12015550188\n- say: A\n- say: B\n- play: https://x.example.com").count("<Answer/>") == 1
    )


def test_an_answer_of_the_author_is_enough():
    made = xml("- answer: {delay: 1s}\n- say: Hello.")
    assert made.count("<Answer") == 1
    assert made.startswith('<Answer delay="1000"/><Say>')


@pytest.mark.parametrize("hidden", ["", "+12015550999"])
def test_the_line_is_answered_once_though_a_condition_stands_before_it(hidden):
    steps = "- when: caller.anonymous\n  say: Who are you?\n- say: Hello."
    flow = compile_valid_flow(make_flow_text(steps))
    made = request_document(flow, from_=hidden)
    assert made.count("<Answer/>") == 1
    assert made.startswith("<Answer/>")


def test_the_line_is_answered_in_each_way_that_a_call_can_go():
    steps = "- when: caller.anonymous\n  goto: hidden\n- dial: {to: +12015550188, no_answer: hidden}"
    flow = compile_valid_flow(make_flow_text(steps) + "  hidden: [say: Hello.]\n")
    assert request_document(flow, from_="") == "<Answer/><Say>Hello.</Say><Hangup/>"
    assert request_document(flow) == (
        "<Dial><To>+12015550188</To><Error><Answer/><Say>Hello.</Say><Hangup/></Error></Dial><Hangup/>"
    )


def test_a_node_that_two_ways_lead_to_is_answered_in_one_and_not_again_in_the_other():
    steps = "- when: caller.anonymous\n  goto: both\n- say: Welcome.\n- goto: both"
    flow = compile_valid_flow(make_flow_text(steps) + "  both: [say: Hello.]\n")
    assert request_document(flow) == "<Answer/><Say>Welcome.</Say><Say>Hello.</Say><Hangup/>"
    assert request_document(flow, from_="") == "<Answer/><Say>Hello.</Say><Hangup/>"


def test_the_fallback_of_a_call_that_is_answered_does_not_answer_again():
    made = request_document(compile_valid_flow(make_flow_text("- say: Hello.\n- goto: start")))
    assert made.count("<Answer/>") == 1
    assert "<Error><Say>We are sorry.</Say><Hangup/></Error></Callback>" in made


def test_the_fallback_of_a_call_that_is_not_answered_answers_it():
    made = request_document(compile_valid_flow(make_flow_text("- pause: 1s\n- goto: start")))
    assert "<Error><Answer/><Say>We are sorry.</Say><Hangup/></Error></Callback>" in made


# Templates and programs

RING = "<Dial><To>+12015550188</To>{}</Dial>"
SAY = "<Say>Hello.</Say>"
DOCUMENTS = {
    SAY: f"<Answer/>{SAY}",
    f"<Answer/>{SAY}": f"<Answer/>{SAY}",
    f'<Pause length="500"/>{SAY}{SAY}': f'<Pause length="500"/><Answer/>{SAY}{SAY}',
    RING.format(""): RING.format(""),
    RING.format(f"<Error>{SAY}</Error>"): RING.format(f"<Error><Answer/>{SAY}</Error>"),
    f"{RING.format(f'<Error>{SAY}</Error>')}{SAY}": f"{RING.format(f'<Error><Answer/>{SAY}</Error>')}<Answer/>{SAY}",
    f'<Call field="to" value="1">{SAY}</Call>{SAY}': f'<Call field="to" value="1"><Answer/>{SAY}</Call><Answer/>{SAY}',
    f'<Gather dtmf_length="1"><DTMF value="1">{SAY}</DTMF></Gather>': (
        f'<Answer/><Gather dtmf_length="1"><DTMF value="1">{SAY}</DTMF></Gather>'
    ),
    '<Record timeout="60000"/>': '<Answer/><Record timeout="60000"/>',
    "<Hangup/>": "<Hangup/>",
}


def template_flow(folder, content: str, more: str = ""):
    (folder / "acme.xml.j2").write_text(f"<Response>{content}</Response>")
    options = CompilerOptions(SIGNER, APOLOGY)
    file = f"numbers: rest\ntemplate: acme.xml.j2\n{more}"
    made = compile_flow("acme", file.encode(), str(folder / "acme.yaml"), options)
    assert made.flow is not None, made.problems
    return made.flow


@pytest.mark.parametrize("content", DOCUMENTS)
def test_a_template_that_speaks_is_answered_for(tmp_path, content):
    flow = template_flow(tmp_path, content)
    assert answer_as_xml(flow) == DOCUMENTS[content]
    assert answer_as_xml(flow, turn=make_turn(answers=True)) == content
    assert answer_as_xml(flow, entry=NodeEntry(line_answered=True)) == content


def test_a_template_is_answered_for_as_its_file_says(tmp_path):
    assert answer_as_xml(template_flow(tmp_path, SAY, "auto_answer: false")) == SAY
    flow = template_flow(tmp_path, SAY, "auto_answer: true")
    assert answer_as_xml(flow, turn=make_turn(answers=True)) == f"<Answer/>{SAY}"
    assert answer_as_xml(template_flow(tmp_path, SAY, "dialect: classic")) == SAY


@pytest.mark.parametrize("more", ["", "&amp;again=1"])
def test_a_template_that_is_asked_again_before_the_line_is_answered_answers_then(tmp_path, monkeypatch, more):
    """Also if a second passes while it is rendered: each ticket is of another one here."""
    seconds = itertools.count(int(time.time()))
    monkeypatch.setattr("callflows.flows.tickets.time", types.SimpleNamespace(time=lambda: next(seconds)))
    back = f'<Callback url="{{{{ here }}}}{more}"/>'
    content = f"{RING.format(f'<Error>{back}</Error>')}<Gather><Error>{back}</Error></Gather>"
    document = answer_as_xml(template_flow(tmp_path, content)).replace(more, "")
    entries = [entry for _, entry in find_signed_targets(document)]
    assert entries == [NodeEntry(), NodeEntry(line_answered=True)]


PROGRAM = """
from callflows import Callback, Dial, Error, Gather, Hangup, Response, Say, Turn, flow

acme = flow("acme", numbers=["+12015550123"], fallback=Response(Say("Sorry.")))


@acme.node
async def start(turn: Turn) -> Response:
    ring = Dial("+12015550188", Error(Callback(turn.url("other"))))
    return Response(ring, Say("Hello."), Gather(url=turn.url("other")))


@acme.node
async def other(turn: Turn) -> Response:
    return Response(Say("Nobody is here."), Hangup())
"""


def test_a_program_that_speaks_is_answered_for_also_where_it_goes_on():
    flow = compile_flow("acme", PROGRAM.encode(), "acme.py", CompilerOptions(SIGNER, APOLOGY)).flow
    assert flow is not None
    assert b"<Response><Answer/><Say>Sorry.</Say></Response>" in flow.fallback
    xml = answer_as_xml(flow)
    assert "<Answer/><Say>Hello.</Say>" in xml
    assert find_signed_targets(xml) == [("other", NodeEntry()), ("other", NodeEntry(line_answered=True))]
    assert answer_as_xml(flow, "other").startswith("<Answer/>")
    assert not answer_as_xml(flow, "other", entry=NodeEntry(line_answered=True)).startswith("<Answer/>")
    assert "<Answer/>" not in answer_as_xml(flow, turn=make_turn(answers=True))
