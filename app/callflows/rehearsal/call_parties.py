"""Who is on the line: what the platform asks of a caller and of those who are dialled, whoever plays them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callflows.rehearsal.transcript import TranscriptStep


@dataclasses.dataclass(frozen=True, slots=True)
class ActionWindow:
    """What the caller could do now. ``at`` is seconds since the call began, ``within`` how long keys are waited for.

    ``kind``: keys are awaited (by a Gather or a Pause, the ``verb``), the caller is in a conversation, or something
    sounds, in which he can do nothing but hang up.
    """

    kind: Literal["keys", "conversation", "sound"]
    verb: str
    path: str
    start: float
    duration: float
    stop_key: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class KeyInput:
    """Keys that are pressed ``after`` that many seconds."""

    keys: str
    delay: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class CallerHangUp:
    """The caller hangs up ``after`` that many seconds."""

    delay: float = 0.0


CallerAction: TypeAlias = KeyInput | CallerHangUp | None
"""What a caller does within the time; None: nothing."""


class CallingParty(Protocol):
    """Who rings."""

    async def hear_step(self, step: TranscriptStep) -> None:
        """Something happened on the line."""

    async def choose_action(self, window: ActionWindow) -> CallerAction:
        """What the caller does now, within the time."""


@dataclasses.dataclass(frozen=True, slots=True)
class DialResult:
    """What became of a Dial: whether somebody answered, who, and how long they talk."""

    result: Literal["answered", "busy", "no-answer"]
    answered_by: str = ""
    talk_seconds: float = 30.0


class CalledParties(Protocol):
    """Those who are dialled."""

    async def ring_targets(self, targets: Sequence[str], path: str) -> DialResult:
        """Whether one of the targets answers."""
