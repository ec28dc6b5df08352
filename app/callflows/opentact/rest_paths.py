"""Where Opentact is asked for what: one table. What the platform does otherwise is changed here and nowhere else.

Its API description is of 2021 and its documentation has gaps; each block says what is known of it.
"""

from __future__ import annotations

from typing import Final

PORTAL_TOKEN_HEADERS: Final = {"X-Auth-Token": "{}", "Authorization": "Bearer {}"}
"""How a token made in the portal is shown: the pages have the first, the API description the second, so both are sent."""


JWT_HEADERS: Final = {"X-Auth-Token": "{}"}
"""How the token of ``GET /auth`` is shown (documented)."""


AUTH_PATH: Final = "/auth"


# SIP Control Apps, their numbers, static documents and calls (API description)
APPS_PATH: Final = "/sip/app"


APP_PATH: Final = "/sip/app/{uuid}"


APP_TRUNK_SETTINGS_FIELDS: Final = ("class4_ingress_trunk_settings", "class4_egress_trunk_settings")
"""Two objects that a new app must have. They are called ``class4_…_trunk_settings``; the middle is assumed."""


APP_NUMBERS_PATH: Final = "/sip/app/{uuid}/tnlease"


APP_DOCUMENT_PATH: Final = "/sip/app/call/flow/{uuid}"


APP_LOGS_PATH: Final = "/sip/app/{uuid}/logs"


LIVE_CALLS_PATH: Final = "/sip/app/call/online"


APP_CALL_PATH: Final = "/sip/app/call/{uuid}"


APP_CALL_SEARCH_PATH: Final = "/sip/app/call/search"


PRODUCTS_PATH: Final = "/sip/product"


PUSH_PATH_CANDIDATES: Final = ("/call/sca/{uuid}", "/sip/app/call/{uuid}")
"""The two that are known for XML to a live call: of a customer's program (2021-22), and of the API description (2021)."""


PUSH_PATH: Final = PUSH_PATH_CANDIDATES[0]
"""The one that is used: a program is known to have worked with it."""


# Numbers (documented, and API description)
NUMBER_SEARCH_PATH: Final = "/tn/search"


ORDERS_PATH: Final = "/order"


ORDER_SEARCH_PATH: Final = "/order/search"


LEASE_SEARCH_PATH: Final = "/lease/tn/search"


LEASE_PATH: Final = "/lease/tn/{lease}"


LEASE_MESSAGES_PATH: Final = "/lease/tn/{lease}/subscription/sms"


# Messages (documented, and API description)
MESSAGES_PATH: Final = "/sms"


MESSAGE_SEARCH_PATHS: Final = {"": "/sms/search", "in": "/sms/search/inbound", "out": "/sms/search/outbound"}


MESSAGE_PROFILES_PATH: Final = "/profile/messaging"


MESSAGE_PROFILE_PATH: Final = "/profile/messaging/{uuid}"


# Calls of the account (a customer's program), many calls at once (documented), voices (API description)
CALL_SEARCH_PATH: Final = "/call/search"


BATCHES_PATH: Final = "/batch"


VOICES_PATH: Final = "/dict/gtts"


# SIP connections, domains, outbound voice profiles (API description)
CONNECTIONS_PATH: Final = "/sip/connection"


CONNECTION_PATH: Final = "/sip/connection/{uuid}"


CONNECTION_NUMBERS_PATH: Final = "/sip/connection/{uuid}/tnlease"


DOMAINS_PATH: Final = "/sip/domain"


DOMAIN_PATH: Final = "/sip/domain/{domain}"


DOMAIN_PART_PATH: Final = "/sip/domain/{domain}/{part}"


VOICE_PROFILES_PATH: Final = "/profile/outbound_voice"


VOICE_PROFILE_PATH: Final = "/profile/outbound_voice/{uuid}"


# Event subscriptions (documented; the path of the removal is lost, this is what the others suggest)
SUBSCRIPTIONS_PATH: Final = "/event/subscription"


SUBSCRIPTION_PATH: Final = "/event/subscription/{uuid}"


UNDOCUMENTED_OPERATIONS: Final[dict[str, tuple[str, str]]] = {
    "caller lists of a number": ("", ""),
    "one call": ("", ""),
    "a bridge between two calls": ("", ""),
    "a message from a pool of numbers": ("", ""),
}
"""What has a page whose call is lost: fill in the method and the path, as ``("POST", "/call")``, and it works.

A path may name ``{lease}``; what is given to the method of the client is the body.
"""
