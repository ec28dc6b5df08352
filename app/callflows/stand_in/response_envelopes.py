"""Responses and refusals in the documented envelopes."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import ValidationError


UNAUTHORIZED_MESSAGE = "Unauthorized"


class RestRefusal(Exception):
    """Refuses a request; ``fields`` maps paths to errors. platform 5: the envelope of an error."""

    def __init__(
        self,
        status: int,
        message: str,
        fields: Mapping[str, Mapping[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.fields = fields
        self.headers = headers

    def build_response(self) -> JSONResponse:
        """Return the platform's error envelope."""
        envelope: dict[str, Any] = {"success": False, "message": self.message, "status": self.status}
        if self.fields is not None:
            envelope |= {"meta": "", "fields": self.fields}
        return JSONResponse(envelope, self.status, headers=self.headers)

    def build_problem_response(self) -> JSONResponse:
        """Return problem details (RFC 9457) for the stand-in's own endpoints, naming every wrong field."""
        named = [f"{path.removeprefix('params.')}: {field['message']}" for path, field in (self.fields or {}).items()]
        problem = {"type": "about:blank", "title": HTTPStatus(self.status).phrase, "status": self.status}
        problem["detail"] = "; ".join(named) or self.message
        beside = {"fields": self.fields} if self.fields else {}
        return JSONResponse(problem | beside, self.status, self.headers, "application/problem+json")


def success_response(payload: object, status: int = 200, **extra_fields: object) -> JSONResponse:
    return JSONResponse({"success": True, "payload": payload, **extra_fields}, status)


def field_refusal(name: str, message: str, value: object) -> RestRefusal:
    """Return the refusal (400) of one field."""
    return RestRefusal(400, "Validation failed", {f"params.{name}": {"message": message, "value": value}})


def validation_refusal(error: ValidationError) -> RestRefusal:
    """Return the refusal (400) of all fields that pydantic rejected."""
    fields = {}
    for field_error in error.errors(include_url=False, include_context=False):
        path = ".".join(map(str, field_error["loc"])) or "body"
        value = field_error["input"] if isinstance(field_error["input"], (str, int, float, bool, type(None))) else ""
        fields[f"params.{path}"] = {"message": field_error["msg"], "value": value}
    return RestRefusal(400, "Validation failed", fields)


def not_found_refusal(entity_name: str) -> RestRefusal:
    return RestRefusal(404, f"{entity_name} not found")
