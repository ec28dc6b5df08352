"""Tokens that are wrong on purpose: ``doctor`` sees whether they are refused, and the log tells them from a stranger's."""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import Final

_BEGINS: Final = "doctor."
_LASTS: Final = 600.0
"""Seconds for which one is told from a stranger's."""


def probe(token: str) -> str:
    """A token that is none, made with one that is: nobody else can make it, and it opens nothing."""
    at = f"{time.time():.0f}"
    return f"{_BEGINS}{at}.{_mark(token.encode(), at)}"


def is_probe(given: str, tokens: tuple[bytes, ...]) -> bool:
    """Whether a token that is none was made with one of these, a short time ago."""
    at, _, mark = given.removeprefix(_BEGINS).partition(".")
    if not given.startswith(_BEGINS) or not (at.isascii() and at.isdecimal()) or len(given) > 100:  # noqa: PLR2004 - none is so long
        return False
    recent = abs(time.time() - int(at)) < _LASTS
    return recent and any(hmac.compare_digest(mark.encode("utf-8", "replace"), _mark(t, at).encode()) for t in tokens)


def _mark(token: bytes, at: str) -> str:
    return hmac.new(token, f"{_BEGINS}{at}".encode(), hashlib.sha256).hexdigest()[:32]
