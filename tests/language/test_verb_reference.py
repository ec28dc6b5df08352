from __future__ import annotations

import re
import shutil
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from callflows.errors import DialectError, DocumentReadError, LanguageError
from callflows.language import Answer, Extensions, Reject, from_xml, to_xml
from callflows.language.dialects import ELEMENT_SPELLINGS, SWITCH_TAG, TAG_MEANINGS
from callflows.language.value_kinds import DECLARABLE_KINDS
from callflows.language.verb_examples import VERB_EXAMPLES, render_verb_example
from callflows.language.verb_reference import XSD_LIMITATIONS, render_verb_page, render_xsd, summarize_elements
from callflows.language.verb_table import DIALECTS
from callflows.language.verbs import ELEMENT_CLASSES, ELEMENT_SPECS
from document_strategies import FEWER_EXAMPLES, SAMPLE_EXTENSIONS, make_documents, make_elements, wrap_in_document
from each_case import each_case
from golden_documents import list_documents, read_accepted_document, read_refused_document
from waiting import run_process

SPOKEN = [(cls, dialect) for cls in ELEMENT_CLASSES.values() for dialect in cls.spec.dialects]
SCHEMAS = {dialect: etree.XMLSchema(etree.fromstring(render_xsd(dialect))) for dialect in DIALECTS}
WIDER = {dialect: etree.XMLSchema(etree.fromstring(render_xsd(dialect, SAMPLE_EXTENSIONS))) for dialect in DIALECTS}

BEYOND = {
    XSD_LIMITATIONS[0]: {"a-document-type", "a-schema-named"},
    XSD_LIMITATIONS[1]: {"text-after-an-element", "a-play-of-a-file", "a-play-of-nothing", "a-play-of-two-things"},
    XSD_LIMITATIONS[2]: {"a-meta-without-value", "a-meta-with-two-values"},
}
"""The kept documents that show what a schema cannot say."""

BEYOND_WORDS = re.compile(
    r"<(Say|Play)> has text after|<Play> url: must|<Play> needs either|<Meta> value: given twice|<Meta> needs value"
)
"""The same, by what the reader says of a document."""


def is_valid(schema: etree.XMLSchema, document: bytes) -> bool:
    try:
        return schema.validate(etree.fromstring(document, etree.XMLParser(resolve_entities=False, no_network=True)))
    except (etree.XMLSyntaxError, etree.XMLSchemaValidateError):
        return False


# The schema accepts what is written


@pytest.mark.parametrize(("cls", "dialect"), SPOKEN)
@FEWER_EXAMPLES
@given(data=st.data())
def test_the_schema_accepts_every_element_as_it_is_written(cls, dialect, data):
    document = to_xml(wrap_in_document(data.draw(make_elements(cls, dialect))), dialect, extensions=SAMPLE_EXTENSIONS)
    WIDER[dialect].assertValid(etree.fromstring(document))


@pytest.mark.parametrize("dialect", DIALECTS)
@given(data=st.data())
def test_the_schema_accepts_every_document_as_it_is_written(dialect, data):
    document = to_xml(data.draw(make_documents(dialect)), dialect, extensions=SAMPLE_EXTENSIONS)
    WIDER[dialect].assertValid(etree.fromstring(document))


@each_case(("dialect", "name"), [(dialect, name) for dialect in DIALECTS for name in list_documents(dialect, ".xml")])
def test_the_schema_accepts_the_kept_documents(dialect, name):
    SCHEMAS[dialect].assertValid(etree.fromstring(read_accepted_document(dialect, name).encode()))


@pytest.mark.skipif(not shutil.which("xmllint"), reason="xmllint is not installed")
@pytest.mark.parametrize("dialect", DIALECTS)
def test_xmllint_agrees(dialect, tmp_path):
    written: list[bytes] = [read_accepted_document(dialect, name).encode() for name in list_documents(dialect, ".xml")]

    @settings(database=None)
    @given(document=make_documents(dialect))
    def collect(document):
        written.append(to_xml(document, dialect, extensions=SAMPLE_EXTENSIONS))

    collect()
    (tmp_path / "opentact.xsd").write_text(render_xsd(dialect, SAMPLE_EXTENSIONS), encoding="utf-8")
    for number, document in enumerate([*written, b"<Response><Sya/></Response>"]):
        (tmp_path / f"{number}.xml").write_bytes(document)
    files = [f"{number}.xml" for number in range(len(written) + 1)]
    linted = run_process(
        [shutil.which("xmllint") or "", "--noout", "--nonet", "--schema", "opentact.xsd", *files],
        cwd=tmp_path,
    )
    verdicts = [line for line in linted.stderr.splitlines() if line.endswith((" validates", " fails to validate"))]
    assert verdicts == [f"{file} validates" for file in files[:-1]] + [f"{files[-1]} fails to validate"]


# The schema refuses what is not read


def test_the_schemas_refuse_what_is_refused_but_for_what_they_cannot_say():
    documents_ = {name: read_refused_document(name).document for name in list_documents("refused", ".txt")}
    passed = {
        name for name, document in documents_.items() if any(is_valid(schema, document) for schema in SCHEMAS.values())
    }
    assert passed == set().union(*BEYOND.values())


def test_all_that_a_schema_cannot_say_is_shown_by_a_kept_document():
    assert tuple(BEYOND) == XSD_LIMITATIONS
    assert all(BEYOND.values())


TAGS = sorted({*TAG_MEANINGS, SWITCH_TAG, "Speak", "say"})
NAMES = sorted({name for reading in TAG_MEANINGS.values() for name in reading.attributes} | {"callerId", "Loop", "lang2"})
VALUES = [
    "",
    " ",
    "1",
    "0",
    "-1",
    "007",
    "true",
    "yes",
    "*",
    "+",
    "12#",
    "a@b",
    "http://a.example.net",
    "en-US",
    "GET",
    "get",
]
VALUES += [
    "MALE",
    "aleg",
    "A",
    "NJ,NY",
    "nj",
    "ESSEX",
    "mon",
    "mon,tue",
    "08:00:00-09:00:00",
    "1.5",
    "-0.25",
    "a b",
    "a\tb",
]


def changed(data, tree: etree._Element) -> None:
    """Change one thing about an element somewhere in a document."""
    node = data.draw(st.sampled_from(list(tree.iter())))
    what = data.draw(st.sampled_from(["tag", "attribute", "text", "tail", "remove", "insert", "repeat", "less"]))
    if what == "tag":
        node.tag = data.draw(st.sampled_from(TAGS))
    elif what == "attribute":
        names = [*node.keys()] * 3 + NAMES
        node.set(data.draw(st.sampled_from(names)), data.draw(st.sampled_from(VALUES)))
    elif what == "text":
        node.text = data.draw(st.sampled_from(VALUES))
    elif what == "less" and node.keys():
        del node.attrib[data.draw(st.sampled_from(node.keys()))]
    elif what == "insert":
        node.insert(data.draw(st.integers(0, len(node))), etree.Element(data.draw(st.sampled_from(TAGS))))
    elif node is not tree:
        parent = node.getparent()
        if what == "tail":
            node.tail = data.draw(st.sampled_from(VALUES))
        elif what == "repeat":
            parent.insert(data.draw(st.integers(0, len(parent))), etree.fromstring(etree.tostring(node, with_tail=False)))
        else:
            parent.remove(node)


def changed_documents(data) -> bytes:
    dialect = data.draw(st.sampled_from(DIALECTS))
    tree = etree.fromstring(
        read_accepted_document(dialect, data.draw(st.sampled_from(list_documents(dialect, ".xml")))).encode()
    )
    for _ in range(data.draw(st.integers(1, 3))):
        changed(data, tree)
    return etree.tostring(tree)


@settings(max_examples=100)
@given(data=st.data())
def test_what_is_not_read_is_refused_by_the_schemas_too(data):
    document = changed_documents(data)
    reason = ""
    try:
        from_xml(document)
    except DocumentReadError as error:
        reason = error.reason
    if reason and not BEYOND_WORDS.search(reason):
        assert [dialect for dialect, schema in SCHEMAS.items() if is_valid(schema, document)] == [], reason


@settings(max_examples=50)
@given(data=st.data())
def test_what_is_read_from_any_document_is_valid_when_it_is_written(data):
    document = changed_documents(data)
    try:
        response = from_xml(document)
    except DocumentReadError:
        return
    for dialect in DIALECTS:
        try:
            written = to_xml(response, dialect)
        except DialectError:
            continue
        SCHEMAS[dialect].assertValid(etree.fromstring(written))


# What the user declares


@each_case("kind", DECLARABLE_KINDS.values(), ids=lambda kind: kind.name)
def test_the_schema_takes_a_declared_attribute_as_the_reader_does(kind):
    declared = Extensions.from_declarations({"Hangup": {"more": kind.name}})
    wider = [etree.XMLSchema(etree.fromstring(render_xsd(dialect, declared))) for dialect in DIALECTS]
    for text in [*VALUES, "http://a.example.net/?a=1", "\n1 ", " a@b", "\u00a01", "x\ny"]:
        quoted = quoteattr(text, {"\t": "&#9;", "\n": "&#10;"})
        document = f"<Response><Hangup more={quoted}/></Response>".encode()
        try:
            from_xml(document, extensions=declared)
        except DocumentReadError:
            assert [is_valid(schema, document) for schema in wider] == [False, False], text
        else:
            assert [is_valid(schema, document) for schema in wider] == [True, True], text
        assert not any(is_valid(schema, document) for schema in SCHEMAS.values())


@pytest.mark.parametrize(
    ("attribute", "taken"),
    [('name=" a b&#10;"', True), ('name="a&#9;b"', False), ('name=" "', False), ('name="a\tb"', True)],
)
def test_blanks_around_a_name_mean_nothing_and_a_tab_inside_is_refused(attribute, taken):
    document = f'<Response><Meta {attribute} value="c"/></Response>'.encode()
    assert is_valid(SCHEMAS["reference"], document) == taken
    try:
        assert from_xml(document).children[0].attributes["name"] == "a b"
    except DocumentReadError:
        assert not taken


def test_a_schema_knows_its_own_dialect_only():
    for element, dialect in ((Answer(), "reference"), (Reject(), "classic")):
        document = to_xml(wrap_in_document(element), dialect)
        assert [name for name, schema in SCHEMAS.items() if is_valid(schema, document)] == [dialect]


def test_there_is_no_schema_of_a_third_dialect():
    with pytest.raises(LanguageError, match="no dialect 'twiml'"):
        render_xsd("twiml")


def test_a_schema_says_what_it_cannot_say():
    for dialect in DIALECTS:
        assert all(limit in render_xsd(dialect) for limit in XSD_LIMITATIONS)


# Pages


@each_case("cls", ELEMENT_CLASSES.values())
def test_the_page_of_an_element_has_all_that_the_table_says(cls):
    text, spec = render_verb_page(cls.__name__), cls.spec
    assert text.startswith(f"# {spec.name}\n\n")
    words = [spec.description.replace("``", "`"), spec.evidence.value, *(f"`<{tag}>`" for tag in spec.tag_variants)]
    words += [f"`{other.__name__}`" for other in spec.allowed_children]
    assert [word for word in words if word not in text] == []
    rows = {line.split(" | ")[0].strip("| `"): line for line in text.splitlines() if line.startswith("| `")}
    for name, attribute in spec.attributes.items():
        needed = [
            attribute.meaning,
            attribute.kind.requirement,
            attribute.evidence.value,
            *attribute.spelling_variants,
            attribute.default,
        ]
        needed += [dialect for dialect in spec.dialects if dialect in attribute.spellings]
        needed += (
            [attribute.spellings["classic"]] if "classic" in attribute.spellings and "classic" in spec.dialects else []
        )
        assert [word for word in needed if word not in rows[name]] == []
        assert (" | yes | " in rows[name]) == attribute.is_required


@each_case(("cls", "dialect"), SPOKEN)
def test_the_page_of_an_element_has_an_example_that_the_builder_made(cls, dialect):
    text = render_verb_page(cls.__name__)
    shown = re.search(rf"^{dialect}:\n\n```xml\n(.*?)\n```$", text, re.MULTILINE | re.DOTALL)
    assert shown
    assert shown[1] == render_verb_example(cls, dialect)
    document = shown[1].encode()
    assert from_xml(document) in VERB_EXAMPLES[cls]
    assert {node.tag for node in etree.fromstring(document).iter()} & {ELEMENT_SPELLINGS[dialect][cls].tag, "Sip"}
    SCHEMAS[dialect].assertValid(etree.fromstring(document))


def test_no_example_is_for_a_dialect_without_the_element():
    assert "classic:\n" not in render_verb_page("Answer")
    with pytest.raises(DialectError, match="<Answer> is not in the classic dialect"):
        render_verb_example(Answer, "classic")


@each_case(
    ("name", "element"),
    [
        ("Gather", "Gather"),
        ("gather", "Gather"),
        ("GATHER", "Gather"),
        ("record_start", "RecordStart"),
        ("record-start", "RecordStart"),
        ("recordstart", "RecordStart"),
        ("<Say>", "Say"),
        ("dtmf", "DTMF"),
        ("Case", "DTMF"),
        ("number", "To"),
        ("sip", "To"),
        ("switch", "Gather"),
        ("scheduler", "Schedule"),
    ],
)
def test_a_page_is_found_by_any_spelling_of_its_name(name, element):
    assert render_verb_page(name) == render_verb_page(element)
    assert render_verb_page(name).startswith(f"# {element}\n")


@pytest.mark.parametrize(("name", "fix"), [("gahter", "Gather"), ("recordstrat", "RecordStart"), ("callbak", "Callback")])
def test_an_unknown_page_names_the_nearest(name, fix):
    with pytest.raises(LanguageError, match=f"no element '{name}'; did you mean {fix}"):
        render_verb_page(name)


@pytest.mark.parametrize("name", ["", "xyzzy"])
def test_an_unknown_page_without_a_near_one_names_all(name):
    with pytest.raises(LanguageError, match="there are Response, Answer, Say"):
        render_verb_page(name)


def test_a_narrower_dialect_is_said_on_the_page():
    line = next(line for line in render_verb_page("gather").splitlines() if line.startswith("| `dtmf_stop`"))
    assert "(reference: one key: 0-9, * or #)" in line
    assert "`finishOnKey`" in line


def test_the_overview_has_a_line_for_each_element():
    lines = summarize_elements()
    assert [line.name for line in lines] == [*ELEMENT_SPECS]
    assert all(line.says.endswith(".") and ". " not in line.says for line in lines)
    named = {line.name for line in lines if line.evidence == "named"}
    assert named == {"RecordStart", "RecordStop", "RecordWait", "Reject", "Redirect"}
    dialects = {line.name: line.dialects for line in lines}
    assert (dialects["Say"], dialects["Answer"]) == (("reference", "classic"), ("reference",))
    assert dialects["Reject"] == ("classic",)


def test_a_page_says_where_its_element_stands():
    assert "It is the root." in render_verb_page("response")
    assert "Stands in: `Dial`." in render_verb_page("to")
    assert "Stands in: `Response`, `Record`, `DTMF`," in render_verb_page("hangup")
