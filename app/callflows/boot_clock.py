"""The time since this machine was started: nobody can set that clock, so it tells an age whatever happens to the other.

The clock of the day is set while servers run: after a start without a battery from 1970, after a mistake from next year.
"""

from __future__ import annotations

import hashlib
import pathlib
import time
import uuid
from typing import Final


def _find_boot_id() -> str:
    """Return the name of this start of the machine; without one, a name of this process."""
    try:
        name = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    except OSError:
        name = uuid.uuid4().hex
    return hashlib.blake2b(name.strip().encode(), digest_size=8).hexdigest()


BOOT_ID: Final = _find_boot_id()
"""Name of this start of the machine. Processes with the same name can compare their seconds since the start."""
BOOT_CLOCK_ID: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""The clock of ``read_boot_seconds``. CLOCK_BOOTTIME also counts the time in which the machine was suspended."""


def read_boot_seconds() -> float:
    """Return the seconds since the start of the machine."""
    return time.clock_gettime(BOOT_CLOCK_ID)


BOOTED_AT: Final = time.time() - read_boot_seconds()
"""When the machine was started, in seconds since 1970, by the clock as it was when this process began."""
EARLIEST_MOMENT: Final = 1_735_689_600.0
"""2025, in seconds since 1970: an earlier present is that of a clock that was not set."""


def read_steady_time() -> float:
    """Return seconds since 1970 by the clock as it was when this process began: setting the clock does not change it."""
    return BOOTED_AT + read_boot_seconds()
