"""A flow as it can be looked at: its nodes, what each does in a few words, and where keys, conditions and silence lead.

It reads what stands in a flow file, whether it compiles or not: a picture helps most where something is wrong. ``outline``
writes it as text; ``mermaid`` and ``drawing`` have the pictures.
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


_MAX_TEXT_CHARACTERS: Final = 400
"""Characters of a text that are shown."""


_KEY_SYMBOLS: Final = {"star": "*", "hash": "#"}


_MAX_STEP_DEPTH: Final = 30


_EXPRESSION_PATTERN: Final = re.compile(r"\{%.*?%\}|\{\{\s*(.*?)\s*(?:\|.*?)?\}\}", re.DOTALL)
"""What changes from call to call: its name is shown, and of what depends on a condition the words."""


class DiagramLine(NamedTuple):
    """A line of a node: what it does, or on what condition (``text``) the call goes on at the node ``to``."""

    depth: int
    text: str
    target_node: str = ""
    edge_label: str = ""
    """What stands at the edge."""


class DiagramBox(NamedTuple):
    """A node; ``there`` is false where something leads to it and the file has none of this name."""

    name: str
    lines: tuple[DiagramLine, ...]
    node_exists: bool = True


class DiagramEdge(NamedTuple):
    """Where a node leads, and on which keys, conditions or silence; all of them together, a line each."""

    start: str
    end: str
    labels: tuple[str, ...]


class FlowDiagram(NamedTuple):
    """A flow: its name, a line about it, its nodes with ``start`` first, its edges, and what is said when it breaks."""

    name: str
    summary: str
    boxes: tuple[DiagramBox, ...]
    edges: tuple[DiagramEdge, ...]
    fallback_lines: tuple[DiagramLine, ...] = ()
    message_lines: tuple[DiagramLine, ...] = ()
    """What is done with texts that come in."""
    missed_call_lines: tuple[DiagramLine, ...] = ()
    """What is done when nobody took a call."""


# From files


def build_flow_diagram(name: str, text: bytes, report: ProblemReport) -> FlowDiagram | None:
    """The diagram of a YAML flow; None where it cannot be read at all, with the reason in ``report``."""
    found = read_yaml(text, report)
    if not isinstance(found, dict):
        if found is not None:
            report.error((), "shape", "a flow file is a mapping of numbers, nodes and more")
        return None
    nodes = found.get("nodes")
    template = found.get("template")
    if isinstance(template, str) and not nodes:
        nodes = {"start": [{"template": template}]}
    groups = found.get("groups")
    words = StepDescriber(groups if isinstance(groups, dict) else {})
    lines = {node: (*words.describe_steps(steps),) for node, steps in nodes.items()} if isinstance(nodes, dict) else {}
    about = " · ".join(
        filter(None, [_format_value_list(found.get("numbers")), _format_diagram_value(found.get("timezone"))])
    )
    made = assemble_diagram(name, about, lines, (*words.describe_steps(found.get("fallback")),))
    return made._replace(
        message_lines=(*describe_message_rules(found.get("messages")),),
        missed_call_lines=(*words.describe_steps(found.get("missed")),),
    )


def build_program_diagram(file: Path, source: str) -> FlowDiagram | Problem:
    """The diagram of a Python flow, of which only the nodes are known; it is run to learn them."""
    from callflows.errors import Problem  # noqa: PLC0415 - as describe
    from callflows.flows.python_flow import describe_python_flow  # noqa: PLC0415 - starts a process
    from callflows.language import Extensions  # noqa: PLC0415 - as above

    told = describe_python_flow(file, source, Extensions())
    if "error" in told:
        return Problem(str(file), told["line"], 1, "error", "python", told["error"], "run it with python to see more")
    about = " · ".join(filter(None, [_format_value_list([*told["numbers"]]), told["timezone"], "Python"]))
    return assemble_diagram(file.stem, about, dict.fromkeys(told["nodes"], ()))


def assemble_diagram(
    name: str, summary: str, lines: dict[str, tuple[DiagramLine, ...]], fallback_lines: tuple[DiagramLine, ...] = ()
) -> FlowDiagram:
    """Nodes with the edges that their lines are."""
    found: dict[tuple[str, str], list[str]] = {}
    for node, its in lines.items():
        for line in its:
            if line.target_node:
                labels = found.setdefault((node, line.target_node), [])
                labels += [line.edge_label] if line.edge_label and line.edge_label not in labels else []
    missing = dict.fromkeys(end for _, end in found if end not in lines)
    boxes = [
        *(DiagramBox(node, its) for node, its in lines.items()),
        *(DiagramBox(node, (), node_exists=False) for node in missing),
    ]
    boxes.sort(key=lambda box: box.name != "start")
    edges = (DiagramEdge(start, end, (*labels,)) for (start, end), labels in found.items())
    return FlowDiagram(clean_text(name), summary, (*boxes,), (*edges,), fallback_lines)


class StepDescriber:
    """Puts steps into words. ``groups`` are the file's, so that it can be said who is rung."""

    def __init__(self, groups: dict[str, Any]) -> None:
        self._groups = groups

    def describe_steps(self, steps: object, depth: int = 0, when: str = "") -> Iterator[DiagramLine]:
        """Lines of steps, reached on ``when`` (a key, silence); what is no step is shown as it stands."""
        if depth > _MAX_STEP_DEPTH:
            return
        for step in steps if isinstance(steps, list) else [steps] * bool(steps):
            keys = step if isinstance(step, dict) else {_format_diagram_value(step): ""}
            condition = _format_diagram_value(keys.get("when"))
            for word, value in keys.items():
                if word != "when":
                    yield from self._describe_step(str(word), value, depth, condition, when)

    def _describe_step(self, word: str, value: Any, depth: int, condition: str, when: str) -> Iterator[DiagramLine]:  # noqa: ANN401
        """The lines of one step."""
        given = value if isinstance(value, dict) else {}
        if word == "goto":
            label = _join_conditions(when, condition)
            yield DiagramLine(
                depth, f"when {condition}" if condition else "", _format_node_name(given.get("node", value)), label
            )
            return
        if word == "choose":
            ways = value if isinstance(value, list) else []
            for way in filter(lambda way: isinstance(way, dict), ways):
                asked = _format_diagram_value(way.get("when"))
                label = _join_conditions(when, condition, asked or "otherwise")
                yield DiagramLine(
                    depth, f"when {asked}" if asked else "otherwise", _format_node_name(way.get("goto")), label
                )
            return
        said = self._summarize_step(word, value, given)
        yield DiagramLine(depth, f"when {condition}: {said}" if condition else said)
        yield from self._describe_branches(word, given, depth + 1, _join_conditions(when, condition))

    def _describe_branches(self, word: str, fields: dict[str, Any], depth: int, when: str) -> Iterator[DiagramLine]:
        """Where a step's keys lead, and what stands in it."""
        if isinstance(fields.get("do"), list):
            yield from self.describe_steps(fields["do"], depth, when)
        keys = fields.get("keys")
        for key, node in keys.items() if isinstance(keys, dict) and word == "menu" else ():
            pressed = _KEY_SYMBOLS.get(str(key), str(key))
            yield DiagramLine(depth, pressed, _format_node_name(node), _join_conditions(when, pressed))
        for key, says in (("otherwise", "otherwise"), ("no_answer", "no answer")):
            if fields.get(key):
                yield DiagramLine(depth, says, _format_node_name(fields[key]), _join_conditions(when, says))
        dtmf = fields.get("dtmf")
        for key, steps in dtmf.items() if isinstance(dtmf, dict) else ():
            yield from self._describe_branch(_KEY_SYMBOLS.get(str(key), str(key)), steps, depth, when)
        if word == "gather":
            yield from self._describe_branch("another key", fields.get("default"), depth, when)
        failed = {"dial": "no answer", "gather": "no key"}.get(word, "error")
        yield from self._describe_branch(failed, fields.get("error"), depth, when)

    def _describe_branch(self, label: str, steps: object, depth: int, when: str) -> Iterator[DiagramLine]:
        """Steps that are done on a key, or on something that happened."""
        lines = [*self.describe_steps(steps, depth + 1, _join_conditions(when, label))]
        if len(lines) == 1 and lines[0].target_node:
            yield lines[0]._replace(depth=depth, text=_join_conditions(label, lines[0].text))
        elif lines:
            yield DiagramLine(depth, label)
            yield from lines

    def _summarize_step(self, word: str, value: Any, fields: dict[str, Any]) -> str:  # noqa: ANN401, C901, PLR0911 - one case a word
        """A step in a few words."""
        match word:
            case "say":
                return f"say {_quote_text(fields.get('text', value))}"
            case "menu":
                return f"menu {_quote_text(fields.get('prompt'))}"
            case "collect":
                secret = " (secret)" if _format_diagram_value(fields.get("secret")) in ("true", "yes") else ""
                asked = f"collect {_format_diagram_value(fields.get('into'))}{secret}: {_format_diagram_value(fields.get('digits'))} digits"
                return f"{asked} {_quote_text(fields.get('prompt'))}"
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
        """Whom a dial rings, and how."""
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
    """A line for each rule on texts."""
    for rule in filter(lambda rule: isinstance(rule, dict), message_rules if isinstance(message_rules, list) else []):
        keyword, when = _format_value_list(rule.get("keyword")), _format_diagram_value(rule.get("when"))
        about = _join_conditions(keyword, f"when {when}" if when else "") or "any other text"
        yield DiagramLine(0, f"{about}: {_join_conditions(*_describe_rule_actions(rule)) or '?'}")


def _describe_rule_actions(rule: dict[str, Any]) -> Iterator[str]:
    """What a rule does, in a few words."""
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
    """Conditions that must all hold."""
    return ", ".join(filter(None, parts))


def _format_diagram_value(value: object) -> str:
    """A value as one line of text."""
    if value is None or isinstance(value, (dict, list)):
        return ""
    text = " ".join(
        _EXPRESSION_PATTERN.sub(lambda found: f"\u2039{found[1]}\u203a" if found[1] else "", clean_text(str(value))).split()
    )
    return text if len(text) <= _MAX_TEXT_CHARACTERS else f"{text[:_MAX_TEXT_CHARACTERS].rstrip()}…"


def _format_node_name(value: object) -> str:
    """A node's name; of one that is none at all, what stands there."""
    return _format_diagram_value(value) or "?"


def _quote_text(value: object) -> str:
    first = next(iter(value), "") if isinstance(value, list) else value
    text = _format_diagram_value(first)
    return f"“{text}”" if text else ""


def _format_value_list(value: object) -> str:
    shown = ", ".join(map(_format_diagram_value, value if isinstance(value, list) else [value]))
    return shown if len(shown) <= _MAX_TEXT_CHARACTERS else f"{shown[:_MAX_TEXT_CHARACTERS].rstrip(', ')}…"


def _extract_host(url: object) -> str:
    """Where something is asked; the rest of a URL is the server's own affair."""
    found = re.match(r"[a-z]+://([^/?#]+)", _format_diagram_value(url), re.IGNORECASE)
    return found[1] if found else _format_diagram_value(url)
