"""The door for Opentact: ``/call`` and ``/call/{flow}/{node}``. It stands before the framework: a call's way is short.

Opentact always gets a valid document with status 200, whatever breaks inside; only strangers get 403.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from app.web.engine import OK, Going, refused
from app.web.requests import MAX_BODY, query

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, MutableMapping

    from app.web.engine import Engine, Reply
    from app.web.requests import Trust

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
    App = Callable[[Scope, Receive, Send], Awaitable[None]]

CALL: Final = "/call"
_FIRST: Final = (CALL, f"{CALL}/")
_XML: Final = (b"content-type", b"application/xml; charset=utf-8")
_NEVER_STORED: Final = (b"cache-control", b"no-store")
_PROBLEM: Final = (b"content-type", b"application/problem+json")
_PARTS: Final = 4
"""``/call/{flow}/{node}``, split at its slashes."""


class Answering:
    """An ASGI app: has ``engine`` answer ``/call…``, and leaves everything else to ``rest``."""

    def __init__(self, rest: App, engine: Engine, trust: Trust) -> None:
        self._rest = rest
        self._engine = engine
        self._trust = trust

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or not (scope["path"] == CALL or scope["path"].startswith(_FIRST[1])):
            await self._rest(scope, receive, send)
            return
        began = time.perf_counter()
        engine, method = self._engine, scope["method"]
        body = await self._body(receive) if method not in ("GET", "HEAD") else b""
        fields: dict[str, str] = {}
        try:
            fields = query(scope["query_string"])
            reply = self.reply(scope, fields, body)
            if isinstance(reply, Going):
                reply = await engine.gone_on(reply)
        except Exception as error:  # noqa: BLE001 - whatever breaks, the caller gets a document
            reply = engine.broken(error)
        status, document = reply[:2]
        length = (b"content-length", b"%d" % len(document))
        headers = [_XML if status == OK else _PROBLEM, length, _NEVER_STORED]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": document if method != "HEAD" else b""})
        engine.over(began, (method, scope["path"], scope["query_string"]), fields, reply)

    async def _body(self, receive: Receive) -> bytes:
        """The body, as far as it comes in time and is not longer than any real one."""
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._engine.deadline):
                while True:
                    message = await receive()
                    part = message.get("body", b"")
                    size += len(part)
                    if message["type"] != "http.request" or size > MAX_BODY:
                        return b""
                    parts.append(part)
                    if not message.get("more_body"):
                        return b"".join(parts)
        except TimeoutError:
            return b""

    def reply(self, scope: Mapping[str, Any], fields: dict[str, str], body: bytes) -> Reply | Going:
        """The answer to a request. Raises what a bug raises, nothing else."""
        path = scope["path"]
        if path in _FIRST:
            refusal = self._trust.refusal(scope, fields.get("token", ""))
            return refused(refusal) if refusal else self._engine.first(fields, body, self._trust.base(scope))
        parts = path.split("/")
        refusal = self._trust.refusal(scope, None) or (
            "" if len(parts) == _PARTS and "ticket" in fields else "there is no ticket"
        )
        if refusal:
            return refused(refusal)
        return self._engine.further(fields, body, self._trust.base(scope), parts[2], parts[3])
