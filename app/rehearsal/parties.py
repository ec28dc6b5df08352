"""Who is on the line: what the platform asks of a caller and of those who are dialled, whoever plays them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.rehearsal.transcript import Step


@dataclasses.dataclass(frozen=True, slots=True)
class Awaiting:
    """What the caller could do now. ``at`` is seconds since the call began, ``within`` how long keys are waited for.

    ``kind``: keys are awaited (by a Gather or a Pause, the ``verb``), the caller is in a conversation, or something
    sounds, in which he can do nothing but hang up.
    """

    kind: Literal["keys", "conversation", "sound"]
    verb: str
    path: str
    at: float
    within: float
    stop: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Keys:
    """Keys that are pressed ``after`` that many seconds."""

    pressed: str
    after: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class HangsUp:
    """The caller hangs up ``after`` that many seconds."""

    after: float = 0.0


Does: TypeAlias = Keys | HangsUp | None
"""What a caller does within the time; None: nothing."""


class Caller(Protocol):
    """Who rings."""

    async def hear(self, step: Step) -> None:
        """Something happened on the line."""

    async def does(self, awaiting: Awaiting) -> Does:
        """What the caller does now, within the time."""


@dataclasses.dataclass(frozen=True, slots=True)
class Taken:
    """What became of a Dial: whether somebody answered, who, and how long they talk."""

    result: Literal["answered", "busy", "no-answer"]
    by: str = ""
    talks: float = 30.0


class Callees(Protocol):
    """Those who are dialled."""

    async def ring(self, targets: Sequence[str], path: str) -> Taken:
        """Whether one of the targets answers."""
