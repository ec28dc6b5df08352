"""Behaviour of REST, events and requests missing from the documentation: one rule per gap, with the stand-in's choice.

The rules of the XML are in ``callflows.rehearsal.undocumented_rules``. ``--strict-platform`` refuses instead of choosing.
"""

from __future__ import annotations

from typing import Final

from callflows.rehearsal import undocumented_rules
from callflows.rehearsal.undocumented_rules import UndocumentedRule

WEBSOCKET_AUTH_SECONDS: Final = 10.0
"""Seconds until a websocket must have sent its token."""
POLICY_VIOLATION_CLOSE_CODE: Final = 1008
"""Close code of a websocket after a refused token. RFC 6455."""
SMS_STATE_SECONDS: Final = 2.0
"""Seconds between two states of a message; the pace accelerates them."""
COST_PER_SMS: Final = 0.01
COST_PER_NUMBER: Final = 1.0
COST_PER_MINUTE: Final = 0.02
"""Costs in the account's currency."""
STATIC_OR_URL_RULE: Final = UndocumentedRule("static-or-url", "which wins of a static document and a URL", "the URL")
URL_FAILURE_RULE: Final = UndocumentedRule("url-fails", "a call-control URL that gives no document", "the call ends")
INACTIVE_APP_RULE: Final = UndocumentedRule("inactive-app", "a call for an app that is not active", "it is refused")
WSS_REFUSAL_RULE: Final = UndocumentedRule(
    "wss-refused", "a token that a websocket shows in vain", f"the connection is closed with {POLICY_VIOLATION_CLOSE_CODE}"
)
WSS_FRAMES_RULE: Final = UndocumentedRule(
    "wss-frames", "frames that a client sends after it is authenticated", "they are dropped"
)
SUBSCRIPTION_LIST_RULE: Final = UndocumentedRule(
    "subscriptions", "whether subscriptions are listed bare or in the envelope", "in it"
)
UNSUBSCRIBE_RULE: Final = UndocumentedRule(
    "unsubscribe", "how a subscription is removed", "DELETE /event/subscription/{uuid} removes it"
)
DEFAULT_EVENTS_RULE: Final = UndocumentedRule(
    "unasked", "which events come without a subscription", "call_state, call_flow and sms; others are subscribed to"
)
BALANCE_NOTIFICATION_RULE: Final = UndocumentedRule(
    "balance", "the body of PATCH /account/notification", "any value that is true turns it on"
)
RECORD_EVENT_RULE: Final = UndocumentedRule(
    "record-event", "the payload of call_record", "tag, seconds, a URL, the call; a transcript"
)
ORDER_EVENT_RULE: Final = UndocumentedRule("order-event", "the payload of tn_order", "the order, as REST has it")
SMS_ENVELOPE_2024_RULE: Final = UndocumentedRule(
    "later-sms", "sms, balance and tn_order in the envelope of 2024", "the payload is as in 2022"
)
WEBHOOK_STATES_RULE: Final = UndocumentedRule(
    "webhook-states", "the states that the state webhook is told", "those of the events"
)
CALLBACK_METHOD_RULE: Final = UndocumentedRule(
    "callback-method", "how a message callback is asked", "by POST, for each state"
)
CALLBACK_RETRIES_RULE: Final = UndocumentedRule(
    "callback-retries", "whether webhooks and callbacks are asked again", "they are not"
)
SEARCH_PAYLOAD_RULE: Final = UndocumentedRule(
    "searches", "the payload of a search", "take, skip, total and data, as of numbers; a list is bare"
)
SEARCH_MASKS_RULE: Final = UndocumentedRule(
    "masks", "how a mask is written", "* and % stand for any characters, in numbers % for one digit"
)
PUSH_ANSWER_RULE: Final = UndocumentedRule(
    "pushed", "the answer to XML for a live call", "202 and the call; 409 once it is over"
)
CALL_DURATION_RULE: Final = UndocumentedRule("call-payload", "the unit of a call's duration in REST", "seconds, rounded up")
BATCH_CALL_RULE: Final = UndocumentedRule(
    "outbound", "what a batch's call does while it rings", "it waits for the callee, then runs the XML"
)
OWN_NUMBER_RULE: Final = UndocumentedRule(
    "own-number",
    "what a Dial of another number of the account rings",
    "a callee, as any number does: no app is asked, and it is the dialling call's leg and no call of its own",
)
CREATION_STATUS_RULE: Final = UndocumentedRule(
    "created", "the status of what was made", "201; 202 for a message, a batch and XML for a call"
)
UNKNOWN_FIELDS_RULE: Final = UndocumentedRule(
    "unknown-fields", "fields of a body that are not known", "they are refused with 400"
)
OTHER_SIGN_IN_RULE: Final = UndocumentedRule(
    "other-sign-in", "how a token of Google, Facebook or HA1B is checked", "every such token is the owner's"
)
STAND_IN_RULES: Final = tuple(rule for rule in [*globals().values()] if isinstance(rule, UndocumentedRule))
ALL_UNDOCUMENTED_RULES: Final = (*undocumented_rules.XML_RULES, *STAND_IN_RULES)
"""The rules of the XML and of this module."""
