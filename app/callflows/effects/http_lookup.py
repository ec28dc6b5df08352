"""HTTP request to another server while a caller waits: bounded in time and size; a failure becomes a LookupResult.

One deadline covers the whole lookup. Redirects are followed here, so that each new URL is checked like the first one.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import json
import math
import re
import time
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Final

from callflows.errors import BlockedRequestError, OutboundRequestError
from callflows.log import get_logger
from callflows.outbound_http import MAX_OUTBOUND_ANSWER_BYTES, MAX_OUTBOUND_BODY_BYTES, USER_AGENT
from callflows.telephony.lookup_shape import find_answer_problem
from callflows.telephony.ports import LookupResult
from callflows.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    import httpx

    from callflows.effects.guarded_http import GuardedClient, HTTPAnswer
    from callflows.telephony.ports import LookupRequest


_LOG: Final = get_logger("effects")
MAX_LOOKUP_ANSWER_DEPTH: Final = 32
"""Nesting depth of lists and objects in a JSON answer."""
MAX_JSON_NUMBER_DIGITS: Final = 64
_MAX_LOOKUP_SECONDS: Final = 60.0
_MAX_REDIRECTS: Final = 3
_ALLOWED_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_HEADER_NAME_PATTERN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}")
_HEADER_VALUE_PATTERN: Final = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]{0,8192}")
_CONNECTION_HEADERS: Final = frozenset(
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
"""Headers controlled by the connection, not by the author of the flow."""
_TEXT_CODECS: Final = frozenset(
    {
        *("utf-16", "shift_jis", "euc_jp", "euc_kr", "gb2312", "gbk", "gb18030", "big5", "koi8-r", "koi8-u"),
        *(f"iso8859-{part}" for part in range(2, 17)),
        *(f"cp{page}" for page in range(1250, 1259)),
    }
)
"""Python's codecs, by name, of the charsets that a text may have; every other is read as UTF-8, which also reads ASCII."""
_XML_TYPE_PATTERN: Final = re.compile(r"(?:application|text)/(?:[^;]*\+)?xml\b", re.IGNORECASE)
_JSON_TYPE_PATTERN: Final = re.compile(r"application/([^;]*\+)?json\b|text/json\b", re.IGNORECASE)
_CHARSET_PATTERN: Final = re.compile(r"charset=\"?([^\s;\"]+)", re.IGNORECASE)


async def fetch_lookup(get_client: Callable[[], Awaitable[GuardedClient]], request: LookupRequest) -> LookupResult:
    """Run a lookup with the client from ``get_client``. Raises nothing but CancelledError."""
    began = time.monotonic()
    status: int | None = None
    value: object = None
    reason = ""
    cookies: dict[str, str] = {}
    try:
        limit_ms = request.timeout_ms if request.left_ms is None else request.left_ms
        async with asyncio.timeout(min(limit_ms / 1000, _MAX_LOOKUP_SECONDS)):
            answer, cookies = await _follow_redirects(await get_client(), request)
        status = answer.status
        if request.wants_document:
            value = _read_document(answer)
        else:
            parsed = _parse_answer(answer)
            reason = find_answer_problem(parsed, request.default)
            value = None if reason else parsed
    except TimeoutError:
        reason = _describe_timeout(request)
    except OutboundRequestError as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001 - a caller waits: the flow must go on
        _LOG.error("lookup failed unexpectedly", place=request.step_path, error=type(error).__name__)
        reason = "it failed"
    return LookupResult(value, not reason, status, reason, round((time.monotonic() - began) * 1000, 3), cookies)


def _describe_timeout(request: LookupRequest) -> str:
    if request.left_ms is None:
        return f"no answer within {request.timeout_ms} ms"
    used_up = f"no more was left of the time to answer the call; the limit of the lookup is {request.timeout_ms} ms"
    return f"no answer within {request.left_ms} ms: {used_up}"


async def _follow_redirects(client: GuardedClient, request: LookupRequest) -> tuple[HTTPAnswer, dict[str, str]]:
    """Send the request and follow redirects.

    Return the last answer; if a document is requested, also the cookies that the first server has set.
    """
    method, url = request.method.upper(), client.parse_url(request.url)
    first_url, cookies = url, dict[str, str]()
    if method not in _ALLOWED_METHODS:
        raise BlockedRequestError("its method is not GET, HEAD, POST, PUT, PATCH or DELETE")
    body, headers = _encode_body(request), _build_headers(request)
    for _ in range(_MAX_REDIRECTS + 1):
        async with client.get_host_semaphore(url.host):
            answer = await client.send_request(
                method, url, headers, body, max_bytes=MAX_OUTBOUND_ANSWER_BYTES, seconds=_MAX_LOOKUP_SECONDS
            )
        if request.wants_document and _is_same_server(first_url, url):
            cookies |= _read_cookies(answer)
        target = client.find_redirect_target(url, answer)
        if target is None:
            return answer, cookies
        if method not in {"GET", "HEAD"} and answer.status in {301, 302, 303}:
            method, body = "GET", b""
            headers.pop("content-type", None)
        if not _is_same_server(url, target):
            headers = _make_default_headers()  # the author's headers may contain credentials of the first server
            if body:
                raise OutboundRequestError("it redirects a request with a body to another server")
        elif cookies:
            headers["cookie"] = _merge_cookies(headers.get("cookie", b""), cookies)
        url = target
    raise OutboundRequestError(f"it redirects more than {_MAX_REDIRECTS} times")


def _is_same_server(current: httpx.URL, target: httpx.URL) -> bool:
    """Return True if both URLs have the same host and port, or the target is the https version of an http URL."""
    if current.host != target.host:
        return False
    better = (current.scheme, current.port, target.scheme, target.port) == ("http", None, "https", None)
    return better or (current.scheme, current.port) == (target.scheme, target.port)


def _make_default_headers() -> dict[str, bytes]:
    return {
        "accept": b"application/json, text/plain;q=0.9, */*;q=0.5",
        "accept-encoding": b"gzip",
        "user-agent": USER_AGENT.encode(),
    }


def _build_headers(request: LookupRequest) -> dict[str, bytes]:
    """Merge the author's headers over the defaults. Raises BlockedRequestError for invalid or reserved headers."""
    headers = _make_default_headers()
    if request.body:
        headers["content-type"] = b"application/json" if request.body[:1] in "{[" else b"text/plain; charset=utf-8"
    for name, value in request.headers:
        if not _HEADER_NAME_PATTERN.fullmatch(name) or not _HEADER_VALUE_PATTERN.fullmatch(value):
            raise BlockedRequestError("one of its headers contains invalid characters")
        if name.lower() in _CONNECTION_HEADERS:
            raise BlockedRequestError(f"callflows sets the header {name} itself")
        headers[name.lower()] = value.strip().encode("utf-8", "replace")
    return headers


def _encode_body(request: LookupRequest) -> bytes:
    body = request.body.encode("utf-8", "replace")
    if len(body) > MAX_OUTBOUND_BODY_BYTES:
        raise BlockedRequestError(f"the body of the request is larger than {MAX_OUTBOUND_BODY_BYTES} bytes")
    return body


def _parse_answer(answer: HTTPAnswer) -> object:
    """Parse a body: JSON if declared or apparent, else text. Raises OutboundRequestError."""
    if not answer.is_success:
        raise OutboundRequestError(f"status {answer.status}")
    kind = answer.headers.get("content-type", "")
    if kind.lower().startswith(("text/html", "application/xhtml")):
        raise OutboundRequestError("the answer is a web page (HTML) instead of data")
    if _XML_TYPE_PATTERN.match(kind):
        raise OutboundRequestError("the answer is XML instead of data")
    says_json = bool(_JSON_TYPE_PATTERN.search(kind))
    if says_json and answer.body.strip():
        return _parse_json(answer.body)
    if answer.body.removeprefix(codecs.BOM_UTF8).lstrip()[:1] in {b"{", b"["}:
        try:
            return _parse_json(answer.body)
        except _InvalidJSONError:
            pass
    charset = _CHARSET_PATTERN.search(kind)
    codec = _find_codec(charset[1] if charset else "")
    try:
        return clean_text(answer.body.decode(codec))
    except UnicodeDecodeError:
        # A caller would hear the text with holes.
        named = "UTF-8" if codec == "utf-8-sig" else f"those of its charset {codec}"
        raise OutboundRequestError(f"the answer cannot be read: its characters are not {named}") from None


def _find_codec(charset: str) -> str:
    """Return the name of Python's codec for a charset, in any of its spellings."""
    try:
        name = codecs.lookup(charset).name
    except (LookupError, ValueError):
        name = ""
    if name == "iso8859-1":
        return "cp1252"  # as browsers read it: programs that name the one write the quotes of the other
    return name if name in _TEXT_CODECS else "utf-8-sig"


def _read_document(answer: HTTPAnswer) -> str:
    """Return the body as text. Raises OutboundRequestError for a status that is no success."""
    if not answer.is_success:
        raise OutboundRequestError(f"status {answer.status}")
    return answer.body.decode("utf-8-sig", "replace")


def _read_cookies(answer: HTTPAnswer) -> dict[str, str]:
    """Return the cookies that an answer sets; a cookie that has run out has an empty value."""
    cookies: dict[str, str] = {}
    for header in answer.set_cookies:
        with contextlib.suppress(CookieError):
            for name, morsel in SimpleCookie(header).items():
                cookies[name] = "" if morsel["max-age"] == "0" else morsel.coded_value
    return cookies


def _merge_cookies(sent: bytes, cookies: Mapping[str, str]) -> bytes:
    """Return the header of the cookies that were sent before and those that were set since."""
    known = dict(pair.partition("=")[::2] for pair in sent.decode("ascii", "replace").split("; ") if pair)
    return "; ".join(f"{name}={value}" for name, value in {**known, **cookies}.items() if value).encode("ascii", "replace")


class _InvalidJSONError(OutboundRequestError):
    """The body is not JSON, although declared or apparent."""


def _parse_json(body: bytes) -> object:
    """Parse strict JSON (RFC 8259, without NaN and Infinity), limit its depth and remove characters forbidden in XML."""
    try:
        value = json.loads(
            body.decode("utf-8-sig"), parse_constant=_refuse_constant, parse_int=_parse_integer, parse_float=_parse_fraction
        )
    except RecursionError:
        raise OutboundRequestError(_TOO_DEEP_MESSAGE) from None
    except UnicodeDecodeError:
        raise _InvalidJSONError(_NOT_UTF_8_MESSAGE) from None
    except ValueError:
        raise _InvalidJSONError("the answer is not JSON") from None
    return _clean_json(value, MAX_LOOKUP_ANSWER_DEPTH)


_NOT_UTF_8_MESSAGE: Final = "the answer is not JSON: its characters are not UTF-8"
_TOO_DEEP_MESSAGE: Final = f"the answer is deeper than {MAX_LOOKUP_ANSWER_DEPTH} lists and objects"


def _clean_json(value: object, levels_left: int) -> object:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, (dict, list)) and not levels_left:
        raise OutboundRequestError(_TOO_DEEP_MESSAGE)
    if isinstance(value, dict):
        return {clean_text(key): _clean_json(each, levels_left - 1) for key, each in value.items()}
    if isinstance(value, list):
        return [_clean_json(each, levels_left - 1) for each in value]
    return value


def _refuse_constant(text: str) -> object:
    raise ValueError(text)


def _parse_integer(text: str) -> int:
    if len(text) > MAX_JSON_NUMBER_DIGITS:
        raise OutboundRequestError(f"the answer has a number of more than {MAX_JSON_NUMBER_DIGITS} digits")
    return int(text)


def _parse_fraction(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise OutboundRequestError("the answer has a number that is too large")
    return number
