"""Tests use the flow files that are shipped, not the files that a user adds to ``callflows/``."""

from __future__ import annotations

import shutil

import pytest

from shipped_flows import REPOSITORY_ROOT, SHIPPED_FLOW_FILES, copy_shipped_flows
from waiting import run_process


def test_the_list_of_shipped_flow_files_equals_the_files_that_git_tracks():
    git = shutil.which("git")
    if git is None or not (REPOSITORY_ROOT / ".git").exists():
        pytest.skip("this is no git checkout")
    command = [git, "ls-files", "--", "callflows"]
    listing = run_process(command, cwd=REPOSITORY_ROOT)
    if listing.returncode != 0:
        pytest.skip(f"git cannot list the files: {listing.stderr}")
    assert sorted(listing.stdout.split()) == sorted(SHIPPED_FLOW_FILES)


def test_a_copy_of_the_shipped_flows_has_these_files_only(tmp_path):
    folder = copy_shipped_flows(tmp_path)
    copied = [file.relative_to(tmp_path).as_posix() for file in folder.rglob("*") if file.is_file()]
    assert sorted(copied) == sorted(SHIPPED_FLOW_FILES)
