"""Routes of the stand-in, read from the operation table: authentication, bodies, injected faults, and generic endpoints."""

from __future__ import annotations

import asyncio
import json
import math
import re
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.routing import Route

from callflows.http_limits import read_limited_body
from callflows.language.xml_writer import MAX_DOCUMENT_BYTES
from callflows.opentact.operation_fields import convert_value
from callflows.opentact.operation_file import DOCUMENTED_TABLE
from callflows.opentact.rest_requests import read_body_values
from callflows.settings import is_loopback_host
from callflows.stand_in import stand_in_rules
from callflows.stand_in.response_envelopes import (
    UNAUTHORIZED_MESSAGE,
    RestRefusal,
    field_refusal,
    not_found_refusal,
    success_response,
    validation_refusal,
)
from callflows.stand_in.row_search import SearchBody, choose_page_values

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from callflows.opentact.operation_fields import RestField
    from callflows.opentact.operation_file import OperationTable
    from callflows.opentact.rest_operations import RestOperation
    from callflows.stand_in.entity_store import EntityRow
    from callflows.stand_in.stand_in_platform import StandInPlatform

    RestEndpoint = Callable[[Request], Awaitable[Response]]


_OPERATION_KEY: Final = "callflows.operation"
_CORRECTED_OPERATION_KEY: Final = "callflows.corrected_operation"
"""Keys of a request's scope: the line of the table, also if an operator corrected the line."""
_BODY_VALUES_KEY: Final = "callflows.body_values"
_PATH_PARAMETER: Final = re.compile(r"{(\w+)}")
MAX_REMEMBERED_ROWS: Final = 1_000
BodyT = TypeVar("BodyT", bound=BaseModel)
CONTROL_MEDIA_TYPE: Final = "application/json"
MAX_STAND_IN_BODY_BYTES: Final = MAX_DOCUMENT_BYTES  # no request brings more than a document
"""Limit of a request body, in bytes."""


async def parse_rest_body(request: Request, model: type[BodyT]) -> BodyT:
    """Parse and validate a JSON body. Raises RestRefusal."""
    try:
        return model.model_validate(await parse_rest_json(request))
    except ValidationError as error:
        raise validation_refusal(error) from None


async def parse_rest_json(request: Request) -> dict[str, Any]:
    """Parse a JSON object; an empty body counts as an empty object. Raises RestRefusal.

    A request in an operator's form has the documented form afterwards.
    """
    operation: RestOperation | None = request.scope.get(_CORRECTED_OPERATION_KEY)
    if operation is None:
        return await _read_json_object(request)
    if _BODY_VALUES_KEY not in request.scope:
        request.scope[_BODY_VALUES_KEY] = await _read_corrected_values(request, operation)
    values = request.scope[_BODY_VALUES_KEY]
    outer = {field.name for field in DOCUMENTED_TABLE.get_operation(operation.name).list_fields("path", "query", "header")}
    return {name: value for name, value in values.items() if name not in outer}


async def _read_corrected_values(request: Request, operation: RestOperation) -> dict[str, Any]:
    """Return all values of a request in an operator's form, by the names of the fields."""
    values = read_body_values(operation, await _read_json_object(request))
    for field in operation.list_fields("path", "query", "header"):
        sources: dict[str, Mapping[str, str]] = {"query": request.query_params, "header": request.headers}
        value = sources.get(field.place, request.path_params).get(field.sent_name)
        if value is not None:
            values[field.name] = value
    return values


def _list_body_fields(operation: RestOperation) -> list[RestField]:
    """Return the fields that the documented form has in the body, and those that an operator added."""
    documented = DOCUMENTED_TABLE.get_operation(operation.name)
    outer = {field.name for field in documented.list_fields("path", "query", "header", "file")}
    return [field for field in operation.fields if field.name not in outer]


async def _read_json_object(request: Request) -> dict[str, Any]:
    raw = await read_limited_body(request.stream(), MAX_STAND_IN_BODY_BYTES)
    if raw is None:
        raise RestRefusal(413, f"the body has over {MAX_STAND_IN_BODY_BYTES} bytes")
    try:
        body = json.loads(raw or b"{}", parse_float=_parse_finite_number, parse_constant=_parse_finite_number)
    except (ValueError, RecursionError):
        raise RestRefusal(400, "Invalid JSON") from None
    if not isinstance(body, dict):
        raise field_refusal("body", "must be an object", "")
    return body


def _parse_finite_number(text: str) -> float:
    """Return a number. Raises ValueError for NaN and for what is infinite, which no answer could repeat."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("not a finite number")
    return number


async def parse_operation_values(request: Request, operation: RestOperation) -> dict[str, Any]:
    """Return a body that fits a line of the operation table, converted as the line says. Raises RestRefusal."""
    body = await parse_rest_json(request)
    fields = {field.name: field for field in _list_body_fields(operation)}
    wrong: dict[str, tuple[str, Any]] = {}
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name not in body:
            if field.is_required:
                wrong[name] = ("is required", "")
            continue
        try:
            values[name] = convert_value(field, body[name])
        except ValueError as error:
            wrong[name] = (str(error), body[name])
        if field.is_required and body[name] is None:
            wrong[name] = ("must not be null", None)
    for name in body.keys() - fields.keys():
        if operation.accepts_more:
            values[name] = body[name]
        else:
            wrong[name] = ("no such field", "")
    if wrong:
        scalars = (str, int, float, bool, type(None))
        problems = {
            f"params.{name}": {"message": message, "value": value if isinstance(value, scalars) else ""}
            for name, (message, value) in wrong.items()
        }
        raise RestRefusal(400, "Validation failed", problems)
    return values


async def parse_rest_search(request: Request, platform: StandInPlatform) -> SearchBody:
    """Parse the body of a search, with the page from the place that the platform reads. Raises RestRefusal."""
    body = choose_page_values(await parse_rest_json(request), request.query_params, platform.options.pages)
    fields = {field.name: field for field in request.scope[_OPERATION_KEY].fields if field.place == "body"}
    for name in [name for name in body if name in fields and name not in SearchBody.model_fields]:
        try:
            body[name] = convert_value(fields[name], body[name])
        except ValueError as error:
            raise field_refusal(name, str(error), str(body[name])) from None
    try:
        search = SearchBody.model_validate(body)
    except ValidationError as error:
        raise validation_refusal(error) from None
    platform.apply_rule(stand_in_rules.SEARCH_PAYLOAD_RULE)
    return search


async def parse_rest_file(request: Request) -> bytes:
    """Return the part ``file`` of a multipart body. Raises RestRefusal."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise field_refusal("file", "must be a part of multipart/form-data", "")
    try:
        async with request.form(max_files=1, max_fields=10, max_part_size=MAX_STAND_IN_BODY_BYTES) as form:
            part = form.get("file")
            raw = await part.read(MAX_STAND_IN_BODY_BYTES + 1) if isinstance(part, UploadFile) else (part or "").encode()
    except HTTPException as error:  # a form without a boundary, or with too many parts
        raise field_refusal("file", str(error.detail), "") from None
    if not raw.strip() or len(raw) > MAX_STAND_IN_BODY_BYTES:
        raise field_refusal(
            "file",
            "is required" if len(raw) <= MAX_STAND_IN_BODY_BYTES else f"has over {MAX_STAND_IN_BODY_BYTES} bytes",
            "",
        )
    return raw


def read_request_token(request: Request, table: OperationTable) -> str:
    """Return the token of a request, from a header of the operation table or from the query."""
    for name, form in [*table.jwt_headers.items(), *table.portal_token_headers.items()]:
        before, _, after = form.partition("{token}")
        shown = request.headers.get(name, "")
        # The scheme of a header has no case: "bearer" is "Bearer".
        if shown.lower().startswith(before.lower()) and shown.endswith(after) and len(shown) > len(before + after):
            return shown[len(before) : len(shown) - len(after)].strip()
    return request.query_params.get("jwt") or request.query_params.get("bearer") or ""


class RestRouter:
    """The endpoints of the operation table, with injected faults and token authentication.

    A line without an endpoint of its own, such as a lost one that an operator filled in, remembers what it is sent.
    """

    def __init__(self, platform: StandInPlatform, table: OperationTable) -> None:
        self._platform = platform
        self.table = table
        self._endpoints: dict[str, RestEndpoint] = {}
        self._public_names: set[str] = set()
        self.remembered_rows: dict[str, list[EntityRow]] = {}
        """Rows of lines without an endpoint of their own, by the words before the last one."""
        self._fault_stream = platform.ids.create_stream("faults of rest")

    def add_endpoint(self, name: str, endpoint: RestEndpoint, *, is_public: bool = False) -> None:
        """Set the endpoint of a line of the table; a public one needs no token."""
        self.table.get_operation(name)  # an unknown name is a mistake of ours
        self._endpoints[name] = endpoint
        if is_public:
            self._public_names.add(name)

    def build_routes(self) -> list[Route]:
        """Return the routes of all lines, fixed paths before paths with parameters."""
        shapes: dict[str, dict[str, tuple[RestOperation, tuple[str, ...]]]] = {}
        for operation in self.table.operations.values():
            corrected = operation.name in self.table.changed_keys
            for path in (operation.path, *(() if corrected else operation.alternatives)):
                if path:
                    names = tuple(_PATH_PARAMETER.findall(path))
                    shape = _PATH_PARAMETER.sub("{}", path)
                    shapes.setdefault(shape, {}).setdefault(operation.method, (operation, names))
        return [
            self._make_route(shape, shapes[shape])
            for shape in sorted(shapes, key=lambda one: [part == "{}" for part in one.split("/")])
        ]

    def _make_route(self, shape: str, by_method: Mapping[str, tuple[RestOperation, tuple[str, ...]]]) -> Route:
        async def handle_request(request: Request) -> Response:
            await self._inject_faults()
            operation, names = by_method["GET" if request.method == "HEAD" else request.method]
            is_public = operation.name in self._public_names
            if not is_public and not self._platform.tokens.accepts_token(read_request_token(request, self.table)):
                raise RestRefusal(401, UNAUTHORIZED_MESSAGE)
            numbered = {name: request.path_params[f"p{index}"] for index, name in enumerate(names)}
            request.scope["path_params"] = numbered
            request.scope[_OPERATION_KEY] = operation
            if operation.name in self.table.changed_keys:
                request.scope[_CORRECTED_OPERATION_KEY] = operation
                await _restore_path_parameters(request, operation)
            endpoint = self._endpoints.get(operation.name) or self._make_remembering_endpoint(operation)
            return await endpoint(request)

        numbers = iter(range(len(shape)))
        path = re.sub(r"\{\}", lambda _: f"{{p{next(numbers)}}}", shape)
        return Route(f"/rest{path}", handle_request, methods=[*by_method])

    def _make_remembering_endpoint(self, operation: RestOperation) -> RestEndpoint:
        """Return an endpoint that keeps what it is sent, for the other lines of the same name."""
        key = operation.name.rpartition(" ")[0]

        async def handle_request(request: Request) -> Response:
            fields = {**request.path_params, **await parse_operation_values(request, operation)}
            rows = self.remembered_rows.setdefault(key, [])
            matching = [row for row in rows if all(row.get(name) == value for name, value in fields.items())]
            if operation.method == "GET":
                return success_response(matching)
            if operation.method == "DELETE":
                if not matching:
                    raise not_found_refusal(operation.name)
                self.remembered_rows[key] = [row for row in rows if row not in matching]
                return success_response(None)
            row = {"uuid": self._platform.ids.next_uuid(operation.name), **fields}
            rows.append(row)
            del rows[:-MAX_REMEMBERED_ROWS]
            return success_response(row, 201 if operation.method == "POST" else 200)

        return handle_request

    async def _inject_faults(self) -> None:
        faults = self._platform.faults
        if faults.slow:
            await asyncio.sleep(faults.slow / 1000)
        if faults.take_fault("limit", self._fault_stream):
            raise RestRefusal(429, "Too many requests", headers={"retry-after": str(faults.retry_after)})
        if faults.take_fault("fail", self._fault_stream):
            raise RestRefusal(faults.status, "Internal error")


async def _restore_path_parameters(request: Request, operation: RestOperation) -> None:
    """Set the documented path parameters that an operator moved to the query or the body. Raises RestRefusal."""
    moved = DOCUMENTED_TABLE.get_operation(operation.name).list_fields("path")
    missing = [field.name for field in moved if field.name not in request.path_params]
    if missing:
        await parse_rest_json(request)
        values = request.scope[_BODY_VALUES_KEY]
        for name in missing:
            if name not in values:
                raise field_refusal(name, "is required", "")
            request.path_params[name] = str(values[name])


def make_control_route(platform: StandInPlatform, path: str, **endpoints: RestEndpoint) -> Route:
    """Return a route of the stand-in's own endpoints.

    Requests from this machine need no token; other requests do.
    """

    async def handle_request(request: Request) -> Response:
        # The Host header must be loopback, too: a web page could reach the stand-in by DNS rebinding.
        here = is_loopback_host(request.client.host if request.client else "") and is_loopback_host(
            request.url.hostname or ""
        )
        if not here and not platform.tokens.accepts_token(read_request_token(request, platform.options.table)):
            raise RestRefusal(401, UNAUTHORIZED_MESSAGE)
        # Web pages can post other content types to this machine without asking; JSON needs a CORS preflight.
        if request.headers.get("content-type", CONTROL_MEDIA_TYPE).partition(";")[0].strip() != CONTROL_MEDIA_TYPE:
            raise RestRefusal(415, f"the content type must be {CONTROL_MEDIA_TYPE}")
        return await endpoints["GET" if request.method == "HEAD" else request.method](request)

    return Route(f"/stand-in{path}", handle_request, methods=[*endpoints])
