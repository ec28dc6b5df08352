"""Typed records of Opentact's answers and events. Every field is optional, and unknown fields are kept.

A value of an unexpected type does not reject the record: the field counts as missing. ``raw`` contains everything.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from callflows.telephony.phone_numbers import UNKNOWN_VALUE, parse_attestation, parse_e164

_DURATION_TOLERANCE_SECONDS: Final = 2.0
"""A duration may exceed the time between its timestamps by this much."""


def _convert_to_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError("is out of range") from None


def _convert_number_to_text(value: object) -> object:
    """Convert an integer where texts are expected, as in ``"to": 12015550123``."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


UtcDatetime = Annotated[datetime, AfterValidator(_convert_to_utc)]
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
            made = validate(value)
        except ValidationError as error:
            wrong = {found["loc"][0] for found in error.errors(include_url=False) if found["loc"]}
            if not isinstance(value, dict) or not wrong:
                raise
            made = validate({name: part for name, part in value.items() if name not in wrong})
        made._raw = value if isinstance(value, dict) else {}  # noqa: SLF001 - own attribute
        return made

    @property
    def raw(self) -> dict[str, Any]:
        """The object exactly as received."""
        return self._raw


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
    def app_uuid(self) -> str:
        """The id of the SIP Control App, or an empty text."""
        return self.sip_control_app.uuid if isinstance(self.sip_control_app, OpentactApp) else self.sip_control_app or ""


class OpentactMessage(OpentactRecord):
    """A text message: type ``smso`` was sent, ``smsi`` received; only the name of ``smsr`` is documented."""

    type: str = ""
    from_: Annotated[LenientText, Field(alias="from")] = ""
    to: LenientText = ""
    message: str = ""
    thread: LenientText | None = None
    state: str = ""
    delivered: bool | None = None
    automated: bool | None = None
    reason: str | None = None
    tn: OpentactNumber | LenientText | None = None


class OpentactVoice(OpentactRecord):
    """A voice of the verb Say."""

    type: str = ""
    code: str = ""
    name: str = ""
    gender: str = ""
    natural_rate: Annotated[int | None, Field(alias="naturalSampleRateHertz")] = None


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


class OpentactCall(OpentactRecord):
    """A call leg. The unit of ``duration`` varies: use ``duration_seconds``."""

    direction: str = ""
    type: str = ""
    from_: Annotated[LenientText, Field(alias="from")] = ""
    to: LenientText = ""
    state: str = ""
    duration: float | None = None
    init_on: UtcDatetime | None = None
    ring_on: UtcDatetime | None = None
    answer_on: UtcDatetime | None = None
    hangup_on: UtcDatetime | None = None
    destroy_on: UtcDatetime | None = None
    finished_on: UtcDatetime | None = None
    q850_cause: int | None = None
    q850_cause_string: str | None = None
    stir_shaken_attest_level: str | None = None
    tn: OpentactNumber | LenientText | None = None
    sip_control_app: OpentactApp | LenientText | None = None
    thread: LenientText | None = None
    parent: OpentactCall | LenientText | None = None

    @property
    def app_uuid(self) -> str:
        """The id of the SIP Control App, or an empty text."""
        return self.sip_control_app.uuid if isinstance(self.sip_control_app, OpentactApp) else self.sip_control_app or ""

    @property
    def parent_uuid(self) -> str:
        """The id of the caller's call for a dialled leg; empty for the caller's own."""
        return self.parent.uuid if isinstance(self.parent, OpentactCall) else self.parent or ""

    @property
    def number(self) -> str:
        """The account's number of this call in E.164, or an empty text."""
        return self.tn.number if isinstance(self.tn, OpentactNumber) else parse_e164(self.tn or "")

    @property
    def attestation(self) -> str:
        """The STIR/SHAKEN level: A, B, C, or ``unknown``."""
        return parse_attestation(self.stir_shaken_attest_level) if self.stir_shaken_attest_level else UNKNOWN_VALUE

    @property
    def state_times(self) -> dict[str, datetime]:
        """The known start times of the states ``init, ring, answer, hangup, destroy, finished``."""
        names = ("init", "ring", "answer", "hangup", "destroy", "finished")
        found = {name: getattr(self, f"{name}_on") for name in names}
        return {name: moment for name, moment in found.items() if moment is not None}

    def duration_seconds(self, measured_at: datetime | None = None, *, assume_milliseconds: bool = False) -> float | None:
        """Return the duration in seconds; Opentact reports seconds, rounded up (2024), or milliseconds (2022, inferred).

        No call lasts longer than it exists: if its timestamps, or the moment ``measured_at`` of the duration, show how long
        the call existed, a greater number means milliseconds. Otherwise ``assume_milliseconds`` decides.
        """
        if self.duration is None:
            return None
        begin, end = self.init_on or self.created_on, self.finished_on or self.destroy_on or self.hangup_on or measured_at
        if begin is not None and end is not None and end >= begin:
            assume_milliseconds = self.duration > (end - begin).total_seconds() + _DURATION_TOLERANCE_SECONDS
        return self.duration / 1000 if assume_milliseconds else self.duration
