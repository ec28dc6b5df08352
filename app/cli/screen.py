"""What a rehearsed call looks like in a terminal, and how it sounds."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import typer

from app.cli.given import fail
from app.cli.keyboard import Keyboard

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo
    from typing import Self

    from app.rehearsal.at_the_phone import PersonCalled, PersonCalling
    from app.rehearsal.parties import Awaiting, Caller, Does
    from app.rehearsal.rehearsing import Rehearsal
    from app.rehearsal.transcript import Step, Transcript

_LATER: Final = ("Gather", "Dial", "Record", "Pause")
"""Verbs of which it is known only when they are over what became of them."""


_MOVES: Final = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def visible(told: str) -> str:
    """JSON in which what a terminal would obey, or turn round, is escaped."""
    return _MOVES.sub(lambda found: f"\\u{ord(found[0]):04x}", told)


class Screen:
    """Shows a call, step by step where somebody is in it."""

    def __init__(self, voice: Voice | None, *, quiet: bool) -> None:
        self.quiet = quiet
        self._voice = voice
        self._colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._waiting: list[Step] = []
        self._rang: list[Step] = []
        self._keyboard = Keyboard()

    def show(self, step: Step) -> None:
        """A step as it happens; those of which it is known later what became of them are shown when the next happens."""
        self._drain()
        if step["verb"] in _LATER:
            self._waiting.append(step)
        else:
            self._line(step)
        if step["verb"] == "Say" and self._voice is not None:
            self._voice.speak(step["text"], step.get("lang", "en-US"))

    def _drain(self) -> None:
        """Show what waits; a Dial that was shown before anybody had taken it, once more with what became of it."""
        for step in self._rang:
            if "result" in step:
                self._line(step)
        self._rang = [step for step in self._rang + self._waiting if step["verb"] == "Dial" and "result" not in step]
        while self._waiting:
            self._line(self._waiting.pop(0))

    def _line(self, step: Step) -> None:
        from app.rehearsal.telling import clocked, told

        if not self.quiet:
            at = typer.style(f"{clocked(step['at']):>7}", dim=True) if self._colour else f"{clocked(step['at']):>7}"
            words = told(step)
            print(f"{at}  {typer.style(words, bold=True) if self._colour and step['verb'] == 'Say' else words}", flush=True)

    def show_all(self, transcript: Transcript) -> None:
        """A call that is over."""
        from app.rehearsal.telling import opening

        for line in opening(transcript) if not self.quiet else ():
            print(line)
        for step in transcript.steps:
            if not step.get("ended"):
                self.show(step)

    def end(self, transcript: Transcript, *, trace: bool) -> None:
        """How it ended, and what was asked and decided."""
        from app.rehearsal.telling import clocked, ending, lines_of_end, shown, traced

        self._drain()
        if self.quiet:
            return
        print(f"{clocked(transcript.seconds):>7}  {ending(transcript)}", *lines_of_end(transcript), sep="\n")
        for asked in transcript.requests:
            if trace:
                print("", *traced(asked), sep="\n")
            elif asked.error and asked.error not in transcript.error:
                print(f"         {asked.method} {shown(asked.url.partition('?')[0])}: {shown(asked.error)}")
        for assumed in transcript.assumed if trace else ():
            print(f"         not documented: {assumed}")

    def record(self, transcript: Transcript, rehearsal: Rehearsal, zone: tzinfo | None) -> None:
        """The call as a scenario; beside JSON it goes where it can be told apart."""
        from app.testing.recording import as_scenario

        scenario = as_scenario(transcript, rehearsal, zone=zone)
        print(scenario, end="", file=sys.stderr if self.quiet else sys.stdout)

    def person(self) -> PersonCalling:
        """A caller who is the person at this terminal."""
        from app.rehearsal.at_the_phone import HELP, PersonCalling

        print(f"         {HELP}")
        return PersonCalling(self._ask, self.show)

    def callees(self) -> PersonCalled:
        """Callees who are the person at this terminal."""
        from app.rehearsal.at_the_phone import PersonCalled

        return PersonCalled(self._ask)

    async def _ask(self, prompt: str) -> str:
        if prompt != "keys":
            self._drain()
        return await self._keyboard.line(f"         {prompt}> ")


class Listening:
    """A caller who follows a script, while somebody watches."""

    def __init__(self, caller: Caller, show: Callable[[Step], None]) -> None:
        self._caller = caller
        self._show = show

    async def hear(self, step: Step) -> None:
        """Show it."""
        await self._caller.hear(step)
        self._show(step)

    async def does(self, awaiting: Awaiting) -> Does:
        """As the script says."""
        return await self._caller.does(awaiting)


class Voice:
    """Speaks by espeak-ng."""

    def __init__(self, program: str) -> None:
        self._program = program

    @classmethod
    def found(cls) -> Self:
        """The machine's; where there is none, how to get it is said and the command ends."""
        program = shutil.which("espeak-ng")
        if program is None:
            fail("callflows: --say needs espeak-ng: apt-get install espeak-ng, brew install espeak-ng", 2)
        return cls(program)

    def speak(self, text: str, lang: str) -> None:
        """Speak, and wait until it is spoken; a language that espeak-ng lacks is spoken as English."""
        for voice in (lang.lower(), lang.partition("-")[0].lower(), "en"):
            if self._spoken(text, voice):
                return

    def _spoken(self, text: str, voice: str) -> bool:
        command: list[Any] = [self._program, "-v", voice, "--stdin"]
        done = subprocess.run(command, input=text.encode(), capture_output=True, check=False)  # noqa: S603 - espeak-ng
        return done.returncode == 0
