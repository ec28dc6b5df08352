"""Requests to Opentact's REST API, built from lines of the operation table; and the way back, for the stand-in."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from callflows.errors import OpentactError, OpentactUndocumentedError
from callflows.opentact.operation_fields import convert_value
from callflows.text import format_suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from callflows.opentact.operation_fields import RestField
    from callflows.opentact.rest_operations import RestOperation


@dataclasses.dataclass(frozen=True, slots=True)
class RestRequest:
    """One request.

    ``path`` is a template of the operation table; ``path_parameters`` fill its placeholders. A safe request changes
    nothing.
    """

    method: str
    path: str
    path_parameters: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    query: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    body: Any = dataclasses.field(default=None, repr=False)
    file: tuple[str, bytes] | None = dataclasses.field(default=None, repr=False)
    """Name and content of the file in a multipart form."""
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    is_safe: bool = False

    def __str__(self) -> str:
        """Return method and path template for people and logs, without parameters."""
        return f"{self.method} {self.path}"

    def fill_path(self) -> str:
        """Return the filled path. Raises OpentactError if a parameter is empty or consists of dots."""
        for name, value in self.path_parameters.items():
            # With an empty value or ".." the request would go to another path.
            if value.strip(". \t\r\n") == "":
                raise OpentactError(f"{name} is empty", request=str(self), fix="say which one is meant")
        return self.path.format(**{name: quote(value, safe="") for name, value in self.path_parameters.items()})


def build_rest_request(
    operation: RestOperation, values: Mapping[str, Any], more: Mapping[str, Any] | None = None
) -> RestRequest:
    """Return the request of a call.

    ``values`` are the operation's fields by name; ``more`` are further fields of the body, sent unchanged. Raises
    OpentactError for a missing, unknown or invalid field, and OpentactUndocumentedError while the call is lost.
    """
    if operation.is_lost:
        raise OpentactUndocumentedError(
            f"Opentact has a page about this call ({operation.meaning}), but its path is lost",
            request=operation.name,
            fix=f'write method, path and body into opentact.yaml, under "calls:" and "{operation.name}:"',
        )
    converted = convert_field_values(operation, values)
    placed: dict[str, dict[str, Any]] = {"path": {}, "query": {}, "header": {}, "file": {}}
    body: dict[str, Any] = {}
    for field in operation.fields:
        if field.name not in converted:
            continue
        value = converted[field.name]
        if field.place == "body":
            put_nested_value(body, field.body_keys, value)
        else:
            placed[field.place][field.sent_name] = value if field.place == "file" else format_parameter(value)
    for keys, value in operation.constants:
        if keys[0] in ("query", "header"):
            placed[keys[0]][keys[1]] = format_parameter(value)
        else:
            put_nested_value(body, keys[1:], value)
    body.update(more or {})
    if operation.answer == "page":
        placed["query"].update({name: str(body[name]) for name in ("take", "skip") if name in body})
    has_body = bool(body) or (operation.method != "GET" and bool(operation.list_fields("body")))
    return RestRequest(
        operation.method,
        operation.path,
        placed["path"],
        placed["query"],
        body if has_body else None,
        next(iter(placed["file"].items()), None),
        placed["header"],
        is_safe=operation.effect == "reads",
    )


def convert_field_values(operation: RestOperation, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values as Opentact expects them. Raises OpentactError naming every wrong field."""
    fields = {field.name: field for field in operation.fields}
    wrong = [f"{name}: {_describe_unknown_field(name, fields)}" for name in values if name not in fields]
    converted = {}
    for name, field in fields.items():
        if name in values:
            try:
                converted[name] = convert_value(field, values[name])
            except ValueError as error:
                wrong.append(f"{name}: {error}")
        elif field.default is not None:
            converted[name] = field.default
        elif field.is_required:
            wrong.append(f"{name}: is missing ({field.meaning or field.shown_kind})")
    if wrong:
        raise OpentactError("; ".join(wrong), request=operation.request_name, fix="nothing was sent")
    return converted


def _describe_unknown_field(name: str, fields: Iterable[str]) -> str:
    suggestion = format_suggestion(name, [*fields]) or (f"there are {', '.join(fields)}" if fields else "there is none")
    return f"there is no such field ({suggestion})"


def format_parameter(value: object) -> str:
    """Return a value as text of a path, a query or a header."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def put_nested_value(body: dict[str, Any], keys: tuple[str, ...], value: object) -> None:
    """Put a value into nested objects, which are created as needed."""
    for key in keys[:-1]:
        body = body.setdefault(key, {})
    body[keys[-1]] = value


def read_body_values(operation: RestOperation, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body by the names of the operation's fields; unknown fields keep their name.

    Constants are left out. This is the way back of ``build_rest_request``.
    """
    left = _copy_objects(body)
    values: dict[str, Any] = {}
    for keys, value in operation.constants:
        if keys[0] == "body":
            _take_nested_value(left, keys[1:], only=(value,))
    for field in operation.list_fields("body"):
        taken = _take_nested_value(left, field.body_keys)
        if taken is not None:
            values[field.name] = taken[0]
    return {**left, **values}


def _copy_objects(body: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copy_objects(value) if isinstance(value, dict) else value for key, value in body.items()}


def _take_nested_value(
    body: dict[str, Any], keys: tuple[str, ...], only: tuple[object, ...] | None = None
) -> tuple[Any] | None:
    """Remove and return a nested value, and the objects that are empty then."""
    key, *inner = keys
    if key not in body:
        return None
    if not inner:
        return (body.pop(key),) if only is None or body[key] in only else None
    if not isinstance(body[key], dict):
        return None
    taken = _take_nested_value(body[key], tuple(inner), only)
    if taken is not None and not body[key]:
        del body[key]
    return taken


def list_request_fields(field: RestField) -> str:
    """Return a field for people: name, kind, and a star if it is required."""
    return f"{field.name}{'*' if field.is_required else ''} ({field.shown_kind})"
