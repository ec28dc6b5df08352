"""``callflows export`` and ``callflows override``."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from command_runner import run_command

from callflows.atomic_files import lock_file
from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.loader.flow_library import FlowLibrary
from callflows.flows.tickets import TicketSigner

if TYPE_CHECKING:
    from collections.abc import Iterator

HOURS = """
numbers: +12015550123
timezone: America/New_York
hours: {office: {daily: 00:00-24:00}}
nodes:
  start:
    - when: hours.office.open
      goto: open
    - say: Closed.
  open: [say: Open.]
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "desk.yaml").write_text(HOURS, encoding="utf-8")
    (tmp_path / "plain.yaml").write_text("numbers: +12015550124\nnodes:\n  start: [say: Hello.]\n", encoding="utf-8")
    return tmp_path


def test_a_flow_that_is_the_same_for_every_call_is_exported(folder):
    done = run_command("export", "plain", "--flows", str(folder))
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith("<Response><Answer/><Say>Hello.</Say><Hangup/></Response>\n")


def test_a_flow_that_is_not_is_refused_with_every_reason(folder):
    done = run_command("export", "desk", "--flows", str(folder))
    assert (done.code, done.out) == (1, "")
    assert "desk.yaml:7:13: error: the condition asks for hours.office" in done.err


def test_an_override_is_written_said_and_taken_back(folder):
    done = run_command("override", "desk", "office", "closed", "--until", "2099-12-24 18:00", "--flows", str(folder))
    assert (done.code, done.out) == (0, "desk: office closed until 2099-12-24 18:00-05:00\n")
    assert "office" in (folder / "overrides.yaml").read_text()
    assert run_command("check", str(folder)).code == 0
    done = run_command("override", "desk", "office", "normal", "--flows", str(folder))
    assert (done.code, done.out) == (0, "1 override(s) removed\n")


def test_nothing_is_left_of_overrides_that_are_taken_back(folder):
    before = sorted(path.name for path in folder.iterdir())
    until = ("--until", "2099-12-24 18:00", "--flows", str(folder))
    for _ in range(2):
        run_command("override", "desk", "office", "closed", *until)
        assert sorted(path.name for path in folder.iterdir()) == sorted([*before, "overrides.yaml"])
        run_command("override", "desk", "office", "normal", "--flows", str(folder))
        assert sorted(path.name for path in folder.iterdir()) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("dask", "office", "closed", "--until", "2h"), "did you mean 'desk'?"),
        (("desk", "ofice", "closed", "--until", "2h"), "did you mean 'office'?"),
        (("plain", "office", "closed", "--until", "2h"), "it has none"),
        (("desk", "office", "closed"), "the end is missing"),
        (("desk", "office", "closed", "--until", "soon"), "is no time to end at"),
    ],
)
def test_an_override_that_cannot_be_is_refused_with_the_fix(folder, words, said):
    done = run_command("override", *words, "--flows", str(folder))
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert not (folder / "overrides.yaml").exists()


@contextlib.contextmanager
def without_write_access(folder: Path) -> Iterator[None]:
    """This user cannot write to the folder, as in the container; root, who may write everywhere, becomes nobody."""
    folder.chmod(0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)
        folder.chmod(0o755)


@pytest.fixture
def installation(monkeypatch):
    """A folder of flows, and the data folder, which everybody can write to."""
    with tempfile.TemporaryDirectory() as name:
        flows, data = Path(name) / "flows", Path(name) / "data"
        Path(name).chmod(0o755)
        flows.mkdir()
        data.mkdir()
        data.chmod(0o777)
        (flows / "desk.yaml").write_text(HOURS, encoding="utf-8")
        monkeypatch.setenv("CALLFLOWS_FLOWS", str(flows))
        monkeypatch.setenv("CALLFLOWS_DATA", str(data))
        run_command("override", "desk", "office", "open", "--until", "2h")  # loads what it needs
        run_command("override", "desk", "office", "normal")
        yield flows, data


def test_where_the_flows_are_read_only_an_override_is_kept_in_the_data_folder(installation):
    flows, data = installation
    with without_write_access(flows):
        done = run_command("override", "desk", "office", "closed", "--until", "2099-12-24 18:00")
    assert (done.code, done.err) == (0, "")
    assert [path.name for path in flows.iterdir()] == ["desk.yaml"]
    assert [path.name for path in data.iterdir()] == ["overrides.yaml"]
    assert "Closed." in run_command("call", "+12015550123").out
    assert run_command("check").code == 0
    with without_write_access(flows):
        done = run_command("override", "desk", "office", "normal")
    assert (done.code, done.out) == (0, "1 override(s) removed\n")
    assert "Open." in run_command("call", "+12015550123").out


def test_an_override_beside_read_only_flows_is_not_silently_left(installation):
    flows, _ = installation
    (flows / "overrides.yaml").write_text("- {flow: desk, hours: office, state: closed, until: 2099-12-24 18:00}\n")
    with without_write_access(flows):
        done = run_command("override", "desk", "office", "normal")
    assert done.code == 2
    assert "is read-only and has an override of these hours" in done.err


def test_if_nothing_can_be_written_the_override_names_the_file_and_the_fix(installation):
    flows, data = installation
    data.chmod(0o755)
    with without_write_access(flows):
        done = run_command("override", "desk", "office", "closed", "--until", "2h")
    said = f"callflows: {data}/overrides.yaml cannot be written: Permission denied (make CALLFLOWS_DATA a folder"
    assert (done.code, done.err.startswith(said)) == (2, True), done.err


@pytest.mark.parametrize(
    "words", [("new", "other", "--template", "clinic"), ("import", "DOCUMENT", "-o", "FLOWS/imported.yaml")]
)
def test_a_command_that_cannot_write_names_the_file_and_no_temporary_one(installation, words):
    flows, _ = installation
    document = flows.parent / "document.xml"
    document.write_text("<Response><Say>Hello.</Say></Response>", encoding="utf-8")
    written = {"DOCUMENT": str(document)}
    with without_write_access(flows):
        done = run_command(*(written.get(word, word.replace("FLOWS", str(flows))) for word in words))
    file = flows / ("imported.yaml" if words[0] == "import" else ".callflows.schema.json")
    assert (done.code, done.err) == (2, f"callflows: {file}: Permission denied\n")


@pytest.mark.parametrize(
    "words",
    [
        ("user", "add", "ann", "--role", "author", "--password-stdin"),
        ("token", "create", "dashboard", "--scope", "read"),
        ("prompts", "desk", "--speak", "FLOWS/sounds"),
        ("call", "+12015550123", "--format", "json", "--at", "2026-11-23 10:00"),
    ],
)
def test_a_command_without_a_folder_to_write_to_ends_with_a_sentence(installation, monkeypatch, words):
    flows, data = installation
    data.chmod(0o755)
    monkeypatch.setattr("sys.stdin", io.StringIO("a long password of ann\n"))
    with without_write_access(flows):
        done = run_command(*(word.replace("FLOWS", str(flows)) for word in words))
    assert (done.code, done.err.startswith("callflows: ")) in ((2, True), (0, False)), done
    assert (done.code == 0) == (words[0] == "call"), "a rehearsal writes nothing"


def test_an_override_does_not_wait_for_ever_for_a_process_that_was_stopped_while_it_held_the_file(folder, monkeypatch):
    monkeypatch.setattr("callflows.atomic_files.MAX_LOCK_SECONDS", 0.05)
    with lock_file(folder / "overrides.yaml"):
        done = run_command("override", "desk", "office", "closed", "--until", "2h", "--flows", str(folder))
    assert (done.code, done.out) == (2, "")
    assert f"{folder}/overrides.yaml cannot be written: another process has held it" in done.err
    assert run_command("override", "desk", "office", "closed", "--until", "2h", "--flows", str(folder)).code == 0


def test_a_server_takes_an_override_of_the_data_folder_at_once(installation):
    flows, data = installation
    options = CompilerOptions(TicketSigner([b"x"]), "Sorry.", data_folder=data)
    library = FlowLibrary(flows, options, settle_seconds=0)
    overrides = options.overrides
    assert overrides.get_overrides("desk", "office") == ()
    with without_write_access(flows):
        run_command("override", "desk", "office", "closed", "--until", "2099-12-24 18:00")
    library.refresh()
    assert [one.state for one in overrides.get_overrides("desk", "office")] == ["closed"]
    with without_write_access(flows):
        run_command("override", "desk", "office", "normal")
    library.refresh()
    assert overrides.get_overrides("desk", "office") == ()


def test_overrides_of_both_places_hold_and_the_data_folder_wins(folder, monkeypatch):
    data = folder / "kept"
    data.mkdir()
    monkeypatch.setenv("CALLFLOWS_DATA", str(data))
    (folder / "overrides.yaml").write_text("- {flow: desk, hours: office, state: closed, until: 2099-12-24 18:00}\n")
    assert "Closed." in run_command("call", "+12015550123", "--flows", str(folder)).out
    done = run_command("override", "desk", "office", "open", "--until", "2h", "--flows", str(folder))
    assert done.code == 0
    assert not (data / "overrides.yaml").exists()
    (data / "overrides.yaml").write_text("- {flow: desk, hours: office, state: closed, until: 2099-12-24 18:00-05:00}\n")
    assert "Closed." in run_command("call", "+12015550123", "--flows", str(folder)).out
    run_command("override", "desk", "office", "open", "--until", "2h", "--flows", str(folder))
    assert "Open." in run_command("call", "+12015550123", "--flows", str(folder)).out
    (data / "overrides.yaml").write_text("- {flow: desk, hours: ofice, state: closed, until: 2099-12-24 18:00-05:00}\n")
    assert "did you mean 'office'?" in run_command("check", str(folder)).out
    (data / "overrides.yaml").write_text("- {flow: other, hours: x, state: closed, until: 2099-12-24 18:00-05:00}\n")
    assert run_command("check", str(folder)).code == 0
