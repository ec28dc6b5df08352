"""Build the diagram of a flow: its nodes, a few words about each step, and the targets of keys, conditions and silence.

The source is the text of the flow file, not the compiled flow, because a picture helps most if the file has mistakes.
``diagram_text`` and ``svg_drawing`` render the diagram.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from callflows.flows.authoring.opening_week import describe_opening_week
from callflows.flows.compiler.other_flows import split_other_node
from callflows.flows.source.flow_file import NO_MAPPING_MESSAGE, suggest_flow_shape
from callflows.flows.source.included_files import read_flow_data
from callflows.flows.steps.mail_step import MailStep
from callflows.flows.steps.step_base import mapping_of
from callflows.flows.steps.step_summary import quote_text, summarize_host, summarize_list, summarize_value
from callflows.flows.steps.step_table import FLOW_STEPS
from callflows.flows.steps.verb_steps import list_verb_ways, summarize_verb
from callflows.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from callflows.errors import Problem
    from callflows.flows.source.positions import ProblemReport
    from callflows.flows.steps.step_summary import StepWay


_MAX_STEP_DEPTH: Final = 30


class DiagramLine(NamedTuple):
    """A step of a node, or a way to ``target_node`` with ``text`` as its condition. ``edge_label`` is for the arrow."""

    depth: int
    text: str
    target_node: str = ""
    edge_label: str = ""


class DiagramBox(NamedTuple):
    """A node, or a node of another flow (``other-flow/node``).

    ``node_exists`` is false if a step leads to this name and the file has no such node.
    """

    name: str
    lines: tuple[DiagramLine, ...]
    node_exists: bool = True


class DiagramEdge(NamedTuple):
    """The way from one node to another. Each label is a key, a condition or silence."""

    start: str
    end: str
    labels: tuple[str, ...]


class FlowDiagram(NamedTuple):
    """A flow with its nodes (``start`` first), and the steps outside nodes: on errors, text messages and ended calls."""

    name: str
    summary: str
    boxes: tuple[DiagramBox, ...]
    edges: tuple[DiagramEdge, ...]
    fallback_lines: tuple[DiagramLine, ...] = ()
    message_lines: tuple[DiagramLine, ...] = ()
    ended_call_lines: tuple[DiagramLine, ...] = ()
    opening_lines: tuple[str, ...] = ()
    """The opening hours of the coming week, as ready lines of the outline."""


# From files


def build_flow_diagram(name: str, text: bytes, report: ProblemReport, now: datetime | None = None) -> FlowDiagram | None:
    """Build the diagram of a YAML flow. Return None if the YAML cannot be read; ``report`` then has the reason.

    ``text`` may be a stored source with its included files.

    The opening hours of the diagram begin with the day of ``now``, by default the present.
    """
    document, _ = read_flow_data(text, report)
    if not isinstance(document, dict):
        if document is not None:
            report.error((), "shape", NO_MAPPING_MESSAGE, suggest_flow_shape(document))
        return None
    nodes = document.get("nodes")
    template = document.get("template")
    twiml = document.get("twiml")
    if isinstance(template, str) and not nodes:
        nodes = {"start": [{"template": template}]}
    elif twiml and not nodes:
        nodes = {"start": [{"twiml": mapping_of(twiml).get("url", twiml)}]}
    groups = document.get("groups")
    describer = StepDescriber(groups if isinstance(groups, dict) else {}, mapping_of(nodes))
    lines = {node: (*describer.describe_steps(steps),) for node, steps in nodes.items()} if isinstance(nodes, dict) else {}
    numbers = document.get("numbers")
    numbers = [*numbers] if isinstance(numbers, dict) else numbers
    summary = " · ".join(filter(None, [summarize_list(numbers), summarize_value(document.get("timezone"))]))
    diagram = assemble_diagram(name, summary, lines, (*describer.describe_steps(document.get("fallback")),))
    return diagram._replace(
        message_lines=(*describe_message_rules(document.get("messages")),),
        ended_call_lines=(*describer.describe_steps(document.get("ended")),),
        opening_lines=(*describe_opening_week(document, now or datetime.now(UTC), report),),
    )


def build_program_diagram(file: Path, source: str) -> FlowDiagram | Problem:
    """Build the diagram of a Python flow. The program is run to get the names of its nodes; their steps stay unknown."""
    from callflows.errors import Problem  # noqa: PLC0415 - only Python flows need it
    from callflows.flows.python_flow import describe_python_flow  # noqa: PLC0415 - starts a process
    from callflows.language import Extensions  # noqa: PLC0415 - only Python flows need it

    description = describe_python_flow(file, source, Extensions())
    if "error" in description:
        return Problem(
            str(file), description["line"], 1, "error", "python", description["error"], "run it with python to see more"
        )
    summary = " · ".join(filter(None, [summarize_list([*description["numbers"]]), description["timezone"], "Python"]))
    return assemble_diagram(file.stem, summary, dict.fromkeys(description["nodes"], ()))


def assemble_diagram(
    name: str, summary: str, lines: dict[str, tuple[DiagramLine, ...]], fallback_lines: tuple[DiagramLine, ...] = ()
) -> FlowDiagram:
    """Build a diagram from the lines of each node. Ways between the same two nodes become one edge."""
    labels_of_edges: dict[tuple[str, str], list[str]] = {}
    for node, node_lines in lines.items():
        for line in node_lines:
            if line.target_node:
                labels = labels_of_edges.setdefault((node, line.target_node), [])
                labels += [line.edge_label] if line.edge_label and line.edge_label not in labels else []
    others = dict.fromkeys(end for _, end in labels_of_edges if end not in lines)
    boxes = [
        *(DiagramBox(node, node_lines) for node, node_lines in lines.items()),
        *(
            DiagramBox(node, (DiagramLine(0, "goes on in another flow"),))
            if split_other_node(node)[0]
            else DiagramBox(node, (), node_exists=False)
            for node in others
        ),
    ]
    boxes.sort(key=lambda box: box.name != "start")
    edges = (DiagramEdge(start, end, (*labels,)) for (start, end), labels in labels_of_edges.items())
    return FlowDiagram(clean_text(name), summary, (*boxes,), (*edges,), fallback_lines)


class StepDescriber:
    """Describes steps in a few words. ``groups`` are the groups of the flow file, for the targets of a dial."""

    def __init__(self, groups: dict[str, Any], node_names: Collection[str] = ()) -> None:
        self._groups = groups
        self._node_names = node_names

    def describe_steps(self, steps: object, depth: int = 0, when: str = "") -> Iterator[DiagramLine]:
        """Describe steps reached on ``when`` (a key or silence). A value that is not a step is shown unchanged."""
        if depth > _MAX_STEP_DEPTH:
            return
        for step in steps if isinstance(steps, list) else [steps] * bool(steps):
            keys = step if isinstance(step, dict) else {summarize_value(step): ""}
            condition = summarize_value(keys.get("when"))
            for step_key, value in keys.items():
                if step_key != "when":
                    yield from self._describe_step(str(step_key), value, depth, condition, when)

    def _describe_step(
        self,
        step_key: str,
        value: Any,  # noqa: ANN401 - any YAML value
        depth: int,
        condition: str,
        when: str,
    ) -> Iterator[DiagramLine]:
        """Describe one step; a step with branches has several lines."""
        keys = mapping_of(value)
        step = FLOW_STEPS.get(step_key)
        summary = step.summarize(value, self._groups) if step is not None else summarize_verb(step_key, value, keys)
        ways = step.list_ways(value) if step is not None else list_verb_ways(step_key, keys)
        if summary:
            yield DiagramLine(depth, f"when {condition}: {summary}" if condition else summary)
        for way in ways:
            yield from self._describe_way(way, depth, condition, when, is_inside=bool(summary))

    def _describe_way(
        self, way: StepWay, depth: int, condition: str, when: str, *, is_inside: bool
    ) -> Iterator[DiagramLine]:
        """Describe a way that leads on from a step. ``is_inside``: the way stands below the line of its step."""
        reached_when = _join_conditions(when, condition)
        if way.may_be_text and way.target_node not in self._node_names and not split_other_node(str(way.target_node))[0]:
            return
        if way.target_node is None:
            yield from self._describe_branch(way.label, way.steps, depth + is_inside, reached_when)
        else:
            text = way.label if is_inside else way.text or (f"when {condition}" if condition else "")
            node = summarize_value(way.target_node) or "?"
            yield DiagramLine(depth + is_inside, text, node, _join_conditions(reached_when, way.label))

    def _describe_branch(self, label: str, steps: object, depth: int, when: str) -> Iterator[DiagramLine]:
        """Describe the steps after a key or an event, such as no answer. A single goto takes one line."""
        lines = [*self.describe_steps(steps, depth + bool(label), _join_conditions(when, label))]
        if len(lines) == 1 and lines[0].target_node:
            yield lines[0]._replace(depth=depth, text=_join_conditions(label, lines[0].text))
        elif lines:
            if label:
                yield DiagramLine(depth, label)
            yield from lines


def describe_message_rules(message_rules: object) -> Iterator[DiagramLine]:
    """Describe each rule for text messages in one line."""
    for rule in filter(lambda rule: isinstance(rule, dict), message_rules if isinstance(message_rules, list) else []):
        keyword, when = summarize_list(rule.get("keyword")), summarize_value(rule.get("when"))
        about = _join_conditions(keyword, f"when {when}" if when else "") or "any other text"
        yield DiagramLine(0, f"{about}: {_join_conditions(*_describe_rule_actions(rule)) or '?'}")


def _describe_rule_actions(rule: dict[str, Any]) -> Iterator[str]:
    notice = rule.get("notify")
    if "reply" in rule:
        yield f"reply {quote_text(rule['reply'])}"
    if "forward" in rule:
        yield f"forward to {summarize_list(rule['forward'])}"
    if notice:
        yield f"notify {summarize_host(notice.get('url') if isinstance(notice, dict) else notice)}"
    if "mail" in rule:
        yield MailStep.summarize(rule["mail"], {})
    if "ignore" in rule:
        yield "nothing"


def _join_conditions(*parts: str) -> str:
    return ", ".join(filter(None, parts))
