"""Deliberately wrong tokens: ``doctor`` tests with one whether the server refuses wrong tokens.

The server recognizes its own probe tokens, so that the log can tell a probe from an attack.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import Final

_PROBE_PREFIX: Final = "doctor."
_PROBE_LIFETIME_SECONDS: Final = 600.0
"""Seconds for which a probe token is recognized."""


def make_probe_token(token: str) -> str:
    """Make a probe token, which only the owner of a valid token can make. A probe token grants no access."""
    at = f"{time.time():.0f}"
    return f"{_PROBE_PREFIX}{at}.{_sign_timestamp(token.encode(), at)}"


def is_probe_token(candidate: str, tokens: tuple[bytes, ...]) -> bool:
    """Return True if ``candidate`` is a probe token made from one of ``tokens`` within the last ten minutes."""
    at, _, mark = candidate.removeprefix(_PROBE_PREFIX).partition(".")
    if (
        not candidate.startswith(_PROBE_PREFIX)
        or not (at.isascii() and at.isdecimal())
        # Longer than any probe token.
        or len(candidate) > 100  # noqa: PLR2004 - none is so long
    ):
        return False
    recent = abs(time.time() - int(at)) < _PROBE_LIFETIME_SECONDS
    return recent and any(
        hmac.compare_digest(mark.encode("utf-8", "replace"), _sign_timestamp(t, at).encode()) for t in tokens
    )


def _sign_timestamp(token: bytes, timestamp: str) -> str:
    return hmac.new(token, f"{_PROBE_PREFIX}{timestamp}".encode(), hashlib.sha256).hexdigest()[:32]
