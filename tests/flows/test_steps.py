"""Every verb of the language is a step, with its attributes and children under their own names."""

from __future__ import annotations

import pytest
from flow_harness import (
    answer_as_xml,
    compile_steps,
    compile_text,
    compile_valid_flow,
    make_flow_text,
    parse_response,
    request_document,
    spoken_texts,
)

from callflows.flows.steps.step_table import STEP_COMPILERS
from callflows.language import Response
from callflows.language.verbs import ELEMENT_CLASSES
from each_case import each_case
from golden_documents import make_file_name

REFERENCE = {
    "answer": "<Answer/>",
    "answer: {delay: 500ms, tag: pickup}": '<Answer delay="500" tag="pickup"/>',
    "say: Hello.": "<Say>Hello.</Say>",
    "say: {text: Hello., type: WaveNet, gender: MALE, code: x, lang: en-GB, loop: 2, tag: t}": (
        '<Say type="WaveNet" gender="MALE" code="x" lang="en-GB" loop="2" tag="t">Hello.</Say>'
    ),
    "say: {text: Hello., error: [hangup: {tag: gone}]}": '<Say>Hello.<Error><Hangup tag="gone"/></Error></Say>',
    "say: {text: Hello., meta: {who: '007', last: Ann}}": (
        '<Say>Hello.<Meta name="who" value="007"/><Meta name="last" value="Ann"/></Say>'
    ),
    "play: https://media.example.com/a.mp3?x=1&y=2": "<Play>https://media.example.com/a.mp3?x=1&amp;y=2</Play>",
    "play: {record: greeting, leg: both, loop: 3}": '<Play record="greeting" leg="both" loop="3"/>',
    "pause: 2s": '<Pause length="2000"/>',
    "pause: {length: 500ms, dtmf_stop: '#'}": '<Pause length="500" dtmf_stop="#"/>',
    "pause": "<Pause/>",
    "tone: {hz: [350, 440], don: 1s, doff: 500ms, v: -7, loop: -1, timeout: 3s, leg: aleg}": (
        '<Tone hz="350,440" don="1000" doff="500" v="-7" loop="-1" timeout="3000" leg="aleg"/>'
    ),
    "hold: 1m": '<Hold timeout="60000"/>',
    "unhold": "<Unhold/>",
    "hangup": "<Hangup/>",
    "hangup: {tag: spam}": '<Hangup tag="spam"/>',
    "record: {asr: yes, timeout: 2m, tag: m, do: [say: Speak., pause: 5s]}": (
        '<Record asr="true" timeout="120000" tag="m"><Say>Speak.</Say><Pause length="5000"/></Record>'
    ),
    "record_start: {tag: a}": '<RecordStart tag="a"/>',
    "record_stop: {tag: a}": '<RecordStop tag="a"/>',
    "record_wait": "<RecordWait/>",
    "gather: {dtmf_length: 4, dtmf_stop: '#', url: 'https://crm.example.com/pin', "
    "dtmf: {1: [say: One], star: [say: Star]}, default: [say: What?], error: [say: Nothing.]}": (
        '<Gather dtmf_length="4" dtmf_stop="#" url="https://crm.example.com/pin"><DTMF value="1"><Say>One</Say></DTMF>'
        '<DTMF value="*"><Say>Star</Say></DTMF><Default><Say>What?</Say></Default>'
        "<Error><Say>Nothing.</Say></Error></Gather>"
    ),
    "callback: https://other.example.com/next": '<Callback url="https://other.example.com/next" method="GET"/>',
    "callback: {url: 'https://other.example.com/next', method: post, body: true, timeout: 5s, tag: c, error: [say: No.]}": (
        '<Callback url="https://other.example.com/next" method="POST" body="true" timeout="5000" tag="c">'
        "<Error><Say>No.</Say></Error></Callback>"
    ),
    "curl: {url: 'https://crm.example.com/', method: GET, timeout: 800ms}": (
        '<Curl url="https://crm.example.com/" method="GET" timeout="800"/>'
    ),
    "call: {field: from, value: '+12015550999', do: [say: You.]}": (
        '<Call field="from" value="+12015550999"><Say>You.</Say></Call>'
    ),
    "geo: {states: [NJ, NY], county: HUDSON, do: [say: N.]}": '<Geo states="NJ,NY" county="HUDSON"><Say>N.</Say></Geo>',
    "schedule: {dow: [mon, tue], time: '09:00:00-17:00:00', do: [say: Open.], error: [say: No.]}": (
        '<Schedule dow="mon,tue" time="09:00:00-17:00:00"><Say>Open.</Say><Error><Say>No.</Say></Error></Schedule>'
    ),
    "meta: {name: who, value: Ann}": '<Meta name="who" value="Ann"/>',
}

CLASSIC = {
    "say: Hello.": "<Say>Hello.</Say>",
    "play: {url: 'https://media.example.com/a.mp3'}": "<Play>https://media.example.com/a.mp3</Play>",
    "pause: 2s": '<Pause length="2000"/>',
    "hangup": "<Hangup/>",
    "record: {asr: true, do: [pause: {length: 5s, dtmf_stop: '#'}]}": (
        '<Record asr="true"><Pause length="5000" dtmf_stop="#"/></Record>'
    ),
    "gather: {dtmf_length: 1, timeout: 5s, attempts: 2, method: post, do: [say: Press 1.], dtmf: {1: [say: One]}}": (
        '<Gather numDigits="1" timeout="5000" attempts="2" method="POST"><Say>Press 1.</Say>'
        '<Switch><Case dtmf="1"><Say>One</Say></Case></Switch></Gather>'
    ),
    "callback: https://other.example.com/next": '<Callback url="https://other.example.com/next" method="GET"/>',
    "reject": "<Reject/>",
    "redirect": "<Redirect/>",
}


@each_case("step", REFERENCE)
def test_a_verb_is_a_step_in_the_reference_dialect(step):
    made = answer_as_xml(compile_valid_flow(make_flow_text(f"- {step}", "auto_answer: false")))
    ends = step.startswith(("hangup", "callback"))
    assert parse_response(made) == parse_response(REFERENCE[step] + ("" if ends else "<Hangup/>"))


@each_case("step", CLASSIC)
def test_a_verb_is_a_step_in_the_classic_dialect(step):
    xml = answer_as_xml(compile_valid_flow(make_flow_text(f"- {step}"), "classic")).removesuffix("<Hangup/>")
    assert xml == CLASSIC[step].removesuffix("<Hangup/>")


def test_every_verb_of_the_language_is_a_step_and_has_a_case_here():
    inside = {"To", "DTMF", "Default", "Error", "Response", "Dial"}
    known = {make_file_name(name) for name in ELEMENT_CLASSES if name not in inside}
    tried = {step.partition(":")[0] for step in [*REFERENCE, *CLASSIC]}
    assert known == tried
    assert known < set(STEP_COMPILERS)


def test_what_stands_only_inside_others_is_no_step():
    for name in ("to", "dtmf", "default", "error", "response", "Say", "SAY", "do"):
        assert compile_text(make_flow_text(f"- {name}: x")).rules == ["unknown-step"]


@each_case("cls", [cls for cls in ELEMENT_CLASSES.values() if cls is not Response], ids=lambda cls: cls.__name__)
def test_a_misspelt_attribute_is_never_lost(cls):
    name = make_file_name(cls.__name__)
    if name in STEP_COMPILERS:
        assert "unknown-key" in compile_text(make_flow_text(f"- {name}: {{txet: x}}")).rules


# Where steps may stand


@each_case(
    "step",
    [
        "dial: +12015550188",
        "hangup",
        "goto: start",
        "gather: {dtmf: {1: [hangup]}}",
        "record",
        "{when: caller.anonymous, hangup: }",
    ],
)
@each_case("dialect", ["reference", "classic"])
def test_only_prompts_stand_inside_a_gather(step, dialect):
    made = compile_text(make_flow_text(f"- gather: {{do: [{step}], dtmf: {{1: [say: One]}}}}"), dialect)
    assert made.flow is None, answer_as_xml(made.flow)
    assert (made.problems[0].severity, made.problems[0].line) == ("error", 5)


@pytest.mark.parametrize(
    "verb", ["say: {text: a, ", "pause: {", "hangup: {", "dial: {to: a@b, ", "callback: {url: 'http://x', "]
)
def test_steps_stand_only_in_verbs_that_hold_commands(verb):
    assert compile_text(make_flow_text(f"- {verb}do: [hangup]}}")).rules in (["shape"], ["unknown-key"])


@pytest.mark.parametrize("key", ["dtmf: {1: [hangup]}", "default: [hangup]"])
def test_branches_stand_only_in_a_gather(key):
    assert compile_text(make_flow_text(f"- record: {{{key}}}")).rules == ["shape"]


def test_a_step_after_the_end_is_an_error():
    for end in ("hangup", "goto: other", "callback: https://x.example.com"):
        made = compile_text(make_flow_text(f"- {end}\n- say: Never.\n- goto: other") + "  other: [hangup]\n")
        assert [(problem.rule, problem.line) for problem in made.problems] == [("after-the-end", 6), ("after-the-end", 7)]


def test_a_step_after_an_end_under_a_condition_is_none():
    assert compile_text(make_flow_text("- when: caller.anonymous\n  hangup:\n- say: Hello.")).rules == []


def test_an_end_in_a_branch_does_not_end_what_stands_around_it():
    xml = compile_steps(
        "- gather: {dtmf: {1: [when: caller.anonymous, goto: start]}}\n- say: After.".replace("[when", "[{when").replace(
            "start]", "start}]"
        )
    )
    assert xml.endswith("<Say>After.</Say>")


def test_a_branch_that_ends_for_one_caller_goes_on_for_another():
    flow = compile_valid_flow(
        make_flow_text(
            """
- schedule:
    dow: mon
    do:
      - when: caller.anonymous
        hangup: {tag: withheld}
      - say: Inside.
- say: After.
"""
        )
    )
    assert spoken_texts(request_document(flow)) == ["Inside.", "After."]
    hidden = request_document(flow, from_="")
    assert spoken_texts(hidden) == ["After."]
    assert '<Hangup tag="withheld"/></Schedule>' in hidden


def test_a_node_that_runs_out_of_steps_hangs_up():
    assert answer_as_xml(compile_valid_flow(make_flow_text("- say: Hello."))).endswith("<Hangup/>")
    assert answer_as_xml(compile_valid_flow("nodes: {start: []}\n")) == "<Hangup/>"
    assert answer_as_xml(compile_valid_flow("nodes: {start: }\n")) == "<Hangup/>"
    assert answer_as_xml(compile_valid_flow(make_flow_text("- hangup"))) == "<Hangup/>"


# Values


@each_case(
    ("step", "said"),
    [
        ("pause: 2", "2s?"),
        ("pause: 2000", "did you mean 2s?"),
        ("pause: two seconds", "duration"),
        ("pause: -1s", "duration"),
        ("pause: 1.5", "duration"),
        ("pause: 0.0001s", "duration"),
        ("pause: 99999999999s", "duration"),
        ("say: {text: a, loop: 0}", "1 or more"),
        ("say: {text: a, loop: two}", "whole number"),
        ("say: {text: a, gender: female}", "MALE or FEMALE"),
        ("play: file:///etc/passwd", "http"),
        ("play: {loop: 2}", "URL or record"),
        ("tone: {v: 3}", "0 or below"),
        ("schedule: {time: 09:00-17:00}", "HH:MM:SS"),
        ("schedule: {dow: monday}", "sun, mon"),
        ("geo: {states: nj}", "capitals"),
        ("hangup: now", "no plain value"),
        ("say: [a, b]", "text"),
        ("say: {text: {a: b}}", "text"),
        ("say: {}", "text"),
        ("say", "text"),
        ("gather: {dtmf: [1, 2]}", "mapping"),
        ("gather: {dtmf: {x: [hangup]}}", "key"),
        ("gather: {dtmf: {1: hangup}}", "list"),
        ("gather: {default: hangup}", "list"),
        ("record: {do: hangup}", "list"),
        ("record: {asr: maybe}", "true or false"),
        ("say: {text: a, meta: [1]}", "mapping"),
        ("say: {text: a, meta: {a: [1]}}", "text"),
        ("say: {text: a, meta: {'': x}}", "name"),
        ("meta: {value: x}", "name"),
        ("gather: {dtmf: {star: [hangup], '*': [hangup]}}", "*"),
        ("pause: {length: '{{ caller.name }}s'}", "texts and URLs"),
    ],
)
def test_a_wrong_value_is_an_error_at_its_place(step, said):
    problems = compile_text(make_flow_text(f"- {step}")).problems
    assert problems
    assert problems[0].severity == "error"
    assert problems[0].line == 5
    assert said in str(problems[0])


@each_case(
    ("text", "ms"), [("0s", 0), ("500ms", 500), ("1.5s", 1500), ("2m", 120_000), ("1h", 3_600_000), ("90 s", 90_000)]
)
def test_a_duration_has_a_unit(text, ms):
    assert compile_steps(f"- pause: {text}") == f'<Pause length="{ms}"/>'


@each_case("text", ["yes", "true", "on", "True", "YES", "y", "T"])
def test_a_boolean_is_written_as_people_write_it(text):
    assert compile_steps(f"- record: {{asr: {text}}}") == '<Record asr="true"/>'


def test_a_word_for_true_or_false_that_no_switch_takes_leads_to_it():
    (problem,) = compile_text(make_flow_text("- voicemail: {greeting: Hi., transcribe: disabled}")).problems
    assert (problem.severity, problem.fix) == ("error", "did you mean 'false'?")


def test_nothing_that_stands_for_a_call_is_a_character_of_an_author():
    for step in (
        'say: "\\uFDD00\\uFDD1"',
        'geo: {county: "\\uFDD00\\uFDD1"}',
        'dial: "\\uFDD00\\uFDD1@x"',
        'say: {text: a, meta: {"\\uFDD00\\uFDD1": x}}',
        'call: {field: "\\uFDD00\\uFDD1", value: x}',
    ):
        made = compile_text(make_flow_text(f"- {step}"))
        assert made.flow is None, step
        assert made.problems[0].severity == "error"
    made = compile_text('voice: {code: "\\uFDD00\\uFDD1"}\nnodes: {start: [say: Hello]}\n')
    assert made.flow is None


# A step's shape


@each_case(
    ("steps", "said"),
    [
        ("- {}", "needs something to do"),
        ("- when: caller.anonymous", "needs something to do"),
        ("- {say: a, hangup: }", "this has 2: say, hangup"),
        ("- [say]", "one key"),
        ("- saay: a", "did you mean 'say'?"),
        ("- Say: a", "did you mean 'say'?"),
        ("- say hello", "say hello"),
        ("- ''", "the step is empty"),
        ("- {when: [a], say: b}", "expression"),
        ("- {when: {a: b}, say: b}", "expression"),
        ("- goto: [a]", "text"),
        ("- goto: strat", "did you mean 'start'?"),
        ("- goto: {node: start, nod: x}", "did you mean 'node'?"),
    ],
)
def test_a_step_of_another_shape_is_an_error_with_the_fix(steps, said):
    problems = compile_text(make_flow_text(steps)).problems
    assert said in str(problems[0])
    assert problems[0].line == 5


@each_case(
    ("step", "fix"),
    [
        ("pause: {seconds: 2}", "did you mean length: 2s?"),
        ("pause: {ms: 500}", "did you mean length: 500ms?"),
        ("pause: {reason: x}", "it has length, dtmf_stop, tag, error, meta"),
        ("hold: {duration: 10s}", "did you mean timeout: 10s?"),
        ("hangup: true", "write it alone, as - hangup; it has tag, error, meta"),
        ("hangup: {do: [say: Hello.]}", "write them as steps of their own"),
        ("redirect: +12015550188", "somebody is rung by a dial: dial: +12015550188"),
        ("call: ann@example.com", "somebody is rung by a dial: dial: ann@example.com"),
        ("redirect: start", "the way to a node is goto: start"),
        ("say: [Hello, you.]", "write one text in quotes, or a step for each: [say: …, say: …]"),
        ("pause: {length: 1s, dtmf_stop: one}", "did you mean 1?"),
        ("gather: {dtmf_length: 1, dtmf: {pound: [hangup]}, do: [say: P.]}", "did you mean hash?"),
        ("play: {url: welcome.wav}", "a file of the folder sounds is sound: welcome.wav"),
        ("play: {url: ./sounds/es/welcome.wav}", "a file of the folder sounds is sound: es/welcome.wav"),
        ("play: sounds/welcome.wav", "names are in the folder sounds: write welcome.wav"),
        ("play: ./welcome.wav", "names are in the folder sounds: write welcome.wav"),
        ("play: www.example.com/x.mp3", "a URL begins with its scheme: https://www.example.com/x.mp3"),
    ],
)
def test_a_step_that_is_written_in_another_way_gets_the_fix_that_works_here(step, fix):
    problems = [one for one in compile_text(make_flow_text(f"- {step}")).problems if one.severity == "error"]
    assert [problem.fix for problem in problems if problem.rule != "dialect"] == [fix]
    assert not any("('" in problem.message for problem in problems)


@each_case(
    ("word", "fix"),
    [
        ("fallback", "the key 'fallback' of the file"),
        ("start_recording", "'record_start'"),
        ("stop_recording", "'record_stop'"),
        ("pause_recording", "record_stop ends it"),
        ("callerid", "caller.number"),
        ("caller_id", "caller.number"),
        ("user", "'dial'"),
        ("client", "'dial'"),
        ("exten", "'dial'"),
        ("action", "each step stands by itself"),
        ("ai", "ask for keys"),
        ("noop", "write a comment"),
        ("timecondition", "the key 'hours' of the file"),
        ("split", "'choose'"),
        ("run_function", "'lookup'"),
        ("send_to_flex", "ring in rounds"),
        ("send_message", "'sms'"),
        ("busy", "did you mean 'hangup'?"),
        ("congestion", "did you mean 'hangup'?"),
        ("music_on_hold", "did you mean 'play'?"),
        ("callers", "there are "),
    ],
)
def test_a_step_of_another_system_gets_the_one_of_the_same_meaning(word, fix):
    (problem,) = [one for one in compile_text(make_flow_text(f"- {word}: x\n- say: Hello.")).problems if one.line == 5]
    assert fix in problem.fix


def test_a_busy_tone_may_be_a_reject_in_the_dialect_that_has_it():
    problems = compile_text(make_flow_text("- busy: x\n- say: Hello.", "dialect: classic")).problems
    assert problems[0].fix == "did you mean 'hangup' or 'reject'?"


@each_case(
    ("step", "fix"),
    [
        ("menu: {prompt: P., keys: {1: start}, otherwise: start, invalid_prompt: x}", "did you mean 'no_match'?"),
        ("menu: {prompt: P., keys: {1: start}, otherwise: start, timeout_prompt: x}", "did you mean 'no_input'?"),
        ("voicemail: {to: a@example.com}", "did you mean 'mail'?"),
        ("dial: {to: +12015550188, no_answer: start, answerOnBridge: true}", "take it out"),
        ("dial: {to: +12015550188, no_answer: start, password: x}", "collect asks for a code"),
        ("dial: {to: +12015550188, no_answer: start, press_one: true}", "write to them before the dial"),
        ("dial: {to: +12015550188, no_answer: start, timeLimit: 60}", "no key limits a conversation"),
        ("collect: {prompt: P., into: pin, digits: 4, otherwise: start, confirm: true}", "ask with a menu after it"),
        ("say: {text: Hello., repeat: 2}", "did you mean 'loop'?"),
    ],
)
def test_a_key_of_another_system_gets_the_one_of_the_same_meaning(step, fix):
    (problem,) = [one for one in compile_text(make_flow_text(f"- {step}")).problems if one.severity == "error"]
    assert fix in problem.fix


@each_case(("key", "fix"), [("record", "record_start"), ("replies", "'messages'"), ("users", "'directory'")])
def test_a_key_of_the_file_in_other_words_gets_the_right_one(key, fix):
    problems = compile_text(make_flow_text("- say: Hello.", f"{key}: x")).problems
    assert [fix in problem.fix for problem in problems if problem.rule == "unknown-key"] == [True]
