"""The progress of a call through a document is an algebra: the order of joining parts never matters."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from callflows.flows.compiler.progress import INSIDE_VERB, NOTHING_YET, Progress
from each_case import each_case

FACTS = ("answered", "heard", "waited", "moved_on", "silence_broken")
progresses = st.builds(Progress, **dict.fromkeys(("ends", *FACTS), st.booleans()))


@given(progresses)
def test_nothing_before_or_after_changes_nothing(progress):
    assert NOTHING_YET.then(progress) == progress
    assert progress.then(NOTHING_YET) == progress


@given(progresses, progresses, progresses)
def test_parts_in_a_row_may_be_joined_from_either_end(first, second, third):
    assert first.then(second).then(third) == first.then(second.then(third))


@given(progresses, progresses)
def test_nothing_follows_an_end(first, second):
    if first.ends:
        assert first.then(second) == first
    else:
        assert first.then(second).ends == second.ends


@given(progresses, progresses, progresses)
def test_the_order_of_alternatives_does_not_matter(first, second, third):
    assert first.either(second) == second.either(first)
    assert first.either(first) == first
    assert first.either(second).either(third) == first.either(second.either(third))


@given(progresses, progresses, progresses)
def test_the_same_part_may_be_joined_after_two_alternatives_or_after_each_of_them(first, second, following):
    if not (first.ends or second.ends):
        assert first.either(second).then(following) == first.then(following).either(second.then(following))


@given(progresses, progresses)
def test_a_way_that_ends_says_nothing_of_the_call_that_goes_on(first, second):
    if first.ends and not second.ends:
        assert first.either(second) == second


@each_case("fact", FACTS)
@each_case(("first", "second"), [*itertools.product((False, True), repeat=2)])
def test_time_may_have_passed_on_one_way_and_the_rest_must_be_true_on_both(fact, first, second):
    joined = getattr(Progress(**{fact: first}).either(Progress(**{fact: second})), fact)
    assert joined is ((first or second) if fact == "moved_on" else (first and second))


def test_a_verbs_branch_begins_after_the_verb_was_heard():
    assert Progress(heard=True, waited=True, moved_on=True) == INSIDE_VERB
