"""Versions of a flow in the terminal: who made each live, what has changed, and back to one."""

from __future__ import annotations

import json

import pytest
from command_runner import run_command

from callflows.flows.authoring import flow_drafts
from callflows.flows.authoring.flow_drafts import check_draft
from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.source.included_files import join_stored_source
from callflows.flows.tickets import TicketSigner
from callflows.journal.call_story import format_moment
from callflows.journal.flow_history import describe_flow_versions
from callflows.journal.journal_rows import build_journal_entries
from callflows.journal.sql_store import SqlStore
from callflows.telephony.events import LiveFlowVersion

OLD = "numbers: +12015550123\nnodes:\n  start:\n    - say: Hello.\n"
NEW = OLD.replace("Hello.", "Welcome.")


@pytest.fixture(autouse=True)
def journal(tmp_path, monkeypatch):
    """A journal with an old version of the flow and the one of the file."""
    monkeypatch.setenv("CALLFLOWS_DATABASE_URL", f"sqlite:///{tmp_path}/journal.db")
    monkeypatch.setenv("CALLFLOWS_FLOWS", str(tmp_path))
    monkeypatch.setenv("CALLFLOWS_DATA", str(tmp_path))
    (tmp_path / "acme.yaml").write_text(NEW, encoding="utf-8")
    store = SqlStore(f"sqlite:///{tmp_path}/journal.db")
    store.open()
    for at, text in ((1.0, OLD), (2.0, NEW)):
        flow = check_draft(tmp_path, CompilerOptions(TicketSigner([b"key"]), "Sorry."), "acme", text).flow
        live = LiveFlowVersion("acme", flow.version, "acme.yaml", text, at, at + 1)
        store.write_entries(build_journal_entries(live))
    store.close()


def list_versions():
    return json.loads(run_command("versions", "acme", "--format", "json").out)


def test_a_version_is_listed_compared_and_comes_back_with_an_entry_in_the_audit_log(tmp_path):
    new, old = list_versions()
    assert (new["is_live"], old["is_live"]) == (True, False)
    changes = run_command("versions", "acme", old["version"][:6]).out
    assert "-    - say: Hello.\n+    - say: Welcome.\n" in changes
    assert run_command("versions", "acme", old["version"], "--source").out == OLD
    back = run_command("rollback", "acme", old["version"], "--yes")
    assert (back.code, "+    - say: Hello." in back.err) == (0, True)
    assert (tmp_path / "acme.yaml").read_text("utf-8") == OLD
    new, old = list_versions()
    assert (old["is_live"], old["action"], bool(old["who"])) == (True, "roll-back", True)
    assert "has the text" in run_command("rollback", "acme", old["version"], "--yes").err


def test_a_read_only_folder_gets_a_patch_and_an_unknown_version_is_named(tmp_path, monkeypatch):
    _, old = list_versions()
    assert run_command("rollback", "acme", "zzz", "--yes").code == 1
    monkeypatch.setattr(flow_drafts.os, "access", lambda *_arguments, **_options: False)
    refused = run_command("rollback", "acme", old["version"], "--yes")
    assert (refused.code, "+    - say: Hello." in refused.out) == (1, True)
    assert (tmp_path / "acme.yaml").read_text("utf-8") == NEW


def test_a_version_whose_number_another_flow_has_today_does_not_come_back(tmp_path):
    _, old = list_versions()
    moved = NEW.replace("50123", "50124")
    (tmp_path / "acme.yaml").write_text(moved, encoding="utf-8")
    (tmp_path / "night.yaml").write_text(NEW, encoding="utf-8")
    refused = run_command("rollback", "acme", old["version"], "--yes")
    assert (refused.code, "+12015550123 is claimed already, at" in refused.err) == (1, True)
    assert (tmp_path / "acme.yaml").read_text("utf-8") == moved


def test_a_version_with_a_shared_file_comes_back_as_the_text_of_its_own_file(tmp_path):
    (tmp_path / "common").mkdir()
    (tmp_path / "common" / "more.yaml").write_text("nodes:\n  more: [say: More.]\n", encoding="utf-8")
    text = "include: common/more.yaml\nnumbers: +12015550123\nnodes:\n  start:\n    - say: Before.\n    - goto: more\n"
    flow = check_draft(tmp_path, CompilerOptions(TicketSigner([b"key"]), "Sorry."), "acme", text).flow
    stored = join_stored_source(flow.source, flow.included_files).decode()
    live = LiveFlowVersion("acme", flow.version, "acme.yaml", stored, 3.0, 4.0)
    store = SqlStore(f"sqlite:///{tmp_path}/journal.db")
    store.open()
    store.write_entries(build_journal_entries(live))
    store.close()
    shown = run_command("versions", "acme", flow.version, "--source").out
    assert shown == f"{text}--- # included: common/more.yaml\nnodes:\n  more: [say: More.]\n"
    assert run_command("rollback", "acme", flow.version, "--yes").code == 0
    assert (tmp_path / "acme.yaml").read_text("utf-8") == text
    assert [row["version"] for row in list_versions() if row["is_live"]] == [flow.version]


def test_a_draft_is_checked_beside_the_files_that_it_needs_and_at_its_place(tmp_path):
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "spam.csv").write_text("+12015550177,,\n", encoding="utf-8")
    (tmp_path / "away").mkdir()
    draft = tmp_path / "away" / "acme.yaml"
    listed = NEW.replace("nodes:", "lists: {spam: lists/spam.csv}\nnodes:").replace(
        "- say", "- {when: caller in lists.spam, hangup: {tag: spam}}\n    - say"
    )
    draft.write_text(listed, encoding="utf-8")
    assert run_command("check", "--draft", str(draft)).out == ""
    draft.write_text(f"{listed}    - goto: meun\n", encoding="utf-8")
    wrong = run_command("check", "--draft", str(draft))
    assert (wrong.code, wrong.out.startswith(f"{tmp_path}/acme.yaml:7:13: error: no node is named 'meun'")) == (1, True)
    assert (tmp_path / "acme.yaml").read_text("utf-8") == NEW


def test_a_version_was_live_until_the_change_that_replaced_it_though_it_was_last_seen_before():
    seen = [
        {"version": name, "file": "desk.yaml", "since": since, "until": 120.0} for name, since in (("b", 60.0), ("a", 0.0))
    ]
    change = {"before": "a", "after": "b", "at": 150.0, "who": "ann", "action": "go-live"}
    newer, older = describe_flow_versions(seen, [change], "b")
    assert older["until"] == format_moment(150.0)
    assert newer["until"] == format_moment(120.0)
    assert newer["who"] == "ann"
