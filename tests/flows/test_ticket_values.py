"""Values that a later request does not repeat travel in the ticket."""

from __future__ import annotations

from flow_harness import Conversation, compile_valid_flow, make_flow_text

STEPS = """
- collect: {into: account, digits: 3, prompt: Enter it.}
- sms: Hello {{ account }}.
- notify: https://crm.example.com/calls
"""


def test_a_message_after_digits_goes_to_the_caller_in_a_dialect_that_does_not_tell_the_caller_again():
    call = Conversation(compile_valid_flow(make_flow_text(STEPS), "classic"), "classic", call="c-1")
    call.request_fields = {"from_": ""}
    call.press_keys("123")
    sms, notice = call.effects
    assert (sms.payload["to"], sms.payload["from"]) == ("+12015550999", "+12015550123")
    assert notice.payload["body"]["call"] == {"id": "c-1", "from": "+12015550999", "to": "+12015550123"}


def test_a_classic_ticket_always_says_which_call_it_is():
    call = Conversation(
        compile_valid_flow(make_flow_text("- collect: {into: a, digits: 3, prompt: Enter it.}\n- say: Ok."), "classic"),
        "classic",
        call="c-1",
    )
    call.press_keys("123")
    assert call.tickets[0]["t"] == {"call": "c-1", "from": "+12015550999", "to": "12015550123"}
