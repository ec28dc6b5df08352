from __future__ import annotations

import pytest

from each_case import each_case


@pytest.fixture
def word():
    return "fixture"


def test_a_test_runs_every_case_and_fails_with_those_that_fail_each_named():
    ran = []

    @each_case("number, limit", [(1, 2), (3, 2), (4, 2)])
    def check(number, limit):
        ran.append(number)
        assert number < limit

    with pytest.raises(ExceptionGroup, match="2 of 3 cases: 3, 2; 4, 2") as caught:
        check()
    assert ran == [1, 3, 4]
    assert [failure.__notes__ for failure in caught.value.exceptions] == [["The case is 3, 2"], ["The case is 4, 2"]]


def test_what_was_to_be_raised_and_was_not_fails_too():
    @each_case("number", [1, 2], ids=["one", "two"])
    def check(number):
        with pytest.raises(ValueError, match="two"):
            int("two" if number == 2 else "1")

    with pytest.raises(BaseExceptionGroup) as caught:
        check()
    assert [failure.__notes__ for failure in caught.value.exceptions] == [["The case is one"]]


@each_case("number", [1, 2])
def test_a_test_of_many_cases_has_fixtures(number, word):
    assert (number in {1, 2}, word) == (True, "fixture")


def test_a_test_without_cases_is_none():
    with pytest.raises(AssertionError, match="without cases"):
        each_case("number", [])
