"""What all requests to other servers share."""

from __future__ import annotations

import asyncio
from importlib.metadata import version

import pytest

from callflows.outbound_http import get_versioned_user_agent, parse_retry_after, read_at_most

NOON = 1_795_521_600.0
"""Tuesday, 24 November 2026, 12:00 UTC."""


async def iterate(*chunks: bytes, then_fail: bool = False):
    for chunk in chunks:
        yield chunk
    if then_fail:
        raise AssertionError("more was read than is kept")


@pytest.mark.parametrize(
    ("chunks", "read"),
    [
        ((), (b"", True)),
        ((b"abcd",), (b"abcd", True)),
        ((b"ab", b"", b"cd"), (b"abcd", True)),
        ((b"abcde",), (b"abcd", False)),
        ((b"ab", b"cd", b"e"), (b"abcd", False)),
    ],
)
def test_a_body_is_read_up_to_its_limit(chunks, read):
    assert asyncio.run(read_at_most(iterate(*chunks), 4)) == read


def test_nothing_is_read_beyond_the_limit():
    assert asyncio.run(read_at_most(iterate(b"abc", b"def", then_fail=True), 4)) == (b"abcd", False)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Tue, 24 Nov 2026 12:01:30 GMT", 90.0),
        ("Tue, 24 Nov 2026 12:01:30", 90.0),
        ("Tue, 24 Nov 2026 12:01:30 +0100", 0.0),
        ("Mon, 23 Nov 2026 12:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("\u0661\u0662", None),
        ("Tue, 99 Nov 2026 12:01:30 GMT", None),
    ],
)
def test_a_server_says_when_to_come_back_in_seconds_or_with_a_date(header, seconds):
    assert parse_retry_after(header, NOON) == seconds


def test_an_endless_number_of_seconds_is_only_long():
    assert parse_retry_after("9" * 10_000, NOON) > 1e11


def test_opentact_is_told_the_version():
    assert get_versioned_user_agent() == f"callflows/{version('callflows')}"
