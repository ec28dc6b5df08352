"""A command that is stopped, lacks a library, or writes to a terminal of ASCII ends with a sentence, never a traceback."""

from __future__ import annotations

import io
import json
import sys

import pytest
from command_runner import run_command, run_command_process

from callflows.cli import root_commands
from callflows.cli.cli_options import GuardedStream, spell_in_encoding
from waiting import run_process


def test_ctrl_c_at_any_time_is_a_sentence(monkeypatch):
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(root_commands, "run_command_line", interrupt)
    assert run_command("serve") == (130, "", "callflows: stopped\n")


@pytest.mark.parametrize("library", ["typer", "uvicorn.protocols"])
def test_a_missing_library_is_named_in_a_sentence(monkeypatch, library):
    def miss_library() -> None:
        raise ModuleNotFoundError(f"No module named {library!r}", name=library)

    monkeypatch.setattr(root_commands, "run_command_line", miss_library)
    done = run_command("check")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"callflows: the library {library.partition('.')[0]} is missing: install")


def test_a_missing_module_of_ours_is_no_fault_of_the_installation(monkeypatch):
    def miss_module() -> None:
        raise ModuleNotFoundError("No module named 'callflows.gone'", name="callflows.gone")

    monkeypatch.setattr(root_commands, "run_command_line", miss_module)
    with pytest.raises(ModuleNotFoundError):
        run_command("check")


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("plain", "plain"),
        ("“Welcome”\u2026 5 \xb7 \u2018x\u2019 \u2192", "\"Welcome\"... 5 - 'x' ->"),
        ("Zoë 日本", "Zo? ??"),
        ("<svg>\xb7 日</svg>", "<svg>&#183; &#26085;</svg>"),
    ],
)
def test_a_character_that_a_terminal_lacks_is_spelled_otherwise(text, spelled):
    assert spell_in_encoding(text, "ascii") == spelled
    assert spell_in_encoding(text, "utf-8") == text


@pytest.mark.parametrize("value", ["Zoë \U0001f600 “x”", {"a": "é"}, ["日"]])
def test_json_on_a_terminal_of_ascii_is_the_same_data(value):
    data = {"value": value}
    written = io.BytesIO()
    stream = GuardedStream(io.TextIOWrapper(written, encoding="ascii", write_through=True))
    print(json.dumps(data, ensure_ascii=False), file=stream)  # type: ignore[call-overload]
    assert json.loads(written.getvalue()) == data


def test_a_picture_of_a_flow_can_be_written_to_a_terminal_of_ascii(tmp_path):
    (tmp_path / "callflows").mkdir()
    (tmp_path / "callflows" / "acme.yaml").write_text(
        "numbers: rest\nnodes: {start: [say: Welcome to Zoë\u2019s “bar”.]}\n"
    )
    for arguments in (("show", "acme"), ("show", "acme", "--format", "svg"), ("call", "+12015550123")):
        done = run_command_process(*arguments, folder=tmp_path, PYTHONIOENCODING="ascii", LANG="C")
        assert (done.code, "Traceback" in done.err) == (0, False), done


def test_a_command_that_windows_cannot_run_says_so_in_a_sentence(monkeypatch):
    def miss_module() -> None:
        raise ModuleNotFoundError("No module named 'fcntl'", name="fcntl")

    monkeypatch.setattr(root_commands, "run_command_line", miss_module)
    sentence = "callflows: this command needs Linux or macOS: on Windows, run it in WSL or in the container\n"
    assert run_command("serve") == (2, "", sentence)


@pytest.mark.parametrize(
    ("redirection", "code", "message"),
    [
        (">/dev/full", 2, "callflows: the output cannot be written: No space left on device"),
        (">&-", 0, ""),
        ("2>&-", 0, ""),
    ],
)
@pytest.mark.parametrize("arguments", ["words", "numbers --flows ."])
def test_an_output_that_takes_nothing_ends_a_command_with_a_sentence(tmp_path, redirection, code, message, arguments):
    (tmp_path / "acme.yaml").write_text("numbers: +12015550123\nnodes: {start: [say: Hello.]}\n")
    command = f"{sys.executable} -m callflows {arguments} {redirection}"
    done = run_process(["/bin/sh", "-c", command], cwd=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    assert done.stderr.startswith(message)
