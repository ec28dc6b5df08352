"""Models of request bodies whose form the operation table cannot express. Unknown fields are refused."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, get_args
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
LeaseFeature = Literal["voice", "sms", "mms", "fax", "emergency"]
LEASE_FEATURES: Final[tuple[str, ...]] = get_args(LeaseFeature)


class RequestBody(BaseModel):
    """A body that refuses unknown fields."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True, populate_by_name=True)


class OrderItemBody(RequestBody):
    """An ordered number; features as a list, or as a boolean each."""

    tn: PhoneDigits
    features: list[LeaseFeature] = []
    voice: bool = False
    sms: bool = False
    mms: bool = False
    fax: bool = False
    emergency: bool = False
    profile: str | None = None
    autorenew: bool = True

    def list_features(self) -> list[str]:
        """Return the features from both forms; by default voice."""
        named = [name for name in LEASE_FEATURES if getattr(self, name)]
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


class NewBatchBody(RequestBody):
    """A batch of calls with one document; callees see the number of ``tn_lease``."""

    outbound_voice_profile: str
    phones: Annotated[list[PhoneDigits], Field(min_length=1, max_length=1000)]
    xml: str
    tn_lease: str


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
