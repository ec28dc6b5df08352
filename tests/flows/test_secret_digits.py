"""Secret digits are readable in no ticket, no trail and no log."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode

import pytest
from flow_harness import SIGNER, Conversation, compile_valid_flow, make_flow_text

from callflows.errors import ForgedTicketError, TicketError
from callflows.flows.decisions import MASKED_VALUE, MAX_DECISION_CHARACTERS
from callflows.flows.tickets import MAX_TICKET_STATE_BYTES, TicketSigner
from callflows.telephony.ports import LookupResult
from each_case import each_case

STEPS = """
- collect: {into: pin, digits: 4, prompt: Pin., secret: true, attempts: 1, otherwise: last}
- set: {copied: "pin ~ 'x'"}
- say: Thank you.
- when: pin|length == 4
  sms: Right.
- dial: {to: "{{ copied }}@hosts.example", no_answer: last}
- notify: {url: "https://a.example/", payload: {pin: "{{ copied }}"}}
"""


def through() -> Conversation:
    call = Conversation(compile_valid_flow(make_flow_text(STEPS) + "  last: [say: Bye.]\n")).press_keys("4711")
    while call.xml.endswith("</Callback>"):
        call.follow_callback(-1)
    return call


def clear(url: str) -> str:
    state = url.partition("ticket=")[2].split(".")[1]
    return urlsafe_b64decode(state + "=" * (-len(state) % 4)).decode()


def test_no_ticket_shows_a_secret_nor_what_was_made_of_it():
    call = Conversation(compile_valid_flow(make_flow_text(STEPS) + "  last: [say: Bye.]\n")).press_keys("4711")
    assert call.urls
    for url in call.urls:
        assert "4711" not in clear(url)
    call.follow_callback(-1)
    assert call.turn.values["pin"] == "4711"


def test_no_trail_shows_a_secret():
    call = through()
    assert "4711" not in json.dumps(call.trail)
    assert MASKED_VALUE in json.dumps(call.trail, ensure_ascii=False)
    assert len(call.trail) > 4


@each_case(
    "condition",
    [
        "pin == '4711'",
        'pin == "4711"',
        "pin == 4711",
        "pin in ['1234', '4711']",
        "'4711' == pin and caller.region == 'US'",
        "copied == '4711x'",
        "pin == right",
        "pin == variables.right",
        "pin ~ 'it\\'s' == '4711it\\'s'",
    ],
)
@each_case("step", ["- when: {}\n  say: Right.", "- choose: [{{when: {}, goto: last}}]", "- set: {{fits: {}}}"])
def test_no_trail_shows_what_a_secret_is_compared_with(condition, step):
    steps = f"""
- collect: {{into: pin, digits: 4, prompt: Pin., match: "4711|1.*", secret: true, attempts: 1, otherwise: last}}
- set: {{copied: "pin ~ 'x'", right: variables.right, fits: 0}}
{step.format(json.dumps(condition))}
- say: "{{{{ fits }}}}{{{{ copied }}}}"
"""
    flow = compile_valid_flow(make_flow_text(steps, 'variables: {right: "4711"}') + "  last: [say: Bye.]\n")
    call = Conversation(flow).press_keys("4711")
    looked = [entry for entry in call.trail if entry["step_key"] in ("when", "choose", "set") and "pin" in str(entry)]
    assert looked
    own = [entry for entry in call.trail if entry["rule"] != "right = variables.right"]
    assert "4711" not in json.dumps(own)


def test_what_is_asked_beside_a_secret_and_hides_nothing_is_told():
    steps = """
- collect: {into: pin, digits: 4, prompt: Pin., secret: true, attempts: 1, otherwise: last}
- when: caller.region == 'US' and pin == '4711'
  say: Right.
"""
    call = Conversation(compile_valid_flow(make_flow_text(steps) + "  last: [say: Bye.]\n")).press_keys("4711")
    (entry,) = [entry for entry in call.trail if entry["step_key"] == "when"]
    assert entry["rule"] == f"caller.region == {MASKED_VALUE} and pin == {MASKED_VALUE}"
    assert entry["values"] == {"caller.region": "US", "pin": MASKED_VALUE}


@pytest.mark.parametrize("answer", ["x" * 5000, {"rows": ["y" * 100] * 50}, ["z" * 5000]])
def test_of_what_was_looked_up_or_set_the_trail_keeps_the_beginning_only(answer):
    steps = "- lookup: {url: 'https://a.example/', into: found}\n- set: {copy: found}\n- say: 'Hi {{ copy }}.'"
    call = Conversation(
        compile_valid_flow(make_flow_text(steps)),
        lookup_answers={"https://a.example/": LookupResult(answer, ok=True, status=200)},
    )
    lookup, copied = call.trail
    assert lookup["detail"]["status"] == 200
    assert lookup["detail"]["result"][MAX_DECISION_CHARACTERS:] == copied["outcome"][MAX_DECISION_CHARACTERS:] == "…"
    assert len(json.dumps(call.trail)) < 4 * MAX_DECISION_CHARACTERS


def test_a_short_answer_is_told_as_it_is():
    steps = "- lookup: {url: 'https://a.example/', into: found}\n- say: 'Hi {{ found.name }}.'"
    call = Conversation(
        compile_valid_flow(make_flow_text(steps)),
        lookup_answers={"https://a.example/": LookupResult({"name": "Ann"}, ok=True)},
    )
    assert call.trail[0]["detail"]["result"] == {"name": "Ann"}


def test_a_sealed_ticket_holds_for_its_place_and_no_other():
    ticket = SIGNER.make_ticket_factory("acme/a", {"v": "1"})({}, {"pin": "4711", "name": "Ann"}, {"pin"})
    assert SIGNER.read_ticket("acme/a", ticket)["s"] == {"pin": "4711", "name": "Ann"}
    with pytest.raises(ForgedTicketError):
        SIGNER.read_ticket("acme/b", ticket)


@each_case("at", [0, 9, 20, 60, -30, -1])
def test_a_ticket_that_was_tampered_with_is_refused(at):
    ticket = SIGNER.make_ticket_factory("acme/a", {})({}, {"pin": "4711"}, {"pin"})
    changed = [*ticket]
    changed[at] = "A" if changed[at] != "A" else "E"
    with pytest.raises(ForgedTicketError):
        SIGNER.read_ticket("acme/a", "".join(changed))


def test_an_older_key_still_opens_what_it_sealed():
    old, new = b"the key of last year", b"the key of this year"
    ticket = TicketSigner([old]).make_ticket_factory("acme/a", {})({}, {"pin": "4711"}, {"pin"})
    assert TicketSigner([new, old]).read_ticket("acme/a", ticket)["s"] == {"pin": "4711"}
    with pytest.raises(ForgedTicketError):
        TicketSigner([new]).read_ticket("acme/a", ticket)


def test_the_same_secret_never_looks_the_same():
    make = SIGNER.make_ticket_factory("acme/a", {})
    assert make({}, {"pin": "4711"}, {"pin"}) != make({}, {"pin": "4711"}, {"pin"})


def test_a_ticket_has_a_greatest_size():
    make = SIGNER.make_ticket_factory("acme/a", {})
    make({}, {"x": "y" * (MAX_TICKET_STATE_BYTES - 100)}, set())
    with pytest.raises(TicketError):
        make({}, {"x": "y" * MAX_TICKET_STATE_BYTES}, set())
    with pytest.raises(TicketError):
        make({}, {"x": "é" * (MAX_TICKET_STATE_BYTES // 2)}, set())
