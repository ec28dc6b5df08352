"""Interfaces between the platform and the people on a call: the caller and the dialled callees."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callflows.rehearsal.transcript import TranscriptStep


@dataclasses.dataclass(frozen=True, slots=True)
class ActionWindow:
    """An opportunity for the caller to act.

    ``start`` is in seconds since the call began, ``duration`` in seconds. Kinds: ``keys`` (a Gather or a Pause awaits keys;
    ``verb`` names the element), ``conversation``, and ``sound`` (something plays and the caller can only hang up).
    ``continues_input``: keys of the same input were pressed before, and more are awaited.
    """

    kind: Literal["keys", "conversation", "sound"]
    verb: str
    path: str
    start: float
    duration: float
    stop_key: str = ""
    continues_input: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class KeyInput:
    """Keys pressed ``delay`` seconds after the window opened."""

    keys: str
    delay: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class CallerHangUp:
    """The caller hangs up ``delay`` seconds after the window opened."""

    delay: float = 0.0


CallerAction: TypeAlias = KeyInput | CallerHangUp | None
"""Action of a caller within a window; None if the caller does nothing."""


class CallingParty(Protocol):
    """The caller."""

    async def hear_step(self, step: TranscriptStep) -> None:
        """Receive a step as soon as the line has played it."""

    async def choose_action(self, window: ActionWindow) -> CallerAction:
        """Return the caller's action within this window."""


DEFAULT_TALK_SECONDS: Final = 30.0
"""Length of a conversation for which a rehearsal names none."""


@dataclasses.dataclass(frozen=True, slots=True)
class DialResult:
    """Result of a Dial: the target that answered, if any, and the length of the conversation."""

    result: Literal["answered", "busy", "no-answer"]
    answered_by: str = ""
    talk_seconds: float = DEFAULT_TALK_SECONDS


class CalledParties(Protocol):
    """The callees."""

    async def ring_targets(self, targets: Sequence[str], path: str) -> DialResult:
        """Ring all targets of one Dial at once; at most one answers."""
