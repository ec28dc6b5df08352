"""What becomes of the parts of the samples, and what callers of the imported flows hear."""

from __future__ import annotations

import json

import pytest
import yaml
from import_harness import OPTIONS, SAMPLES, import_or_explain, import_source

from callflows.importing.flow_draft import ImportOutcome
from callflows.settings import Settings
from callflows.testing.scenario_report import format_failed_scenario
from callflows.testing.scenario_runner import load_scenario_folders, run_scenarios
from each_case import each_case
from waiting import run_bounded


@each_case(
    ("sample", "format_name", "outcomes"),
    [
        ("studio.json", "Twilio Studio", {"mapped": 12, "with loss": 5, "not mapped": 1}),
        ("twiml.xml", "TwiML", {"mapped": 7, "with loss": 2, "not mapped": 1}),
        ("connect.json", "Amazon Connect", {"mapped": 12, "with loss": 4, "not mapped": 1}),
        ("connect-modules.json", "Amazon Connect", {"mapped": 4, "with loss": 1, "not mapped": 0}),
        ("jambonz.json", "jambonz", {"mapped": 6, "with loss": 2, "not mapped": 1}),
        ("ncco.json", "Vonage NCCO", {"mapped": 4, "with loss": 4, "not mapped": 2}),
    ],
)
def test_a_sample_is_recognised_by_its_content_and_passes_its_check(sample, format_name, outcomes):
    flow = import_or_explain((SAMPLES / sample).read_bytes())
    assert flow.format_name == format_name
    assert [str(problem) for problem in flow.problems] == []
    assert flow.count_outcomes() == outcomes


@each_case("sample", sorted(SAMPLES.iterdir()), ids=lambda file: file.name)
def test_every_loss_is_a_comment_in_the_flow_and_a_reason_in_the_report(sample):
    flow = import_source(sample.read_bytes())
    comments = [line.strip() for line in flow.text.splitlines() if line.strip().startswith("#")]
    for part in flow.parts:
        assert bool(part.reasons) == (part.outcome is not ImportOutcome.mapped)
        for reason in part.reasons:
            assert any(line.endswith(f"{part.outcome}: {reason}") for line in comments), (part.outcome, reason)


def test_widgets_keep_their_names_as_nodes():
    flow = import_source((SAMPLES / "studio.json").read_bytes())
    widgets = {state["name"] for state in json.loads((SAMPLES / "studio.json").read_bytes())["states"]}
    nodes = yaml.safe_load(flow.text)["nodes"]
    assert widgets - {"Trigger", "answer_text"} <= nodes.keys()


SCENARIOS = {
    "studio.json": [
        {"name": "repairs", "keys": "1", "callee": "answer", "expect": [{"say": "Welcome to Spokes."}, "dial"]},
        {"name": "nobody repairs", "keys": "1", "callee": "no-answer", "expect": ["dial", "voicemail"]},
        {"name": "a key between 3 and 5", "keys": "4", "expect": ["voicemail"]},
        {
            "name": "a wrong key, then nothing",
            "keys": "8",
            "expect": [{"say": "That is not one"}, {"play": "https://sounds.example.com/nobody%20there.mp3"}],
        },
        {
            "name": "an order",
            "keys": "2,77#",
            "lookups": {"find_order": {"state": "ready", "item": "bell"}},
            "expect": [{"say": "Your bell is ready."}, {"sms": "Spokes, 12 Main Street"}, {"say": "Thank you"}],
        },
    ],
    "connect.json": [
        {"name": "closed", "at": "2026-11-29 10:00", "expect": [{"say": "We are closed."}]},
        {
            "name": "three wrong keys",
            "at": "2026-11-23 10:00",
            "keys": "9,9,9",
            "expect": [{"say": "Welcome"}, {"say": "For an app"}, {"say": "For an app"}, {"say": "For an app"}, "hangup"],
        },
        {
            "name": "the people of the queue, then the owner",
            "at": "2026-11-23 10:00",
            "keys": "1",
            "callee": "no-answer",
            "expect": [{"dial": "+12015550188"}, {"dial": "+12015550188"}],
        },
        {
            "name": "a bill",
            "at": "2026-11-23 10:00",
            "keys": "*,2,77#",
            "lookups": {"external": {"amount": 12}},
            "expect": [{"say": "You owe us 12 dollars."}],
        },
    ],
    "twiml.xml": [
        {"name": "no key", "callee": "no-answer", "expect": ["dial", {"say": "Nobody is at"}, "sms", "voicemail"]}
    ],
    "jambonz.json": [{"name": "a number", "keys": "1234", "expect": [{"say": "Please enter"}, "play", "dial"]}],
    "ncco.json": [{"name": "an order", "keys": "12#", "expect": ["play", {"say": "Enter"}, "notify", "dial", "voicemail"]}],
}


@pytest.mark.parametrize("sample", SCENARIOS)
def test_callers_of_an_imported_flow_hear_what_the_original_says(sample, tmp_path):
    file = tmp_path / "imported.yaml"
    tests = yaml.safe_dump({"tests": SCENARIOS[sample]}, sort_keys=False)
    file.write_text(import_source((SAMPLES / sample).read_bytes()).text + tests, encoding="utf-8")
    (folder,) = load_scenario_folders([file], OPTIONS)
    for ran in run_bounded(run_scenarios(folder, folder.cases, Settings())):
        assert ran.has_passed, "\n".join(format_failed_scenario(ran))


# Studio


def import_widgets(*widgets: dict, first: str = "") -> dict:
    """The nodes of widgets; each is its name, type, properties and transitions."""
    states = [
        {
            "name": widget["name"],
            "type": widget["type"],
            "properties": widget.get("properties", {}),
            "transitions": [{"event": event, "next": target} for event, target in widget.get("next", {}).items()]
            + widget.get("transitions", []),
        }
        for widget in widgets
    ]
    flow = import_or_explain(json.dumps({"states": states, "initial_state": first or widgets[0]["name"]}).encode())
    return yaml.safe_load(flow.text)["nodes"]


def say(name: str, text: str, target: str = "") -> dict:
    return {
        "name": name,
        "type": "say-play",
        "properties": {"say": text},
        "next": {"audioComplete": target} if target else {},
    }


def keep(**values: str) -> dict:
    variables = [{"key": key, "value": value} for key, value in values.items()]
    return {"name": "keep", "type": "set-variables", "properties": {"variables": variables}, "next": {"next": "speak"}}


@each_case(
    ("liquid", "expected"),
    [
        ("Hello {{flow.variables.name}}.", "Hello {{ name }}."),
        ("{{ flow.variables.name | upcase | append: '!' }}", '{{ name | upper ~ "!" }}'),
        ('{{flow.variables.name | default: "you"}}', '{{ name | default("you") }}'),
        ("{{flow.variables.count | plus: 1 | times: 2}}", "{{ ((count + 1) * 2) }}"),
        ("{{flow.variables.name | slice: 0, 3}}", "{{ name[0:3] }}"),
        ("{{flow.variables.name | remove: '-' | size}}", '{{ (name | replace("-", "")) | length }}'),
        ("It is {{ 'now' | date: '%H' }} o'clock", "It is {{ now.hour }} o'clock"),
        ("{{contact.channel.address}} {{trigger.call.To}}", "{{ caller.number }} {{ number }}"),
        ("{% if flow.variables.name == 'Ann' %}A{% elsif flow.variables.count > 2 %}B{% else %}C{% endif %}",
         '{% if name == "Ann" %}A{% elif count > 2 %}B{% else %}C{% endif %}'),
        ("{% unless flow.variables.name contains 'x' %}A{% endunless %}", '{% if not ("x" in name) %}A{% endif %}'),
        ("{%- comment -%}nothing{%- endcomment -%}Hello", "Hello"),
        ("Unknown {{flow.data.x}}value and {{ flow.variables.name | strange }}filter", "Unknown value and filter"),
        ("Open {% if flow.variables.name %}tag", "Open {% if name %}tag{% endif %}"),
        ("Braces {{ never end", "Braces { { never end"),
        ("<speak>Hello <break time='1s'/> you</speak>", "Hello you"),
    ],
)  # fmt: skip
def test_liquid_becomes_an_expression(liquid, expected):
    nodes = import_widgets(keep(name="Ann", count="2"), say("speak", liquid))
    assert nodes["speak"][0]["say"] == expected


@each_case(
    ("kind", "value", "expected"),
    [
        ("equal_to", "1", 'ask == "1"'),
        ("not_equal_to", "1", 'ask != "1"'),
        ("matches_any_of", "1, 2", 'ask in ["1", "2"]'),
        ("does_not_match_any_of", "1,2", 'ask not in ["1", "2"]'),
        ("is_blank", "", 'ask == ""'),
        ("contains", "1", '"1" in ask'),
        ("starts_with", "12", 'ask[:2] == "12"'),
        ("less_than", "5", "ask < 5"),
        ("regex", "^(1|2)$", 'ask in ["1", "2"]'),
        ("regex", "^[0-9]{4}$", "ask | length == 4"),
        ("is_before_time", "09:00", 'now.time < "09:00"'),
    ],
)
def test_a_condition_of_a_split_becomes_an_expression(kind, value, expected):
    condition = {"type": kind, "value": value, "arguments": ["{{widgets.ask.Digits}}"]}
    nodes = import_widgets(
        {"name": "ask", "type": "gather-input-on-call", "properties": {"say": "Who?"}, "next": {"keypress": "which"}},
        {
            "name": "which",
            "type": "split-based-on",
            "transitions": [{"event": "match", "next": "a", "conditions": [condition]}],
        },
        say("a", "A."),
    )
    assert nodes["which"][0]["choose"][0] == {"when": expected, "goto": "a"}


@pytest.mark.parametrize("value", ["^(?i)yes.*", "(((", "[" * 50, "(a+)+$"])
def test_a_pattern_that_is_no_key_is_noted(value):
    condition = {"type": "regex", "value": value, "arguments": ["{{widgets.ask.Digits}}"]}
    nodes = import_widgets(
        {"name": "ask", "type": "gather-input-on-call", "properties": {"say": "Who?"}, "next": {"keypress": "which"}},
        {
            "name": "which",
            "type": "split-based-on",
            "transitions": [{"event": "match", "next": "a", "conditions": [condition]}],
        },
        say("a", "A."),
    )
    assert nodes["which"] == [{"goto": "end-of-call"}]


def test_names_that_no_node_can_have_are_changed_and_stay_apart():
    nodes = import_widgets(say("Ünde 1", "A.", "start"), say("start", "B.", "nde-1"), say("nde-1", "C."))
    assert [*nodes] == ["start", "nde-1", "start-2", "nde-1-2"]


def test_an_empty_widget_and_a_way_to_nowhere_end_the_call():
    nodes = import_widgets(say("hello", "Hello.", "gone"))
    assert nodes["hello"] == [{"say": "Hello."}, {"goto": "end-of-call"}]


def test_an_answer_with_the_definition_inside_is_read():
    inside = {"states": [say("hello", "Hello.") | {"transitions": []}], "initial_state": "hello"}
    flow = import_source(json.dumps({"sid": "FW1", "status": "published", "definition": inside}))
    assert "- say: Hello." in flow.text


def test_a_flow_that_only_answers_text_messages_becomes_a_rule():
    states = [
        {"name": "Trigger", "type": "trigger", "transitions": [{"event": "incomingMessage", "next": "reply"}]},
        {"name": "reply", "type": "send-message", "properties": {"body": "We are closed."}, "transitions": []},
    ]
    flow = import_source(json.dumps({"states": states, "initial_state": "Trigger"}))
    assert yaml.safe_load(flow.text)["messages"] == [{"reply": "We are closed."}]


def test_a_step_that_the_check_refuses_is_taken_out_with_the_reason():
    nodes = import_widgets(
        {
            "name": "ring",
            "type": "connect-call-to",
            "properties": {"to": "{{flow.variables.x}"},
            "next": {"callCompleted": "a"},
        },
        say("a", "A."),
    )
    assert nodes["ring"] == [{"goto": "a"}]


# Amazon Connect


def test_a_transfer_that_several_queues_lead_to_rings_the_right_people():
    def action(name: str, kind: str, target: str = "", **parameters: object) -> dict:
        return {"Identifier": name, "Type": kind, "Parameters": parameters, "Transitions": {"NextAction": target}}

    compare = action("which", "Compare", "sales", ComparisonValue="$.CustomerEndpoint.Address")
    way = {"NextAction": "support", "Condition": {"Operator": "TextStartsWith", "Operands": ["+1212"]}}
    compare["Transitions"]["Conditions"] = [way]
    actions = [
        compare,
        action("sales", "UpdateContactTargetQueue", "transfer", QueueId="arn:queue/sales"),
        action("support", "UpdateContactTargetQueue", "transfer", QueueId="arn:queue/support"),
        action("transfer", "TransferContactToQueue"),
    ]
    flow = import_or_explain(json.dumps({"StartAction": "which", "Actions": actions}).encode())
    read = yaml.safe_load(flow.text)
    assert read["groups"].keys() == {"sales", "support"}
    assert read["nodes"]["transfer"][0]["choose"][0] == {"when": 'queue == "sales"', "goto": "transfer-sales"}
    assert read["nodes"]["transfer-support"][0]["dial"]["to"] == "support"


# TwiML


@each_case(
    ("verbs", "steps"),
    [
        ("<Say>Hello</Say>", [{"say": "Hello"}, "hangup"]),
        ('<Say loop="3">Hello</Say>', [{"say": {"text": "Hello", "loop": 3}}, "hangup"]),
        ("<Pause/>", [{"pause": "1s"}, "hangup"]),
        ("<Dial>(201) 555-0188</Dial>", [{"dial": {"to": 12015550188, "no_answer": "end-of-call"}}, "hangup"]),
        ("<Dial>+1 201 555 0188</Dial>", [{"dial": {"to": 12015550188, "no_answer": "end-of-call"}}, "hangup"]),
        ("<Reject/><Say>Never</Say>", ["hangup"]),
        ("<Redirect>/more.xml</Redirect>", [{"goto": "address-more"}]),
        ('<Say language="es-MX">Hola {{ x }}</Say>', [{"say": "Hola { { x }}"}, "hangup"]),
    ],
)
def test_verbs_of_twiml_become_steps(verbs, steps):
    flow = import_or_explain(f"<Response>{verbs}</Response>".encode())
    assert yaml.safe_load(flow.text)["nodes"]["start"] == steps


def test_all_that_a_gather_plays_is_one_prompt_in_its_order():
    flow = import_source(
        "<Response><Gather numDigits='1' action='/a'><Play>https://s.example.com/a.mp3</Play><Say>Press 1.</Say>"
        "<Play>https://s.example.com/b.mp3</Play><Pause length='2'/><Say loop='2'>Or wait.</Say></Gather></Response>"
    )
    start = yaml.safe_load(flow.text)["nodes"]["start"]
    assert [{"prompt": step["collect"]["prompt"]} for step in start if "collect" in step] == [
        {
            "prompt": [
                {"play": "https://s.example.com/a.mp3"},
                {"say": "Press 1."},
                {"play": "https://s.example.com/b.mp3"},
                {"pause": "2s"},
                {"say": {"text": "Or wait.", "loop": 2}},
            ]
        }
    ]
    assert not [reason for part in flow.parts for reason in part.reasons if "left out" in reason]
