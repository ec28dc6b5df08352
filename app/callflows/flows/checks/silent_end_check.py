"""Finds calls that end in silence: callers who hear nothing at all, and callers who hear nothing after a key or a dial."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from callflows.flows.entry_points import FIRST_ENTRY, START_NODE, SilentArrival, find_root_node

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from callflows.flows.compiler.compiling_flow import CompilingFlow
    from callflows.flows.entry_points import Silence


_FIRST_ARRIVAL: Final = SilentArrival(START_NODE, FIRST_ENTRY)
_END_FIX: Final = "hangup as the last step says that it is meant"


def check_silent_ends(flow: CompilingFlow) -> None:
    """Report nodes at which a call may end before the caller hears anything, and ways that end without a word."""
    nodes = flow.flow_file.nodes
    at_ends = {
        node: _find_earlier_silences(silences, flow.silent_transfers)
        for node, silences in flow.silences_at_ends.items()
        if not _speaks_either_way(nodes.get(find_root_node(node), ()))
    }
    unheard = {find_root_node(node) for node, silences in at_ends.items() if _FIRST_ARRIVAL in silences}
    for node, steps in nodes.items():
        if not steps:
            message, fix = f"the node {node!r} has no steps: whoever comes here is hung up on", "say something before"
        elif node in unheard:
            message = f"the node {node!r} comes to its end, and the caller has heard nothing"
            fix = "say something, or go on at a node, where no condition holds"
        else:
            continue
        flow.report.warning(("nodes", node), "says-nothing", message, f"{fix}; {_END_FIX}", key=True)
    for node, silences in flow.silences_at_callbacks.items():
        root = find_root_node(node)
        is_unheard = _FIRST_ARRIVAL in _find_earlier_silences(silences, flow.silent_transfers)
        if is_unheard and not flow.report.has_error_at(("nodes", root)):
            message = f"the node {root!r} goes on at a URL: if it cannot be fetched, the caller hears nothing"
            fix = "give the callback an error, as callback: {url: https://…, error: [say: Please call again later.]}"
            flow.report.warning(("nodes", root), "says-nothing", message, fix, key=True)
    for path, silences in flow.silences_at_questions.items():
        earlier = _find_earlier_silences(silences, flow.silent_transfers)
        if any(silence == _FIRST_ARRIVAL or not isinstance(silence, SilentArrival) for silence in earlier):
            message = f"{path[-1]}: it is nothing but a pause: callers do not know that they are asked"
            flow.report.warning(path, "says-nothing", message, "write the question, or say it before", key=True)
    ends = {silence for silences in at_ends.values() for silence in silences if not isinstance(silence, SilentArrival)}
    for path, message, fix in sorted(ends, key=str):
        flow.report.warning(path, "no-way-out", message, fix, key=True)


def _find_earlier_silences(
    silences: Iterable[Silence], transfers: Mapping[SilentArrival, AbstractSet[Silence]]
) -> set[Silence]:
    """Return these points, and all earlier points since which the caller may have heard nothing."""
    found = {*silences}
    left = [*found]
    while left:
        silence = left.pop()
        new = (transfers.get(silence, frozenset()) if isinstance(silence, SilentArrival) else frozenset()) - found
        found |= new
        left += new
    return found


def _speaks_either_way(steps: Iterable[Any]) -> bool:
    """Return True if a condition and its contrary both have a step that speaks, so that one of them does."""
    conditions = {
        re.sub(r"\s+", " ", str(step["when"])).strip()
        for step in steps
        if isinstance(step, dict) and "when" in step and step.keys() & _SPEAKING_KEYS
    }
    return any(f"not {one}" in conditions or f"not ({one})" in conditions for one in conditions)


_SPEAKING_KEYS: Final = frozenset({"say", "play", "tone", "menu", "collect", "voicemail", "goto", "hangup"})
"""Steps after which the caller has heard something, or the call is elsewhere or over."""
