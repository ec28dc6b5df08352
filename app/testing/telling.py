"""Scenarios that failed, in words, as JSON and as JUnit has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from app.characters import clean
from app.rehearsal.telling import clocked, ending, told
from app.testing.coverage import Covered, said

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from app.testing.running import Ran


def failed(ran: Ran) -> Iterator[str]:
    """A scenario that failed: the call with the first difference marked."""
    case, missed = ran.case, ran.missed
    yield f"{case.file}:{case.line}:{case.column}: FAILED {case.flow}: {case.name}"
    if ran.wrong:
        yield f"  {ran.wrong}"
    if missed is not None:
        yield f"  {case.file}:{missed.line}:{missed.column}: expected {missed.expected}: {missed.why}"
    yield from _call(ran)
    if ran.left:
        yield f"  the caller did not get to: {', '.join(ran.left)}"


def _call(ran: Ran) -> Iterator[str]:
    """The call: what fitted has a tick, and an arrow shows behind what the first difference was looked for."""
    missed = ran.missed
    after = missed.after if missed is not None else None
    arrow = f"  ->       expected from here on: {missed.expected}" if missed is not None else ""
    if after == -1:
        yield arrow
    mark = "->" if missed is not None and after is None else "  "
    end = f"  {mark} {clocked(ran.call.seconds):>6}  {ending(ran.call)}"
    for index, step in enumerate(ran.call.steps):
        if step.get("ended") and end:
            yield end
            end = ""
        tick = "ok" if missed is not None and index in missed.fitted else "  "
        yield f"  {tick} {'then' if step.get('ended') else clocked(step['at']):>6}  {told(step)}"
        if index == after:
            yield arrow
    yield from [end] if end else []


def data(ran: Ran) -> dict[str, Any]:
    """A scenario's result as JSON has it; the call is told where it failed."""
    case, missed = ran.case, ran.missed
    made: dict[str, Any] = {"flow": case.flow, "name": case.name, "file": case.file, "line": case.line}
    made |= {"passed": ran.passed, "seconds": round(ran.call.seconds, 1), "nodes": ran.call.nodes}
    if ran.passed:
        return made
    place = {"line": missed.line, "column": missed.column} if missed is not None else {}
    said_of = {"expected": missed.expected, **place, "why": missed.why} if missed is not None else None
    return made | {"wrong": ran.wrong, "missed": said_of, "call": ran.call.told()}


def coverage_data(coverage: Iterable[Covered]) -> list[dict[str, Any]]:
    """Coverage as JSON has it."""
    return [
        {
            "flow": one.flow,
            "file": one.file,
            "reached": one.reached,
            "total": one.total,
            "missing": [{**spot._asdict(), "says": said(spot)} for spot in one.missing],
        }
        for one in coverage
    ]


def junit(results: Sequence[Ran], file: Path, errors: Sequence[str] = ()) -> None:
    """Write results as JUnit has them: a suite a flow. Raises OSError."""
    root = ET.Element("testsuites", name="callflows")
    for flow in dict.fromkeys(ran.case.flow for ran in results):
        of_flow = [ran for ran in results if ran.case.flow == flow]
        failures = sum(not ran.passed for ran in of_flow)
        suite = ET.SubElement(root, "testsuite", name=flow, tests=str(len(of_flow)), failures=str(failures))
        for ran in of_flow:
            _junit_case(suite, ran)
    if errors:
        suite = ET.SubElement(root, "testsuite", name="files", tests=str(len(errors)), errors=str(len(errors)))
        for error in errors:
            case = ET.SubElement(suite, "testcase", classname="files", name=clean(error.partition(": ")[0]))
            ET.SubElement(case, "error", message=clean(error))
    ET.ElementTree(root).write(file, encoding="utf-8", xml_declaration=True)


def _junit_case(suite: ET.Element, ran: Ran) -> None:
    case = ran.case
    made = ET.SubElement(suite, "testcase", classname=case.flow, name=clean(case.name), time="0", file=case.file)
    made.set("line", str(case.line))
    if not ran.passed:
        text = [clean(line) for line in failed(ran)]
        ET.SubElement(made, "failure", message=text[1].strip()).text = "\n".join(text)
