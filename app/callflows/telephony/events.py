"""Records of the outcome of a request, of Opentact's events and of effects, for metrics, journal and rehearsal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callflows.telephony.ports import Effect
    from callflows.telephony.turn import Turn


class AnswerOutcome(NamedTuple):
    """Outcome of a request of Opentact.

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


class AnsweredRequest(NamedTuple):
    """A request and its answer.

    ``received_at`` is in seconds since 1970. ``path`` and ``query`` are unchanged and may contain secrets;
    ``request_fields`` are the fields of the request. ``turn`` contains the decisions and their reasons; it is None if no
    flow was asked.
    """

    received_at: float
    answer_seconds: float
    method: str
    path: str
    query: bytes
    request_fields: Mapping[str, str]
    status: int
    document: bytes
    outcome: AnswerOutcome
    turn: Turn | None


# Events of Opentact: the event parsers create them from every envelope, the journal stores them.


NO_ENTITY: Final[Mapping[str, Any]] = {}
CALL_STATE_TIME_FIELDS: Final = {
    "init": "init_on",
    "ringing": "ring_on",
    "live": "answer_on",
    "hangup": "hangup_on",
    "destroyed": "destroy_on",
}
"""The states of a call in order, each with the timestamp field of the call entity (platform: field names)."""


class PlatformEvent(NamedTuple):
    """One event of Opentact.

    ``kind`` is the event's ``type`` (``call_state``, ``call_flow``, ``sms``, ``balance``, ``auth``, or a type not known
    yet). ``key`` identifies the event across repeated deliveries and sources (websocket, webhook, search): the uuid of a
    2024 event; for a 2022 event the type and the entity's uuid, state and timestamp as one text. ``occurred_at`` is
    Opentact's time in seconds since 1970, or the time of arrival if the event has none.

    The entities are mappings with Opentact's own names and time texts, empty if absent: ``call``; ``command``, the executed
    command of the call's document (``call_flow``: ``name, success, reason, path`` and similar); ``sms``. ``state`` is the
    state of the reported entity. ``call_seconds`` is the call's duration in whole seconds, whatever unit the envelope uses.
    ``raw`` is the complete event. ``source`` is ``wss, webhook, sms`` or ``search``.
    """

    kind: str
    key: str
    occurred_at: float
    raw: Mapping[str, Any]
    message: str = ""
    state: str = ""
    call_seconds: int | None = None
    call: Mapping[str, Any] = NO_ENTITY
    command: Mapping[str, Any] = NO_ENTITY
    sms: Mapping[str, Any] = NO_ENTITY
    source: str = "wss"


class EffectResult(NamedTuple):
    """Result of an effect (``callflows.telephony.ports.Effect``).

    ``result`` is ``sent, failed, refused, dropped`` or ``repeated``, and ``reason`` explains it. ``finished_at`` is in
    seconds since 1970; ``call`` is Opentact's uuid, or empty; ``payload`` is the content to send, without secrets.
    """

    kind: str
    key: str
    finished_at: float
    result: str
    reason: str = ""
    call: str = ""
    payload: Mapping[str, Any] = NO_ENTITY
