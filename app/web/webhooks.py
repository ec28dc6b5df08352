"""What Opentact tells us by HTTP: ``/webhook``, the states of calls, and ``/sms``, messages.

They are answered when what they said is safely written, and not before.
"""

from __future__ import annotations

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

from app.errors import JournalError
from app.happened import MOMENTS
from app.opentact.event import Malformed, events_of, moment_of
from app.web.problems import problem
from app.web.requests import MAX_BODY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from python_multipart.multipart import Field, File

    from app.happened import Happened
    from app.web.requests import Trust

    Take = Callable[..., Awaitable[None]]

AGAIN: Final = 60
"""Seconds within which the same words, that name no call and no message, are one report."""
MOST: Final = 1_000
"""Events that may be told at once."""
_BARE: Final = " by webhook"
"""What the words on a bare entity end with: they are ours."""
_OBJECTS: Final = frozenset({"payload", "call", "call_flow", "tn", "sip_control_app", "account"})
"""What is an object in an envelope or an entity (platform: tn, also a number)."""
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
        reports = _reports(request, body, kind)
    except Malformed as error:
        return problem(400, str(error))
    if len(reports) > MOST:
        return problem(413, f"over {MOST} events are told at once")
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


def _reports(request: Request, body: bytes, kind: str) -> list[Happened]:
    """What a request says, by JSON, form or query: envelopes, or bare entities; one, or a list. Raises Malformed."""
    asked = {name: value for name, value in request.query_params.items() if name not in _NOT_TOLD}
    said = _said(request.headers.get("content-type", ""), body)
    if not said and (isinstance(said, list) or not asked):
        raise Malformed("nothing is said: neither in the query nor in a body")
    now = datetime.now(UTC)
    if isinstance(said, dict):
        rows = [said if _is_envelope(said) else _envelope({**asked, **said}, asked, kind, now)]
    else:
        rows = [row if _is_envelope(row) else _envelope({**row}, {}, kind, now) for row in said]
    reports = [event.happened("webhook") for event in events_of(json.dumps(rows), now)]
    return [report._replace(at=_at(report, now)) if report.message.endswith(_BARE) else report for report in reports]


def _at(report: Happened, now: datetime) -> float:
    """When a call came into the state that a bare entity tells: the state's own moment, else now.

    When it was changed last is no such moment: platform: that stays the same through all states.
    """
    if report.kind != "call_state":
        return report.at
    call = report.call
    own = call.get(MOMENTS.get(report.state, "")) or (call.get("created_on") if report.state == "init" else None)
    moment = moment_of(own)
    return moment.timestamp() if moment is not None else now.timestamp()


def _said(form: str, body: bytes) -> dict[str, Any] | list[dict[str, Any]]:
    if not body.strip():
        return {}
    if "multipart/form-data" in form.lower():
        return _whole(_multipart(form, body))
    if "x-www-form-urlencoded" in form.lower():
        return _whole(_urlencoded(body))
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        torn = "json" in form.lower() or body.lstrip()[:1] in (b"{", b"[")
        form_of = _urlencoded(body) if b"=" in body and not torn else {}
        if form_of:
            return _whole(form_of)
        raise Malformed("the body is neither JSON nor a form") from None
    if not all(isinstance(row, dict) for row in (said if isinstance(said, list) else [said])):
        raise Malformed("the body is no object, and no list of objects")
    return said  # type: ignore[no-any-return]  # as was just looked at


def _urlencoded(body: bytes) -> dict[str, str]:
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def _multipart(form: str, body: bytes) -> dict[str, str]:
    """The parts by name, files too. Raises Malformed."""
    said: dict[str, str] = {}

    def field(part: Field) -> None:
        said[(part.field_name or b"").decode("utf-8", "replace")] = (part.value or b"").decode("utf-8", "replace")

    def file(part: File) -> None:
        part.file_object.seek(0)
        said[(part.field_name or b"").decode("utf-8", "replace")] = part.file_object.read().decode("utf-8", "replace")

    try:
        parse_form({"Content-Type": form.encode("latin-1")}, io.BytesIO(body), field, file)
    except (FormParserError, ValueError) as error:
        raise Malformed(f"the form cannot be read: {error}") from None
    return said


def _whole(form: Mapping[str, str]) -> dict[str, Any]:
    """A form with what can only be an object as one: it is written as JSON there."""
    said: dict[str, Any] = dict(form)
    for name in _OBJECTS & form.keys():
        with contextlib.suppress(ValueError, RecursionError):
            said[name] = json.loads(form[name])
    return said


def _is_envelope(said: Mapping[str, Any]) -> bool:
    """Whether it is an event as the websocket brings them."""
    return isinstance(said.get("type"), str) and ("payload" in said or isinstance(said.get("call"), dict))


def _envelope(entity: dict[str, Any], asked: Mapping[str, str], kind: str, now: datetime) -> dict[str, Any]:
    """A bare entity in the envelope of 2022; the query's state is what is reported."""
    if asked.get("state"):
        entity["state"] = asked["state"]
    if kind == "call_state":
        entity.setdefault("direction", "in")
    when = {"timestamp": entity["modified_on"]} if entity.get("modified_on") else {}
    if not when and not entity.get("uuid"):  # what tells nothing of itself is the same only when it comes again soon
        when = {"received": int(now.timestamp()) // AGAIN}
    return {**when, "type": kind, "message": f"{kind} {entity.get('state') or ''}{_BARE}", "payload": entity}
