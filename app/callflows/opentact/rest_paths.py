"""Paths and headers of Opentact's REST API, in one table: adapt to changes of the platform here and nowhere else.

The API description is of 2021 and the documentation has gaps; each block names its source.
"""

from __future__ import annotations

from typing import Final

PORTAL_TOKEN_HEADERS: Final = {"X-Auth-Token": "{}", "Authorization": "Bearer {}"}
"""Headers of a token made in the portal: the pages document the first, the API description the second, so both are sent."""
JWT_HEADERS: Final = {"X-Auth-Token": "{}"}
"""Header of a token from ``GET /auth`` (documented)."""
AUTH_PATH: Final = "/auth"


# SIP Control Apps, their numbers, static documents and calls (API description)
APPS_PATH: Final = "/sip/app"
APP_PATH: Final = "/sip/app/{uuid}"
APP_TRUNK_SETTINGS_FIELDS: Final = ("class4_ingress_trunk_settings", "class4_egress_trunk_settings")
"""Two required objects of a new app. The source shows ``class4_…_trunk_settings``; the middle part is assumed."""
APP_NUMBERS_PATH: Final = "/sip/app/{uuid}/tnlease"
APP_DOCUMENT_PATH: Final = "/sip/app/call/flow/{uuid}"
APP_LOGS_PATH: Final = "/sip/app/{uuid}/logs"
LIVE_CALLS_PATH: Final = "/sip/app/call/online"
APP_CALL_PATH: Final = "/sip/app/call/{uuid}"
APP_CALL_SEARCH_PATH: Final = "/sip/app/call/search"
PRODUCTS_PATH: Final = "/sip/product"
PUSH_PATH_CANDIDATES: Final = ("/call/sca/{uuid}", "/sip/app/call/{uuid}")
"""The two known paths for pushing XML to a live call: a customer's program (2021-22), and the API description (2021)."""
PUSH_PATH: Final = PUSH_PATH_CANDIDATES[0]
"""The path in use: a program is known to have worked with this one."""


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


# Calls of the account (a customer's program), batches of calls (documented), voices (API description)
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


# Event subscriptions (documented; the path for deletion is lost, this one is inferred from the others)
SUBSCRIPTIONS_PATH: Final = "/event/subscription"
SUBSCRIPTION_PATH: Final = "/event/subscription/{uuid}"
UNDOCUMENTED_OPERATIONS: Final[dict[str, tuple[str, str]]] = {
    "caller lists of a number": ("", ""),
    "one call": ("", ""),
    "a bridge between two calls": ("", ""),
    "a message from a pool of numbers": ("", ""),
}
"""Operations with a documentation page but a lost path. To enable one, fill in method and path, as ``("POST", "/call")``.

A path may contain ``{lease}``; the argument ``body`` of the client's method is the body.
"""
