"""Typed records of Opentact's answers and events. Every field is optional, and unknown fields are kept.

A value of an unexpected type does not reject the record: the field counts as missing. ``raw`` contains everything.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping  # noqa: TC003 - pydantic reads the annotations of a record
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from callflows.telephony.phone_numbers import parse_e164
from callflows.telephony.platform_entity import parse_platform_time


def _convert_number_to_text(value: object) -> object:
    """Convert an integer where texts are expected, as in ``"to": 12015550123``."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


UtcDatetime = Annotated[datetime, BeforeValidator(parse_platform_time)]
"""A moment in UTC; a value without a zone is taken as UTC."""
LenientText = Annotated[str, BeforeValidator(_convert_number_to_text)]


class OpentactRecord(BaseModel):
    """Any object of Opentact; ``uuid`` is the id."""

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True)

    uuid: LenientText = ""
    created_on: UtcDatetime | None = None
    modified_on: UtcDatetime | None = None
    _raw: dict[str, Any] = PrivateAttr(default_factory=dict)

    @model_validator(mode="wrap")
    @classmethod
    def _drop_invalid_fields(cls, value: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:  # noqa: ANN401 - as pydantic calls it
        try:
            record = validate(value)
        except ValidationError as error:
            wrong = {found["loc"][0] for found in error.errors(include_url=False) if found["loc"]}
            if not isinstance(value, dict) or not wrong:
                raise
            record = validate({name: part for name, part in value.items() if name not in wrong})
        record._raw = value if isinstance(value, dict) else {}  # noqa: SLF001 - own attribute
        return record

    @classmethod
    def from_raw(cls, raw: Mapping[str, Any]) -> Self:
        return cls.model_validate(raw)

    @property
    def raw(self) -> dict[str, Any]:
        """The object exactly as received."""
        return self._raw

    def list_timestamps(self) -> list[datetime]:
        """Return all known timestamps of the object."""
        return [moment for moment in (self.created_on, self.modified_on) if moment is not None]


class OpentactNumber(OpentactRecord):
    """A telephone number with an id."""

    tn: LenientText = ""

    @property
    def number(self) -> str:
        """E.164, or an empty text."""
        return parse_e164(self.tn)


class OpentactApp(OpentactRecord):
    """A SIP Control App. ``call_flow_request_timeout`` is in milliseconds; 0 disables the timeout, None: none is set."""

    name: str = ""
    is_active: bool | None = None
    product: Any = None
    webhook_url: str | None = None
    webhook_method: str | None = None
    webhook_request_timeout: int | None = None
    call_flow_url: str | None = None
    call_flow_method: str | None = None
    call_flow_request_timeout: int | None = None
    auto_answer: bool | None = None
    max_call_length_min: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class LeaseMessaging:
    """The texts of a number: the ids of its messaging profile and its campaign, or empty texts.

    ``is_reported`` is false if Opentact says nothing about the texts of the number, ``is_campaign_reported`` if nothing
    about the campaign.
    """

    profile_uuid: str = ""
    campaign: str = ""
    is_reported: bool = False
    is_campaign_reported: bool = False


class OpentactLease(OpentactRecord):
    """A number of the account, and the app or SIP connection to which it belongs."""

    tn: OpentactNumber | LenientText | None = None
    autorenew: bool | None = None
    features: list[Any] | None = None
    sip_control_app: OpentactApp | LenientText | None = None
    sip_connection: OpentactRecord | LenientText | None = None

    @property
    def number(self) -> str:
        """E.164, or an empty text."""
        return self.tn.number if isinstance(self.tn, OpentactNumber) else parse_e164(self.tn or "")

    @property
    def messaging(self) -> LeaseMessaging:
        """The texts of the number, in either documented form: ``messaging_profile``, or from 2022 ``subscriptions[]``."""
        listed = self.raw.get("subscriptions")
        subscriptions = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
        texting = [one for one in subscriptions if one.get("type", "sms") == "sms" and one.get("messaging_profile")]
        is_reported = "messaging_profile" in self.raw or isinstance(listed, list)
        # What either form shows counts: an empty form may only be the one that is out of use.
        shown = next((one for one in (*texting, self.raw) if one.get("messaging_profile")), {})
        return LeaseMessaging(
            _get_entity_key(shown.get("messaging_profile")),
            _get_entity_key(shown.get("sms_campaign")),
            is_reported,
            "sms_campaign" in shown,
        )

    @property
    def app_uuid(self) -> str:
        """The id of the SIP Control App, or an empty text."""
        return self.sip_control_app.uuid if isinstance(self.sip_control_app, OpentactApp) else self.sip_control_app or ""


def _get_entity_key(value: object) -> str:
    """Return the id of a nested object, or the value itself if it is the id."""
    if isinstance(value, dict):
        value = next((value[name] for name in ("uuid", "id", "campaign_id") if value.get(name)), "")
    return str(value or "")


class OpentactVoice(OpentactRecord):
    """A voice of the verb Say."""

    type: str = ""
    code: str = ""
    name: str = ""
    gender: str = ""


class OpentactSubscription(OpentactRecord):
    """Delivery of an event type over a channel, until ``expired_on``."""

    channel: str = ""
    type: str = ""
    is_active: bool | None = None
    expired_on: UtcDatetime | None = None


class ElementExecution(OpentactRecord):
    """An element of a document executed by Opentact: from a ``call_flow`` event or an app's log.

    ``path`` is its place in the document, as ``Answer[0]``, if reported (2022).
    """

    name: str = ""
    success: bool | None = None
    state: str | None = None
    reason: str | None = None
    path: str | None = None
    response: Any = None
