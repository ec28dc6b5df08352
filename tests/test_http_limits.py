"""A body is read up to a limit; the delay that a server asks for is a number or a date."""

from __future__ import annotations

import itertools

import pytest

from callflows.http_limits import parse_retry_after, read_limited_body
from each_case import each_case
from waiting import run_bounded

NOON = 1_772_712_000.0
"""2026-03-05T12:00:00Z."""


async def arrive(parts, taken):
    for part in parts:
        taken.append(part)
        yield part


@pytest.mark.parametrize(("parts", "body"), [([], b""), ([b"ab", b"", b"cd"], b"abcd"), ([b"abcd", b"e"], None)])
def test_a_body_over_the_limit_is_none(parts, body):
    assert run_bounded(read_limited_body(arrive(parts, []), 4)) == body


def test_a_body_over_the_limit_is_not_read_to_its_end():
    taken: list[bytes] = []
    assert run_bounded(read_limited_body(arrive(itertools.repeat(b"ab"), taken), 4)) is None
    assert len(taken) == 3


@each_case(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("Thu, 05 Mar 2026 12:00:30 GMT", 30.0),
        ("Thu, 05 Mar 2026 12:00:30", 30.0),
        ("Thu, 05 Mar 2026 11:00:00 GMT", 0.0),
        ("9" * 400, 999_999_999_999.0),
        ("", None),
        ("soon", None),
        ("-3", None),
        ("Thu, 05 Mar 99999 12:00:30 GMT", None),
        ("\u0667", None),
    ],
)
def test_a_delay_is_a_number_or_a_date(header, seconds):
    assert parse_retry_after(header, NOON) == seconds
