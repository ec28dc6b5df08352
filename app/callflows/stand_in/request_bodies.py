"""Models of the request bodies. Unknown fields are refused, except by models with ``extra="allow"``."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads it
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from callflows.rehearsal.call_parties import DEFAULT_TALK_SECONDS
from callflows.rehearsal.call_state import MAX_COMMAND_SECONDS
from callflows.rehearsal.rehearsed_call import DEFAULT_REHEARSAL_CALLER
from callflows.telephony.phone_numbers import parse_e164
from callflows.text import MAX_SMS_CHARACTERS


def _parse_digits(value: object) -> str:
    number = parse_e164(str(value)) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    if not number:
        raise ValueError("invalid integer number")
    return number.lstrip("+")


def _check_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must include a scheme such as 'https'")
    return url


PhoneDigits = Annotated[str, BeforeValidator(_parse_digits)]
"""A phone number in E.164 without the plus."""
WebUrl = Annotated[str, AfterValidator(_check_url), Field(max_length=2048)]
WebhookMethod = Literal["GET", "POST"]
EntityName = Annotated[str, Field(min_length=1, max_length=255)]
TimeoutMilliseconds = Annotated[int, Field(ge=0)] | None
TrunkSettings = dict[str, Any]


class RequestBody(BaseModel):
    """A body that refuses unknown fields."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True, populate_by_name=True)


class AppChangesBody(RequestBody):
    """Changeable fields of a SIP Control App."""

    name: EntityName = ""
    is_active: bool = True
    product: int = 0
    sip_domain: str | None = None
    outbound_voice_profile: str | None = None
    webhook_url: WebUrl | None = None
    webhook_method: WebhookMethod = "GET"
    webhook_request_timeout: TimeoutMilliseconds = None
    call_flow_url: WebUrl | None = None
    call_flow_method: WebhookMethod = "GET"
    call_flow_request_timeout: TimeoutMilliseconds = None
    class4_ingress_trunk_settings: TrunkSettings = {}
    class4_egress_trunk_settings: TrunkSettings = {}
    auto_answer: bool = True
    max_call_length_min: Annotated[int, Field(ge=1)] | None = None
    shaken_verify_policy: int = 0
    shaken_minimum_accepted_attest_lvl: Literal["A", "B", "C"] = "C"


class NewAppBody(AppChangesBody):
    """A new SIP Control App: name, product and both trunk settings are required."""

    name: EntityName
    product: int
    class4_ingress_trunk_settings: TrunkSettings
    class4_egress_trunk_settings: TrunkSettings


class AssignmentBody(RequestBody):
    """Leases of numbers to add to or remove from an app or a connection."""

    add: list[str] = []
    remove: list[str] = []


class LeaseChangesBody(RequestBody):
    """Changeable fields of a lease."""

    sip_control_app: str | None = None
    sip_connection: str | None = None
    autorenew: bool = True


class EnableSmsBody(RequestBody):
    """Enables text messages for a number."""

    messaging_profile: str
    sms_campaign: str | None = None


class OrderItemBody(RequestBody):
    """An ordered number; features as a list, or as a boolean each."""

    tn: PhoneDigits
    features: list[Literal["voice", "sms", "mms", "fax", "emergency"]] = []
    voice: bool = False
    sms: bool = False
    mms: bool = False
    fax: bool = False
    emergency: bool = False
    profile: str | None = None
    autorenew: bool = True

    def list_features(self) -> list[str]:
        """Return the features from both forms; by default voice."""
        named = [name for name in ("voice", "sms", "mms", "fax", "emergency") if getattr(self, name)]
        return [*dict.fromkeys([*self.features, *named])] or ["voice"]


class OrderBody(RequestBody):
    """An order of numbers."""

    items: Annotated[list[OrderItemBody], Field(min_length=1, max_length=100)]


class NumberSearchBody(RequestBody):
    """A search for numbers, in any of the three known forms. platform 5."""

    type: str | None = None
    country: str | None = None
    state: str | None = None
    city: str | None = None
    rate_center: Annotated[str | None, Field(alias="rateCenter")] = None
    province: str | None = None
    postal_code: Annotated[str | None, Field(alias="postalCode")] = None
    npa: str | None = None
    nxx: str | None = None
    line: str | None = None
    pattern: Annotated[str | None, Field(max_length=50)] = None
    features: list[str] = []
    abc_search: Annotated[bool, Field(alias="abcSearch")] = False
    profile: str | None = None
    take: Annotated[int, Field(ge=1, le=100)] = 10
    skip: Annotated[int, Field(ge=0)] = 0


class SmsBody(RequestBody):
    """A message from ``from``, or from ``tn`` in the older form."""

    sender: Annotated[PhoneDigits | None, Field(alias="from")] = None
    tn: PhoneDigits | None = None
    to: PhoneDigits
    message: Annotated[str, Field(min_length=1, max_length=MAX_SMS_CHARACTERS)]
    custom_callback_url: WebUrl | None = None

    @model_validator(mode="after")
    def _check_sender(self) -> SmsBody:
        if (self.sender is None) == (self.tn is None):
            raise ValueError("from is required (tn in the older form)")
        return self


class MessagingProfileBody(RequestBody):
    """A messaging profile; ``callback_url2`` is requested if the first URL is unreachable."""

    name: EntityName = "profile"
    callback_url: WebUrl | None = None
    callback_url2: WebUrl | None = None
    number_pool_enable: bool = False
    long_code_weight: float = 1
    tollfree_weight: float = 1
    skip_unhealthy_tns: bool = False
    sticky_sender: bool = False


class SubscriptionBody(RequestBody):
    """A subscription to one type of events."""

    type: str
    channel: Literal["wss"] = "wss"
    is_active: bool = True
    expired_on: datetime | None = None


class NewBatchBody(RequestBody):
    """A batch of calls with one document; callees see the number of ``tn_lease``."""

    outbound_voice_profile: str
    phones: Annotated[list[PhoneDigits], Field(min_length=1, max_length=1000)]
    xml: str
    tn_lease: str


class VoiceProfileBody(BaseModel):
    """An outbound voice profile or a SIP connection; unknown fields are stored unchanged."""

    model_config = ConfigDict(extra="allow")

    name: EntityName = "profile"
    is_active: bool = True


class SipDomainBody(RequestBody):
    domain: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}(\.[a-z0-9-]+)*$")]
    sip_connection: str | None = None
    sip_control_app: str | None = None


class SipDomainChangesBody(RequestBody):
    """Changeable fields of a domain."""

    sip_connection: str | None = None
    sip_control_app: str | None = None


class SipUserBody(BaseModel):
    """A SIP user; responses never contain the password."""

    model_config = ConfigDict(extra="allow")

    login: EntityName
    password: Annotated[str, Field(min_length=1)]


class SipInviteBody(BaseModel):
    """An invitation to a domain."""

    model_config = ConfigDict(extra="allow")

    email: EntityName


# Bodies of the stand-in's own endpoints


class InboundCallBody(RequestBody):
    """An inbound call to ``to``, with the caller's script, the callees' behaviour and an optional pace.

    ``wait`` delays the response until the end of the call. ``method`` is accepted for ``callflows call`` but ignored:
    the app's ``call_flow_method`` decides.
    """

    to: str
    caller: Annotated[str, Field(alias="from", max_length=200)] = DEFAULT_REHEARSAL_CALLER
    name: Annotated[str, Field(max_length=200)] = ""
    keys: Any = None
    callee: Any = None
    talks: Annotated[float, Field(ge=0, le=MAX_COMMAND_SECONDS)] = DEFAULT_TALK_SECONDS
    attestation: Literal["", "A", "B", "C"] = ""
    patience: Annotated[float, Field(ge=0, le=MAX_COMMAND_SECONDS)] | None = None
    pace: Annotated[float, Field(gt=0, le=100_000)] | None = None
    method: str = ""
    wait: bool = False


class InboundTextBody(RequestBody):
    """A text message to a number of the account."""

    sender: Annotated[PhoneDigits, Field(alias="from")] = DEFAULT_REHEARSAL_CALLER.lstrip("+")
    to: PhoneDigits
    message: Annotated[str, Field(max_length=MAX_SMS_CHARACTERS)]
