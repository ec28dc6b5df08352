"""What Opentact answers, told apart: the payload, or one of our errors.

The envelope is ``{success: true, payload}`` or ``{success: false, message, status, fields{path: {message, value}}}``.
Some pages show lists and made things without it, so a bare list, and an object with a ``uuid``, are taken as payloads.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from callflows.errors import (
    OpentactAuthenticationError,
    OpentactBalanceError,
    OpentactConflictError,
    OpentactError,
    OpentactFieldProblem,
    OpentactNotFoundError,
    OpentactRateLimitError,
    OpentactResponseError,
    OpentactUnavailableError,
)

RedactFunction: TypeAlias = Callable[[str], str]


_ERROR_CLASSES: Final[dict[int, type[OpentactError]]] = {
    401: OpentactAuthenticationError,
    402: OpentactBalanceError,
    404: OpentactNotFoundError,
    409: OpentactConflictError,
    429: OpentactRateLimitError,
}


_FIRST_SERVER_ERROR_STATUS: Final = 500


_MAX_MESSAGE_CHARACTERS: Final = 500
"""Characters of a message that are kept."""


def parse_payload(status: int, body: bytes, request: str, redact: RedactFunction = str) -> Any:  # noqa: ANN401 - JSON
    """The payload of an answer. Raises OpentactError, the class of its status; ``hide`` takes secrets out of its words."""
    fine = 200 <= status < 300  # noqa: PLR2004 - the class of HTTP
    if fine and not body.strip():
        return None
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        if fine:
            raise OpentactResponseError("the answer is no JSON", request=request, status=status) from None
        said = {}
    if not fine:
        raise _build_error(said if isinstance(said, dict) else {}, status, request, redact)
    if isinstance(said, list):
        return said
    if isinstance(said, dict) and said.get("success") is True:
        return said.get("payload")
    if isinstance(said, dict) and said.get("success") is False:
        raise _build_error(said, status, request, redact)
    if isinstance(said, dict) and "uuid" in said:
        return said
    raise OpentactResponseError("the answer is not in Opentact's envelope", request=request, status=status)


def _build_error(envelope: dict[str, Any], status: int, request: str, redact: RedactFunction) -> OpentactError:
    """The error of an answer; its own ``status`` counts where HTTP's says that all is well."""
    inner = envelope.get("status")
    if status < 400 and isinstance(inner, int) and inner >= 400:  # noqa: PLR2004 - the class of HTTP
        status = inner
    kind = _ERROR_CLASSES.get(status, OpentactUnavailableError if status >= _FIRST_SERVER_ERROR_STATUS else OpentactError)
    message = envelope.get("message")
    text = _shorten_text(message, redact) if isinstance(message, str) and message.strip() else _get_default_message(status)
    return kind(text, request=request, status=status, fields=_parse_field_problems(envelope.get("fields"), redact))


def _get_default_message(status: int) -> str:
    return "Opentact broke" if status >= _FIRST_SERVER_ERROR_STATUS else "Opentact refused it and did not say why"


def _parse_field_problems(field_problems: object, redact: RedactFunction) -> dict[str, OpentactFieldProblem]:
    """Opentact's words on fields, whatever form they have."""
    return (
        {_shorten_text(path, redact): _parse_field_problem(value, redact) for path, value in field_problems.items()}
        if isinstance(field_problems, dict)
        else {}
    )


def _parse_field_problem(field_problem: object, redact: RedactFunction) -> OpentactFieldProblem:
    if not isinstance(field_problem, dict):
        return OpentactFieldProblem(_shorten_text(field_problem, redact))
    value = field_problem.get("value")
    return OpentactFieldProblem(
        _shorten_text(field_problem.get("message", ""), redact),
        value if value is None or isinstance(value, (int, float)) else _shorten_text(value, redact),
    )


def _shorten_text(value: object, redact: RedactFunction) -> str:
    """Words for one line of a log: no line breaks, no signs that steer a terminal."""
    return redact("".join(sign if sign.isprintable() else " " for sign in str(value)[:_MAX_MESSAGE_CHARACTERS]))


def parse_rows(payload: object, request: str) -> tuple[list[dict[str, Any]], int | None]:
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
        raise OpentactResponseError("the answer is no list", request=request)
    return [row for row in payload if isinstance(row, dict)], total
