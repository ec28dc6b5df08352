"""How many digits a pattern may match: never fewer lengths than it does match."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from callflows.flows.steps.digit_matching import can_hold_digit, find_digit_lengths, suggest_digit_pattern
from each_case import each_case


@each_case(
    ("pattern", "lengths"),
    [
        ("", {0}),
        ("[0-9]{4}", {4}),
        (r"\d{2,3}", {2, 3}),
        ("(12|345)(6|)", {2, 3, 4}),
        ("[^0-9]{3}", set()),
        ("[^5]{3}", {3}),
        ("[A-Z]?[0-9]", {1}),
        ("1*", {0, 1, 2, 3, 4, 5, 6}),
        ("(?:12)+", {2, 4, 6}),
        ("A|77", {2}),
        ("[0-9]{7}", set()),
        (r"\D", set()),
        (r"\w\w", {2}),
        ("^12$", {2}),
        ("(12){0}", {0}),
        ("(1{0,9}){2,900000}", {0, 1, 2, 3, 4, 5, 6}),
    ],
)
def test_the_lengths_of_a_pattern(pattern, lengths):
    assert find_digit_lengths(pattern, 6) == lengths


PARTS = st.sampled_from(["1", "[0-5]", r"\d", "A", "[^1]", ".", "^", "(?=1)", r"\W", "[a-z7]"])
PATTERNS = st.recursive(
    PARTS,
    lambda inner: (
        st.builds("{}{}".format, inner, inner)
        | st.builds("(?:{}|{})".format, inner, inner)
        | st.builds("(?:{}){}".format, inner, st.sampled_from(["?", "*", "+", "{2}", "{1,3}"]))
    ),
    max_leaves=5,
)


@given(PATTERNS, st.text("0123456789", max_size=6))
def test_no_length_that_matches_is_missing(pattern, digits):
    if re.fullmatch(pattern, digits):
        assert len(digits) in find_digit_lengths(pattern, 6)


@each_case(
    ("written", "meant"),
    [
        ("1234,5678", "1234|5678"),
        ("1234 or 5678", "1234|5678"),
        ("[1234, 5678]", "1234|5678"),
        ("12XX", "12[0-9]{2}"),
        ("1X3X", "1[0-9]3[0-9]"),
        ("####", "[0-9]{4}"),
        ("123,456", ""),
        ("12X", ""),
        ("1000-1999", ""),
        ("[0-9]{5}", ""),
    ],
)
def test_a_pattern_is_suggested_for_digits_that_people_write_without_regular_expressions(written, meant):
    assert suggest_digit_pattern(written, 4, 4) == meant


@each_case(
    ("match", "holds"),
    [("", True), ("[1-9]{4}", False), ("[0-9]{4}", True), ("12[0-9]{2}", True), ("[1-9]{10}", False), ("1204|3456", True)],
)
def test_a_digit_in_a_pattern_is_found_by_samples(match, holds):
    assert can_hold_digit("0", match, 4, 4) is holds
