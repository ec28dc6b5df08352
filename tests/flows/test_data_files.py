"""Data beside a flow takes no line down: readable rows hold, and the others are errors of the check."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from flow_harness import SIGNER, answer_node, make_turn

from callflows.flows.caller_lists import caller_list_cache
from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.loader.check_runner import check_paths
from callflows.flows.loader.flow_library import FlowLibrary
from waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = CompilerOptions(SIGNER, "sorry")
SPAM, OTHER = "+12015550123", "+12015550177"
FLOW = """
numbers: +12015550101
lists: {spam: lists/spam.csv}
nodes:
  start:
    - when: caller.number in lists.spam
      goto: blocked
    - say: Welcome.
  blocked: [say: Blocked.]
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "lists").mkdir()
    (tmp_path / "acme.yaml").write_text(FLOW)
    (tmp_path / "lists" / "spam.csv").write_text(f"{SPAM},robocalls\n")
    return tmp_path


def _heard(library: FlowLibrary, caller: str) -> str:
    flow = library.loaded_flows.book.find_answering_flow("+12015550101")
    assert flow is not None
    assert not flow.problems
    document = answer_node(flow, "start", make_turn(**{"from": caller})).decode()
    return "blocked" if "Blocked." in document else "welcome"


ROWS = {
    "a word": f"who?,x\n{SPAM},robocalls\n",
    "a wrong date": f"{OTHER},x,tomorrow\n{SPAM},robocalls\n",
    "a rounded number": f"1.2E+10,x\n{SPAM},robocalls\n",
    "too many cells": f"{OTHER},a,b,c,d\n{SPAM},robocalls\n",
    "an open quote after it": f'{SPAM},robocalls\n{OTHER},"x\n',
    "another encoding after it": f"{SPAM},robocalls\n".encode() + b"\xff\xfe\n",
}


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
def test_after_a_start_with_a_bad_row_the_good_rows_hold_and_the_line_answers(folder, rows):
    (folder / "lists" / "spam.csv").write_bytes(rows if isinstance(rows, bytes) else rows.encode())
    library = FlowLibrary(folder, OPTIONS, settle_seconds=0)
    assert _heard(library, SPAM) == "blocked"
    assert _heard(library, OTHER) == "welcome"
    assert library.loaded_flows.broken_flows == []
    (problem,) = library.loaded_flows.data_problems
    assert problem.file.endswith("spam.csv")
    assert "error" in {found.severity for found in check_paths([folder], OPTIONS)}


@pytest.mark.parametrize("fault", ["missing", "a folder", "a way out of the folder"])
def test_after_a_start_without_the_list_nobody_is_in_it_and_the_line_answers(folder, fault):
    (folder / "lists" / "spam.csv").unlink()
    if fault == "a folder":
        (folder / "lists" / "spam.csv").mkdir()
    elif fault == "a way out of the folder":
        (folder / "acme.yaml").write_text(FLOW.replace("lists/spam.csv", "../spam.csv"))
    library = FlowLibrary(folder, OPTIONS, settle_seconds=0)
    assert _heard(library, SPAM) == "welcome"
    assert len(library.loaded_flows.data_problems) == 1
    (folder / "acme.yaml").write_text(FLOW.replace("lists/spam.csv", "lists/more.csv").replace("Welcome.", "Hi."))
    library.refresh()
    flow = library.loaded_flows.book.flows["acme"]
    assert b"Hi." in answer_node(flow, "start", make_turn(**{"from": SPAM}))


def test_a_list_that_vanishes_or_breaks_while_the_line_is_live_keeps_its_last_rows(folder):
    library = FlowLibrary(folder, OPTIONS, settle_seconds=0)
    (folder / "lists" / "spam.csv").unlink()
    library.refresh()
    assert _heard(library, SPAM) == "blocked"
    assert [*library.loaded_flows.stale_flows] == ["acme"]
    (folder / "lists" / "spam.csv").write_text(f"{OTHER},robocalls\n")
    library.refresh()
    assert (_heard(library, SPAM), _heard(library, OTHER)) == ("welcome", "blocked")
    assert [*library.loaded_flows.stale_flows] == []


def test_a_bad_row_that_is_saved_while_the_line_is_live_leaves_the_good_rows_live(folder):
    library = FlowLibrary(folder, OPTIONS, settle_seconds=0)
    (folder / "lists" / "spam.csv").write_text(f"who?\n{OTHER},robocalls\n")
    library.refresh()
    assert (_heard(library, SPAM), _heard(library, OTHER)) == ("welcome", "blocked")
    assert [problem.rule for problem in library.loaded_flows.data_problems] == ["list-row"]
    assert [*library.loaded_flows.stale_flows] == []


# Big lists


@pytest.mark.parametrize("edit", ["the list", "the flow file, too", "the extensions, too"])
def test_while_a_big_list_is_read_the_earlier_version_answers_and_other_files_are_live_at_once(folder, monkeypatch, edit):
    library = FlowLibrary(folder, OPTIONS, settle_seconds=0)
    may_read, read = threading.Event(), caller_list_cache.read_caller_list
    monkeypatch.setattr(caller_list_cache, "BIG_LIST_BYTES", 10)
    monkeypatch.setattr(caller_list_cache, "read_caller_list", lambda *given: may_read.wait(30) and read(*given))
    (folder / "lists" / "spam.csv").write_text(f"{SPAM},robocalls\n{OTHER},robocalls\n")
    if edit == "the flow file, too":
        (folder / "acme.yaml").write_text(FLOW.replace("Welcome.", "Hi."))
    elif edit == "the extensions, too":
        (folder / "extensions.yaml").write_text("Dial: {callerId: text}\n")
    (folder / "next.yaml").write_text("numbers: +12015550102\nnodes: {start: [say: Next.]}\n")
    for _ in range(2):
        loaded = library.refresh()
        assert loaded.book.find_answering_flow("+12015550102") is not None
        assert (_heard(library, SPAM), _heard(library, OTHER)) == ("blocked", "welcome")
        assert [problem.rule for problem in loaded.problems] == ["list-awaited"]
        assert library.awaits_lists
    may_read.set()
    wait_until(lambda: not library.refresh().problems, "the big list")
    assert (_heard(library, SPAM), _heard(library, OTHER)) == ("blocked", "blocked")
    assert not library.awaits_lists


def test_a_big_list_is_read_before_the_first_call_is_answered(folder, monkeypatch):
    monkeypatch.setattr(caller_list_cache, "BIG_LIST_BYTES", 10)
    library = FlowLibrary(folder, OPTIONS, settle_seconds=0)
    assert _heard(library, SPAM) == "blocked"
    assert library.loaded_flows.problems == ()


def test_a_new_version_of_a_list_takes_the_place_of_the_old_one_in_memory(folder):
    library = FlowLibrary(folder, OPTIONS, settle_seconds=0)
    cached = caller_list_cache.CALLER_LIST_CACHE
    count = len(cached)
    for rows in range(3):
        (folder / "lists" / "spam.csv").write_text(f"{SPAM},robocalls\n" + f"{OTHER}{rows},x\n" * rows)
        library.refresh()
    assert len(cached) == count
