"""Writes a draft as the text of a flow file, and remembers which lines belong to which step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import yaml

from callflows.flows.entry_points import START_NODE
from callflows.importing.flow_draft import SILENT_PROMPT, DraftStep, shorten

if TYPE_CHECKING:
    from callflows.importing.flow_draft import DraftNode, FlowDraft


class StepLines(NamedTuple):
    """The lines of a step, its node, and the list that holds the step."""

    first: int
    last: int
    node: DraftNode
    steps: list[DraftStep]
    step: DraftStep


class DraftText(NamedTuple):
    """The text of a flow file, and the lines of its steps, inner steps after outer ones."""

    text: str
    step_lines: list[StepLines]
    node_lines: dict[int, DraftNode]
    """Nodes by the line of their name."""


_TEXT_WIDTH: Final = 1_000_000
"""No text is broken into several lines."""
_NOTE_CHARACTERS: Final = 300


def render_draft(draft: FlowDraft, head: list[str], number: str, number_note: str) -> DraftText:
    """Return the text of a flow file. ``head`` are the comments at its beginning."""
    return _DraftWriter(draft).write_file(head, number, number_note)


class _DraftWriter:
    def __init__(self, draft: FlowDraft) -> None:
        self._draft = draft
        self._lines: list[str] = []
        self._step_lines: list[StepLines] = []
        self._node_lines: dict[int, DraftNode] = {}

    def write_file(self, head: list[str], number: str, number_note: str) -> DraftText:
        for line in head:
            self._write_comment(line, "")
        self._lines.append(f"numbers: {_dump_scalar(number)}{f'  # {number_note}' if number_note else ''}")
        file_voice = self._find_common_voice()
        self._write_section("timezone", "UTC" if self._draft.hours or self._needs_time_zone() else "")
        self._write_section("voice", file_voice)
        self._write_section("hours", self._draft.hours)
        self._write_section("groups", self._draft.groups)
        self._lines += ["", "nodes:"]
        for index, node in enumerate(self._order_nodes()):
            self._write_node(node, file_voice, is_first=index == 0)
        self._write_section("messages", self._draft.messages)
        self._lines += ["", "fallback:", "  - say: We are sorry, we cannot take your call right now."]
        return DraftText("\n".join(self._lines) + "\n", self._step_lines, self._node_lines)

    def _order_nodes(self) -> list[DraftNode]:
        nodes = self._draft.nodes
        return sorted(nodes.values(), key=lambda node: node.name != START_NODE)

    def _needs_time_zone(self) -> bool:
        conditions = (way for node in self._draft.nodes.values() for step in node.steps for way in _list_ways(step))
        return any("now." in str(step.data) for step in conditions)

    def _find_common_voice(self) -> dict[str, str]:
        """Return the voice that all texts have; empty if they differ."""
        voices = [voice for node in self._draft.nodes.values() for step in node.steps for voice in _list_voices(step)]
        return voices[0] if voices and all(voice == voices[0] for voice in voices) else {}

    def _write_section(self, name: str, value: Any) -> None:  # noqa: ANN401 - plain data
        if not value:
            return
        self._lines.append("")
        for note in self._draft.section_notes.get(name, ()):
            self._write_comment(note, "")
        self._lines += _dump_data({name: value})

    def _write_comment(self, text: str, indent: str) -> None:
        self._lines.append(f"{indent}# {shorten(text, _NOTE_CHARACTERS)}")

    def _write_node(self, node: DraftNode, file_voice: dict[str, str], *, is_first: bool) -> None:
        if not is_first:
            self._lines.append("")
        if node.origin is not None:
            self._write_comment(f"{node.origin.kind} {node.origin.name}, line {node.origin.place.line}", "  ")
        self._lines.append(f"  {_dump_scalar(node.name)}:")
        self._node_lines[len(self._lines)] = node
        for step in node.steps:
            self._write_step(step, node, node.steps, file_voice, "    ")
        for note in node.notes:
            self._write_comment(note, "    ")

    def _write_step(
        self, step: DraftStep, node: DraftNode, steps: list[DraftStep], file_voice: dict[str, str], indent: str
    ) -> None:
        for note in step.comments:
            self._write_comment(note, indent)
        first = len(self._lines) + 1
        if step.key == "choose":
            self._lines.append(f"{indent}- choose:")
            place = len(self._step_lines)
            for way in step.value:
                self._write_step(way, node, step.value, file_voice, f"{indent}    ")
            self._step_lines.insert(place, StepLines(first, len(self._lines), node, steps, step))
            return
        if step.key == "hangup" and not step.value:
            written = ["hangup"]
        else:
            written = _dump_data(_strip_common_voice(step, file_voice))
        self._lines += [f"{indent}{'  ' if index else '- '}{line}" for index, line in enumerate(written)]
        self._step_lines.append(StepLines(first, len(self._lines), node, steps, step))


def _list_ways(step: DraftStep) -> list[DraftStep]:
    return step.value if step.key == "choose" else [step]


def _list_voices(step: DraftStep) -> list[dict[str, str]]:
    """Return the voices of a step's texts."""
    if step.key == "say":
        value = step.value if isinstance(step.value, dict) else {}
        return [{key: value[key] for key in ("lang", "gender") if key in value}]
    if step.key in {"collect", "menu"}:
        prompt = step.value.get("prompt")
        if isinstance(prompt, list):
            return [
                voice for part in prompt for key, value in part.items() for voice in _list_voices(DraftStep(key, value))
            ]
        return [step.value.get("voice", {})] if prompt != SILENT_PROMPT else []
    return []


def _strip_common_voice(step: DraftStep, file_voice: dict[str, str]) -> dict[str, Any]:
    """Return a step without the voice that stands once for the file."""
    data = step.data
    if not file_voice:
        return data
    value = data[step.key]
    if step.key == "say" and isinstance(value, dict):
        left = {key: part for key, part in value.items() if key not in file_voice}
        data[step.key] = left["text"] if [*left] == ["text"] else left
    elif step.key in {"collect", "menu"}:
        data[step.key] = {key: part for key, part in value.items() if key != "voice"}
        if isinstance(value.get("prompt"), list):
            parts = (DraftStep(key, part) for one in value["prompt"] for key, part in one.items())
            data[step.key]["prompt"] = [_strip_common_voice(part, file_voice) for part in parts]
    return data


def _dump_data(data: Any) -> list[str]:  # noqa: ANN401 - plain data
    written = yaml.dump(
        data, Dumper=_FlowDumper, allow_unicode=True, sort_keys=False, default_flow_style=False, width=_TEXT_WIDTH
    )
    return str(written).rstrip("\n").split("\n")


def _dump_scalar(text: str) -> str:
    return _dump_data(text)[0]


class _FlowDumper(yaml.SafeDumper):
    """Writes texts without needless quotes, because every value of a flow file is a text."""

    def ignore_aliases(self, _data: object) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        super().increase_indent(flow, False)  # noqa: FBT003 - as PyYAML has it


_FlowDumper.add_representer(int, lambda dumper, number: dumper.represent_str(str(number)))
# Texts such as 22:00, +1201… and no need no quotes in flow files: no word is resolved to another type.
_FlowDumper.yaml_implicit_resolvers = {}
