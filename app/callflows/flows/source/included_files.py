"""``include``: parts that several flows share, from files in folders below that of the flow."""

from __future__ import annotations

import dataclasses
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from callflows.flows.source.positions import ProblemReport
from callflows.flows.source.yaml_source import MAX_FLOW_FILE_BYTES, iterate_texts, read_yaml
from callflows.text import format_suggestion

if TYPE_CHECKING:
    from callflows.flows.source.positions import SourcePath


INCLUDED_SECTIONS: Final = ("nodes", "groups", "directory", "hours", "lists", "variables")
"""Keys of a flow file that may stand in an included file."""
_MAX_INCLUDED_FILES: Final = 20


def include_files(data: dict[str, Any], report: ProblemReport) -> dict[Path, bytes]:
    """Merge the included files into the data of a flow file, with their places; return the files with their content.

    The flow's own variables win over included ones. An included node that nothing leads to is left out.
    """
    written = data.pop("include", None)
    names = written if isinstance(written, list) else [] if written in (None, "") else [written]
    folder, contents = Path(report.file).parent, {}
    included: dict[str, set[str]] = {}
    for index, name in enumerate(names):
        path: SourcePath = ("include", index) if isinstance(written, list) else ("include",)
        message = _find_name_problem(name, names[:index])
        if message:
            report.error(path, "include", f"include: {message}", "as common/closed.yaml")
            continue
        file = folder / name
        contents[file] = _read_content(file)
        if not contents[file]:
            near = _suggest_file(folder, name)
            report.error(path, "include", f"include: {name!r} cannot be read, or is empty", near)
            continue
        _merge_file(data, str(file), contents[file], included, report)
    _drop_unused_nodes(data, included.get("nodes", set()))
    return contents


def _find_name_problem(name: object, earlier: list[Any]) -> str:
    if not isinstance(name, str):
        return "must be the name of a file, or a list of names"
    parts = PurePosixPath(name)
    if ".." in parts.parts or parts.is_absolute() or len(parts.parts) == 1 or parts.suffix not in (".yaml", ".yml"):
        return f"{name!r} is no YAML file in a folder below that of the flow"
    if name in earlier:
        return f"{name!r} is included already"
    return f"more than {_MAX_INCLUDED_FILES} files" if len(earlier) >= _MAX_INCLUDED_FILES else ""


def _read_content(file: Path) -> bytes:
    """Return the content, or nothing if there is no plain file: reading a pipe would not end."""
    try:
        if not file.is_file():
            return b""
        with file.open("rb") as opened:
            return opened.read(MAX_FLOW_FILE_BYTES + 1)
    except OSError:
        return b""


def _suggest_file(folder: Path, name: str) -> str:
    try:
        known = [str(PurePosixPath(name).with_name(other.name)) for other in (folder / name).parent.iterdir()]
    except OSError:
        known = []
    return format_suggestion(name, known) or "the name is as seen from the folder of the flow"


def _merge_file(
    data: dict[str, Any], file: str, content: bytes, included: dict[str, set[str]], report: ProblemReport
) -> None:
    own_report = ProblemReport(file)
    parts = _read_parts(content, own_report)
    for section, values in parts.items():
        own_values = data.get(section)
        if not (own_values in (None, "") or isinstance(own_values, dict)):
            continue  # reported with the shape of the flow file
        merged = data[section] = own_values if isinstance(own_values, dict) else {}
        for name, value in values.items():
            if name not in merged:
                merged[name] = value
                included.setdefault(section, set()).add(name)
                _copy_places(own_report, (section, name), report)
            elif section != "variables" or name in included.get(section, ()):
                message = f"{section}: {name!r} stands in {report.file}, or in another included file, too"
                own_report.error((section, name), "include", message, "rename one of the two", key=True)
    for problem in own_report.problems:
        report.add_problem_of_other_file(problem)


def _read_parts(content: bytes, report: ProblemReport) -> dict[str, dict[str, Any]]:
    """Read the sections of an included file, and report everything else in it."""
    data = read_yaml(content, report)
    if data is not None and not isinstance(data, dict):
        report.error((), "shape", f"an included file is a mapping of {', '.join(INCLUDED_SECTIONS)}")
    parts: dict[str, dict[str, Any]] = {}
    for section, values in data.items() if isinstance(data, dict) else ():
        if section not in INCLUDED_SECTIONS:
            message = f"{section!r} cannot be included: it stands in the flow file"
            report.error((section,), "include", message, f"there are {', '.join(INCLUDED_SECTIONS)}", key=True)
        elif isinstance(values, dict):
            parts[section] = values
        elif values not in ("", None):
            report.error((section,), "shape", f"{section}: must be a mapping of keys and values")
    return parts


def _copy_places(source: ProblemReport, path: SourcePath, report: ProblemReport) -> None:
    """Give the values of an included file their places in that file."""
    for known, others in ((source.positions, report.positions), (source.key_positions, report.key_positions)):
        for inner, place in known.items():
            if inner[: len(path)] == path:
                others[inner] = dataclasses.replace(place, file=source.file)


def _drop_unused_nodes(data: dict[str, Any], included: set[str]) -> None:
    """Leave out the included nodes that no text of the flow names: a shared file may have more than one flow needs."""
    nodes = data.get("nodes")
    if not included or not isinstance(nodes, dict):
        return
    waiting: list[Any] = [steps for name, steps in nodes.items() if name not in included or name == "start"]
    waiting += [data.get(section) for section in ("fallback", "template")]
    used: set[str] = {"start"} & included
    while waiting:
        named = {*iterate_texts(waiting.pop())} & (included - used)
        used |= named
        waiting += [nodes[name] for name in named]
    for name in included - used:
        del nodes[name]
