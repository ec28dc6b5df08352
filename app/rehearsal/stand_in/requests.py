"""Requests to the stand-in: authentication, bodies, files, and the faults that are asked for."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.routing import Route

from app.rehearsal.stand_in.answers import UNAUTHORIZED, Refused, invalid, wrong
from app.settings import is_loopback

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from app.rehearsal.stand_in.platform import Platform

    Endpoint = Callable[[Request], Awaitable[Response]]

B = TypeVar("B", bound=BaseModel)
JSON: Final = "application/json"
LARGEST: Final = 1_000_000
"""Bytes of a body."""


async def body_of(request: Request, kind: type[B]) -> B:
    """A JSON body. Raises Refused."""
    try:
        return kind.model_validate(await json_of(request))
    except ValidationError as error:
        raise invalid(error) from None


async def json_of(request: Request) -> dict[str, Any]:
    """A JSON object; an empty body is an empty one. Raises Refused."""
    raw = await _raw(request)
    try:
        given = json.loads(raw or b"{}")
    except (ValueError, RecursionError):
        raise Refused(400, "Invalid JSON") from None
    if not isinstance(given, dict):
        raise wrong("body", "must be an object", "")
    return given


async def changes_of(request: Request, kind: type[B]) -> dict[str, Any]:
    """The fields that a JSON body gives, and no others. Raises Refused."""
    return (await body_of(request, kind)).model_dump(exclude_unset=True)


async def file_of(request: Request) -> bytes:
    """The part ``file`` of a multipart body. Raises Refused."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise wrong("file", "must be a part of multipart/form-data", "")
    async with request.form(max_files=1, max_fields=10, max_part_size=LARGEST) as form:
        part = form.get("file")
        raw = await part.read(LARGEST + 1) if isinstance(part, UploadFile) else (part or "").encode()
    if not raw.strip() or len(raw) > LARGEST:
        raise wrong("file", "is required" if len(raw) <= LARGEST else f"has over {LARGEST} bytes", "")
    return raw


async def _raw(request: Request) -> bytes:
    raw = b""
    async for part in request.stream():
        raw += part
        if len(raw) > LARGEST:
            raise Refused(413, f"the body has over {LARGEST} bytes")
    return raw


def token_of(request: Request) -> str:
    """The token that a request shows, in either header. platform 5."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return request.headers.get("x-auth-token") or (token.strip() if scheme.lower() == "bearer" else "")


class Rest:
    """Makes routes: each is slow, fails or is limited as the faults say, and needs a token."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._chance = platform.ids.stream("faults of rest")

    def route(self, path: str, *, open_to_all: bool = False, **endpoints: Endpoint) -> Route:
        """A path and its endpoints by method."""

        async def endpoint(request: Request) -> Response:
            await self._faults()
            if not open_to_all and not self._platform.tokens.accepts(token_of(request)):
                raise Refused(401, UNAUTHORIZED)
            return await _chosen(endpoints, request)(request)

        return Route(f"/rest{path}", endpoint, methods=[*endpoints])

    async def _faults(self) -> None:
        faults = self._platform.faults
        if faults.slow:
            await asyncio.sleep(faults.slow / 1000)
        if faults.due("limit", self._chance):
            raise Refused(429, "Too many requests", headers={"retry-after": str(faults.retry_after)})
        if faults.due("fail", self._chance):
            raise Refused(faults.status, "Internal error")


def door(platform: Platform, path: str, **endpoints: Endpoint) -> Route:
    """A path of the stand-in's own: for this machine, elsewhere with a token. No page of the web can post to it."""

    async def endpoint(request: Request) -> Response:
        here = is_loopback(request.client.host if request.client else "") and is_loopback(request.url.hostname or "")
        if not here and not platform.tokens.accepts(token_of(request)):
            raise Refused(401, UNAUTHORIZED)
        if request.headers.get("content-type", JSON).partition(";")[0].strip() != JSON:
            raise Refused(415, f"the content type must be {JSON}")
        return await _chosen(endpoints, request)(request)

    return Route(f"/stand-in{path}", endpoint, methods=[*endpoints])


def _chosen(endpoints: Mapping[str, Endpoint], request: Request) -> Endpoint:
    return endpoints["GET" if request.method == "HEAD" else request.method]
