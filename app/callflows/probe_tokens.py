"""Tokens that are wrong on purpose: ``doctor`` sees whether they are refused, and the log tells them from a stranger's."""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import Final

_PROBE_PREFIX: Final = "doctor."


_PROBE_LIFETIME_SECONDS: Final = 600.0
"""Seconds for which one is told from a stranger's."""


def make_probe_token(token: str) -> str:
    """A token that is none, made with one that is: nobody else can make it, and it opens nothing."""
    at = f"{time.time():.0f}"
    return f"{_PROBE_PREFIX}{at}.{_sign_timestamp(token.encode(), at)}"


def is_probe_token(candidate: str, tokens: tuple[bytes, ...]) -> bool:
    """Whether a token that is none was made with one of these, a short time ago."""
    at, _, mark = candidate.removeprefix(_PROBE_PREFIX).partition(".")
    if not candidate.startswith(_PROBE_PREFIX) or not (at.isascii() and at.isdecimal()) or len(candidate) > 100:  # noqa: PLR2004 - none is so long
        return False
    recent = abs(time.time() - int(at)) < _PROBE_LIFETIME_SECONDS
    return recent and any(
        hmac.compare_digest(mark.encode("utf-8", "replace"), _sign_timestamp(t, at).encode()) for t in tokens
    )


def _sign_timestamp(token: bytes, timestamp: str) -> str:
    return hmac.new(token, f"{_PROBE_PREFIX}{timestamp}".encode(), hashlib.sha256).hexdigest()[:32]
