"""``callflows replay``: past calls through edited flows, in the terminal."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

import pytest
from command_runner import run_command

sys.path.insert(0, str(Path(__file__).parents[1] / "testing"))
from rehearsed_journal import REPLAY_FLOW, ReplayHarness, build_call


@pytest.fixture
def journal(tmp_path):
    harness = ReplayHarness(tmp_path)
    with contextlib.closing(harness.store):
        yield harness


def test_the_command_tells_the_groups_and_one_call_side_by_side(journal, tmp_path, monkeypatch):
    monkeypatch.setenv("CALLFLOWS_DATABASE_URL", f"sqlite:///{journal.store.sqlite_file}")
    monkeypatch.setenv("CALLFLOWS_FLOWS", str(journal.live_folder))
    _, id_ = journal.record([build_call("1"), build_call("2", "no-answer")])
    unchanged = run_command("replay", "--since", "2026-11-01")
    assert unchanged.code == 0, unchanged.out
    draft = tmp_path / "acme.yaml"
    draft.write_text(REPLAY_FLOW.replace("{1: sales, 2: support", "{1: sales, 2: closed"), encoding="utf-8")
    listed = run_command("replay", "--since", "2026-11-01", "--draft", str(draft))
    line = REPLAY_FLOW.splitlines().index("  menu:") + 1
    assert listed.code == 1
    assert listed.out.splitlines()[0].startswith("2 call(s) replayed: 1 would go elsewhere, 1 the same way")
    assert f"1 call(s): key 2 in menu leads elsewhere ({journal.live_folder}/acme.yaml:{line})" in listed.out
    assert "  now  acme: start -> menu -> (key 2) -> >> closed -> voicemail -> records a message" in listed.out
    told = run_command("replay", id_[:12], "--draft", str(draft), "--format", "json")
    assert told.code == 1, told.err
    one = json.loads(told.out)
    assert (one["state"], one["was_next"], one["now_next"], one["common"]) == ("elsewhere", "support", "closed", 4)
    draft.write_text(REPLAY_FLOW.replace("2: support", "2: nowhere"), encoding="utf-8")
    wrong = run_command("replay", "--draft", str(draft))
    assert (wrong.code, "no node is named 'nowhere'" in wrong.err) == (2, True)
