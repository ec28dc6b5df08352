from __future__ import annotations

import copy
import pickle
import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callflows.errors import LanguageError, VerbBuildError
from callflows.language import (
    DTMF,
    Call,
    Callback,
    Curl,
    Default,
    Dial,
    Error,
    Gather,
    Geo,
    Hangup,
    Hold,
    Meta,
    Pause,
    Play,
    Record,
    Response,
    Say,
    Schedule,
    To,
    Tone,
    to_xml,
)
from callflows.language.element import MAX_ELEMENT_DEPTH, walk_elements
from callflows.language.value_kinds import DECLARABLE_KINDS, parse_duration
from callflows.language.verbs import ELEMENT_CLASSES
from callflows.text import clean_text
from document_strategies import FEWER_EXAMPLES, XML_CHARACTERS, make_elements, wrap_in_document
from each_case import each_case
from strict_mypy import STRICT_MYPY
from waiting import run_process

if TYPE_CHECKING:
    from pathlib import Path

URL = "https://flows.example.net/next"


def refusal(build) -> str:
    with pytest.raises(VerbBuildError) as caught:
        build()
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, LanguageError)
    return str(caught.value)


# What is refused, and what the refusal says


@each_case(
    ("build", "message"),
    [
        (lambda: Hangup(Say("a")), "<Say> is not allowed in <Hangup>, which takes Error, Meta"),
        (lambda: Dial(Pause()), "<Pause> is not allowed in <Dial>, which takes Error, Meta, To"),
        (lambda: Gather(Dial("1")), "<Dial> is not allowed in <Gather>"),
        (lambda: Response(To("1")), "<To> is not allowed in <Response>"),
        (lambda: Response(DTMF("1")), "<DTMF> is not allowed in <Response>"),
        (lambda: Response(Response()), "<Response> is not allowed in <Response>"),
        (lambda: Say("a", Say("b")), "<Say> is not allowed in <Say>"),
        (lambda: Meta("a", Pause(), name="b"), "<Pause> is not allowed in <Meta>, which takes nothing"),
        (lambda: Error(Error()), "<Error> is not allowed in <Error>"),
        (lambda: Response(None), "<Response> takes Answer,"),
        (lambda: Response([Pause()]), "not [Pause()]"),
        (lambda: Response(Pause), "not <class"),
        (lambda: Say("a", 5), "<Say> takes text and Error, Meta, not 5"),
    ],
)
def test_a_wrong_child_is_refused_with_those_that_may_stand_there(build, message):
    assert message in refusal(build)


@each_case(
    ("build", "message"),
    [
        (
            lambda: Say("a", gendr="MALE"),
            "<Say> has no attribute gendr (it has text, type, gender, code, lang, loop, tag; ",
        ),
        (lambda: Say("a", gendr="MALE"), "did you mean 'gender'?"),
        (lambda: Gather(dtmf_lenght=4), "did you mean 'dtmf_length'?"),
        (lambda: Gather(numDigits=4), "<Gather> has no attribute numDigits"),
        (lambda: Hangup(cause="busy"), "<Hangup> has no attribute cause (it has tag)"),
        (lambda: Response(tag="a"), "<Response> has no attribute tag (it has none)"),
        (lambda: Say("a", Loop=1), "did you mean 'loop'?"),
    ],
)
def test_a_misspelt_attribute_is_refused_with_the_nearest(build, message):
    assert message in refusal(build)


@each_case(
    ("build", "message"),
    [
        (lambda: Pause(length=-1), "<Pause> length: must be a whole number of milliseconds, 0 or more, not -1"),
        (lambda: Pause(length=10**10), "<Pause> length: must be a whole number of milliseconds"),
        (lambda: Say("a", loop=0), "<Say> loop: must be a whole number, 1 or more, not 0"),
        (lambda: Tone(loop=-(10**10)), "<Tone> loop: must be a whole number"),
        (lambda: Tone(v=1), "<Tone> v: must be 0 or below, in dB"),
        (lambda: Tone(v=0.001), "<Tone> v: must be 0 or below, in dB"),
        (lambda: Tone(v=-1.0001), "at most three decimals, not -1.0001"),
        (lambda: Tone(v=float("nan")), "<Tone> v: must be"),
        (lambda: Tone(v=float("-inf")), "<Tone> v: must be"),
        (lambda: Tone(v=-(10**6)), "<Tone> v: must be"),
        (lambda: DTMF("1a"), "<DTMF> value: must be keys: one or more of 0-9, * and #, not '1a'"),
        (lambda: DTMF(""), "<DTMF> value: must be keys"),
        (lambda: DTMF("\N{ARABIC-INDIC DIGIT ONE}"), "<DTMF> value: must be keys"),
        (lambda: Pause(dtmf_stop="12"), "<Pause> dtmf_stop: must be one key"),
        (lambda: Say("a", gender="male"), "<Say> gender: must be MALE or FEMALE, not 'male'"),
        (lambda: Say("a", lang="en_US"), "<Say> lang: must be a language tag such as en-US, not 'en_US'"),
        (lambda: Play("jingle.wav"), "<Play> url: must be an http or https URL, not 'jingle.wav'"),
        (lambda: Callback("javascript:alert(1)"), "<Callback> url: must be an http or https URL"),
        (lambda: Callback(URL, method="PUT"), "<Callback> method: must be POST, GET, PATCH or DELETE, not 'PUT'"),
        (lambda: Gather(method="PATCH"), "<Gather> method: must be GET or POST, not 'PATCH'"),
        (lambda: Dial("the workshop"), "<To> target: must be a number or a SIP address, not 'the workshop'"),
        (lambda: Dial("12015550190,12015550191"), "<To> target: must be a number or a SIP address"),
        (lambda: Schedule(dow="monday"), "<Schedule> dow: must be days (sun, mon, tue, wed, thu, fri, sat)"),
        (lambda: Schedule(time="9-17"), "<Schedule> time: must be HH:MM:SS-HH:MM:SS, not '9-17'"),
        (lambda: Geo(states="vt"), "<Geo> states: must be two-letter codes in capitals"),
        (lambda: Geo(county="Orange"), "<Geo> county: must be a name in capitals"),
        (lambda: Meta("a", name=" "), "<Meta> name: must be a name"),
        (lambda: Tone(hz="A4"), "<Tone> hz: must be frequencies in Hz"),
    ],
)
def test_a_value_out_of_range_is_refused_with_what_is_allowed(build, message):
    assert message in refusal(build)


@each_case(
    ("build", "message"),
    [
        (lambda: Say(5), "<Say> "),
        (lambda: Say(text=5), "<Say> text: must be text, not 5"),
        (lambda: Say("a", tag=5), "<Say> tag: must be text, not 5"),
        (lambda: Say("a", tag=None), "<Say> tag: must be text, not None"),
        (lambda: Say(b"a"), "<Say> "),
        (lambda: Dial(12015550190), "not 12015550190"),
        (lambda: To(target=12015550190), "<To> target: must be a number or a SIP address, not 12015550190"),
        (lambda: DTMF(value=1), "<DTMF> value: must be keys"),
        (lambda: Say("a", loop=True), "<Say> loop: must be a whole number, 1 or more, not True"),
        (lambda: Pause(length=True), "<Pause> length: must be"),
        (lambda: Tone(v=False), "<Tone> v: must be"),
        (lambda: Say("a", loop="2"), "<Say> loop: must be a whole number, 1 or more, not '2'"),
        (lambda: Say("a", loop=2.0), "<Say> loop: must be a whole number, 1 or more, not 2.0"),
        (lambda: Pause(length=0.5), "<Pause> length: must be a whole number of milliseconds"),
        (lambda: Pause(length="2s"), "<Pause> length: must be a whole number of milliseconds, 0 or more, not '2s'"),
        (lambda: Record(asr=1), "<Record> asr: must be true or false, not 1"),
        (lambda: Record(asr="true"), "<Record> asr: must be true or false, not 'true'"),
        (lambda: Gather(dtmf_length="banana"), "<Gather> dtmf_length: must be a whole number, 1 or more, not 'banana'"),
        (lambda: Schedule(dow=["mon"]), "<Schedule> dow: must be days"),
        (lambda: Meta(name="a", value=[1]), "<Meta> value: must be text, a number, a boolean or null, not [1]"),
        (lambda: Meta(name="a", value=float("nan")), "<Meta> value: must be text, a number"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(build, message):
    assert message in refusal(build)


@each_case("character", ["\x00", "\x08", "\x0b", "\x0c", "\x1b", "\x1f", "\ufffe", "\uffff", "\ud800"])
def test_a_character_that_xml_forbids_is_refused_wherever_it_stands(character):
    text = f"a{character}b"
    for build in (
        lambda: Say(text),
        lambda: Say(character),
        lambda: Say("a", tag=text),
        lambda: Meta(text, name="a"),
        lambda: Meta("a", name=text),
        lambda: Call(field="to", value=text),
        lambda: Hangup(extra={"cause": text}),
        lambda: Geo(county=f"A{character}B"),
        lambda: Callback(f"{URL}?a={character}"),
        lambda: Dial(f"ann{character}@pbx.example.net"),
    ):
        refusal(build)
    assert f"U+{ord(character):04X}, which XML forbids" in refusal(lambda: Say(text))


def test_what_a_caller_brought_can_be_cleaned():
    assert clean_text("a\x00b\ud800c\uffffd\te\U0001f600") == "abcd\te\U0001f600"
    assert clean_text("a b") == "a b"


@each_case(
    ("build", "message"),
    [
        (Dial, "<Dial> needs at least one <To>"),
        (lambda: Dial(Error()), "<Dial> needs at least one <To>"),
        (To, "<To> needs target"),
        (Say, "<Say> needs text"),
        (DTMF, "<DTMF> needs value"),
        (lambda: DTMF(Say("a")), "<DTMF> needs value"),
        (Callback, "<Callback> needs url"),
        (Curl, "<Curl> needs url"),
        (lambda: Call(field="to"), "<Call> needs value"),
        (lambda: Call(value="1"), "<Call> needs field"),
        (lambda: Meta("a"), "<Meta> needs name"),
        (lambda: Meta(name="a"), "<Meta> needs value"),
        (Play, "<Play> needs either a URL or record, and has neither"),
        (lambda: Play(URL, record="a"), "<Play> needs either a URL or record, and has url and record"),
        (lambda: Say("a", text="b"), "<Say> text: given twice, as text and as attribute"),
        (lambda: Say("a", "b"), "<Say>: its text stands once and first, not 'b' later"),
        (lambda: Say(Error(), "b"), "<Say>"),
        (lambda: Hangup("a"), "<Hangup> takes no text, but Error, Meta"),
        (lambda: Response("a"), "<Response> takes no text, but Answer"),
        (lambda: Say("a", Error(), Error()), "<Say> takes one <Error>, not 2"),
        (lambda: Gather(Default(), Default(), Default()), "<Gather> takes one <Default>, not 3"),
        (lambda: Gather(DTMF("1"), DTMF("2"), DTMF("1")), "<Gather> has two branches for 1"),
    ],
)
def test_parts_that_do_not_make_a_whole_are_refused(build, message):
    assert refusal(build).startswith(message)


def test_a_refusal_quotes_little_of_what_was_wrong():
    assert len(refusal(lambda: DTMF("x" * 10_000))) < 200
    assert len(refusal(lambda: Response(["x" * 10_000]))) < 500


def test_ten_thousand_levels_are_refused_before_anything_breaks():
    def nested(depth: int):
        element = Geo()
        for _ in range(depth):
            element = Geo(element)
        return element

    assert f"more than {MAX_ELEMENT_DEPTH} elements inside each other" in refusal(lambda: nested(10_000))
    assert nested(MAX_ELEMENT_DEPTH - 1).depth == MAX_ELEMENT_DEPTH
    assert "more than" in refusal(lambda: Response(nested(MAX_ELEMENT_DEPTH - 1)))


# What is taken


@pytest.mark.parametrize(
    ("given_", "kept"), [(timedelta(seconds=2), 2000), (timedelta(milliseconds=1), 1), (timedelta(0), 0), (90_000, 90_000)]
)
def test_a_time_is_milliseconds_or_a_timedelta(given_, kept):
    assert Pause(length=given_).attributes["length"] == kept
    assert Pause(length=given_) == Pause(length=kept)


@pytest.mark.parametrize("wrong", [timedelta(microseconds=1), timedelta(seconds=-1), timedelta(days=1000)])
def test_a_timedelta_that_is_no_time_to_wait_is_refused(wrong):
    assert "<Hold> timeout: must be a whole number of milliseconds" in refusal(lambda: Hold(timeout=wrong))


@each_case(
    ("value", "kept"), [(None, "null"), (True, "true"), (False, "false"), (7, "7"), (1.5, "1.5"), ("007", "007"), ("", "")]
)
def test_a_variable_keeps_the_text_of_its_value(value, kept):
    assert Meta(name="a", value=value).attributes["value"] == kept
    assert Call(field="to", value=value).attributes["value"] == kept


def test_a_method_is_kept_in_capitals():
    assert Callback(URL, method="post") == Callback(URL, method="POST")


def test_a_text_may_be_given_by_its_name():
    assert Say(text="a") == Say("a")
    assert Dial(To(target="1")) == Dial("1")
    assert DTMF(Hangup(), value="1") == DTMF("1", Hangup())
    assert Callback(Error(), url=URL) == Callback(URL, Error())


def test_the_order_of_attributes_means_nothing_and_that_of_children_does():
    assert Say("a", loop=1, lang="en") == Say("a", lang="en", loop=1)
    assert hash(Say("a", loop=1, lang="en")) == hash(Say("a", lang="en", loop=1))
    assert Response(Pause(), Hangup()) != Response(Hangup(), Pause())


def test_the_prompts_of_a_gather_stand_first_however_they_are_given():
    gather = Gather(DTMF("1"), Say("a"), Error(), Pause(), Default())
    assert gather == Gather(Say("a"), Pause(), DTMF("1"), Error(), Default())
    assert [type(child) for child in gather.children] == [Say, Pause, DTMF, Error, Default]


def test_a_declared_attribute_is_kept_as_text():
    assert dict(Dial("1", extra={"callerId": "2", "n": 3, "on": True}).extra) == {"callerId": "2", "n": "3", "on": "true"}
    assert Dial("1", extra={}) == Dial("1")
    assert Dial("1", extra={"a": "b"}) != Dial("1")


@each_case(
    ("extra", "message"),
    [
        ({"timeout": 5}, "<Dial> extra: timeout is an attribute of its own, give it by its name"),
        ({"caller id": "a"}, "<Dial> extra: 'caller id' cannot be the name of an attribute"),
        ({'a="b" c': "d"}, "cannot be the name of an attribute"),
        ({"1a": "b"}, "cannot be the name of an attribute"),
        ({"x:y": "b"}, "cannot be the name of an attribute"),
        ({"": "b"}, "cannot be the name of an attribute"),
        ({5: "b"}, "cannot be the name of an attribute"),
        ({"a": []}, "<Dial> a: must be text, a number, a boolean or null, not []"),
    ],
)
def test_a_wrong_extra_attribute_is_refused(extra, message):
    assert message in refusal(lambda: Dial("1", extra=extra))


# An element is a value


def test_an_element_cannot_change():
    say = Say("a", Error(), tag="b")
    for change in (
        lambda: setattr(say, "attributes", {}),
        lambda: setattr(say, "children", ()),
        lambda: setattr(say, "voice", "alice"),
    ):
        with pytest.raises(AttributeError, match="<Say> cannot change: build another"):
            change()
    with pytest.raises((AttributeError, TypeError)):
        del say.children
    with pytest.raises(TypeError):
        say.attributes["tag"] = "c"
    with pytest.raises(TypeError):
        Dial("1", extra={"a": "b"}).extra["a"] = "c"
    assert say == Say("a", Error(), tag="b")


def test_an_element_does_not_change_with_what_it_was_built_of():
    extra = {"callerId": "1"}
    attributes = {"tag": "a"}
    dial = Dial("1", extra=extra, **attributes)
    extra["callerId"] = "2"
    attributes["tag"] = "b"
    assert dial == Dial("1", extra={"callerId": "1"}, tag="a")


@pytest.mark.parametrize("cls", ELEMENT_CLASSES.values())
@FEWER_EXAMPLES
@given(data=st.data())
def test_an_element_is_copied_pickled_and_compared_as_the_value_it_is(cls, data):
    element = data.draw(make_elements(cls, cls.spec.dialects[0], 1))
    assert copy.copy(element) is element
    assert copy.deepcopy(element) is element
    pickled = pickle.loads(pickle.dumps(element))  # noqa: S301 - our own
    assert pickled == element
    assert hash(pickled) == hash(element)
    assert pickled is not element
    assert element != "text"
    assert element != wrap_in_document(element) or cls is Response


def test_elements_of_different_names_are_different():
    assert Default(tag="a") != Error(tag="a")
    assert len({Hangup(), Hangup(), Hangup(tag="a"), Pause()}) == 3


@pytest.mark.parametrize("cls", ELEMENT_CLASSES.values())
@FEWER_EXAMPLES
@given(data=st.data())
def test_an_element_is_shown_as_the_program_that_builds_it(cls, data):
    element = data.draw(make_elements(cls, cls.spec.dialects[0], 1))
    assert eval(repr(element), dict(ELEMENT_CLASSES)) == element  # noqa: S307 - our own


def test_an_element_may_stand_in_many_documents():
    hangup = Hangup()
    first, second = Response(hangup), Response(Geo(hangup), hangup)
    assert to_xml(first) == to_xml(Response(Hangup()))
    assert [path for path, _ in walk_elements(second)] == ["Geo[0]", "Geo[0].Hangup[0]", "Hangup[1]"]


# Durations and kinds


@each_case(
    ("text", "ms"), [("500ms", 500), ("20s", 20_000), ("2m", 120_000), ("1h", 3_600_000), ("1.5s", 1500), (" 3 s ", 3000)]
)
def test_a_duration_has_a_unit(text, ms):
    assert parse_duration(text) == ms


@pytest.mark.parametrize(
    ("text", "fix"),
    [("20", "did you mean 20s?"), ("2 weeks", "such as 500ms, 20s or 2m"), ("0.5ms", "whole milliseconds")],
)
def test_a_duration_without_a_unit_is_refused(text, fix):
    with pytest.raises(ValueError, match=re.escape(fix)):
        parse_duration(text)


@given(ms=st.integers(0, 10**7))
def test_a_duration_may_have_a_fraction_down_to_a_millisecond(ms):
    assert parse_duration(f"{ms // 1000}.{ms % 1000:03}s") == ms


@pytest.mark.parametrize("kind", DECLARABLE_KINDS.values(), ids=lambda kind: kind.name)
@given(data=st.data())
def test_a_kind_reads_what_it_wrote(kind, data):
    pattern = kind.pattern if kind.pattern is not None else ".*"
    value = kind.parse_text(data.draw(st.from_regex(pattern, fullmatch=True, alphabet=XML_CHARACTERS)))
    assert kind.parse_text(kind.format_value(value)) == value
    assert kind.check_value(value) == value


# What a type checker sees

RIGHT = """
from datetime import timedelta
from callflows.language import *
response: Response = Response(
    Answer(delay=timedelta(seconds=1)), Say("a", Error(Hangup()), Meta("b", name="c"), gender="MALE", loop=2, tag="d"),
    Gather(Say("a"), DTMF("1", Dial("2", To("3"), Error(), timeout=5)), Default(), Error(play=True), dtmf_length=1),
    Play(record="a"), Play("https://a.example.net"), Tone(v=-1.5), Record(Pause(dtmf_stop="#"), asr=True),
    Callback("https://a.example.net", method="POST", body=False), Call(Hangup(), field="to", value=None),
    Geo(Schedule(Hangup(), dow="mon")), Hangup(extra={"cause": "busy", "n": 1, "on": True}), Error(),
)
document: bytes = to_xml(response, "classic", extensions=Extensions.from_declarations({"Hangup": {"cause": "text"}}))
again: Response = from_xml(document)
"""

WRONG = {
    'Say("a", gendr="MALE")': "call-arg",
    'Say("a", gender="male")': "arg-type",
    "Say(5)": "arg-type",
    'Say("a", loop="2")': "arg-type",
    'Say("a", Say("b"))': "arg-type",
    'Hangup("a")': "arg-type",
    'Hangup(Say("a"))': "arg-type",
    'Hangup(tag="a", cause="b")': "call-arg",
    'Response("a")': "arg-type",
    'Response(To("1"))': "arg-type",
    "Response(Response())": "arg-type",
    'Dial(Say("a"))': "arg-type",
    "Dial(12015550190)": "arg-type",
    'Gather(Dial("1"))': "arg-type",
    'Gather(dtmf_length="4")': "arg-type",
    "Gather(numDigits=4)": "call-arg",
    'Call(field="to")': "call-arg",
    'Call(value="1")': "call-arg",
    'Meta("a")': "call-arg",
    "Pause(length=0.5)": "arg-type",
    'Tone(leg="cleg")': "arg-type",
    'Error("a")': "arg-type",
    'Callback("https://a.example.net", method="PUT")': "arg-type",
    'to_xml(Say("a"))': "arg-type",
    'to_xml(Response(), "twiml")': "arg-type",
    'from_xml("<Response/>")': "arg-type",
    "Response().voice": "attr-defined",
}


def type_errors(program: str, folder: Path) -> set[tuple[int, str]]:
    """Line and code of each error that a strict type checker finds."""
    (folder / "program.py").write_text(program, encoding="utf-8")
    checked = run_process([*STRICT_MYPY, "--no-error-summary", "program.py"], cwd=folder)
    assert checked.returncode in {0, 1}, checked.stdout + checked.stderr
    found = re.findall(r"^program\.py:(\d+): error: .*\[([\w-]+)\]$", checked.stdout, re.MULTILINE)
    return {(int(line), code) for line, code in found}


def test_a_type_checker_passes_what_is_right_and_finds_what_is_wrong(tmp_path):
    head = RIGHT.strip().splitlines()
    program = "\n".join([*head, *WRONG])
    assert type_errors(program, tmp_path) == {(number, code) for number, code in enumerate(WRONG.values(), len(head) + 1)}


@each_case("line", [line for line in WRONG if not line.startswith(("from_xml", "Response()."))])
def test_what_a_type_checker_finds_is_refused_when_it_runs_too(line):
    with pytest.raises(LanguageError):
        eval(line, {**ELEMENT_CLASSES, "to_xml": to_xml})  # noqa: S307 - our own
