"""The operator's corrections of the operation table: ``opentact.yaml`` beside the flows, or ``CALLFLOWS_OPENTACT_PATHS``.

``calls:`` corrects lines of the table by name, and fills in lost ones; ``tokens:`` corrects the headers of tokens::

    calls:
      calls single:
        method: POST
        path: /call
        body: {from: "{from}", to: "{to}", record: true}
"""

from __future__ import annotations

import dataclasses
import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, get_args

from callflows.errors import SettingsError
from callflows.opentact.operation_fields import FIELD_KINDS, RestField
from callflows.opentact.rest_operations import REST_OPERATIONS, AnswerKind, HttpMethod, RestOperation
from callflows.settings import OPERATION_FILE_NAME
from callflows.text import format_suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from pathlib import Path

    from callflows.errors import Problem
    from callflows.flows.source.positions import ProblemReport, SourcePath
    from callflows.opentact.operation_fields import FieldKind, FieldPlace
    from callflows.settings import Settings


PORTAL_TOKEN_HEADERS: Final = {"X-Auth-Token": "{token}", "Authorization": "Bearer {token}"}
"""Headers of a token made in the portal: the pages document the first, the API description the second, so both are sent."""
JWT_HEADERS: Final = {"X-Auth-Token": "{token}"}
"""Header of a token from ``GET /auth`` (documented)."""
_TOKEN_HEADER_KINDS: Final = {"portal": PORTAL_TOKEN_HEADERS, "jwt": JWT_HEADERS}
_LINE_KEYS: Final = ("method", "path", "query", "headers", "body", "answer")
_TEMPLATE_PLACES: Final[dict[str, FieldPlace]] = {"query": "query", "headers": "header", "body": "body"}
_PLACEHOLDER: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_-]*)(?::([a-z-]+))?(\?)?\}")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_KINDS_OF_PARAMETERS: Final = tuple(kind for kind in FIELD_KINDS if kind != "file")
_NAMES: Final = {operation.name: operation for operation in REST_OPERATIONS}


@dataclasses.dataclass(frozen=True, slots=True)
class OperationTable:
    """The operation table with the operator's corrections; ``changed_keys`` are the corrected keys by operation."""

    operations: Mapping[str, RestOperation] = dataclasses.field(default_factory=lambda: MappingProxyType(_NAMES))
    changed_keys: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    portal_token_headers: Mapping[str, str] = dataclasses.field(default_factory=lambda: PORTAL_TOKEN_HEADERS)
    jwt_headers: Mapping[str, str] = dataclasses.field(default_factory=lambda: JWT_HEADERS)
    file: str = ""

    def get_operation(self, name: str) -> RestOperation:
        """Raises KeyError for a name that is not in the table."""
        return self.operations[name]

    def list_group(self, group: str) -> list[RestOperation]:
        return [operation for operation in self.operations.values() if operation.group == group]


DOCUMENTED_TABLE: Final = OperationTable()
"""The table without corrections."""


def load_operation_table(settings: Settings) -> OperationTable:
    """Return the table with the corrections of an installation. Raises SettingsError with the place of every error."""
    file = find_operation_file(settings)
    if file is None:
        return DOCUMENTED_TABLE
    table, problems = read_operation_file(file)
    if problems:
        raise SettingsError("\n".join(map(str, problems)))
    return table


def find_operation_file(settings: Settings) -> Path | None:
    """Return the file of corrections, or None if there is none; a file named in the settings need not exist."""
    if settings.opentact_paths is not None:
        return settings.opentact_paths
    file = settings.flows / OPERATION_FILE_NAME
    return file if file.is_file() else None


def read_operation_file(file: Path) -> tuple[OperationTable, list[Problem]]:
    """Return the corrected table and the problems of the file."""
    from callflows.flows.source.positions import ProblemReport  # noqa: PLC0415 - most installations have no such file
    from callflows.flows.source.yaml_source import MAX_FLOW_FILE_BYTES, read_yaml  # noqa: PLC0415 - as above

    report = ProblemReport(str(file))
    try:
        with file.open("rb") as opened:
            text = opened.read(MAX_FLOW_FILE_BYTES + 1)
    except OSError as error:
        report.error((), "unreadable", f"the file cannot be read: {error.strerror}")
        return DOCUMENTED_TABLE, report.problems
    if not text.strip():
        return dataclasses.replace(DOCUMENTED_TABLE, file=str(file)), []
    return _OperationFileReader(report).read_table(read_yaml(text, report)), report.problems


class _OperationFileReader:
    """Reads the corrections of one file; wrong lines are reported and left out."""

    def __init__(self, report: ProblemReport) -> None:
        self._report = report

    def read_table(self, data: object) -> OperationTable:
        operations = dict(_NAMES)
        changed: dict[str, tuple[str, ...]] = {}
        headers: dict[str, Mapping[str, str]] = dict(_TOKEN_HEADER_KINDS)
        sections = self._read_mapping(data, (), ("calls", "tokens"), "calls: {calls single: {method: POST, path: /call}}")
        for name, line in self._read_mapping(sections.get("calls", {}), ("calls",), _NAMES, "the name of a call").items():
            if (corrected := self._read_line(_NAMES[name], line, ("calls", name))) is not None:
                operations[name], changed[name] = corrected
        for name in self._report_equal_paths(operations, changed):
            operations[name] = _NAMES[name]
            del changed[name]
        tokens = self._read_mapping(sections.get("tokens", {}), ("tokens",), _TOKEN_HEADER_KINDS, "portal or jwt")
        for kind, forms in tokens.items():
            headers[kind] = self._read_token_headers(forms, ("tokens", kind)) or headers[kind]
        return OperationTable(MappingProxyType(operations), changed, headers["portal"], headers["jwt"], self._report.file)

    def _read_mapping(self, data: object, path: SourcePath, known: Collection[str], fix: str) -> dict[str, Any]:
        """Return a mapping without its unknown keys, which are reported."""
        if data is None or not isinstance(data, dict):
            if data is not None:
                self._report.error(path, "shape", f"{path[-1] if path else 'the file'}: must be a mapping", f"as {fix}")
            return {}
        for name in data:
            if name not in known:
                near = format_suggestion(str(name), known) or "callflows opentact api lists them"
                shown = (
                    near if len(known) > len(_LINE_KEYS) else near if "mean" in near else f"there are {', '.join(known)}"
                )
                self._report.error((*path, name), "unknown-key", f"there is no {name!r} here", shown, key=True)
        return {name: value for name, value in data.items() if name in known}

    def _read_line(
        self, operation: RestOperation, data: object, path: SourcePath
    ) -> tuple[RestOperation, tuple[str, ...]] | None:
        line = self._read_mapping(data, path, _LINE_KEYS, "{method: POST, path: /call}")
        if not line:
            if isinstance(data, dict) and not data:
                self._report.error(path, "shape", f"{path[-1]}: nothing is corrected", "write a path, or remove the line")
            return None
        before = len(self._report.problems)
        method = self._read_choice(line, "method", get_args(HttpMethod), path, operation.method, str.upper)
        answer = self._read_choice(line, "answer", get_args(AnswerKind), path, operation.answer, str.lower)
        template = self._read_path(line, operation, path)
        corrected = dataclasses.replace(operation, method=method, answer=answer, path=template)
        corrected = self._place_fields(corrected, line, path)
        for field in corrected.list_fields("body") if method == "GET" else ():
            message = f"{field.name} would stand in the body, and a GET has none"
            fix = f'write it into path as {{{field.name}}}, or as query: {{{field.name}: "{{{field.name}}}"}}'
            self._report.error(path, "value", message, fix)
        if operation.is_lost and not template:
            self._report.error(path, "missing-key", f"path is missing: {operation.name} is a lost call", "as path: /call")
        return (corrected, tuple(line)) if len(self._report.problems) == before else None

    def _read_choice(
        self,
        line: Mapping[str, Any],
        key: str,
        choices: tuple[str, ...],
        path: SourcePath,
        default: str,
        fold: Callable[[str], str],
    ) -> Any:  # noqa: ANN401 - one of the literals
        value = line.get(key, default)
        word = fold(value) if isinstance(value, str) else ""
        if word not in choices:
            near = format_suggestion(str(value), choices) or f"one of {', '.join(choices)}"
            self._report.error((*path, key), "value", f"{key}: there is no {key} {value!r:.40}", near)
            return default
        return word

    def _read_path(self, line: Mapping[str, Any], operation: RestOperation, path: SourcePath) -> str:
        if "path" not in line:
            return operation.path
        template = line["path"]
        where = (*path, "path")
        if not isinstance(template, str) or not template.startswith("/"):
            self._report.error(where, "value", "path: must begin with /", "write what follows /rest, as /sip/app/{uuid}")
            return operation.path
        rest = _PLACEHOLDER.sub("", template)
        if "{" in rest or "}" in rest:
            self._report.error(where, "value", f"path: {template!r} has a brace that is no placeholder", "as /call/{uuid}")
        elif re.search(r"[^A-Za-z0-9._~!$&'()*+,;=:@%/-]", rest):
            fix = "write the query under query:" if "?" in rest else "as /sip/app/{uuid}"
            self._report.error(where, "value", f"path: {template!r} has a character that no path has", fix)
        return template

    def _place_fields(self, operation: RestOperation, line: Mapping[str, Any], path: SourcePath) -> RestOperation:
        """Return the operation with its fields at the places where the line's templates name them."""
        placed: dict[str, RestField] = {}
        restated = {place for key, place in _TEMPLATE_PLACES.items() if key in line}
        constants = [constant for constant in operation.constants if constant[0][0] not in restated]
        known = {field.name: field for field in operation.fields}
        for found in _PLACEHOLDER.finditer(operation.path):
            placed[found[1]] = self._place_field(known, found, "path", (found[1],), (*path, "path"))
        for key, place in _TEMPLATE_PLACES.items():
            leaves = self._walk_template(line[key], (*path, key), flat=key != "body") if key in line else ()
            for keys, value, where in leaves:
                whole = _PLACEHOLDER.fullmatch(value) if isinstance(value, str) else None
                if whole is not None:
                    placed[whole[1]] = self._place_field(known, whole, place, keys, where)
                else:
                    constants.append(((place, *keys), _read_constant(value)))
        restated |= {"path"} if "path" in line else set()
        other_fields = [
            field
            for field in operation.fields
            if field.name not in placed and (field.place not in restated or field.name in ("take", "skip"))
        ]
        template = _PLACEHOLDER.sub(lambda found: f"{{{found[1]}}}", operation.path)
        fields = (*placed.values(), *other_fields)
        return dataclasses.replace(operation, path=template, fields=fields, constants=tuple(constants))

    def _place_field(
        self,
        known: Mapping[str, RestField],
        placeholder: re.Match[str],
        place: FieldPlace,
        keys: tuple[str, ...],
        where: SourcePath,
    ) -> RestField:
        """Return the field of a placeholder: a known one at its new place, or a new one."""
        name, kind, optional = placeholder[1], placeholder[2], bool(placeholder[3])
        field = known.get(name) or RestField(name, "text", "text", is_required=True)
        if kind in _KINDS_OF_PARAMETERS:
            field = _change_kind(field, kind)
        elif kind:
            near = format_suggestion(kind, _KINDS_OF_PARAMETERS) or f"one of {', '.join(_KINDS_OF_PARAMETERS)}"
            self._report.error(where, "value", f"{{{name}:{kind}}}: there is no kind {kind!r}", near)
        return dataclasses.replace(
            field,
            place=place,
            keys=keys if place == "body" else (),
            wire_name=keys[0] if place in ("query", "header") else "",
            is_required=place == "path" or (field.is_required and not optional),
        )

    def _walk_template(
        self, data: object, path: SourcePath, *, flat: bool
    ) -> Iterator[tuple[tuple[str, ...], object, SourcePath]]:
        """Yield the leaves of a template: the keys, the value and the place."""
        if not isinstance(data, dict):
            self._report.error(
                path, "shape", f"{path[-1]}: must be a mapping of Opentact's names to values", 'as {to: "{to}"}'
            )
            return
        for key, value in data.items():
            where = (*path, key)
            if path[-1] == "headers" and not _HEADER_NAME.fullmatch(str(key)):
                self._report.error(where, "value", f"{key!r} is no name of a header", "as X-Auth-Token", key=True)
            elif isinstance(value, dict) and value and not flat:
                for keys, inner, inner_where in self._walk_template(value, where, flat=flat):
                    yield (str(key), *keys), inner, inner_where
            elif flat and not isinstance(value, str):
                self._report.error(where, "shape", f"{key}: must be a text", 'as {tn: "{to}"}')
            else:
                if isinstance(value, str) and _PLACEHOLDER.search(value) and not _PLACEHOLDER.fullmatch(value):
                    fix = 'a placeholder stands alone, as "{to}"'
                    self._report.error(where, "value", f"{key}: {value!r:.60} mixes a placeholder with text", fix)
                    continue
                yield (str(key),), value, where

    def _read_token_headers(self, data: object, path: SourcePath) -> dict[str, str]:
        fix = 'as {X-Auth-Token: "{token}"}'
        if not isinstance(data, dict) or not data:
            self._report.error(path, "shape", f"{path[-1]}: must be a mapping of headers", fix)
            return {}
        headers = {}
        for name, form in data.items():
            if not _HEADER_NAME.fullmatch(str(name)):
                self._report.error((*path, name), "value", f"{name!r} is no name of a header", fix, key=True)
            elif not isinstance(form, str) or form.count("{token}") != 1 or re.search(r"[{}]", form.replace("{token}", "")):
                self._report.error((*path, name), "value", f"{name}: must have {{token}} once", fix)
            else:
                headers[str(name)] = form
        return headers

    def _report_equal_paths(self, operations: Mapping[str, RestOperation], changed: Collection[str]) -> list[str]:
        """Report and return corrected lines that have method and path of another line."""
        equal = []
        shapes: dict[tuple[str, str], str] = {}
        for operation in sorted(operations.values(), key=lambda one: one.name in changed):
            shape = (operation.method, _PLACEHOLDER.sub("{}", operation.path))
            other = shapes.setdefault(shape, operation.name)
            if other != operation.name and operation.name in changed and operation.path:
                message = f"{operation.name}: {shape[0]} {operation.path} is the call {other!r} already"
                self._report.error(("calls", operation.name), "value", message, f"use callflows opentact {other}", key=True)
                equal.append(operation.name)
        return equal


def _change_kind(field: RestField, kind: Any) -> RestField:  # noqa: ANN401 - a kind
    """Return a field of another kind; an example of the old kind would be wrong."""
    if kind == field.kind:
        return field
    return dataclasses.replace(
        field, kind=kind, example=EXAMPLES_BY_KIND[kind], choices=(), least=None, most=None, is_mask=False
    )


EXAMPLES_BY_KIND: Final[dict[FieldKind, Any]] = {
    "text": "text",
    "integer": 1,
    "decimal": 1.5,
    "boolean": True,
    "phone": "12015550123",
    "phone-integer": 12015550123,
    "url": "https://calls.example.com/call",
    "time": "2026-03-05T16:30:00.000Z",
    "texts": ["text"],
    "phone-integers": [12015550123],
    "object": {},
    "objects": [{}],
    "order": {"created_on": "DESC"},
    "json": {},
    "file": "<Response/>",
}
"""An example for each kind."""


def _read_constant(value: object) -> Any:  # noqa: ANN401 - JSON
    from callflows.flows.source.source_values import parse_plain_data  # noqa: PLC0415 - as in read_operation_file

    return parse_plain_data(value)
