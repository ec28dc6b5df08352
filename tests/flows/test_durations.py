"""Durations with a wrong unit are noticed: in flow files, in XML documents and in templates."""

from __future__ import annotations

from pathlib import Path

import pytest
from flow_harness import APOLOGY, SIGNER, compile_text, make_flow_text

from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.loader.check_runner import check_paths
from each_case import each_case

OPTIONS = CompilerOptions(SIGNER, APOLOGY)


def problems_of(step, dialect="reference"):
    told = compile_text(make_flow_text(f"- {step}\n- say: Goodbye."), dialect).problems
    return [problem for problem in told if problem.rule in {"duration-doubtful", "value"}]


@each_case(
    ("step", "likely"),
    [
        ("dial: {to: +12015550188, timeout: 25000, no_answer: start}", "25s"),
        ("dial: {to: +12015550188, timeout: 25, no_answer: start}", "25s"),
        ("voicemail: {max: 120000}", "2m"),
        ("voicemail: {max: 90}", "90s"),
        ("pause: 500", "500ms"),
        ("pause: 1500", "1.5s"),
        ("lookup: {url: 'https://crm.example.com/', into: x, timeout: 800}", "800ms"),
        ("curl: {url: 'https://crm.example.com/', timeout: 3000}", "3s"),
    ],
)
def test_a_number_without_a_unit_leads_to_the_unit_that_is_plausible_for_its_key(step, likely):
    (problem,) = problems_of(step)
    assert problem.severity == "error"
    assert f"(did you mean {likely}?)" in problem.message


@each_case(
    ("step", "dialect", "said", "fix"),
    [
        ("dial: {to: +12015550188, timeout: 1s, no_answer: start}", "reference", "1s is very short", "usual are 5s to 5m"),
        ("dial: {to: +12015550188, timeout: 2h, no_answer: start}", "reference", "2h is very long", "usual are 5s to 5m"),
        ("dial: {to: +12015550188, timeout: 25000s, no_answer: start}", "reference", "very long", "did you mean 25s?"),
        ("dial: {to: +12015550188, timeout: 20ms, no_answer: start}", "reference", "very short", "did you mean 20s?"),
        ("voicemail: {max: 500h}", "reference", "500h is very long", "did you mean 500s?"),
        ("voicemail: {max: 2s}", "reference", "2s is very short", "usual are 5s to 30m"),
        ("pause: 2ms", "reference", "2ms is very short", "did you mean 2s?"),
        ("hold: {timeout: 300ms}", "reference", "300ms is very short", "did you mean 5m?"),
        ("menu: {prompt: Press 1., keys: {1: start}, timeout: 5ms}", "classic", "5ms is very short", "did you mean 5s?"),
    ],
)
def test_a_duration_far_from_the_usual_is_a_warning_with_the_likely_meaning(step, dialect, said, fix):
    (problem,) = problems_of(step, dialect)
    assert (problem.severity, problem.rule) == ("warning", "duration-doubtful")
    assert said in problem.message
    assert problem.fix.startswith(fix)


@each_case(
    "step",
    [
        "dial: {to: +12015550188, timeout: 25000ms, no_answer: start}",
        "dial: {to: +12015550188, timeout: 5m, no_answer: start}",
        "voicemail: {max: 30m}",
        "voicemail: {}",
        "pause: 10m",
        "hold: {timeout: 1h}",
        "lookup: {url: 'https://crm.example.com/', into: x, timeout: 5s}",
    ],
)
def test_usual_durations_are_taken_without_a_word(step):
    assert problems_of(step) == []


@pytest.mark.parametrize(
    ("element", "line", "likely"),
    [
        ('<Pause length="2"/>', 2, "2000 (2s)"),
        ('<Dial timeout="20"><To>+12015550188</To></Dial>', 2, "20000 (20s)"),
        ('<Record><Pause length="60"/></Record>', 2, "60000 (1m)"),
        ('<Hold timeout="300"/>', 2, "300000 (5m)"),
    ],
)
def test_seconds_in_a_document_or_a_template_are_a_warning_with_the_milliseconds(element, line, likely, tmp_path):
    content = f"<Response>\n{element}\n<Say>Hello.</Say></Response>"
    (tmp_path / "document.xml").write_text(content, encoding="utf-8")
    (tmp_path / "acme.xml.j2").write_text(content, encoding="utf-8")
    (tmp_path / "acme.yaml").write_text("numbers: +12015550123\ntemplate: acme.xml.j2\n", encoding="utf-8")
    told = [one for one in check_paths([tmp_path], OPTIONS) if one.rule == "duration-doubtful"]
    assert len(told) == 2
    assert [f"did you mean {likely}?" in one.fix for one in told] == [True, True]
    assert [(Path(one.file).name, one.line) for one in told] == [("acme.xml.j2", line), ("document.xml", line)]


def test_milliseconds_in_a_document_and_computed_times_in_a_template_are_taken_without_a_word(tmp_path):
    content = '<Response><Pause length="2000"/><Pause length="{{ 2000 }}"/><Say>Hello.</Say></Response>'
    (tmp_path / "acme.xml.j2").write_text(content, encoding="utf-8")
    (tmp_path / "acme.yaml").write_text("numbers: +12015550123\ntemplate: acme.xml.j2\n", encoding="utf-8")
    assert [one for one in check_paths([tmp_path], OPTIONS) if one.rule == "duration-doubtful"] == []
