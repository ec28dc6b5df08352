"""Documents for rehearsals have coverage comments, and otherwise equal the documents for calls."""

from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime

import pytest
from scenario_folders import TEST_OPTIONS

from callflows.flows.coverage_points import CoveragePoint, parse_coverage_comment
from callflows.flows.flow_compilation import compile_flow
from callflows.language import from_xml
from callflows.rehearsal.coverage_comments import read_coverage_comments
from callflows.sandbox.deferred_jobs import NeedsResult
from callflows.telephony.turn import Turn
from shipped_flows import ALL_SHIPPED_FILES

STRANGE = """\
numbers: rest
dial_policy: {regions: [US]}
nodes:
  start:
    - when: caller.anonymous
      say: Who are you?
    - gather:
        {dtmf_length: 1, do: [say: Press one.], dtmf: {1: [], 2: [goto: a--b]}, default: [say: No.], error: [say: Well?]}
    - record: {do: [pause: 1s]}
    - geo: {states: NJ, do: [say: From New Jersey.]}
    - dial: {to: "+1{{ caller.number }}", ring: in-turn, record: true}
    - lookup: {url: "https://crm.example.com/x", into: found}
    - choose:
        - when: found.good
          goto: a--b
    - goto: b-
  a--b:
    - menu: {prompt: Press 1., keys: {1: b-}, attempts: 2, otherwise: b-}
  b-:
    - collect: {into: pin, digits: 4, prompt: Your PIN., no_match: No., attempts: 2}
    - dial: {to: [+12015550188, "{{ pin }}"]}
    - say: Goodbye.
"""


def documents(text: bytes, file: str, dialect: str, *, annotated: bool) -> list[bytes]:
    """Every document of a flow, for one call."""
    options = dataclasses.replace(TEST_OPTIONS, dialect=dialect, records_coverage=annotated)
    flow = compile_flow("acme", text, file, options).flow
    assert flow is not None
    answers = []
    for node, entries in flow.fragments_by_node.items():
        for entry in entries:
            turn = Turn(
                {"from": "+12015550999", "to": "12015550123", "dtmf": "1", "code": "1"},
                get_base_url=lambda: "https://calls.example.com",
                clock=lambda: datetime(2026, 11, 23, 15, tzinfo=UTC),
            )
            try:
                answers.append(flow.answer(node, turn, entry))
            except NeedsResult:
                continue
            except TypeError as error:  # a value that an earlier document would have set
                answers.append(repr(error).encode())
    return answers


def same(document: bytes) -> object:
    """What a document means, whenever its tickets were signed."""
    return from_xml(re.sub(rb"ticket=[^&\"]+", b"ticket=", document))


@pytest.mark.parametrize("dialect", ["reference", "classic"])
@pytest.mark.parametrize("file", [*ALL_SHIPPED_FILES, None], ids=lambda file: file.stem if file else "strange")
def test_a_document_with_notes_means_what_it_means_without(file, dialect):
    text = file.read_bytes() if file else STRANGE.encode()
    if dialect == "classic" and b"geo:" in text:
        text = re.sub(rb".*(geo|record: \{do).*\n", b"", text)
    path = str(file or "acme.yaml")
    plain, noted = (documents(text, path, dialect, annotated=annotated) for annotated in (False, True))
    assert len(plain) == len(noted) > 3
    for one, other in zip(plain, noted, strict=True):
        assert b"<!--" not in one
        if one.startswith(b"<"):
            assert b"<!--" in other
            assert same(other) == same(one)
        else:
            assert other == one


def test_no_flow_that_is_served_has_notes():
    assert TEST_OPTIONS.records_coverage is False
    flow = compile_flow("acme", STRANGE.encode(), "acme.yaml", TEST_OPTIONS).flow
    assert flow is not None
    assert flow.coverage_points == ()


def test_a_note_is_read_as_it_was_written_whatever_the_name_of_its_node():
    for node in ("start", "a--b", "b-", "x_1", "-"):
        spot = CoveragePoint(node, 12, 3, "key #")
        comment = spot.render_comment()
        assert "--" not in comment.removeprefix("<!--").removesuffix("-->")
        assert parse_coverage_comment(comment.removeprefix("<!--").removesuffix("-->")) == spot
    assert parse_coverage_comment("not ours") is None


def test_notes_stand_by_the_paths_of_the_elements_that_follow_in_both_dialects():
    note = CoveragePoint("menu", 1, 1, "key 1").render_comment()
    reference = f"<Response><Gather><DTMF value='1'>{note}<Say>One.</Say></DTMF></Gather>{note}</Response>"
    case = f"<Case dtmf='1'>{note}<Say>One.</Say></Case>"
    classic = f"<Response><Gather><Say>Press.</Say><Switch>{case}</Switch></Gather></Response>"
    assert [*read_coverage_comments(reference.encode())] == ["Gather[0].DTMF[0].Say[0]", "end"]
    assert [*read_coverage_comments(classic.encode())] == ["Gather[0].DTMF[1].Say[0]"]
