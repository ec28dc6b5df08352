"""Reads the bodies of requests within a size and a time; those of the HTTP API only of people who may use it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

from fastapi import HTTPException, Request
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect

from callflows.http_limits import read_limited_body

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, MutableMapping

    from fastapi import Response


MAX_API_BODY_BYTES: Final = 2_500_000
"""A body may have a whole flow file."""
BODY_SECONDS: Final = 15.0
_METHODS_WITHOUT_BODY: Final = frozenset({"GET", "HEAD"})


def create_body_route(require_owner: Callable[[Request], Awaitable[object]]) -> type[APIRoute]:
    """Return a class of routes. ``require_owner`` raises HTTPException for a stranger, whose body is not read.

    A body has no halves of characters, which JSON can escape, and which no file, process or database can take.
    """

    class BodyRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle_request = super().get_route_handler()

            async def handle_checked(request: Request) -> Response:
                if request.method in _METHODS_WITHOUT_BODY:
                    return await handle_request(request)
                # FastAPI would read the body first, whatever its size, and ask then who sent it.
                await require_owner(request)
                body = await read_whole_body(request, MAX_API_BODY_BYTES)
                _check_characters(body)
                return await handle_request(Request(request.scope, _repeat_body(body, request)))

            return handle_checked

    return BodyRoute


async def read_whole_body(request: Request, max_bytes: int) -> bytes:
    """Return the body of a request. Raises HTTPException for one that is too long, too slow or not whole."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await read_limited_body(request.stream(), max_bytes)
    except TimeoutError:
        raise HTTPException(408, f"the body did not come within {BODY_SECONDS:g} s") from None
    except ClientDisconnect:
        raise HTTPException(400, "the connection ended before the body did") from None
    if body is None:
        raise HTTPException(413, f"the body has more than {max_bytes} bytes")
    return body


def _repeat_body(body: bytes, request: Request) -> Callable[[], Awaitable[MutableMapping[str, Any]]]:
    """Return an ASGI receive that gives a body which was read already, then what comes after it."""
    messages: list[MutableMapping[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> MutableMapping[str, Any]:
        return messages.pop() if messages else await request.receive()

    return receive


def _check_characters(body: bytes) -> None:
    if b"\\u" not in body:
        return
    try:
        json.dumps(json.loads(body), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise HTTPException(
            400, "the body has half of a character, as \\ud800: write both halves, or the character"
        ) from None
    except (ValueError, RecursionError):
        return  # not JSON: the endpoint says so
