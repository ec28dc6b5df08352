"""The document of a call that Opentact makes for us: it asks this server for the flow, by a signed URL."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from callflows.errors import DocumentReadError
from callflows.flows.entry_points import START_NODE, NodeEntry
from callflows.flows.tickets import make_ticket_state
from callflows.language import Answer, Callback, Error, Hangup, Response, Say, from_xml, to_xml
from callflows.telephony.calls import CALL_BEGAN_FIELD, CAMPAIGN_FIELD

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callflows.flows.flow import Flow
    from callflows.flows.tickets import TicketSigner


class OutboundDocuments(NamedTuple):
    """Makes the documents of calls from ``sender``, a number of ours, that run a flow. ``base_url`` is this server's."""

    flow: Flow
    signer: TicketSigner
    base_url: str
    sender: str

    def make_url(self, number: str, values: Mapping[str, str], key: str) -> str:
        """Return the signed URL of the flow for one person. ``key`` names the call. Raises TicketError.

        For the flow the person is the caller of our number. Only values that the flow ``receives`` go along.
        """
        target = f"{self.flow.name}/{START_NODE}"
        ticket = self.signer.make_ticket_factory(
            target, make_ticket_state(self.flow.version, NodeEntry(line_answered=True))
        )
        fields = {"from": number, "to": self.sender, CAMPAIGN_FIELD: key, CALL_BEGAN_FIELD: f"{time.time():.3f}"}
        names = self.flow.received_names if not self.flow.file.endswith(".py") else tuple(values)
        received = {name: values[column] for name in names if (column := name.lower()) in values}
        return f"{self.base_url}/call/{target}?ticket={ticket(fields, received)}"

    def make_document(self, number: str, values: Mapping[str, str], key: str) -> bytes:
        """Return the document for one person. Without this server, the person hears the flow's fallback."""
        url = self.make_url(number, values, key)
        try:
            fallback = from_xml(self.flow.fallback).children
        except DocumentReadError:  # an attribute of the fallback is an extension
            fallback = (Say("We are sorry."), Hangup())
        if fallback[:1] == (Answer(),):  # the person has answered
            fallback = fallback[1:]
        callback = Callback(Error(*fallback), url=url, method="GET")  # type: ignore[arg-type]
        return to_xml(Response(callback), self.flow.dialect)
