"""Refuses texts in JSON bodies that no file, process or database can take."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from fastapi import HTTPException
from fastapi.routing import APIRoute

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from fastapi import Request, Response


class WholeCharactersRoute(APIRoute):
    """A route whose JSON body has no halves of characters, which JSON can escape and UTF-8 cannot encode."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of requests, which refuses such a body with status 400."""
        handle_request = super().get_route_handler()

        async def handle_checked(request: Request) -> Response:
            _check_characters(await request.body())
            return await handle_request(request)

        return handle_checked


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
