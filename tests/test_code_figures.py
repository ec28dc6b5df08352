from __future__ import annotations

from code_figures import measure


def test_a_public_name_is_defined_in_one_module_only():
    assert measure().repeated_names == {}


def test_a_module_name_stands_in_one_folder_only():
    assert measure().repeated_basenames == {}


def test_docstrings_name_the_noun_and_not_the_pronoun():
    assert measure().pronoun_percent < 6


def test_functions_are_named_by_more_than_one_word():
    assert measure().one_word_percent < 45


def test_reasons_stand_in_comments():
    assert measure().comment_percent >= 1
