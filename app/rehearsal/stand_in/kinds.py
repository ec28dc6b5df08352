"""What is made, listed, shown, changed and removed alike, whatever it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.rehearsal.stand_in import silences
from app.rehearsal.stand_in.answers import success_response
from app.rehearsal.stand_in.requests import parse_rest_body, parse_rest_changes

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from app.rehearsal.stand_in.drawers import EntityRow, EntityTable
    from app.rehearsal.stand_in.platform import StandInPlatform
    from app.rehearsal.stand_in.requests import RestRouter


def make_crud_routes(
    rest: RestRouter,
    platform: StandInPlatform,
    path: str,
    table: EntityTable,
    new_model: type[BaseModel],
    changes_model: type[BaseModel],
    *,
    check_fields: Callable[[dict[str, Any]], None] = lambda _: None,
    on_removed: Callable[[str], None] = lambda _: None,
    find_row: Callable[[str], EntityRow] | None = None,
) -> list[Route]:
    """The routes of a kind. ``check`` refuses fields, ``named`` finds a row by what stands in the path."""
    find = find_row or table.get_row

    async def list_rows(_: Request) -> Response:
        return success_response([*table])

    async def create_row(request: Request) -> Response:
        fields = (await parse_rest_body(request, new_model)).model_dump(mode="json")
        check_fields(fields)
        platform.apply_rule(silences.CREATION_STATUS_RULE)
        return success_response(table.add_row(fields), 201)

    async def show_row(request: Request) -> Response:
        return success_response(find(request.path_params["uuid"]))

    async def update_row(request: Request) -> Response:
        uuid = find(request.path_params["uuid"])["uuid"]
        fields = await parse_rest_changes(request, changes_model)
        check_fields(fields)
        return success_response(table.update_row(uuid, fields))

    async def remove_row(request: Request) -> Response:
        row = table.remove_row(find(request.path_params["uuid"])["uuid"])
        on_removed(row["uuid"])
        return success_response(row)

    return [
        rest.make_route(path, GET=list_rows, POST=create_row),
        rest.make_route(f"{path}/{{uuid}}", GET=show_row, PATCH=update_row, DELETE=remove_row),
    ]
