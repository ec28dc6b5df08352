"""Whatever file comes, there is a flow that passes its check, or an error with a place."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from import_harness import SAMPLES, import_or_explain, import_source
from lxml import etree

from callflows.errors import ImportSourceError
from each_case import each_case

FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
WORDS = st.sampled_from(
    [
        "",
        "1",
        "#",
        "start",
        "a b",
        "+12015550188",
        "{{flow.variables.a}}",
        "{{widgets.b.Digits | plus: 1}}",
        "https://x.example.com/a",
    ]
)
TEXTS = st.one_of(WORDS, st.text(max_size=12))
SCALARS = st.one_of(TEXTS, st.none(), st.booleans(), st.integers(), st.floats())
ANY_JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=12
)
NAMES = st.sampled_from(["a", "b", "start", "c d", "1", "end-of-call"])


def widget_strategy() -> st.SearchStrategy:
    kinds = ["trigger", "say-play", "gather-input-on-call", "split-based-on", "connect-call-to", "record-voicemail"]
    kinds += ["send-message", "make-http-request", "run-function", "set-variables", "enqueue-call", "new-widget"]
    events = [
        "incomingCall",
        "incomingMessage",
        "audioComplete",
        "keypress",
        "timeout",
        "noMatch",
        "callCompleted",
        "failed",
        "next",
    ]
    condition = st.fixed_dictionaries(
        {
            "type": st.sampled_from(["equal_to", "regex", "contains", "less_than", "is_blank", "starts_with", "new"]),
            "value": TEXTS,
            "arguments": st.lists(TEXTS, max_size=1),
        }
    )
    transition = st.fixed_dictionaries(
        {"event": st.sampled_from(events)},
        optional={"next": NAMES, "conditions": st.lists(condition, min_size=1, max_size=2)},
    )
    keys = ["say", "play", "to", "noun", "timeout", "number_of_digits", "finish_on_key", "url", "body", "loop", "input"]
    variables = st.fixed_dictionaries(
        {"variables": st.lists(st.fixed_dictionaries({"key": TEXTS, "value": TEXTS}), max_size=2)}
    )
    properties = st.dictionaries(st.sampled_from(keys), SCALARS, max_size=6)
    return st.fixed_dictionaries(
        {
            "name": NAMES,
            "type": st.sampled_from(kinds),
            "transitions": st.lists(transition, max_size=4),
            "properties": st.one_of(properties, variables, ANY_JSON),
        }
    )


def action_strategy() -> st.SearchStrategy:
    kinds = ["MessageParticipant", "GetParticipantInput", "Compare", "Loop", "Wait", "CheckHoursOfOperation", "New"]
    kinds += [
        "UpdateContactTargetQueue",
        "TransferContactToQueue",
        "TransferParticipantToThirdParty",
        "InvokeLambdaFunction",
    ]
    kinds += [
        "UpdateContactAttributes",
        "DistributeByPercentage",
        "DisconnectParticipant",
        "UpdateContactTextToSpeechVoice",
    ]
    keys = ["Text", "SSML", "PromptId", "StoreInput", "ComparisonValue", "LoopCount", "QueueId", "ThirdPartyPhoneNumber"]
    operators = ["Equals", "NumberLessThan", "TextContains", "New"]
    way = st.fixed_dictionaries(
        {
            "NextAction": NAMES,
            "Condition": st.fixed_dictionaries(
                {"Operator": st.sampled_from(operators), "Operands": st.lists(TEXTS, max_size=2)}
            ),
        }
    )
    error = st.fixed_dictionaries(
        {"NextAction": NAMES, "ErrorType": st.sampled_from(["NoMatchingError", "NoMatchingCondition"])}
    )
    transitions = st.fixed_dictionaries(
        {}, optional={"NextAction": NAMES, "Conditions": st.lists(way, max_size=2), "Errors": st.lists(error, max_size=2)}
    )
    values = st.one_of(SCALARS, st.sampled_from(["$.Attributes.a", "$.External.b-c", "$.StoredCustomerInput", "True"]))
    attributes = st.fixed_dictionaries({"Attributes": st.dictionaries(TEXTS, values, max_size=2)})
    return st.fixed_dictionaries(
        {
            "Identifier": NAMES,
            "Type": st.sampled_from(kinds),
            "Parameters": st.one_of(st.dictionaries(st.sampled_from(keys), values, max_size=4), attributes),
            "Transitions": transitions,
        }
    )


def verb_strategy(key: str, kinds: list[str], keys: list[str]) -> st.SearchStrategy:
    targets = st.lists(
        st.fixed_dictionaries({"type": st.sampled_from(["phone", "sip", "app"]), "number": TEXTS}), max_size=2
    )
    verb = st.fixed_dictionaries(
        {key: st.sampled_from(kinds)},
        optional=dict.fromkeys(keys, st.one_of(SCALARS, ANY_JSON)) | {"target": targets, "endpoint": targets},
    )
    return st.lists(verb, min_size=1, max_size=5)


STUDIO = st.fixed_dictionaries(
    {"states": st.lists(widget_strategy(), max_size=6), "initial_state": NAMES, "description": TEXTS}
)
CONNECT = st.fixed_dictionaries({"StartAction": NAMES, "Actions": st.lists(action_strategy(), max_size=6)})
JAMBONZ = verb_strategy(
    "verb", ["say", "gather", "dial", "play", "hangup", "pause", "new"], ["text", "url", "say", "numDigits"]
)
NCCO = verb_strategy(
    "action", ["talk", "input", "connect", "record", "notify", "stream"], ["text", "dtmf", "eventUrl", "payload"]
)


@FEW
@given(ANY_JSON)
def test_any_json_is_a_flow_or_an_error_with_a_place(data):
    import_or_explain(json.dumps(data).encode())


@FEW
@given(st.binary(max_size=60))
def test_any_bytes_are_a_flow_or_an_error_with_a_place(source):
    import_or_explain(source)


@pytest.mark.parametrize("strategy", [STUDIO, CONNECT, JAMBONZ, NCCO], ids=["studio", "connect", "jambonz", "ncco"])
def test_a_flow_of_random_parts_passes_its_check(strategy):
    @FEW
    @given(strategy)
    def check_import(data):
        import_or_explain(json.dumps(data).encode())

    check_import()


@FEW
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Say", "Play", "Gather", "Dial", "Record", "Redirect", "Pause", "Sms", "New", "Hangup"]),
            st.dictionaries(
                st.sampled_from(["action", "numDigits", "finishOnKey", "loop", "language", "timeout"]), WORDS, max_size=3
            ),
            WORDS,
        ),
        max_size=5,
    )
)
def test_a_document_of_random_verbs_passes_its_check(verbs):
    root = etree.Element("Response")
    for tag, attributes, text in verbs:
        etree.SubElement(root, tag, attributes).text = text
    import_or_explain(etree.tostring(root))


@each_case("sample", sorted(SAMPLES.iterdir()), ids=lambda file: file.name)
def test_a_file_that_is_cut_off_has_a_place(sample):
    source = sample.read_bytes()
    for end in range(10, len(source), len(source) // 12):
        import_or_explain(source[:end])


@each_case(
    ("source", "line", "reason"),
    [
        (b"", 1, "neither JSON nor XML"),
        (b"hello", 1, "neither JSON nor XML"),
        (b"\xff{}", 1, "neither UTF-8"),
        (b"{}", 1, "no call flow"),
        (b'[{"verb": "sing"}]', 1, "no call flow"),
        (b'{\n "states": [\n  {"name": }', 3, "a value is missing"),
        (b'{"states": []\n,}', 2, "a key in"),
        (b'{"states": [NaN]}', 1, "a value is missing"),
        (b"[" * 100_000, 1, "inside each other"),
        (b'{"a":' * 100_000, 1, "inside each other"),
        (b"[" + b"0," * 300_000 + b"0]", 1, "values"),
        (b" " * 5_000_000, 1, "more than 4000000"),
        (b"<Response><Say>", 1, "not well-formed"),
        (b"<!DOCTYPE Response [<!ENTITY a 'b'>]><Response><Say>&a;</Say></Response>", 1, "refused"),
        (b"<html/>", 1, "<html>"),
        (b"<Response><Dial><To>+12015550188</To></Dial></Response>", 1, "document of Opentact"),
    ],
)
def test_a_file_that_is_no_flow_is_refused_with_its_place(source, line, reason):
    with pytest.raises(ImportSourceError) as refused:
        import_source(source)
    assert refused.value.line == line
    assert reason in refused.value.reason


def test_long_numbers_surrogates_and_forbidden_characters_are_harmless():
    widget = {
        "name": "hello",
        "type": "say-play",
        "transitions": [],
        "properties": {"say": "a\ud800b\x00c\ufdd0 {# {% {{", "loop": 10**300},
    }
    flow = import_source(json.dumps({"states": [widget], "initial_state": "hello"}))
    assert "hello:" in flow.text


def test_many_widgets_with_one_name_and_in_circles_take_no_longer_than_their_number():
    states = [
        {"name": f"a{index}", "type": "set-variables", "transitions": [{"event": "next", "next": f"a{(index + 1) % 300}"}]}
        for index in range(300)
    ]
    flow = import_source(json.dumps({"states": states, "initial_state": "a0"}))
    assert "the original goes round here in silence" in flow.text
    with pytest.raises(ImportSourceError, match="more than 1000"):
        import_source(json.dumps({"states": states * 4}))
