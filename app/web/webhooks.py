"""What Opentact tells us by HTTP: ``/webhook``, the states of calls, and ``/sms``, messages.

They are answered when what they said is safely written, and not before.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from app.errors import JournalError
from app.opentact.event import Malformed, events_of
from app.web.problems import problem
from app.web.requests import MAX_BODY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from app.web.requests import Trust

    Take = Callable[..., Awaitable[None]]

AGAIN: Final = 60
"""Seconds within which the same words, that name no call and no message, are one report."""
_NOT_TOLD: Final = frozenset({"token"})
"""What stands in a query and is no part of what was said."""


def webhooks(trust: Trust, take: Take) -> APIRouter:
    """The two doors. ``take`` is given what happened, and raises JournalError where it is not safely written."""
    router = APIRouter()

    @router.api_route("/webhook", methods=["GET", "POST"], summary="States of calls, from Opentact")
    async def webhook(request: Request) -> Response:
        return await _taken(request, trust, take, "call_state")

    @router.api_route("/sms", methods=["GET", "POST"], summary="Messages, from Opentact")
    async def sms(request: Request) -> Response:
        return await _taken(request, trust, take, "sms")

    return router


async def _taken(request: Request, trust: Trust, take: Take, kind: str) -> Response:
    refusal = trust.refusal(request.scope, request.query_params.get("token", ""))
    if refusal:
        return problem(403, refusal)
    body = await _body(request)
    if body is None:
        return problem(413, f"the body has over {MAX_BODY} bytes")
    try:
        reports = [event.happened("webhook") for event in _events(request, body, kind)]
    except Malformed as error:
        return problem(400, str(error))
    try:
        await take(*reports)
    except JournalError as error:
        answer = problem(503, f"it is not written yet: {error}")
        answer.headers["retry-after"] = "5"
        return answer
    return JSONResponse({"success": True})


async def _body(request: Request) -> bytes | None:
    """The body; None where it is too long."""
    read = b""
    async for part in request.stream():
        read += part
        if len(read) > MAX_BODY:
            return None
    return read


def _events(request: Request, body: bytes, kind: str) -> list[Any]:
    """What a request says, whether by JSON, form or query; as an envelope already, or the bare entity. Raises Malformed."""
    asked = {name: value for name, value in request.query_params.items() if name not in _NOT_TOLD}
    said = _said(request.headers.get("content-type", ""), body)
    if not said and not asked:
        raise Malformed("nothing is said: neither in the query nor in a body")
    now = datetime.now(UTC)
    envelope = said if _is_envelope(said) else _envelope({**asked, **said}, asked, kind, now)
    return events_of(json.dumps(envelope), now)


def _said(form: str, body: bytes) -> dict[str, Any]:
    if not body.strip():
        return {}
    if "x-www-form-urlencoded" in form:
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        form_of = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)) if b"=" in body else {}
        if form_of:
            return form_of
        raise Malformed("the body is neither JSON nor a form") from None
    if not isinstance(said, dict):
        raise Malformed("the body is no object")
    return said


def _is_envelope(said: Mapping[str, Any]) -> bool:
    """Whether it is an event as the websocket brings them."""
    return isinstance(said.get("payload"), dict) and isinstance(said.get("type"), str)


def _envelope(entity: dict[str, Any], asked: Mapping[str, str], kind: str, now: datetime) -> dict[str, Any]:
    """A bare entity in the envelope of 2022; the query's state is what is reported."""
    if asked.get("state"):
        entity["state"] = asked["state"]
    if kind == "call_state":
        entity.setdefault("direction", "in")
    when = {"timestamp": entity["modified_on"]} if entity.get("modified_on") else {}
    if not when and not entity.get("uuid"):  # what tells nothing of itself is the same only when it comes again soon
        when = {"received": int(now.timestamp()) // AGAIN}
    return {**when, "type": kind, "message": f"{kind} by webhook", "payload": entity}
