"""Display of a rehearsed call in a terminal, with optional speech and keyboard input."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final, Self

import typer

from callflows.cli.cli_options import exit_with_notice

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo
    from pathlib import Path

    from callflows.rehearsal.call_parties import ActionWindow, CallerAction, CallingParty
    from callflows.rehearsal.rehearsed_call import Rehearsal
    from callflows.rehearsal.terminal_parties import TerminalCallees, TerminalCaller
    from callflows.rehearsal.transcript import Transcript, TranscriptStep


_LATE_RESULT_VERBS: Final = ("Gather", "Dial", "Record", "Pause")
"""Verbs whose result is known only at their end."""


class CallScreen:
    """Shows a call; during a live call, step by step."""

    def __init__(self, synthesizer: SpeechSynthesizer | None, *, is_quiet: bool) -> None:
        self.is_quiet = is_quiet
        self._synthesizer = synthesizer
        self._uses_colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._pending_steps: list[TranscriptStep] = []
        self._pending_dials: list[TranscriptStep] = []
        self._keyboard = TerminalKeyboard()

    def show_step(self, step: TranscriptStep) -> None:
        """Show a step. Steps with a late result are shown when the next step happens."""
        self._show_pending()
        if step["verb"] in _LATE_RESULT_VERBS:
            self._pending_steps.append(step)
        else:
            self._print_step(step)
        if step["verb"] == "Say" and self._synthesizer is not None:
            self._synthesizer.speak_text(step["text"], step.get("lang", "en-US"))

    def _show_pending(self) -> None:
        """Show pending steps; repeat a Dial shown before its result was known."""
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
        """Show a finished call."""
        from callflows.rehearsal.transcript_text import describe_automatic_answer

        for line in describe_automatic_answer(transcript) if not self.is_quiet else ():
            print(line)
        for step in transcript.steps:
            if not step.get("ended"):
                self.show_step(step)

    def show_end(self, transcript: Transcript, *, shows_trace: bool) -> None:
        """Show the outcome and, with ``shows_trace``, requests and decisions."""
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
        """Print the call as a scenario; on standard error if standard output contains JSON."""
        from callflows.rehearsal.scenario_recorder import record_scenario

        scenario = record_scenario(transcript, rehearsal, zone=zone)
        print(scenario, end="", file=sys.stderr if self.is_quiet else sys.stdout)

    def create_person_calling(self) -> TerminalCaller:
        """Return a caller played by the person at this terminal."""
        from callflows.rehearsal.terminal_parties import KEYPAD_HELP, TerminalCaller

        print(f"         {KEYPAD_HELP}")
        return TerminalCaller(self._prompt_person, self.show_step)

    def create_person_called(self) -> TerminalCallees:
        """Return callees played by the person at this terminal."""
        from callflows.rehearsal.terminal_parties import TerminalCallees

        return TerminalCallees(self._prompt_person)

    async def _prompt_person(self, prompt: str) -> str:
        if prompt != "keys":
            self._show_pending()
        return await self._keyboard.read_line(f"         {prompt}> ")


class WatchedCallingParty:
    """A scripted caller whose steps are shown."""

    def __init__(self, caller: CallingParty, on_step: Callable[[TranscriptStep], None]) -> None:
        self._caller = caller
        self._on_step = on_step

    async def hear_step(self, step: TranscriptStep) -> None:
        await self._caller.hear_step(step)
        self._on_step(step)

    async def choose_action(self, window: ActionWindow) -> CallerAction:
        return await self._caller.choose_action(window)


class SpeechSynthesizer:
    """Speech by espeak-ng."""

    def __init__(self, program: str) -> None:
        self._program = program

    @classmethod
    def find_installed(cls, option: str = "--say") -> Self:
        """Return the installed synthesizer; if missing, print how to install espeak-ng and exit with code 2.

        ``option`` is the option of the command that needs it.
        """
        program = shutil.which("espeak-ng")
        if program is None:
            exit_with_notice(f"callflows: {option} needs espeak-ng: apt-get install espeak-ng, brew install espeak-ng", 2)
        return cls(program)

    def speak_text(self, text: str, lang: str, file: Path | None = None) -> bool:
        """Speak a text and wait for the end, or write a WAV file; return whether it was possible.

        A language unknown to espeak-ng is spoken as English.
        """
        voices = (lang.lower(), lang.partition("-")[0].lower(), "en")
        return any(self._speak_as(text, voice, file) for voice in voices if voice)

    def _speak_as(self, text: str, voice: str, file: Path | None) -> bool:
        target = [] if file is None else ["-w", file]
        command: list[Any] = [self._program, "-v", voice, *target, "--stdin"]
        process = subprocess.run(command, input=text.encode(), capture_output=True, check=False)  # noqa: S603 - espeak-ng
        return process.returncode == 0


_MAX_READ_BYTES: Final = 4096
"""Limit of one read; a terminal returns one line."""


class TerminalKeyboard:
    """Reads lines from the terminal. A waiting read can be cancelled, unlike a read in a thread."""

    def __init__(self) -> None:
        self._buffer = b""

    async def read_line(self, prompt: str) -> str:
        """Return the next line without its end. Raises EOFError at the end of input."""
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
    """Return the next input, empty at the end."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(terminal, ready.set)
    try:
        await ready.wait()
        return os.read(terminal, _MAX_READ_BYTES)
    except OSError:  # the terminal was closed
        return b""
    finally:
        loop.remove_reader(terminal)
