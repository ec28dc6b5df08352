"""What Opentact answers, told apart: the payload, or one of our errors.

The envelope is ``{success: true, payload}`` or ``{success: false, message, status, fields{path: {message, value}}}``.
Some pages show lists and made things without it, so a bare list, and an object with a ``uuid``, are taken as payloads.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from app.errors import (
    Conflict,
    Field,
    NotAuthenticated,
    NotEnoughBalance,
    NotFound,
    OpentactError,
    TooManyRequests,
    Unavailable,
    Unintelligible,
)

Hide: TypeAlias = Callable[[str], str]

_ERRORS: Final[dict[int, type[OpentactError]]] = {
    401: NotAuthenticated,
    402: NotEnoughBalance,
    404: NotFound,
    409: Conflict,
    429: TooManyRequests,
}
_BROKEN: Final = 500
_LONGEST: Final = 500
"""Characters of a message that are kept."""


def payload_of(status: int, body: bytes, request: str, hide: Hide = str) -> Any:  # noqa: ANN401 - JSON
    """The payload of an answer. Raises OpentactError, the class of its status; ``hide`` takes secrets out of its words."""
    fine = 200 <= status < 300  # noqa: PLR2004 - the class of HTTP
    if fine and not body.strip():
        return None
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        if fine:
            raise Unintelligible("the answer is no JSON", request=request, status=status) from None
        said = {}
    if not fine:
        raise _refusal(said if isinstance(said, dict) else {}, status, request, hide)
    if isinstance(said, list):
        return said
    if isinstance(said, dict) and said.get("success") is True:
        return said.get("payload")
    if isinstance(said, dict) and said.get("success") is False:
        raise _refusal(said, status, request, hide)
    if isinstance(said, dict) and "uuid" in said:
        return said
    raise Unintelligible("the answer is not in Opentact's envelope", request=request, status=status)


def _refusal(said: dict[str, Any], status: int, request: str, hide: Hide) -> OpentactError:
    """The error of an answer; its own ``status`` counts where HTTP's says that all is well."""
    inner = said.get("status")
    if status < 400 and isinstance(inner, int) and inner >= 400:  # noqa: PLR2004 - the class of HTTP
        status = inner
    kind = _ERRORS.get(status, Unavailable if status >= _BROKEN else OpentactError)
    message = said.get("message")
    text = _short(message, hide) if isinstance(message, str) and message.strip() else _unsaid(status)
    return kind(text, request=request, status=status, fields=_fields(said.get("fields"), hide))


def _unsaid(status: int) -> str:
    return "Opentact broke" if status >= _BROKEN else "Opentact refused it and did not say why"


def _fields(said: object, hide: Hide) -> dict[str, Field]:
    """Opentact's words on fields, whatever form they have."""
    return {_short(path, hide): _field(value, hide) for path, value in said.items()} if isinstance(said, dict) else {}


def _field(said: object, hide: Hide) -> Field:
    if not isinstance(said, dict):
        return Field(_short(said, hide))
    value = said.get("value")
    return Field(
        _short(said.get("message", ""), hide),
        value if value is None or isinstance(value, (int, float)) else _short(value, hide),
    )


def _short(said: object, hide: Hide) -> str:
    """Words for one line of a log: no line breaks, no signs that steer a terminal."""
    return hide("".join(sign if sign.isprintable() else " " for sign in str(said)[:_LONGEST]))


def rows_of(payload: object, request: str) -> tuple[list[dict[str, Any]], int | None]:
    """The rows of a list or of a page of a search, and how many there are in all where it says so.

    A ``count`` of as many as the page has may be the page's own.
    """
    total = None
    if isinstance(payload, dict):
        said = payload
        payload = next((value for value in said.values() if isinstance(value, list)), said)
        said_count, said_total = said.get("count"), said.get("total")
        if isinstance(said_total, int):
            total = said_total
        elif isinstance(said_count, int) and said_count > len(payload):
            total = said_count
    if payload is None:
        return [], total
    if not isinstance(payload, list):
        raise Unintelligible("the answer is no list", request=request)
    return [row for row in payload if isinstance(row, dict)], total
