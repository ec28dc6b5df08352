"""Routes of the stand-in: authentication, JSON and file bodies, injected faults, and generic CRUD endpoints."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.routing import Route

from callflows.http_limits import read_limited_body
from callflows.language.xml_writer import MAX_DOCUMENT_BYTES
from callflows.settings import is_loopback_host
from callflows.stand_in import stand_in_rules
from callflows.stand_in.response_envelopes import (
    UNAUTHORIZED_MESSAGE,
    RestRefusal,
    field_refusal,
    success_response,
    validation_refusal,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from callflows.stand_in.entity_store import EntityRow, EntityTable
    from callflows.stand_in.stand_in_platform import StandInPlatform

    RestEndpoint = Callable[[Request], Awaitable[Response]]


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
    """Parse a JSON object; an empty body counts as an empty object. Raises RestRefusal."""
    raw = await read_limited_body(request.stream(), MAX_STAND_IN_BODY_BYTES)
    if raw is None:
        raise RestRefusal(413, f"the body has over {MAX_STAND_IN_BODY_BYTES} bytes")
    try:
        given = json.loads(raw or b"{}")
    except (ValueError, RecursionError):
        raise RestRefusal(400, "Invalid JSON") from None
    if not isinstance(given, dict):
        raise field_refusal("body", "must be an object", "")
    return given


async def parse_rest_changes(request: Request, model: type[BodyT]) -> dict[str, Any]:
    """Return only the fields present in a JSON body, after validation. Raises RestRefusal."""
    return (await parse_rest_body(request, model)).model_dump(exclude_unset=True)


async def parse_rest_file(request: Request) -> bytes:
    """Return the part ``file`` of a multipart body. Raises RestRefusal."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise field_refusal("file", "must be a part of multipart/form-data", "")
    async with request.form(max_files=1, max_fields=10, max_part_size=MAX_STAND_IN_BODY_BYTES) as form:
        part = form.get("file")
        raw = await part.read(MAX_STAND_IN_BODY_BYTES + 1) if isinstance(part, UploadFile) else (part or "").encode()
    if not raw.strip() or len(raw) > MAX_STAND_IN_BODY_BYTES:
        raise field_refusal(
            "file",
            "is required" if len(raw) <= MAX_STAND_IN_BODY_BYTES else f"has over {MAX_STAND_IN_BODY_BYTES} bytes",
            "",
        )
    return raw


def read_request_token(request: Request) -> str:
    """Return the token of a request, from either header. platform 5."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return request.headers.get("x-auth-token") or (token.strip() if scheme.lower() == "bearer" else "")


class RestRouter:
    """Creates REST routes with injected faults and token authentication."""

    def __init__(self, platform: StandInPlatform) -> None:
        self._platform = platform
        self._fault_stream = platform.ids.create_stream("faults of rest")

    def make_route(self, path: str, *, is_public: bool = False, **endpoints: RestEndpoint) -> Route:
        """Return the route of a path; ``endpoints`` are named by HTTP method."""

        async def handle_request(request: Request) -> Response:
            await self._inject_faults()
            if not is_public and not self._platform.tokens.accepts_token(read_request_token(request)):
                raise RestRefusal(401, UNAUTHORIZED_MESSAGE)
            return await _select_endpoint(endpoints, request)(request)

        return Route(f"/rest{path}", handle_request, methods=[*endpoints])

    async def _inject_faults(self) -> None:
        faults = self._platform.faults
        if faults.slow:
            await asyncio.sleep(faults.slow / 1000)
        if faults.take_fault("limit", self._fault_stream):
            raise RestRefusal(429, "Too many requests", headers={"retry-after": str(faults.retry_after)})
        if faults.take_fault("fail", self._fault_stream):
            raise RestRefusal(faults.status, "Internal error")


def make_control_route(platform: StandInPlatform, path: str, **endpoints: RestEndpoint) -> Route:
    """Return a route of the stand-in's own endpoints.

    Requests from this machine need no token; other requests do.
    """

    async def handle_request(request: Request) -> Response:
        # The Host header must be loopback, too: a web page could reach the stand-in by DNS rebinding.
        here = is_loopback_host(request.client.host if request.client else "") and is_loopback_host(
            request.url.hostname or ""
        )
        if not here and not platform.tokens.accepts_token(read_request_token(request)):
            raise RestRefusal(401, UNAUTHORIZED_MESSAGE)
        # Web pages can post other content types to this machine without asking; JSON needs a CORS preflight.
        if request.headers.get("content-type", CONTROL_MEDIA_TYPE).partition(";")[0].strip() != CONTROL_MEDIA_TYPE:
            raise RestRefusal(415, f"the content type must be {CONTROL_MEDIA_TYPE}")
        return await _select_endpoint(endpoints, request)(request)

    return Route(f"/stand-in{path}", handle_request, methods=[*endpoints])


def _select_endpoint(endpoints: Mapping[str, RestEndpoint], request: Request) -> RestEndpoint:
    return endpoints["GET" if request.method == "HEAD" else request.method]


# Generic CRUD routes


def make_crud_routes(
    rest: RestRouter,
    platform: StandInPlatform,
    path: str,
    table: EntityTable,
    new_model: type[BaseModel],
    changes_model: type[BaseModel],
    *,
    check_fields: Callable[[dict[str, Any]], None] = lambda _: None,
    on_removed: Callable[[str], None] = lambda _: None,
    find_row: Callable[[str], EntityRow] | None = None,
) -> list[Route]:
    """Return the routes that list, create, show, change and remove rows of a table.

    ``check_fields`` may refuse fields; ``find_row`` finds a row by the path parameter, by default a UUID.
    """
    find = find_row or table.get_row

    async def list_rows(_: Request) -> Response:
        return success_response([*table])

    async def create_row(request: Request) -> Response:
        fields = (await parse_rest_body(request, new_model)).model_dump(mode="json")
        check_fields(fields)
        platform.apply_rule(stand_in_rules.CREATION_STATUS_RULE)
        return success_response(table.add_row(fields), 201)

    async def show_row(request: Request) -> Response:
        return success_response(find(request.path_params["uuid"]))

    async def update_row(request: Request) -> Response:
        uuid = find(request.path_params["uuid"])["uuid"]
        fields = await parse_rest_changes(request, changes_model)
        check_fields(fields)
        return success_response(table.update_row(uuid, fields))

    async def remove_row(request: Request) -> Response:
        row = table.remove_row(find(request.path_params["uuid"])["uuid"])
        on_removed(row["uuid"])
        return success_response(row)

    return [
        rest.make_route(path, GET=list_rows, POST=create_row),
        rest.make_route(f"{path}/{{uuid}}", GET=show_row, PATCH=update_row, DELETE=remove_row),
    ]
