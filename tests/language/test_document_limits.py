"""Documents and arguments of authors that could slow the server down or get past the checks."""

from __future__ import annotations

import enum
from pathlib import Path

import pytest
from markupsafe import Markup

from callflows import DTMF, Callback, Dial, Gather, Meta, Play, Response, Say, from_xml, to_xml
from callflows.errors import DocumentReadError, LanguageError, VerbBuildError
from callflows.language import Extensions
from callflows.language.value_kinds import parse_loose_value
from each_case import each_case
from strict_mypy import STRICT_MYPY
from waiting import run_process


class Choice(str, enum.Enum):  # noqa: UP042 - StrEnum writes itself, and would prove nothing
    MALE = "MALE"
    ONE = "1"


def test_a_thousand_comments_before_a_broken_document_are_read_in_no_time():
    with pytest.raises(DocumentReadError, match="not well-formed"):
        from_xml(b"<!-- a --><?b c?>" * 1000 + b"<Response><Say></Response>")


def test_a_document_type_behind_a_thousand_comments_is_found():
    with pytest.raises(DocumentReadError, match="document types are refused"):
        from_xml(b"<!-- a -->" * 1000 + b"<!DOCTYPE Response><Response/>")


def test_a_gather_of_ten_thousand_branches_is_read():
    branches = "".join(f'<DTMF value="{i}"/>' for i in range(10_000))
    assert len(from_xml(f"<Response><Gather>{branches}</Gather></Response>".encode()).children[0].children) == 10_000


def test_an_element_of_a_thousand_attributes_is_refused():
    attributes = " ".join(f'a{i}="x"' for i in range(1000))
    with pytest.raises(DocumentReadError, match="more than 50 attributes"):
        from_xml(f"<Response><Say {attributes}>a</Say></Response>".encode())


def test_a_text_of_another_class_is_kept_as_plain_text():
    assert Say("a", gender=Choice.MALE) == Say("a", gender="MALE")
    assert b'value="1"' in to_xml(Response(Gather(DTMF(Choice.ONE))))
    document = to_xml(Response(Play(Markup("https://a.example/?x=1&y=2")), Meta("a", name=Markup("b & c"))))
    assert document.count(b"&amp;") == 2
    assert b"amp;amp" not in document
    assert Dial(Markup("+12015550188")) == Dial("+12015550188")


def test_a_callback_always_says_its_method():
    assert to_xml(Response(Callback("https://a.example/x"))).count(b'method="GET"') == 1
    assert from_xml(b"<Response><callback>https://a.example/x</callback></Response>") == Response(
        Callback("https://a.example/x")
    )


@pytest.mark.parametrize("given", [5, "ab", [("a", "b")]])
def test_extra_is_a_mapping(given):
    with pytest.raises(VerbBuildError, match="extra"):
        Say("a", extra=given)


@pytest.mark.parametrize("declared", [{"Dial": None}, {"Say": {"xmlns": "text"}}, {"Say": {"xml-a": "text"}}])
def test_a_declaration_that_cannot_be_is_refused(declared):
    with pytest.raises(LanguageError):
        Extensions.from_declarations(declared)


@each_case(
    ("text", "value"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("123", 123),
        ("-5", -5),
        ("123.99", 123.99),
        ("007a", "007a"),
        ("", ""),
    ],
)
def test_a_loose_value_has_the_type_that_it_looks_like(text, value):
    assert parse_loose_value(text) == value
    assert type(parse_loose_value(text)) is type(value)


def test_a_program_outside_is_checked_by_mypy_too(tmp_path):
    (tmp_path / "program.py").write_text('from callflows import Say, Sey\nSay("a", lang="es")\nSay("a", lagn="es")\n')
    checked = run_process([*STRICT_MYPY, "program.py"], cwd=tmp_path)
    assert 'Module "callflows" has no attribute "Sey"' in checked.stdout
    assert 'Unexpected keyword argument "lagn"' in checked.stdout
    assert "Found 2 errors" in checked.stdout
    assert (Path(__file__).parents[2] / "app" / "callflows" / "py.typed").exists()


@each_case(
    ("content", "place", "said"),
    [
        ("<Say>Hi</Sey>", (2, 14), "<Say> is not closed before </Sey>"),
        ("<Gather terminate>", (2, 18), 'write terminate="…"'),
        ('<Say lang="a"gender="b">x</Say>', (2, 14), "a blank is missing between two attributes"),
        ('<Say lang="en"', (3, 1), "here a > or an attribute"),
        ("<Say>a</ Say>", (2, 10), "a closing tag has its > right after its name"),
        ("<Pause/><!-- a <Say>x</Say>", (2, 9), "the comment that opens here is not closed"),
        ("<!-- a --><!-- b", (2, 11), "the comment that opens here is not closed"),
        ("<!-- ü\n--><Say><![CDATA[ x", (3, 9), "the <![CDATA[ that opens here is not closed"),
        ("<?php echo 1", (2, 1), "write ?> at its end"),
        ("<!-- a -- b -->", (2, 8), "a comment may not hold --"),
        ("<Say>a ]]> b</Say>", (2, 8), "write ]]&gt;"),
        ('<?xml version="1.0"?>', (2, 6), "take it out here"),
        ("<x:Say>x</x:Say>", (2, 7), "write <Say> for <x:Say>"),
        ("<Say>&#12a;</Say>", (2, 10), "as &#160;"),
        ("</Response>\nHello", (3, 1), "something stands after its end"),
    ],
)
def test_a_slip_in_xml_is_told_on_one_line_with_its_fix_where_it_begins(content, place, said):
    with pytest.raises(DocumentReadError) as error:
        from_xml(f"<Response>\n{content}\n</Response>".encode())
    assert said in error.value.reason
    assert "\n" not in error.value.reason
    assert (error.value.line, error.value.column) == place
