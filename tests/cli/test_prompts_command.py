"""``callflows prompts``: the prompts of flows with their recordings, a script, and recordings by espeak-ng."""

from __future__ import annotations

import json
import shutil
import wave
from pathlib import Path

import pytest
from command_runner import run_command

from sound_makers import make_wav, put_sound

FLOW = """\
numbers: +12015550123
nodes:
  start:
    - menu:
        prompt:
          - [play: {sound: welcome.wav, text: Welcome to Acme.}, {say: {text: Hola., lang: es-US}}]
          - For sales press 1.
        no_input: [play: {sound: gone.wav, text: I heard nothing.}]
        keys: {1: sales}
        otherwise: sales
  sales:
    - say: Hello {{ caller.number }}.
    - play: https://media.example.com/a.mp3
    - voicemail: {greeting: Leave a message.}
fallback:
  - say: Please call again.
"""
NEEDS_ESPEAK = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs espeak-ng")


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    put_sound(tmp_path / "callflows", "welcome.wav", make_wav(2))
    (tmp_path / "callflows" / "acme.yaml").write_text(FLOW)


def test_every_prompt_is_listed_with_its_recording_or_as_spoken():
    done = run_command("prompts", "acme")
    rows = [line.split("  ") for line in done.out.splitlines()]
    assert (done.code, done.err) == (0, "")
    assert [[cell.strip() for cell in row if cell.strip()] for row in rows] == [
        ["FLOW", "LINE", "WHERE", "LANG", "RECORDING", "TEXT"],
        ["acme", "6", "start: menu prompt 1 1", "en-US", "welcome.wav (2.0 s)", "Welcome to Acme."],
        ["acme", "6", "start: menu prompt 1 2", "es-US", "spoken", "Hola."],
        ["acme", "7", "start: menu prompt 2", "en-US", "spoken", "For sales press 1."],
        ["acme", "8", "start: menu no_input 1", "en-US", "missing: gone.wav", "I heard nothing."],
        ["acme", "12", "sales: say", "en-US", "spoken", "Hello {{ caller.number }}."],
        ["acme", "13", "sales: play", "en-US", "https://media.example.com/a.mp3"],
        ["acme", "14", "sales: voicemail greeting", "en-US", "spoken", "Leave a message."],
        ["acme", "16", "fallback: say", "en-US", "spoken", "Please call again."],
    ]
    (first, *_) = json.loads(run_command("prompts", "--format", "json").out)
    assert (first["state"], first["sound"], first["seconds"]) == ("recorded", "welcome.wav", 2.0)


def test_the_script_has_each_text_under_the_name_of_its_file():
    script = run_command("prompts", "acme", "--script").out
    assert "## welcome.wav\n\nen-US, recorded. acme, start: menu prompt 1 1\n\n> Welcome to Acme.\n" in script
    assert "## acme/start-1-menu-prompt-2.wav\n" in script
    assert "caller.number" not in script
    assert "media.example.com" not in script


def test_a_text_that_cannot_be_listed_is_told(tmp_path):
    (tmp_path / "callflows" / "one.py").write_text("raise SystemExit")
    done = run_command("prompts")
    assert "one.py: a program is not listed" in done.err
    (tmp_path / "callflows" / "bad.yaml").write_text("nodes: {start: [sya: Hello.]}\n")
    done = run_command("prompts")
    assert (done.code, "unknown-step" in done.err, "acme" in done.out) == (1, True, True)


@NEEDS_ESPEAK
def test_missing_recordings_are_spoken_into_files_and_existing_ones_stay():
    done = run_command("prompts", "acme", "--speak", "callflows/sounds")
    assert done.code == 0
    written = [line.removeprefix("written: ") for line in done.out.splitlines() if line.startswith("written: ")]
    assert "callflows/sounds/gone.wav" in written
    assert "kept: callflows/sounds/welcome.wav" in done.out
    for file in written:
        with wave.open(file) as sound:
            assert sound.getnframes() / sound.getframerate() > 0.2, file
    assert Path("callflows/sounds/welcome.wav").read_bytes() == make_wav(2)
    assert run_command("check", "--strict").code == 0


def test_speaking_needs_espeak(monkeypatch):
    monkeypatch.setenv("PATH", "")
    done = run_command("prompts", "acme", "--speak", "out")
    assert done.code == 2
    assert "--speak needs espeak-ng: apt-get install espeak-ng" in done.err
    assert not Path("out").exists()


@pytest.mark.parametrize("leave", [", leave: {1: bye}", ""])
def test_what_callers_hear_between_rounds_is_listed_once(tmp_path, leave):
    (tmp_path / "callflows" / "acme.yaml").write_text(f"""\
numbers: +12015550123
nodes:
  start:
    - dial: {{to: +12015550188, rounds: 4, between: [say: Please hold.]{leave}, error: [say: Nobody is free.]}}
  bye:
    - say: Goodbye.
""")
    listed = json.loads(run_command("prompts", "acme", "--format", "json").out)
    assert [(prompt["where"], prompt["text"]) for prompt in listed if prompt["where"].startswith("start")] == [
        ("start: dial between 1", "Please hold."),
        ("start: dial error 1", "Nobody is free."),
    ]
