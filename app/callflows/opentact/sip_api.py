"""SIP connections: trunks to a customer's own system. Source: API description of 2021."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callflows.opentact.operation_group import OperationGroup

if TYPE_CHECKING:
    from collections.abc import Sequence


class SipConnectionsApi(OperationGroup):
    """SIP connections. Every method raises OpentactError."""

    async def assign_numbers(self, uuid: str, add: Sequence[str] = (), remove: Sequence[str] = ()) -> object:
        """Add numbers to a connection and remove others, by the ids of their leases."""
        values = {"uuid": uuid, "add": [*add], "remove": [*remove]}
        return await self._rest.call_operation("connections numbers change", values)
