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

from app.numbers import UNKNOWN, attested, e164

_ROUNDED: Final = 2.0
"""Seconds by which a duration may be longer than the time between the timestamps that belong to it."""


def _aware(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError("is out of range") from None


def _text(value: object) -> object:
    """A number that stands where texts may stand too, as ``"to": 12015550123``."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Moment = Annotated[datetime, AfterValidator(_aware)]
"""In UTC; what has no zone is in UTC already."""
Text = Annotated[str, BeforeValidator(_text)]


class Record(BaseModel):
    """Anything that Opentact describes; ``uuid`` is its id."""

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True)

    uuid: Text = ""
    created_on: Moment | None = None
    modified_on: Moment | None = None
    _said: dict[str, Any] = PrivateAttr(default_factory=dict)

    @model_validator(mode="wrap")
    @classmethod
    def _tolerant(cls, value: Any, build: ModelWrapValidatorHandler[Self]) -> Self:  # noqa: ANN401 - as pydantic calls it
        try:
            made = build(value)
        except ValidationError as error:
            wrong = {found["loc"][0] for found in error.errors(include_url=False) if found["loc"]}
            if not isinstance(value, dict) or not wrong:
                raise
            made = build({name: part for name, part in value.items() if name not in wrong})
        made._said = value if isinstance(value, dict) else {}  # noqa: SLF001 - its own
        return made

    @property
    def said(self) -> dict[str, Any]:
        """All that Opentact said, as it said it."""
        return self._said


class Tn(Record):
    """A telephone number as Opentact keeps it."""

    tn: Text = ""

    @property
    def number(self) -> str:
        """In E.164; nothing where there is none."""
        return e164(self.tn)


class App(Record):
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


class Lease(Record):
    """A number of the account, and whom it is given to."""

    tn: Tn | Text | None = None
    autorenew: bool | None = None
    features: list[Any] | None = None
    sip_control_app: App | Text | None = None
    sip_connection: Record | Text | None = None

    @property
    def number(self) -> str:
        """In E.164; nothing where it is not said."""
        return self.tn.number if isinstance(self.tn, Tn) else e164(self.tn or "")

    @property
    def app(self) -> str:
        """The id of its SIP Control App; nothing where it has none."""
        return self.sip_control_app.uuid if isinstance(self.sip_control_app, App) else self.sip_control_app or ""


class Message(Record):
    """A text message: ``smso`` was sent, ``smsi`` received; ``smsr`` is documented by its name only."""

    type: str = ""
    from_: Annotated[Text, Field(alias="from")] = ""
    to: Text = ""
    message: str = ""
    thread: Text | None = None
    state: str = ""
    delivered: bool | None = None
    automated: bool | None = None
    reason: str | None = None
    tn: Tn | Text | None = None


class Voice(Record):
    """A voice that Say can have."""

    type: str = ""
    code: str = ""
    name: str = ""
    gender: str = ""
    natural_rate: Annotated[int | None, Field(alias="naturalSampleRateHertz")] = None


class Subscription(Record):
    """A type of events that is delivered over a channel until it expires."""

    channel: str = ""
    type: str = ""
    is_active: bool | None = None
    expired_on: Moment | None = None


class Executed(Record):
    """An element of a document that Opentact executed: by the event ``call_flow``, or of an app's log.

    ``path`` is its place, as ``Answer[0]``, where it is said (2022).
    """

    name: str = ""
    success: bool | None = None
    state: str | None = None
    reason: str | None = None
    path: str | None = None
    response: Any = None


class Call(Record):
    """A leg. ``duration`` is as it was written: ``seconds`` says what it means."""

    direction: str = ""
    type: str = ""
    from_: Annotated[Text, Field(alias="from")] = ""
    to: Text = ""
    state: str = ""
    duration: float | None = None
    init_on: Moment | None = None
    ring_on: Moment | None = None
    answer_on: Moment | None = None
    hangup_on: Moment | None = None
    destroy_on: Moment | None = None
    finished_on: Moment | None = None
    q850_cause: int | None = None
    q850_cause_string: str | None = None
    stir_shaken_attest_level: str | None = None
    tn: Tn | Text | None = None
    sip_control_app: App | Text | None = None
    thread: Text | None = None
    parent: Call | Text | None = None

    @property
    def app_uuid(self) -> str:
        """The id of its SIP Control App; nothing where it is not said."""
        return self.sip_control_app.uuid if isinstance(self.sip_control_app, App) else self.sip_control_app or ""

    @property
    def parent_uuid(self) -> str:
        """The id of the caller's call, on a leg that it dialled; nothing on the caller's own."""
        return self.parent.uuid if isinstance(self.parent, Call) else self.parent or ""

    @property
    def number(self) -> str:
        """The number of the account that it is about, in E.164; nothing where it is not said."""
        return self.tn.number if isinstance(self.tn, Tn) else e164(self.tn or "")

    @property
    def attestation(self) -> str:
        """STIR/SHAKEN's level: A, B, C, else ``unknown``."""
        return attested(self.stir_shaken_attest_level) if self.stir_shaken_attest_level else UNKNOWN

    @property
    def times(self) -> dict[str, datetime]:
        """When it came into each state, as far as it is said: ``init, ring, answer, hangup, destroy, finished``."""
        names = ("init", "ring", "answer", "hangup", "destroy", "finished")
        found = {name: getattr(self, f"{name}_on") for name in names}
        return {name: moment for name, moment in found.items() if moment is not None}

    def seconds(self, at: datetime | None = None, *, milliseconds: bool = False) -> float | None:
        """The duration in seconds, be it written in seconds, rounded up (2024), or in milliseconds (2022, inferred).

        No call lasts longer than it exists: where its timestamps, or the moment ``at`` which the duration is of, tell how
        long it existed, a number greater than that is milliseconds. Where they do not, ``milliseconds`` decides.
        """
        if self.duration is None:
            return None
        begin, end = self.init_on or self.created_on, self.finished_on or self.destroy_on or self.hangup_on or at
        if begin is not None and end is not None and end >= begin:
            milliseconds = self.duration > (end - begin).total_seconds() + _ROUNDED
        return self.duration / 1000 if milliseconds else self.duration
