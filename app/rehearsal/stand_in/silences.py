"""What the documentation does not say of REST, events and requests, and what the stand-in does there: a rule each.

Those of the XML are in ``app.rehearsal.platform``. Where one of these decides, ``--strict-platform`` refuses instead.
"""

from __future__ import annotations

from typing import Final

from app.rehearsal import platform
from app.rehearsal.platform import Silence

AUTH_WITHIN: Final = 10.0
"""Seconds in which a websocket must show its token."""
POLICY_VIOLATION: Final = 1008
"""The close code of a websocket whose token is not accepted. RFC 6455."""
DELIVERING: Final = 2.0
"""Seconds between two states of a message; of the account's clock, which the pace quickens."""
SMS_COST: Final = 0.01
NUMBER_COST: Final = 1.0
MINUTE_COST: Final = 0.02
"""What things cost, in the account's currency."""

STATIC_OR_URL: Final = Silence("static-or-url", "which wins of a static document and a URL", "the URL")
URL_FAILS: Final = Silence("url-fails", "a call-control URL that gives no document", "the call ends")
INACTIVE: Final = Silence("inactive-app", "a call for an app that is not active", "it is refused")
WSS_REFUSED: Final = Silence(
    "wss-refused", "a token that a websocket shows in vain", f"the connection is closed with {POLICY_VIOLATION}"
)
WSS_FRAMES: Final = Silence("wss-frames", "frames that a client sends after it is authenticated", "they are dropped")
SUBSCRIPTIONS: Final = Silence("subscriptions", "whether subscriptions are listed bare or in the envelope", "in it")
UNSUBSCRIBE: Final = Silence("unsubscribe", "how a subscription is removed", "DELETE /event/subscription/{uuid} removes it")
UNASKED: Final = Silence(
    "unasked", "which events come without a subscription", "call_state, call_flow and sms; others are subscribed to"
)
BALANCE: Final = Silence("balance", "the body of PATCH /account/notification", "any value that is true turns it on")
RECORD_EVENT: Final = Silence("record-event", "the payload of call_record", "tag, seconds, a URL, the call; a transcript")
ORDER_EVENT: Final = Silence("order-event", "the payload of tn_order", "the order, as REST has it")
LATER_SMS: Final = Silence("later-sms", "sms, balance and tn_order in the envelope of 2024", "the payload is as in 2022")
WEBHOOK_STATES: Final = Silence("webhook-states", "the states that the state webhook is told", "those of the events")
CALLBACK_METHOD: Final = Silence("callback-method", "how a message callback is asked", "by POST, for each state")
CALLBACK_RETRIES: Final = Silence("callback-retries", "whether webhooks and callbacks are asked again", "they are not")
SEARCHES: Final = Silence(
    "searches", "the payload of a search", "take, skip, total and data, as of numbers; a list is bare"
)
MASKS: Final = Silence("masks", "how a mask is written", "* and % stand for any characters, in numbers % for one digit")
PUSHED: Final = Silence("pushed", "the answer to XML for a live call", "202 and the call; 409 once it is over")
CALL_PAYLOAD: Final = Silence("call-payload", "the unit of a call's duration in REST", "seconds, rounded up")
OUTBOUND: Final = Silence(
    "outbound", "what a batch's call does while it rings", "it waits for the callee, then runs the XML"
)
OWN_NUMBER: Final = Silence(
    "own-number",
    "what a Dial of another number of the account rings",
    "a callee, as any number does: no app is asked, and it is the dialling call's leg and no call of its own",
)
CREATED: Final = Silence("created", "the status of what was made", "201; 202 for a message, a batch and XML for a call")
UNKNOWN_FIELDS: Final = Silence("unknown-fields", "fields of a body that are not known", "they are refused with 400")
SWITCH: Final = Silence("switch", "the body of /sip/domain/{domain}/switch", "it is always refused")

OWN: Final = tuple(rule for rule in [*globals().values()] if isinstance(rule, Silence))
ALL: Final = (*platform.SILENCES, *OWN)
"""Those of the XML and these."""
