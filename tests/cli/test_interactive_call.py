"""``callflows call`` at a terminal: a person types keys, hangs up, answers as the callee."""

from __future__ import annotations

import os
import pty
import select
import signal
from typing import TYPE_CHECKING

import pytest

from command_process import CommandProcess, take_terminal
from waiting import kill_process, wait_for_exit

if TYPE_CHECKING:
    from pathlib import Path

FLOW = """
numbers: [+12015550123]
nodes:
  start:
    - menu:
        prompt: Press 1 or 2.
        keys: {1: sales, 2: message, 3: third}
        no_input: No key.
        no_match: Wrong key.
        attempts: 2
        otherwise: none
  sales: [dial: {to: +12015550188, no_answer: message}, say: That was it.]
  message: [voicemail: {greeting: Speak., thanks: Thanks.}]
  third: [say: Three.]
  none: [say: Nothing.]
"""
LONGEST = 60
"""Seconds that anything is waited for; nothing takes that long where it works."""


class Phone:
    """The command at a terminal of its own."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self._ours, theirs = pty.openpty()
        self.process = CommandProcess(
            ["call", "+12015550123", "--flows", str(folder), *arguments],
            cwd=folder,
            env={"PATH": "/usr/bin:/bin", "TERM": "xterm", **environment},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            prepare=take_terminal,
        )
        os.close(theirs)
        self.shown = ""

    def until(self, text: str) -> str:
        """What is shown until a text is, this included; what came before is forgotten."""
        while text not in self.shown:
            assert self._read(), f"{text!r} is not in {self.shown!r}"
        before, found, self.shown = self.shown.partition(text)
        return before + found

    def _read(self) -> bool:
        ready, _, _ = select.select([self._ours], [], [], LONGEST)
        assert ready, f"nothing more came behind {self.shown!r}"
        try:
            read = os.read(self._ours, 4096).decode()
        except OSError:
            return False
        self.shown += read.replace("\r\n", "\n")
        return bool(read)

    def types(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def end(self) -> tuple[int, str]:
        """The exit code, and what was shown last."""
        while self._read():
            pass
        return wait_for_exit(self.process, LONGEST), self.shown

    def close(self) -> None:
        if self.process.poll() is None:
            kill_process(self.process)
        os.close(self._ours)


@pytest.fixture
def ring(tmp_path):
    (tmp_path / "acme.yaml").write_text(FLOW)
    phones: list[Phone] = []

    def ringing(*arguments: str, **environment: str) -> Phone:
        phones.append(Phone(tmp_path, *arguments, **environment))
        return phones[-1]

    yield ringing
    for phone in phones:
        phone.close()


def test_prompts_appear_as_they_are_spoken_and_keys_are_typed(ring):
    phone = ring()
    assert "keys and Enter; only Enter: press nothing; h: hang up" in phone.until("\n")
    assert "“Press 1 or 2.”" in phone.until("keys> ")
    phone.types("9\n")
    assert "“Wrong key.”" in phone.until("keys> ")
    phone.types(" 3 \n")
    code, shown = phone.end()
    assert code == 0
    assert "“Three.”" in shown
    assert shown.endswith("hung up\n")


def test_enter_alone_presses_nothing(ring):
    phone = ring()
    for _ in range(2):
        phone.until("keys> ")
        phone.types("\n")
        phone.until("“No key.”")
    assert "“Nothing.”" in phone.end()[1]


def test_what_is_no_key_is_asked_again(ring):
    phone = ring()
    phone.until("keys> ")
    phone.types("sales\n")
    assert "keys and Enter" in phone.until("keys> ")
    phone.types("3\n")
    assert "“Three.”" in phone.end()[1]


@pytest.mark.parametrize("typed", ["h\n", "hang up\n", "Q\n", "\x04"])
def test_h_and_the_end_of_the_input_hang_up(typed, ring):
    phone = ring()
    phone.until("keys> ")
    phone.types(typed)
    code, shown = phone.end()
    assert code == 0
    assert "the caller hung up during" in shown.splitlines()[-1]


def test_lines_that_are_typed_ahead_are_all_read(ring):
    phone = ring()
    phone.until("keys> ")
    phone.types("9\n3\n")
    assert "“Three.”" in phone.end()[1]


@pytest.mark.parametrize(
    ("typed", "became", "then"),
    [
        ("a\n", "answered", "“That was it.”"),
        ("\n", "answered", "“That was it.”"),
        ("what\nb\n", "busy", "“Speak.”"),
        ("n\n", "nobody answers", "“Speak.”"),
        ("\x04", "nobody answers", "“Speak.”"),
    ],
)
def test_the_callee_answers_is_busy_or_does_not_answer(typed, became, then, ring):
    phone = ring()
    phone.until("keys> ")
    phone.types("1\n")
    phone.until("callee: a answers, b busy, n no answer> ")
    phone.types(typed)
    phone.until("dial: press Enter to continue> ")
    phone.types("\n" * 9)
    code, shown = phone.end()
    assert code == 0
    assert f"rings +1 201 555 0188: {became}" in shown
    assert then in shown


def test_a_caller_hangs_up_in_the_conversation(ring):
    phone = ring("--callee", "answer")
    phone.until("keys> ")
    phone.types("1\n")
    phone.until("dial: press Enter to continue> ")
    phone.types("\n")
    phone.until("dial: press Enter to continue> ")
    phone.types("h\n")
    code, shown = phone.end()
    assert code == 0
    assert "the caller hung up during" in shown.splitlines()[-1]


def test_control_c_ends_it_at_once(ring):
    phone = ring()
    phone.until("keys> ")
    phone.types("\x03")
    code, shown = phone.end()
    assert code == 130
    assert "Traceback" not in shown


def test_a_terminal_that_goes_away_ends_it(ring):
    phone = ring()
    phone.until("keys> ")
    phone.process.send_signal(signal.SIGHUP)
    assert wait_for_exit(phone.process, LONGEST) == -signal.SIGHUP


def test_there_is_colour_on_a_terminal_unless_it_is_not_wanted(ring):
    phone = ring("--keys", "3")
    assert "\x1b[1m" in phone.end()[1]
    phone = ring("--keys", "3", NO_COLOR="1")
    assert "\x1b" not in phone.end()[1]


def test_with_keys_nobody_is_asked_on_a_terminal_either(ring):
    code, shown = ring("--keys", "1").end()
    assert code == 0
    assert "> " not in shown


def test_json_on_a_terminal_asks_nobody(ring):
    code, shown = ring("--format", "json").end()
    assert code == 0
    assert shown.startswith("{\n")
