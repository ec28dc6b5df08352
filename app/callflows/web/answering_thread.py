"""The rules by which the thread that answers calls shares a processor and the interpreter with the server's other threads.

The other threads write the journal and the log, for which nobody waits. The thread that answers waits for them twice: for
the processor, if both are on the same one, and for the lock of the interpreter, several times in an answer.
"""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import struct
import sys
from typing import Final

SWITCH_SECONDS: Final = 0.00002
"""Time for which a thread waits for the interpreter before it asks the other to let it go on; Python has 5 ms."""
SLICE_NANOSECONDS: Final = 100_000
"""Time for which another thread may go on after this one has woken up; Linux has about 3 ms. The share is the same."""
_SET_CALL_NUMBERS: Final = {"x86_64": 314, "aarch64": 274}
"""Numbers of the system call ``sched_setattr``, for which neither Python nor the C library has a function."""
_ATTRIBUTES: Final = struct.Struct("=IIQiIQQQ")
"""Size, policy, flags, niceness, priority, runtime (for an ordinary thread its slice), deadline, period."""
_RESET_ON_FORK: Final = 1
"""Flag by which threads and processes that this thread starts have the ordinary slice."""


def tune_interpreter() -> None:
    """Set the interpreter, and the scheduling of this thread, for a server.

    Call this in the thread that answers calls, after everything is loaded.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    request_short_slice()
    # A search before would delay the first answer by a tenth of a second: imports and compiled flows leave no garbage.
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)  # answers leave no reference cycles; searching for them costs 4 %


def request_short_slice() -> bool:
    """Ask Linux to let this thread run as soon as a request has come for it. Return whether the system took it.

    Systems other than Linux have no such thing, and Linux before 6.12 takes the request without effect.
    """
    number = _SET_CALL_NUMBERS.get(platform.machine()) if sys.platform == "linux" else None
    if number is None or os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK != os.SCHED_OTHER:
        return False
    niceness = os.getpriority(os.PRIO_PROCESS, 0)
    attributes = _ATTRIBUTES.pack(_ATTRIBUTES.size, os.SCHED_OTHER, _RESET_ON_FORK, niceness, 0, SLICE_NANOSECONDS, 0, 0)
    try:
        return bool(ctypes.CDLL(None).syscall(number, 0, attributes, 0) == 0)
    except (OSError, AttributeError):  # a C library without syscall
        return False
