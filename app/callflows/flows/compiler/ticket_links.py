"""Signed URLs by which a call returns to the nodes of a flow, and the values in the tickets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from callflows.flows.compiler.flow_graph import find_request_fields
from callflows.flows.tickets import ANSWERS_ITSELF_FIELD, make_ticket_state
from callflows.telephony.calls import CALL_BEGAN_FIELD, CAMPAIGN_FIELD, OUTBOUND_CARRIED_FIELDS
from callflows.telephony.turn import Variables

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from callflows.flows.compiler.flow_graph import FlowGraph, StoredValueEstimate
    from callflows.flows.compiler.fragments import Hole
    from callflows.flows.entry_points import NodeEntry
    from callflows.flows.tickets import TicketSigner
    from callflows.language import Dialect
    from callflows.telephony.turn import Turn


_ALL_CARRIED_FIELDS: Final = (
    "from",
    "to",
    "name",
    "started",
    "attestation",
    "call",
    "sca",
    "calls",
    CALL_BEGAN_FIELD,
    CAMPAIGN_FIELD,
)
"""Request fields in the tickets of code that may ask for any: a program, or an app on another server."""
_CLASSIC_CARRIED_FIELDS: Final = ("call", "from", "to")
"""Request fields that a classic Gather's callback lacks: the call ID, the caller and the called number."""


class TicketLinks:
    """Ticket URLs of one flow. ``target_documents`` are the documents behind the URLs.

    ``carried_fields`` are the request fields in the tickets of each node. ``carried_values`` are the stored values in the
    tickets of each node, with the carried fields of each value (no fields: the whole value).
    """

    def __init__(self, flow_name: str, signer: TicketSigner, secret_names: AbstractSet[str]) -> None:
        self._flow_name = flow_name
        self._signer = signer
        self._secret_names = secret_names
        self._url_holes: dict[tuple[str, NodeEntry], Hole] = {}
        self.target_documents: set[tuple[str, NodeEntry]] = set()
        self.carried_fields: dict[str, tuple[str, ...]] = {}
        self.carried_values: dict[str, dict[str, tuple[str, ...]]] = {}
        self.stored_values: list[StoredValueEstimate] = []

    def prepare_tickets(self, nodes: Iterable[str], flow_graph: FlowGraph, dialect: Dialect) -> None:
        """Compute the content of each node's tickets. Call this after all edges are recorded."""
        untold = (*_CLASSIC_CARRIED_FIELDS, CALL_BEGAN_FIELD) if dialect == "classic" else (CALL_BEGAN_FIELD,)
        contents: dict[frozenset[str], tuple[tuple[str, ...], dict[str, tuple[str, ...]]]] = {}
        for node, names in flow_graph.find_names_used_from([*nodes]).items():
            if names not in contents:
                fields = tuple(sorted({*find_request_fields(names), *untold}))
                contents[names] = (fields, flow_graph.select_stored_values(names))
            self.carried_fields[node], self.carried_values[node] = contents[names]

    def measure_ticket_state(self, node: str, stored_values: Iterable[StoredValueEstimate], version: str) -> int:
        """Return the state size in bytes of a node's tickets, without request fields.

        For equal names the last value counts.
        """
        values = Variables({one.name: one.value for one in stored_values})
        return self._signer.measure_state(
            f"{self._flow_name}/{node}",
            {"v": version},
            _select_carried_values(values, self.carried_values[node]),
            self._secret_names,
        )

    def make_url_hole(self, node: str, entry: NodeEntry, version: str) -> Hole:
        """Return a hole for the signed URL of a node, in the form for an attribute. The hole is shared."""
        hole = self._url_holes.get((node, entry))
        if hole is None:
            self.target_documents.add((node, entry))
            hole = self._make_signed_url_hole(f"{self._flow_name}/{node}", node, make_ticket_state(version, entry), entry)
            self._url_holes[node, entry] = hole
        return hole

    def make_other_url_hole(self, node: str, entry: NodeEntry) -> Hole:
        """Return a hole for the signed URL of ``other-flow/node``. The call goes on in the newest version of that flow."""
        hole = self._url_holes.get((node, entry))
        if hole is None:
            hole = self._make_signed_url_hole(node, node, make_ticket_state("", entry), entry)
            self._url_holes[node, entry] = hole
        return hole

    def _make_signed_url_hole(self, target: str, node: str, state: Mapping[str, Any], entry: NodeEntry) -> Hole:
        path = f"/call/{target}?ticket="
        ticket = self._signer.make_ticket_factory(target, state)
        carries, keeps, secrets = self.carried_fields, self.carried_values, self._secret_names
        asks = not entry.line_answered

        def render_signed_url(turn: Turn) -> str:
            request_fields = turn.request_fields
            carried = {name: request_fields[name] for name in carries[node] if request_fields.get(name)}
            if CAMPAIGN_FIELD in request_fields:
                carried |= {name: request_fields[name] for name in OUTBOUND_CARRIED_FIELDS}
            if asks and turn.auto_answer is not None:
                carried[ANSWERS_ITSELF_FIELD] = "1" if turn.auto_answer else ""
            variables = _select_carried_values(turn.values, keeps[node]) if keeps[node] else {}
            return f"{turn.base_url}{path}{ticket(carried, variables, secrets)}"

        return render_signed_url


def carry_all_fields(turn: Turn) -> dict[str, str]:
    """Return the fields for the ticket of code that may ask for any field of the call."""
    carried = {name: turn.request_fields[name] for name in _ALL_CARRIED_FIELDS if turn.request_fields.get(name)}
    if turn.auto_answer is not None:
        carried[ANSWERS_ITSELF_FIELD] = "1" if turn.auto_answer else ""
    return carried


def _select_carried_values(values: Variables, names: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """Select the stored values, or fields of values, that are used later."""
    carried_values = {}
    for name, fields in names.items():
        if name in values:
            value = values[name]
            narrow = fields and isinstance(value, dict)
            carried_values[name] = {field: value[field] for field in fields if field in value} if narrow else value
    return carried_values
