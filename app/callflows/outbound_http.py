"""What requests to other servers have in common: their name, their limits, and the reading of answers.

The clients differ on purpose: lookups and webhooks go only to addresses that a guard allows (``effects/guarded_http.py``),
requests to Opentact bring a token and are retried only if safe (``opentact/rest_client.py``), ``callflows doctor`` looks at
our own server as a stranger does (``setup/server_probe.py``), and rehearsals play Opentact
(``rehearsal/platform_network.py``).
"""

from __future__ import annotations

import email.utils
from datetime import UTC
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterable


USER_AGENT: Final = "callflows"
"""Name for servers of others, which need not know the version."""
MAX_OUTBOUND_BODY_BYTES: Final = 262_144
"""Bytes of a body that a flow sends."""
MAX_OUTBOUND_ANSWER_BYTES: Final = 65_536
"""Bytes of an answer to a flow, after decompression."""


def get_versioned_user_agent() -> str:
    """Return the name for Opentact and for our own server."""
    return f"{USER_AGENT}/{version('callflows')}"


async def read_at_most(chunks: AsyncIterable[bytes], max_bytes: int) -> tuple[bytes, bool]:
    """Return the first bytes of a body, and whether this is the whole body. The rest is never in memory."""
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > max_bytes:
            return bytes(body[:max_bytes]), False
    return bytes(body), True


def parse_retry_after(retry_after: str, now: float) -> float | None:
    """Return the seconds of a ``Retry-After`` header (a number or a date); None if the header is invalid.

    ``now`` is in seconds since 1970.
    """
    text = retry_after.strip()
    if text.isascii() and text.isdecimal():
        return float(text[:12])
    try:
        until = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, until.timestamp() - now)
