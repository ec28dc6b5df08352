"""Leases in the database: each selects the one process of an installation that does some work."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
import socket
import uuid
from typing import TYPE_CHECKING, Final

from callflows.errors import JournalError

if TYPE_CHECKING:
    from callflows.journal.journal import Journal

LEASE_SECONDS: Final = 6.0
"""Duration of a lease in seconds; it is renewed three times as often, so that another takes over within 8 seconds."""
_HOLDERS_OF_PROCESS: Final[set[str]] = set()
"""Lease holder names used by this process."""


class WorkLease:
    """The lease ``name``, as one process sees it."""

    def __init__(self, journal: Journal, name: str) -> None:
        self._journal = journal
        self._name = name
        self._holder = f"{identify_host()}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
        _HOLDERS_OF_PROCESS.add(self._holder)

    async def hold(self, seconds: float, mark: float | None = None) -> bool:
        """Acquire or renew the lease; return True on success.

        Raises JournalError during an outage of the database, in which nobody knows who has the lease: the work decides
        whether it is better done by several processes or by none.
        """
        journal, name, holder = self._journal, self._name, self._holder
        ours = await journal.hold_lease(name, holder, seconds, mark)
        if not ours and (lease := await journal.load_lease(name)) and _is_dead_holder(lease.holder):
            await journal.hold_lease(name, lease.holder, 0.0)
            ours = await journal.hold_lease(name, holder, seconds, mark)
        return ours

    async def release(self, mark: float | None = None) -> None:
        """Release the lease, so that another process can take it at once."""
        with contextlib.suppress(JournalError):
            await self._journal.hold_lease(self._name, self._holder, 0.0, mark)


def _is_dead_holder(holder: str) -> bool:
    """Return True if the holder was a process on this host and no longer runs, so that its lease is free."""
    where, _, rest = holder.partition("/")
    if where != identify_host() or holder in _HOLDERS_OF_PROCESS:
        return False
    pid = int(rest.partition("/")[0])
    # A holder with this process's own id, but another suffix, was an earlier process.
    return pid == os.getpid() or not _is_process_running(pid)


def identify_host() -> str:
    """Return a digest of hostname, hardware address, boot id and PID namespace; process ids are unique within."""
    identifiers = [socket.gethostname(), str(uuid.getnode())]
    with contextlib.suppress(OSError):
        identifiers.append(pathlib.Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
        identifiers.append(str(pathlib.Path("/proc/self/ns/pid").readlink()))
    return hashlib.blake2b("\0".join(identifiers).encode(), digest_size=8).hexdigest()


def _is_process_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # includes a process of another user
        return True
    return True
