"""Scenarios as they stand in a flow file: read with their places, and everything wrong with them said."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, tzinfo
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, Final

from app.errors import ScenarioError, suggestion
from app.flows.hours.wall_clock import begin_of
from app.flows.places import Report
from app.flows.scenarios import Scenario, Written
from app.flows.shapes import SOMETHING, validate
from app.flows.supposed import Supposed, entry_of
from app.flows.words.outside import typed
from app.flows.yaml_texts import read_yaml
from app.numbers import e164
from app.rehearsal.callers import ScriptedCallees, ScriptedCaller, script
from app.rehearsal.rehearsing import STRANGER, Rehearsal, Text
from app.testing.around import around
from app.testing.expecting import Expecting, expecting
from app.testing.who import no_caller

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.errors import Problem
    from app.flows.book import Flow
    from app.flows.places import Path
    from app.rehearsal.callers import Act
    from app.testing.around import Around

USUAL: Final = datetime(2026, 3, 4, 10, 0)  # noqa: DTZ001 - on the clock of each flow
"""When a call comes where a scenario does not say: a Wednesday at ten, on the clock of its flow."""
_LONGEST: Final = 11
_OF_CALLS: Final = frozenset(
    {"keys", "callee", "caller_name", "attestation", "calls_today", "answers_itself", "opted_out", "breaks"}
)
_FILL: Final = "5550100"


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """A scenario, ready to be rehearsed; ``line`` and ``column`` are its place in ``file``."""

    flow: str
    file: str
    name: str
    line: int
    column: int
    said: Scenario
    number: str
    at: datetime
    acts: tuple[Act, ...]
    callee: Any
    lookups: dict[str, Any]
    expected: Expecting
    supposed: Supposed
    """What is supposed of the flow."""
    texts: tuple[Text, ...] = ()
    """The texts that come in, where it is no call."""

    def rehearsal(self) -> Rehearsal:
        """The call, with people of its own."""
        return Rehearsal(
            number=self.number,
            caller_id=self.said.from_ or STRANGER,
            name=self.said.caller_name,
            attestation=self.said.attestation or "",
            at=self.at,
            caller=ScriptedCaller(self.acts),
            callees=ScriptedCallees(self.callee),
            lookups=self.lookups,
            calls_today=self.said.calls_today,
            opted_out=self.said.opted_out,
            answers_itself=self.said.answers_itself,
            texts=self.texts,
        )


def cases_of(flow: Flow) -> tuple[list[Case], list[Problem]]:
    """The scenarios of a flow's file, and what is wrong with them; what is wrong with the flow is said by others."""
    file = FilePath(flow.file)
    try:
        text = file.read_bytes() if file.suffix != ".py" else b""
    except OSError:
        return [], []
    if b"tests:" not in text:
        return [], []
    placed, report = Report(flow.file), Report(flow.file)
    data = read_yaml(text, placed)
    if not isinstance(data, dict) or data.get("tests") in (None, ""):
        return [], []
    report.places, report.keys = placed.places, placed.keys
    return [*_cases(flow, data, report)], report.problems


def problems_of(flow: Flow) -> list[Problem]:
    """What is wrong with the scenarios of a flow's file."""
    return cases_of(flow)[1]


def _cases(flow: Flow, data: dict[str, Any], report: Report) -> Iterator[Case]:
    tests = data["tests"]
    if not isinstance(tests, list):
        report.error(("tests",), "shape", "tests: must be a list of scenarios", "begin each with - name: what it shows")
        return
    there = around(data)
    named: dict[str, int] = {}
    for index, given in enumerate(tests):
        path: Path = ("tests", index)
        known = len(report.problems)
        said = validate(Scenario, given, path, report)
        if said is None:
            continue
        if said.name in named and said.name != SOMETHING:
            report.error((*path, "name"), "test-name", f"name: line {named[said.name]} is named so already", "name it anew")
        named[said.name] = report.place(path).line
        case = case_of(flow, said, path, report, there)
        if len(report.problems) == known or all(one.severity == "warning" for one in report.problems[known:]):
            yield case


def case_of(flow: Flow, said: Scenario, path: Path, report: Report, there: Around) -> Case:
    """A scenario of a flow; what is wrong with it is in the report."""
    place = report.place(path)
    acts: tuple[Act, ...] = ()
    callee = _by_member(said.callee, there)
    try:
        acts = script(said.keys)
    except ScenarioError as error:
        report.error((*path, "keys"), "test-script", error.message, error.mend)
    try:
        ScriptedCallees(callee)
    except ScenarioError as error:
        report.error((*path, "callee"), "test-script", error.message, error.mend)
    wrong = no_caller(said.from_) if said.from_ else ""
    if wrong:
        report.error((*path, "from"), "number", f"from: {wrong}")
    _look_at_lookups(said, path, report, there)
    if not said.at and flow.timed and not (there.hours and {*there.hours} <= {*said.hours}):
        mend = "as at: 2026-11-23 10:00; without it the call comes on a Wednesday at ten"
        report.warning(path, "test-time", f"the flow asks what time it is, and {said.name!r} has no at", mend)
    return Case(
        flow=flow.name,
        file=flow.file,
        name=said.name,
        line=place.line,
        column=place.column,
        said=said,
        number=_number(flow, said, path, report),
        at=_moment(said.at, flow.zone or UTC, (*path, "at"), report),
        acts=acts,
        callee=callee,
        lookups={name: typed(value) for name, value in said.lookups.items()},
        expected=expecting(said.expect, (*path, "expect"), report, there, texts=said.text is not None),
        supposed=_supposed(said, path, report, there),
        texts=_texts(said, path, report),
    )


def _texts(said: Scenario, path: Path, report: Report) -> tuple[Text, ...]:
    """The texts that come in; what they have that only calls can have is said."""
    if said.text is None:
        return ()
    for key in sorted(_OF_CALLS & said.model_fields_set):
        report.error((*path, key), "test-text", f"{key}: a text message has none", "take it out, or the text", key=True)
    made = []
    for index, one in enumerate(said.text if isinstance(said.text, list) else [said.text]):
        here: Path = (*path, "text", index) if isinstance(said.text, list) else (*path, "text")
        written = validate(Written, one if isinstance(one, dict) else {"text": one}, here, report)
        if written is not None:
            made.append(Text(written.text, written.from_, written.after / 1000))
    if not made and not report.broken:
        report.error((*path, "text"), "test-text", "text: there is no text", "as text: hours")
    return tuple(made)


def _supposed(said: Scenario, path: Path, report: Report, there: Around) -> Supposed:
    """What is supposed of the flow; names and numbers that there are none of are said."""
    for key, given, known in (("hours", said.hours, there.hours), ("lists", said.lists, there.lists)):
        for name in given:
            if name not in known:
                near = suggestion(name, known) or (f"there are {', '.join(known)}" if known else f"the file has no {key}")
                report.error((*path, key, name), "unknown-key", f"{key}: nothing is named {name!r}", near, key=True)
    for name, listed in said.lists.items():
        for index, written in enumerate(listed):
            if not entry_of(written):
                listed_at = (*path, "lists", name, index)
                here = listed_at if listed_at in report.places else listed_at[:-1]
                report.error(here, "number", f"lists: {written!r} is nobody", "as +12015550123, +1201* or anonymous")
    for index, node in enumerate(said.breaks):
        if node not in there.nodes:
            near = suggestion(node, there.nodes) or f"there are {', '.join(there.nodes)}"
            listed_at = (*path, "breaks", index)
            here = listed_at if listed_at in report.places else listed_at[:-1]
            report.error(here, "unknown-node", f"breaks: no node is named {node!r}", near)
    return Supposed(
        said.dialect,
        tuple(sorted((name, state == "open") for name, state in said.hours.items())),
        tuple(sorted((name, tuple(listed)) for name, listed in said.lists.items())),
        tuple(sorted(said.breaks)),
    )


def _look_at_lookups(said: Scenario, path: Path, report: Report, there: Around) -> None:
    """Say that nothing is looked up under a name."""
    for name in said.lookups:
        if "://" not in name and name not in there.kept:
            near = suggestion(name, there.kept) or (f"there are {', '.join(there.kept)}" if there.kept else "")
            message = f"lookups: nothing is looked up into {name!r}"
            report.error((*path, "lookups", name), "unknown-key", message, near, key=True)


def _by_member(callee: Any, there: Around) -> Any:  # noqa: ANN401 - as ScriptedCallees take it
    """What callees do, with groups by their members."""
    if isinstance(callee, list):
        return [_by_member(one, there) for one in callee]
    if not isinstance(callee, dict):
        return callee
    made: dict[Any, Any] = {}
    for name, word in callee.items():
        made |= dict.fromkeys(there.members(name), word)
    return made


def _number(flow: Flow, said: Scenario, path: Path, report: Report) -> str:
    """The number that is rung; where the scenario names none, one of the flow's."""
    if said.to:
        number = e164(said.to)
        if not number:
            report.error((*path, "to"), "number", f"to: {said.to!r} is not a number", "as +12015550123")
        return number
    number = number_of(flow)
    if not number:
        report.error(path, "test-number", "the flow has no number of its own", "say which is rung, as to: +12015550123")
    return number


def number_of(flow: Flow) -> str:
    """A number that a flow answers: its first; of a prefix the first number, as far as that can be one."""
    claimed = [claim.number for claim in flow.claims]
    exact = next((number for number in claimed if number[-1].isdigit()), "")
    prefix = next((number[1:-1] for number in claimed if number.endswith("*")), "")
    missing = _LONGEST - len(prefix)
    return exact or (f"+{prefix}{_FILL[len(_FILL) - missing :] if missing <= len(_FILL) else ''}" if prefix else "")


def _moment(written: str, zone: tzinfo, path: Path, report: Report) -> datetime:
    usual = USUAL.replace(tzinfo=zone)
    if not written:
        return usual
    moment = begin_of(written.strip(), zone)
    if moment is None:
        report.error(path, "value", f"at: {written!r} is no moment", "as 2026-12-25 10:00, or with an offset")
    return moment or usual
