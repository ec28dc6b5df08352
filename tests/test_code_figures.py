from __future__ import annotations

from code_figures import measure

FIGURES = measure()


def test_a_public_name_is_defined_in_one_module_only():
    assert FIGURES.repeated_names == {}


def test_a_module_name_stands_in_one_folder_only():
    assert FIGURES.repeated_basenames == {}


def test_docstrings_name_the_noun_and_not_the_pronoun():
    assert FIGURES.pronoun_percent < 6


def test_functions_are_named_by_more_than_one_word():
    assert FIGURES.one_word_percent < 45


def test_reasons_stand_in_comments():
    assert FIGURES.comment_percent >= 1
