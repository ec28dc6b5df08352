"""Where Opentact is asked for what: one table. What the platform does otherwise is changed here and nowhere else.

Its API description is of 2021 and its documentation has gaps; each block says what is known of it.
"""

from __future__ import annotations

from typing import Final

TOKEN_HEADERS: Final = {"X-Auth-Token": "{}", "Authorization": "Bearer {}"}
"""How a token made in the portal is shown: the pages have the first, the API description the second, so both are sent."""
JWT_HEADERS: Final = {"X-Auth-Token": "{}"}
"""How the token of ``GET /auth`` is shown (documented)."""
AUTH: Final = "/auth"

# SIP Control Apps, their numbers, static documents and calls (API description)
APPS: Final = "/sip/app"
APP: Final = "/sip/app/{uuid}"
TRUNK_SETTINGS: Final = ("class4_ingress_trunk_settings", "class4_egress_trunk_settings")
"""Two objects that a new app must have. They are called ``class4_…_trunk_settings``; the middle is assumed."""
APP_NUMBERS: Final = "/sip/app/{uuid}/tnlease"
APP_DOCUMENT: Final = "/sip/app/call/flow/{uuid}"
APP_LOGS: Final = "/sip/app/{uuid}/logs"
APP_CALLS_ONLINE: Final = "/sip/app/call/online"
APP_CALL: Final = "/sip/app/call/{uuid}"
APP_CALL_SEARCH: Final = "/sip/app/call/search"
PRODUCTS: Final = "/sip/product"

PUSH_PATHS: Final = ("/call/sca/{uuid}", "/sip/app/call/{uuid}")
"""The two that are known for XML to a live call: of a customer's program (2021-22), and of the API description (2021)."""
PUSH_PATH: Final = PUSH_PATHS[0]
"""The one that is used: a program is known to have worked with it."""

# Numbers (documented, and API description)
NUMBER_SEARCH: Final = "/tn/search"
ORDERS: Final = "/order"
ORDER_SEARCH: Final = "/order/search"
LEASE_SEARCH: Final = "/lease/tn/search"
LEASE: Final = "/lease/tn/{lease}"
LEASE_MESSAGES: Final = "/lease/tn/{lease}/subscription/sms"

# Messages (documented, and API description)
MESSAGES: Final = "/sms"
MESSAGE_SEARCH: Final = {"": "/sms/search", "in": "/sms/search/inbound", "out": "/sms/search/outbound"}
MESSAGE_PROFILES: Final = "/profile/messaging"
MESSAGE_PROFILE: Final = "/profile/messaging/{uuid}"

# Calls of the account (a customer's program), many calls at once (documented), voices (API description)
CALL_SEARCH: Final = "/call/search"
BATCHES: Final = "/batch"
VOICES: Final = "/dict/gtts"

# SIP connections, domains, outbound voice profiles (API description)
CONNECTIONS: Final = "/sip/connection"
CONNECTION: Final = "/sip/connection/{uuid}"
CONNECTION_NUMBERS: Final = "/sip/connection/{uuid}/tnlease"
DOMAINS: Final = "/sip/domain"
DOMAIN: Final = "/sip/domain/{domain}"
DOMAIN_PART: Final = "/sip/domain/{domain}/{part}"
VOICE_PROFILES: Final = "/profile/outbound_voice"
VOICE_PROFILE: Final = "/profile/outbound_voice/{uuid}"

# Event subscriptions (documented; the path of the removal is lost, this is what the others suggest)
SUBSCRIPTIONS: Final = "/event/subscription"
SUBSCRIPTION: Final = "/event/subscription/{uuid}"

LOST: Final[dict[str, tuple[str, str]]] = {
    "caller lists of a number": ("", ""),
    "one call": ("", ""),
    "a bridge between two calls": ("", ""),
    "a message from a pool of numbers": ("", ""),
}
"""What has a page whose call is lost: fill in the method and the path, as ``("POST", "/call")``, and it works.

A path may name ``{lease}``; what is given to the method of the client is the body.
"""
