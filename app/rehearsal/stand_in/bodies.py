"""The bodies of requests: their fields, and what may stand in them."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads it
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from app.numbers import e164
from app.rehearsal.line import LONGEST
from app.rehearsal.rehearsing import STRANGER

LONGEST_SMS: Final = 918


def _digits(written: object) -> str:
    found = e164(str(written)) if isinstance(written, (str, int)) and not isinstance(written, bool) else ""
    if not found:
        raise ValueError("invalid integer number")
    return found.lstrip("+")


def _url(written: str) -> str:
    parts = urlsplit(written)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must include a scheme such as 'https'")
    return written


Phone = Annotated[str, BeforeValidator(_digits)]
"""A number, in E.164 without its plus."""
Url = Annotated[str, AfterValidator(_url), Field(max_length=2048)]
Method = Literal["GET", "POST"]
Name = Annotated[str, Field(min_length=1, max_length=255)]
Milliseconds = Annotated[int, Field(ge=0)] | None
Trunk = dict[str, Any]


class Body(BaseModel):
    """A body; what is not known in it is refused."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True, populate_by_name=True)


class AppFields(Body):
    """What may be changed of a SIP Control App."""

    name: Name = ""
    is_active: bool = True
    product: int = 0
    sip_domain: str | None = None
    outbound_voice_profile: str | None = None
    webhook_url: Url | None = None
    webhook_method: Method = "GET"
    webhook_request_timeout: Milliseconds = None
    call_flow_url: Url | None = None
    call_flow_method: Method = "GET"
    call_flow_request_timeout: Milliseconds = None
    class4_ingress_trunk_settings: Trunk = {}
    class4_egress_trunk_settings: Trunk = {}
    auto_answer: bool = True
    max_call_length_min: Annotated[int, Field(ge=1)] | None = None
    shaken_verify_policy: int = 0
    shaken_minimum_accepted_attest_lvl: Literal["A", "B", "C"] = "C"


class NewApp(AppFields):
    """A SIP Control App: name, product and both trunk settings must be there."""

    name: Name
    product: int
    class4_ingress_trunk_settings: Trunk
    class4_egress_trunk_settings: Trunk


class Assign(Body):
    """Numbers that are given to an app or a connection, and taken from it, by their leases."""

    add: list[str] = []
    remove: list[str] = []


class LeaseFields(Body):
    """What may be changed of a lease."""

    sip_control_app: str | None = None
    sip_connection: str | None = None
    autorenew: bool = True


class EnableSms(Body):
    """A number sends and receives messages."""

    messaging_profile: str
    sms_campaign: str | None = None


class Item(Body):
    """A number that is ordered; features as a list, or each by its name."""

    tn: Phone
    features: list[Literal["voice", "sms", "mms", "fax", "emergency"]] = []
    voice: bool = False
    sms: bool = False
    mms: bool = False
    fax: bool = False
    emergency: bool = False
    profile: str | None = None
    autorenew: bool = True

    def wanted(self) -> list[str]:
        """Its features."""
        named = [name for name in ("voice", "sms", "mms", "fax", "emergency") if getattr(self, name)]
        return [*dict.fromkeys([*self.features, *named])] or ["voice"]


class Order(Body):
    """Numbers that are ordered."""

    items: Annotated[list[Item], Field(min_length=1, max_length=100)]


class NumberSearch(Body):
    """A search for numbers, in any of the three bodies that are known. platform 5."""

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


class Sms(Body):
    """A message: ``from``, or ``tn`` in the older form."""

    sender: Annotated[Phone | None, Field(alias="from")] = None
    tn: Phone | None = None
    to: Phone
    message: Annotated[str, Field(min_length=1, max_length=LONGEST_SMS)]
    custom_callback_url: Url | None = None

    @model_validator(mode="after")
    def _from(self) -> Sms:
        if (self.sender is None) == (self.tn is None):
            raise ValueError("from is required (tn in the older form)")
        return self


class MessagingFields(Body):
    """A messaging profile: ``callback_url2`` is asked where the first cannot be reached."""

    name: Name = "profile"
    callback_url: Url | None = None
    callback_url2: Url | None = None
    number_pool_enable: bool = False
    long_code_weight: float = 1
    tollfree_weight: float = 1
    skip_unhealthy_tns: bool = False
    sticky_sender: bool = False


class Subscription(Body):
    """A type of events that is delivered."""

    type: str
    channel: Literal["wss"] = "wss"
    is_active: bool = True
    expired_on: datetime | None = None


class NewBatch(Body):
    """Calls to numbers with a document; ``tn_lease`` is whose number they see."""

    outbound_voice_profile: str
    phones: Annotated[list[Phone], Field(min_length=1, max_length=1000)]
    xml: str
    tn_lease: str


class VoiceFields(BaseModel):
    """An outbound voice profile, and a SIP connection: their fields are kept as they are given."""

    model_config = ConfigDict(extra="allow")

    name: Name = "profile"
    is_active: bool = True


class Domain(Body):
    """A SIP domain."""

    domain: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}(\.[a-z0-9-]+)*$")]
    sip_connection: str | None = None
    sip_control_app: str | None = None


class DomainFields(Body):
    """What may be changed of a domain."""

    sip_connection: str | None = None
    sip_control_app: str | None = None


class User(BaseModel):
    """A SIP user; the password is never shown."""

    model_config = ConfigDict(extra="allow")

    login: Name
    password: Annotated[str, Field(min_length=1)]


class Invite(BaseModel):
    """An invitation to a domain."""

    model_config = ConfigDict(extra="allow")

    email: Name


# The stand-in's own


class Ring(Body):
    """Somebody rings ``to``: with keys, for callees that behave so, at a pace of its own; ``wait``: until it is over.

    ``method`` is what ``callflows call`` says of a URL; here the app's own ``call_flow_method`` decides.
    """

    to: str
    caller: Annotated[str, Field(alias="from", max_length=200)] = STRANGER
    name: Annotated[str, Field(max_length=200)] = ""
    keys: Any = None
    callee: Any = None
    talks: Annotated[float, Field(ge=0, le=LONGEST)] = 30.0
    attestation: Literal["", "A", "B", "C"] = ""
    patience: Annotated[float, Field(ge=0, le=LONGEST)] | None = None
    pace: Annotated[float, Field(gt=0, le=100_000)] | None = None
    method: str = ""
    wait: bool = False


class Text(Body):
    """Somebody sends a message to a number of the account."""

    sender: Annotated[Phone, Field(alias="from")] = STRANGER.lstrip("+")
    to: Phone
    message: Annotated[str, Field(max_length=LONGEST_SMS)]
