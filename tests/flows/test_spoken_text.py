"""The allowed content of spoken texts, and their cleaning."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from flow_harness import (
    answer_as_xml,
    answer_node,
    compile_steps,
    compile_text,
    compile_valid_flow,
    make_flow_text,
    make_turn,
    request_document,
    spoken_texts,
)

from each_case import each_case


def spoken(text: str, **told: str) -> str:
    quoted = text.replace("'", "''")
    (heard,) = spoken_texts(
        request_document(compile_valid_flow(make_flow_text(f"- say: '{quoted}'", "timezone: UTC")), **told)
    )
    return heard


@each_case(
    ("text", "heard"),
    [
        ("Hello.", "Hello."),
        ("{{ caller.name }}", "Ann"),
        ("Hello {{ caller.name }}.", "Hello Ann."),
        ("{{caller.name}}{{caller.name}}", "AnnAnn"),
        ("{% if caller.name %}A{% endif %}", "A"),
        ("{% if caller.anonymous %}A{% else %}B{% endif %}", "B"),
        ("{% if caller.anonymous %}A{% elif caller.name == 'Ann' %}B{% else %}C{% endif %}", "B"),
        ("a{% if caller.name %}b{{ caller.name }}c{% endif %}d", "abAnncd"),
        ("{{ caller.name | upper }}", "ANN"),
        ("{{ caller.name | default('you', true) }}", "Ann"),
        ("{{ 'Mr ' ~ caller.name }}", "Mr Ann"),
        ("{{ caller.name if caller.name else 'you' }}", "Ann"),
        ("{% set n = caller.name %}{{ n }}!", "Ann!"),
        ("{% for c in caller.name %}{{ c }}-{% endfor %}", "A-n-n-"),
        ("{{ number[-4:] | join(' ') }}", "0 1 2 3"),
        ("{{ 1 + 1 }}", "2"),
        ("{{ caller.anonymous }}", "False"),
        ("a{{ none }}", "a"),
        ("100 % sure {now} }} {", "100 % sure {now} }} {"),
        ("Hello {# be nice #}caller.", "Hello caller."),
        ("{% raw %}{{ caller.name }}{% endraw %}", "{{ caller.name }}"),
        ("a {{ '{{' }}", "a {{"),
        ("a {{- caller.name -}} b", "aAnnb"),
        ('<b> & " ]]>', '<b> & " ]]>'),
        ("{{ '<b> & ' }}", "<b> & "),
        ("{{ caller.name | escape }}", "Ann"),
        ("Hi \N{GRINNING FACE} \N{RIGHT-TO-LEFT MARK}", "Hi \N{GRINNING FACE} \N{RIGHT-TO-LEFT MARK}"),
        ("  spaces  ", "  spaces  "),
    ],
)
def test_a_text_is_spoken_as_it_is_meant(text, heard):
    assert spoken(text, name="Ann") == heard


def test_a_text_of_several_lines_is_spoken_as_written():
    assert spoken_texts(compile_steps("- say: |\n    Hello\n    {{ caller.name }}.", name="Ann")) == ["Hello\nAnn.\n"]
    assert spoken_texts(compile_steps("- say: >-\n    Hello\n    {{ caller.name }}.", name="Ann")) == ["Hello Ann."]
    assert spoken_texts(compile_steps("- say: Hello\n    there.")) == ["Hello there."]


def test_a_text_that_never_changes_is_made_when_the_flow_is_loaded():
    flow = compile_valid_flow(make_flow_text("- say: Hello.\n- say: '{# a #}Good{# b #}bye.'\n- hangup"))
    assert spoken_texts(request_document(flow)) == ["Hello.", "Goodbye."]


def test_voice_defaults_are_those_of_every_say():
    more = "voice: {lang: en-GB, gender: MALE, type: WaveNet, code: brian}"
    menu = "- menu: {prompt: C, keys: {1: start}, attempts: 1, no_input: D}"
    steps = f"- say: A\n- say: {{text: B, gender: FEMALE}}\n{menu}\n- voicemail: E"
    xml = compile_steps(steps, more=more)
    for letter in "ACDE":
        assert f'<Say lang="en-GB" gender="MALE" type="WaveNet" code="brian">{letter}</Say>' in xml
    assert re.search('<Say lang="en-GB" gender="FEMALE" type="WaveNet" code="brian">B</Say>', xml)


def test_the_fallback_speaks_in_the_voice_of_the_file():
    flow = compile_valid_flow("voice: {lang: de-DE}\nnodes: {start: [hangup]}\nfallback: [say: Leider nicht.]\n")
    assert b'<Say lang="de-DE">Leider nicht.</Say><Hangup/>' in flow.fallback


@each_case(
    ("voice", "said"),
    [
        ("{gender: female}", "MALE or FEMALE"),
        ("{langg: en-US}", "did you mean 'lang'?"),
        ("{lang: english_us}", "language tag"),
        ("{text: Hello}", "no 'text'"),
        ("{loop: 2}", "no 'loop'"),
        ("en-US", "mapping"),
        ("{lang: [en-US]}", "text"),
        ('{code: "\\x01"}', "U+0001"),
        ("{code: '{{ caller.name }}'}", "{{"),
    ],
)
def test_a_wrong_voice_is_an_error_though_nothing_is_said(voice, said):
    made = compile_text(f"voice: {voice}\nnodes: {{start: [hangup]}}\n")
    assert made.flow is None
    assert said in str(made.problems[0])
    assert made.problems[0].line == 1


# URLs


def test_what_is_rendered_in_a_url_is_percent_encoded():
    steps = "- play: 'https://media.example.com/{{ caller.name }}.mp3?n={{ caller.number }}&a=b'"
    assert compile_steps(steps, name="A/B&C ?#é") == (
        "<Play>https://media.example.com/A%2FB%26C%20%3F%23%C3%A9.mp3?n=%2B12015550999&amp;a=b</Play>"
    )


@pytest.mark.parametrize("verb", ["play", "curl", "callback"])
def test_every_url_of_a_verb_may_change_from_call_to_call(verb):
    assert "who=Ann%26" in compile_steps(f"- {verb}: 'https://x.example.com/?who={{{{ caller.name }}}}'", name="Ann&")
    assert "who=Ann%26" in compile_steps(
        f"- {verb}: {{url: 'https://x.example.com/?who={{{{ caller.name }}}}'}}", name="Ann&"
    )


def test_a_choice_in_a_url_is_a_part_of_it_too():
    steps = "- play: 'https://x.example.com/{% if caller.name %}{{ caller.name | upper }}{% else %}nobody{% endif %}.mp3'"
    assert compile_steps(steps, name="a b") == "<Play>https://x.example.com/A%20B.mp3</Play>"
    assert compile_steps(steps) == "<Play>https://x.example.com/nobody.mp3</Play>"


@pytest.mark.parametrize(
    "url", ["{{ caller.name }}", "ftp://x/{{ caller.name }}", "media/{{ caller.name }}.mp3", "//{{ caller.name }}"]
)
def test_a_url_that_a_caller_could_make_into_another_scheme_is_refused(url):
    made = compile_text(make_flow_text(f"- play: '{url}'"))
    assert made.flow is None
    assert "http" in str(made.problems[0])
    assert "\ufdd0" not in str(made.problems[0])
    assert "fdd0" not in str(made.problems[0])


# Objects and missing data


@each_case(
    "text",
    [
        "{{ '%s' | format(caller) }}",
        "{{ [caller] | list }}",
        "{{ [caller] | sort }}",
        "{{ (caller, call) | unique | join }}",
        "{{ [call] | max }}",
        "{{ caller ~ '' }}",
        "{{ 'x' + caller }}",
        "{{ caller | default('you') }}",
        "{{ caller.name or caller }}",
        "{{ caller if caller.name else '' }}",
        "{{ {'a': caller} | tojson }}",
        "{% for c in [caller] %}{{ c }}{% endfor %}",
        "{{ hours }}",
        "{{ hours.office }}",
        "{{ '%s' | format(hours['office']) }}",
        "{{ lists.spam | list }}",
        "{{ variables }}",
    ],
)
def test_a_name_with_fields_is_no_text_anywhere(text):
    quoted = text.replace("'", "''")
    more = "timezone: UTC\nhours: {office: {mon: '09:00-17:00'}}\nlists: {spam: spam.csv}\nvariables: {a: b}"
    made = compile_text(make_flow_text(f"- say: '{quoted}'", more))
    assert "template" in made.rules
    assert "itself is no text" in next(str(problem) for problem in made.problems if problem.rule == "template")


@pytest.mark.parametrize("source", ["caller", "call", "[caller]", "caller if caller.name else call", "caller or 1"])
def test_an_object_is_no_value_to_remember(source):
    made = compile_text(make_flow_text(f"- set: {{who: '{source}'}}\n- say: 'Hello {{{{ who }}}}.'"))
    assert made.flow is None
    assert made.rules == ["expression"]


@each_case(
    ("text", "heard"),
    [
        ("{% set c = caller %}{{ c }}{{ '%s' | format(c) }}{{ [c] | join }}{{ c.name }}", "Ann"),
        ("{% set o = hours.office %}{{ o }}{{ o | string }}{{ o | upper }}x", "x"),
        ("{{ [now] | join }}", "2026-11-23T14:30:05+00:00"),
        ("{{ [1, 2.0, 'x', none, [3, 4]] }}", "1, 2, x, , 3, 4"),
        ("{% for c in x.gone %}{{ c }}{% endfor %}{% for c in none %}a{% else %}nobody{% endfor %}", "nobody"),
        ("{{ x.gone[:4] }}{{ x.gone | round }}{{ '%02d' | format(x.gone) }}.", "."),
        ("{{ x[:4] }}{{ x | truncate(4) }}{{ x | wordwrap(4) }}{{ x | indent }}{{ x | filesizeformat }}.", "."),
    ],
)
def test_no_caller_hears_an_object_and_missing_data_is_empty(text, heard):
    quoted = text.replace("'", "''")
    more = "timezone: UTC\nhours: {office: {mon: '09:00-17:00'}}"
    flow = compile_valid_flow(make_flow_text(f"- set: {{x: \"caller.name[9:]\"}}\n- say: '{quoted}'", more))
    at = datetime(2026, 11, 23, 14, 30, 5, tzinfo=UTC)
    assert spoken_texts(answer_as_xml(flow, turn=make_turn(lambda: at, name="Ann"))) == [heard]


# Texts that are wrong


@each_case(
    ("text", "said"),
    [
        ("{{ caller.nmae }}", "did you mean 'name'?"),
        ("{{ caler.name }}", "did you mean 'caller'?"),
        ("{{ caller.name", "is not closed by }}"),
        ("{% if caller.name %}", "end"),
        ("{% endif %}", "endif"),
        ("{{ caller.name() }}", "name(…) is a function"),
        ("{{ caller.name.upper() }}", "upper(…) is a function"),
        ("{{ caller.name.upper }}", "upper"),
        ("{{ caller.name.first }}", "first"),
        ("{{ now.date.year }}", "year"),
        ("{{ caller['nmae'] }}", "nmae"),
        ("{{ caller | attr('name') }}", "no filter 'attr'"),
        ("{{ caller }}", "caller"),
        ("{{ call }}", "call"),
        ("{{ caller.name | sopken }}", "sopken"),
        ("{% if caller.name %}{{ caller.name | sopken }}{% endif %}", "sopken"),
        ("{{ (caller.name | sopken) if caller.name else '' }}", "sopken"),
        ("{% if caller.name is sopken %}a{% endif %}", "sopken"),
        ("{% include 'x' %}", "include"),
        ("{% import 'x' as y %}", "import"),
        ("{% macro x() %}{% endmacro %}", "macro"),
        ("{% block x %}{% endblock %}", "block"),
        ("{% extends 'x' %}", "extends"),
        ("{{ self }}", "no 'self'"),
        ("{{ caller.__init__ }}", "__init__"),
        ("{{ ''.__class__ }}", "__class__"),
    ],
)
def test_a_text_that_cannot_be_is_an_error_at_its_place(text, said):
    quoted = text.replace("'", "''")
    made = compile_text(make_flow_text(f"- say: '{quoted}'"))
    assert made.flow is None
    assert made.rules[0] == "template"
    assert (made.problems[0].line, made.problems[0].column) == (5, 12)
    assert said in str(made.problems[0]).lower()


def test_a_wrong_line_of_a_long_text_is_named():
    made = compile_text(make_flow_text("- say: |\n    Hello.\n    How are you?\n    {{ caller.nmae }}"))
    assert made.problems[0].line == 8


@each_case("escape", ["\\x01", "\\0", "\\x1f", "\\uFFFE", "\\uFFFF", "\\uD800"])
def test_a_character_that_xml_forbids_is_an_error_of_the_author(escape):
    made = compile_text(make_flow_text(f'- say: "Hello {escape}."'))
    assert made.flow is None
    assert made.problems[0].severity == "error"


def test_a_fallback_needs_nothing_but_itself():
    for steps in (
        "say: 'Sorry {{ caller.name }}'",
        "{when: caller.anonymous, say: Sorry}",
        "goto: start",
        "menu: {prompt: a, keys: {1: start}}",
        "play: 'https://x/{{ number }}'",
        "dial: {to: +12015550188, no_answer: start}",
        "record: {do: [goto: start]}",
    ):
        made = compile_text(f"nodes: {{start: [hangup]}}\nfallback: [{steps}]\n")
        assert made.flow is None, steps
        assert made.rules[0] == "fallback-not-static", steps
        assert made.problems[0].line == 2


def test_a_fallback_may_ring_and_take_a_message():
    flow = compile_valid_flow(
        "nodes: {start: [hangup]}\nfallback:\n  - say: Sorry.\n  - dial: +12015550188\n  - voicemail: Speak.\n"
    )
    assert flow.fallback.count(b"<Answer/>") == 1
    assert b"<To>+12015550188</To>" in flow.fallback
    assert b'<Record tag="voicemail">' in flow.fallback


def test_no_fallback_is_the_apology():
    for text in ("", "fallback:\n", "fallback: []\n"):
        assert b"<Say>We are sorry.</Say><Hangup/>" in compile_valid_flow(f"nodes: {{start: [hangup]}}\n{text}").fallback


_OFFICE = "timezone: America/New_York\nhours: {office: {mon-fri: 09:00-17:00}}"


@each_case(
    ("hour", "lang", "words"),
    [
        (10, "en-US", "open, and we close today at 5 PM"),
        (20, "en-US", "closed, and we open tomorrow at 9 AM"),
        (10, "es-US", "abiertos, y cerramos hoy a las 5 de la tarde"),
        (20, "fr", "fermés, et nous ouvrons demain à 9 heures"),
        (20, "de-DE", "geschlossen, und wir öffnen morgen um 9 Uhr"),
        (10, "it", "open, and we close today at 5 PM"),
    ],
)
def test_the_status_of_hours_is_spoken_with_the_time_of_its_next_change(hour, lang, words):
    step = f"- say: {{text: '{{{{ hours.office.status | spoken }}}}', lang: {lang}}}"
    flow = compile_valid_flow(make_flow_text(step, _OFFICE))
    moment = datetime(2026, 11, 23, hour, tzinfo=ZoneInfo("America/New_York"))
    assert f">{words}</Say>" in answer_node(flow, "start", make_turn(lambda: moment)).decode()


def test_the_status_of_hours_is_open_or_closed_in_conditions_and_alone_if_it_never_changes():
    more = "timezone: America/New_York\nhours: {office: {daily: 00:00-24:00}}"
    flow = compile_valid_flow(
        make_flow_text(
            "- when: hours.office.status == 'open'\n  say: We are {{ hours.office.status | spoken }}.\n- say: Bye.", more
        )
    )
    assert b"<Say>We are open.</Say>" in answer_node(flow, "start", make_turn())


def test_the_status_alone_asks_the_hours():
    text = make_flow_text("- say: 'We are {{ hours.office.status | spoken }}.'", _OFFICE)
    assert [problem.rule for problem in compile_text(text).problems] == []
