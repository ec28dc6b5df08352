"""Secret digits are in clear in no ticket, no trail and no log."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode

import pytest
from written import SIGNER, Conversation, flow_of, starting

from app.errors import ForgedTicket, TicketError
from app.flows.tickets import MAX_STATE, Signer
from app.flows.trail import SECRET

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
