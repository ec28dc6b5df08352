"""Parsing of Opentact's answers: the payload, or one of our errors.

The envelope is ``{success: true, payload}`` or ``{success: false, message, status, fields{path: {message, value}}}``.
Some documentation pages show lists and created objects without the envelope, so a bare list and an object with a ``uuid``
count as payloads.
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
from callflows.text import replace_unprintable

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
"""Longer messages are cut."""


def parse_payload(status: int, body: bytes, request: str, redact: RedactFunction = str) -> Any:  # noqa: ANN401 - JSON
    """Return the payload of an answer.

    Raises the OpentactError class of the status; ``redact`` removes secrets from its text.
    """
    fine = 200 <= status < 300  # noqa: PLR2004 - HTTP status classes
    if fine and not body.strip():
        return None
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        if fine:
            raise OpentactResponseError("the answer is no JSON", request=request, status=status) from None
        payload = {}
    if not fine:
        raise _build_error(payload if isinstance(payload, dict) else {}, status, request, redact)
    if isinstance(payload, list):
        return payload
    if isinstance(payload, dict) and payload.get("success") is True:
        return payload.get("payload")
    if isinstance(payload, dict) and payload.get("success") is False:
        raise _build_error(payload, status, request, redact)
    if isinstance(payload, dict) and "uuid" in payload:
        return payload
    raise OpentactResponseError("the answer is not in Opentact's envelope", request=request, status=status)


def _build_error(envelope: dict[str, Any], status: int, request: str, redact: RedactFunction) -> OpentactError:
    """Build the error of an answer. The envelope's ``status`` counts if the HTTP status reports success."""
    inner = envelope.get("status")
    if status < 400 and isinstance(inner, int) and inner >= 400:  # noqa: PLR2004 - HTTP status classes
        status = inner
    kind = _ERROR_CLASSES.get(status, OpentactUnavailableError if status >= _FIRST_SERVER_ERROR_STATUS else OpentactError)
    message = envelope.get("message")
    text = _shorten_text(message, redact) if isinstance(message, str) and message.strip() else _get_default_message(status)
    return kind(text, request=request, status=status, fields=_parse_field_problems(envelope.get("fields"), redact))


def _get_default_message(status: int) -> str:
    return "Opentact broke" if status >= _FIRST_SERVER_ERROR_STATUS else "Opentact refused it and did not say why"


def _parse_field_problems(field_problems: object, redact: RedactFunction) -> dict[str, OpentactFieldProblem]:
    """Return Opentact's messages about fields, whatever form they have."""
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
    """Return a text for one log line, without line breaks and terminal control characters."""
    return redact(replace_unprintable(str(value)[:_MAX_MESSAGE_CHARACTERS]))


def parse_rows(payload: object, request: str) -> tuple[list[dict[str, Any]], int | None]:
    """Return the rows of a list or page, and the total number of rows if reported.

    A ``count`` equal to the length of the page is ignored: ``count`` may mean the page only. Raises OpentactResponseError.
    """
    total = None
    if isinstance(payload, dict):
        envelope = payload
        payload = next((value for value in envelope.values() if isinstance(value, list)), envelope)
        said_count, said_total = envelope.get("count"), envelope.get("total")
        if isinstance(said_total, int):
            total = said_total
        elif isinstance(said_count, int) and said_count > len(payload):
            total = said_count
    if payload is None:
        return [], total
    if not isinstance(payload, list):
        raise OpentactResponseError("the answer is no list", request=request)
    return [row for row in payload if isinstance(row, dict)], total
