from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree

from callflows.errors import DialectError, DocumentReadError, LanguageError
from callflows.language import (
    DTMF,
    Answer,
    Call,
    Callback,
    Curl,
    Default,
    Dial,
    Error,
    Extensions,
    Gather,
    Hangup,
    Meta,
    Pause,
    Play,
    Record,
    Redirect,
    Reject,
    Response,
    Say,
    Schedule,
    To,
    Tone,
    from_xml,
    to_xml,
)
from callflows.language.dialects import ELEMENT_SPELLINGS, TAG_MEANINGS
from callflows.language.element import MAX_ELEMENT_DEPTH, walk_elements
from callflows.language.verb_table import DIALECTS
from callflows.language.verbs import ELEMENT_CLASSES, ELEMENT_SPECS
from callflows.language.xml_writer import MAX_DOCUMENT_BYTES
from document_strategies import (
    FEWER_EXAMPLES,
    HOSTILE_TEXTS,
    SAMPLE_EXTENSIONS,
    make_documents,
    make_elements,
    wrap_in_document,
    xml_texts,
)
from each_case import each_case
from golden_documents import indent_document, list_documents, make_file_name, read_accepted_document, read_refused_document

SPOKEN = [(cls, dialect) for cls in ELEMENT_CLASSES.values() for dialect in cls.spec.dialects]
KEPT = [(dialect, name) for dialect in DIALECTS for name in list_documents(dialect, ".xml")]


def read(text: str) -> Response:
    return from_xml(text.encode())


def refusal(document: bytes | str) -> DocumentReadError:
    with pytest.raises(DocumentReadError) as caught:
        from_xml(document.encode() if isinstance(document, str) else document)
    return caught.value


def shape(document: bytes) -> list[str]:
    """The tags of a document, as a parser that is not ours sees them."""
    return [str(node.tag) for node in etree.fromstring(document).iter()]


# What is written is read again


@pytest.mark.parametrize(("cls", "dialect"), SPOKEN)
@FEWER_EXAMPLES
@given(data=st.data())
def test_every_element_is_read_as_it_was_written(cls, dialect, data):
    document = wrap_in_document(data.draw(make_elements(cls, dialect)))
    assert from_xml(to_xml(document, dialect, extensions=SAMPLE_EXTENSIONS), extensions=SAMPLE_EXTENSIONS) == document


@given(dialect=st.sampled_from(DIALECTS), data=st.data())
def test_every_document_is_read_as_it_was_written(dialect, data):
    document = data.draw(make_documents(dialect))
    assert from_xml(to_xml(document, dialect, extensions=SAMPLE_EXTENSIONS), extensions=SAMPLE_EXTENSIONS) == document


@given(written=st.sampled_from(DIALECTS), data=st.data())
def test_what_both_dialects_can_say_means_the_same_in_both(written, data):
    document = from_xml(
        to_xml(data.draw(make_documents(written)), written, extensions=SAMPLE_EXTENSIONS), extensions=SAMPLE_EXTENSIONS
    )
    other = next(dialect for dialect in DIALECTS if dialect != written)
    try:
        translated = to_xml(document, other, extensions=SAMPLE_EXTENSIONS)
    except DialectError as error:
        assert error.path in {path for path, _ in walk_elements(document)}  # noqa: PT017 - either is right
    else:
        assert from_xml(translated, extensions=SAMPLE_EXTENSIONS) == document


@given(data=st.data())
def test_writing_the_same_document_twice_gives_the_same_bytes(data):
    document = data.draw(make_documents("reference"))
    first = to_xml(document, "reference", extensions=SAMPLE_EXTENSIONS)
    assert to_xml(document, "reference", extensions=SAMPLE_EXTENSIONS) == first
    assert to_xml(from_xml(first, extensions=SAMPLE_EXTENSIONS), extensions=SAMPLE_EXTENSIONS) == first


def test_a_document_begins_with_its_declaration_and_is_utf_8():
    assert to_xml(Response(Say("Grüße"))) == (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Response><Say>Grüße</Say></Response>'.encode()
    )


@each_case(
    ("value", "written"),
    [
        ("plain", '<Meta name="a" value="plain"/>'),
        ("two\nlines", '<Meta name="a">two\nlines</Meta>'),
        ("\n", '<Meta name="a" value="&#10;"/>'),
        ("tab\t\"and' <quotes>", '<Meta name="a" value="tab&#9;&quot;and\' &lt;quotes&gt;"/>'),
        (None, '<Meta name="a" value="null"/>'),
        (True, '<Meta name="a" value="true"/>'),
        (12.50, '<Meta name="a" value="12.5"/>'),
    ],
)
def test_a_variable_is_written_as_an_attribute_unless_it_has_several_lines(value, written):
    document = to_xml(Response(Meta(name="a", value=value))).decode()
    assert document.endswith(f"<Response>{written}</Response>")


def test_a_classic_target_is_a_number_or_an_address():
    document = to_xml(Response(Dial("12015550180", "+12015550181", "gus@pbx.example.net", "SIP:hal@pbx")), "classic")
    assert shape(document) == ["Response", "Dial", "Number", "Number", "Sip", "Sip"]


def test_the_prompts_of_a_classic_gather_stand_before_its_switch():
    document = to_xml(Response(Gather(DTMF("1"), Say("Press 1."), Error(), Pause(length=5))), "classic")
    inside = '<Say>Press 1.</Say><Pause length="5"/><Switch><Case dtmf="1"/><Error/></Switch>'
    assert document.decode().endswith(f"<Response><Gather>{inside}</Gather></Response>")


# The documents kept beside the tests


@each_case(("dialect", "name"), KEPT)
def test_a_kept_document_is_written_as_it_was_read(dialect, name):
    text = read_accepted_document(dialect, name)
    assert indent_document(to_xml(read(text), dialect)) == text


@each_case(("cls", "dialect"), SPOKEN)
def test_every_element_has_a_kept_document_with_all_its_attributes(cls, dialect):
    found = [
        element
        for _, element in [
            *walk_elements(read(read_accepted_document(dialect, make_file_name(cls.__name__)))),
            ("", Response()),
        ]
    ]
    used = {name for element in found if type(element) is cls for name in element.attributes}
    assert any(type(element) is cls for element in found)
    assert used == set(ELEMENT_SPELLINGS[dialect][cls].attributes)


def test_every_kept_document_is_of_an_element():
    assert set(KEPT) == {(dialect, make_file_name(cls.__name__)) for cls, dialect in SPOKEN}


@each_case("name", list_documents("refused", ".txt"))
def test_a_refused_document_is_refused_where_it_is_wrong(name):
    wrong = read_refused_document(name)
    error = refusal(wrong.document)
    assert error.line == wrong.line
    assert error.column >= 1
    assert f"<{wrong.element}>" in error.reason or not wrong.element
    assert re.search(rf"\b{wrong.attribute}\b", error.reason)


# What a dialect lacks


@pytest.mark.parametrize("cls", [cls for cls in ELEMENT_CLASSES.values() if len(cls.spec.dialects) == 1])
@given(data=st.data())
@settings(max_examples=3)
def test_what_a_dialect_lacks_is_refused_with_its_place(cls, data):
    element = data.draw(make_elements(cls, cls.spec.dialects[0], 0))
    other = next(dialect for dialect in DIALECTS if dialect not in cls.spec.dialects)
    document = Response(Say("Bread."), Gather(DTMF("1", Pause(), element)), element)
    with pytest.raises(DialectError, match=f"not in the {other} dialect") as caught:
        to_xml(document, other, extensions=SAMPLE_EXTENSIONS)
    assert caught.value.path == f"Gather[1].DTMF[0].{cls.__name__}[1]"
    assert f"<{cls.__name__}>" in caught.value.reason


@each_case(
    ("document", "dialect", "path", "words"),
    [
        (Response(Pause(), Gather(timeout=1)), "reference", "Gather[1]", "<Gather> timeout"),
        (Response(Gather(attempts=1)), "reference", "Gather[0]", "<Gather> attempts"),
        (Response(Gather(method="GET")), "reference", "Gather[0]", "<Gather> method"),
        (Response(Gather(dtmf_stop="+")), "reference", "Gather[0]", "<Gather> dtmf_stop"),
        (Response(Record(Dial("1", record="do-not-record"))), "reference", "Record[0].Dial[0]", "<Dial> record"),
        (Response(Say("a", Meta("b", name="c"))), "classic", "Say[0].Meta[0]", "<Meta>"),
        (Response(Dial("1", Error(Answer()))), "classic", "Dial[0].Error[1].Answer[0]", "<Answer>"),
        (Response(Hangup(extra={"cause": "busy"})), "reference", "Hangup[0]", "<Hangup> cause"),
        (Response(Reject(), Redirect()), "reference", "Reject[0]", "<Reject>"),
    ],
)
def test_what_a_dialect_lacks_is_named(document, dialect, path, words):
    with pytest.raises(DialectError) as caught:
        to_xml(document, dialect)
    assert (caught.value.path, words in caught.value.reason) == (path, True)
    assert str(caught.value) == f"{path}: {caught.value.reason}"


def test_a_plus_may_end_the_input_in_classic_only():
    document = Response(Gather(dtmf_stop="+"))
    assert from_xml(to_xml(document, "classic")) == document
    assert refusal('<Response><Gather dtmf_stop="+"/></Response>').line == 1


def test_there_is_no_third_dialect():
    with pytest.raises(LanguageError, match="no dialect 'twiml'"):
        to_xml(Response(), "twiml")


@pytest.mark.parametrize("nothing", [None, Say("a"), "<Response/>", b"<Response/>", [Response()]])
def test_only_a_response_is_a_document(nothing):
    with pytest.raises(LanguageError, match="a document is a Response"):
        to_xml(nothing)


# Attributes that the user declares


def test_a_declared_attribute_is_read_and_written():
    declared = Extensions.from_declarations({"Dial": {"callerId": "text", "patience": "ms"}})
    document = b'<Response><Dial callerId="A &amp; B" patience="20000"><To>12015550182</To></Dial></Response>'
    response = from_xml(document, extensions=declared)
    assert response.children[0].extra == {"callerId": "A & B", "patience": "20000"}
    assert to_xml(response, extensions=declared).endswith(document)
    assert "callerId" in refusal(document).reason


def test_a_declared_attribute_is_checked_by_its_kind():
    declared = Extensions.from_declarations({"Dial": {"patience": "ms"}})
    with pytest.raises(DocumentReadError, match="line 1: <Dial> patience: must be a whole number"):
        from_xml(b'<Response><Dial patience="long"><To>1</To></Dial></Response>', extensions=declared)
    with pytest.raises(DialectError, match=re.escape("Dial[0]: <Dial> patience: must be a whole number")):
        to_xml(Response(Dial("1", extra={"patience": "long"})), extensions=declared)


@each_case(
    ("declared", "words"),
    [
        ({"Dail": {"callerId": "text"}}, "no element <Dail>; did you mean 'Dial'?"),
        ({"Dial": {"callerId": "words"}}, "no kind 'words'"),
        ({"Dial": {"caller id": "text"}}, "'caller id' cannot be the name"),
        ({"Dial": {"": "text"}}, "cannot be the name"),
        ({"Dial": {"timeout": "text"}}, "timeout of its own"),
        ({"Gather": {"numDigits": "text"}}, "numDigits of its own"),
        ({"Tone": {"volume": "text"}}, "volume of its own"),
    ],
)
def test_a_wrong_declaration_is_refused(declared, words):
    with pytest.raises(LanguageError, match=re.escape(words)):
        Extensions.from_declarations(declared)


# Variant spellings


@each_case(
    ("spelled", "meant"),
    [
        ('<Say text="Bread."/>', Say("Bread.")),
        ('<Say text="">\n</Say>', Say("")),
        ("<Say/>", Say("")),
        ("<Say> \n</Say>", Say(" \n")),
        ("<Say><![CDATA[<b> & </b>]]></Say>", Say("<b> & </b>")),
        ('<Play url="https://media.example.net/a.mp3"/>', Play("https://media.example.net/a.mp3")),
        ("<Play>\n  https://media.example.net/a.mp3\n</Play>", Play("https://media.example.net/a.mp3")),
        ('<Play record="a">\n</Play>', Play(record="a")),
        ("<callback>https://flows.example.net/</callback>", Callback("https://flows.example.net/")),
        ("<Callback>https://flows.example.net/</Callback>", Callback("https://flows.example.net/")),
        ('<callback url="https://f.example.net/" method="pAtCh"/>', Callback("https://f.example.net/", method="PATCH")),
        ('<Curl url="http://a.example.net" method="post"/>', Curl("http://a.example.net", method="POST")),
        ('<Gather length="4"/>', Gather(dtmf_length=4)),
        ('<Gather numDigits="4" finishOnKey="#"/>', Gather(dtmf_length=4, dtmf_stop="#")),
        ('<Gather callback="http://a.example.net" method="post"/>', Gather(url="http://a.example.net", method="POST")),
        ('<Gather><Case dtmf="1"/><Default/></Gather>', Gather(DTMF("1"), Default())),
        ('<Gather><Switch><DTMF value="1"/></Switch><Error/></Gather>', Gather(DTMF("1"), Error())),
        ('<Gather><DTMF value="1"/><Say>One.</Say></Gather>', Gather(Say("One."), DTMF("1"))),
        ("<Gather><Switch/></Gather>", Gather()),
        ('<Tone volume="-3"/>', Tone(v=-3)),
        ('<Tone v="-3.500"/>', Tone(v=-3.5)),
        ('<Tone v="-0"/>', Tone(v=0)),
        ('<Scheduler dow="fri"><Hangup/></Scheduler>', Schedule(Hangup(), dow="fri")),
        ('<Say>Bread.<Error say="true"/></Say>', Say("Bread.", Error(play=True))),
        ('<Meta name="a">b</Meta>', Meta("b", name="a")),
        ('<Meta name="a" value="b">\n</Meta>', Meta("b", name="a")),
        ('<Pause length=" 007 "/>', Pause(length=7)),
        ('<Record asr="\ttrue"/>', Record(asr=True)),
        ("<Dial><Number> 12015550183 </Number></Dial>", Dial("12015550183")),
        ("<Dial><Sip>ida@pbx.example.net</Sip><To>1</To></Dial>", Dial("ida@pbx.example.net", "1")),
        ('<Call field="to" value=" 007 "/>', Call(field="to", value=" 007 ")),
    ],
)
def test_a_variant_spelling_is_read(spelled, meant):
    assert read(f"<Response>{spelled}</Response>") == Response(meant)


def test_a_document_of_the_other_dialect_is_read_whatever_the_setting():
    text = '<Response><Gather numDigits="1"><DTMF value="1"/><Case dtmf="2"/></Gather><Answer/><Reject/></Response>'
    assert read(text) == Response(Gather(DTMF("1"), DTMF("2"), dtmf_length=1), Answer(), Reject())


# What XML lets a writer do


def test_blanks_comments_and_processing_instructions_mean_nothing():
    text = (
        "\n<!-- a --><?b c?>\n<Response>\n\t<!-- d --><Dial\n>\r\n<?e?> <To>1201<!-- f -->555<?g?>0184</To>\n"
        "<!-- h --><Error><!-- i --></Error></Dial>\n</Response>\n<!-- j -->\n"
    )
    assert read(text) == Response(Dial("12015550184", Error()))


def test_a_text_keeps_its_blanks():
    assert read("<Response><Say>\n a  b\t</Say></Response>") == Response(Say("\n a  b\t"))


def test_a_comment_does_not_end_a_text():
    assert read("<Response><Say>Bread <!-- and --> butter<?x?>.</Say></Response>") == Response(Say("Bread  butter."))


@each_case("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "cp1252"])
def test_a_document_is_read_in_its_encoding(encoding):
    names = {"latin-1": "ISO-8859-1", "cp1252": "windows-1252", "utf-8-sig": "utf-8"}
    text = f'<?xml version="1.0" encoding="{names.get(encoding, encoding)}"?>\n<Response><Say>Brötchen</Say></Response>'
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    assert from_xml(mark + text.encode(encoding)) == Response(Say("Brötchen"))


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1", "cp1252"])
def test_the_line_is_known_in_every_encoding(encoding):
    names = {"latin-1": "ISO-8859-1", "cp1252": "windows-1252"}
    text = f'<?xml version="1.0" encoding="{names.get(encoding, encoding)}"?>\n<Response>\n<Say>ä</Say><Sya/></Response>'
    assert refusal(text.encode(encoding)).line == 3


@pytest.mark.parametrize("document", ["<?xml version='1.0' encoding='klingon'?><Response/>", b"<Response>\xff</Response>"])
def test_an_unknown_or_wrong_encoding_is_refused(document):
    assert refusal(document).line == 1


def test_a_namespace_that_nobody_uses_does_no_harm():
    assert read('<Response xmlns:x="urn:x"><Hangup/></Response>') == Response(Hangup())


@pytest.mark.parametrize(
    "document",
    [
        '<x:Response xmlns:x="urn:x"/>',
        '<Response xmlns="urn:x"/>',
        '<Response><x:Say xmlns:x="urn:x">a</x:Say></Response>',
        '<Response><Say xml:lang="en">a</Say></Response>',
    ],
)
def test_a_name_of_another_namespace_is_none_of_ours(document):
    assert refusal(document).line == 1


# What XML lets an attacker do

LAUGHS = "".join(f"<!ENTITY l{n} '{f'&l{n - 1};' * 10 if n else 'ha'}'>" for n in range(10))


@each_case(
    "document",
    [
        "<!DOCTYPE Response><Response/>",
        f"<!DOCTYPE Response [{LAUGHS}]><Response><Say>&l9;</Say></Response>",
        f"<!DOCTYPE Response [{LAUGHS}]><Response><Say text='&l9;'/></Response>",
        "<!DOCTYPE Response [<!ENTITY x SYSTEM 'file:///dev/null'>]><Response><Say>&x;</Say></Response>",
        "<!DOCTYPE Response SYSTEM 'http://192.0.2.1/x.dtd'><Response><Say>a</Say></Response>",
        "<!DOCTYPE Response PUBLIC 'x' 'http://192.0.2.1/x.dtd'><Response/>",
        "<!DOCTYPE Response [<!ENTITY % x SYSTEM 'http://192.0.2.1/x.dtd'> %x;]><Response/>",
        "<!DOCTYPE Response [<!ATTLIST Say gender CDATA 'MALE'>]><Response><Say>a</Say></Response>",
        "<!DOCTYPE Response [<!ENTITY x 'a'>]><Response><Say>&x;</Say></Response>",
    ],
)
def test_a_document_type_is_refused_and_nothing_is_fetched(document):
    assert "entities and document types are refused" in refusal(document).reason
    assert refusal(document.encode("utf-16")).line == 1


def test_the_line_of_a_document_type_is_known():
    error = refusal("<?xml version='1.0'?>\n\n  <!DOCTYPE Response [<!ENTITY x 'a'>]>\n<Response>&x;</Response>")
    assert (error.line, error.column) == (3, 3)


def test_words_that_look_like_a_document_type_are_words():
    assert read("<Response><Say><![CDATA[<!DOCTYPE x>]]></Say></Response>") == Response(Say("<!DOCTYPE x>"))


def test_ten_megabytes_are_refused():
    assert "has 10000032 bytes" in refusal(b"<Response><Say>" + b"a" * 10_000_000 + b"</Say></Response>").reason


def test_a_document_may_be_as_long_as_it_may_and_no_longer():
    longest = "x" * (MAX_DOCUMENT_BYTES - len(to_xml(Response(Say("x")))) + 1)
    assert from_xml(to_xml(Response(Say(longest)))) == Response(Say(longest))
    with pytest.raises(LanguageError, match=f"{MAX_DOCUMENT_BYTES + 1} bytes"):
        to_xml(Response(Say(longest + "x")))
    assert "bytes" in refusal(to_xml(Response(Say(longest))) + b"\n").reason


@pytest.mark.parametrize("depth", [MAX_ELEMENT_DEPTH, MAX_ELEMENT_DEPTH + 10, 300, 10_000])
def test_a_document_that_is_too_deep_is_refused(depth):
    text = "<Response>" + "<Geo>" * depth + "</Geo>" * depth + "</Response>"
    assert refusal(text).line == 1


def test_a_document_may_be_as_deep_as_it_may():
    depth = MAX_ELEMENT_DEPTH - 1
    response = read("<Response>" + "<Geo>" * depth + "</Geo>" * depth + "</Response>")
    assert response.depth == MAX_ELEMENT_DEPTH
    assert from_xml(to_xml(response)) == response


def test_ten_thousand_commands_are_read():
    response = Response(*[Pause(length=n) for n in range(10_000)])
    assert from_xml(to_xml(response)) == response


@given(document=st.binary(max_size=200))
@example(document=b"")
@example(document=b" \n")
@example(document=b"\x00")
@example(document=b"\xff\xfe")
@example(document=b"<")
@example(document=b"<Response")
@example(document=b"<Response/>\x00")
@example(document=b"\xef\xbb\xbf")
def test_bytes_that_are_no_document_are_refused_as_such(document):
    error = refusal(document)
    assert error.line >= 1
    assert error.column >= 1


@settings(max_examples=100)
@given(kept=st.sampled_from(KEPT), data=st.data())
def test_a_document_with_wounds_is_read_or_refused(kept, data):
    document = bytearray(read_accepted_document(*kept).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(document)))
        document[place : place + data.draw(st.integers(0, 5))] = data.draw(st.binary(max_size=3))
    try:
        response = from_xml(bytes(document))
    except DocumentReadError as error:
        line = error.line
    else:
        assert isinstance(response, Response)
        line = 1
    assert 1 <= line <= document.count(b"\n") + document.count(b"\r") + 1


# Where it is wrong


@each_case(
    ("document", "line", "column"),
    [
        ("<Response><Sya/></Response>", 1, 11),
        ("<Response>\n\n  <Sya/>\n</Response>", 3, 3),
        ("<Response>\n <Say\n  lang='en'\n  loop='0'\n >a</Say></Response>", 2, 2),
        ("<Response>\r\n<Say\r\n loop='0'/></Response>", 2, 1),
        ("<!-- a\n --><Response\n>\n<Pause length='x'/></Response>", 4, 1),
        ("<Response><Say>ä𝄞</Say><Sya/></Response>", 1, 24),
        ("<Response><Gather>\n<Switch>\n <Case\n dtmf='a'/></Switch></Gather></Response>", 3, 2),
    ],
)
def test_line_and_column_are_those_of_the_start_tag(document, line, column):
    error = refusal(document)
    assert (error.line, error.column) == (line, column)
    assert str(error) == f"line {line}: {error.reason}"


@each_case(
    ("document", "words"),
    [
        ("<Response><Sya/></Response>", "did you mean 'Say'?"),
        ("<Response><Say langs='en'>a</Say></Response>", "did you mean 'lang'?"),
        ("<Response><Gather numDigit='1'/></Response>", "did you mean 'numDigits'?"),
        ("<Response><Hangup><Say>a</Say></Hangup></Response>", "which takes Error, Meta"),
        ("<Response><Say loop='many'>a</Say></Response>", "must be a whole number, 1 or more, not 'many'"),
        ("<Response><Say gender='X'>a</Say></Response>", "must be MALE or FEMALE, not 'X'"),
        ("<Response><Gather><Switch><Say>a</Say></Switch></Gather></Response>", "which takes DTMF, Default, Error"),
    ],
)
def test_a_refusal_says_what_is_allowed(document, words):
    assert words in refusal(document).reason


def test_a_refusal_quotes_little_of_what_was_wrong():
    assert len(refusal(f"<Response><Pause length='{'9' * 5000}'/></Response>").reason) < 300


# What a caller is called is never markup

OPEN_TO_TEXT = [
    (cls, dialect, name)
    for cls, dialect in SPOKEN
    for name, item in ELEMENT_SPELLINGS[dialect][cls].attributes.items()
    if item.kind.pattern is None
]


def document_with(cls, name: str, text: str) -> Response:
    """The smallest document in which an attribute holds a text."""
    tame = {"target": "1", "value": "1", "field": "to", "name": "a", "text": "a", "url": "https://a.example.net"}
    needed = {key: tame[key] for key, attribute in cls.spec.attributes.items() if attribute.is_required}
    if cls is Play and name != "record":
        needed["url"] = tame["url"]
    return wrap_in_document(cls(*[To("1")] * (cls is Dial), **needed | {name: text}))


@each_case(("cls", "dialect", "name"), OPEN_TO_TEXT)
def test_hostile_text_never_changes_the_shape_of_a_document(cls, dialect, name):
    expected = shape(to_xml(document_with(cls, name, "tame"), dialect))
    for text in HOSTILE_TEXTS:
        document = document_with(cls, name, text)
        written = to_xml(document, dialect)
        assert shape(written) == expected
        assert from_xml(written) == document


@given(text=xml_texts, more=xml_texts)
def test_hostile_text_is_spoken_and_nothing_else(text, more):
    document = Response(Say(text, Error(Say(more)), tag=more), Meta(text, name="a"), Hangup(tag=text))
    written = to_xml(document)
    assert shape(written) == ["Response", "Say", "Error", "Say", "Meta", "Hangup"]
    say = etree.fromstring(written)[0]
    assert ((say.text or ""), say.get("tag"), (say[0][0].text or "")) == (text, more, more)


@each_case("text", HOSTILE_TEXTS)
def test_hostile_text_is_no_target_and_no_address(text):
    for build in (lambda: Dial(text), lambda: To(text), lambda: Play(text), lambda: Callback(text), lambda: DTMF(text)):
        try:
            element = build()
        except LanguageError:
            continue
        assert type(element) in {Dial, To, DTMF}
        assert text.strip().isdigit()


# The table


def test_every_tag_that_is_written_is_read_as_its_element():
    for dialect in DIALECTS:
        for cls, spelling in ELEMENT_SPELLINGS[dialect].items():
            assert TAG_MEANINGS[spelling.tag].element_class is cls


def test_every_attribute_has_a_meaning_and_a_kind():
    assert all(a.meaning and a.kind.requirement for row in ELEMENT_SPECS.values() for a in row.attributes.values())
