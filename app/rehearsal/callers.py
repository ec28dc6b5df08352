"""Callers and callees that follow a script."""

from __future__ import annotations

import dataclasses
import re
from math import inf
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from app.errors import ScenarioError, suggestion
from app.language.values import duration
from app.numbers import plain
from app.rehearsal.parties import HangsUp, Keys, Taken

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.rehearsal.parties import Awaiting, Does
    from app.rehearsal.transcript import Step

_KEYS: Final = re.compile("[0-9*#]*")
_HANGS_UP: Final = re.compile("hang-?up(.*)")
Behaviour: TypeAlias = Literal["answer", "busy", "no-answer"]
BEHAVIOURS: Final = ("answer", "busy", "no-answer")


@dataclasses.dataclass(frozen=True, slots=True)
class Press:
    """Keys that are pressed when keys are next awaited; none: nothing is, until they are awaited again."""

    keys: str

    def __str__(self) -> str:
        return f"press {self.keys}" if self.keys else "press nothing"


@dataclasses.dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is done for that many seconds, from when something could be done."""

    seconds: float

    def __str__(self) -> str:
        return f"wait {self.seconds:g}s"


@dataclasses.dataclass(frozen=True, slots=True)
class HangUp:
    """The line is put down when keys are next awaited, or in the next conversation, also while that only rings.

    With ``after``, it is put down that many seconds after what was done before, or the call began, whatever happens then.
    """

    after: float | None = None

    def __str__(self) -> str:
        return "hangup" if self.after is None else f"hangup {self.after:g}s"


Act: TypeAlias = Press | Wait | HangUp


def script(written: object) -> tuple[Act, ...]:
    """A caller's script: ``1,2#`` (a comma waits until keys are next awaited), or a list: ``[1, {wait: 20s}, hangup]``.

    ``hangup 3s``, or ``{hangup: 3s}``, puts the line down at any moment. Raises ScenarioError.
    """
    if isinstance(written, (list, tuple)):
        return tuple(act for part in written for act in _acts(part))
    return tuple(_acts(written))


def _acts(part: object) -> Sequence[Act]:
    if isinstance(part, dict):
        return _timed(part)
    text = "" if part is None else str(part).replace(" ", "")
    return [_act(group) for group in text.split(",")]


def _act(group: str) -> Act:
    """``12#``, ``hangup``, ``hangup3s``."""
    hangs_up = _HANGS_UP.fullmatch(group)
    if hangs_up:
        return HangUp(_seconds("hangup", hangs_up[1]) if hangs_up[1] else None)
    if not _KEYS.fullmatch(group):
        raise ScenarioError(f"keys: {group!r} are no keys", "use 0-9, * and #, a comma to wait, or hangup")
    return Press(group)


def _timed(part: Mapping[Any, Any]) -> Sequence[Act]:
    """``{wait: 20s}``, ``{press: 12}``, ``{hangup: 3s}``."""
    if set(part) == {"press"}:
        return _acts(part["press"])
    if set(part) == {"hangup"}:
        return [HangUp(_seconds("hangup", part["hangup"]))]
    if set(part) != {"wait"}:
        near = suggestion(str(next(iter(part), "")), ["wait", "press", "hangup"]) or "as {wait: 20s}"
        raise ScenarioError(f"keys: {part!r} is nothing that a caller does", near)
    return [Wait(_seconds("wait", part["wait"]))]


def _seconds(word: str, written: object) -> float:
    try:
        return duration(str(written)) / 1000
    except ValueError as error:
        raise ScenarioError(f"keys: {word}: {error}", f"as {{{word}: 20s}}") from None


class ScriptedCaller:
    """Does what stands in a script, one act after the other, and then nothing any more."""

    def __init__(self, acts: Sequence[Act] = (), patience: float | None = None) -> None:
        """``patience``: hangs up so many seconds after the call began."""
        self._acts = [*acts]
        self._patience = patience
        self._not_before = 0.0
        self._since = 0.0
        """When something was done last."""
        self.heard: list[Step] = []

    @property
    def left(self) -> tuple[Act, ...]:
        """What was not done."""
        return tuple(self._acts)

    async def hear(self, step: Step) -> None:
        """Remember it."""
        self.heard.append(step)

    async def does(self, awaiting: Awaiting) -> Does:
        """The next of the script, as far as it fits."""
        at, until = self._next(awaiting), awaiting.at + awaiting.within
        if self._patience is not None and self._patience <= min(at, until):
            return HangsUp(max(0.0, self._patience - awaiting.at))
        if at > until:
            return None
        act = self._acts.pop(0)
        if isinstance(act, HangUp):
            return HangsUp(at - awaiting.at)
        pressed = act.keys if isinstance(act, Press) else ""
        self._since = at if pressed else until
        return Keys(pressed, at - awaiting.at) if pressed else None

    def _next(self, awaiting: Awaiting) -> float:
        """When the next of the script is done, as far as it is something that can be done now; else never."""
        while awaiting.kind != "sound" and self._acts and isinstance(wait := self._acts[0], Wait):
            self._not_before = self._since = max(self._not_before, awaiting.at) + wait.seconds
            del self._acts[0]
        act = self._acts[0] if self._acts else None
        if isinstance(act, HangUp) and act.after is not None:
            return max(awaiting.at, self._since + act.after)
        able = awaiting.kind == "keys" or (awaiting.kind != "sound" and isinstance(act, HangUp))
        return max(awaiting.at, self._not_before) if able and act is not None else inf


class ScriptedCallees:
    """Answer, are busy or do not answer: all alike, each target by its own word, or one Dial after the other."""

    def __init__(self, behaviour: object = "answer", talks: float = 30.0) -> None:
        """``behaviour``: a word, a mapping of targets and words (``else`` for others), or a list with one for each Dial.

        Raises ScenarioError.
        """
        several = behaviour if isinstance(behaviour, list) else [behaviour]
        self._behaviours = [_by_target(one) for one in several]
        self._talks = talks
        self._dials = 0

    async def ring(self, targets: Sequence[str], path: str) -> Taken:  # noqa: ARG002 - as the Protocol says
        """The first that answers takes it; else all are busy, or nobody is there."""
        by_target = self._behaviours[min(self._dials, len(self._behaviours) - 1)]
        self._dials += 1
        words = [by_target.get(plain(target)) or by_target.get("else", "answer") for target in targets]
        for target, word in zip(targets, words, strict=True):
            if word == "answer":
                return Taken("answered", target, self._talks)
        return Taken("busy" if words and all(word == "busy" for word in words) else "no-answer")


def _by_target(written: object) -> dict[str, str]:
    if isinstance(written, dict):
        return {plain(str(target)): _behaviour(word) for target, word in written.items()}
    return {"else": _behaviour(written)}


def _behaviour(word: object) -> str:
    """A behaviour, spelled as it is kept."""
    known = {**dict.fromkeys(("answer", "answers", "answered"), "answer"), "busy": "busy"}
    known |= dict.fromkeys(("no-answer", "no_answer", "noanswer"), "no-answer")
    found = known.get(str(word))
    if found is None:
        near = suggestion(str(word), BEHAVIOURS) or f"use {', '.join(BEHAVIOURS)}"
        raise ScenarioError(f"callee: {word!r} is nothing that a callee does", near)
    return found
