"""Finds values too large for a ticket. Without the ticket a call cannot continue, and gets the fallback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callflows.flows.tickets import MAX_TICKET_STATE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from callflows.flows.compiler.compiling_flow import CompilingFlow
    from callflows.flows.compiler.flow_graph import StoredValueEstimate


def check_ticket_sizes(flow: CompilingFlow) -> None:
    """Report values too large for a ticket, from constants and the number of digits.

    A single oversized value is an error: no call could continue. Several values with an oversized total are a warning,
    because a call may not set all of them. A value counts on every path until the next assignment. Values from callers and
    other servers are unknown, and count as empty.
    """
    links, reach = flow.ticket_links, flow.graph
    known = [*dict.fromkeys(links.stored_values)]
    if not _may_be_too_big(known):
        return
    after = {
        one: {node for node in reach.find_nodes_with_value(one) if one.name in links.carried_values[node]} for one in known
    }
    alone = {
        one
        for one in known
        if _may_be_too_big([one])
        and any(links.measure_ticket_state(node, [one], flow.version) > MAX_TICKET_STATE_BYTES for node in after[one])
    }
    for one in (one for one in known if one in alone):
        message = f"{one.name}: it is longer than the {MAX_TICKET_STATE_BYTES} bytes that a call can carry on"
        flow.report.error(one.path, "ticket-too-big", message, _TICKET_SIZE_FIX)
    _check_total_ticket_size(flow, {one: nodes for one, nodes in after.items() if one not in alone})


def _may_be_too_big(values: Iterable[StoredValueEstimate]) -> bool:
    """Return False if the values surely fit into a ticket, and need not be measured."""
    characters = sum(len(one.json_text) + len(one.name) + _MEMBER_CHARACTERS for one in values)
    return characters * _SEALED_SIZE_FACTOR + _TICKET_FRAME_BYTES > MAX_TICKET_STATE_BYTES


def _check_total_ticket_size(flow: CompilingFlow, after: Mapping[StoredValueEstimate, Iterable[str]]) -> None:
    """Warn about nodes whose ticket may be too large in total."""
    by_node: dict[str, list[StoredValueEstimate]] = {}
    for one, nodes in after.items():
        for node in nodes:
            by_node.setdefault(node, []).append(one)
    for node, found in flow.node_sources.items():
        there = sorted(by_node.get(node, ()), key=lambda one: len(one.json_text))
        if not _may_be_too_big(there):
            continue
        if flow.ticket_links.measure_ticket_state(node, there, flow.version) > MAX_TICKET_STATE_BYTES:
            names = ", ".join(sorted({one.name for one in there}))
            message = (
                f"{names}: together they may be longer than the {MAX_TICKET_STATE_BYTES} bytes that a call can carry on"
            )
            flow.report.warning(found.path, "ticket-too-big", message, _TICKET_SIZE_FIX, key=True)


_TICKET_SIZE_FIX: Final = "put what stays the same under variables:, or say it where it is set"
_SEALED_SIZE_FACTOR: Final = 6
"""Upper bound for the growth of a character by UTF-8 and by sealing."""
_MEMBER_CHARACTERS: Final = 4
"""Quotes, colon and comma of a value in a ticket."""
_TICKET_FRAME_BYTES: Final = 200
"""Upper bound for everything in a ticket's state apart from the values."""
