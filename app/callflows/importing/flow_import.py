"""From a file of another platform to a flow file that passes its check, with a report of what was lost."""

from __future__ import annotations

import collections
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from callflows.errors import ImportSourceError
from callflows.flows.flow_compilation import compile_flow
from callflows.importing.connect_import import draft_connect_flow, find_connect_content
from callflows.importing.flow_draft import DraftStep, ImportOutcome, shorten
from callflows.importing.flow_text import render_draft
from callflows.importing.json_source import MAX_SOURCE_BYTES, read_json_source
from callflows.importing.studio_import import draft_studio_flow, find_studio_definition
from callflows.importing.twiml_import import draft_twiml_flow
from callflows.importing.verb_list_import import (
    draft_jambonz_flow,
    draft_ncco_flow,
    find_jambonz_verbs,
    find_ncco_actions,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from callflows.errors import Problem
    from callflows.flows.compiler.compiling_flow import CompilerOptions
    from callflows.importing.flow_draft import DraftNode, FlowDraft, ImportedPart
    from callflows.importing.flow_text import DraftText


class ImportedFlow(NamedTuple):
    """A flow file made of another platform's flow: its text, the fate of each part, and the warnings of its check."""

    format_name: str
    text: str
    parts: list[ImportedPart]
    problems: tuple[Problem, ...]

    def count_outcomes(self) -> dict[str, int]:
        counted = collections.Counter(part.outcome for part in self.parts)
        return {outcome.value: counted[outcome] for outcome in ImportOutcome}


class FlowNumber(NamedTuple):
    """The number that a flow will answer, and a comment beside it."""

    number: str
    note: str


def import_flow(name: str, source: bytes, source_name: str, number: FlowNumber, options: CompilerOptions) -> ImportedFlow:
    """Make a flow file of a file of another platform. Raises ImportSourceError with the place of an error."""
    draft = draft_flow(source)
    head = [
        f"Made of {shorten(source_name)} ({draft.format_name}) by callflows import.",
        'Look for the comments "with loss" and "not mapped".',
    ]
    return _DraftRepair(draft, name, head, number, options).finish_flow()


def draft_flow(source: bytes) -> FlowDraft:
    """Recognise the platform by the content of a file, and make a draft. Raises ImportSourceError."""
    if len(source) > MAX_SOURCE_BYTES:
        raise ImportSourceError(1, 1, f"the file has {len(source)} bytes, more than {MAX_SOURCE_BYTES}")
    if _XML_BEGINNING.match(source):
        if _OPENTACT_MARKS.search(source):
            reason = "this is a document of Opentact, and not of another platform"
            raise ImportSourceError(1, 1, reason, "a flow can have it as template: NAME.xml.j2")
        return draft_twiml_flow(source)
    try:
        text = source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        raise ImportSourceError(line, 1, "the file is neither UTF-8 text nor XML", "save it as UTF-8") from None
    if not text.lstrip().startswith(("{", "[")):
        raise ImportSourceError(1, 1, "the file is neither JSON nor XML", _KNOWN_FORMATS)
    return _draft_json_flow(read_json_source(text))


def _draft_json_flow(data: Any) -> FlowDraft:  # noqa: ANN401 - JSON
    definition = find_studio_definition(data)
    if definition is not None:
        return draft_studio_flow(definition)
    content = find_connect_content(data)
    if content is not None:
        return draft_connect_flow(content)
    verbs = find_jambonz_verbs(data)
    if verbs is not None:
        return draft_jambonz_flow(verbs)
    actions = find_ncco_actions(data)
    if actions is not None:
        return draft_ncco_flow(actions)
    raise ImportSourceError(1, 1, "the JSON is no call flow that callflows knows", _KNOWN_FORMATS)


_KNOWN_FORMATS: Final = (
    "flows of Twilio Studio and Amazon Connect, TwiML documents, and lists of verbs of jambonz and Vonage can be imported"
)
_XML_BEGINNING: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*<|\xff\xfe|\xfe\xff")
_OPENTACT_MARKS: Final = re.compile(rb"<(?:To|DTMF|Switch|Answer|Callback|Tone|Geo|Schedule|Unhold|Curl)\b")
"""Elements that Opentact's XML has, and TwiML has not."""


class _DraftRepair:
    """Writes a draft, checks the file, and takes out what the check refuses, until nothing is refused."""

    def __init__(self, draft: FlowDraft, name: str, head: list[str], number: FlowNumber, options: CompilerOptions) -> None:
        self._draft = draft
        self._name = name
        self._head = head
        self._number = number
        self._options = options

    def finish_flow(self) -> ImportedFlow:
        for attempt in range(_MAX_REPAIRS):
            written = render_draft(self._draft, self._head, *self._number)
            compiled = compile_flow(self._name, written.text.encode(), f"{self._name}.yaml", self._options)
            errors = [problem for problem in compiled.problems if problem.severity == "error"]
            if not errors:
                return ImportedFlow(self._draft.format_name, written.text, self._draft.parts, compiled.problems)
            self._repair_errors(written, errors, break_all_loops=attempt > 0)
        raise _make_defect(errors[0])

    def _repair_errors(self, written: DraftText, errors: list[Problem], *, break_all_loops: bool) -> None:
        silent = [error for error in errors if error.rule == "silent-loop" and error.line in written.node_lines]
        looping = {written.node_lines[error.line].name: written.node_lines[error.line] for error in silent}
        for name in looping if break_all_loops else _find_loop_ends(looping):
            _break_loop(looping[name])
        removed: set[int] = set()
        for error in errors:
            if error in silent:
                continue
            found = [lines for lines in written.step_lines if lines.first <= error.line <= lines.last]
            if not found:
                raise _make_defect(error)
            if id(found[-1].step) not in removed:
                removed.add(id(found[-1].step))
                _take_out_step(found[-1].node, found[-1].steps, found[-1].step, error)


_MAX_REPAIRS: Final = 8


def _make_defect(problem: Problem) -> ImportSourceError:
    fix = f"please report it; the place in the flow: line {problem.line} [{problem.rule}]"
    return ImportSourceError(1, 1, f"no flow can be made of this file: {problem.message}", fix)


def _find_loop_ends(nodes: Mapping[str, DraftNode]) -> list[str]:
    """Return nodes to which loops lead back: with a pause in each of them, no loop of these nodes is silent."""
    ends: dict[str, None] = {}
    done: set[str] = set()
    for first in nodes:
        path: dict[str, Iterator[str]] = {} if first in done else {first: _iterate_targets(nodes[first], nodes)}
        while path:
            here = next(reversed(path))
            target = next(path[here], None)
            if target is None:
                done.add(here)
                del path[here]
            elif target in path:
                ends[target] = None
            elif target not in done:
                path[target] = _iterate_targets(nodes[target], nodes)
    return [*ends]


def _iterate_targets(node: DraftNode, nodes: Mapping[str, DraftNode]) -> Iterator[str]:
    """Yield the nodes among ``nodes`` to which a node leads."""
    left: list[Any] = [step.data for step in node.steps]
    while left:
        value = left.pop()
        if isinstance(value, str):
            yield from [value] if value in nodes else []
        elif isinstance(value, DraftStep):
            left.append(value.data)
        elif isinstance(value, (dict, list)):
            left += value.values() if isinstance(value, dict) else value


def _break_loop(node: DraftNode) -> None:
    """Put a pause into nodes that lead round in silence, because the check refuses such a flow."""
    node.note_loss("the original goes round here in silence; a pause keeps the flow from turning without end")
    node.steps.insert(0, DraftStep("pause", "1s", "", node.notes))
    node.notes = []


def _take_out_step(node: DraftNode, steps: list[DraftStep], step: DraftStep, problem: Problem) -> None:
    """Take out a step that the check refuses, and note why."""
    shown = shorten(" ".join(f"{key}: {value}" for key, value in step.data.items()), 100)
    node.skip_part(f"{shown} is taken out: {problem.message}")
    notes, node.notes = [*step.comments, *node.notes], []
    index = next(position for position, one in enumerate(steps) if one is step)
    del steps[index]
    if steps is not node.steps and not steps:
        node.steps = [one for one in node.steps if one.value is not steps]
    _attach_notes(node, steps, index, notes)
    if not node.steps:
        node.add_hangup()


def _attach_notes(node: DraftNode, steps: list[DraftStep], index: int, notes: Iterable[str]) -> None:
    if index < len(steps):
        steps[index].comments = [*notes, *steps[index].comments]
    else:
        node.notes = [*notes]
