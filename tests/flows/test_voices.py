"""The voice of a prompt comes from the file, the step, or the say."""

from __future__ import annotations

import re

import pytest
from flow_harness import Conversation, compile_text, compile_valid_flow, make_flow_text, request_document

from each_case import each_case

DIALECTS = pytest.mark.parametrize("dialect", ["reference", "classic"])
FILE = "timezone: UTC\nvoice: {lang: en-US, gender: MALE}"
SPANISH = "voice: {lang: es-US}"


def voices(xml: str) -> set[str]:
    """The voices in which something is said by the flow's nodes."""
    return {voice for voice, text in re.findall("<Say([^>]*)>([^<]*)</Say>", xml) if text != "We are sorry."}


@DIALECTS
def test_a_menu_speaks_in_its_own_voice_and_what_it_leaves_out_is_the_files(dialect):
    menu = f"menu: {{{SPANISH}, prompt: P., keys: {{1: start}}, no_input: I., no_match: M., attempts: 2, otherwise: bye}}"
    xml = request_document(compile_valid_flow(make_flow_text(f"- {menu}", FILE) + "  bye: [say: Bye.]\n", dialect))
    assert voices(xml.replace("Bye.", "We are sorry.")) == {' lang="es-US" gender="MALE"'}
    assert '<Say lang="en-US" gender="MALE">Bye.</Say>' in xml


@DIALECTS
def test_a_collect_speaks_in_its_own_voice_in_every_attempt(dialect):
    digits = "into: a, digits: 4, match: '[1-9]+', attempts: 2"
    collect = f"collect: {{{SPANISH}, {digits}, prompt: P., no_input: I., no_match: M.}}"
    call = Conversation(compile_valid_flow(make_flow_text(f"- {collect}\n- say: '{{{{ a }}}}'", FILE), dialect), dialect)
    assert voices(call.xml) >= {' lang="es-US" gender="MALE"'}
    wrong = call.press_keys("12")
    assert '<Say lang="es-US" gender="MALE">M.</Say>' in wrong.xml
    assert '<Say lang="es-US" gender="MALE">P.</Say>' in wrong.xml
    assert '<Say lang="en-US" gender="MALE">1234</Say>' in wrong.press_keys("1234").xml


@DIALECTS
def test_a_voicemail_speaks_in_its_own_voice(dialect):
    xml = request_document(
        compile_valid_flow(make_flow_text(f"- voicemail: {{{SPANISH}, greeting: G., thanks: T.}}", FILE), dialect)
    )
    assert voices(xml) == {' lang="es-US" gender="MALE"'}


@each_case(
    "step",
    [
        "say: {text: '%s', lang: es-US}",
        "voicemail: {voice: {lang: es-US}, greeting: '%s'}",
        "menu: {voice: {lang: es-US}, prompt: '%s', keys: {1: start}}",
        "collect: {voice: {lang: es-US}, into: a, digits: 2, prompt: '%s'}",
    ],
)
@each_case("rare", ["", "{% for a in [1] %}{% endfor %}"])
def test_a_moment_is_said_in_the_language_of_the_voice(step, rare):
    said = "{{ now | spoken }}" + rare
    xml = Conversation(compile_valid_flow(make_flow_text(f"- {step % said}\n- say: '{said}'", FILE))).xml
    spanish, english = (re.findall(f'<Say lang="{lang}"[^>]*>([^<]+)</Say>', xml) for lang in ("es-US", "en-US"))
    assert spanish
    assert all("hoy" in text.lower() for text in spanish)
    assert not any("hoy" in text.lower() for text in english)


@pytest.mark.parametrize("word", ["menu: {%s, prompt: P., keys: {1: start}}", "voicemail: {%s, greeting: G.}"])
def test_a_voice_that_there_is_not_is_said_once_with_what_there_is(word):
    for voice, rule in (("{lnag: es}", "unknown-key"), ("{gender: X}", "value"), ("{lang: '{{ a }}'}", "template")):
        made = compile_text(make_flow_text(f"- {word % f'voice: {voice}'}\n- say: Bye."))
        assert made.rules == [rule]
        assert made.flow is None


def test_a_key_in_a_prompt_is_looked_for_in_the_language_of_the_prompt():
    menu = "- menu: {%sprompt: Press 9 por favor., keys: {1: start}}\n- say: Bye."
    assert "prompt-key" in compile_text(make_flow_text(menu % "")).rules
    assert "prompt-key" not in compile_text(make_flow_text(menu % "voice: {lang: es-US}, ")).rules
    assert "prompt-key" in compile_text(make_flow_text(menu % "voice: {lang: en-GB}, ", SPANISH)).rules


@each_case(
    ("tag", "meant"),
    [
        ("en-UK", "en-GB"),
        ("jp-JP", "ja-JP"),
        ("cn", "zh-CN"),
        ("sp-US", "es-US"),
        ("us-EN", "en-US"),
        ("de-XY", "de-DE"),
        ("dk", "da-DK"),
        ("en-USA", "en-US"),
    ],
)
@each_case("place", ["say", "voicemail", "voice", "languages"])
def test_a_language_or_region_that_does_not_exist_is_a_warning_with_the_one_that_is_meant(place, tag, meant):
    steps, more = "- say: Hello.", ""
    if place == "say":
        steps = f"- say: {{text: Hello., lang: {tag}}}"
    elif place == "voicemail":
        steps = f"- voicemail: {{greeting: Hello., voice: {{lang: {tag}}}}}"
    else:
        more = f"voice: {{lang: {tag}}}" if place == "voice" else f"languages: {{en: {tag}}}"
    problems = [one for one in compile_text(make_flow_text(steps, more)).problems if one.rule == "language-code"]
    assert [(one.severity, one.fix) for one in problems] == [("warning", f"did you mean {meant!r}?")]


@pytest.mark.parametrize("tag", ["en-GB", "es-419", "zh-Hans-CN", "cmn-CN", "sr-Latn-RS", "uk", "EN-us", "fil-PH", "he-IL"])
def test_languages_and_regions_that_exist_are_taken_without_a_word(tag):
    problems = compile_text(make_flow_text(f"- say: {{text: Hello., lang: {tag}}}")).problems
    assert [one for one in problems if one.rule == "language-code"] == []
