"""Every shipped flow and template sounds the same in both dialects, for a table of callers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from engine_servers import FLOW_TEMPLATES, prepare_flows, ring_flow, run_simulated_engine

from waiting import run_bounded

MONDAY = datetime(2026, 11, 23, 15, tzinfo=UTC)
SUNDAY = datetime(2026, 11, 22, 15, tzinfo=UTC)
NIGHT = datetime(2026, 11, 24, 6, tzinfo=UTC)
CALLERS = [
    (keys, callee, at, given)
    for keys in ("", "1", "2", "0", "9", "9,1", ",1", "1,1", "2,2", "1,2", "2,1")
    for callee, at, given in (
        ("answer", MONDAY, {}),
        ("no-answer", MONDAY, {"name": "Ann"}),
        ("busy", SUNDAY, {}),
        ("no-answer", NIGHT, {"caller_id": ""}),
    )
] + [
    ("4711", "answer", MONDAY, {}),
    ("4711", "busy", MONDAY, {"caller_id": "anonymous"}),
    ("0000,0000,0000", "answer", MONDAY, {}),
    ("0000,12,4711", "answer", MONDAY, {}),
    ("123456", "answer", MONDAY, {"lookups": {"customer": {"known": True, "name": "Ann", "contact": "+12015550142"}}}),
    ("012345", "answer", MONDAY, {"lookups": {"customer": {"known": True, "owes": True}}}),
    ("123456", "no-answer", MONDAY, {"lookups": {"customer": "fails"}}),
    ("12", "answer", MONDAY, {}),
    ("5,1", "answer", MONDAY, {}),
    ("0,9,5,1", "answer", MONDAY, {}),
    ("1,2015550142", "answer", MONDAY, {"caller_id": ""}),
    ("5", "no-answer", MONDAY, {"attestation": "C"}),
    ("1", "no-answer", MONDAY, {"calls_today": 11}),
    ("1", "no-answer", MONDAY, {"caller_id": "+12025550111"}),
    (["1", "hangup"], "answer", MONDAY, {}),
    (["1", {"wait": "10s"}, "hangup"], "answer", MONDAY, {}),
    (["0", {"wait": "30s"}, "#"], "no-answer", MONDAY, {}),
]


def experienced(told):
    """What a caller and those around meet, in order; in no dialect is anything else of a call to be noticed.

    Documented differences, which are left out here: only reference has Answer; its beep is a Tone, that of classic a Play;
    a classic Gather has a time limit, so that things happen at other moments; how a document is fetched (a Gather's url or
    callback, a Callback); a collected key is matched by a branch in one dialect where the other asks for it.
    """
    met = [kept for step in told.steps if (kept := _met(step)) is not None]
    return [*met, told.outcome]


def _met(step):
    kept = {
        "Say": ("text", "lang", "gender"),
        "Gather": ("digits",),
        "Dial": ("to", "result", "by", "caller_id"),
        "Record": ("tag", "asr"),
        "Pause": ("result", "digits"),
        "Hangup": ("tag",),
        "sms": ("to", "from", "text"),
        "notify": ("url",),
        "lookup": ("url", "into", "result"),
    }.get(step["verb"])
    if step["verb"] == "Tone" or (step["verb"] == "Play" and step["url"].endswith("beep.wav")):
        return ("beep",)
    return None if kept is None else (step["verb"], *(str(step.get(name)) for name in kept))


COLLECTS = {"account-lookup": 6, "pin-line": 4, "text-address": 10}
"""Templates that ask for a fixed number of digits."""


def told_apart(told, template):
    """Whether classic can tell what was pressed from everything else. It cannot, as its manual has it, where a code has too
    few digits (it comes as an integer, and leading zeros are put back if their number is known), and where the stop key,
    which it always has, is pressed alone in a menu that has no branch for it: that is no input.
    """
    gathers = [step for step in told.steps if step["verb"] == "Gather"]
    collected = [step["digits"] for step in gathers if step["result"] == "collected"]
    short = any(len(digits) < COLLECTS.get(template, 1) for digits in collected)
    loses_zeros = template not in COLLECTS and any(digits[1:] and digits[0] == "0" for digits in collected)
    is_stop_alone = any(step["digits"] == "#" and step["result"] == "no-match" for step in gathers)
    return not (short or loses_zeros or is_stop_alone)


@pytest.mark.parametrize("template", FLOW_TEMPLATES)
def test_every_caller_of_a_flow_comes_to_an_end_without_an_error_and_the_same_in_both_dialects(template, tmp_path):
    flows = prepare_flows(template, tmp_path)
    # Of each template every second one is compared, but where few callers have the right number of digits.
    compared = CALLERS if template in COLLECTS else CALLERS[FLOW_TEMPLATES.index(template) % 2 :: 2]

    async def ring(dialect, callers):
        async with run_simulated_engine(flows, dialect) as web:
            return [await ring_flow(web, at, keys, callee, **given) for keys, callee, at, given in callers]

    told = run_bounded(ring("reference", CALLERS))
    assert {call.outcome for call in told} <= {"hung-up", "caller-hung-up"}
    assert [asked.error for call in told for asked in call.requests if asked.error] == []
    in_reference = [one for caller, one in zip(CALLERS, told, strict=True) if caller in compared]
    both = zip(compared, in_reference, run_bounded(ring("classic", compared)), strict=True)
    alike = [(caller, experienced(one), experienced(other)) for caller, one, other in both if told_apart(one, template)]
    assert len(alike) > len(compared) / 10
    assert [(caller, one, other) for caller, one, other in alike if one != other] == []


@pytest.mark.parametrize(
    ("dialect", "said"), [("reference", "That is not one of the choices."), ("classic", "I did not hear a key.")]
)
def test_a_stop_key_alone_is_another_key_in_reference_and_no_input_in_classic(dialect, said, tmp_path):
    async def call():
        async with run_simulated_engine(prepare_flows("text-address", tmp_path), dialect) as web:
            return await ring_flow(web, MONDAY, "#")

    assert said in [step.get("text") for step in run_bounded(call()).steps[:6]]


@pytest.mark.parametrize(
    ("match", "reference", "classic"),
    [("", "Six digits.", "You are 000012."), (', match: "[1-9][0-9]*"', "Six digits.", "Six digits.")],
)
def test_too_few_digits_are_padded_in_classic_unless_the_flow_says_that_no_zero_begins_them(
    match, reference, classic, tmp_path
):
    asked = f"into: code, digits: 6, prompt: Code., no_match: Six digits., attempts: 1, otherwise: nobody{match}"
    steps = f"[collect: {{{asked}}}, say: 'You are {{{{ code }}}}.', hangup]"
    (tmp_path / "acme.yaml").write_text(f"numbers: rest\nnodes:\n  start: {steps}\n  nobody: [hangup]\n")

    async def call(dialect):
        async with run_simulated_engine(tmp_path, dialect) as web:
            return [step.get("text") for step in (await ring_flow(web, MONDAY, "12")).steps]

    assert reference in run_bounded(call("reference"))
    assert classic in run_bounded(call("classic"))
