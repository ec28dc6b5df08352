"""Work counted in calls of functions, which no load of the machine changes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def count_function_calls(work: Callable[[], object]) -> int:
    """How often a function is called, one in C among them."""
    count = 0

    def note_event(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note_event)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count
