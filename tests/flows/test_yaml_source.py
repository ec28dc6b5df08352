"""YAML's traps: values that look like another type are text, and silently lost values are errors."""

from __future__ import annotations

import json
import re

import pytest
from flow_harness import compile_steps, compile_text, compile_valid_flow, make_flow_text, request_document, spoken_texts
from hypothesis import given
from hypothesis import strategies as st

from callflows.flows.source.yaml_source import MAX_FLOW_FILE_BYTES
from callflows.flows.steps.step_table import FLOW_STEPS, STEP_COMPILERS
from callflows.language.verbs import ELEMENT_SPECS
from command_process import run_callflows
from each_case import each_case

# Every scalar is text


@each_case(
    "text",
    [
        "22:00",
        "+12015550123",
        "no",
        "yes",
        "on",
        "off",
        "null",
        "1_000",
        "0x1F",
        "1e3",
        "010",
        "2026-12-24",
        "true",
        "<<",
        ".5",
        "1:",
    ],
)
def test_a_text_is_a_text_whatever_yaml_makes_of_it_elsewhere(text):
    quoted = f'"{text}"' if text == "1:" else text
    assert spoken_texts(compile_steps(f"- say: {quoted}")) == [text]


@each_case("sign", ["~", "="])
def test_a_sign_is_a_text_whatever_yaml_makes_of_it_elsewhere(sign):
    steps = "- say: The sign {{ variables.sign }}"
    assert spoken_texts(compile_steps(steps, more=f"variables: {{sign: {sign}}}")) == [f"The sign {sign}"]


def test_a_number_keeps_its_plus_and_its_zeros():
    assert "<To>+12015550188</To>" in compile_steps("- dial: +12015550188")
    assert "<To>012015550188</To>" in compile_steps("- dial: 012015550188")
    assert 'value="007"' in compile_steps("- meta: {name: n, value: 007}")


def test_keys_of_a_menu_need_no_quotes():
    xml = compile_steps("- menu: {prompt: a, keys: {0: start, 1: start, 01: start, star: start, hash: start}, attempts: 1}")
    for key in ("0", "1", "01", "*", "#"):
        assert f'<DTMF value="{key}">' in xml


def test_nodes_may_be_named_no_and_yes():
    text = "nodes:\n  start: [{when: caller.anonymous, goto: no}, {goto: yes}]\n  no: [say: No.]\n  yes: [say: Yes.]\n"
    assert spoken_texts(request_document(compile_valid_flow(text))) == ["Yes."]


# What would be lost


def test_a_comment_on_a_line_of_its_own_or_after_a_closed_value_is_fine():
    text = """
# numbers of ours
numbers: [+12015550123]   # the front desk
nodes:                    # all of them
  start:
    # greet
    - say: "Hello."       # quoted
    - goto: other         # a node
    - # nothing
  other:
    - pause: 2s           # wait
"""
    made = compile_text(text.replace("    - # nothing\n", ""))
    assert made.problems == ()


@each_case(
    "step",
    [
        "say: Dial #1 now",
        "say: {text: Dial #1\n }",
        "voicemail: Leave a message #please",
        "dial: {to: +12015550188, tag: sales #1\n }",
        "menu:\n    prompt:\n      - First #1\n      - Second.\n    keys: {1: start}",
        "say:\n    text: Hello\n    meta:\n      who: Ann #1",
        "say:\n    Hello\n    there #1",
        "meta:\n    name: a\n    value: b #c",
    ],
)
def test_a_comment_that_cuts_a_text_is_an_error(step):
    made = compile_text(make_flow_text(f"- {step}"))
    assert "comment-in-text" in made.rules or "yaml" in made.rules, made.problems
    assert made.flow is None


def test_a_key_lost_to_a_comment_is_an_error():
    made = compile_text(make_flow_text("- menu:\n    prompt: Press hash.\n    keys:\n      1: start\n      #: start"))
    assert made.flow is None
    (problem,) = [problem for problem in made.problems if problem.severity == "error"]
    assert problem.line == 9
    assert "hash" in str(problem)


def test_a_text_lost_to_a_comment_says_so():
    made = compile_text(make_flow_text("- say: #1 is the best"))
    assert made.flow is None
    assert "#" in str(made.problems[0])
    assert "quote" in made.problems[0].fix


@pytest.mark.parametrize(
    "text", ["{{ caller.name }}", "{{ caller.name }}, hello", "{{caller.name}}: hello", "{% if 1 %}a{% endif %}"]
)
def test_a_text_that_begins_with_a_brace_must_be_quoted_and_the_fix_says_so(text):
    made = compile_text(make_flow_text(f"- say: {text}"))
    assert made.flow is None
    assert made.problems[0].line == 5
    assert "quote" in made.problems[0].fix


@pytest.mark.parametrize("text", ["Please note: we are closed.", "We are open: 9 to 5", "a: b: c"])
def test_a_colon_in_a_text_must_be_quoted_and_the_fix_says_so(text):
    made = compile_text(make_flow_text(f"- say: {text}"))
    assert made.flow is None
    assert made.problems[0].line == 5
    assert "quote" in made.problems[0].fix


@each_case(
    "text", ["@acme", "`hello`", "%hello", "*hello", "&hello", "!hello", "[hello", "'hello", '"hello', "? hello", "| hello"]
)
def test_a_text_that_begins_with_a_special_character_is_an_error_with_its_line(text):
    made = compile_text(make_flow_text(f"- say: {text}"))
    assert made.flow is None
    assert made.problems[0].line in (5, 6)


@pytest.mark.parametrize(
    "text", ["nodes:\n\tstart:\n\t- hangup\n", "nodes:\n  start:\n  \t- hangup\n", "nodes:\n\t\tstart: [hangup]\n"]
)
def test_a_tab_is_an_error_with_the_fix(text):
    made = compile_text(text)
    assert made.flow is None
    assert "spaces" in made.problems[0].fix
    assert made.problems[0].line > 1


def test_a_key_given_twice_is_an_error_wherever_it_is():
    for text in (
        "numbers: rest\nnumbers: rest\nnodes: {start: [hangup]}\n",
        "nodes:\n  start: [hangup]\n  start: [hangup]\n",
        "nodes: {start: [say: {text: a, text: b}]}\n",
        "nodes: {start: [menu: {prompt: a, keys: {1: start, '1': start}}]}\n",
        "nodes: {start: [say: {text: a, meta: {x: 1, x: 2}}]}\n",
    ):
        assert "key-twice" in compile_text(text).rules


# Files that are none


@each_case("text", ["", "\n\n", "# nothing but a comment\n", "---\n", "\ufeff", "null\n", "~\n"])
def test_an_empty_file_is_an_error(text):
    made = compile_text(text)
    assert made.flow is None
    assert made.rules == ["shape"]


@each_case(
    "octets",
    [
        b"\xff\xfe",
        b"nodes:\n  start:\n    - say: caf\xe9\n",
        "nodes: {start: [hangup]}".encode("utf-16"),
        b"\x00",
        b"nodes: \x00",
        b"\x1b[31m",
    ],
)
def test_a_file_that_is_not_text_is_an_error(octets):
    made = compile_text(octets)
    assert made.flow is None
    assert made.rules == ["yaml"]


def test_the_line_that_is_not_utf8_is_named():
    made = compile_text(b"numbers: rest\nnodes:\n  start:\n    - say: caf\xe9\n")
    assert (made.problems[0].line, made.problems[0].fix) == (4, "save it as UTF-8")


def test_a_byte_order_mark_and_windows_line_ends_are_fine():
    text = "numbers: rest\nnodes:\n  start:\n    - say: Hello.\n"
    assert compile_text(b"\xef\xbb\xbf" + text.encode()).problems == ()
    assert spoken_texts(request_document(compile_valid_flow(text.replace("\n", "\r\n")))) == ["Hello."]


def test_a_file_that_is_too_big_is_an_error():
    made = compile_text(b"#" * (MAX_FLOW_FILE_BYTES + 1))
    assert made.rules == ["yaml"]


def test_an_anchor_and_its_alias_are_fine():
    text = "nodes:\n  start: &hello [say: Hello.]\n  other: *hello\n"
    flow = compile_valid_flow(text)
    assert spoken_texts(request_document(flow)) == spoken_texts(request_document(flow, "other")) == ["Hello."]


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize("text", [LAUGHS, f"nodes: {{start: [hangup]}}\n{LAUGHS}"])
def test_a_billion_laughs_are_an_error(text):
    made = compile_text(text)
    assert made.flow is None
    assert any("repeats itself" in problem.message for problem in made.problems)
    assert len(made.problems) < 100


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['touch /tmp/callflows-was-here']\n",
        "nodes: !!python/name:os.system\n",
        "nodes: {start: [say: !!python/object/new:os.system [a]]}\n",
        "nodes: {start: [say: !!binary aGVsbG8=]}\n",
    ],
)
def test_a_tag_of_yaml_is_not_obeyed(text):
    compile_text(text)


@pytest.mark.parametrize("opening", ["[", "{", "{a: ", "- ", "? ", "[{a: ["])
def test_a_file_as_deep_as_can_be_is_an_error_and_no_crash(tmp_path, opening):
    for times in (50, 1000, 100_000):
        text = f"nodes: {opening * times}\n" if opening != "- " else opening * times
        (tmp_path / f"deep{times}.yaml").write_text(text)
    done = run_callflows("check", str(tmp_path), cwd=tmp_path)
    assert done.returncode == 1, done.stderr[-500:]
    assert {*re.findall(r"deep\d+\.yaml:", done.stdout)} == {"deep50.yaml:", "deep1000.yaml:", "deep100000.yaml:"}
    assert "Traceback" not in done.stderr


# Nothing that an author writes can crash us

_SCALARS = st.sampled_from(
    ["", "x", "1", "start", "{{ caller.name }}", "{{", "caller.name", "2s", "9999999h", "\x01", "\ufdd00\ufdd1", "#"]
)
_WORDS = {"when", "node", *(name for cls in FLOW_STEPS.values() for name in cls.model_fields)}
_ATTRIBUTES = {name for row in ELEMENT_SPECS.values() for name in row.attributes}
_KEYS = st.sampled_from(
    sorted({*STEP_COMPILERS, *_WORDS, *_ATTRIBUTES, "do", "dtmf", "default", "error", "meta", "star", "1", "x"})
)
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3), max_leaves=8
)
_STEP = st.dictionaries(_KEYS, _VALUES, min_size=1, max_size=2)
_FILE = st.fixed_dictionaries(
    {"nodes": st.fixed_dictionaries({"start": st.lists(_STEP, max_size=4)}, optional={"x": st.lists(_STEP, max_size=2)})},
    optional={"numbers": _VALUES, "voice": _VALUES, "fallback": st.lists(_STEP, max_size=2), "timezone": _VALUES},
)


@given(_FILE | st.dictionaries(_KEYS, _VALUES))
def test_any_file_is_a_flow_or_has_errors(data):
    made = compile_text(json.dumps(data))
    if made.flow is None:
        assert [problem for problem in made.problems if problem.severity == "error"]
    else:
        request_document(made.flow)


@given(st.binary(max_size=300))
def test_any_octets_are_a_flow_or_have_errors(octets):
    made = compile_text(octets)
    assert made.flow is None
    assert made.problems


# What people write


@each_case(
    ("nodes", "place", "said"),
    [
        ("start: [say: a\0b]", (3, 17), "it holds U+0000 (take it out)"),
        ("start: [say: \u00e9\u0181\U0001f600\x07b]", (3, 19), "it holds U+0007 (take it out)"),
        ("start:\n    - menu: {prompt: Press star., keys: {*: start}}", (4, 42), "write star for the * key"),
        ("start: *nobody", (3, 10), "a text that begins with * must be quoted"),
        ("start:\n    - say: a\n\t\t- say: b", (5, 1), "indent with spaces, not tabs"),
        ("start:\n    - say: a\n     - say: b", (5, 6), "indent alike"),
        ("start: [say: a]\n---\nnodes: {}", (4, 1), "a file is one flow"),
        ("start:\n    -\n    - say: a", (4, 6), "the step is empty"),
        ("start:\n    - say:Hello", (4, 7), "write say: Hello"),
        ("start:\n    - when:\n      say: a", (4, 12), "there is no expression"),
        ("start:\n    - dial: [+1 201 555 0188]", (4, 14), "did you mean '+12015550188'?"),
    ],
)
def test_what_people_write_is_answered_with_the_fix_at_its_place(nodes, place, said):
    problems = compile_text(f"numbers: rest\nnodes:\n  {nodes}\n").problems
    (problem,) = [problem for problem in problems if problem.severity == "error"]
    assert said in str(problem)
    assert (problem.line, problem.column) == place


@pytest.mark.parametrize(
    ("written", "meant"),
    [("9-17", "09:00-17:00"), ("9am-5pm", "09:00-17:00"), ("0900-1730", "09:00-17:30"), ("9.30-12.00", "09:30-12:00")],
)
def test_a_window_that_is_written_otherwise_is_answered_with_the_right_one(written, meant):
    text = f"hours: {{office: {{mon: {written}}}}}\nnodes: {{start: [say: '{{{{ hours.office.open }}}}']}}\n"
    assert f"(did you mean {meant}?)" in "\n".join(map(str, compile_text(text).problems))


def test_what_is_merged_is_there_and_a_mappings_own_wins():
    merged = "  b: {<<: *a, timeout: 30s}\n  c: {<<: [{ring: in-turn}, *a]}\n"
    groups = f"groups:\n  a: &a {{to: [+12015550188], timeout: 20s}}\n{merged}"
    flow = compile_valid_flow(f"numbers: rest\n{groups}nodes: {{start: [dial: b, dial: c]}}\n")
    assert request_document(flow).count('<Dial timeout="30000"><To>+12015550188</To>') == 1
    assert request_document(flow).count('<Dial timeout="20000"><To>+12015550188</To>') == 1


@each_case(
    ("steps", "place", "said"),
    [
        ('- say: "Hello\n    - say: "Bye."\n    - say: "x"', (4, 12), "is not closed"),
        ('- say: "Hello\n    - hangup\n    - hangup', (4, 12), "is not closed"),
        ("- say: 'Hello\n    - say: 'Bye.'", (4, 12), "is not closed"),
        ("- say: 'tis the season\n    - hangup", (4, 12), "begins with an apostrophe"),
        ('- menu: {prompt: "Press 1, keys: {1: start}}\n    - say: "a"', (4, 22), "is not closed"),
        ("- say: Hi.\n    - say: 'Welcome to Ann's.'", (5, 12), "write an apostrophe twice"),
        ("- say: {text: 'It's me.'}", (4, 19), "write an apostrophe twice"),
        ('- say: "He said "hi" to me"', (4, 12), 'write \\" within'),
        ('- say: "Open" on Monday', (4, 12), "ends before"),
        ("- say: {text: Hello, how are you}", (4, 26), "the comma ends the text of 'text'"),
        ("- menu: {prompt: Hello, press 1., keys: {1: start}, attempts: 1}", (4, 29), 'prompt: "…, press 1."'),
        ("- say: {text: Hello, friend}", (4, 26), "quote the text"),
        ("- {say: Hello {{ caller.name }}}", (4, 19), "{{ is not quoted"),
        ("- {say: {{ caller.name }}}", (4, 14), "{{ is not quoted"),
        ("- sms: {to: +12015550188, text: Hi {{ caller.name }}, bye}", (4, 40), "{{ is not quoted"),
        ("- say: {{ caller.name\n    - hangup", (4, 12), "{{ is not closed"),
        ('- say: "Hello {{ caller.name"', (4, 12), "{{ is not closed by }}"),
        ("- set: {a: {{ digits }} }\n    - say: Hi.", (4, 17), "without the braces"),
        ("- {when: {{ caller.anonymous }}, say: Hi.}\n    - say: Bye.", (4, 15), "without the braces"),
        ("- say: Hello {{ caller.name }", (4, 12), "{{ is not closed by }}"),
        ('- say: "{% if caller.name %}x"', (4, 12), "write {% endif %}"),
        ("- say: Hello {{ caller.name.", (4, 12), "{{ is not closed by }}"),
        ("- {say: Hello., hangup: ''", (4, 7), "the { that opens here is not closed"),
        ("- dial: {to: [+12015550188, no_answer: start}", (4, 18), "the [ that opens here is not closed"),
        ("- say: [Hello] there", (4, 20), "a text that begins with [ is quoted"),
        ('- say: "Hello", friend', (4, 19), "put the quotes around the whole text"),
        ("- dial: {to: +12015550188}}", (4, 31), "the } closes nothing"),
        ("- say: &Co is here", (4, 12), 'quote the text: "&Co …"'),
        ("- say: !Hello there", (4, 12), 'quote the text: "!Hello …"'),
        ("- say: > Hello", (4, 14), "begins on the next line"),
        ('- say: "C:\\path"', (4, 15), "a backslash is written twice"),
        ("- say: Hi.\n    say: Bye.", (5, 5), "begin each step with -"),
        ("- say: Hi.\n    menu\n    - say: Bye.", (5, 5), "a : is missing after 'menu'"),
        ("- say: {{ caller.name }}, hello.", (4, 12), "{{ is not quoted"),
        ("- say: {% if caller.name %}Hi{% endif %}", (4, 12), "begins with {% must be quoted"),
        ("- say: *Hello* there", (4, 12), 'quote the text, as "*…"'),
        ("- say: & co", (4, 12), 'quote the text, as "&…"'),
        ("- say: ? who", (4, 12), 'quote the text, as "?…"'),
        ("- say: - Hello", (4, 12), "a - begins a list, and none can begin here"),
        ("- say: \u201cNote: hello\u201d", (4, 12), 'write plain quotes: "\u2026"'),
        ("- {when: caller.region in [US, CA], say: Hi.}", (4, 31), "quote the text: when: '\u2026 in"),
        ('- {when: caller.region in ["US", "CA"], say: Hi.}', (4, 31), "[ is not quoted"),
        ("- menu: {prompt: Note: press 1., keys: {1: start}}", (4, 26), 'prompt: "\u2026: \u2026"'),
        ("- menu: {prompt: Hi., keys: {1: start}}, attempts: 1}", (4, 44), "take a } out before it"),
        ("- dial: {to:\n        - +12015550188\n        - +12015550190}", (5, 9), "in brackets"),
        ("- say: |\n    Hello.", (5, 5), "indent it further"),
        ("- menu\n        prompt: Press 1.", (4, 7), "a : is missing after 'menu'"),
        ("- say: *hello", (4, 12), "nothing is marked so"),
        ("- say\uff1aHello.", (4, 7), "write say: Hello."),
        ("- say: Hi.\n\u00a0\u00a0\u00a0\u00a0- say: Bye.", (5, 1), "indent with spaces"),
        ("- menu: {prompt: Hi., keys: {1: start, 2:start}}", (4, 44), "write 2: start"),
        (
            "- menu:\n        prompt: Hi.\n        keys:\n          1:start\n          2:start",
            (7, 11),
            "write a blank after",
        ),
        ("- menu:\n        prompt: Hi.\n        keys:\n          1: start\n          2:start", (8, 11), "write 2: start"),
        ("- menu: {prompt: Hi., keys:{1: start}}", (4, 27), "write keys: {"),
        ("- dial: {to: +12015550188, timeout:20s}", (4, 32), "write timeout: 20s"),
        ("- menu: {prompt: Hi., keys: {1: start, #: start, 2: start}}", (4, 44), "write hash for the # key"),
        ("- menu: {prompt: Hi., keys: {1: start; 2: start}}", (4, 42), "a ; stands between two keys"),
        ("- menu: {prompt: Hi., keys: {[1, 2]: start}}", (4, 34), "a list cannot be a key"),
        ("- menu: {prompt: Hi., keys: {1: a}, otherwise: a\n  a:\n    - say: b", (4, 13), "the { that opens here"),
        ("- menu: {\n        prompt: Hi.\n        keys: {1: start}}", (5, 20), "a comma is missing before keys"),
        ("- say: a\n    - {say: Hello. goto: start}", (5, 24), "or write a comma before goto"),
        ("- say: Hello\n    -hangup:", (5, 5), "write - hangup:"),
        ("- dial: +12015550188\n      timeout: 20s", (4, 7), "write dial: {to: +12015550188, timeout: 20s}"),
        ("- say: Hi, you\n      loop: 2", (4, 7), 'write say: {text: "Hi, you", loop: 2}'),
        ("- say: Hi.\n<<<<<<< HEAD\n    - say: Bye.\n=======", (5, 1), "unresolved conflict"),
        ("- say: !Hello", (4, 12), 'quote the text: "!Hello …"'),
        ("- say: Hi.\n      when: !caller.anonymous\n    - say: Bye.", (5, 13), "write not caller.anonymous"),
        ('- say: "C:\\Users"', (4, 17), "a backslash is written twice"),
        ('- say: "\\xzz"', (4, 15), "a backslash is written twice"),
        ('- say: "It\\\'s me"', (4, 15), "a backslash is written twice"),
        ("// greeting\n    - say: Hi.", (4, 5), "begin a comment with #"),
        ("/* greeting */\n    - say: Hi.", (4, 5), "begin a comment with #"),
        ("-- greeting\n    - say: Hi.", (4, 5), "begin a comment with #"),
        ("- say: Hi.\n    ; the end\n    - hangup", (5, 5), "begin a comment with #"),
        ("- say: Hi.\n    <!-- the end -->\n    - hangup", (5, 5), "begin a comment with #"),
        ("- say: Hi.\n    // the end\n    // at last\n    - hangup", (5, 5), "begin a comment with #"),
        ("\u2013 say: Hi.\n    \u2013 hangup", (4, 5), "a step begins with -, and not with \u2013"),
        ("• say: Hi.\n    • hangup", (4, 5), "a step begins with -, and not with •"),
        ("* say: Hi.\n    * hangup", (4, 5), "a step begins with -, and not with *"),
        ("+ say: Hi.\n    + hangup", (4, 5), "a step begins with -, and not with +"),
        ("1. say: Hi.\n    2. hangup", (4, 5), "a step begins with -, and not with 1."),
        ("- say: Hi.\n    -hangup", (5, 5), "write - hangup"),
        ("-hangup\n    -say: Hi.", (4, 5), "write - hangup"),
        ("-say: Hi.\n    -hangup", (4, 5), "write - say:"),
        ("- dial:\n        to: +12015550188\n          timeout: 20s", (6, 11), "indent it as far as to"),
        ("- dial: +12015550188\n        timeout: 20s", (5, 9), "timeout is indented further than dial"),
        ("- say: Hi.\n        - say: Bye.", (5, 11), "indent its - as far as that of say"),
        ("- say: Hi.\n      goto: a\n        when: a", (6, 9), "when is indented further than goto"),
        ("- menu: {prompt = Hi., keys = {1: start}}", (4, 14), "a colon stands after prompt, and no ="),
        ("- dial: {to=+12015550188}", (4, 14), "write to: +12015550188"),
        ("- dial: {to: +12015550188, timeout = 20s}", (4, 32), "write timeout: 20s"),
        ("- menu: {prompt: Hi., keys: {1 => start}}", (4, 34), "write 1: start"),
        (
            "- menu:\n        prompt: Hi.\n        keys:\n          1 -> start",
            (7, 11),
            "write a colon for each ->, as 1: start",
        ),
        ("- say = Hello", (4, 7), "write say: Hello"),
        ("- say:: Hello", (4, 7), "write say: Hello"),
        ("- dial:\n      to: +12015550188\n      timeout: 20s", (4, 7), "write dial: {to: +12015550188, timeout: 20s}"),
        ("- menu:\n      prompt: Hi.\n      keys: {1: start}", (4, 7), "indent prompt, keys further than menu:"),
        ("- dial: {to: [+12015550188, , +12015550190]}", (4, 33), "a comma stands where a value belongs"),
    ],
)
def test_a_mistake_in_yaml_brings_one_message_at_its_place_that_a_person_can_act_on(steps, place, said):
    (problem,) = compile_text(f"numbers: rest\nnodes:\n  start:\n    {steps}\n").problems
    assert said in str(problem)
    assert (problem.line, problem.column) == place


@each_case(
    ("text", "place", "said"),
    [
        ("numbers: rest\nnodes:\n  start\n    - say: Hi.\n", (3, 3), "write start:"),
        ("numbers = rest\nnodes:\n  start:\n    - say: Hi.\n", (1, 1), "write numbers: rest"),
        ("numbers: rest\nnodes:\nstart:\n  - say: Hi.\n", (3, 1), "start is not indented"),
        ("numbers: rest\nnodes:\nstart: [goto: a]\na: [say: Hi.]\n", (3, 1), "start is not indented"),
        ("numbers:\nnodes: {start: [say: Hi.]}\n", (1, 9), "numbers: +12015550123"),
        (
            "hours: {a: {mon: {from: 09:00, to: 17:00}}}\ntimezone: UTC\nnodes: {start: [say: '{{ hours.a.status }}.']}\n",
            (1, 18),
            "write mon: 09:00-17:00",
        ),
        ("numbers: rest\nnodes:\n  start:\n    steps:\n      - say: Hi.\n", (4, 5), "take the line steps: out"),
        ("numbers: rest\n nodes:\n  start:\n    - say: Hi.\n", (2, 2), "nodes is indented further than numbers"),
        ("// my flow\nnumbers: rest\nnodes: {start: [say: Hi.]}\n", (1, 1), "begin a comment with #"),
        ("numbers: rest\ntimezone = UTC\nnodes: {start: [say: Hi.]}\n", (2, 1), "write timezone: UTC"),
        ("```yaml\nnumbers: rest\nnodes: {start: [say: Hi.]}\n```\n", (1, 1), "take the lines with ``` out"),
        ("[numbers]\nmain=+12015550123\n", (2, 1), "a flow file is keys with values"),
    ],
)
def test_a_line_without_its_colon_or_with_a_key_too_many_is_named(text, place, said):
    (problem,) = compile_text(text).problems
    assert said in str(problem)
    assert (problem.line, problem.column) == place


@pytest.mark.parametrize(
    "nodes",
    [
        "  - start: [say: hi]\n  - other: [say: x]\n",
        "  - start:\n    - say: hi\n    - goto: other\n  - other:\n    - say: x\n",
        "  - say: hi\n",
    ],
)
def test_a_list_under_nodes_is_told_to_take_its_dashes_away(nodes):
    (problem,) = compile_text(f"numbers: rest\nnodes:\n{nodes}").problems
    assert "take the - before each name under nodes: away" in problem.fix
    assert problem.line == 3


@pytest.mark.parametrize("steps", ["-say: Hi.", "-say: Hi.\n    -hangup:"])
def test_a_dash_without_a_blank_is_told_to_get_one(steps):
    (problem,) = compile_text(f"numbers: rest\nnodes:\n  start:\n    {steps}\n").problems
    assert (problem.line, problem.column, problem.fix) == (4, 5, "write a blank after the -, as - say: …")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32-le"])
def test_a_file_in_another_encoding_is_told_to_be_saved_as_utf8(encoding):
    (problem,) = compile_text("numbers: rest\nnodes: {start: [say: Hi.]}\n".encode(encoding)).problems
    assert problem.fix == "save it as UTF-8"


@each_case(
    "steps",
    [
        "- say: |\n        // hello\n        -hello\n        1. hello",
        "- say: >\n        Hello.\n        * say: nothing",
        "- say: Hello,\n        how are you",
    ],
)
def test_a_text_of_several_lines_may_have_the_signs_of_other_lists_and_comments(steps):
    assert not any(
        problem.rule == "yaml" for problem in compile_text(f"numbers: rest\nnodes:\n  start:\n    {steps}\n").problems
    )


def test_braces_over_several_lines_with_comments_are_fine():
    steps = "- menu: {   # the {menu}\n      prompt: 'Press 1.',   # it's short\n      keys: {1: start} }   # end\n- hangup"
    assert compile_text(make_flow_text(steps)).problems == ()


def test_an_anchor_of_a_text_that_is_used_and_signs_within_texts_are_fine():
    steps = "- say: &hello Hello!\n- say: *hello\n- say: You & me [here] {there}!"
    assert spoken_texts(compile_steps(steps)) == ["Hello!", "Hello!", "You & me [here] {there}!"]


def test_a_text_of_several_lines_in_quotes_is_still_one_text():
    steps = "- say: \"Hello\n      and 'bye'\"\n- say: 'It''s'   # a comment\n- say: {text: 'a, b', lang: en-US}"
    assert spoken_texts(compile_steps(steps)) == ["Hello and 'bye'", "It's", "a, b"]


@each_case(
    ("word", "meant"),
    [
        ("transfer", "dial"),
        ("Connect", "dial"),
        ("forward", "dial"),
        ("ring", "dial"),
        ("call_forward", "dial"),
        ("email", "notify"),
        ("if", "choose"),
        ("switch", "choose"),
        ("wait", "pause"),
        ("text", "sms"),
        ("webhook", "notify"),
        ("go", "goto"),
        ("jump", "goto"),
        ("end", "hangup"),
        ("hang up", "hangup"),
        ("hang-up", "hangup"),
        ("speak", "say"),
        ("ask", "collect"),
        ("ivr", "menu"),
        ("leave message", "voicemail"),
        ("fetch", "lookup"),
        ("loop", "goto"),
        ("print", "say"),
        ("unsubscribe", "opt_out"),
        ("HTTPRequest", "lookup"),
        ("teams", "notify"),
    ],
)
def test_a_word_of_the_field_is_answered_with_the_step_of_the_same_meaning(word, meant):
    problems = compile_text(make_flow_text(f"- {word}: something")).problems
    (problem,) = [problem for problem in problems if problem.severity == "error"]
    assert (problem.rule, problem.line) == ("unknown-step", 5)
    assert f"'{meant}'" in problem.fix


def test_if_beside_a_step_is_when():
    (problem,) = compile_text(make_flow_text("- if: caller.anonymous\n  hangup:\n- say: Hi.")).problems
    assert (problem.rule, problem.fix) == ("unknown-key", "did you mean 'when'?")
