"""A caller and callees who are a person at a terminal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from app.rehearsal.parties import HangsUp, Keys, Taken

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from app.rehearsal.parties import Awaiting, Does
    from app.rehearsal.transcript import Step

_KEYS: Final = re.compile("[0-9*#]*")
HELP: Final = "keys and Enter; only Enter: press nothing; h: hang up"
_HANGS_UP: Final = frozenset({"h", "q", "hangup", "hang up"})


class PersonCalling:
    """Hears steps as they happen, and is asked for keys when they are awaited."""

    def __init__(self, ask: Callable[[str], Awaitable[str]], hear: Callable[[Step], None]) -> None:
        """``ask`` prompts for a line and gives it, and raises EOFError at the end; ``hear`` shows a step."""
        self._ask = ask
        self._hear = hear

    async def hear(self, step: Step) -> None:
        """Show it, but for what is typed by the person."""
        if step["verb"] != "Gather":
            self._hear(step)

    async def does(self, awaiting: Awaiting) -> Does:
        """Ask the person, who hears out what sounds."""
        if awaiting.kind == "sound":
            return None
        prompt = "keys" if awaiting.kind == "keys" else f"{awaiting.verb.lower()}: Enter goes on"
        while True:
            try:
                line = (await self._ask(prompt)).strip().lower().replace(" ", "")
            except EOFError:
                return HangsUp()
            if line in _HANGS_UP:
                return HangsUp()
            if awaiting.kind == "conversation" or not line:
                return None
            if _KEYS.fullmatch(line):
                return Keys(line)
            self._hear({"verb": "help", "path": "", "at": awaiting.at, "text": HELP})


class PersonCalled:
    """Whether somebody answers is asked at the terminal."""

    def __init__(self, ask: Callable[[str], Awaitable[str]]) -> None:
        self._ask = ask

    async def ring(self, targets: Sequence[str], path: str) -> Taken:  # noqa: ARG002 - as the Protocol says
        """Ask whether they answer, are busy, or do not answer, until it is one of them; at the end, nobody does."""
        while True:
            try:
                line = (await self._ask("callee: a answers, b busy, n no answer")).strip().lower()
            except EOFError:
                line = "n"
            if line[:1] == "b":
                return Taken("busy")
            if line[:1] == "n":
                return Taken("no-answer")
            if line[:1] in ("", "a"):
                return Taken("answered", targets[0])
