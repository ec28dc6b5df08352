"""Reports of scenario results: text, JSON and JUnit XML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from callflows.rehearsal.transcript_text import describe_outcome, describe_step, format_elapsed
from callflows.testing.flow_coverage import FlowCoverage, describe_coverage_point
from callflows.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from callflows.testing.scenario_runner import ScenarioResult


def format_failed_scenario(result: ScenarioResult) -> Iterator[str]:
    """Format a failed scenario: the call, with the first difference marked."""
    case, missed = result.case, result.mismatch
    yield f"{case.file}:{case.line}:{case.column}: FAILED {case.flow}: {case.name}"
    if result.failure:
        yield f"  {result.failure}"
    if missed is not None:
        yield f"  {case.file}:{missed.line}:{missed.column}: expected {missed.expected_text}: {missed.reason}"
    yield from _format_call(result)
    if result.remaining_acts:
        yield f"  the caller had no chance to: {', '.join(result.remaining_acts)}"


def _format_call(result: ScenarioResult) -> Iterator[str]:
    """Format the call. ``ok`` marks matched steps; an arrow marks the place of the first difference."""
    missed = result.mismatch
    after = missed.after_step if missed is not None else None
    arrow = f"  ->       expected after this: {missed.expected_text}" if missed is not None else ""
    if after == -1:
        yield arrow
    mark = "->" if missed is not None and after is None else "  "
    end = f"  {mark} {format_elapsed(result.transcript.seconds):>6}  {describe_outcome(result.transcript)}"
    for index, step in enumerate(result.transcript.steps):
        if step.get("ended") and end:
            yield end
            end = ""
        tick = "ok" if missed is not None and index in missed.matched_steps else "  "
        yield f"  {tick} {'then' if step.get('ended') else format_elapsed(step['at']):>6}  {describe_step(step)}"
        if index == after:
            yield arrow
    yield from [end] if end else []


def build_result_data(result: ScenarioResult) -> dict[str, Any]:
    """Return a result as JSON data; only a failed scenario contains the call."""
    case, missed = result.case, result.mismatch
    result_data: dict[str, Any] = {"flow": case.flow, "name": case.name, "file": case.file, "line": case.line}
    result_data |= {
        "passed": result.has_passed,
        "seconds": round(result.transcript.seconds, 1),
        "nodes": result.transcript.nodes,
    }
    if result.has_passed:
        return result_data
    place = {"line": missed.line, "column": missed.column} if missed is not None else {}
    said_of = {"expected": missed.expected_text, **place, "why": missed.reason} if missed is not None else None
    return result_data | {"wrong": result.failure, "missed": said_of, "call": result.transcript.to_json()}


def build_coverage_data(coverage: Iterable[FlowCoverage]) -> list[dict[str, Any]]:
    return [
        {
            "flow": one.flow,
            "file": one.file,
            "reached": one.reached_count,
            "total": one.total_count,
            "missing": [
                {**spot._asdict(), "file": one.node_files.get(spot.node, one.file), "says": describe_coverage_point(spot)}
                for spot in one.missing_points
            ],
        }
        for one in coverage
    ]


def write_junit_report(results: Sequence[ScenarioResult], file: Path, errors: Sequence[str] = ()) -> None:
    """Write results as JUnit XML with one test suite for each flow. Raises OSError."""
    root = ET.Element("testsuites", name="callflows")
    for flow in dict.fromkeys(ran.case.flow for ran in results):
        of_flow = [ran for ran in results if ran.case.flow == flow]
        failures = sum(not ran.has_passed for ran in of_flow)
        suite = ET.SubElement(root, "testsuite", name=flow, tests=str(len(of_flow)), failures=str(failures))
        for ran in of_flow:
            _add_junit_case(suite, ran)
    if errors:
        suite = ET.SubElement(root, "testsuite", name="files", tests=str(len(errors)), errors=str(len(errors)))
        for error in errors:
            case = ET.SubElement(suite, "testcase", classname="files", name=clean_text(error.partition(": ")[0]))
            ET.SubElement(case, "error", message=clean_text(error))
    ET.ElementTree(root).write(file, encoding="utf-8", xml_declaration=True)


def _add_junit_case(suite: ET.Element, result: ScenarioResult) -> None:
    case = result.case
    element = ET.SubElement(suite, "testcase", classname=case.flow, name=clean_text(case.name), time="0", file=case.file)
    element.set("line", str(case.line))
    if not result.has_passed:
        text = [clean_text(line) for line in format_failed_scenario(result)]
        ET.SubElement(element, "failure", message=text[1].strip()).text = "\n".join(text)
