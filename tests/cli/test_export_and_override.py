"""``callflows export`` and ``callflows override``."""

from __future__ import annotations

import pytest
from command_runner import run_command

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
