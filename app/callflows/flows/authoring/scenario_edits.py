"""Adds a scenario to the tests of a flow file; all other lines of the file stay as they are."""

from __future__ import annotations

import textwrap
from typing import Any

import yaml

from callflows.errors import ValueEditError
from callflows.flows.authoring.value_edits import find_content_end, read_file_data
from callflows.flows.source.positions import ProblemReport
from callflows.flows.source.yaml_source import read_yaml
from callflows.text import has_crlf_lines


def add_scenario(text: str, scenario: str) -> str:
    """Return the text of a flow file with one more scenario at the end of its tests. Raises ValueEditError.

    ``scenario`` is YAML as ``record_scenario`` returns it: one item of a list, and perhaps comments.
    """
    given = textwrap.dedent(scenario.replace("\r\n", "\n")).strip("\n")
    items = _read_items(given)
    is_crlf = has_crlf_lines(text)
    lf_text = text.replace("\r\n", "\n") if is_crlf else text
    before = read_file_data(lf_text)
    tests = before.get("tests") or []
    if not isinstance(tests, list):
        raise ValueEditError("tests: is not a list: change it in the file")
    root: Any = yaml.compose(lf_text, Loader=yaml.SafeLoader)
    found = next(((key, node) for key, node in root.value if key.value == "tests"), None)
    key, node = found or (None, None)
    if key is None or node is None:
        changed = f"{lf_text.rstrip()}\n\ntests:\n{_indent(given, 2)}\n"
    elif not tests:
        at = lf_text.find("\n", key.end_mark.index) + 1 or len(lf_text)
        head = lf_text[: key.end_mark.index]
        changed = f"{head}:\n{_indent(given, 2)}\n{lf_text[at:]}"
    elif node.flow_style:
        raise ValueEditError("tests: stands between brackets: begin each scenario of the file with - name: first")
    else:
        at = lf_text.find("\n", find_content_end(node))
        head, rest = (lf_text, "") if at < 0 else (lf_text[:at], lf_text[at + 1 :])
        changed = f"{head.rstrip(chr(10))}\n{_indent(given, node.start_mark.column)}\n{rest}"
    try:
        is_done = read_file_data(changed) == {**before, "tests": [*tests, *items]}
    except ValueEditError:
        is_done = False
    if not is_done:
        raise ValueEditError("the scenario cannot be added by itself: add it under tests in the file")
    return changed.replace("\n", "\r\n") if is_crlf else changed


def _read_items(scenario: str) -> list[Any]:
    """Return the scenario as data. Raises ValueEditError unless it is one item of a list."""
    report = ProblemReport("the scenario")
    data = read_yaml(f"tests:\n{_indent(scenario, 2)}\n".encode(), report)
    if report.has_errors:
        raise ValueEditError("; ".join(problem.message for problem in report.problems))
    items = data.get("tests") if isinstance(data, dict) else None
    if not isinstance(items, list) or len(items) != 1:
        raise ValueEditError("a scenario is one item of a list: it begins with - name:")
    return items


def _indent(scenario: str, columns: int) -> str:
    return textwrap.indent(scenario, " " * columns)
