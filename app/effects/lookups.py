"""A question to an HTTP server while a caller waits: quick, bounded, and never an error.

The deadline is for all of it together. Redirects are followed by hand, each judged as the first URL was.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin

import structlog

from app.characters import clean
from app.errors import OutsideError, RefusedURL
from app.outside import Found

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

    from app.effects.wire import Answer, Wire
    from app.outside import Lookup

LARGEST: Final = 65_536
"""Bytes of an answer, on the wire and decompressed."""
DEEPEST: Final = 32
"""Lists and objects in one another."""
LONGEST_NUMBER: Final = 64
_LARGEST_BODY: Final = 262_144
_LONGEST_WAIT: Final = 60.0
_REDIRECTS: Final = 3
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}")
_VALUE: Final = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]{0,8192}")
_OURS: Final = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that belong to the connection and not to who asks."""
_CHARSETS: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "iso-8859-15", "windows-1252"})
_JSON: Final = re.compile(r"application/([^;]*\+)?json\b|text/json\b", re.IGNORECASE)
_CHARSET: Final = re.compile(r"charset=\"?([^\s;\"]+)", re.IGNORECASE)


async def found(ready: Callable[[], Awaitable[Wire]], asked: Lookup) -> Found:
    """What a lookup brings over the wire that ``ready`` gives; never raises but when it is cancelled."""
    began = time.monotonic()
    status: int | None = None
    value: object = None
    reason = ""
    try:
        async with asyncio.timeout(min(asked.timeout_ms / 1000, _LONGEST_WAIT)):
            answer = await _answer(await ready(), asked)
        status = answer.status
        value = _value(answer)
    except TimeoutError:
        reason = f"no answer within {asked.timeout_ms} ms"
    except OutsideError as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001 - a caller waits, whatever it is
        structlog.get_logger("callflows.effects").error("lookup broke", place=asked.place, error=type(error).__name__)
        reason = "it broke"
    return Found(value, not reason, status, reason, round((time.monotonic() - began) * 1000, 3))


async def _answer(wire: Wire, asked: Lookup) -> Answer:
    """The last answer of a row of redirects."""
    method, url = asked.method.upper(), wire.url(asked.url)
    if method not in _METHODS:
        raise RefusedURL("its method is none of GET, HEAD, POST, PUT, PATCH, DELETE")
    body, headers = _body(asked), _headers(asked)
    for _ in range(_REDIRECTS + 1):
        async with wire.lane(url.host):
            answer = await wire.ask(method, url, headers, body, most=LARGEST, seconds=_LONGEST_WAIT)
        there = _redirected(wire, url, answer)
        if there is None:
            return answer
        if method not in {"GET", "HEAD"} and answer.status in {301, 302, 303}:
            method, body = "GET", b""
            headers.pop("content-type", None)
        if not _same_server(url, there):
            headers = _polite()
            if body:
                raise OutsideError("it redirects what it was sent to another server")
        url = there
    raise OutsideError(f"it redirects more than {_REDIRECTS} times")


def _redirected(wire: Wire, url: httpx.URL, answer: Answer) -> httpx.URL | None:
    """Where an answer sends us. Raises RefusedURL where we do not go."""
    if answer.status not in {301, 302, 303, 307, 308} or "location" not in answer.headers:
        return None
    try:
        there = wire.url(urljoin(str(url), answer.headers["location"]))
    except RefusedURL as refused:
        raise RefusedURL(f"it redirects, and {refused}") from None
    except ValueError:
        raise RefusedURL("it redirects, and its URL cannot be read") from None
    if url.scheme == "https" and there.scheme == "http":
        raise RefusedURL("it redirects from https to http")
    return there


def _same_server(one: httpx.URL, other: httpx.URL) -> bool:
    """The same host and port, or its better half: https where http was asked."""
    if one.host != other.host:
        return False
    better = (one.scheme, one.port, other.scheme, other.port) == ("http", None, "https", None)
    return better or (one.scheme, one.port) == (other.scheme, other.port)


def _polite() -> dict[str, bytes]:
    return {
        "accept": b"application/json, text/plain;q=0.9, */*;q=0.5",
        "accept-encoding": b"gzip",
        "user-agent": b"callflows",
    }


def _headers(asked: Lookup) -> dict[str, bytes]:
    """The author's headers over ours. Raises RefusedURL where one is no header, or is not the author's to say."""
    headers = _polite()
    if asked.body:
        headers["content-type"] = b"application/json" if asked.body[:1] in "{[" else b"text/plain; charset=utf-8"
    for name, value in asked.headers:
        if not _HEADER.fullmatch(name) or not _VALUE.fullmatch(value):
            raise RefusedURL("one of its headers has characters that headers cannot have")
        if name.lower() in _OURS:
            raise RefusedURL(f"the header {name} is not the author's to say")
        headers[name.lower()] = value.strip().encode("utf-8", "replace")
    return headers


def _body(asked: Lookup) -> bytes:
    body = asked.body.encode("utf-8", "replace")
    if len(body) > _LARGEST_BODY:
        raise RefusedURL(f"what it is to be sent is larger than {_LARGEST_BODY} bytes")
    return body


def _value(answer: Answer) -> object:
    """A body as plain values: JSON where it says so or looks so, else a text. Raises OutsideError."""
    if not answer.fine:
        raise OutsideError(f"status {answer.status}")
    kind = answer.headers.get("content-type", "")
    says_json = bool(_JSON.search(kind))
    if says_json and answer.body:
        return _parsed(answer.body)
    if not kind.lower().startswith("text/html") and answer.body.lstrip()[:1] in {b"{", b"["}:
        try:
            return _parsed(answer.body)
        except _NotJSON:
            pass
    charset = _CHARSET.search(kind)
    name = charset[1].lower() if charset else "utf-8"
    return clean(answer.body.decode(name if name in _CHARSETS else "utf-8", "replace"))


class _NotJSON(OutsideError):
    """It looked like JSON."""


def _parsed(body: bytes) -> object:
    """JSON as RFC 8259 has it: no NaN, no infinity; bounded, and without the characters that XML forbids."""
    try:
        value = json.loads(body.decode("utf-8-sig"), parse_constant=_no_number, parse_int=_whole, parse_float=_fraction)
    except RecursionError:
        raise OutsideError(_TOO_DEEP) from None
    except ValueError:
        raise _NotJSON("the answer is no JSON") from None
    return _plain(value, DEEPEST)


_TOO_DEEP: Final = f"the answer is deeper than {DEEPEST} lists and objects"


def _plain(value: object, deeper: int) -> object:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, (dict, list)) and not deeper:
        raise OutsideError(_TOO_DEEP)
    if isinstance(value, dict):
        return {clean(key): _plain(each, deeper - 1) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each, deeper - 1) for each in value]
    return value


def _no_number(written: str) -> object:
    raise ValueError(written)


def _whole(written: str) -> int:
    if len(written) > LONGEST_NUMBER:
        raise OutsideError(f"the answer has a number of more than {LONGEST_NUMBER} digits")
    return int(written)


def _fraction(written: str) -> float:
    number = float(written)
    if not math.isfinite(number):
        raise OutsideError("the answer has a number that is too large")
    return number
