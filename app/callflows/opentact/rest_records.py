"""What Opentact's answers and events hold, typed: every field may be missing, and what is not known is kept.

A value of an unexpected type does not refuse the whole: the field is as if it were missing. ``said`` has all of it.
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
"""Seconds by which a duration may be longer than the time between the timestamps that belong to it."""


def _convert_to_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError("is out of range") from None


def _convert_number_to_text(value: object) -> object:
    """A number that stands where texts may stand too, as ``"to": 12015550123``."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


UtcDatetime = Annotated[datetime, AfterValidator(_convert_to_utc)]
"""In UTC; what has no zone is in UTC already."""


LenientText = Annotated[str, BeforeValidator(_convert_number_to_text)]


class OpentactRecord(BaseModel):
    """Anything that Opentact describes; ``uuid`` is its id."""

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
        made._raw = value if isinstance(value, dict) else {}  # noqa: SLF001 - its own
        return made

    @property
    def raw(self) -> dict[str, Any]:
        """All that Opentact said, as it said it."""
        return self._raw


class OpentactNumber(OpentactRecord):
    """A telephone number as Opentact keeps it."""

    tn: LenientText = ""

    @property
    def number(self) -> str:
        """In E.164; nothing where there is none."""
        return parse_e164(self.tn)


class OpentactApp(OpentactRecord):
    """A SIP Control App. ``call_flow_request_timeout`` is in milliseconds; 0 disables it, None means that there is none."""

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
    """A number of the account, and whom it is given to."""

    tn: OpentactNumber | LenientText | None = None
    autorenew: bool | None = None
    features: list[Any] | None = None
    sip_control_app: OpentactApp | LenientText | None = None
    sip_connection: OpentactRecord | LenientText | None = None

    @property
    def number(self) -> str:
        """In E.164; nothing where it is not said."""
        return self.tn.number if isinstance(self.tn, OpentactNumber) else parse_e164(self.tn or "")

    @property
    def app_uuid(self) -> str:
        """The id of its SIP Control App; nothing where it has none."""
        return self.sip_control_app.uuid if isinstance(self.sip_control_app, OpentactApp) else self.sip_control_app or ""


class OpentactMessage(OpentactRecord):
    """A text message: ``smso`` was sent, ``smsi`` received; ``smsr`` is documented by its name only."""

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
    """A voice that Say can have."""

    type: str = ""
    code: str = ""
    name: str = ""
    gender: str = ""
    natural_rate: Annotated[int | None, Field(alias="naturalSampleRateHertz")] = None


class OpentactSubscription(OpentactRecord):
    """A type of events that is delivered over a channel until it expires."""

    channel: str = ""
    type: str = ""
    is_active: bool | None = None
    expired_on: UtcDatetime | None = None


class ElementExecution(OpentactRecord):
    """An element of a document that Opentact executed: by the event ``call_flow``, or of an app's log.

    ``path`` is its place, as ``Answer[0]``, where it is said (2022).
    """

    name: str = ""
    success: bool | None = None
    state: str | None = None
    reason: str | None = None
    path: str | None = None
    response: Any = None


class OpentactCall(OpentactRecord):
    """A leg. ``duration`` is as it was written: ``seconds`` says what it means."""

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
        """The id of its SIP Control App; nothing where it is not said."""
        return self.sip_control_app.uuid if isinstance(self.sip_control_app, OpentactApp) else self.sip_control_app or ""

    @property
    def parent_uuid(self) -> str:
        """The id of the caller's call, on a leg that it dialled; nothing on the caller's own."""
        return self.parent.uuid if isinstance(self.parent, OpentactCall) else self.parent or ""

    @property
    def number(self) -> str:
        """The number of the account that it is about, in E.164; nothing where it is not said."""
        return self.tn.number if isinstance(self.tn, OpentactNumber) else parse_e164(self.tn or "")

    @property
    def attestation(self) -> str:
        """STIR/SHAKEN's level: A, B, C, else ``unknown``."""
        return parse_attestation(self.stir_shaken_attest_level) if self.stir_shaken_attest_level else UNKNOWN_VALUE

    @property
    def state_times(self) -> dict[str, datetime]:
        """When it came into each state, as far as it is said: ``init, ring, answer, hangup, destroy, finished``."""
        names = ("init", "ring", "answer", "hangup", "destroy", "finished")
        found = {name: getattr(self, f"{name}_on") for name in names}
        return {name: moment for name, moment in found.items() if moment is not None}

    def duration_seconds(self, measured_at: datetime | None = None, *, assume_milliseconds: bool = False) -> float | None:
        """The duration in seconds, be it written in seconds, rounded up (2024), or in milliseconds (2022, inferred).

        No call lasts longer than it exists: where its timestamps, or the moment ``at`` which the duration is of, tell how
        long it existed, a number greater than that is milliseconds. Where they do not, ``milliseconds`` decides.
        """
        if self.duration is None:
            return None
        begin, end = self.init_on or self.created_on, self.finished_on or self.destroy_on or self.hangup_on or measured_at
        if begin is not None and end is not None and end >= begin:
            assume_milliseconds = self.duration > (end - begin).total_seconds() + _DURATION_TOLERANCE_SECONDS
        return self.duration / 1000 if assume_milliseconds else self.duration
