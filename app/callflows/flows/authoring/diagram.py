"""Build the diagram of a flow: its nodes, a few words about each step, and the targets of keys, conditions and silence.

The source is the text of the flow file, not the compiled flow, because a picture helps most if the file has mistakes.
``diagram_text`` and ``svg_drawing`` render the diagram.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from callflows.flows.source.yaml_source import read_yaml
from callflows.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from callflows.errors import Problem
    from callflows.flows.source.positions import ProblemReport


# Longer texts are cut.
_MAX_TEXT_CHARACTERS: Final = 400


# Keys of the phone are written as words in flow files.
_KEY_SYMBOLS: Final = {"star": "*", "hash": "#"}
_MAX_STEP_DEPTH: Final = 30


# Expressions are shown by name. Tags of conditions are left out; the words between the tags stay.
_EXPRESSION_PATTERN: Final = re.compile(r"\{%.*?%\}|\{\{\s*(.*?)\s*(?:\|.*?)?\}\}", re.DOTALL)


class DiagramLine(NamedTuple):
    """A step of a node, or a way to ``target_node`` with ``text`` as its condition. ``edge_label`` is for the arrow."""

    depth: int
    text: str
    target_node: str = ""
    edge_label: str = ""


class DiagramBox(NamedTuple):
    """A node. ``node_exists`` is false if a step leads to this name and the file has no such node."""

    name: str
    lines: tuple[DiagramLine, ...]
    node_exists: bool = True


class DiagramEdge(NamedTuple):
    """The way from one node to another. Each label is a key, a condition or silence."""

    start: str
    end: str
    labels: tuple[str, ...]


class FlowDiagram(NamedTuple):
    """A flow with its nodes (``start`` first), and the steps outside nodes: on errors, text messages and missed calls."""

    name: str
    summary: str
    boxes: tuple[DiagramBox, ...]
    edges: tuple[DiagramEdge, ...]
    fallback_lines: tuple[DiagramLine, ...] = ()
    message_lines: tuple[DiagramLine, ...] = ()
    missed_call_lines: tuple[DiagramLine, ...] = ()


# From files


def build_flow_diagram(name: str, text: bytes, report: ProblemReport) -> FlowDiagram | None:
    """Build the diagram of a YAML flow. Return None if the YAML cannot be read; ``report`` then has the reason."""
    document = read_yaml(text, report)
    if not isinstance(document, dict):
        if document is not None:
            report.error((), "shape", "a flow file is a mapping of numbers, nodes and more")
        return None
    nodes = document.get("nodes")
    template = document.get("template")
    if isinstance(template, str) and not nodes:
        nodes = {"start": [{"template": template}]}
    groups = document.get("groups")
    describer = StepDescriber(groups if isinstance(groups, dict) else {})
    lines = {node: (*describer.describe_steps(steps),) for node, steps in nodes.items()} if isinstance(nodes, dict) else {}
    summary = " · ".join(
        filter(None, [_format_value_list(document.get("numbers")), _format_diagram_value(document.get("timezone"))])
    )
    diagram = assemble_diagram(name, summary, lines, (*describer.describe_steps(document.get("fallback")),))
    return diagram._replace(
        message_lines=(*describe_message_rules(document.get("messages")),),
        missed_call_lines=(*describer.describe_steps(document.get("missed")),),
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
    summary = " · ".join(filter(None, [_format_value_list([*description["numbers"]]), description["timezone"], "Python"]))
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
    missing = dict.fromkeys(end for _, end in labels_of_edges if end not in lines)
    boxes = [
        *(DiagramBox(node, node_lines) for node, node_lines in lines.items()),
        *(DiagramBox(node, (), node_exists=False) for node in missing),
    ]
    boxes.sort(key=lambda box: box.name != "start")
    edges = (DiagramEdge(start, end, (*labels,)) for (start, end), labels in labels_of_edges.items())
    return FlowDiagram(clean_text(name), summary, (*boxes,), (*edges,), fallback_lines)


class StepDescriber:
    """Describes steps in a few words. ``groups`` are the groups of the flow file, for the targets of a dial."""

    def __init__(self, groups: dict[str, Any]) -> None:
        self._groups = groups

    def describe_steps(self, steps: object, depth: int = 0, when: str = "") -> Iterator[DiagramLine]:
        """Describe steps reached on ``when`` (a key or silence). A value that is not a step is shown unchanged."""
        if depth > _MAX_STEP_DEPTH:
            return
        for step in steps if isinstance(steps, list) else [steps] * bool(steps):
            keys = step if isinstance(step, dict) else {_format_diagram_value(step): ""}
            condition = _format_diagram_value(keys.get("when"))
            for word, value in keys.items():
                if word != "when":
                    yield from self._describe_step(str(word), value, depth, condition, when)

    def _describe_step(
        self,
        word: str,
        value: Any,  # noqa: ANN401 - any YAML value
        depth: int,
        condition: str,
        when: str,
    ) -> Iterator[DiagramLine]:
        """Describe one step; a step with branches has several lines."""
        fields = value if isinstance(value, dict) else {}
        if word == "goto":
            label = _join_conditions(when, condition)
            yield DiagramLine(
                depth, f"when {condition}" if condition else "", _format_node_name(fields.get("node", value)), label
            )
            return
        if word == "choose":
            choices = value if isinstance(value, list) else []
            for choice in filter(lambda choice: isinstance(choice, dict), choices):
                choice_condition = _format_diagram_value(choice.get("when"))
                label = _join_conditions(when, condition, choice_condition or "otherwise")
                yield DiagramLine(
                    depth,
                    f"when {choice_condition}" if choice_condition else "otherwise",
                    _format_node_name(choice.get("goto")),
                    label,
                )
            return
        summary = self._summarize_step(word, value, fields)
        yield DiagramLine(depth, f"when {condition}: {summary}" if condition else summary)
        yield from self._describe_branches(word, fields, depth + 1, _join_conditions(when, condition))

    def _describe_branches(self, word: str, fields: dict[str, Any], depth: int, when: str) -> Iterator[DiagramLine]:
        """Describe the steps inside a step and the targets of its keys."""
        if isinstance(fields.get("do"), list):
            yield from self.describe_steps(fields["do"], depth, when)
        keys = fields.get("keys")
        for key, node in keys.items() if isinstance(keys, dict) and word == "menu" else ():
            key_label = _KEY_SYMBOLS.get(str(key), str(key))
            yield DiagramLine(depth, key_label, _format_node_name(node), _join_conditions(when, key_label))
        for key, label in (("otherwise", "otherwise"), ("no_answer", "no answer")):
            if fields.get(key):
                yield DiagramLine(depth, label, _format_node_name(fields[key]), _join_conditions(when, label))
        dtmf = fields.get("dtmf")
        for key, steps in dtmf.items() if isinstance(dtmf, dict) else ():
            yield from self._describe_branch(_KEY_SYMBOLS.get(str(key), str(key)), steps, depth, when)
        if word == "gather":
            yield from self._describe_branch("another key", fields.get("default"), depth, when)
        failed = {"dial": "no answer", "gather": "no key"}.get(word, "error")
        yield from self._describe_branch(failed, fields.get("error"), depth, when)

    def _describe_branch(self, label: str, steps: object, depth: int, when: str) -> Iterator[DiagramLine]:
        """Describe the steps after a key or an event, such as no answer. A single goto takes one line."""
        lines = [*self.describe_steps(steps, depth + 1, _join_conditions(when, label))]
        if len(lines) == 1 and lines[0].target_node:
            yield lines[0]._replace(depth=depth, text=_join_conditions(label, lines[0].text))
        elif lines:
            yield DiagramLine(depth, label)
            yield from lines

    def _summarize_step(self, word: str, value: Any, fields: dict[str, Any]) -> str:  # noqa: ANN401, C901, PLR0911 - one case a word
        match word:
            case "say":
                return f"say {_quote_text(fields.get('text', value))}"
            case "menu":
                return f"menu {_quote_text(fields.get('prompt'))}"
            case "collect":
                secret = " (secret)" if _format_diagram_value(fields.get("secret")) in ("true", "yes") else ""
                variable, digits = (_format_diagram_value(fields.get(key)) for key in ("into", "digits"))
                return f"collect {variable}{secret}: {digits} digits {_quote_text(fields.get('prompt'))}"
            case "dial":
                return self._summarize_dial(fields or {"to": value})
            case "voicemail":
                return f"voicemail {_quote_text(fields.get('greeting', '' if fields else value))}".strip()
            case "lookup":
                return f"look up {_format_diagram_value(fields.get('into'))} at {_extract_host(fields.get('url'))}"
            case "notify":
                return f"notify {_extract_host(fields.get('url', value))}"
            case "sms":
                to = f" to {_format_diagram_value(fields['to'])}" if "to" in fields else ""
                return f"text message{to} {_quote_text(fields.get('text', value))}"
            case "set":
                return f"set {', '.join(f'{name} = {_format_diagram_value(source)}' for name, source in fields.items())}"
            case "hangup":
                tag = _format_diagram_value(fields.get("tag"))
                return f"hang up ({tag})" if tag else "hang up"
        own = [f"{key} {_format_diagram_value(part)}" for key, part in fields.items() if isinstance(part, str)]
        return " ".join(filter(None, [word.replace("_", " "), _format_diagram_value(value) or ", ".join(own)]))

    def _summarize_dial(self, fields: dict[str, Any]) -> str:
        """Describe the targets of a dial, in which order they ring, and for how long."""
        to = fields.get("to")
        targets = [_format_diagram_value(target) for target in (to if isinstance(to, list) else [to])]
        groups = [group for target in targets if isinstance(group := self._groups.get(target), dict)]
        whom = [
            f"{target} ({_format_value_list(self._find_group_members(target))})" if target in self._groups else target
            for target in targets
        ]
        how = {key: next((part[key] for part in (fields, *groups) if key in part), "") for key in ("ring", "timeout")}
        ring = {"in-turn": "in turn", "at-once": "at once"}.get(_format_diagram_value(how["ring"]), "")
        record = "recorded" if _format_diagram_value(fields.get("record")) in ("true", "yes") else ""
        return ", ".join(filter(None, [f"dial {', '.join(whom)}", ring, _format_diagram_value(how["timeout"]), record]))

    def _find_group_members(self, name: str) -> object:
        group = self._groups[name]
        return group.get("to") if isinstance(group, dict) else group


def describe_message_rules(message_rules: object) -> Iterator[DiagramLine]:
    """Describe each rule for text messages in one line."""
    for rule in filter(lambda rule: isinstance(rule, dict), message_rules if isinstance(message_rules, list) else []):
        keyword, when = _format_value_list(rule.get("keyword")), _format_diagram_value(rule.get("when"))
        about = _join_conditions(keyword, f"when {when}" if when else "") or "any other text"
        yield DiagramLine(0, f"{about}: {_join_conditions(*_describe_rule_actions(rule)) or '?'}")


def _describe_rule_actions(rule: dict[str, Any]) -> Iterator[str]:
    notice = rule.get("notify")
    if "reply" in rule:
        yield f"reply {_quote_text(rule['reply'])}"
    if "forward" in rule:
        yield f"forward to {_format_value_list(rule['forward'])}"
    if notice:
        yield f"notify {_extract_host(notice.get('url') if isinstance(notice, dict) else notice)}"
    if "ignore" in rule:
        yield "nothing"


def _join_conditions(*parts: str) -> str:
    return ", ".join(filter(None, parts))


def _format_diagram_value(value: object) -> str:
    """Format a value as one line of text; lists and mappings give an empty text."""
    if value is None or isinstance(value, (dict, list)):
        return ""
    text = " ".join(
        _EXPRESSION_PATTERN.sub(lambda found: f"\u2039{found[1]}\u203a" if found[1] else "", clean_text(str(value))).split()
    )
    return text if len(text) <= _MAX_TEXT_CHARACTERS else f"{text[:_MAX_TEXT_CHARACTERS].rstrip()}…"


def _format_node_name(value: object) -> str:
    """Format the name of a node; an unusable name is a question mark."""
    return _format_diagram_value(value) or "?"


def _quote_text(value: object) -> str:
    first = next(iter(value), "") if isinstance(value, list) else value
    text = _format_diagram_value(first)
    return f"“{text}”" if text else ""


def _format_value_list(value: object) -> str:
    shown = ", ".join(map(_format_diagram_value, value if isinstance(value, list) else [value]))
    return shown if len(shown) <= _MAX_TEXT_CHARACTERS else f"{shown[:_MAX_TEXT_CHARACTERS].rstrip(', ')}…"


def _extract_host(url: object) -> str:
    """Return the host of a URL. Paths and queries are left out because they often contain secrets."""
    found = re.match(r"[a-z]+://([^/?#]+)", _format_diagram_value(url), re.IGNORECASE)
    return found[1] if found else _format_diagram_value(url)
