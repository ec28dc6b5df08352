"""What would not fit into a ticket: a call could not go on, and would get the fallback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.flows.tickets import MAX_STATE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.flows.compiler import Compiler
    from app.flows.links import Known


def look_at_tickets(compiler: Compiler) -> None:
    """Say what is too big to be carried, as far as it can be known: what is written out, and digits.

    One value alone that is too big is an error: no call could go on from there. Several that are too big together are a
    warning, as no call may have them all. A value counts until it is another, whichever way the call goes. What a caller or
    another server tells is not known, and counts as nothing.
    """
    links, reach = compiler.links, compiler.reach
    known = [*dict.fromkeys(links.known)]
    if sum(len(one.written) for one in known) * _SEALED <= MAX_STATE:
        return
    after = {one: {node for node in reach.after(one) if one.name in links.keeps[node]} for one in known}
    alone = [one for one in known if any(links.size(node, [one], compiler.version) > MAX_STATE for node in after[one])]
    for one in alone:
        message = f"{one.name}: it is longer than the {MAX_STATE} bytes that a call can carry on"
        compiler.report.error(one.path, "ticket-too-big", message, _MEND)
    _together(compiler, {one: nodes for one, nodes in after.items() if one not in alone})


def _together(compiler: Compiler, after: Mapping[Known, Iterable[str]]) -> None:
    """Say which nodes are gone on at with more than a ticket may have."""
    for node, found in compiler.nodes.items():
        there = sorted((one for one in after if node in after[one]), key=lambda one: len(one.written))
        if compiler.links.size(node, there, compiler.version) > MAX_STATE:
            names = ", ".join(sorted({one.name for one in there}))
            message = f"{names}: together they may be longer than the {MAX_STATE} bytes that a call can carry on"
            compiler.report.warning(found.path, "ticket-too-big", message, _MEND, key=True)


_MEND: Final = "put what stays the same under variables:, or say it where it is set"
_SEALED: Final = 2
"""A secret value is longer when it is sealed, by less than that."""
