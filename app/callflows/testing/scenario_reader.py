"""Reads the scenarios of a flow file, with their places in the file, and reports all errors."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, tzinfo
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, Final

from callflows.errors import ScenarioError
from callflows.flows.hours.wall_clock import parse_start_moment
from callflows.flows.source.included_files import read_flow_data
from callflows.flows.source.positions import ProblemReport
from callflows.flows.source.scenario_shape import Scenario, ScenarioText
from callflows.flows.source.shape_validation import UNREADABLE_TEXT, validate_shape
from callflows.flows.source.source_values import parse_plain_data
from callflows.flows.suppositions import Suppositions, normalize_list_entry
from callflows.rehearsal.rehearsed_call import DEFAULT_REHEARSAL_CALLER, Rehearsal, RehearsedText
from callflows.rehearsal.scripted_parties import ScriptedCallees, ScriptedCaller, parse_caller_script
from callflows.rehearsal.simulated_outside import FAILED_LOOKUP_ANSWER
from callflows.telephony.phone_numbers import normalize_target, parse_e164
from callflows.testing.expectations import Expectations, parse_expectations
from callflows.testing.flow_names import collect_flow_names
from callflows.testing.phone_arguments import explain_invalid_caller
from callflows.text import format_suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callflows.errors import Problem
    from callflows.flows.flow import Flow
    from callflows.flows.source.positions import SourcePath
    from callflows.rehearsal.scripted_parties import ScriptedAction
    from callflows.testing.flow_names import FlowNames


DEFAULT_CALL_TIME: Final = datetime(2026, 3, 4, 10, 0)  # noqa: DTZ001 - each flow has its own time zone
"""Start of a call without ``at`` in its scenario: a Wednesday at ten, local time of the flow."""
_MAX_FILLED_DIGITS: Final = 11
_CALL_ONLY_KEYS: Final = frozenset(
    {"keys", "callee", "caller_name", "attestation", "calls_today", "answers_itself", "opted_out", "breaks", "transcript"}
)
_FILL_DIGITS: Final = "5550100"


@dataclasses.dataclass(frozen=True, slots=True)
class ScenarioCase:
    """A scenario ready for a rehearsal; ``line`` and ``column`` are the place in ``file``."""

    flow: str
    file: str
    name: str
    line: int
    column: int
    scenario: Scenario
    number: str
    at: datetime
    caller_actions: tuple[ScriptedAction, ...]
    callee: Any
    lookups: dict[str, Any]
    expectations: Expectations
    suppositions: Suppositions
    """Changes of the flow for this scenario."""
    texts: tuple[RehearsedText, ...] = ()
    """Incoming text messages; empty for a call."""

    def build_rehearsal(self) -> Rehearsal:
        """Build the rehearsal, with a new caller and new callees on each call of this method."""
        return Rehearsal(
            number=self.number,
            caller_id=self.scenario.from_ or DEFAULT_REHEARSAL_CALLER,
            name=self.scenario.caller_name,
            attestation=self.scenario.attestation or "",
            at=self.at,
            caller=ScriptedCaller(self.caller_actions),
            callees=ScriptedCallees(self.callee),
            lookups=self.lookups,
            calls_today=self.scenario.calls_today,
            opted_out=self.scenario.opted_out,
            transcript=self.scenario.transcript,
            answers_itself=self.scenario.answers_itself,
            texts=self.texts,
        )


def read_scenario_cases(flow: Flow) -> tuple[list[ScenarioCase], list[Problem]]:
    """Return the scenarios of a flow's file and their problems. Errors of the flow itself are reported elsewhere."""
    file = FilePath(flow.file)
    text = flow.source if file.suffix != ".py" else b""
    if b"tests:" not in text:
        return [], []
    placed, report = ProblemReport(flow.file), ProblemReport(flow.file)
    data, _ = read_flow_data(text, placed)
    if not isinstance(data, dict) or data.get("tests") in (None, ""):
        return [], []
    report.positions, report.key_positions = placed.positions, placed.key_positions
    return [*_read_cases(flow, data, report)], report.problems


def check_scenarios(flow: Flow) -> list[Problem]:
    """Return the problems of the scenarios in a flow's file."""
    return read_scenario_cases(flow)[1]


def _read_cases(flow: Flow, data: dict[str, Any], report: ProblemReport) -> Iterator[ScenarioCase]:
    tests = data["tests"]
    if not isinstance(tests, list):
        report.error(
            ("tests",),
            "shape",
            "tests: must be a list of scenarios",
            "begin each scenario with - name: followed by what it shows",
        )
        return
    flow_names = collect_flow_names(data)
    named: dict[str, int] = {}
    for index, written_case in enumerate(tests):
        path: SourcePath = ("tests", index)
        known = len(report.problems)
        scenario = validate_shape(Scenario, written_case, path, report)
        if scenario is None:
            continue
        if scenario.name in named and scenario.name != UNREADABLE_TEXT:
            report.error(
                (*path, "name"),
                "test-name",
                f"name: the scenario in line {named[scenario.name]} has the same name",
                "choose another name",
            )
        named[scenario.name] = report.get_position(path).line
        case = build_scenario_case(flow, scenario, path, report, flow_names)
        if len(report.problems) == known or all(one.severity == "warning" for one in report.problems[known:]):
            yield case


def build_scenario_case(
    flow: Flow, scenario: Scenario, path: SourcePath, report: ProblemReport, flow_names: FlowNames
) -> ScenarioCase:
    """Build the case of a scenario, and report its problems."""
    place = report.get_position(path)
    caller_actions: tuple[ScriptedAction, ...] = ()
    callee = _expand_callee_groups(scenario.callee, flow_names)
    try:
        caller_actions = parse_caller_script(scenario.keys)
    except ScenarioError as error:
        report.error((*path, "keys"), "test-script", error.message, error.fix)
    try:
        ScriptedCallees(callee)
    except ScenarioError as error:
        report.error((*path, "callee"), "test-script", error.message, error.fix)
    for one in scenario.callee if isinstance(scenario.callee, list) else [scenario.callee]:
        _check_callee_names(one, path, report, flow_names)
    wrong = explain_invalid_caller(scenario.from_) if scenario.from_ else ""
    if wrong:
        report.error((*path, "from"), "number", f"from: {wrong}")
    _check_lookup_names(scenario, path, report, flow_names)
    if not scenario.at and flow.needs.current_time and not (flow_names.hours and {*flow_names.hours} <= {*scenario.hours}):
        fix = "write at: 2026-11-23 10:00; without it the call comes on a Wednesday at ten"
        report.warning(path, "test-time", f"the flow depends on the time, but {scenario.name!r} has no at", fix)
    return ScenarioCase(
        flow=flow.name,
        file=flow.file,
        name=scenario.name,
        line=place.line,
        column=place.column,
        scenario=scenario,
        number=_choose_number(flow, scenario, path, report),
        at=_parse_moment(scenario.at, flow.zone or UTC, (*path, "at"), report),
        caller_actions=caller_actions,
        callee=callee,
        lookups={name: parse_plain_data(value) for name, value in scenario.lookups.items()},
        expectations=parse_expectations(
            scenario.expect, (*path, "expect"), report, flow_names, texts=scenario.text is not None
        ),
        suppositions=_read_suppositions(scenario, path, report, flow_names),
        texts=_read_incoming_texts(scenario, path, report),
    )


def _read_incoming_texts(scenario: Scenario, path: SourcePath, report: ProblemReport) -> tuple[RehearsedText, ...]:
    """Read the text messages of a scenario, and report keys that only calls can have."""
    if scenario.text is None:
        return ()
    for key in sorted(_CALL_ONLY_KEYS & scenario.model_fields_set):
        report.error(
            (*path, key), "test-text", f"{key}: a text message has no such key", "remove this key, or remove text", key=True
        )
    texts = []
    for index, one in enumerate(scenario.text if isinstance(scenario.text, list) else [scenario.text]):
        here: SourcePath = (*path, "text", index) if isinstance(scenario.text, list) else (*path, "text")
        written = validate_shape(ScenarioText, one if isinstance(one, dict) else {"text": one}, here, report)
        if written is not None:
            texts.append(RehearsedText(written.text, written.from_, written.after / 1000))
    if not texts and not report.has_errors:
        report.error((*path, "text"), "test-text", "text: the text message is missing", "write text: hours")
    return tuple(texts)


def _read_suppositions(scenario: Scenario, path: SourcePath, report: ProblemReport, flow_names: FlowNames) -> Suppositions:
    """Read the changes of the flow, and report unknown names and invalid numbers."""
    for key, supposed, known in (("hours", scenario.hours, flow_names.hours), ("lists", scenario.lists, flow_names.lists)):
        for name in supposed:
            if name not in known:
                near = format_suggestion(name, known) or (
                    f"there are {', '.join(known)}" if known else f"the file has no {key}"
                )
                report.error((*path, key, name), "unknown-key", f"{key}: there is no {name!r} in the file", near, key=True)
    for name, listed in scenario.lists.items():
        for index, written in enumerate(listed):
            if not normalize_list_entry(written):
                listed_at = (*path, "lists", name, index)
                here = listed_at if listed_at in report.positions else listed_at[:-1]
                report.error(
                    here, "number", f"lists: {written!r} is not a caller", "write +12015550123, +1201* or anonymous"
                )
    for index, node in enumerate(scenario.breaks):
        if node not in flow_names.nodes:
            near = format_suggestion(node, flow_names.nodes) or f"there are {', '.join(flow_names.nodes)}"
            listed_at = (*path, "breaks", index)
            here = listed_at if listed_at in report.positions else listed_at[:-1]
            report.error(here, "unknown-node", f"breaks: there is no node {node!r}", near)
    return Suppositions(
        scenario.dialect,
        tuple(sorted((name, state == "open") for name, state in scenario.hours.items())),
        tuple(sorted((name, tuple(listed)) for name, listed in scenario.lists.items())),
        tuple(sorted(scenario.breaks)),
    )


def _check_lookup_names(scenario: Scenario, path: SourcePath, report: ProblemReport, flow_names: FlowNames) -> None:
    """Report names in ``lookups`` that no lookup of the flow uses."""
    for name in scenario.lookups:
        if "://" not in name and name not in flow_names.lookup_names:
            near = format_suggestion(name, flow_names.lookup_names) or (
                f"there are {', '.join(flow_names.lookup_names)}" if flow_names.lookup_names else ""
            )
            message = f"lookups: no lookup of the flow has into: {name}"
            report.error((*path, "lookups", name), "unknown-key", message, near, key=True)
    for name, answer in scenario.lookups.items():
        if isinstance(answer, str) and answer.strip().lower() in _FAILURE_WORDS:
            message = f"lookups: {name} finds the text {answer!r}"
            report.error(
                (*path, "lookups", name),
                "test-script",
                message,
                f"write {FAILED_LOOKUP_ANSWER} for a server that gives no answer",
            )


_FAILURE_WORDS: Final = frozenset({"fail", "failed", "failing", "failure"})
"""Texts that no lookup finds, and that are meant as the word for a lookup without an answer."""


def _check_callee_names(callee: object, path: SourcePath, report: ProblemReport, flow_names: FlowNames) -> None:
    """Report names in ``callee`` that are neither groups nor anything that can be rung."""
    for name in map(str, callee) if isinstance(callee, dict) else ():
        is_target = parse_e164(normalize_target(name)) or "@" in name or name.startswith("sip:")
        if name == "else" or name in flow_names.groups or is_target:
            continue
        known = [*flow_names.groups, *(member for members in flow_names.groups.values() for member in members)]
        fix = format_suggestion(name, known) or "name a group, a number or an address, or else for all others"
        report.error((*path, "callee"), "test-script", f"callee: nobody is rung as {name!r}", fix)


def _expand_callee_groups(callee: Any, flow_names: FlowNames) -> Any:  # noqa: ANN401 - as for ScriptedCallees
    """Replace groups by their members in the behaviour of callees."""
    if isinstance(callee, list):
        return [_expand_callee_groups(one, flow_names) for one in callee]
    if not isinstance(callee, dict):
        return callee
    expanded: dict[Any, Any] = {}
    for name, word in callee.items():
        expanded |= dict.fromkeys(flow_names.expand_group(name), word)
    return expanded


def _choose_number(flow: Flow, scenario: Scenario, path: SourcePath, report: ProblemReport) -> str:
    """Return the called number: the scenario's ``to``, otherwise a number of the flow. Report if both are missing."""
    if scenario.to:
        number = parse_e164(scenario.to)
        if not number:
            report.error((*path, "to"), "number", f"to: {scenario.to!r} is not a number", "write +12015550123")
        return number
    number = choose_flow_number(flow)
    if not number:
        report.error(path, "test-number", "the flow has no number of its own", "add the called number: to: +12015550123")
    return number


def choose_flow_number(flow: Flow) -> str:
    """Return the first number of a flow; for a prefix, a number completed with fictional digits. Empty if there is none."""
    claimed = [claim.number for claim in flow.claims]
    exact = next((number for number in claimed if number[-1].isdigit()), "")
    prefix = next((number[1:-1] for number in claimed if number.endswith("*")), "")
    missing = _MAX_FILLED_DIGITS - len(prefix)
    return exact or (
        f"+{prefix}{_FILL_DIGITS[len(_FILL_DIGITS) - missing :] if missing <= len(_FILL_DIGITS) else ''}" if prefix else ""
    )


def _parse_moment(moment_text: str, zone: tzinfo, path: SourcePath, report: ProblemReport) -> datetime:
    usual = DEFAULT_CALL_TIME.replace(tzinfo=zone)
    if not moment_text:
        return usual
    moment = parse_start_moment(moment_text.strip(), zone)
    if moment is None:
        report.error(
            path, "value", f"at: {moment_text!r} is not a time", "write 2026-12-25 10:00, or add an offset from UTC"
        )
    return moment or usual
