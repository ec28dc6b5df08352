"""Flows in several languages: what callers hear before and after they chose one."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flow_harness import (
    Conversation,
    answer_as_xml,
    answer_node,
    compile_steps,
    compile_text,
    compile_valid_flow,
    make_flow_text,
    make_turn,
    spoken_texts,
)

from callflows.telephony.ports import LookupResult
from callflows.telephony.turn import Variables
from each_case import each_case

if TYPE_CHECKING:
    from callflows.telephony.turn import Turn

LANGUAGES = (
    "timezone: UTC\nlanguages: {en: {lang: en-US, gender: FEMALE}, es: es-US}\nhours: {office: {daily: 09:00-17:00}}"
)
CHOOSES = """\
- menu:
    prompt: [{say: {text: For English press 1., lang: en}}, {say: {text: "Para español, oprima 2.", lang: es}}]
    keys: {1: main, 2: spanish}
    otherwise: main
"""
MAIN = "  spanish:\n    - set: {language: es}\n    - goto: main\n  main:\n"
EN, ES = '<Say lang="en-US" gender="FEMALE">', '<Say lang="es-US">'
NEXT = "{{ hours.office.next_opening | spoken }}"
UNUSED = {"unused", "unreachable-node"}
NIGHT = datetime(2026, 11, 23, 20, tzinfo=UTC)


def flow_text(steps: str) -> str:
    lines = "\n".join(f"    {line}" for line in steps.splitlines())
    return f"{make_flow_text(CHOOSES, LANGUAGES)}{MAIN}{lines}\n  bye: [hangup]\n"


def told_problems(text: str) -> list[tuple[str, int]]:
    """Rules and lines of what is told about a flow, but for what it does not use."""
    return [(problem.rule, problem.line) for problem in compile_text(text).problems if problem.rule not in UNUSED]


def turn_in(language: object = None) -> Turn:
    turn = make_turn(lambda: NIGHT)
    turn.earlier_values = Variables({} if language is None else {"language": language})
    turn.reset_progress()
    return turn


@each_case(
    ("steps", "english", "spanish"),
    [
        ("- say: {en: Hello., es: Hola.}", f"{EN}Hello.</Say>", f"{ES}Hola.</Say>"),
        (
            "- say: {text: {en: Hello., es: Hola.}, loop: 2}",
            EN[:-1] + ' loop="2">Hello.</Say>',
            ES[:-1] + ' loop="2">Hola.</Say>',
        ),
        (
            "- say: {en: {text: Hello., gender: MALE}, es: [Hola.]}",
            '<Say lang="en-US" gender="MALE">Hello.</Say>',
            f"{ES}Hola.</Say>",
        ),
        (
            "- play: {en: https://a.example/en.mp3, es: https://a.example/es.mp3}",
            "<Play>https://a.example/en.mp3</Play>",
            "<Play>https://a.example/es.mp3</Play>",
        ),
        (
            "- say: [{pause: 1s}, {en: Hello., es: Hola.}, {say: {text: Ciao., lang: it}}]",
            f'<Pause length="1000"/>{EN}Hello.</Say><Say lang="it" gender="FEMALE">Ciao.</Say>',
            f'<Pause length="1000"/>{ES}Hola.</Say><Say lang="it" gender="FEMALE">Ciao.</Say>',
        ),
        (
            '- say: "{{ hours.office.next_opening | spoken }}"',
            f"{EN}tomorrow at 9 AM</Say>",
            f"{ES}mañana a las 9 de la mañana</Say>",
        ),
        (
            f'- say: {{en: "We open {NEXT}.", es: "Abrimos {NEXT}."}}',
            f"{EN}We open tomorrow at 9 AM.</Say>",
            f"{ES}Abrimos mañana a las 9 de la mañana.</Say>",
        ),
        (
            "- when: language == 'en'\n  say: {text: English only., lang: en}\n- say: {text: Both., lang: en}",
            f"{EN}English only.</Say>{EN}Both.</Say>",
            f"{EN}Both.</Say>",
        ),
        ("- say: {text: '{{ language }}', lang: en}", f"{EN}en</Say>", f"{EN}es</Say>"),
    ],
)
@each_case("dialect", ["reference", "classic"])
def test_a_step_is_heard_in_the_language_of_the_call(steps, english, spanish, dialect):
    flow = compile_valid_flow(flow_text(steps), dialect)
    assert answer_as_xml(flow, "main", turn_in()).removeprefix("<Answer/>").startswith(english)
    assert answer_as_xml(flow, "main", turn_in("es")).removeprefix("<Answer/>").startswith(spanish)
    for unknown in ("it", 7, [], {"a": 1}):
        if "language" not in steps:
            assert answer_as_xml(flow, "main", turn_in(unknown)).removeprefix("<Answer/>").startswith(english)


def test_prompts_of_a_menu_have_a_language_for_each_attempt_or_attempts_for_each_language():
    keys = "no_input: {en: Nothing., es: Nada.}, no_match: {en: [{pause: 1s}, say: No.], es: Mal.}"
    keys += ", keys: {1: bye}, attempts: 2"
    by_language = compile_valid_flow(flow_text(f"- menu: {{prompt: {{en: [A., B.], es: [C.]}}, {keys}, otherwise: bye}}"))
    by_attempt = compile_valid_flow(
        flow_text(f"- menu: {{prompt: [{{en: A., es: C.}}, {{en: B., es: C.}}], {keys}, otherwise: bye}}")
    )
    for flow in (by_language, by_attempt):
        assert spoken_texts(answer_as_xml(flow, "main", turn_in()))[:6] == [
            "A.",
            "No.",
            "Nothing.",
            "B.",
            "No.",
            "Nothing.",
        ]
        assert spoken_texts(answer_as_xml(flow, "main", turn_in("es")))[:6] == [
            "C.",
            "Mal.",
            "Nada.",
            "C.",
            "Mal.",
            "Nada.",
        ]


def test_a_choice_travels_in_tickets_and_both_languages_are_asked_at_each_attempt():
    steps = "- collect: {into: pin, digits: 4, prompt: {en: Your PIN., es: Su PIN.}, "
    steps += "no_match: {en: Wrong., es: Mal.}, otherwise: main}"
    call = Conversation(compile_valid_flow(flow_text(f"{steps}\n- voicemail: {{en: Speak., es: Hable.}}")))
    assert call.spoken_texts[:2] == ["For English press 1.", "Para español, oprima 2."]
    assert call.xml.count("For English") == 3
    at = next(index for index, url in enumerate(call.urls) if "/spanish?" in url)
    found = re.findall(r'<Callback url="[^"]*/call/acme/([^/"?]+)\?ticket=([^"]+)"', call.xml)
    call.follow_ticket(*found[[node for node, _ in found].index("spanish")])
    assert at >= 0
    assert call.spoken_texts[:1] == ["Su PIN."]
    call.press_keys("1")
    assert call.tickets[-1]["s"] == {"language": "es"}
    assert call.spoken_texts[:2] == ["Mal.", "Su PIN."]
    assert call.press_keys("1234").spoken_texts == ["Hable."]


def test_a_text_message_is_in_the_language_of_the_call():
    flow = compile_valid_flow(
        flow_text('- sms: {en: Hello., es: "Hola, {{ hours.office.next_opening | spoken }}"}\n- hangup')
    )
    for language, text in ((None, "Hello."), ("es", "Hola, mañana a las 9 de la mañana")):
        turn = turn_in(language)
        answer_node(flow, "main", turn)
        assert [effect.payload["text"] for effect in turn.effects] == [text]


@each_case(
    ("told", "language"),
    [("es", "es"), ("es-MX", "es"), ("ES_us", "es"), ("en", "en"), ("fr", "en"), (["es"], "en"), (None, "en")],
)
def test_a_computed_language_is_one_of_the_flow_or_changes_nothing(told, language):
    url = "https://crm.example.com"
    steps = f"- lookup: {{url: '{url}', into: customer, default: {{}}}}\n"
    steps += "- set: {language: customer.language}\n- say: {en: Hello., es: Hola.}"
    flow = compile_valid_flow(flow_text(steps))
    xml = answer_node(flow, "main", make_turn(), lookup_answers={url: LookupResult({"language": told}, ok=True)}).decode()
    assert ("Hola." in xml) is (language == "es")


def test_a_step_with_a_voice_of_its_own_keeps_it():
    steps = "- voicemail: {greeting: Hallo., voice: {lang: de-DE}}\n- voicemail: {greeting: Hola., voice: {lang: es}}"
    xml = answer_as_xml(compile_valid_flow(flow_text(steps)), "main", turn_in())
    assert '<Say lang="de-DE" gender="FEMALE">Hallo.</Say>' in xml
    assert f"{EN[:-1]}>Hola.</Say>".replace("en-US", "es-US") in xml or f"{ES}Hola.</Say>" in xml
    assert told_problems(flow_text(steps)) == []


def test_texts_without_a_translation_are_told_only_where_another_language_may_be_spoken():
    told = told_problems(flow_text("- say: Untranslated.\n- say: {en: Hello.}"))
    assert sorted(told) == [("no-translation", 15), ("no-translation", 16)]
    before = make_flow_text(f"- say: Welcome.\n{CHOOSES}", LANGUAGES) + MAIN + "    - say: {en: Hello., es: Hola.}\n"
    assert told_problems(before) == []


def test_a_flow_with_one_language_or_none_is_compiled_as_before():
    plain = compile_steps("- say: Hello.", more="voice: {lang: en-GB}")
    assert plain == compile_steps("- say: Hello.", more="languages: {en: en-GB}") == '<Say lang="en-GB">Hello.</Say>'
    assert compile_steps("- say: {en: Hello.}", more="languages: {en: en-GB}") == plain
