"""Errors of files and disks in words: which file, what is wrong, what helps. No number of an error is shown to people."""

from __future__ import annotations

import errno
from typing import Final

_NO_RIGHT: Final = "give this user the right to it, or choose another place"
_NO_ROOM: Final = "free some space on this disk"
_NO_FOLDER: Final = "a file is where a folder must be: choose another place"
_FIXES: Final = {
    errno.EACCES: _NO_RIGHT,
    errno.EPERM: _NO_RIGHT,
    errno.EROFS: _NO_RIGHT,
    errno.ENOSPC: _NO_ROOM,
    errno.EDQUOT: _NO_ROOM,
    errno.EEXIST: _NO_FOLDER,
    errno.ENOTDIR: _NO_FOLDER,
    errno.ENOENT: "there is no such place: see whether its name is right",
    errno.EISDIR: "a folder is where a file must be: choose another place",
    errno.ELOOP: "a link leads to itself: choose another place",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EIO: "see whether the disk is broken",
}


def describe_disk_error(error: BaseException) -> str:
    """Return the file and the reason of an error, without its number; the message of an error that has no reason."""
    reason = getattr(error, "strerror", None)
    if not isinstance(error, OSError) or not reason:
        return str(error) or type(error).__name__
    return f"{error.filename}: {reason}" if error.filename else str(reason)


def explain_disk_error(error: OSError) -> str:
    """Return the file and the reason of an error, and what helps."""
    fix = _FIXES.get(error.errno or 0)
    return f"{describe_disk_error(error)} ({fix})" if fix else describe_disk_error(error)
