"""Files that several processes change: one after the other, and each change whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def replace_file_text(file: Path, text: str) -> None:
    """Give a file this text; a reader finds the old one or the new one, also after a power cut."""
    mode = file.stat().st_mode & 0o777 if file.exists() else 0o644
    handle, made = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fchmod(out.fileno(), mode)
            os.fsync(out.fileno())
        Path(made).replace(file)
    except BaseException:
        Path(made).unlink(missing_ok=True)
        raise
    _sync_folder(file.parent)


def _sync_folder(folder: Path) -> None:
    """Let the new name be on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def lock_file(file: Path) -> Iterator[None]:
    """While this holds, whoever else asks for it waits. The lock is a file beside it, which whoever has it takes away."""
    beside = file.with_name(f".{file.name}.lock")
    while True:
        with beside.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if _is_same_file(lock.fileno(), beside):
                try:
                    yield
                finally:
                    beside.unlink(missing_ok=True)
                return


def _is_same_file(handle: int, file: Path) -> bool:
    """Whether an open file is still the one of that name: whoever had the lock before has taken it away."""
    try:
        return os.path.samestat(os.fstat(handle), file.stat())
    except FileNotFoundError:
        return False
