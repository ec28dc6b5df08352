"""``include``: parts that several flows share, from files in folders below that of the flow."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from callflows.flows.source.positions import ProblemReport
from callflows.flows.source.yaml_source import MAX_FLOW_FILE_BYTES, iterate_texts, read_yaml
from callflows.text import format_known_words, format_suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callflows.flows.source.positions import SourcePath


INCLUDED_SECTIONS: Final = ("nodes", "groups", "directory", "hours", "lists", "variables")
"""Keys of a flow file that may stand in an included file."""
NODE_KEYS: Final = frozenset(
    ("goto", "node", "any", "answered", "busy", "failed", "no_answer", "no_input", "no_match", "otherwise")
)
"""Keys of steps that have a node; ``no_input`` and ``no_match`` have a text or a node."""
_ITEM_KEYS: Final = ("file", "prefix")
"""Keys of an item of ``include`` that is a mapping."""
_KEYS_OF_CHOICES: Final = "keys"
"""Key of a mapping whose values are nodes."""
_GROUP_KEYS: Final = frozenset(("dial", "to"))
"""Keys of steps that may have the name of a group."""
_EXPRESSION_KEYS: Final = frozenset(("when", "set"))
"""Keys whose texts, or the texts of whose mapping, are expressions."""
_SECTIONS_IN_EXPRESSIONS: Final = ("hours", "lists", "variables")
_PREFIXED_SECTIONS: Final = ("nodes", "groups", *_SECTIONS_IN_EXPRESSIONS)
"""Sections whose names get the prefix: an extension of the directory is a number that callers press."""
_PREFIX_PATTERN: Final = re.compile("[A-Za-z][A-Za-z0-9_]{0,31}")
_BRACES: Final = re.compile(r"\{\{.*?(?:\}\}|\Z)|\{%.*?(?:%\}|\Z)", re.DOTALL)
_MAX_INCLUDED_FILES: Final = 20


def read_flow_data(text: bytes, report: ProblemReport) -> tuple[Any, dict[Path, bytes]]:
    """Read the YAML of a flow file, with the files that it includes; return the data, and these files with their content.

    The data is None if the file cannot be read. ``text`` may be a stored source, which has the included files itself.
    """
    own_text, stored_files = split_stored_source(text)
    data = read_yaml(own_text, report)
    if not isinstance(data, dict) or "include" not in data:
        return data, {}
    return data, _include_files(data, report, stored_files)


def join_stored_source(text: bytes, files: Mapping[str, bytes]) -> bytes:
    """Return the text of a flow file followed by those of the included files, so that it can be read without them."""
    if not files:
        return text
    included = (_STORED_FILE_LINE % name.encode() + end_last_line(content) for name, content in files.items())
    return b"".join([end_last_line(text), *included])


def split_stored_source(source: bytes) -> tuple[bytes, dict[str, bytes]]:
    """Return the text of the flow file, and the included files by their names as seen from its folder."""
    if _STORED_FILE_MARK not in source:
        return source, {}
    text, *parts = _STORED_FILE_PATTERN.split(source)
    names = [name.decode("utf-8", "replace") for name in parts[::2]]
    return text, dict(zip(names, parts[1::2], strict=True))


def read_own_source(source: str) -> str:
    """Return the text of the flow file itself, without the included files of a stored source."""
    return split_stored_source(source.encode())[0].decode()


def end_last_line(text: bytes) -> bytes:
    """Return a text that ends with a line break."""
    return text if text.endswith(b"\n") else text + b"\n"


_STORED_FILE_MARK: Final = b"\n--- # included: "
_STORED_FILE_LINE: Final = b"--- # included: %s\n"
_STORED_FILE_PATTERN: Final = re.compile(b"^--- # included: ([^\n]+)\n", re.MULTILINE)


def _include_files(data: dict[str, Any], report: ProblemReport, stored_files: Mapping[str, bytes]) -> dict[Path, bytes]:
    """Merge the included files into the data of a flow file, with their places; return the files with their content.

    The flow's own variables win over included ones. An included node that nothing leads to is left out.
    ``stored_files`` are those of a stored source, by name; they are read from the disk if there are none.
    """
    written = data.pop("include", None)
    items = written if isinstance(written, list) else [] if written in (None, "") else [written]
    folder = Path(report.file).parent
    contents: dict[Path, bytes] = {}
    included: dict[str, set[str]] = {}
    for index, item in enumerate(items):
        path: SourcePath = ("include", index) if isinstance(written, list) else ("include",)
        unknown = [key for key in item if key not in _ITEM_KEYS] if isinstance(item, dict) else []
        for key in unknown:
            near = format_suggestion(str(key), _ITEM_KEYS) or format_known_words(_ITEM_KEYS)
            report.error((*path, key), "include", f"include: there is no key {key!r}", near, key=True)
            report.misses_included_names = True
        message = _find_item_problem(item, items[:index])
        if unknown:
            continue
        if message:
            report.error(path, "include", f"include: {message}", "as common/closed.yaml, or {file: …, prefix: shop_}")
            report.misses_included_names = True
            continue
        name, prefix = (item["file"], item.get("prefix", "")) if isinstance(item, dict) else (item, "")
        file = folder / name
        contents[file] = contents.get(file) or stored_files.get(name) or _read_content(file)
        if not contents[file]:
            near = _suggest_file(folder, name)
            report.error(path, "include", f"include: {name!r} cannot be read, or is empty", near)
            report.misses_included_names = True
            continue
        _merge_file(data, str(file), contents[file], included, report, prefix)
    _drop_unused_nodes(data, included.get("nodes", set()))
    return contents


def _find_item_problem(item: object, earlier: list[Any]) -> str:
    """Return the mistake in an item: the name of a file, or a mapping of a file and a prefix."""
    name, prefix = item, ""
    if isinstance(item, dict):
        name, prefix = item.get("file"), item.get("prefix", "")
        if not isinstance(prefix, str) or (prefix and not _PREFIX_PATTERN.fullmatch(prefix)):
            return f"the prefix {prefix!r} must begin with a letter, and have letters, digits and _"
    if not isinstance(name, str):
        return "must be the name of a file, or a list of names"
    parts = PurePosixPath(name)
    if ".." in parts.parts or parts.is_absolute() or len(parts.parts) == 1 or parts.suffix not in (".yaml", ".yml"):
        return f"{name!r} is no YAML file in a folder below that of the flow"
    if any(item == other or ((not prefix) and name == other) for other in earlier):
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
    data: dict[str, Any],
    file: str,
    content: bytes,
    included: dict[str, set[str]],
    report: ProblemReport,
    prefix: str,
) -> None:
    own_report = ProblemReport(file)
    parts = _read_parts(content, own_report)
    report.misses_included_names |= own_report.has_errors
    renamer = _PrefixAdder(parts, prefix)
    for section, values in parts.items():
        own_values = data.get(section)
        if not (own_values in (None, "") or isinstance(own_values, dict)):
            continue  # reported with the shape of the flow file
        merged = data[section] = own_values if isinstance(own_values, dict) else {}
        for written, value in values.items():
            name = renamer.rename(section, written)
            if name not in merged:
                merged[name] = renamer.rename_references(value) if prefix else value
                included.setdefault(section, set()).add(name)
                _copy_places(own_report, (section, written), report, (section, name))
            elif section != "variables" or name in included.get(section, ()):
                message = f"{section}: {name!r} stands in {report.file}, or in another included file, too"
                fix = "rename one of the two, or include the file with a prefix"
                own_report.error((section, written), "include", message, fix, key=True)
    for problem in own_report.problems:
        report.add_problem_of_other_file(problem)


class _PrefixAdder:
    """Adds a prefix to the names of an included file, and to every use of these names in the file."""

    def __init__(self, parts: dict[str, dict[str, Any]], prefix: str) -> None:
        self._prefix = prefix
        self._names = {section: frozenset(parts.get(section, ())) for section in _PREFIXED_SECTIONS}
        uses = [
            rf"{section}\.(?:{'|'.join(map(re.escape, sorted(self._names[section], key=len, reverse=True)))})"
            for section in _SECTIONS_IN_EXPRESSIONS
            if self._names[section]
        ]
        self._uses = re.compile(rf"\b(?:{'|'.join(uses)})\b") if uses else None

    def rename(self, section: str, name: str) -> str:
        return f"{self._prefix}{name}" if self._prefix and section in _PREFIXED_SECTIONS else name

    def rename_references(self, value: Any, key: str = "", outer: str = "") -> Any:  # noqa: ANN401 - plain data
        """Return a value with the new names. ``key`` is the key of the value, ``outer`` the key of the mapping around."""
        if isinstance(value, dict):
            return {name: self.rename_references(part, name, key) for name, part in value.items()}
        if isinstance(value, list):
            return [self.rename_references(part, key, outer) for part in value]
        if not isinstance(value, str):
            return value
        if (key in NODE_KEYS or outer == _KEYS_OF_CHOICES) and value in self._names["nodes"]:
            return self.rename("nodes", value)
        if key in _GROUP_KEYS and value in self._names["groups"]:
            return self.rename("groups", value)
        if key in _EXPRESSION_KEYS or outer in _EXPRESSION_KEYS:
            return self._rename_in_expression(value)
        return _BRACES.sub(lambda braces: self._rename_in_expression(braces[0]), value)

    def _rename_in_expression(self, expression: str) -> str:
        """Return an expression in which ``hours.office`` has become ``hours.shop_office``."""
        if self._uses is None:
            return expression
        return self._uses.sub(lambda use: use[0].replace(".", f".{self._prefix}", 1), expression)


def _read_parts(content: bytes, report: ProblemReport) -> dict[str, dict[str, Any]]:
    """Read the sections of an included file, and report everything else in it."""
    data = read_yaml(content, report)
    if data is not None and not isinstance(data, dict):
        report.error((), "shape", f"an included file is a mapping of {', '.join(INCLUDED_SECTIONS)}")
    parts: dict[str, dict[str, Any]] = {}
    for section, values in data.items() if isinstance(data, dict) else ():
        if section not in INCLUDED_SECTIONS:
            near = format_suggestion(str(section), INCLUDED_SECTIONS)
            message = "there is no such key" if near else "it cannot be included: it stands in the flow file"
            report.error(
                (section,), "include", f"{section}: {message}", near or format_known_words(INCLUDED_SECTIONS), key=True
            )
        elif isinstance(values, dict):
            parts[section] = values
        elif values not in ("", None):
            report.error((section,), "shape", f"{section}: must be a mapping of keys and values")
    return parts


def _copy_places(source: ProblemReport, path: SourcePath, report: ProblemReport, target: SourcePath) -> None:
    """Give the values of an included file, at ``path`` there, their places in that file."""
    for known, others in ((source.positions, report.positions), (source.key_positions, report.key_positions)):
        for inner, place in known.items():
            if inner[: len(path)] == path:
                others[*target, *inner[len(path) :]] = dataclasses.replace(place, file=source.file)


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
