"""A lock of a file is waited for with an end, and what is new is never seen without its lock."""

from __future__ import annotations

import fcntl
import os

import pytest

from callflows.atomic_files import create_locked_file, lock_file, wait_for_lock


def test_another_process_sees_a_new_file_only_when_it_is_locked(tmp_path, monkeypatch):
    seen_before_lock = []
    lock = fcntl.flock

    def look_and_lock(file, operation):
        seen_before_lock.append([path.name for path in tmp_path.glob("[!.]*")])
        lock(file, operation)

    monkeypatch.setattr("fcntl.flock", look_and_lock)
    descriptor = create_locked_file(tmp_path / "new")
    monkeypatch.undo()
    assert seen_before_lock == [[]]
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600
    with (
        (tmp_path / "new").open("rb") as other,
        pytest.raises(BlockingIOError, match="has held it for 0 s"),
    ):
        wait_for_lock(other, tmp_path / "new", 0)
    os.close(descriptor)


def test_a_new_file_that_cannot_be_made_leaves_nothing(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        create_locked_file(tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_lock_that_is_held_is_waited_for_no_longer_than_said(tmp_path, monkeypatch):
    monkeypatch.setattr("callflows.atomic_files.MAX_LOCK_SECONDS", 0.05)
    with lock_file(tmp_path / "one"), pytest.raises(BlockingIOError) as refused, lock_file(tmp_path / "one"):
        pass
    assert refused.value.filename == str(tmp_path / "one")
    assert "another process has held it for 0.05 s; find that process, or try again later" in str(refused.value)
