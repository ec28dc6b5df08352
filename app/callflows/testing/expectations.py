"""Expectations of a scenario: steps in order, steps that must not happen, the outcome, and the nodes."""

from __future__ import annotations

import dataclasses
import re
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from callflows.flows.compiler.other_flows import split_other_node
from callflows.flows.source.foreign_words import suggest_own_word
from callflows.flows.source.scenario_shape import (
    CALL_OUTCOMES,
    CALLER_HUNG_UP,
    EXPECTATION_WORDS,
    INTERRUPTIBLE_WORDS,
    WHOLE_CALL_WORDS,
    WORDS_OF_TEXTS,
    WORDS_OF_TEXTS_ONLY,
    ExpectationWord,
)
from callflows.language.value_kinds import TARGET_KIND
from callflows.telephony.phone_numbers import normalize_target, parse_e164
from callflows.text import format_suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from callflows.flows.source.positions import ProblemReport, SourcePath
    from callflows.rehearsal.transcript import Transcript, TranscriptStep
    from callflows.testing.flow_names import FlowNames


FieldMatcher: TypeAlias = "Callable[[Any], bool]"
_REGEX_PATTERN: Final = re.compile("/(.+)/", re.DOTALL)
_PARTIAL_FIELDS: Final = frozenset({"text", "reason", "subject", "attach"})
"""Fields that match if they contain the expected text."""


class ExpectedStep(NamedTuple):
    """An expected step with its place in the file. All matchers (field, function) must accept the actual step."""

    source_text: str
    line: int
    column: int
    verb: str
    matchers: tuple[tuple[str, FieldMatcher], ...]

    def matches_step(self, step: TranscriptStep) -> bool:
        return step["verb"] == self.verb and all(look(step.get(field)) for field, look in self.matchers)


class ExpectationMismatch(NamedTuple):
    """The first difference between the expectations and the call, with the place of the expectation.

    The step was searched after index ``after_step`` (-1: from the beginning); None if the difference is about the whole
    call. ``matched_steps`` are the indexes of the steps matched before.
    """

    expected_text: str
    line: int
    column: int
    reason: str
    after_step: int | None = None
    matched_steps: tuple[int, ...] = ()


class ExpectedOutcome(NamedTuple):
    """The expected end of a call. ``during`` is the verb in which the caller hangs up; empty if any."""

    source_text: str
    outcome: str
    during: str
    line: int
    column: int

    def explain_mismatch(self, call: Transcript) -> str:
        """Return the actual outcome if different, otherwise an empty text."""
        if self.outcome != call.outcome or (self.during and self.during not in call.interrupted_verbs):
            during = f" during {call.interrupted_verbs[-1].lower()}" if call.interrupted_verbs else ""
            return f"the outcome was {call.outcome}{during}"
        return ""


@dataclasses.dataclass(slots=True)
class Expectations:
    """All expectations of a scenario. ``nodes`` are names with line and column."""

    steps: list[ExpectedStep] = dataclasses.field(default_factory=list)
    forbidden_steps: list[ExpectedStep] = dataclasses.field(default_factory=list)
    outcome: ExpectedOutcome | None = None
    nodes: tuple[list[str], int, int] | None = None

    def find_mismatch(self, call: Transcript) -> ExpectationMismatch | None:
        """Return the first difference, or None if the call meets all expectations."""
        fitted: list[int] = []
        for expected in self.steps:
            begin = fitted[-1] + 1 if fitted else 0
            index = next((i for i in range(begin, len(call.steps)) if expected.matches_step(call.steps[i])), None)
            if index is None:
                why = _explain_missing_step(expected, call.steps, begin)
                return ExpectationMismatch(
                    expected.source_text, expected.line, expected.column, why, begin - 1, tuple(fitted)
                )
            fitted.append(index)
        return next(self._check_whole_call(call, tuple(fitted)), None)

    def _check_whole_call(self, call: Transcript, matched_steps: tuple[int, ...]) -> Iterator[ExpectationMismatch]:
        for one in self.forbidden_steps:
            index = next((i for i, step in enumerate(call.steps) if one.matches_step(step)), None)
            if index is not None:
                yield ExpectationMismatch(
                    f"not {one.source_text}", one.line, one.column, "the call has this step", index - 1, matched_steps
                )
        if self.outcome is not None and (wrong := self.outcome.explain_mismatch(call)):
            yield ExpectationMismatch(
                self.outcome.source_text, self.outcome.line, self.outcome.column, wrong, None, matched_steps
            )
        if self.nodes is not None and self.nodes[0] != call.nodes:
            nodes, line, column = self.nodes
            yield ExpectationMismatch(
                f"nodes: {', '.join(nodes)}", line, column, f"the nodes were {', '.join(call.nodes)}", None, matched_steps
            )


def _explain_missing_step(expected_step: ExpectedStep, steps: Sequence[TranscriptStep], begin: int) -> str:
    """Explain why no step matched, with the values of the most similar step."""
    before = next((i for i in range(begin) if expected_step.matches_step(steps[i])), None)
    if before is not None:
        return "this step came before the expected step above it"
    alike = [step for step in steps[begin:] if step["verb"] == expected_step.verb]
    if not alike:
        place = "after that step" if begin else "at all" if _is_text_rehearsal(steps) else "in the call"
        return f"there is no {expected_step.verb} {place}"
    nearest = max(alike, key=lambda step: _measure_likeness(expected_step.source_text, step))
    wrong = [field for field, look in expected_step.matchers if not look(nearest.get(field))]
    which = "next" if nearest is alike[0] else "nearest"
    actual_values = ", ".join(f"{field} {_format_actual_value(nearest.get(field))}" for field in wrong)
    return f"the {which} {expected_step.verb} has {actual_values}"


def _is_text_rehearsal(steps: Sequence[TranscriptStep]) -> bool:
    return any(step["verb"] == "text" for step in steps)


def _measure_likeness(source_text: str, step: TranscriptStep) -> float:
    """Return a number from 0 to 1 for the similarity of a step's text, URL or target to the expectation."""
    return SequenceMatcher(None, source_text, str(step.get("text") or step.get("url") or step.get("to") or "")).ratio()


def _format_actual_value(actual_value: object) -> str:
    """Format a value for a message; for the body of a webhook, only the author's ``data``."""
    return repr(actual_value.get("data", actual_value) if isinstance(actual_value, dict) else actual_value)


def parse_expectations(
    entries: Sequence[Any], path: SourcePath, report: ProblemReport, flow_names: FlowNames, *, texts: bool = False
) -> Expectations:
    """Read the expectations of a call, or of text messages if ``texts`` is true; report all errors."""
    expectations = Expectations()
    for index, one in enumerate(entries):
        here: SourcePath = (*path, index)
        word, value = _parse_word(one, here, report, texts=texts)
        place = report.get_position(here)
        if word == "outcome":
            expectations.outcome = _parse_outcome(value, (*here, word), report)._replace(
                line=place.line, column=place.column
            )
        elif word == "nodes":
            expectations.nodes = _parse_nodes(value, (*here, word), report, flow_names), place.line, place.column
        elif word == "not":
            for number, part in enumerate(_as_list(value)):
                within = (*here, word, number) if isinstance(value, list) else (*here, word)
                _add_expected_step(
                    expectations.forbidden_steps, _parse_word(part, within, report, texts=texts), within, report, flow_names
                )
        elif word:
            _add_expected_step(expectations.steps, (word, value), here, report, flow_names)
    return expectations


def _parse_outcome(value: object, path: SourcePath, report: ProblemReport) -> ExpectedOutcome:
    """Read ``caller-hung-up``, ``{is: caller-hung-up, during: say}``, or ``{during: say}``."""
    keys = value if isinstance(value, dict) else {"is": value}
    during = str(keys.get("during", ""))
    how = str(keys.get("is", CALLER_HUNG_UP if during else ""))
    for key in keys:
        if key not in ("is", "during"):
            report.error(
                (*path, key), "unknown-key", f"outcome: there is no {key!r}", "outcome has the keys is and during", key=True
            )
    if how not in CALL_OUTCOMES:
        near = format_suggestion(how, CALL_OUTCOMES) or f"there are {', '.join(CALL_OUTCOMES)}"
        here = (*path, "is") if isinstance(value, dict) and "is" in value else path
        report.error(here, "value", f"outcome: {how!r} is not the end of a call", near)
    if during and (during not in INTERRUPTIBLE_WORDS or how != CALLER_HUNG_UP):
        near = format_suggestion(during, INTERRUPTIBLE_WORDS) or f"there are {', '.join(INTERRUPTIBLE_WORDS)}"
        message = (
            f"outcome: callers cannot hang up during {during!r}"
            if during not in INTERRUPTIBLE_WORDS
            else f"outcome: {how} has no during"
        )
        report.error(
            (*path, "during"),
            "value",
            message,
            near if during not in INTERRUPTIBLE_WORDS else f"write is: {CALLER_HUNG_UP}",
        )
    return ExpectedOutcome(
        _format_expectation("outcome", value),
        how,
        EXPECTATION_WORDS[during].verb if during in INTERRUPTIBLE_WORDS else "",
        0,
        0,
    )


def _add_expected_step(
    steps: list[ExpectedStep],
    word_and_value: tuple[str, Any],
    path: SourcePath,
    report: ProblemReport,
    flow_names: FlowNames,
) -> None:
    word, value = word_and_value
    if word in WHOLE_CALL_WORDS:
        report.error(path, "unknown-key", f"not: {word} is not a step", f"there are {', '.join(EXPECTATION_WORDS)}")
    elif word:
        known, place = EXPECTATION_WORDS[word], report.get_position(path)
        looks = tuple(_build_matchers(word, known, value, (*path, word), report, flow_names))
        steps.append(ExpectedStep(_format_expectation(word, value), place.line, place.column, known.verb, looks))


def _parse_word(entry: object, path: SourcePath, report: ProblemReport, *, texts: bool) -> tuple[str, Any]:
    """Return word and value of an expectation. Report an unusable word and return an empty one instead."""
    if isinstance(entry, str):
        entry = {entry: ""}
    if not isinstance(entry, dict) or len(entry) != 1:
        report.error(path, "shape", "an expectation is one word, as say: Welcome", "write - say: Welcome")
        return "", None
    word, value = next(iter(entry.items()))
    if word not in EXPECTATION_WORDS and word not in WHOLE_CALL_WORDS:
        known = [*EXPECTATION_WORDS, *WHOLE_CALL_WORDS]
        near = suggest_own_word(str(word), known) or format_suggestion(str(word), known) or f"there are {', '.join(known)}"
        report.error((*path, word), "unknown-key", f"expect: there is no {word!r}", near, key=True)
        return "", None
    if texts and word not in ("not", *WORDS_OF_TEXTS):
        message = f"expect: a text message has no {word}"
        report.error(path, "test-text", message, f"there are {', '.join(WORDS_OF_TEXTS)}")
        return "", None
    if not texts and word in WORDS_OF_TEXTS_ONLY:
        report.error(
            path,
            "test-text",
            f"expect: {word} is only for text messages, and this scenario is a call",
            "add the text message: text: hours",
        )
        return "", None
    return str(word), value


def _build_matchers(
    word: str, word_spec: ExpectationWord, value: object, path: SourcePath, report: ProblemReport, flow_names: FlowNames
) -> Iterator[tuple[str, FieldMatcher]]:
    """Yield a matcher for each field of the expected step."""
    if word == "voicemail":
        yield "tag", _match_same_text("voicemail")
    if word in ("reply", "forward"):
        yield "as", _match_same_text(word)
    if word == "ignored":
        yield "ignored", _match_same_text("true")
    fields = value if isinstance(value, dict) else {word_spec.plain_field: value} if value not in ("", None) else {}
    for field, expected in fields.items():
        here = (*path, field) if isinstance(value, dict) else path
        if not field:
            fix = f"write {word} alone, or with a key: {', '.join(word_spec.fields)}"
            report.error(here, "shape", f"{word}: takes no plain value", fix)
        elif field not in word_spec.fields:
            near = format_suggestion(str(field), word_spec.fields) or f"it has {', '.join(word_spec.fields)}"
            report.error(here, "unknown-key", f"{word}: there is no {field!r}", near, key=True)
        elif field == "to" and word_spec.verb == "Dial":
            yield field, _match_targets(expected, here, report, flow_names)
        elif word == "forward" and field == "to" and expected in flow_names.groups:
            yield field, _match_group_member(flow_names.groups[str(expected)])
        elif field == "payload":
            yield field, _match_contained_data(expected)
        else:
            allow_part = field in _PARTIAL_FIELDS or (word_spec.verb, field) == ("mail", "to")
            yield field, _match_text(str(expected), here, report, allow_part=allow_part)


def _match_text(expected_text: str, path: SourcePath, report: ProblemReport, *, allow_part: bool) -> FieldMatcher:
    """Match a text or ``/regular expression/``; any number of blanks counts as one."""
    regular = _REGEX_PATTERN.fullmatch(expected_text.strip())
    if regular is not None:
        try:
            pattern = re.compile(regular[1])
        except re.error as error:
            report.error(
                path, "value", f"{expected_text} is not a regular expression: {error}", "write \\ before ( [ . * + ?"
            )
            return lambda _found: False
        return lambda actual: actual is not None and pattern.search(_normalize_text(actual)) is not None
    folded = _normalize_text(expected_text)
    if allow_part:
        return lambda actual: folded in _normalize_text(actual)
    return _match_same_text(folded)


def _match_same_text(expected_text: str) -> FieldMatcher:
    return lambda actual: normalize_target(_normalize_text(actual)) == normalize_target(expected_text)


def _normalize_text(value: object) -> str:
    return " ".join(("true" if value is True else "" if value is None else str(value)).split())


def _match_targets(
    expected_targets: object, path: SourcePath, report: ProblemReport, flow_names: FlowNames
) -> FieldMatcher:
    """Match exactly these targets in any order, or, for a group, some of the members: in turn, each rings alone."""
    if isinstance(expected_targets, str) and expected_targets in flow_names.groups:
        members = {normalize_target(one) for one in flow_names.groups[expected_targets]}
        return lambda actual: bool(actual) and {normalize_target(one) for one in actual} <= members
    for target in map(str, _as_list(expected_targets)):
        if not (parse_e164(target) or TARGET_KIND.accepts(target)):
            near = (
                format_suggestion(target, [*flow_names.groups])
                or "a number as +12015550188, ann@acme.sip.opentact.org, or a group"
            )
            report.error(path, "dial-target", f"dial: {target!r} is not a dial target", near)
    exactly = {normalize_target(str(one)) for one in _as_list(expected_targets)}
    return lambda actual: {normalize_target(one) for one in actual or ()} == exactly


def _match_group_member(group: Sequence[str]) -> FieldMatcher:
    members = {normalize_target(one) for one in group}
    return lambda actual: normalize_target(str(actual)) in members


def _parse_nodes(value: object, path: SourcePath, report: ProblemReport, flow_names: FlowNames) -> list[str]:
    """Read names of nodes, and report unknown ones."""
    nodes = [str(node) for node in _as_list(value)]
    for node in nodes:
        if flow_names.nodes and node not in flow_names.nodes and not split_other_node(node)[0]:
            near = format_suggestion(node, flow_names.nodes) or f"there are {', '.join(flow_names.nodes)}"
            report.error(path, "unknown-node", f"no node is named {node!r}", near)
    return nodes


def _match_contained_data(expected_data: object) -> FieldMatcher:
    """Match JSON data that contains the expected data."""

    def contains_expected(actual_data: Any) -> bool:  # noqa: ANN401 - plain data
        return _contains_data(expected_data, actual_data) or (
            isinstance(actual_data, dict) and _contains_data(expected_data, actual_data.get("data"))
        )

    return contains_expected


def _contains_data(expected_data: object, actual_data: object) -> bool:
    if isinstance(expected_data, dict):
        return isinstance(actual_data, dict) and all(
            _contains_data(part, actual_data.get(key)) for key, part in expected_data.items()
        )
    if isinstance(expected_data, list):
        return (
            isinstance(actual_data, list)
            and len(expected_data) == len(actual_data)
            and all(_contains_data(part, other) for part, other in zip(expected_data, actual_data, strict=True))
        )
    if isinstance(actual_data, bool):
        return str(actual_data).lower() == str(expected_data).lower()
    return str(actual_data) == str(expected_data)


def _as_list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [] if value in ("", None) else [value]


def _format_flow_style(value: object) -> str:
    """Format a value on one line, much like YAML in flow style."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_format_flow_style(part)}' for key, part in value.items())}}}"
    return f"[{', '.join(map(_format_flow_style, value))}]" if isinstance(value, list) else str(value)


def _format_expectation(word: str, value: object) -> str:
    """Format an expectation as in the flow file."""
    if isinstance(value, dict):
        return f"{word}: {_format_flow_style(value)}"
    shown = _format_flow_style(value) if value is not None else ""
    return f"{word}: {shown}" if shown else word
