"""Files: atomic creation, replacement and locking of those that several processes change; opening of plain files only."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Final

if TYPE_CHECKING:
    from collections.abc import Iterator


MAX_LOCK_SECONDS: Final = 10.0
"""Wait for a lock whose holders have it for milliseconds."""
_LOCK_INTERVAL_SECONDS: Final = 0.01


def open_plain_file(file: Path) -> BinaryIO:
    """Open a plain file for reading. Raises OSError for a pipe or a device, of which an end may never be read."""
    if not stat.S_ISREG(file.stat().st_mode):
        raise OSError(0, "it is no file")
    return file.open("rb")


def resolve_links(path: Path) -> Path:
    """Return the absolute path without symbolic links.

    Unlike ``Path.resolve``, which raises RuntimeError before Python 3.13, a link that points to itself stays as it is:
    opening it then fails with an OSError that says why.
    """
    return Path(os.path.realpath(path))


@contextlib.contextmanager
def _name_in_errors(file: Path) -> Iterator[None]:
    """Let an error name the file that is meant, not a temporary one beside it."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(file)) from None


def replace_file_text(file: Path, text: str, new_file_mode: int = 0o644) -> None:
    """Replace the file's text atomically: readers see the old or the new text, even after a power failure.

    The file keeps its mode; ``new_file_mode`` is the mode of a file that did not exist.
    """
    with _name_in_errors(file):
        mode = file.stat().st_mode & 0o777 if file.exists() else new_file_mode
        with _write_temporary_file(file, text, mode) as temporary:
            temporary.replace(file)
    _sync_folder(file.parent)


def create_private_file(file: Path, text: str) -> None:
    """Create the file with its text, readable only by its owner, unless it exists. Of several processes one succeeds."""
    # link, not rename: a file that another process was faster to create stays
    with _name_in_errors(file), _write_temporary_file(file, text, 0o600) as temporary, contextlib.suppress(FileExistsError):
        os.link(temporary, file)
    _sync_folder(file.parent)


@contextlib.contextmanager
def _write_temporary_file(file: Path, text: str, mode: int) -> Iterator[Path]:
    """Write the text to a new file in the folder of ``file``, and delete what is left of it at the end."""
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fchmod(out.fileno(), mode)
            os.fsync(out.fileno())  # the content must be on the disk before another name makes it visible
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Flush the directory entry of the new file to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def lock_file(file: Path) -> Iterator[None]:
    """Hold an exclusive lock for ``file``; other processes wait, but not for ever: then OSError is raised.

    The lock file stands beside ``file`` and is deleted on release.
    """
    beside = file.with_name(f".{file.name}.lock")
    while True:
        with _name_in_errors(file):
            lock = beside.open("a")
        with lock:
            wait_for_lock(lock, file, MAX_LOCK_SECONDS)
            if _is_same_file(lock.fileno(), beside):
                try:
                    yield
                finally:
                    beside.unlink(missing_ok=True)
                return


def wait_for_lock(lock: IO[Any], file: Path, seconds: float) -> None:
    """Lock an open file. Raises BlockingIOError if another has the lock for so long: its holder may have been stopped."""
    end = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                reason = f"another process has held it for {seconds:g} s; find that process, or try again later"
                raise BlockingIOError(errno.EAGAIN, reason, str(file)) from None
            time.sleep(_LOCK_INTERVAL_SECONDS)
        else:
            return


def create_locked_file(file: Path) -> int:
    """Create a file with a lock, readable only by its owner, and return its descriptor, which appends.

    Other processes see the file only when it is locked, so that nobody waits for the lock.
    """
    temporary = file.with_name(f".{file.name}.new")
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        temporary.rename(file)
    except OSError:
        os.close(descriptor)
        temporary.unlink(missing_ok=True)
        raise
    return descriptor


def _is_same_file(handle: int, file: Path) -> bool:
    """Return True if ``file`` still names the open file; the previous holder deletes the lock file on release."""
    try:
        return os.path.samestat(os.fstat(handle), file.stat())
    except FileNotFoundError:
        return False
