"""What a rehearsed call looks like in a terminal, and how it sounds."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final, Self

import typer

from callflows.cli.cli_options import exit_with_notice

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

    from callflows.rehearsal.call_parties import ActionWindow, CallerAction, CallingParty
    from callflows.rehearsal.rehearsed_call import Rehearsal
    from callflows.rehearsal.terminal_parties import TerminalCallees, TerminalCaller
    from callflows.rehearsal.transcript import Transcript, TranscriptStep


_LATE_RESULT_VERBS: Final = ("Gather", "Dial", "Record", "Pause")
"""Verbs of which it is known only when they are over what became of them."""


_TERMINAL_CONTROL_PATTERN: Final = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def escape_terminal_controls(text: str) -> str:
    """JSON in which what a terminal would obey, or turn round, is escaped."""
    return _TERMINAL_CONTROL_PATTERN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class CallScreen:
    """Shows a call, step by step where somebody is in it."""

    def __init__(self, synthesizer: SpeechSynthesizer | None, *, is_quiet: bool) -> None:
        self.is_quiet = is_quiet
        self._synthesizer = synthesizer
        self._uses_colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._pending_steps: list[TranscriptStep] = []
        self._pending_dials: list[TranscriptStep] = []
        self._keyboard = TerminalKeyboard()

    def show_step(self, step: TranscriptStep) -> None:
        """A step as it happens; those of which it is known later what became of them are shown when the next happens."""
        self._show_pending()
        if step["verb"] in _LATE_RESULT_VERBS:
            self._pending_steps.append(step)
        else:
            self._print_step(step)
        if step["verb"] == "Say" and self._synthesizer is not None:
            self._synthesizer.speak_text(step["text"], step.get("lang", "en-US"))

    def _show_pending(self) -> None:
        """Show what waits; a Dial that was shown before anybody had taken it, once more with what became of it."""
        for step in self._pending_dials:
            if "result" in step:
                self._print_step(step)
        self._pending_dials = [
            step for step in self._pending_dials + self._pending_steps if step["verb"] == "Dial" and "result" not in step
        ]
        while self._pending_steps:
            self._print_step(self._pending_steps.pop(0))

    def _print_step(self, step: TranscriptStep) -> None:
        from callflows.rehearsal.transcript_text import describe_step, format_elapsed

        if not self.is_quiet:
            at = (
                typer.style(f"{format_elapsed(step['at']):>7}", dim=True)
                if self._uses_colour
                else f"{format_elapsed(step['at']):>7}"
            )
            words = describe_step(step)
            print(
                f"{at}  {typer.style(words, bold=True) if self._uses_colour and step['verb'] == 'Say' else words}",
                flush=True,
            )

    def show_transcript(self, transcript: Transcript) -> None:
        """A call that is over."""
        from callflows.rehearsal.transcript_text import describe_automatic_answer

        for line in describe_automatic_answer(transcript) if not self.is_quiet else ():
            print(line)
        for step in transcript.steps:
            if not step.get("ended"):
                self.show_step(step)

    def show_end(self, transcript: Transcript, *, shows_trace: bool) -> None:
        """How it ended, and what was asked and decided."""
        from callflows.rehearsal.transcript_text import (
            describe_outcome,
            format_after_call,
            format_elapsed,
            format_request_trace,
            sanitize_for_terminal,
        )

        self._show_pending()
        if self.is_quiet:
            return
        print(
            f"{format_elapsed(transcript.seconds):>7}  {describe_outcome(transcript)}",
            *format_after_call(transcript),
            sep="\n",
        )
        for asked in transcript.requests:
            if shows_trace:
                print("", *format_request_trace(asked), sep="\n")
            elif asked.error and asked.error not in transcript.error:
                address = sanitize_for_terminal(asked.url.partition("?")[0])
                print(f"         {asked.method} {address}: {sanitize_for_terminal(asked.error)}")
        for assumed in transcript.assumptions if shows_trace else ():
            print(f"         not documented: {assumed}")

    def print_scenario(self, transcript: Transcript, rehearsal: Rehearsal, zone: tzinfo | None) -> None:
        """The call as a scenario; beside JSON it goes where it can be told apart."""
        from callflows.testing.scenario_recorder import record_scenario

        scenario = record_scenario(transcript, rehearsal, zone=zone)
        print(scenario, end="", file=sys.stderr if self.is_quiet else sys.stdout)

    def create_person_calling(self) -> TerminalCaller:
        """A caller who is the person at this terminal."""
        from callflows.rehearsal.terminal_parties import KEYPAD_HELP, TerminalCaller

        print(f"         {KEYPAD_HELP}")
        return TerminalCaller(self._prompt_person, self.show_step)

    def create_person_called(self) -> TerminalCallees:
        """Callees who are the person at this terminal."""
        from callflows.rehearsal.terminal_parties import TerminalCallees

        return TerminalCallees(self._prompt_person)

    async def _prompt_person(self, prompt: str) -> str:
        if prompt != "keys":
            self._show_pending()
        return await self._keyboard.read_line(f"         {prompt}> ")


class WatchedCallingParty:
    """A caller who follows a script, while somebody watches."""

    def __init__(self, caller: CallingParty, on_step: Callable[[TranscriptStep], None]) -> None:
        self._caller = caller
        self._on_step = on_step

    async def hear_step(self, step: TranscriptStep) -> None:
        """Show it."""
        await self._caller.hear_step(step)
        self._on_step(step)

    async def choose_action(self, window: ActionWindow) -> CallerAction:
        """As the script says."""
        return await self._caller.choose_action(window)


class SpeechSynthesizer:
    """Speaks by espeak-ng."""

    def __init__(self, program: str) -> None:
        self._program = program

    @classmethod
    def find_installed(cls) -> Self:
        """The machine's; where there is none, how to get it is said and the command ends."""
        program = shutil.which("espeak-ng")
        if program is None:
            exit_with_notice("callflows: --say needs espeak-ng: apt-get install espeak-ng, brew install espeak-ng", 2)
        return cls(program)

    def speak_text(self, text: str, lang: str) -> None:
        """Speak, and wait until it is spoken; a language that espeak-ng lacks is spoken as English."""
        for voice in (lang.lower(), lang.partition("-")[0].lower(), "en"):
            if self._speak_as(text, voice):
                return

    def _speak_as(self, text: str, voice: str) -> bool:
        command: list[Any] = [self._program, "-v", voice, "--stdin"]
        done = subprocess.run(command, input=text.encode(), capture_output=True, check=False)  # noqa: S603 - espeak-ng
        return done.returncode == 0


# What is typed at the terminal.


_MAX_READ_BYTES: Final = 4096
"""Bytes that are read at once; a terminal gives a line."""


class TerminalKeyboard:
    """The terminal's lines; who waits for one can be stopped, which a thread that reads cannot."""

    def __init__(self) -> None:
        self._buffer = b""

    async def read_line(self, prompt: str) -> str:
        """The next line, without its end. Raises EOFError where nothing more is typed."""
        print(prompt, end="", flush=True)
        while b"\n" not in self._buffer:
            read = await _read_terminal(sys.stdin.fileno())
            if not read:
                print(flush=True)
                raise EOFError
            self._buffer += read
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode("utf-8", "replace")


async def _read_terminal(terminal: int) -> bytes:
    """What is typed next; nothing at the end."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(terminal, ready.set)
    try:
        await ready.wait()
        return os.read(terminal, _MAX_READ_BYTES)
    except OSError:  # the terminal is gone
        return b""
    finally:
        loop.remove_reader(terminal)
