"""Changes between two texts of a flow file, for people: lines, a short summary, and values before and after."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from callflows.flows.authoring.value_edits import list_editable_values
from callflows.flows.source.included_files import read_own_source
from callflows.web.console.draft_form import describe_value_path

if TYPE_CHECKING:
    from collections.abc import Sequence


_DIFF_CONTEXT_LINES: Final = 3
_MAX_SUMMARY_PARTS: Final = 3
_TOP_KEY: Final = re.compile(r"([A-Za-z_][\w-]*)\s*:")
_INNER_KEY: Final = re.compile(r"( +)([\w-]+)\s*:")
_SECTIONS_OF_NAMES: Final = {"nodes": "", "hours": "hours ", "groups": "group ", "lists": "list "}
"""Sections whose parts people know by name, each with the word before the name."""


class ValueChange(NamedTuple):
    """A value of the form that differs; ``before`` or ``after`` is empty if the value is new or gone."""

    label: str
    before: str
    after: str


def compare_lines(before: str, after: str) -> Sequence[tuple[str, str]]:
    """Return the lines of a unified difference, each with its mark: ``+``, ``-``, ``@`` or a space."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=_DIFF_CONTEXT_LINES)
    return [(line[:1], line[1:] if line[:1] != "@" else line) for line in [*lines][2:]]


def list_value_changes(before: str, after: str) -> list[ValueChange]:
    """Return the texts, hours, dates and people that differ, in words."""
    old, new = ({value.path: value.value for value in list_editable_values(text)} for text in (before, after))
    return [
        ValueChange(describe_value_path(path), _join_value(old.get(path, "")), _join_value(new.get(path, "")))
        for path in dict.fromkeys((*old, *new))
        if old.get(path) != new.get(path)
    ]


def _join_value(value: str | list[str]) -> str:
    return value if isinstance(value, str) else ", ".join(value)


def summarize_changes(before: str, after: str) -> str:
    """Return a summary such as ``1 line of closed, 2 lines of hours office``; empty if the texts are equal.

    Both may be stored sources, with the included files at their end.
    """
    if before == after:
        return ""
    old, new = read_own_source(before).splitlines(), read_own_source(after).splitlines()
    old_parts, new_parts = _name_parts(old), _name_parts(new)
    counts: Counter[str] = Counter()
    for kind, old_start, old_end, new_start, new_end in difflib.SequenceMatcher(
        None, old, new, autojunk=False
    ).get_opcodes():
        if kind == "equal":
            continue
        removed, added = Counter(old_parts[old_start:old_end]), Counter(new_parts[new_start:new_end])
        counts += removed | added  # a line that was replaced is one line
    if not counts:
        return "an included file" if old == new else "the ends of lines"
    parts = [f"{count} line{'' if count == 1 else 's'} of {part}" for part, count in counts.most_common(_MAX_SUMMARY_PARTS)]
    left = len(counts) - len(parts)
    return ", ".join(parts) + (f" and {left} other part{'' if left == 1 else 's'}" if left else "")


def _name_parts(lines: Sequence[str]) -> list[str]:
    """Return the part of the file to which each line belongs: a node, hours, a group, or another section.

    By the indentation alone, since a text may be no YAML.
    """
    parts, section, part, indent = [], "the beginning", "the beginning", 0
    for line in lines:
        top, inner = _TOP_KEY.match(line), _INNER_KEY.match(line)
        if top is not None:
            section, indent = top[1], 0
            part = section if section != "tests" else "the tests"
        elif inner is not None and section in _SECTIONS_OF_NAMES and (not indent or len(inner[1]) == indent):
            indent = len(inner[1])
            part = _SECTIONS_OF_NAMES[section] + inner[2]
        parts.append(part)
    return parts
