"""Limits in HTTP: the size of a body to read, and the delay requested by a server."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterable


_MAX_DELAY_DIGITS: Final = 12
"""Further digits of a number of seconds are ignored; twelve are already 30,000 years."""


async def read_limited_body(parts: AsyncIterable[bytes], max_bytes: int) -> bytes | None:
    """Return a body that arrives in parts; None if the body is longer than ``max_bytes``. The rest is not read."""
    body = bytearray()
    async for part in parts:
        body += part
        if len(body) > max_bytes:
            return None
    return bytes(body)


def parse_retry_after(header: str, now: float) -> float | None:
    """Return the seconds of a ``Retry-After`` header, which contains a number or a date; None if absent or invalid.

    ``now`` is in seconds since 1970.
    """
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:_MAX_DELAY_DIGITS])
    try:
        until = parsedate_to_datetime(text)
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        return max(0.0, until.timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None
