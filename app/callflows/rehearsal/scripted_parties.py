"""Caller and callees that follow a script."""

from __future__ import annotations

import dataclasses
import re
from math import inf
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from callflows.errors import ScenarioError
from callflows.language import Pause, Record
from callflows.language.value_kinds import parse_duration
from callflows.rehearsal.call_parties import DEFAULT_TALK_SECONDS, CallerHangUp, DialResult, KeyInput
from callflows.telephony.phone_numbers import normalize_target
from callflows.text import format_suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from callflows.rehearsal.call_parties import ActionWindow, CallerAction
    from callflows.rehearsal.transcript import TranscriptStep


_KEYS_PATTERN: Final = re.compile("[0-9*#]*")
_HANG_UP_PATTERN: Final = re.compile("hang-?up(.*)")
SPOKEN_MESSAGE_SECONDS: Final = 2.0
"""Time that a scripted caller speaks before the key that ends a message, if the script has no wait."""
CALLEE_BEHAVIOURS: Final = ("answer", "busy", "no-answer")


@dataclasses.dataclass(frozen=True, slots=True)
class ScriptedPress:
    """Press keys when keys are next awaited, after the end of an earlier input; empty keys let one such window pass."""

    keys: str

    def __str__(self) -> str:
        return f"press {self.keys}" if self.keys else "press nothing"


@dataclasses.dataclass(frozen=True, slots=True)
class ScriptedWait:
    """Wait some seconds, counted from the next window in which the caller can act."""

    seconds: float

    def __str__(self) -> str:
        return f"wait {self.seconds:g}s"


@dataclasses.dataclass(frozen=True, slots=True)
class ScriptedHangUp:
    """Hang up when keys are next awaited or in the next conversation, even if the callee is still ringing.

    With ``delay``, hang up that many seconds after the previous action or the start of the call, at any moment.
    """

    delay: float | None = None

    def __str__(self) -> str:
        return "hangup" if self.delay is None else f"hangup {self.delay:g}s"


ScriptedAction: TypeAlias = ScriptedPress | ScriptedWait | ScriptedHangUp


def parse_caller_script(value: object) -> tuple[ScriptedAction, ...]:
    """Parse a script: ``1,2#`` (a comma waits for the next question), or a list: ``[1, {wait: 20s}, hangup]``.

    A comma also waits for the end of an input of variable length; ``[1, {wait: 1s}, 2]`` goes on with the same input.
    ``hangup 3s``, or ``{hangup: 3s}``, hangs up at any moment. Raises ScenarioError.
    """
    if isinstance(value, (list, tuple)):
        return tuple(act for part in value for act in _parse_actions(part))
    return tuple(_parse_actions(value))


def _parse_actions(part: object) -> Sequence[ScriptedAction]:
    if isinstance(part, dict):
        return _parse_timed_actions(part)
    text = "" if part is None else str(part).replace(" ", "")
    return [_parse_action(group) for group in text.split(",")]


def _parse_action(group: str) -> ScriptedAction:
    """Parse ``12#``, ``hangup``, ``hangup3s``."""
    hangs_up = _HANG_UP_PATTERN.fullmatch(group)
    if hangs_up:
        return ScriptedHangUp(_parse_seconds("hangup", hangs_up[1]) if hangs_up[1] else None)
    if not _KEYS_PATTERN.fullmatch(group):
        raise ScenarioError(f"keys: {group!r} are not keys", "use 0-9, * and #, a comma to wait, or hangup")
    return ScriptedPress(group)


def _parse_timed_actions(part: Mapping[Any, Any]) -> Sequence[ScriptedAction]:
    """Parse ``{wait: 20s}``, ``{press: 12}``, ``{hangup: 3s}``."""
    if set(part) == {"press"}:
        return _parse_actions(part["press"])
    if set(part) == {"hangup"}:
        return [ScriptedHangUp(_parse_seconds("hangup", part["hangup"]))]
    if set(part) != {"wait"}:
        near = format_suggestion(str(next(iter(part), "")), ["wait", "press", "hangup"]) or "as {wait: 20s}"
        raise ScenarioError(f"keys: {part!r} is not an action of a caller", near)
    return [ScriptedWait(_parse_seconds("wait", part["wait"]))]


def _parse_seconds(word: str, value: object) -> float:
    try:
        return parse_duration(str(value)) / 1000
    except ValueError as error:
        raise ScenarioError(f"keys: {word}: {error}", f"as {{{word}: 20s}}") from None


class ScriptedCaller:
    """Performs the actions of a script in order, then does nothing."""

    def __init__(self, actions: Sequence[ScriptedAction] = (), patience: float | None = None) -> None:
        """``patience``: hang up this many seconds after the call began."""
        self._actions = [*actions]
        self._patience = patience
        self._earliest_action_at = 0.0
        self._has_waited = False
        """True if the script says at which second the next action comes."""
        self._last_action_at = 0.0
        """Time of the last action, in seconds since the call began."""
        self.heard_steps: list[TranscriptStep] = []

    @property
    def remaining_actions(self) -> tuple[ScriptedAction, ...]:
        """Actions not performed yet."""
        return tuple(self._actions)

    async def hear_step(self, step: TranscriptStep) -> None:
        self.heard_steps.append(step)

    async def choose_action(self, window: ActionWindow) -> CallerAction:
        """Return the next scripted action if it is due within the window."""
        at, until = self._next_action_time(window), window.start + window.duration
        if self._patience is not None and self._patience <= min(at, until):
            return CallerHangUp(max(0.0, self._patience - window.start))
        if at > until:
            return None
        act = self._actions.pop(0)
        self._has_waited = False
        if isinstance(act, ScriptedHangUp):
            return CallerHangUp(at - window.start)
        pressed = act.keys if isinstance(act, ScriptedPress) else ""
        self._last_action_at = at if pressed else until
        return KeyInput(pressed, at - window.start) if pressed else None

    def _next_action_time(self, window: ActionWindow) -> float:
        """Return the time of the next action, in seconds since the call began; infinity if the window permits none."""
        while window.kind != "sound" and self._actions and isinstance(wait := self._actions[0], ScriptedWait):
            self._earliest_action_at = self._last_action_at = max(self._earliest_action_at, window.start) + wait.seconds
            self._has_waited = True
            del self._actions[0]
        act = self._actions[0] if self._actions else None
        if isinstance(act, ScriptedHangUp) and act.delay is not None:
            return max(window.start, self._last_action_at + act.delay)
        if window.continues_input and not self._has_waited:
            return inf
        able = window.kind == "keys" or (window.kind != "sound" and isinstance(act, ScriptedHangUp))
        if not able or act is None:
            return inf
        spoken = SPOKEN_MESSAGE_SECONDS if _records_message(window) and not self._has_waited else 0.0
        return max(window.start + spoken, self._earliest_action_at)


def _records_message(window: ActionWindow) -> bool:
    """Return True if the caller may speak a message until a key ends it."""
    return window.verb == Pause.spec.name and f"{Record.spec.name}[" in window.path


class ScriptedCallees:
    """Callees that answer, are busy or do not answer: all alike, by target, or by Dial."""

    def __init__(self, behaviour: object = "answer", talk_seconds: float = DEFAULT_TALK_SECONDS) -> None:
        """``behaviour``: a word, a mapping from target to word (``else`` for others), or a list with one entry per Dial.

        Raises ScenarioError.
        """
        several = behaviour if isinstance(behaviour, list) else [behaviour]
        self._behaviours = [_parse_behaviours(one) for one in several]
        self._talk_seconds = talk_seconds
        self._dial_count = 0

    async def ring_targets(self, targets: Sequence[str], path: str) -> DialResult:  # noqa: ARG002 - as the Protocol says
        """Return the first target that answers, else busy if all targets are busy, else no-answer."""
        by_target = self._behaviours[min(self._dial_count, len(self._behaviours) - 1)]
        self._dial_count += 1
        words = [by_target.get(normalize_target(target)) or by_target.get("else", "answer") for target in targets]
        for target, word in zip(targets, words, strict=True):
            if word == "answer":
                return DialResult("answered", target, self._talk_seconds)
        return DialResult("busy" if words and all(word == "busy" for word in words) else "no-answer")


def _parse_behaviours(value: object) -> dict[str, str]:
    if isinstance(value, dict):
        return {normalize_target(str(target)): _parse_behaviour(word) for target, word in value.items()}
    return {"else": _parse_behaviour(value)}


def _parse_behaviour(word: object) -> str:
    """Convert a spelling of a behaviour to its standard form. Raises ScenarioError."""
    known = {**dict.fromkeys(("answer", "answers", "answered"), "answer"), "busy": "busy"}
    known |= dict.fromkeys(("no-answer", "no_answer", "noanswer"), "no-answer")
    behaviour = known.get(str(word))
    if behaviour is None:
        near = format_suggestion(str(word), CALLEE_BEHAVIOURS) or f"use {', '.join(CALLEE_BEHAVIOURS)}"
        raise ScenarioError(f"callee: {word!r} is not an action of a callee", near)
    return behaviour
