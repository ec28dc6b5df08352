"""What would not fit into a ticket: a call could not go on, and would get the fallback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callflows.flows.tickets import MAX_TICKET_STATE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from callflows.flows.compiler.flow_compiler import FlowCompiler
    from callflows.flows.compiler.ticket_links import StoredValueEstimate


def check_ticket_sizes(compiler: FlowCompiler) -> None:
    """Say what is too big to be carried, as far as it can be known: what is written out, and digits.

    One value alone that is too big is an error: no call could go on from there. Several that are too big together are a
    warning, as no call may have them all. A value counts until it is another, whichever way the call goes. What a caller or
    another server tells is not known, and counts as nothing.
    """
    links, reach = compiler.ticket_links, compiler.flow_graph
    known = [*dict.fromkeys(links.stored_values)]
    if sum(len(one.json_text) for one in known) * _SEALED_SIZE_FACTOR <= MAX_TICKET_STATE_BYTES:
        return
    after = {
        one: {node for node in reach.find_nodes_with_value(one) if one.name in links.carried_values[node]} for one in known
    }
    alone = [
        one
        for one in known
        if any(links.measure_ticket_state(node, [one], compiler.version) > MAX_TICKET_STATE_BYTES for node in after[one])
    ]
    for one in alone:
        message = f"{one.name}: it is longer than the {MAX_TICKET_STATE_BYTES} bytes that a call can carry on"
        compiler.report.error(one.path, "ticket-too-big", message, _TICKET_SIZE_FIX)
    _check_total_ticket_size(compiler, {one: nodes for one, nodes in after.items() if one not in alone})


def _check_total_ticket_size(compiler: FlowCompiler, after: Mapping[StoredValueEstimate, Iterable[str]]) -> None:
    """Say which nodes are gone on at with more than a ticket may have."""
    for node, found in compiler.nodes.items():
        there = sorted((one for one in after if node in after[one]), key=lambda one: len(one.json_text))
        if compiler.ticket_links.measure_ticket_state(node, there, compiler.version) > MAX_TICKET_STATE_BYTES:
            names = ", ".join(sorted({one.name for one in there}))
            message = (
                f"{names}: together they may be longer than the {MAX_TICKET_STATE_BYTES} bytes that a call can carry on"
            )
            compiler.report.warning(found.path, "ticket-too-big", message, _TICKET_SIZE_FIX, key=True)


_TICKET_SIZE_FIX: Final = "put what stays the same under variables:, or say it where it is set"


_SEALED_SIZE_FACTOR: Final = 2
"""A secret value is longer when it is sealed, by less than that."""
