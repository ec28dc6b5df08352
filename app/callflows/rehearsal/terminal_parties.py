"""Caller and callees played by a person at a terminal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from callflows.rehearsal.call_parties import CallerHangUp, DialResult, KeyInput

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from callflows.rehearsal.call_parties import ActionWindow, CallerAction
    from callflows.rehearsal.transcript import TranscriptStep


_KEYS_PATTERN: Final = re.compile("[0-9*#]*")
KEYPAD_HELP: Final = "keys and Enter; only Enter: press nothing; h: hang up"
_HANG_UP_INPUTS: Final = frozenset({"h", "q", "hangup", "hang up"})


class TerminalCaller:
    """Shows steps as they happen and prompts for keys."""

    def __init__(self, read_line: Callable[[str], Awaitable[str]], show_step: Callable[[TranscriptStep], None]) -> None:
        """``read_line`` prompts for a line and raises EOFError at the end of input; ``show_step`` prints a step."""
        self._read_line = read_line
        self._show_step = show_step

    async def hear_step(self, step: TranscriptStep) -> None:
        """Show the step, except a Gather, since the person typed those keys."""
        if step["verb"] != "Gather":
            self._show_step(step)

    async def choose_action(self, window: ActionWindow) -> CallerAction:
        """Prompt the person for an action; sounds always play to the end."""
        if window.kind == "sound":
            return None
        prompt = "keys" if window.kind == "keys" else f"{window.verb.lower()}: press Enter to continue"
        while True:
            try:
                line = (await self._read_line(prompt)).strip().lower().replace(" ", "")
            except EOFError:
                return CallerHangUp()
            if line in _HANG_UP_INPUTS:
                return CallerHangUp()
            if window.kind == "conversation" or not line:
                return None
            if _KEYS_PATTERN.fullmatch(line):
                return KeyInput(line)
            self._show_step({"verb": "help", "path": "", "at": window.start, "text": KEYPAD_HELP})


class TerminalCallees:
    """Prompts for the result of each Dial."""

    def __init__(self, read_line: Callable[[str], Awaitable[str]]) -> None:
        self._read_line = read_line

    async def ring_targets(self, targets: Sequence[str], path: str) -> DialResult:  # noqa: ARG002 - as the Protocol says
        """Prompt until the answer is valid; the end of input counts as no-answer."""
        while True:
            try:
                line = (await self._read_line("callee: a answers, b busy, n no answer")).strip().lower()
            except EOFError:
                line = "n"
            if line[:1] == "b":
                return DialResult("busy")
            if line[:1] == "n":
                return DialResult("no-answer")
            if line[:1] in ("", "a"):
                return DialResult("answered", targets[0])
