"""Authors declare attributes that Opentact accepts but does not document."""

from __future__ import annotations

import pytest
from flow_harness import APOLOGY, SIGNER, answer_as_xml, compile_text, compile_valid_flow, make_flow_text, request_document

from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.loader.folder_loader import load_extensions, load_flow_folder

DECLARED = {"Dial": {"callerId": "text"}, "Curl": {"headers": "text"}, "Say": {"wait": "ms"}}


def test_a_declared_attribute_of_a_verb_is_written():
    steps = "- curl: {url: 'https://x.example.com', headers: 'X-Who: {{ caller.name }}'}"
    flow = compile_valid_flow(make_flow_text(steps), extensions=DECLARED)
    assert 'headers="X-Who: A&amp;B"' in request_document(flow, name="A&B")


def test_a_declared_attribute_of_dial_is_written_though_dial_is_a_word():
    flow = compile_valid_flow(make_flow_text("- dial: {to: +12015550188, callerId: '+12015550123'}"), extensions=DECLARED)
    assert request_document(flow) == '<Dial callerId="+12015550123"><To>+12015550188</To></Dial><Hangup/>'


def test_a_declared_time_is_written_with_its_unit_as_every_time():
    flow = compile_valid_flow(make_flow_text("- say: {text: Hello., wait: 2s}"), extensions=DECLARED)
    assert 'wait="2000"' in answer_as_xml(flow)


@pytest.mark.parametrize("value", ["2", "soon", "[1]", "{a: b}", "'{{ caller.name }}'"])
def test_a_declared_attribute_of_a_wrong_value_is_an_error(value):
    made = compile_text(make_flow_text(f"- say: {{text: Hello., wait: {value}}}"), extensions=DECLARED)
    assert made.flow is None
    assert made.problems[0].line == 5


def test_an_attribute_that_is_not_declared_is_an_error():
    assert compile_text(make_flow_text("- say: {text: Hello., wait: 2s}")).rules == ["unknown-key"]


def test_the_file_beside_the_flows_declares(tmp_path):
    (tmp_path / "extensions.yaml").write_text("Curl: {headers: text}\n")
    (tmp_path / "acme.yaml").write_text(make_flow_text("- curl: {url: 'https://x.example.com', headers: a}\n- hangup"))
    loaded = load_flow_folder(tmp_path, CompilerOptions(SIGNER, APOLOGY))
    assert loaded.problems == ()
    assert [*loaded.book.flows] == ["acme"]


@pytest.mark.parametrize(
    ("text", "rule", "said"),
    [
        ("Dail: {callerId: text}", "extension", "did you mean"),
        ("Dial: {timeout: ms}", "extension", "of its own"),
        ("Dial: {callerId: phone}", "extension", "no kind 'phone'"),
        ("Dial: {caller id: text}", "extension", "name of an attribute"),
        ("Dial: callerId", "shape", "mapping"),
        ("Dial: {callerId: [text]}", "shape", "mapping"),
        ("- Dial", "shape", "mapping"),
        ("", "shape", "empty"),
        ("Dial: {", "yaml", "the file cannot"),
    ],
)
def test_a_wrong_declaration_is_an_error_at_its_place(tmp_path, text, rule, said):
    (tmp_path / "extensions.yaml").write_text(text)
    found, problems = load_extensions(tmp_path)
    assert [problem.rule for problem in problems] == [rule]
    assert said in str(problems[0])
    assert problems[0].file == str(tmp_path / "extensions.yaml")
    assert not found.kinds


def test_one_wrong_declaration_does_not_take_the_others_with_it(tmp_path):
    (tmp_path / "extensions.yaml").write_text("Dail: {x: text}\nDial: {callerId: text}\n")
    found, problems = load_extensions(tmp_path)
    assert [*found.kinds] == ["Dial"]
    assert problems[0].line == 1
