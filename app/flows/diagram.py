"""A flow as it can be looked at: its nodes, what each does in a few words, and where keys, conditions and silence lead.

It reads what stands in a flow file, whether it compiles or not: a picture helps most where something is wrong. ``outline``
writes it as text; ``mermaid`` and ``drawing`` have the pictures.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from app.characters import clean
from app.flows.yaml_texts import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app.errors import Problem
    from app.flows.places import Report

_LONGEST: Final = 400
"""Characters of a text that are shown."""
_KEYS: Final = {"star": "*", "hash": "#"}
_DEEPEST: Final = 30
_BRACES: Final = re.compile(r"\{%.*?%\}|\{\{\s*(.*?)\s*(?:\|.*?)?\}\}", re.DOTALL)
"""What changes from call to call: its name is shown, and of what depends on a condition the words."""


class Line(NamedTuple):
    """A line of a node: what it does, or on what condition (``text``) the call goes on at the node ``to``."""

    depth: int
    text: str
    to: str = ""
    label: str = ""
    """What stands at the edge."""


class Box(NamedTuple):
    """A node; ``there`` is false where something leads to it and the file has none of this name."""

    name: str
    lines: tuple[Line, ...]
    there: bool = True


class Edge(NamedTuple):
    """Where a node leads, and on which keys, conditions or silence; all of them together, a line each."""

    start: str
    end: str
    labels: tuple[str, ...]


class Diagram(NamedTuple):
    """A flow: its name, a line about it, its nodes with ``start`` first, its edges, and what is said when it breaks."""

    name: str
    about: str
    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]
    fallback: tuple[Line, ...] = ()
    messages: tuple[Line, ...] = ()
    """What is done with texts that come in."""
    missed: tuple[Line, ...] = ()
    """What is done when nobody took a call."""


# From files


def diagram_of(name: str, text: bytes, report: Report) -> Diagram | None:
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
    words = Words(groups if isinstance(groups, dict) else {})
    lines = {node: (*words.steps(steps),) for node, steps in nodes.items()} if isinstance(nodes, dict) else {}
    about = " · ".join(filter(None, [_listed(found.get("numbers")), _plain(found.get("timezone"))]))
    made = connected(name, about, lines, (*words.steps(found.get("fallback")),))
    return made._replace(messages=(*rules(found.get("messages")),), missed=(*words.steps(found.get("missed")),))


def diagram_of_program(file: Path, source: str) -> Diagram | Problem:
    """The diagram of a Python flow, of which only the nodes are known; it is run to learn them."""
    from app.errors import Problem  # noqa: PLC0415 - as describe
    from app.flows.programs import describe  # noqa: PLC0415 - starts a process
    from app.language import Extensions  # noqa: PLC0415 - as above

    told = describe(file, source, Extensions())
    if "error" in told:
        return Problem(str(file), told["line"], 1, "error", "python", told["error"], "run it with python to see more")
    about = " · ".join(filter(None, [_listed([*told["numbers"]]), told["timezone"], "Python"]))
    return connected(file.stem, about, dict.fromkeys(told["nodes"], ()))


def connected(name: str, about: str, lines: dict[str, tuple[Line, ...]], fallback: tuple[Line, ...] = ()) -> Diagram:
    """Nodes with the edges that their lines are."""
    found: dict[tuple[str, str], list[str]] = {}
    for node, its in lines.items():
        for line in its:
            if line.to:
                labels = found.setdefault((node, line.to), [])
                labels += [line.label] if line.label and line.label not in labels else []
    missing = dict.fromkeys(end for _, end in found if end not in lines)
    boxes = [*(Box(node, its) for node, its in lines.items()), *(Box(node, (), there=False) for node in missing)]
    boxes.sort(key=lambda box: box.name != "start")
    edges = (Edge(start, end, (*labels,)) for (start, end), labels in found.items())
    return Diagram(clean(name), about, (*boxes,), (*edges,), fallback)


class Words:
    """Puts steps into words. ``groups`` are the file's, so that it can be said who is rung."""

    def __init__(self, groups: dict[str, Any]) -> None:
        self._groups = groups

    def steps(self, steps: object, depth: int = 0, when: str = "") -> Iterator[Line]:
        """Lines of steps, reached on ``when`` (a key, silence); what is no step is shown as it stands."""
        if depth > _DEEPEST:
            return
        for step in steps if isinstance(steps, list) else [steps] * bool(steps):
            keys = step if isinstance(step, dict) else {_plain(step): ""}
            condition = _plain(keys.get("when"))
            for word, value in keys.items():
                if word != "when":
                    yield from self._step(str(word), value, depth, condition, when)

    def _step(self, word: str, value: Any, depth: int, condition: str, when: str) -> Iterator[Line]:  # noqa: ANN401
        """The lines of one step."""
        given = value if isinstance(value, dict) else {}
        if word == "goto":
            label = _joined(when, condition)
            yield Line(depth, f"when {condition}" if condition else "", _node(given.get("node", value)), label)
            return
        if word == "choose":
            ways = value if isinstance(value, list) else []
            for way in filter(lambda way: isinstance(way, dict), ways):
                asked = _plain(way.get("when"))
                label = _joined(when, condition, asked or "otherwise")
                yield Line(depth, f"when {asked}" if asked else "otherwise", _node(way.get("goto")), label)
            return
        said = self._said(word, value, given)
        yield Line(depth, f"when {condition}: {said}" if condition else said)
        yield from self._leads(word, given, depth + 1, _joined(when, condition))

    def _leads(self, word: str, given: dict[str, Any], depth: int, when: str) -> Iterator[Line]:
        """Where a step's keys lead, and what stands in it."""
        if isinstance(given.get("do"), list):
            yield from self.steps(given["do"], depth, when)
        keys = given.get("keys")
        for key, node in keys.items() if isinstance(keys, dict) and word == "menu" else ():
            pressed = _KEYS.get(str(key), str(key))
            yield Line(depth, pressed, _node(node), _joined(when, pressed))
        for key, says in (("otherwise", "otherwise"), ("no_answer", "no answer")):
            if given.get(key):
                yield Line(depth, says, _node(given[key]), _joined(when, says))
        dtmf = given.get("dtmf")
        for key, steps in dtmf.items() if isinstance(dtmf, dict) else ():
            yield from self._branch(_KEYS.get(str(key), str(key)), steps, depth, when)
        if word == "gather":
            yield from self._branch("another key", given.get("default"), depth, when)
        failed = {"dial": "no answer", "gather": "no key"}.get(word, "error")
        yield from self._branch(failed, given.get("error"), depth, when)

    def _branch(self, says: str, steps: object, depth: int, when: str) -> Iterator[Line]:
        """Steps that are done on a key, or on something that happened."""
        lines = [*self.steps(steps, depth + 1, _joined(when, says))]
        if len(lines) == 1 and lines[0].to:
            yield lines[0]._replace(depth=depth, text=_joined(says, lines[0].text))
        elif lines:
            yield Line(depth, says)
            yield from lines

    def _said(self, word: str, value: Any, given: dict[str, Any]) -> str:  # noqa: ANN401, C901, PLR0911 - one case a word
        """A step in a few words."""
        match word:
            case "say":
                return f"say {_quoted(given.get('text', value))}"
            case "menu":
                return f"menu {_quoted(given.get('prompt'))}"
            case "collect":
                secret = " (secret)" if _plain(given.get("secret")) in ("true", "yes") else ""
                asked = f"collect {_plain(given.get('into'))}{secret}: {_plain(given.get('digits'))} digits"
                return f"{asked} {_quoted(given.get('prompt'))}"
            case "dial":
                return self._dial(given or {"to": value})
            case "voicemail":
                return f"voicemail {_quoted(given.get('greeting', '' if given else value))}".strip()
            case "lookup":
                return f"look up {_plain(given.get('into'))} at {_host(given.get('url'))}"
            case "notify":
                return f"notify {_host(given.get('url', value))}"
            case "sms":
                to = f" to {_plain(given['to'])}" if "to" in given else ""
                return f"text message{to} {_quoted(given.get('text', value))}"
            case "set":
                return f"set {', '.join(f'{name} = {_plain(source)}' for name, source in given.items())}"
            case "hangup":
                tag = _plain(given.get("tag"))
                return f"hang up ({tag})" if tag else "hang up"
        own = [f"{key} {_plain(part)}" for key, part in given.items() if isinstance(part, str)]
        return " ".join(filter(None, [word.replace("_", " "), _plain(value) or ", ".join(own)]))

    def _dial(self, given: dict[str, Any]) -> str:
        """Whom a dial rings, and how."""
        to = given.get("to")
        targets = [_plain(target) for target in (to if isinstance(to, list) else [to])]
        groups = [group for target in targets if isinstance(group := self._groups.get(target), dict)]
        whom = [f"{target} ({_listed(self._members(target))})" if target in self._groups else target for target in targets]
        how = {key: next((part[key] for part in (given, *groups) if key in part), "") for key in ("ring", "timeout")}
        ring = {"in-turn": "in turn", "at-once": "at once"}.get(_plain(how["ring"]), "")
        record = "recorded" if _plain(given.get("record")) in ("true", "yes") else ""
        return ", ".join(filter(None, [f"dial {', '.join(whom)}", ring, _plain(how["timeout"]), record]))

    def _members(self, name: str) -> object:
        group = self._groups[name]
        return group.get("to") if isinstance(group, dict) else group


def rules(given: object) -> Iterator[Line]:
    """A line for each rule on texts."""
    for rule in filter(lambda rule: isinstance(rule, dict), given if isinstance(given, list) else []):
        keyword, when = _listed(rule.get("keyword")), _plain(rule.get("when"))
        about = _joined(keyword, f"when {when}" if when else "") or "any other text"
        yield Line(0, f"{about}: {_joined(*_done(rule)) or '?'}")


def _done(rule: dict[str, Any]) -> Iterator[str]:
    """What a rule does, in a few words."""
    notice = rule.get("notify")
    if "reply" in rule:
        yield f"reply {_quoted(rule['reply'])}"
    if "forward" in rule:
        yield f"forward to {_listed(rule['forward'])}"
    if notice:
        yield f"notify {_host(notice.get('url') if isinstance(notice, dict) else notice)}"
    if "ignore" in rule:
        yield "nothing"


def _joined(*parts: str) -> str:
    """Conditions that must all hold."""
    return ", ".join(filter(None, parts))


def _plain(value: object) -> str:
    """A value as one line of text."""
    if value is None or isinstance(value, (dict, list)):
        return ""
    text = " ".join(_BRACES.sub(lambda found: f"\u2039{found[1]}\u203a" if found[1] else "", clean(str(value))).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST].rstrip()}…"


def _node(value: object) -> str:
    """A node's name; of one that is none at all, what stands there."""
    return _plain(value) or "?"


def _quoted(value: object) -> str:
    first = next(iter(value), "") if isinstance(value, list) else value
    text = _plain(first)
    return f"“{text}”" if text else ""


def _listed(value: object) -> str:
    shown = ", ".join(map(_plain, value if isinstance(value, list) else [value]))
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST].rstrip(', ')}…"


def _host(url: object) -> str:
    """Where something is asked; the rest of a URL is the server's own affair."""
    found = re.match(r"[a-z]+://([^/?#]+)", _plain(url), re.IGNORECASE)
    return found[1] if found else _plain(url)
