"""Receives Opentact's webhooks: ``/webhook`` for states of calls, ``/sms`` for messages.

A webhook is acknowledged only after its events are safely stored.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from python_multipart import parse_form
from python_multipart.exceptions import FormParserError
from starlette.requests import ClientDisconnect

from callflows.errors import JournalError
from callflows.http_limits import read_limited_body
from callflows.opentact.delivery_report import read_delivery_report
from callflows.opentact.event_parser import MalformedFrameError, parse_events
from callflows.web.problem_details import create_problem_response
from callflows.web.request_fields import MAX_REQUEST_BODY_BYTES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from python_multipart.multipart import Field, File

    from callflows.telephony.events import PlatformEvent
    from callflows.web.request_trust import RequestTrust

    TakeEvents = Callable[..., Awaitable[None]]


SAME_WEBHOOK_SECONDS: Final = 60
"""Window in seconds within which equal bodies without the uuid of a call or message count as one event."""
MAX_EVENTS_PER_WEBHOOK: Final = 1_000
"""Maximum number of events in one request."""
_BARE_ENTITY_SUFFIX: Final = " by webhook"
"""Suffix of the message that we give to a bare entity."""
_OBJECT_FIELDS: Final = frozenset({"payload", "call", "call_flow", "tn", "sip_control_app", "account", "data"})
"""Fields that contain an object in an envelope or an entity (platform: tn, also a number)."""
_QUERY_CREDENTIALS: Final = frozenset({"token"})
"""Query fields that are no part of the event."""


_PROBLEM_ANSWER: Final[dict[str, Any]] = {"content": {"application/problem+json": {}}}
_WEBHOOK_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The events are stored"},
    400: {"description": "The body is no event", **_PROBLEM_ANSWER},
    403: {"description": "The token is missing or wrong", **_PROBLEM_ANSWER},
    408: {"description": "The body did not come in time", **_PROBLEM_ANSWER},
    413: {"description": "The body, or the number of events, is too large", **_PROBLEM_ANSWER},
    503: {"description": "The events could not be stored: send them again", **_PROBLEM_ANSWER},
}


def create_webhook_router(trust: RequestTrust, take_events: TakeEvents, body_seconds: float) -> APIRouter:
    """Serve ``/webhook`` and ``/sms``. ``take_events`` stores events, and raises JournalError on failure.

    A body must come within ``body_seconds``.
    """
    router = APIRouter()

    def add_routes(path: str, summary: str, kind: str) -> None:
        async def receive_events(request: Request) -> Response:
            return await _handle_webhook(request, trust, take_events, kind, body_seconds)

        for method in ("GET", "POST"):  # one route each, because an operation in the API description needs its own name
            router.add_api_route(
                path,
                receive_events,
                methods=[method],
                summary=summary,
                operation_id=f"{method.lower()}_{path[1:]}",
                responses=_WEBHOOK_ANSWERS,
            )

    add_routes("/webhook", "Events of calls, from Opentact", "call_state")
    add_routes("/sms", "Text messages, from Opentact", "sms")

    return router


async def _handle_webhook(
    request: Request, trust: RequestTrust, take_events: TakeEvents, kind: str, body_seconds: float
) -> Response:
    refusal = trust.explain_refusal(request.scope, request.query_params.get("token", ""))
    if refusal:
        return create_problem_response(403, refusal)
    try:
        async with asyncio.timeout(body_seconds):
            body = await read_limited_body(request.stream(), MAX_REQUEST_BODY_BYTES)
    except TimeoutError:
        return create_problem_response(408, f"the body did not come within {body_seconds:g} s")
    except ClientDisconnect:
        return create_problem_response(400, "the connection ended before the body did")
    if body is None:
        return create_problem_response(413, f"the body has over {MAX_REQUEST_BODY_BYTES} bytes")
    try:
        reports = _parse_platform_events(request, body, kind)
    except MalformedFrameError as error:
        return create_problem_response(400, str(error))
    if len(reports) > MAX_EVENTS_PER_WEBHOOK:
        return create_problem_response(413, f"over {MAX_EVENTS_PER_WEBHOOK} events in one request")
    try:
        await take_events(*reports)
    except JournalError as error:
        answer = create_problem_response(503, f"the event is not stored yet: {error}")
        answer.headers["retry-after"] = "5"
        return answer
    return JSONResponse({"success": True})


def _parse_platform_events(request: Request, body: bytes, kind: str) -> list[PlatformEvent]:
    """Parse the events of a request: JSON, form or query; one or a list; envelopes or bare entities.

    Raises MalformedFrameError.
    """
    asked = {name: value for name, value in request.query_params.items() if name not in _QUERY_CREDENTIALS}
    body_data = _parse_body(request.headers.get("content-type", ""), body)
    if not body_data and (isinstance(body_data, list) or not asked):
        raise MalformedFrameError("the request is empty: it has neither a query nor a body")
    now = datetime.now(UTC)
    if isinstance(body_data, dict):
        rows = [body_data if _is_envelope(body_data) else _wrap_entity({**asked, **body_data}, asked, kind, now)]
    else:
        rows = [row if _is_envelope(row) else _wrap_entity({**row}, {}, kind, now) for row in body_data]
    return [
        report._replace(occurred_at=_find_state_moment(report, now))
        if report.message.endswith(_BARE_ENTITY_SUFFIX)
        else report
        for report in parse_events(rows, now, "webhook")
    ]


def _find_state_moment(platform_event: PlatformEvent, now: datetime) -> float:
    """Return the moment of a call's state: the state's own field in a bare entity, otherwise now.

    platform: ``modified_on`` stays the same through all states, so the field is not used here.
    """
    if platform_event.kind != "call_state" or platform_event.call is None:
        return platform_event.occurred_at
    return (platform_event.call.find_state_time(platform_event.state) or now).timestamp()


def _parse_body(content_type: str, body: bytes) -> dict[str, Any] | list[dict[str, Any]]:
    if not body.strip():
        return {}
    if "multipart/form-data" in content_type.lower():
        return _decode_object_fields(_parse_multipart(content_type, body))
    if "x-www-form-urlencoded" in content_type.lower():
        return _decode_object_fields(_parse_urlencoded(body))
    try:
        body_data = json.loads(body)
    except (ValueError, RecursionError):
        torn = "json" in content_type.lower() or body.lstrip()[:1] in (b"{", b"[")
        form_of = _parse_urlencoded(body) if b"=" in body and not torn else {}
        if form_of:
            return _decode_object_fields(form_of)
        raise MalformedFrameError("the body is neither JSON nor a form") from None
    if not all(isinstance(row, dict) for row in (body_data if isinstance(body_data, list) else [body_data])):
        raise MalformedFrameError("the body is neither an object nor a list of objects")
    return body_data  # type: ignore[no-any-return]  # checked above


def _parse_urlencoded(body: bytes) -> dict[str, str]:
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def _parse_multipart(content_type: str, body: bytes) -> dict[str, str]:
    """Return the parts by name, including files. Raises MalformedFrameError."""
    form_fields: dict[str, str] = {}

    def add_field(part: Field) -> None:
        form_fields[(part.field_name or b"").decode("utf-8", "replace")] = (part.value or b"").decode("utf-8", "replace")

    def add_file(part: File) -> None:
        part.file_object.seek(0)
        form_fields[(part.field_name or b"").decode("utf-8", "replace")] = part.file_object.read().decode(
            "utf-8", "replace"
        )

    try:
        parse_form({"Content-Type": content_type.encode("latin-1")}, io.BytesIO(body), add_field, add_file)
    except (FormParserError, ValueError) as error:
        raise MalformedFrameError(f"the form cannot be read: {error}") from None
    return form_fields


def _decode_object_fields(form: Mapping[str, str]) -> dict[str, Any]:
    """Decode the JSON text of the fields that contain an object."""
    decoded: dict[str, Any] = dict(form)
    for name in _OBJECT_FIELDS & form.keys():
        with contextlib.suppress(ValueError, RecursionError):
            decoded[name] = json.loads(form[name])
    return decoded


def _is_envelope(body: Mapping[str, Any]) -> bool:
    """Return True if the body is an event in the websocket's format, or a delivery report."""
    return read_delivery_report(body) is not None or (
        isinstance(body.get("type"), str) and ("payload" in body or isinstance(body.get("call"), dict))
    )


def _wrap_entity(entity: dict[str, Any], query_fields: Mapping[str, str], kind: str, now: datetime) -> dict[str, Any]:
    """Wrap a bare entity in the 2022 envelope; a ``state`` in the query takes precedence."""
    if query_fields.get("state"):
        entity["state"] = query_fields["state"]
    if kind == "call_state":
        entity.setdefault("direction", "in")
    when = {"timestamp": entity["modified_on"]} if entity.get("modified_on") else {}
    if not when and not entity.get("uuid"):  # without uuid and time: a duplicate only soon after
        when = {"received": int(now.timestamp()) // SAME_WEBHOOK_SECONDS}
    return {**when, "type": kind, "message": f"{kind} {entity.get('state') or ''}{_BARE_ENTITY_SUFFIX}", "payload": entity}
