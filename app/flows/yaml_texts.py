"""YAML as mappings, lists and texts, each with its place.

Every scalar is text, whatever YAML makes of it elsewhere (``22:00``, ``+1201…``, ``no``), and what YAML would take away
without a word is an error.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import yaml

from app.characters import FORBIDDEN
from app.flows.places import Path, Place, Report

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES: Final = 4_000_000
"""A flow file longer than this is refused."""
_MAX_NODES: Final = 300_000
_MAX_DEPTH: Final = 60

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(text: bytes, report: Report) -> Any:  # noqa: ANN401 - dicts, lists and texts
    """A YAML file as dicts, lists and texts, each of whose places ``report`` then knows; None with errors in it."""
    if len(text) > MAX_BYTES:
        report.error((), "yaml", f"the file has {len(text)} bytes, more than {MAX_BYTES}")
        return None
    try:
        decoded = text.decode("utf-8-sig")
        _bounded(decoded)
        root = yaml.compose(decoded, Loader=_LOADER)
    except UnicodeDecodeError as error:
        report.places[()] = Place(text[: error.start].count(b"\n") + 1, 1)
        report.error((), "yaml", "the file is not UTF-8", "save it as UTF-8")
        return None
    except yaml.YAMLError as error:
        _not_yaml(error, decoded, report)
        return None
    if root is None:
        report.error((), "shape", "the file is empty", "it needs numbers and nodes")
        return None
    for lost in _LOST_KEY.finditer(decoded):
        report.places["#", lost.start()] = Place(decoded.count("\n", 0, lost.start()) + 1, 1)
        said = f"YAML takes {lost[0].strip()!r} for a comment, and the key is lost"
        report.error(("#", lost.start()), "key-lost", said, "write hash for the # key")
    try:
        return _Walk(decoded, report).value(root, (), 0)
    except _TooMuch as much:
        message = "the file is nested too deeply, or repeats itself without end"
        report.error(much.path, "yaml", message, "write out what an alias stands for")
        return None


def texts_in(value: object) -> Iterator[str]:
    """Every text in plain data, but for keys."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for part in value if isinstance(value, list) else value.values():
            yield from texts_in(part)


class _TooDeep(yaml.MarkedYAMLError):
    pass


class _TooMuch(Exception):
    def __init__(self, path: Path) -> None:
        self.path = path


def _bounded(text: str) -> None:
    """Refuse what is nested so deeply that reading it might break us. Most files are too plain to need a second reading."""
    if _plainly_flat(text):
        return
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH:
                raise _TooDeep(problem=f"more than {_MAX_DEPTH} values inside each other", problem_mark=event.start_mark)  # type: ignore[arg-type]
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _plainly_flat(text: str) -> bool:
    """Whether a text cannot be nested deeply: each level takes a bracket, or begins further to the right."""
    if "&" in text or "!" in text:
        return False
    furthest = max((len(found) for found in _BEGINNING.findall(text)), default=0)
    return 2 * (furthest + 1) + 2 * (text.count("[") + text.count("{")) < _MAX_DEPTH


def _not_yaml(error: yaml.YAMLError, text: str, report: Report) -> None:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is not None:
        report.places[()] = Place(mark.line + 1, mark.column + 1)
    if isinstance(error, yaml.reader.ReaderError):
        before = text[: error.position]
        report.places[()] = Place(before.count("\n") + 1, error.position - before.rfind("\n"))
        report.error((), "yaml", f"this is not YAML: it holds U+{ord(text[error.position]):04X}", "take it out")
        return
    problem = str(getattr(error, "problem", None) or error)
    said = f"{getattr(error, 'context', '')} {problem}"
    mend = next((mend for known, mend in _MENDS.items() if known in said), "")
    lines = text.splitlines()
    if mark is not None and mark.line < len(lines) and _BRACES.search(lines[mark.line]):
        mend = _QUOTE_BRACES
    report.error((), "yaml", f"this is not YAML: {problem}", mend)


_BEGINNING: Final = re.compile(r"^[ \t]*(?:[-?:][ \t]+)*", re.MULTILINE)
"""What stands before the first word of a line: whatever begins in it, begins within or right after this."""
_BRACES: Final = re.compile(r"[:\-,\[{] *\{[{%]")
_QUOTE_BRACES: Final = 'a text that begins with {{ must be quoted: "{{ … }}"'
_LOST: Final = "a # begins a comment: write hash for the # key; quote texts with special characters"
_MENDS: Final = {
    "'\\t'": "indent with spaces, not tabs",
    "a tab character": "indent with spaces, not tabs",
    "alphabetic or numeric character": "write star for the * key; a text that begins with * or & must be quoted",
    "undefined alias": "write star for the * key; a text that begins with * must be quoted",
    "another document": "a file is one flow: take the line --- out",
    "cannot start any token": "indent with spaces, not tabs; quote a text that begins with a special character",
    "mapping values are not allowed": 'a text with ": " in it must be quoted',
    "did not find expected ',' or '}'": _LOST,
    "did not find expected node content": _LOST,
    "did not find expected key": "indent alike what belongs together",
    "did not find expected '-' indicator": "indent alike what belongs together",
    "while scanning a quoted scalar": "a quote is not closed",
    "special characters are not allowed": "take the control character out",
}


class _Walk:
    """From YAML's own tree to plain values, noting places and refusing what would be misread."""

    def __init__(self, text: str, report: Report) -> None:
        self._lines = text.splitlines()
        self._comments = "#" in text
        self._clean = "\\" not in text and not FORBIDDEN.search(text) and not RESERVED.search(text)
        self._report = report
        self._seen = 0

    def value(self, node: yaml.Node, path: Path, depth: int) -> Any:  # noqa: ANN401
        self._seen += 1
        if depth > _MAX_DEPTH or self._seen > _MAX_NODES:
            raise _TooMuch(path)
        below = 1 if isinstance(node, yaml.ScalarNode) and node.style in _BLOCKS else 0
        self._report.places[path] = Place(node.start_mark.line + 1, node.start_mark.column + 1, self._cut(node), below)
        if isinstance(node, yaml.MappingNode):
            plain = all(isinstance(key, yaml.ScalarNode) for key, _ in node.value)
            items = dict(self._items(node, path, depth))
            return items if plain else UNREAD
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, i), depth + 1) for i, item in enumerate(node.value)]
        return self._text(str(node.value), path)

    def _text(self, text: str, path: Path, *, key: bool = False) -> str:
        """A text as XML can hold it; what it cannot is an error, here, before anything is made of it."""
        if self._clean:
            return text
        found = FORBIDDEN.search(text) or RESERVED.search(text)
        if found:
            code = f"U+{ord(found[0]):04X}"
            self._report.error(path, "text", f"the text holds {code}, which no document may hold", "take it out", key=key)
            return ""
        return text

    def _items(self, node: yaml.MappingNode, path: Path, depth: int) -> Iterator[tuple[str, Any]]:
        seen: dict[str, Place] = {}
        for key, value in self._merged(node):
            place = Place(key.start_mark.line + 1, key.start_mark.column + 1)
            if not isinstance(key, yaml.ScalarNode):
                self._report.places[(*path, "?")] = place
                self._report.error((*path, "?"), "yaml", "a key must be a word", _QUOTE_BRACES)
                continue
            name = str(key.value)
            self._report.keys[(*path, name)] = place
            if name in seen:
                first = seen[name].line
                self._report.error(
                    (*path, name),
                    "key-twice",
                    f"{name!r} is given twice, first on line {first}",
                    "the second would win in silence",
                    key=True,
                )
                continue
            seen[name] = place
            self._text(name, (*path, name), key=True)
            yield name, self.value(value, (*path, name), depth + 1)

    def _merged(self, node: yaml.MappingNode, depth: int = 0) -> list[tuple[yaml.Node, yaml.Node]]:
        """The items of a mapping, with those of what ``<<`` merges into it; its own win."""
        own = [(key, value) for key, value in node.value if not _merges(key, value)]
        if len(own) == len(node.value) or depth > _MAX_DEPTH:
            return own
        names = {key.value for key, _ in own if isinstance(key, yaml.ScalarNode)}
        for _, value in (item for item in node.value if _merges(*item)):
            for other in [value] if isinstance(value, yaml.MappingNode) else value.value:
                items = [item for item in self._merged(other, depth + 1) if item[0].value not in names]
                names |= {key.value for key, _ in items if isinstance(key, yaml.ScalarNode)}
                own += items
        return own

    def _cut(self, node: yaml.Node) -> str:
        """What follows a plain text on its line and is a comment to YAML."""
        if not self._comments or not isinstance(node, yaml.ScalarNode) or node.style in _QUOTED:
            return ""
        end = node.end_mark
        rest = self._lines[end.line][end.column :] if end.line < len(self._lines) else ""
        found = _COMMENT.match(rest)
        return found[1].rstrip() if found else ""


def _merges(key: yaml.Node, value: yaml.Node) -> bool:
    """Whether it is YAML's merge key, with one mapping or several."""
    several = value.value if isinstance(value, yaml.SequenceNode) else [value]
    plain = isinstance(key, yaml.ScalarNode) and key.value == "<<" and key.style not in _QUOTED
    return plain and all(isinstance(one, yaml.MappingNode) for one in several)


RESERVED: Final = re.compile("[\ufdd0-\ufdd3]")
"""No characters to Unicode either; they mark holes while documents are made."""
UNREAD: Final = None
"""Stands where something could not be read; that is an error already."""
_BLOCKS: Final = frozenset({"|", ">"})
_QUOTED: Final = _BLOCKS | {"'", '"'}
_COMMENT: Final = re.compile(r"[ \t]+(#.*)")
_LOST_KEY: Final = re.compile(r"^[ \t]*#[ \t]*:[ \t]+\S.*$", re.MULTILINE)
