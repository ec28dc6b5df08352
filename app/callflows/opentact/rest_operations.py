"""Every known call of Opentact's REST API, in one table: adapt to changes of the platform here and nowhere else.

The client, the commands, the stand-in's routes and ``docs/opentact.md`` are read from this table. An operator corrects its
lines in ``opentact.yaml`` (``operation_file.py``). Evidence: A the API description of 2021, D documentation pages of 2020
to 2024, C programs of customers, lost: a page exists, but the call is not known.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from callflows.opentact.operation_fields import RestField

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callflows.opentact.operation_fields import FieldKind, FieldPlace

AnswerKind: TypeAlias = Literal["record", "records", "page", "text", "any"]
OperationEffect: TypeAlias = Literal["reads", "changes", "costs money", "reaches people", "takes away"]
HttpMethod: TypeAlias = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


@dataclasses.dataclass(frozen=True, slots=True)
class RestOperation:
    """One call.

    ``name`` is the command's words after ``callflows opentact``; ``path`` is empty while the call is lost. The body is
    made of the fields with the place ``body`` and of ``constants``. ``accepts_more``: the body may have further fields.
    """

    name: str
    method: HttpMethod
    path: str
    meaning: str
    evidence: str
    fields: tuple[RestField, ...] = ()
    answer: AnswerKind = "record"
    effect: OperationEffect = "reads"
    alternatives: tuple[str, ...] = ()
    """Other known paths of the same call."""
    note: str = ""
    accepts_more: bool = False
    constants: tuple[tuple[tuple[str, ...], Any], ...] = ()
    columns: tuple[str, ...] = ()
    """Fields of a row that a table shows."""

    @property
    def is_lost(self) -> bool:
        return not self.path

    @property
    def group(self) -> str:
        return self.name.partition(" ")[0]

    @property
    def request_name(self) -> str:
        """Method and path for people and logs, without any value."""
        return f"{self.method} {self.path}" if self.path else f"{self.name} (lost)"

    def list_fields(self, *places: FieldPlace) -> list[RestField]:
        return [field for field in self.fields if field.place in places]

    @property
    def file_field(self) -> RestField | None:
        return next((field for field in self.fields if field.place == "file"), None)


UUID_EXAMPLE: Final = "3b206fb6-a5b7-4d62-8a3a-02d9e1880001"
NUMBER_EXAMPLE: Final = "12015550123"
CALLEE_EXAMPLE: Final = "12015550999"
DOCUMENT_EXAMPLE: Final = "<Response><Say>We are open.</Say></Response>"
APP_TRUNK_SETTINGS_FIELDS: Final = ("class4_ingress_trunk_settings", "class4_egress_trunk_settings")
"""Two required objects of a new app. The source shows ``class4_…_trunk_settings``; the middle part is assumed."""
_TIME_EXAMPLE: Final = "2026-03-05T16:30:00.000Z"
_LOST_NOTE: Final = "a page of the documentation exists, the call itself is lost"
_ROOM_NOTE: Final = "the source names the path and leaves out what stands below it"


def _key(name: str = "uuid", meaning: str = "", example: str = UUID_EXAMPLE, kind: FieldKind = "text") -> RestField:
    return RestField(name, kind, example, meaning or "the id", "path", is_required=True)


def _query(name: str, kind: FieldKind, example: Any, meaning: str = "", **more: Any) -> RestField:  # noqa: ANN401 - JSON
    return RestField(name, kind, example, meaning, "query", **more)


def _field(name: str, kind: FieldKind, example: Any, meaning: str = "", **more: Any) -> RestField:  # noqa: ANN401 - JSON
    return RestField(name, kind, example, meaning, **more)


def _required(fields: tuple[RestField, ...], *names: str) -> tuple[RestField, ...]:
    return tuple(
        dataclasses.replace(
            field,
            is_required=field.name in names,
            # An empty object is what a required one has without a choice.
            default={} if field.name in names and field.kind == "object" else None,
        )
        for field in fields
    )


# Fields that several calls share

PAGE_FIELDS: Final = (
    _field("take", "integer", 10, "rows of a page", least=1, most=100),
    _field("skip", "integer", 0, "rows before the page", least=0),
)
"""Sent in the query and in the body: the sources disagree about the place."""
SEARCH_FIELDS: Final = (
    _field("mode", "text", "AND", "all masks, or any of them", choices=("AND", "OR")),
    _field("order", "order", {"created_on": "DESC"}, "the order of the rows"),
    _field("created_on_from", "time", _TIME_EXAMPLE),
    _field("created_on_to", "time", _TIME_EXAMPLE),
    _field("modified_on_from", "time", _TIME_EXAMPLE),
    _field("modified_on_to", "time", _TIME_EXAMPLE),
)
_NAME: Final = _field("name", "text", "Front desk", "the name", least=1, most=255)
_ACTIVE: Final = _field("is_active", "boolean", True)
_PRODUCT: Final = _field("product", "integer", 1, "the id of a product (apps products)")
_TRUNKS: Final = tuple(_field(name, "object", {}, "{} or {media_type}") for name in APP_TRUNK_SETTINGS_FIELDS)
_HTTP_METHOD_CHOICES: Final = ("GET", "POST")
_TIMEOUT_MEANING: Final = "milliseconds; null: no timeout; 0: the limit of the system"
_SHAKEN_FIELDS: Final = (
    _field(
        "shaken_verify_policy",
        "integer",
        2,
        "0 do not check, 1 block without identity, 2 block if invalid, 3 let failures pass",
        least=0,
        most=3,
    ),
    _field("shaken_minimum_accepted_attest_lvl", "text", "B", "the lowest accepted attestation", choices=("A", "B", "C")),
)
_APP_FIELDS: Final = (
    _NAME,
    _ACTIVE,
    _PRODUCT,
    *_TRUNKS,
    _field("call_flow_url", "url", "https://calls.example.com/call", "the remote call control URL"),
    _field("call_flow_method", "text", "POST", choices=_HTTP_METHOD_CHOICES),
    _field("call_flow_request_timeout", "integer", 5000, _TIMEOUT_MEANING, least=0),
    _field("webhook_url", "url", "https://calls.example.com/webhook", "the URL that is told the states of calls"),
    _field("webhook_method", "text", "POST", choices=_HTTP_METHOD_CHOICES),
    _field("webhook_request_timeout", "integer", 5000, _TIMEOUT_MEANING, least=0),
    _field("auto_answer", "boolean", True, "whether Opentact answers calls by itself (seen in events only)"),
    _field("max_call_length_min", "integer", 240, "the longest call, in minutes (seen in events only)", least=1),
    *_SHAKEN_FIELDS,
)
_CONNECTION_FIELDS: Final = (
    _NAME,
    _field("ip", "text", "198.51.100.7", "the address of your system"),
    _field("port", "integer", 5060, least=1, most=65535),
    _field("hostname", "text", "pbx.example.com"),
    _ACTIVE,
    _PRODUCT,
    *_TRUNKS,
    *_SHAKEN_FIELDS,
)
_DOMAIN_NAME: Final = _field("domain", "text", "acme.sip.opentact.org", "the full name", least=1, most=255)
_DOMAIN_FIELDS: Final = (
    _field("sip_connection", "text", UUID_EXAMPLE),
    _field("sip_control_app", "text", UUID_EXAMPLE),
    _field("outbound_voice_profile", "text", UUID_EXAMPLE),
)
_USER_FIELDS: Final = (
    _field("login", "text", "ann", least=1, most=255),
    _field("password", "text", "correct-horse-9", least=1, most=255),
    _field("first_name", "text", "Ann"),
    _field("last_name", "text", "Lee"),
    _field("email", "text", "ann@example.com"),
    _field("phone_number", "phone", NUMBER_EXAMPLE),
    _field("avatar", "text", "https://example.com/ann.png"),
    _field("same_domain_calls_only", "boolean", False),
    _field("dob", "text", "1990-05-17", "the day of birth"),
    _field("gender", "text", "female"),
    _ACTIVE,
    _field("tn_lease", "text", UUID_EXAMPLE, "the id of a number's lease"),
)
_INVITE_FIELDS: Final = (_NAME, _field("expired_on", "time", _TIME_EXAMPLE))
_SWITCH_FIELDS: Final = (
    _NAME,
    _field("description", "text", "The PBX in the office"),
    _field("remote_ip", "text", "198.51.100.7"),
    _field("remote_domain", "text", "pbx.example.com"),
    _ACTIVE,
)
_MESSAGING_PROFILE_FIELDS: Final = (
    _NAME,
    _field("callback_url", "url", "https://calls.example.com/sms", "the URL that gets messages and their states"),
    _field("callback_url2", "url", "https://backup.example.com/sms", "the URL if the first cannot be reached"),
    _field("number_pool_enable", "boolean", False, "whether the numbers of the profile take turns"),
    _field("long_code_weight", "decimal", 1),
    _field("tollfree_weight", "decimal", 1),
    _field("skip_unhealthy_tns", "boolean", False),
    _field("sticky_sender", "boolean", False),
)
_VOICE_PROFILE_FIELDS: Final = (
    _NAME,
    _ACTIVE,
    _PRODUCT,
    _field("tn_lease", "text", UUID_EXAMPLE, "the id of the lease whose number is shown"),
    _field("class4_ingress_trunk_settings", "object", {}),
)
_HOURS_FIELDS: Final = (
    _NAME,
    _field("type", "text", "open"),
    _field("dow", "integer", 1, "the day of the week", least=0, most=7),
    _field("time_from", "integer", 32_400, "seconds of the day", least=0, most=86_400),
    _field("time_to", "integer", 61_200, "seconds of the day", least=0, most=86_400),
)
_ROOM_FIELDS: Final = (
    _NAME,
    _field("access_type", "text", "public"),
    _field("max_clients", "integer", 5, least=1),
)
_CALL_MASKS: Final = (
    _field("tn", "phone", NUMBER_EXAMPLE, is_mask=True),
    _field("from", "phone", CALLEE_EXAMPLE, is_mask=True),
    _field("to", "phone", NUMBER_EXAMPLE, is_mask=True),
)
_MESSAGE_MASKS: Final = (
    _field("to", "phone", CALLEE_EXAMPLE, is_mask=True),
    _field("message", "text", "*HOURS*", is_mask=True),
    _field("tn", "phone", NUMBER_EXAMPLE),
    _field("delivered", "boolean", True),
)
_LEASES_FIELDS: Final = (
    _field("add", "texts", [UUID_EXAMPLE], "the ids of leases to assign"),
    _field("remove", "texts", [UUID_EXAMPLE], "the ids of leases to remove"),
)
_ORDER_ITEMS: Final = _field(
    "items",
    "objects",
    [{"tn": int(NUMBER_EXAMPLE), "features": ["voice", "sms"], "autorenew": True}],
    "the numbers, each with tn, features and autorenew",
    is_required=True,
    least=1,
)
_CALL_COLUMNS: Final = ("uuid", "direction", "from", "to", "state", "duration", "created_on")
_MESSAGE_COLUMNS: Final = ("uuid", "from", "to", "state", "delivered", "message", "created_on")
_LIST_NUMBER: Final = _field("phone", "phone", CALLEE_EXAMPLE, "the caller's number", is_required=True)


def _list_resource_operations(  # noqa: PLR0913 - the facts of a kind of thing
    group: str,
    path: str,
    noun: str,
    evidence: str,
    fields: tuple[RestField, ...],
    *required: str,
    owner: tuple[RestField, ...] = (),
    key: RestField | None = None,
    only_new: tuple[RestField, ...] = (),
    columns: tuple[str, ...] = ("uuid", "name", "is_active"),
    note: str = "",
    leaves_out: tuple[str, ...] = (),
) -> Iterator[RestOperation]:
    """Yield list, create, show, change and delete of one kind of thing; ``only_new`` are fields of new ones alone."""
    one_key = key or _key()
    one = f"{path}/{{{one_key.name}}}"
    create_fields = _required((*only_new, *fields), *required)
    calls: tuple[tuple[str, HttpMethod, str, str, tuple[RestField, ...], OperationEffect], ...] = (
        ("list", "GET", path, f"list the {noun}s", (), "reads"),
        ("create", "POST", path, f"create a {noun}", create_fields, "changes"),
        ("show", "GET", one, f"show a {noun}", (one_key,), "reads"),
        ("change", "PATCH", one, f"change a {noun}", (one_key, *fields), "changes"),
        ("delete", "DELETE", one, f"delete a {noun}", (one_key,), "takes away"),
    )
    for word, method, where, meaning, own_fields, effect in calls:
        if word not in leaves_out:
            answer: AnswerKind = "records" if word == "list" else "record"
            yield RestOperation(
                f"{group} {word}",
                method,
                where,
                meaning,
                evidence,
                (*owner, *own_fields),
                answer,
                effect,
                note=note,
                columns=columns,
            )


def _search_operation(
    name: str,
    path: str,
    meaning: str,
    evidence: str,
    fields: tuple[RestField, ...],
    columns: tuple[str, ...] = (),
    **more: Any,  # noqa: ANN401 - as RestOperation
) -> RestOperation:
    paged = (*fields, *SEARCH_FIELDS, *PAGE_FIELDS)
    return RestOperation(name, "POST", path, meaning, evidence, paged, "page", columns=columns, accepts_more=True, **more)


def _lost_operation(
    name: str,
    method: HttpMethod,
    meaning: str,
    fields: tuple[RestField, ...],
    **more: Any,  # noqa: ANN401 - as RestOperation
) -> RestOperation:
    return RestOperation(name, method, "", meaning, "lost", fields, note=_LOST_NOTE, accepts_more=True, **more)


def _list_profile_list_operations(color: str) -> Iterator[RestOperation]:
    profile = _field("profile", "text", UUID_EXAMPLE, "the id of a TN profile", is_required=True)
    name = f"lists {color}"
    yield _lost_operation(f"{name} show", "GET", f"show the {color}list of a TN profile", (profile,), answer="any")
    yield _lost_operation(
        f"{name} add", "POST", f"put a number on the {color}list of a TN profile", (profile, _LIST_NUMBER), effect="changes"
    )
    yield _lost_operation(
        f"{name} remove",
        "DELETE",
        f"take a number off the {color}list of a TN profile",
        (profile, _LIST_NUMBER),
        effect="takes away",
    )


def _list_room_list_operations(color: str) -> Iterator[RestOperation]:
    path, name = f"/janus/session/{{uuid}}/{color}list", f"rooms {color}list"
    room = _key(meaning="the id of the room")
    more: dict[str, Any] = {"note": _ROOM_NOTE, "accepts_more": True}
    member = _field("login", "text", "ann", "the member", is_required=True)
    yield RestOperation(
        f"{name} list", "GET", path, f"show the {color}list of a room", "A", (room,), "any", note=_ROOM_NOTE
    )
    yield RestOperation(
        f"{name} add",
        "POST",
        path,
        f"put somebody on the {color}list of a room",
        "A",
        (room, member),
        "any",
        "changes",
        **more,
    )
    yield RestOperation(
        f"{name} remove",
        "DELETE",
        f"{path}/{{login}}",
        f"take somebody off the {color}list of a room",
        "A",
        (room, _key("login", "the member", "ann")),
        "any",
        "takes away",
        note=_ROOM_NOTE,
    )


_AUTH_FIELDS: Final = (
    RestField("google_token", "text", "ya29.example", "a token of Google", "header", wire_name="X-Auth-Google-Token"),
    RestField("facebook_token", "text", "EAAB.example", "a token of Facebook", "header", wire_name="X-Auth-Facebook-Token"),
    RestField("ha1b_token", "text", "0f8fad5bd9cb469f", "a HA1B token", "header", wire_name="X-Auth-HA1B-Token"),
)
_TOKEN_FIELDS: Final = (
    _field("name", "text", "Front desk", "the name", least=1, most=255),
    _field("ttl", "integer", 86_400, "seconds until the token ends", least=60),
)
_DOMAIN_KEY: Final = _key("domain", "the full name of the domain", "acme.sip.opentact.org")
_LEASE_KEY: Final = _key("lease", "the id of the lease")
_LEASE_NUMBER_KEY: Final = _key("number", "the number", NUMBER_EXAMPLE, "phone")
_CALL_KEY: Final = _key("uuid", "the id of the call")
_DOCUMENT_FIELD: Final = RestField("file", "file", DOCUMENT_EXAMPLE, "an XML document", "file", is_required=True)
_NUMBERS_COLUMNS: Final = ("tn", "uuid", "autorenew", "sip_control_app", "sip_connection")
_ROOM_CONNECTION_KEY: Final = _key("uuid", "the id of the connection")

REST_OPERATIONS: Final[tuple[RestOperation, ...]] = (
    # Tokens and the account
    RestOperation(
        "auth",
        "GET",
        "/auth",
        "get a token of about a day for an email and a password, or for a token of Google",
        "A, D, C",
        _AUTH_FIELDS,
        note="HTTP Basic with email and password, or one of the three headers",
    ),
    RestOperation(
        "tokens create",
        "POST",
        "/token",
        "create an API token",
        "A",
        _required(_TOKEN_FIELDS, "name", "ttl"),
        effect="changes",
    ),
    RestOperation(
        "tokens list",
        "GET",
        "/token/list",
        "list the API tokens",
        "A",
        answer="records",
        columns=("uuid", "name", "expired_on"),
    ),
    RestOperation(
        "tokens rename", "PATCH", "/token/{uuid}", "change an API token", "A", (_key(), *_TOKEN_FIELDS), effect="changes"
    ),
    RestOperation(
        "tokens delete",
        "DELETE",
        "/token/{token}",
        "end an API token",
        "A",
        (_key("token", "the token itself", "a-token-of-the-portal"),),
        "any",
        "takes away",
    ),
    RestOperation("tokens delete-all", "DELETE", "/token/all", "end all API tokens", "A", (), "any", "takes away"),
    RestOperation("account show", "GET", "/account", "show the account, with its balance", "A"),
    RestOperation(
        "account notifications",
        "PATCH",
        "/account/notification",
        "turn events about the balance on or off",
        "D",
        (_field("balance", "boolean", True, "whether changes of the balance are events"),),
        "any",
        "changes",
        note="the body is lost; this one is assumed",
        accepts_more=True,
    ),
    *_list_resource_operations(
        "account hours",
        "/account/office_hours",
        "line of the office hours",
        "A",
        _HOURS_FIELDS,
        "name",
        columns=("uuid", "name", "type", "dow", "time_from", "time_to"),
    ),
    # Numbers
    RestOperation(
        "numbers search",
        "POST",
        "/tn/search",
        "search numbers that can be ordered",
        "A, C",
        (
            _field("type", "text", "long_code"),
            _field("country", "text", "US"),
            _field("state", "text", "NJ"),
            _field("city", "text", "Jersey City"),
            _field("rate_center", "text", "JERSEYCITY"),
            _field("npa", "text", "201", "the area code"),
            _field("nxx", "text", "555", "the three digits after the area code"),
            _field("line", "text", "0123", "the last four digits"),
            _field("pattern", "text", "1201555*", "a number with * and %", most=50),
            _field("features", "texts", ["sms", "voice"]),
            _field("rateCenter", "text", "JERSEYCITY"),
            _field("province", "text", "NJ"),
            _field("postalCode", "text", "07302"),
            _field("abcSearch", "boolean", False, "whether letters in the pattern are digits of a keypad"),
            _field("profile", "text", "standard", "the name of a TN profile"),
            *PAGE_FIELDS,
            _query("page", "integer", 1, "the page, from 1", least=1),
            _query("size", "integer", 10, "rows of a page", least=1, most=100),
        ),
        "page",
        note="customers' programs send the English names, the API description the names in camelCase",
        columns=("tn", "city", "rate_center", "state", "features"),
    ),
    RestOperation(
        "numbers places offered", "GET", "/tn/search/countries", "list the countries with numbers", "A", answer="any"
    ),
    RestOperation("numbers places countries", "GET", "/dict/country", "list all countries", "A", answer="any"),
    RestOperation("numbers places timezones", "GET", "/dict/tz", "list the time zones", "A", answer="any"),
    RestOperation(
        "numbers places states",
        "GET",
        "/dict/lerg/states",
        "list the states of a country",
        "A, C",
        (_query("country", "text", "US", is_required=True),),
        "any",
    ),
    RestOperation(
        "numbers places rate-centers",
        "GET",
        "/dict/lerg/ratecenters",
        "list the rate centers of a state",
        "A, C",
        (_query("state", "text", "NJ", is_required=True),),
        "any",
    ),
    RestOperation("numbers price", "POST", "/order/price", "show the price of an order", "A", (_ORDER_ITEMS,), "any"),
    RestOperation(
        "numbers order",
        "POST",
        "/order",
        "order numbers",
        "D",
        (_ORDER_ITEMS,),
        effect="costs money",
        alternatives=("/order/tn",),
        note="the alternative is of the API description and of customers' programs",
        columns=("uuid", "state", "total", "success", "processing", "failed"),
    ),
    RestOperation(
        "numbers orders list",
        "GET",
        "/order",
        "list the orders",
        "A",
        answer="records",
        columns=("uuid", "created_on", "state", "total", "success", "failed"),
    ),
    RestOperation("numbers orders show", "GET", "/order/{uuid}", "show the state of an order", "A, D", (_key(),)),
    _search_operation(
        "numbers orders search",
        "/order/search",
        "search orders",
        "A, D, C",
        (_field("state", "text", "success", choices=("created", "verify", "processing", "success", "failed")),),
        ("uuid", "created_on", "state", "total", "success", "failed"),
    ),
    _search_operation(
        "numbers list",
        "/lease/tn/search",
        "list the numbers of the account (leases)",
        "A, D",
        (
            _field("tn", "phone", "1201555*", is_mask=True),
            _field("autorenew", "boolean", True),
            _field("sip_connection", "text", UUID_EXAMPLE),
            _field("sip_control_app", "text", UUID_EXAMPLE),
            _field("sip_connections_skip", "texts", [UUID_EXAMPLE]),
        ),
        _NUMBERS_COLUMNS,
    ),
    RestOperation(
        "numbers show",
        "GET",
        "/lease/tn/{lease}",
        "show a number of the account by the id of its lease",
        "A, D",
        (_LEASE_KEY,),
    ),
    RestOperation(
        "numbers find",
        "GET",
        "/lease/tn/{number}/tn",
        "show a number of the account by the number",
        "A",
        (_LEASE_NUMBER_KEY,),
    ),
    RestOperation(
        "numbers change",
        "PATCH",
        "/lease/tn/{lease}",
        "change a number of the account",
        "A, D",
        (
            _LEASE_KEY,
            _field("voice", "boolean", True),
            _field("fax", "boolean", False),
            _field("sms", "boolean", True),
            _field("mms", "boolean", False),
            _field("emergency", "boolean", False),
            _field("autorenew", "boolean", True, "whether the number is renewed when its term ends"),
            _field("messaging_profile", "text", UUID_EXAMPLE),
            _field("sip_connection", "text", UUID_EXAMPLE),
            _field("sip_control_app", "text", UUID_EXAMPLE),
        ),
        effect="changes",
    ),
    RestOperation(
        "numbers release",
        "DELETE",
        "/lease/tn/{lease}",
        "release a number; others may order it then",
        "A, D",
        (_LEASE_KEY,),
        effect="takes away",
    ),
    RestOperation(
        "numbers sms on",
        "POST",
        "/lease/tn/{number}/subscription/sms",
        "let a number send and receive texts",
        "A, D",
        (
            _LEASE_NUMBER_KEY,
            _field("messaging_profile", "text", UUID_EXAMPLE, is_required=True),
            _field("sms_campaign", "text", "C123456", "the 10DLC campaign; the documentation marks it required"),
        ),
        "any",
        "changes",
    ),
    RestOperation(
        "numbers sms off",
        "DELETE",
        "/lease/tn/{number}/subscription/sms",
        "stop the texts of a number",
        "A, D",
        (_LEASE_NUMBER_KEY,),
        "any",
        "takes away",
    ),
    # Profiles
    RestOperation(
        "profiles tn list",
        "GET",
        "/profile/tn",
        "list the TN profiles",
        "A",
        answer="records",
        columns=("uuid", "name", "is_active", "toll_free", "priority", "description"),
    ),
    RestOperation("profiles tn show", "GET", "/profile/tn/{uuid}", "show a TN profile", "A", (_key(),)),
    RestOperation("profiles tn prices", "GET", "/profile/tn/special_prices", "list special prices", "A", answer="any"),
    *_list_resource_operations(
        "profiles messaging",
        "/profile/messaging",
        "messaging profile",
        "A, D",
        _MESSAGING_PROFILE_FIELDS,
        "name",
        columns=("uuid", "name", "number_pool_enable", "callback_url"),
    ),
    RestOperation(
        "profiles messaging numbers",
        "GET",
        "/profile/messaging/{uuid}/tnleases",
        "list the numbers of a messaging profile",
        "A, D",
        (_key(),),
        "records",
        columns=_NUMBERS_COLUMNS,
    ),
    *_list_resource_operations(
        "profiles voice", "/profile/outbound_voice", "outbound voice profile", "A, C", _VOICE_PROFILE_FIELDS, "name"
    ),
    *_list_profile_list_operations("black"),
    *_list_profile_list_operations("white"),
    # SIP Control Apps
    *_list_resource_operations(
        "apps",
        "/sip/app",
        "SIP Control App",
        "A",
        _APP_FIELDS,
        "name",
        "product",
        *APP_TRUNK_SETTINGS_FIELDS,
        columns=("uuid", "name", "is_active", "call_flow_method", "call_flow_url", "call_flow_request_timeout"),
    ),
    RestOperation(
        "apps numbers list",
        "GET",
        "/sip/app/{uuid}/tnlease",
        "list the numbers of an app",
        "A",
        (_key(meaning="the id of the app"),),
        "any",
        columns=_NUMBERS_COLUMNS,
    ),
    RestOperation(
        "apps numbers change",
        "POST",
        "/sip/app/{uuid}/tnlease",
        "give numbers to an app, or take them from it",
        "A",
        (_key(meaning="the id of the app"), *_LEASES_FIELDS),
        "any",
        "changes",
    ),
    RestOperation(
        "apps document show",
        "GET",
        "/sip/app/call/flow/{uuid}",
        "show the static document of an app",
        "A",
        (_key(meaning="the id of the app"),),
        "text",
    ),
    RestOperation(
        "apps document store",
        "POST",
        "/sip/app/call/flow/{uuid}",
        "store a static document for an app",
        "A",
        (_key(meaning="the id of the app"), _DOCUMENT_FIELD),
        "any",
        "changes",
    ),
    RestOperation(
        "apps document delete",
        "DELETE",
        "/sip/app/call/flow/{uuid}",
        "delete the static document of an app",
        "A",
        (_key(meaning="the id of the app"),),
        "any",
        "takes away",
    ),
    RestOperation(
        "apps calls online",
        "GET",
        "/sip/app/call/online",
        "list the live calls of all apps",
        "A",
        answer="records",
        columns=_CALL_COLUMNS,
    ),
    _search_operation(
        "apps calls search",
        "/sip/app/call/search",
        "search the calls of all apps",
        "A",
        (*_CALL_MASKS, _field("state", "text", "destroyed"), _field("sip_control_app", "text", UUID_EXAMPLE)),
        _CALL_COLUMNS,
    ),
    _search_operation(
        "apps logs",
        "/sip/app/{uuid}/logs",
        "search the elements that were executed for the calls of an app",
        "A",
        (
            _key(meaning="the id of the app"),
            _field("name", "text", "Dial", "the element"),
            _field("success", "boolean", False),
            _field("from", "phone", CALLEE_EXAMPLE),
            _field("tn", "phone", NUMBER_EXAMPLE),
            _field("call", "text", UUID_EXAMPLE, "the id of one call"),
        ),
        ("created_on", "name", "success", "state", "call", "response"),
    ),
    RestOperation(
        "apps products",
        "GET",
        "/sip/product",
        "list the products for new apps and connections",
        "A",
        answer="records",
        columns=("id", "product", "name", "description", "type", "tech_prefix"),
    ),
    # Calls
    _search_operation(
        "calls search",
        "/call/search",
        "search the calls of the account",
        "C",
        (
            _field("direction", "text", "in", choices=("in", "out")),
            _field("tn", "phone", NUMBER_EXAMPLE, is_mask=True),
        ),
        _CALL_COLUMNS,
    ),
    RestOperation("calls show", "GET", "/sip/app/call/{uuid}", "show a call", "A", (_CALL_KEY,)),
    RestOperation(
        "calls push",
        "POST",
        "/call/sca/{uuid}",
        "continue a live call with an XML document",
        "C",
        (_CALL_KEY, _DOCUMENT_FIELD),
        "any",
        "reaches people",
        alternatives=("/sip/app/call/{uuid}",),
        note="the alternative is of the API description; customers' programs worked with the other",
    ),
    RestOperation(
        "calls bulk",
        "POST",
        "/batch",
        "call numbers and run a document with each",
        "D",
        (
            _field("outbound_voice_profile", "text", UUID_EXAMPLE, is_required=True),
            _field("phones", "phone-integers", [int(CALLEE_EXAMPLE)], "the numbers to call", is_required=True, least=1),
            _field("xml", "text", DOCUMENT_EXAMPLE, "the document", is_required=True),
            _field("tn_lease", "text", UUID_EXAMPLE, "the id of the lease whose number is shown", is_required=True),
        ),
        effect="reaches people",
        note="a batch of one number is a single call",
        columns=("uuid", "type", "state"),
    ),
    _lost_operation(
        "calls single",
        "POST",
        "call one number",
        (
            _field("from", "phone", NUMBER_EXAMPLE, is_required=True),
            _field("to", "phone", CALLEE_EXAMPLE, is_required=True),
        ),
        effect="reaches people",
    ),
    _lost_operation(
        "calls bridge",
        "POST",
        "connect two calls",
        (
            _field("call", "text", UUID_EXAMPLE, "the id of a call", is_required=True),
            _field("other_call", "text", "3b206fb6-a5b7-4d62-8a3a-02d9e1880002", "the id of the other", is_required=True),
        ),
        effect="reaches people",
    ),
    # Messages
    RestOperation(
        "messages send",
        "POST",
        "/sms",
        "send a text message",
        "D, A",
        (
            _field("from", "phone", NUMBER_EXAMPLE, "a number of the account", is_required=True),
            _field("to", "phone", CALLEE_EXAMPLE, "the recipient", is_required=True),
            _field("message", "text", "We are open.", "the text", is_required=True, least=1, most=918),
            _field("custom_callback_url", "url", "https://calls.example.com/sms", "the URL that is told its states"),
        ),
        effect="reaches people",
        note="in 2021 the sender was named tn",
    ),
    _lost_operation(
        "messages pool",
        "POST",
        "send a text message from any number of a messaging profile (a pool)",
        (
            _field("messaging_profile", "text", UUID_EXAMPLE, is_required=True),
            _field("to", "phone", CALLEE_EXAMPLE, is_required=True),
            _field("message", "text", "We are open.", is_required=True, least=1, most=918),
        ),
        effect="reaches people",
    ),
    _search_operation("messages list", "/sms/search", "list all messages", "A, D", _MESSAGE_MASKS, _MESSAGE_COLUMNS),
    _search_operation(
        "messages inbound list",
        "/sms/search/inbound",
        "list received messages",
        "A, D",
        (
            *_MESSAGE_MASKS,
            _field("from", "phone", CALLEE_EXAMPLE, is_mask=True),
            _field("readed", "boolean", False),
            _field("state", "text", "success", choices=("created", "success", "failed")),
        ),
        _MESSAGE_COLUMNS,
    ),
    _search_operation(
        "messages outbound list",
        "/sms/search/outbound",
        "list sent messages",
        "A, D",
        (
            *_MESSAGE_MASKS,
            _field("state", "text", "sent", choices=("created", "sending", "sent", "failed", "success")),
            _field("reference_id", "text", "order-1"),
        ),
        _MESSAGE_COLUMNS,
    ),
    RestOperation(
        "messages inbound show",
        "GET",
        "/sms/inbound/{uuid}",
        "show a received message",
        "A, D",
        (_key(meaning="the id of the message"),),
    ),
    RestOperation(
        "messages outbound show",
        "GET",
        "/sms/outbound/{uuid}",
        "show a sent message, with its delivery",
        "A, D",
        (_key(meaning="the id of the message"),),
    ),
    # SIP
    *_list_resource_operations(
        "connections",
        "/sip/connection",
        "SIP connection",
        "A, D",
        _CONNECTION_FIELDS,
        "name",
        columns=("uuid", "name", "ip", "port", "hostname", "is_active"),
    ),
    RestOperation(
        "connections numbers list",
        "GET",
        "/sip/connection/{uuid}/tnlease",
        "list the numbers of a SIP connection",
        "A, D",
        (_key(meaning="the id of the connection"),),
        "any",
        columns=_NUMBERS_COLUMNS,
    ),
    RestOperation(
        "connections numbers change",
        "POST",
        "/sip/connection/{uuid}/tnlease",
        "give numbers to a SIP connection, or take them from it",
        "A, D",
        (_key(meaning="the id of the connection"), *_LEASES_FIELDS),
        "any",
        "changes",
    ),
    *_list_resource_operations(
        "domains",
        "/sip/domain",
        "SIP domain",
        "A, C",
        _DOMAIN_FIELDS,
        "domain",
        key=_DOMAIN_KEY,
        only_new=(_DOMAIN_NAME,),
        columns=("uuid", "domain", "sip_control_app", "sip_connection"),
    ),
    RestOperation(
        "domains route",
        "GET",
        "/sip/tech_prefix/{tn}/{domain}",
        "show which way a number is routed in a domain",
        "A",
        (_key("tn", "the number", NUMBER_EXAMPLE, "phone"), _DOMAIN_KEY),
        "any",
    ),
    *_list_resource_operations(
        "users",
        "/sip/domain/{domain}/user",
        "SIP user",
        "A, C, D",
        _USER_FIELDS,
        "login",
        "password",
        owner=(_DOMAIN_KEY,),
        columns=("uuid", "login", "first_name", "last_name", "phone_number"),
    ),
    *_list_resource_operations(
        "invites",
        "/sip/domain/{domain}/invite",
        "invitation of a SIP user",
        "A",
        _INVITE_FIELDS,
        "name",
        owner=(_DOMAIN_KEY,),
        columns=("uuid", "name", "expired_on"),
        leaves_out=("show",),
    ),
    *_list_resource_operations(
        "switches",
        "/sip/domain/{domain}/switch",
        "SIP switch",
        "A",
        _SWITCH_FIELDS,
        "name",
        owner=(_DOMAIN_KEY,),
        columns=("uuid", "name", "remote_ip", "remote_domain", "is_active"),
    ),
    # Events, voices, web calls
    RestOperation(
        "subscriptions list",
        "GET",
        "/event/subscription",
        "list the event subscriptions",
        "D",
        answer="records",
        columns=("uuid", "channel", "type", "is_active", "expired_on"),
    ),
    RestOperation(
        "subscriptions add",
        "POST",
        "/event/subscription",
        "subscribe to a type of events",
        "D",
        (
            _field("type", "text", "call_record", "the type of the events", is_required=True),
            _field("channel", "text", "wss", "the way of delivery", default="wss"),
            _field("is_active", "boolean", True),
            _field("expired_on", "time", _TIME_EXAMPLE, "the end of the subscription"),
        ),
        effect="changes",
    ),
    RestOperation(
        "subscriptions remove",
        "DELETE",
        "/event/subscription/{uuid}",
        "end an event subscription",
        "lost",
        (_key(),),
        "any",
        "takes away",
        note="the path is lost; this one is inferred from the others",
    ),
    RestOperation(
        "voices",
        "GET",
        "/dict/gtts",
        "list the voices of Say",
        "A",
        answer="records",
        columns=("code", "name", "gender", "type"),
    ),
    *_list_resource_operations(
        "rooms",
        "/janus/session",
        "room of web calls",
        "A",
        _ROOM_FIELDS,
        "name",
        columns=("uuid", "name", "access_type", "max_clients"),
        note=_ROOM_NOTE,
    ),
    *_list_room_list_operations("white"),
    *_list_room_list_operations("black"),
    RestOperation(
        "rooms roster",
        "GET",
        "/janus/session/{uuid}/roster",
        "show who is in a room",
        "A",
        (_key(meaning="the id of the room"),),
        "any",
        note=_ROOM_NOTE,
    ),
    RestOperation(
        "rooms connections list", "GET", "/janus/conn", "list the web connections", "A", answer="any", note=_ROOM_NOTE
    ),
    RestOperation(
        "rooms connections create",
        "POST",
        "/janus/conn",
        "connect to a room",
        "A",
        (_field("session", "text", UUID_EXAMPLE, "the id of the room"),),
        "any",
        "changes",
        note=_ROOM_NOTE,
        accepts_more=True,
    ),
    RestOperation(
        "rooms connections close",
        "DELETE",
        "/janus/conn/{uuid}",
        "end a web connection",
        "A",
        (_ROOM_CONNECTION_KEY,),
        "any",
        "takes away",
        note=_ROOM_NOTE,
    ),
)
