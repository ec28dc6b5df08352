"""YAML to FlowFile, with the place of everything.

Every scalar is text, whatever YAML makes of it elsewhere (``22:00``, ``+1201…``, ``no``), and takes its type from where it
stands.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pydantic
import yaml

from app.characters import FORBIDDEN
from app.errors import Problem, suggestion
from app.flows.book import REST, Claim
from app.numbers import e164

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Path: TypeAlias = "tuple[str | int, ...]"
"""Where something stands in a file: ``("nodes", "start", 0, "say")``."""

MAX_BYTES: Final = 4_000_000
"""A flow file longer than this is refused."""
_MAX_NODES: Final = 300_000
_MAX_DEPTH: Final = 60

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """A line and a column, from 1. ``cut``: a comment that cuts a text short; ``below``: how many lines below it begins."""

    line: int
    column: int
    cut: str = ""
    below: int = 0


class Report:
    """Collects what is wrong with one file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.places: dict[Path, Place] = {(): Place(1, 1)}
        self.keys: dict[Path, Place] = {}

    def error(self, path: Path, rule: str, message: str, mend: str = "", *, key: bool = False, line: int = 0) -> None:
        """Something is wrong at ``path`` (at its key, with ``key``), or on a line of the text there, from 1."""
        self._say("error", path, rule, message, mend, key=key, line=line)

    def warning(self, path: Path, rule: str, message: str, mend: str = "", *, key: bool = False) -> None:
        """Something is probably not meant."""
        self._say("warning", path, rule, message, mend, key=key, line=0)

    def _say(
        self, severity: Literal["error", "warning"], path: Path, rule: str, message: str, mend: str, *, key: bool, line: int
    ) -> None:
        place = self.place(path, key=key)
        below = place.below + line - 1 if line else 0
        problem = Problem(self.file, place.line + below, place.column, severity, rule, message, mend)
        if problem not in self.problems:
            self.problems.append(problem)

    def place(self, path: Path, *, key: bool = False) -> Place:
        """The place of a path, or of the nearest thing around it."""
        while path:
            place = (self.keys if key else self.places).get(path) or self.places.get(path)
            if place:
                return place
            path = path[:-1]
        return self.places[()]

    @property
    def broken(self) -> bool:
        """Whether there is an error."""
        return any(problem.severity == "error" for problem in self.problems)


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) and value else value


def form(name: str) -> pydantic.WithJsonSchema:
    """Marks a type as what the schema of flow files defines under a name."""
    return pydantic.WithJsonSchema({"$ref": f"#/definitions/{name}"})


NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""The name of a flow, or of a node."""
Steps = Annotated[list[Any], pydantic.BeforeValidator(lambda value: [] if value == "" else value), form("steps or nothing")]


class FlowFile(pydantic.BaseModel):
    """What a flow file says, as far as its shape goes; steps are looked at by the compiler."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    numbers: Annotated[list[str], pydantic.BeforeValidator(_listed), form("texts")] = pydantic.Field(
        [],
        description="The numbers that it answers: as +12015550123, prefixes as +1201*, and rest, every number left over.",
    )
    timezone: Annotated[str, form("timezone")] = pydantic.Field(
        "", description="The zone of now and of hours, as America/New_York; else UTC."
    )
    voice: Annotated[dict[str, str], form("voice")] = pydantic.Field({}, description="Defaults of every say.")
    dialect: Literal["reference", "classic"] | None = pydantic.Field(
        None, description="Opentact's spelling of the language; else that of the settings."
    )
    auto_answer: Literal["auto", "true", "false"] = pydantic.Field(
        "auto", description="Whether Answer is written: where it is needed, always, or never."
    )
    hours: dict[Annotated[str, form("name")], Annotated[Any, form("hours")]] = pydantic.Field(
        {}, description="Opening hours by name, which expressions see as hours.NAME.open."
    )
    lists: dict[Annotated[str, form("name")], str] = pydantic.Field(
        {}, description="Caller lists by name: each a CSV file beside this one, as lists/spam.csv."
    )
    groups: dict[Annotated[str, form("name")], Annotated[Any, form("group")]] = pydantic.Field(
        {}, description="Hunt groups by name: whom to ring, and how. A dial names them under to."
    )
    variables: dict[Annotated[str, form("name")], str] = pydantic.Field(
        {}, description="Texts by name, which expressions see as variables.NAME."
    )
    dial_policy: Annotated[Any, form("dial_policy")] = pydantic.Field(
        None, description="Which targets may be rung that are worked out: from digits, a lookup, a header."
    )
    template: str = pydantic.Field("", description="An XML template beside this file, as acme.xml.j2, instead of nodes.")
    nodes: Annotated[dict[str, Steps], form("nodes")] = pydantic.Field(
        description="Steps by the name of their node; every call begins at start."
    )
    fallback: Steps = pydantic.Field([], description="Said when anything goes wrong; it needs nothing but itself.")


def read(text: bytes, report: Report) -> FlowFile | None:
    """A flow file, or None with the errors in ``report``."""
    data = read_yaml(text, report)
    if data is None:
        return None
    if not isinstance(data, dict):
        report.error((), "shape", "a flow file is a mapping of numbers, nodes and more")
        return None
    if "template" in data and "nodes" in data:
        report.error(("template",), "shape", "template and nodes: a flow is made of the one or of the other", key=True)
    elif "template" in data:
        data["nodes"] = {}
    flow: FlowFile | None = validate(FlowFile, data, (), report)
    return flow


def validate(model: type[Any], data: object, path: Path, report: Report) -> Any:  # noqa: ANN401 - the model's instance
    """``data`` as a pydantic model; what is wrong is said in ``report`` and left out, None where nothing is left."""
    try:
        return model.model_validate(data)
    except pydantic.ValidationError as errors:
        wrong = errors.errors(include_url=False)
        for error in wrong:
            where = (*path, *(part for part in error["loc"] if part != "[key]"))
            _explain(model, error, where, report)
        return _without(model, data, {error["loc"][0] for error in wrong if error["loc"]})


def _without(model: type[Any], data: object, keys: set[Any]) -> Any:  # noqa: ANN401 - the model's instance
    """What is right of ``data``, so that one pass finds all that is wrong; None where too little is left."""
    try:
        return (
            model.model_validate({key: value for key, value in data.items() if key not in keys})
            if isinstance(data, dict)
            else None
        )
    except pydantic.ValidationError:
        return None


def _explain(model: type[Any], error: Any, where: Path, report: Report) -> None:  # noqa: ANN401 - pydantic's details
    name = where[-1] if where else "file"
    match error["type"]:
        case "extra_forbidden":
            known = [field.alias or key for key, field in model.model_fields.items()]
            near = suggestion(str(name), known)
            report.error(
                where, "unknown-key", f"there is no key {name!r} here", near or f"there are {', '.join(known)}", key=True
            )
        case "missing":
            report.error(where[:-1], "missing-key", f"{name} is missing")
        case "list_type":
            report.error(where, "shape", f"{name}: must be a list", "begin each line with -")
        case "dict_type" | "model_type" | "model_attributes_type":
            report.error(where, "shape", f"{name}: must be a mapping of keys and values")
        case "string_type":
            report.error(where, "shape", f"{name}: must be a text")
        case "literal_error":
            report.error(where, "value", f"{name}: must be {error['ctx']['expected']}, not {error['input']!r}")
        case "too_short" | "string_too_short":
            report.error(where, "value", f"{name}: must not be empty")
        case "value_error":
            report.error(where, "value", f"{name}: {error['ctx']['error']}")
        case _:
            report.error(where, "value", f"{name}: {error['msg'].lower()}, not {error['input']!r:.60}")


def claims(numbers: Sequence[str], report: Report) -> Iterator[Claim]:
    """The numbers that a file answers; what is none is said."""
    for index, written in enumerate(numbers):
        path: Path = ("numbers", index)
        if path not in report.places:
            path = ("numbers",)
        number = _claimed(written.strip())
        if not number:
            mend = "write it with its country code, as +12015550123; a prefix as +1201*; all that is left over as rest"
            report.error(path, "number", f"numbers: {written!r} is not a number", mend)
            continue
        place = report.place(path)
        yield Claim(number, report.file, place.line, place.column)


def _claimed(written: str) -> str:
    """A number as it is claimed: E.164, ``+1201*`` or ``rest``; nothing where it is none."""
    if written == REST:
        return REST
    if written.endswith("*"):
        digits = written[:-1].removeprefix("+")
        return f"+{digits}*" if digits.isascii() and digits.isdecimal() else ""
    return e164(written)


def zone_of(name: str, path: Path, report: Report) -> ZoneInfo | None:
    """A time zone by its name; none where none is named, or there is none."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        report.error(path, "timezone", f"timezone: there is no zone {name!r}", "as America/New_York")
        return None


# YAML


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
    return _Walk(decoded, report).value(root, (), 0)


class _TooDeep(yaml.MarkedYAMLError):
    pass


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
    "cannot start any token": "indent with spaces, not tabs; quote a text that begins with a special character",
    "mapping values are not allowed": 'a text with ": " in it must be quoted',
    "did not find expected ',' or '}'": _LOST,
    "did not find expected node content": _LOST,
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
            self._report.error(path, "yaml", "the file is nested too deeply, or repeats itself without end")
            return ""
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
        for key, value in node.value:
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

    def _cut(self, node: yaml.Node) -> str:
        """What follows a plain text on its line and is a comment to YAML."""
        if not self._comments or not isinstance(node, yaml.ScalarNode) or node.style in _QUOTED:
            return ""
        end = node.end_mark
        rest = self._lines[end.line][end.column :] if end.line < len(self._lines) else ""
        found = _COMMENT.match(rest)
        return found[1].rstrip() if found else ""


RESERVED: Final = re.compile("[\ufdd0-\ufdd3]")
"""No characters to Unicode either; they mark holes while documents are made."""
UNREAD: Final = None
"""Stands where something could not be read; that is an error already."""
_BLOCKS: Final = frozenset({"|", ">"})
_QUOTED: Final = _BLOCKS | {"'", '"'}
_COMMENT: Final = re.compile(r"[ \t]+(#.*)")
_LOST_KEY: Final = re.compile(r"^[ \t]*#[ \t]*:[ \t]+\S.*$", re.MULTILINE)
