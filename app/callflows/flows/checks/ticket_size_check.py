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
    if sum(len(one.json_text) for one in known) * _SEALED_SIZE_FACTOR <= MAX_TICKET_STATE_BYTES:
        return
    after = {
        one: {node for node in reach.find_nodes_with_value(one) if one.name in links.carried_values[node]} for one in known
    }
    alone = [
        one
        for one in known
        if any(links.measure_ticket_state(node, [one], flow.version) > MAX_TICKET_STATE_BYTES for node in after[one])
    ]
    for one in alone:
        message = f"{one.name}: it is longer than the {MAX_TICKET_STATE_BYTES} bytes that a call can carry on"
        flow.report.error(one.path, "ticket-too-big", message, _TICKET_SIZE_FIX)
    _check_total_ticket_size(flow, {one: nodes for one, nodes in after.items() if one not in alone})


def _check_total_ticket_size(flow: CompilingFlow, after: Mapping[StoredValueEstimate, Iterable[str]]) -> None:
    """Warn about nodes whose ticket may be too large in total."""
    for node, found in flow.node_sources.items():
        there = sorted((one for one in after if node in after[one]), key=lambda one: len(one.json_text))
        if flow.ticket_links.measure_ticket_state(node, there, flow.version) > MAX_TICKET_STATE_BYTES:
            names = ", ".join(sorted({one.name for one in there}))
            message = (
                f"{names}: together they may be longer than the {MAX_TICKET_STATE_BYTES} bytes that a call can carry on"
            )
            flow.report.warning(found.path, "ticket-too-big", message, _TICKET_SIZE_FIX, key=True)


_TICKET_SIZE_FIX: Final = "put what stays the same under variables:, or say it where it is set"
_SEALED_SIZE_FACTOR: Final = 2
"""Upper bound for the growth of a secret value by sealing."""
