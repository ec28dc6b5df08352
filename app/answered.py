"""What became of a request of Opentact: for whoever counts, remembers or rehearses it, once the answer is on its way."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.calls import Turn
    from app.outside import Effect


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
