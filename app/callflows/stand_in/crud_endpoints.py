"""Endpoints that list, create, show, change and delete the rows of one table, as far as the operation table has them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from callflows.stand_in import stand_in_rules
from callflows.stand_in.response_envelopes import not_found_refusal, success_response
from callflows.stand_in.rest_routing import parse_operation_values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from callflows.stand_in.entity_store import EntityRow, EntityTable
    from callflows.stand_in.rest_routing import RestRouter
    from callflows.stand_in.stand_in_platform import StandInPlatform


_OWNER_FIELD: Final = "owner"
"""Field of a row with the UUID of its SIP domain; never shown."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CrudEndpoints:
    """The endpoints of a group of the operation table.

    ``defaults`` are fields of new rows; ``check_fields`` may refuse fields; ``find_row`` finds a row by its key, by default
    a UUID; ``find_owner`` finds the domain of the rows; ``hidden_fields`` are never shown.
    """

    rest: RestRouter
    platform: StandInPlatform
    group: str
    table: EntityTable
    defaults: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    check_fields: Callable[[dict[str, Any]], None] = lambda _: None
    on_removed: Callable[[str], None] = lambda _: None
    find_row: Callable[[str], EntityRow] | None = None
    find_owner: Callable[[str], EntityRow] | None = None
    hidden_fields: frozenset[str] = frozenset()

    def add_to_router(self) -> None:
        endpoints = {
            "list": self.list_rows,
            "create": self.create_row,
            "show": self.show_row,
            "change": self.update_row,
            "delete": self.remove_row,
        }
        for word, endpoint in endpoints.items():
            if f"{self.group} {word}" in self.rest.table.operations:
                self.rest.add_endpoint(f"{self.group} {word}", endpoint)

    async def list_rows(self, request: Request) -> Response:
        owner = self._get_owner_uuid(request)
        return success_response([self._select_fields(row) for row in self.table if row.get(_OWNER_FIELD) == owner])

    async def create_row(self, request: Request) -> Response:
        owner = self._get_owner_uuid(request)
        fields = await parse_operation_values(request, self.rest.table.get_operation(f"{self.group} create"))
        self.check_fields(fields)
        self.platform.apply_rule(stand_in_rules.CREATION_STATUS_RULE)
        owned = {_OWNER_FIELD: owner} if owner is not None else {}
        return success_response(self._select_fields(self.table.add_row({**self.defaults, **fields, **owned})), 201)

    async def show_row(self, request: Request) -> Response:
        return success_response(self._select_fields(self._find_own_row(request)))

    async def update_row(self, request: Request) -> Response:
        uuid = self._find_own_row(request)["uuid"]
        fields = await parse_operation_values(request, self.rest.table.get_operation(f"{self.group} change"))
        self.check_fields(fields)
        return success_response(self._select_fields(self.table.update_row(uuid, fields)))

    async def remove_row(self, request: Request) -> Response:
        row = self.table.remove_row(self._find_own_row(request)["uuid"])
        self.on_removed(row["uuid"])
        return success_response(self._select_fields(row))

    def _select_fields(self, row: EntityRow) -> EntityRow:
        return {name: value for name, value in row.items() if name not in self.hidden_fields and name != _OWNER_FIELD}

    def _get_owner_uuid(self, request: Request) -> str | None:
        return self.find_owner(request.path_params["domain"])["uuid"] if self.find_owner is not None else None

    def _find_own_row(self, request: Request) -> EntityRow:
        """Return the row of a request. Raises RestRefusal (404), also for a row of another domain."""
        owner = self._get_owner_uuid(request)
        row = (self.find_row or self.table.get_row)(request.path_params.get("uuid") or request.path_params["domain"])
        if row.get(_OWNER_FIELD) != owner:
            raise not_found_refusal(self.table.entity_name)
        return row
