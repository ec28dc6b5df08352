"""Records of the outcome of a request, of Opentact's events and of effects, for metrics, journal and rehearsal."""

from __future__ import annotations

import functools
import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from callflows.telephony.account_entity import AccountEntity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from callflows.telephony.account_entity import NumberOrderEntity
    from callflows.telephony.call_entity import CallEntity
    from callflows.telephony.message_entity import MessageEntity
    from callflows.telephony.ports import Effect
    from callflows.telephony.recording_entity import RecordingEntity, TranscriptEntity
    from callflows.telephony.turn import Turn


ANSWERED_BY_FLOW: Final = "answered"
"""``AnswerOutcome.kind`` of a request that its flow answered. How the call ended is another thing: see ``CallEnding``."""


class AnswerOutcome(NamedTuple):
    """Outcome of a request of Opentact, not of the call.

    ``kind`` is answered, fallback, unknown-number or refused; ``cause``, ``detail`` and ``trace`` give the reason.
    ``effects`` are due now; ``version`` is the version of the flow that answered.
    """

    kind: str
    flow: str = ""
    node: str = ""
    cause: str = ""
    detail: str = ""
    trace: str = ""
    effects: tuple[Effect, ...] = ()
    version: str = ""

    @property
    def is_by_flow(self) -> bool:
        """True if the caller got the document of a flow, not the fallback."""
        return self.kind == ANSWERED_BY_FLOW


class AnsweredRequest(NamedTuple):
    """A request and its answer.

    ``received_at`` is in seconds since 1970. ``path`` and ``query`` are unchanged and may contain secrets;
    ``request_fields`` are the fields of the request. ``document_parts`` are the answer as texts in a row: most of them are
    shared by all calls of a flow, so that answers that wait need little memory. ``turn`` contains the decisions and their
    reasons; it is None if no flow was asked.
    """

    received_at: float
    answer_seconds: float
    method: str
    path: str
    query: bytes
    request_fields: Mapping[str, str]
    status: int
    document_parts: Sequence[str]
    outcome: AnswerOutcome
    turn: Turn | None

    @property
    def document(self) -> bytes:
        """The answer."""
        return "".join(self.document_parts).encode()


EXECUTION_LOG_SOURCE: Final = "log"
"""Source of an executed element that Opentact's execution log of a finished call has."""
OWN_SOURCE: Final = "server"
"""Source of an event that this server tells of itself, and not Opentact."""
SEARCH_SOURCES: Final = ("search", EXECUTION_LOG_SOURCE)
"""Sources of events that Opentact did not send, but returned when asked."""
NO_PAYLOAD: Final[Mapping[str, Any]] = {}


class PlatformEvent(NamedTuple):
    """One event of Opentact, from any envelope and channel.

    ``kind`` is the event's ``type`` (see ``callflows.opentact.event_kinds``), or a type not known yet. ``key`` identifies
    the event across repeated deliveries and sources (websocket, webhook, search): the uuid of a 2024 event; for a 2022
    event the type and the entity's uuid, state and timestamp as one text. ``occurred_at`` is Opentact's time in seconds
    since 1970, or the time of arrival if the event has none.

    ``message`` is Opentact's own sentence about the event. ``state`` is the state of the reported entity, ``call`` or
    ``sms``. ``call_seconds`` is the call's duration in seconds, whatever unit the envelope uses. ``raw`` is the complete
    event. ``source`` is ``wss``, ``webhook``, ``search`` for an event found after a gap, or ``log`` for one of a
    finished call's execution log.

    ``recordings`` and ``transcripts`` are those of a recording or transcript event; see also ``call.recordings``. ``order``
    is an order of numbers. ``balance`` is the new balance after ``balance_action``, for example ``voice_charge_in``.
    """

    kind: str
    key: str
    occurred_at: float
    raw: Mapping[str, Any]
    message: str = ""
    state: str = ""
    call_seconds: float | None = None
    call: CallEntity | None = None
    sms: MessageEntity | None = None
    source: str = "wss"
    recordings: tuple[RecordingEntity, ...] = ()
    transcripts: tuple[TranscriptEntity, ...] = ()
    order: NumberOrderEntity | None = None
    balance: float | None = None
    balance_action: str = ""

    @property
    def call_uuid(self) -> str:
        """The call's id, or an empty text."""
        return self.call.uuid if self.call is not None else ""

    @property
    def found_by_search(self) -> bool:
        return self.source in SEARCH_SOURCES

    @property
    def account(self) -> AccountEntity | None:
        """The account of the event: beside the payload (2024), or in the payload, the call or the message."""
        payload = self.raw.get("payload")
        entities = (entity.raw for entity in (self.call, self.sms) if entity is not None)
        for place in (self.raw, payload if isinstance(payload, dict) else {}, *entities):
            if isinstance(place.get("account"), dict):
                return AccountEntity(place["account"])
        return None


def extract_executed_step(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the executed command of an event. platform: under ``call_flow`` (2024) or ``payload.command`` (2022).

    If this object has a ``command`` of its own (2024, and the log of an app), the fields of that command, such as the path,
    are added.
    """
    payload = raw.get("payload")
    for found in (raw.get("call_flow"), payload.get("command") if isinstance(payload, dict) else None):
        if isinstance(found, dict):
            own = found.get("command")
            return {**own, **found} if isinstance(own, dict) else found
    return {}


@functools.lru_cache(maxsize=256)  # those of one call are read several times in a row
def read_executed_step(raw: str | None) -> Mapping[str, Any]:
    """Return the executed command of a stored event, whose JSON is ``raw``; see ``extract_executed_step``."""
    return extract_executed_step(json.loads(raw or "{}"))


_PLATFORM_CAUSE: Final = re.compile(r"\bERR ([A-Z]+(?:_[A-Z]+)*)")
"""The cause in Opentact's words about a dial: ``[originate] ERR USER_BUSY. no any destinations are accept …``."""
CANCELLED_DIAL_CAUSE: Final = "originator cancel"
"""Cause of a dial that the caller's hanging up ended before somebody answered."""
CALL_ENDED_REASON: Final = "the call ended"
"""Reason of a Gather in which the caller hung up, as the stand-in reports it: Opentact documents none."""


def find_platform_cause(step: Mapping[str, Any]) -> str:
    """Return the cause of a failed dial in plain words, as ``user busy``; empty if Opentact named none."""
    cause = _PLATFORM_CAUSE.search(str(step.get("reason") or ""))
    return cause[1].replace("_", " ").lower() if cause else ""


class EffectResult(NamedTuple):
    """Result of an effect (``callflows.telephony.ports.Effect``).

    ``result`` is ``sent, failed, refused, cancelled, expired, dropped`` or ``repeated``, and ``reason`` explains it.
    ``finished_at`` is in seconds since 1970; ``call`` is Opentact's uuid, or empty; ``payload`` is the content to send,
    without secrets.
    """

    kind: str
    key: str
    finished_at: float
    result: str
    reason: str = ""
    call: str = ""
    payload: Mapping[str, Any] = NO_PAYLOAD


class GivenUpLog(NamedTuple):
    """The execution log of a call is asked for no longer, for a ``reason``: the way of the call stays unknown."""

    call: str
    given_up_at: float
    reason: str


class LiveFlowVersion(NamedTuple):
    """A version of a flow that is live, or was live until now.

    ``file`` is the name of its file, ``source`` the text of the file. ``since`` and ``until`` are the first and the last
    moment at which the version is known to have been live, in seconds since 1970.
    """

    flow: str
    version: str
    file: str
    source: str
    since: float
    until: float
