"""Secret digits are in clear in no ticket, no trail and no log."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode

import pytest
from written import SIGNER, Conversation, flow_of, starting

from app.errors import ForgedTicket, TicketError
from app.flows.tickets import MAX_STATE, Signer
from app.flows.trail import MOST, SECRET
from app.outside import Found

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
    call = Conversation(flow_of(starting(STEPS) + "  last: [say: Bye.]\n")).press("4711")
    while call.xml.endswith("</Callback>"):
        call.go_on(-1)
    return call


def clear(url: str) -> str:
    state = url.partition("ticket=")[2].split(".")[1]
    return urlsafe_b64decode(state + "=" * (-len(state) % 4)).decode()


def test_no_ticket_shows_a_secret_nor_what_was_made_of_it():
    call = Conversation(flow_of(starting(STEPS) + "  last: [say: Bye.]\n")).press("4711")
    assert call.urls
    for url in call.urls:
        assert "4711" not in clear(url)
    call.go_on(-1)
    assert call.turn.values["pin"] == "4711"


def test_no_trail_shows_a_secret():
    call = through()
    assert "4711" not in json.dumps(call.trail)
    assert SECRET in json.dumps(call.trail, ensure_ascii=False)
    assert len(call.trail) > 4


@pytest.mark.parametrize(
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
@pytest.mark.parametrize(
    "step", ["- when: {}\n  say: Right.", "- choose: [{{when: {}, goto: last}}]", "- set: {{fits: {}}}"]
)
def test_no_trail_shows_what_a_secret_is_compared_with(condition, step):
    steps = f"""
- collect: {{into: pin, digits: 4, prompt: Pin., match: "4711|1.*", secret: true, attempts: 1, otherwise: last}}
- set: {{copied: "pin ~ 'x'", right: variables.right, fits: 0}}
{step.format(json.dumps(condition))}
- say: "{{{{ fits }}}}{{{{ copied }}}}"
"""
    flow = flow_of(starting(steps, 'variables: {right: "4711"}') + "  last: [say: Bye.]\n")
    call = Conversation(flow).press("4711")
    looked = [entry for entry in call.trail if entry["word"] in ("when", "choose", "set") and "pin" in str(entry)]
    assert looked
    own = [entry for entry in call.trail if entry["rule"] != "right = variables.right"]
    assert "4711" not in json.dumps(own)


def test_what_is_asked_beside_a_secret_and_hides_nothing_is_told():
    steps = """
- collect: {into: pin, digits: 4, prompt: Pin., secret: true, attempts: 1, otherwise: last}
- when: caller.region == 'US' and pin == '4711'
  say: Right.
"""
    call = Conversation(flow_of(starting(steps) + "  last: [say: Bye.]\n")).press("4711")
    (entry,) = [entry for entry in call.trail if entry["word"] == "when"]
    assert entry["rule"] == f"caller.region == {SECRET} and pin == {SECRET}"
    assert entry["values"] == {"caller.region": "US", "pin": SECRET}


@pytest.mark.parametrize("answer", ["x" * 5000, {"rows": ["y" * 100] * 50}, ["z" * 5000]])
def test_of_what_was_looked_up_or_set_the_trail_keeps_the_beginning_only(answer):
    steps = "- lookup: {url: 'https://a.example/', into: found}\n- set: {copy: found}\n- say: 'Hi {{ copy }}.'"
    call = Conversation(flow_of(starting(steps)), found={"https://a.example/": Found(answer, ok=True, status=200)})
    lookup, copied = call.trail
    assert lookup["detail"]["status"] == 200
    assert lookup["detail"]["result"][MOST:] == copied["outcome"][MOST:] == "…"
    assert len(json.dumps(call.trail)) < 4 * MOST


def test_a_short_answer_is_told_as_it_is():
    steps = "- lookup: {url: 'https://a.example/', into: found}\n- say: 'Hi {{ found.name }}.'"
    call = Conversation(flow_of(starting(steps)), found={"https://a.example/": Found({"name": "Ann"}, ok=True)})
    assert call.trail[0]["detail"]["result"] == {"name": "Ann"}


def test_a_sealed_ticket_holds_for_its_place_and_no_other():
    ticket = SIGNER.tickets("acme/a", {"v": "1"})({}, {"pin": "4711", "name": "Ann"}, {"pin"})
    assert SIGNER.read("acme/a", ticket)["s"] == {"pin": "4711", "name": "Ann"}
    with pytest.raises(ForgedTicket):
        SIGNER.read("acme/b", ticket)


@pytest.mark.parametrize("at", [0, 9, 20, 60, -30, -1])
def test_a_ticket_that_was_tampered_with_is_refused(at):
    ticket = SIGNER.tickets("acme/a", {})({}, {"pin": "4711"}, {"pin"})
    changed = [*ticket]
    changed[at] = "A" if changed[at] != "A" else "E"
    with pytest.raises(ForgedTicket):
        SIGNER.read("acme/a", "".join(changed))


def test_an_older_key_still_opens_what_it_sealed():
    old, new = b"the key of last year", b"the key of this year"
    ticket = Signer([old]).tickets("acme/a", {})({}, {"pin": "4711"}, {"pin"})
    assert Signer([new, old]).read("acme/a", ticket)["s"] == {"pin": "4711"}
    with pytest.raises(ForgedTicket):
        Signer([new]).read("acme/a", ticket)


def test_the_same_secret_never_looks_the_same():
    make = SIGNER.tickets("acme/a", {})
    assert make({}, {"pin": "4711"}, {"pin"}) != make({}, {"pin": "4711"}, {"pin"})


def test_a_ticket_has_a_greatest_size():
    make = SIGNER.tickets("acme/a", {})
    make({}, {"x": "y" * (MAX_STATE - 100)}, set())
    with pytest.raises(TicketError):
        make({}, {"x": "y" * MAX_STATE}, set())
    with pytest.raises(TicketError):
        make({}, {"x": "é" * (MAX_STATE // 2)}, set())
