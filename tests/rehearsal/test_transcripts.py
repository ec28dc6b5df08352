"""The platform played: documents with what a caller does, and the transcript to the letter."""

from __future__ import annotations

from interpreter_cases import CASES_FOLDER, play_case, read_case, render_transcript

from callflows.language import from_xml
from callflows.language.dialects import ELEMENT_SPELLINGS
from callflows.language.element import walk_elements
from callflows.language.verbs import Response
from callflows.rehearsal import undocumented_rules
from callflows.rehearsal.dialect_detection import detect_dialect
from each_case import each_case

NAMES = sorted(file.stem for file in CASES_FOLDER.glob("*.txt"))
READ = {name: read_case(CASES_FOLDER / f"{name}.txt") for name in NAMES}
RULES = {silence.name: silence for silence in undocumented_rules.XML_RULES}
DECIDING = {name: [one for one in case.rule_names if not RULES[one].only_shown] for name, case in READ.items()}
"""By case, the silences on which its call depends."""


@each_case("name", NAMES)
def test_a_call_is_what_its_transcript_says(name):
    transcript, silences = play_case(READ[name])
    assert render_transcript(transcript) == READ[name].transcript
    assert silences == READ[name].rule_names


@each_case("name", [name for name in NAMES if DECIDING[name]])
def test_where_the_documentation_is_silent_a_strict_rehearsal_refuses_to_go_on(name):
    transcript, silences = play_case(READ[name], strict=True)
    rule = RULES[DECIDING[name][0]]
    assert transcript.outcome == "error"
    assert transcript.error == f"{rule.unknown}: the documentation does not say (otherwise: {rule.done})"
    assert all(RULES[one].only_shown for one in silences)


@each_case("name", [name for name in NAMES if not DECIDING[name]])
def test_where_nothing_depends_on_a_silence_a_strict_rehearsal_is_the_same(name):
    transcript, _ = play_case(READ[name], strict=True)
    assert render_transcript(transcript) == READ[name].transcript


def test_every_rule_is_met_by_a_case_in_which_it_decides_first():
    first = {silences[0] for silences in DECIDING.values() if silences}
    assert first == {name for name, rule in RULES.items() if not rule.only_shown}


@each_case(("dialect", "element"), [(dialect, e) for dialect, es in ELEMENT_SPELLINGS.items() for e in es])
def test_every_verb_of_a_dialect_has_a_case(dialect, element):
    assert any(isinstance(verb, element) for case in READ.values() if case.dialect == dialect for verb in _verbs(case))


def _verbs(case):
    documents = [case.document, *(page for _, page in case.pages.values() if page.startswith(b"<Response"))]
    for document in documents:
        with_root = document.replace(b"<Enqueue>support</Enqueue>", b"")
        yield Response()
        yield from (verb for _, verb in walk_elements(from_xml(with_root)))


def dialect_of(document):
    return detect_dialect(document, from_xml(document)).dialect


@each_case("name", [name for name in NAMES if b"<Gather" in READ[name].document and "mixed" not in name])
def test_the_dialect_of_a_menu_is_seen(name):
    attributes = (b"numDigits", b"attempts", b"finishOnKey", b"timeout=")
    classic = READ[name].dialect == "classic"
    assert dialect_of(READ[name].document) == ("classic" if classic else "reference")
    assert any(attribute in READ[name].document for attribute in attributes) or not classic


@each_case(
    ("document", "dialect"),
    [
        ('<Response><!-- <Switch> --><Gather dtmf_length="1"/></Response>', "reference"),
        ("<Response><Say><![CDATA[<Gather timeout='1'>]]></Say></Response>", "reference"),
        ('<Response><Dial timeout="1000"><To>1</To></Dial></Response>', "reference"),
        ('<Response><Callback url="http://a.test/" timeout="1" method="GET"/></Response>', "reference"),
        ("<Response><Gather><Say>Press.</Say></Gather></Response>", "classic"),
        ("<Response><Dial><Number>1</Number></Dial></Response>", "classic"),
        ('<Response><Dial record="do-not-record"><To>1</To></Dial></Response>', "classic"),
        ("<Response><Geo><Gather\n  numDigits = '1'/></Geo></Response>", "classic"),
        ("<Response><Say>Either.</Say><Hangup/></Response>", "reference"),
    ],
)
def test_comments_and_texts_do_not_make_a_dialect(document, dialect):
    assert dialect_of(document.encode()) == dialect
    assert dialect_of(f'<?xml version="1.0" encoding="UTF-16"?>{document}'.encode("utf-16")) == dialect
