"""What became of a request of Opentact: for whoever counts, remembers or rehearses it, once the answer is on its way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callflows.telephony.ports import Effect
    from callflows.telephony.turn import Turn


class AnswerOutcome(NamedTuple):
    """What became of a request of Opentact.

    ``kind``: answered, fallback, unknown-number, refused; ``cause``, ``detail`` and ``trace`` say why. ``effects`` are to
    be done now; ``version`` is that of the flow which answered.
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

    ``at`` is when it came (seconds since 1970), ``seconds`` how long the answer took; ``path`` and ``query`` are as they
    were asked, secrets included; ``told`` are the fields that it brought. ``turn`` has what was decided and why; it is None
    where no flow was asked.
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


# One thing that Opentact reported, in whichever envelope: what reads events makes it, the journal remembers it.


NO_ENTITY: Final[Mapping[str, Any]] = {}


CALL_STATE_TIME_FIELDS: Final = {
    "init": "init_on",
    "ringing": "ring_on",
    "live": "answer_on",
    "hangup": "hangup_on",
    "destroyed": "destroy_on",
}
"""The states of a call in their order, and the field of its entity (platform: its names) that has the moment of each."""


class PlatformEvent(NamedTuple):
    """One report of Opentact's.

    ``kind`` is its ``type`` (``call_state``, ``call_flow``, ``sms``, ``balance``, ``auth``, or one that nobody knows yet).
    ``key`` is the same however often and from wherever (websocket, webhook, search) the same report comes: the uuid of a
    2024 event, of a 2022 one its type, its entity's uuid, state and timestamp as one text. ``at`` is when it happened by
    Opentact's clock, in seconds since 1970; where it does not say, when it came.

    The entities are mappings as Opentact wrote them, by its own names and with its own texts of time, empty where there is
    none: ``call`` the call, ``step`` what the call's document did (``call_flow``'s command: ``name, success, reason, path``
    and the like), ``sms`` the message. ``state`` is that of what is reported; ``seconds`` how long the call has lasted, in
    whole seconds whichever unit the envelope uses. ``raw`` is the whole report. ``source``: ``wss, webhook, sms, search``.
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
    """The result of an effect (``callflows.telephony.ports.Effect``).

    ``result`` is ``sent, failed, refused, dropped`` or ``repeated``. ``reason`` says why.
    ``finished_at`` is in seconds since 1970; ``call`` is Opentact's uuid, or empty; ``payload`` is what was to be sent,
    without secrets.
    """

    kind: str
    key: str
    finished_at: float
    result: str
    reason: str = ""
    call: str = ""
    payload: Mapping[str, Any] = NO_ENTITY
