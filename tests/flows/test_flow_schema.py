"""The JSON Schema of flow files, tested with an independent validator."""

from __future__ import annotations

import ast
import json
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from check_jsonschema import main as check_jsonschema
from check_jsonschema.parsers.yaml import construct_yaml_implementation, impl2loader
from click.testing import CliRunner
from flow_harness import ALL_EXTENSIONS, compile_text, make_flow_text
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from ruamel.yaml import YAML, YAMLError

from callflows.flows.authoring.flow_schema import build_flow_schema
from callflows.flows.steps.step_table import FLOW_STEPS, STEP_COMPILERS
from callflows.flows.steps.verb_steps import CHILD_KEYS
from callflows.language import Extensions
from shipped_flows import ALL_SHIPPED_FILES

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
BAD = sorted((HERE / "bad").glob("*.yaml"))
SHAPES = frozenset({"shape", "unknown-key", "missing-key", "unknown-step", "yaml", "key-twice"})
"""Rules of what a file's shape is."""
UNSAID = ("\n    null\n", "{1: start, '1': start}", "\n    &amp;\n", "say: &Co is here", "voicemail: {to: ")
"""Of a wrong shape to us, and not to the schema: the word null, nothing to YAML; keys that are one key as texts; an anchor
with a sign that only some readers of YAML take; an anchor before a text, which was meant as a part of it; and the word to,
which is the code of a language, too."""
STRICTER = ("!", "1: start, 01: start")
"""Right to us, and not to the schema: YAML's tags, which we do not look at; keys that are one number to YAML."""


@pytest.fixture(scope="module")
def schema(tmp_path_factory) -> Path:
    file: Path = tmp_path_factory.mktemp("schema") / "flow.json"
    file.write_text(json.dumps(build_flow_schema(ALL_EXTENSIONS)))
    return file


@pytest.fixture(scope="module")
def refused(schema):
    """Return what the validator says of the texts that it refuses, by their number.

    The parts of check-jsonschema are used, and not its command: that checks the schema itself anew in each run.
    """
    validator = Draft7Validator(json.loads(schema.read_text()))
    read_yaml = impl2loader(construct_yaml_implementation(), construct_yaml_implementation(pure=True))

    def messages_about(text: str) -> str:
        try:
            return "\n".join(error.message for error in validator.iter_errors(read_yaml(BytesIO(text.encode()))))
        except YAMLError as error:
            return str(error)

    def look(*texts: str) -> dict[int, str]:
        messages = {number: messages_about(text) for number, text in enumerate(texts)}
        return {number: text for number, text in messages.items() if text}

    return look


def checked(schema: Path, files: list[Path]) -> dict[str, str]:
    """What check-jsonschema says, by file, of those that it refuses."""
    done = CliRunner().invoke(check_jsonschema, ["--schemafile", str(schema), "-o", "json", *map(str, files)])
    said = json.loads(done.output)
    wrong: dict[str, list[str]] = {}
    for one in [*said.get("errors", []), *said.get("parse_errors", [])]:
        wrong.setdefault(one["filename"], []).append(one["message"])
    return {file: "\n".join(messages) for file, messages in wrong.items()}


def of_steps(steps: str) -> str:
    return make_flow_text(f"- {steps}")


def test_the_schema_is_one(schema):
    done = CliRunner().invoke(check_jsonschema, ["--check-metaschema", str(schema)])
    assert done.exit_code == 0, done.output


def test_every_shipped_file_is_right(schema):
    assert len(ALL_SHIPPED_FILES) > 10
    assert checked(schema, [*ALL_SHIPPED_FILES]) == {}


# What the tests of flows are made of


def texts_of_the_tests() -> Iterator[str]:
    """Every text in the tests of flows, as a file and as the steps of one."""
    for file in sorted({*HERE.glob("test_*.py")} - {Path(__file__)}):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and ": " in node.value:
                yield from (node.value, make_flow_text(node.value), of_steps(node.value))


def is_right(text: str) -> bool:
    try:
        return any(compile_text(text, dialect, KINDS).flow is not None for dialect in ("reference", "classic"))
    except UnicodeEncodeError:
        return False


def is_of_wrong_shape(text: str) -> bool:
    try:
        return not SHAPES.isdisjoint(compile_text(text, "reference", KINDS).rules)
    except UnicodeEncodeError:
        return False


def has_words_as_keys(text: str) -> bool:
    """A mapping as a key, as {{ x[0] }} without quotes makes one, ends check-jsonschema with an error of its own."""
    try:
        yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return False
    return True


KINDS = {name: {key: kind.name for key, kind in kinds.items()} for name, kinds in ALL_EXTENSIONS.kinds.items()}


def test_every_right_flow_of_the_tests_is_right_to_the_schema(refused):
    good = [text for text in sorted({*texts_of_the_tests()})[::8] if is_right(text)]
    assert len(good) > 15
    said = {good[number]: said for number, said in refused(*good).items()}
    assert {text: why for text, why in said.items() if not any(part in text for part in STRICTER)} == {}


def test_every_flow_of_the_tests_of_a_wrong_shape_is_wrong_to_the_schema(refused):
    texts = [text for text in sorted({*texts_of_the_tests()})[::10] if "nodes:" in text and has_words_as_keys(text)]
    texts = [text for text in texts if is_of_wrong_shape(text)]
    assert len(texts) > 100
    wrong = refused(*texts)
    taken = [text for number, text in enumerate(texts) if number not in wrong]
    assert [text for text in taken if not any(part in text for part in UNSAID)] == []


# What is wrong


def test_every_bad_file_of_a_wrong_shape_is_wrong_to_the_schema(schema):
    shapes = [file for file in BAD if is_of_wrong_shape(file.read_text(encoding="utf-8"))]
    wrong = checked(schema, BAD)
    assert [file.stem for file in shapes if str(file) not in wrong] == []


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ("saay: Hello.", "'saay' was unexpected"),
        ("hang_up", "'hang_up' is not one of"),
        ("say", "'say' is not one of"),
        ("say: {text: Hello., gander: MALE}", "'gander' was unexpected"),
        ("say: {gender: MALE}", "'text' is a required property"),
        ("say: {text: Hello., gender: MALLE}", "'MALLE' is not one of ['MALE', 'FEMALE']"),
        ("say: {text: Hello., loop: 0}", "0 is less than the minimum of 1"),
        ("say: {text: Hello., do: [hangup]}", "'do' was unexpected"),
        ("pause: 2", "2 is not of type"),
        ("pause: 2 sec", "does not match"),
        ("play: ftp://acme.example/a.mp3", "does not match"),
        ("hangup: now", "'now' is not of type"),
        ("goto:", "None is not of type"),
        ("goto: [start]", "is not of type"),
        ("menu: {prompt: Press 1.}", "'keys' is a required property"),
        ("menu: {prompt: Press 1., keys: {x: start}}", "'x' does not match"),
        ("menu: {prompt: Press 1., keys: {1: start}, atempts: 3}", "'atempts' was unexpected"),
        ("menu: {prompt: Press 1., keys: {1: start}, attempts: 11}", "11 is greater than the maximum of 10"),
        ("menu: {prompt: [], keys: {1: start}}", "[] should be non-empty"),
        ("menu: Press 1.", "is not of type 'object'"),
        ("collect: {into: now, digits: 4, prompt: Your PIN.}", "'now' should not be valid under"),
        ("collect: {into: pin, digits: 4 to 8, prompt: Your PIN.}", "does not match"),
        ("dial: {to: +12015550188, ring: at-one}", "'at-one' is not one of"),
        ("dial: {to: +12015550188, extra: {callerId: a}}", "'extra' was unexpected"),
        ("voicemail: {notify: {payload: {}}}", "'url' is a required property"),
        ("lookup: {url: 'https://acme.example', into: a, method: DELETE}", "'DELETE' is not one of"),
        ("set: caller.name", "is not of type 'object'"),
        ("set: {a b: 1}", "'a b' does not match"),
        ("choose: [{when: a, got: start}]", "'got' was unexpected"),
        ("choose: [{when: a}]", "'goto' is a required property"),
        ("gather: {dtmf: {a: [hangup]}}", "'a' does not match"),
        ("gather: {dtmf: {1: {say: One.}}}", "is not of type 'array'"),
        ("gather: {do: [hangup]}", "'hangup' is not one of"),
        ("gather: {do: [{record: {}}]}", "'record' was unexpected"),
        ("record: {do: [{saay: Hello.}]}", "'saay' was unexpected"),
        ("schedule: {dow: [mon, tues]}", "'tues' does not match"),
        ("tone: {v: 3}", "3 is greater than the maximum of 0"),
    ],
)
def test_the_schema_says_what_is_wrong_with_a_step_as_we_do(refused, steps, says):
    assert compile_text(of_steps(steps)).flow is None
    assert says in refused(of_steps(steps)).get(0, "")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("hour: {}", "'hour' was unexpected"),
        ("hours: {office: {mon-fry: 09:00-17:00}}", "'mon-fry'"),
        ("hours: {office: {mon: 9-17}}", "does not match"),
        ("hours: {office: {closed: {2026-12-24: 09:00-12:00}}}", "is not of type"),
        ("hours: {office: 09:00-17:00}", "is not of type 'object'"),
        ("hours: {now: {daily: 09:00-17:00}}", "'now' should not be valid"),
        ("groups: {sales: {too: +12015550188}}", "'too' was unexpected"),
        ("dial_policy: {region: US}", "'region' was unexpected"),
        ("dial_policy: any", "is not of type"),
        ("voice: {gander: MALE}", "'gander' was unexpected"),
        ("timezone: Mars/Olympus", "'Mars/Olympus' is not one of"),
        ("dialect: clasic", "'clasic' is not one of"),
        ("lists: [spam.csv]", "is not of type 'object'"),
        ("template: acme.xml.j2", "False schema does not allow"),
    ],
)
def test_the_schema_says_what_is_wrong_around_the_nodes(refused, more, says):
    text = make_flow_text("- dial: '{{ digits }}'", more)
    assert compile_text(text).flow is None
    assert says in refused(text).get(0, "")


@pytest.mark.parametrize(
    ("test", "says"),
    [
        (
            "{name: a, keys: [1, {wait: 2s}, hangup], callee: {sales: busy}, expect: [say: Hi, voicemail, not: [dial: x]]}",
            "",
        ),
        ("{name: a, callee: [busy, {x: answer}], lookups: {x: {y: [1]}}, expect: [sms: {text: 5}]}", ""),
        ("{name: a, expect: [nodes: [start], outcome: ended, notify: {payload: {a: 1}}, dial: [a@b.c]]}", ""),
        ("{keys: 1}", "'name' is a required property"),
        ("{name: a, key: 1}", "'key' was unexpected"),
        ("{name: a, callee: {sales: never}}", "'never' is not one of"),
        ("{name: a, attestation: D}", "'D' is not one of"),
        ("{name: a, expect: [sey: Hello]}", "'sey' was unexpected"),
        ("{name: a, expect: [{say: a, dial: b}]}", "has too many properties"),
        ("{name: a, expect: [say: {txt: a}]}", "'txt' was unexpected"),
        ("{name: a, expect: [outcome: hangup]}", "'hangup' is not one of"),
    ],
)
def test_the_schema_says_what_is_wrong_with_a_scenario(refused, test, says):
    said = refused(make_flow_text("- say: Hello.", f"tests: [{test}]")).get(0, "")
    assert says in said
    assert bool(said) == bool(says)


def test_a_flow_needs_nodes_with_a_start_or_a_template(refused):
    said = refused(
        "numbers: rest\n", "nodes: {strat: [hangup]}\n", "template: acme.xml.j2\n", "nodes: {start: , a b: []}\n"
    )
    assert said == {
        0: "'nodes' is a required property",
        1: "'start' is a required property",
        3: "'a b' does not match '^([A-Za-z0-9][A-Za-z0-9_-]{0,63})$'",
    }


# What YAML makes of our texts


@pytest.mark.parametrize(
    "steps",
    [
        "say: 42",
        "say: true",
        "say: 2026-12-24",
        "say: {text: 22:00, loop: 007}",
        "goto: 1",
        "dial: +12015550188",
        "dial: [+12015550188, 12015550190, ann@acme.example]",
        "dial: {to: 12015550188, record: yes, timeout: 1.5s, tag: 1}",
        "voicemail: {transcribe: 1, stop: 0}",
        "collect: {into: pin, digits: 6, prompt: 1, stop: star, secret: True, otherwise: 1}",
        "menu: {prompt: 1, keys: {1: 1, '*': start, hash: start, 012: start}, attempts: '3', stop: 9}",
        "callback: {url: 'https://acme.example/{{ caller.number }}', method: get, body: Yes, timeout: 2s}",
        "tone: {hz: 440, v: -3.5, loop: -1}",
        "tone: {hz: [440, 480.5], don: 500ms}",
        "schedule: {dow: 'sat, sun', time: 09:00:00-17:00:00, do: [hangup]}",
        "call: {field: to, value: 12015550123}",
        "meta: {name: vip, value: true}",
        "gather: {dtmf_length: 1, dtmf_stop: '#', dtmf: {1: [hangup], star: []}, meta: {a: 1, b: no}}",
        "geo: NY",
        "set: {a: 1, b: true, c: '\"x\"'}",
        "lookup: {url: 'https://acme.example', into: a, body: {n: 1, list: [true, null]}, default: 7, headers: {X-Key: 1}}",
        "hangup:",
        "voicemail",
        "{when: true, hangup: }",
    ],
)
def test_what_yaml_makes_of_a_text_is_right_where_the_text_is(refused, steps):
    flow = f"{of_steps(steps)}  1:\n  - hangup\n"
    assert compile_text(flow).flow is not None, compile_text(flow).problems
    assert refused(flow) == {}


@pytest.mark.parametrize(
    "more",
    [
        "auto_answer: true",
        "auto_answer: 'false'",
        "fallback:",
        "dial_policy:",
        "dial_policy: {regions: US CA, allow: +1201555*, deny: [+12015550100]}",
        "variables: {street: 7, open: yes, none_yet: }",
        "groups: {sales: +12015550188, all: [+12015550188, +12015550190], two: {to: 12015550188, ring: in-turn}}",
        "hours: {a: {mon-fri: '09:00-12:30, 13:30-18:00', Sat: 10:00 - 24:00, sun: closed}}",
        "hours: {a: {weekdays: [09:00-12:00, 13:00-17:00], 'sat, sun': [], holidays: [US, US-NY]}}",
        "hours: {a: {daily: 22:00-06:00, closed: 2026-12-24, open: {2026-12-28 to 2026-12-30: 10:00-16:00}}}",
        "hours: {a: {fri\u2013mon: 9:00\u201317:00, closed: [2026-12-24 - 2027-01-02, 2027-03-05]}}",
    ],
)
def test_what_stands_around_the_nodes_is_right_where_we_take_it(refused, more):
    assert compile_text(make_flow_text("- dial: '{{ caller.number }}'", more)).flow is not None
    assert refused(make_flow_text("- hangup", more)) == {}


# What it is read off


def test_every_step_is_in_the_schema_with_its_keys_and_help():
    definitions = build_flow_schema()["definitions"]
    assert definitions["step"]["properties"].keys() == {"when", *STEP_COMPILERS}
    for name in STEP_COMPILERS:
        form = definitions[f"step {name}"]
        assert form["description"]
        if name not in FLOW_STEPS:
            assert all(one["description"] for one in form["properties"].values())
    assert {*CHILD_KEYS} <= definitions["step gather"]["properties"].keys()


def test_every_key_of_a_word_has_a_description():
    definitions = build_flow_schema()["definitions"]
    silent = [
        (name, key)
        for name in FLOW_STEPS
        for key, form in definitions[f"step {name}"].get("properties", {}).items()
        if not form.get("description")
    ]
    assert silent == []


def test_declared_attributes_are_in_the_schema(refused):
    text = make_flow_text("- dial: {to: +12015550188, callerId: 1}\n- say: {text: Hello., wait: 2s}")
    assert refused(text, text.replace("2s", "2"), text.replace("callerId", "caller")).keys() == {1, 2}
    plain = build_flow_schema()["definitions"]
    assert "callerId" not in plain["step dial"]["properties"]
    declared = build_flow_schema(Extensions.from_declarations({"Dial": {"callerId": "text"}}))["definitions"]
    assert "callerId" in declared["step dial"]["properties"]


# What we take, it takes

VALIDATOR = Draft7Validator(build_flow_schema())
SCALARS = st.sampled_from(
    [
        "1",
        "true",
        "",
        "start",
        "x",
        "2s",
        "0",
        "-1",
        "440",
        "MALE",
        "get",
        "https://acme.example",
        "[1, x]",
        "{a: 1}",
        "hash",
    ]
)
FORMS = build_flow_schema()["definitions"]


def mapping(values: dict[str, str]) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in values.items()) + "}"


@st.composite
def step(draw) -> str:
    """A step with a plain value, or with its own keys, mostly all that it must have."""
    name = draw(st.sampled_from([*STEP_COMPILERS]))
    form = FORMS[f"step {name}"]
    keys = st.dictionaries(st.sampled_from([*form.get("properties", {}), "x"]), SCALARS, max_size=3)
    needed = st.fixed_dictionaries(dict.fromkeys(form.get("required", ()), SCALARS))
    several = st.tuples(keys, needed).map(lambda both: mapping(both[0] | both[1]))
    return mapping({name: draw(SCALARS | several), **draw(st.sampled_from([{}, {}, {"when": "now.hour"}]))})


@given(st.lists(step(), min_size=20, max_size=40))
def test_whatever_step_we_take_the_schema_takes_but_for_a_message_of_nothing(steps):
    texts = [make_flow_text(f"- {step}") for step in steps]
    taken = [text for text in texts if compile_text(text).flow is not None and "sms: }" not in text]
    assert [text for text in taken if not VALIDATOR.is_valid(_typed(text))] == []


def _typed(text: str) -> Any:
    """As YAML 1.2 types it."""
    return json.loads(json.dumps(YAML(typ="safe", pure=True).load(text), default=str))
