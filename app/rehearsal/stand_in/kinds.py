"""What is made, listed, shown, changed and removed alike, whatever it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.rehearsal.stand_in import silences
from app.rehearsal.stand_in.answers import answered
from app.rehearsal.stand_in.requests import body_of, changes_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from app.rehearsal.stand_in.drawers import Drawer, Row
    from app.rehearsal.stand_in.platform import Platform
    from app.rehearsal.stand_in.requests import Rest


def crud(
    rest: Rest,
    platform: Platform,
    path: str,
    drawer: Drawer,
    new: type[BaseModel],
    changed: type[BaseModel],
    *,
    check: Callable[[dict[str, Any]], None] = lambda _: None,
    removed: Callable[[str], None] = lambda _: None,
    named: Callable[[str], Row] | None = None,
) -> list[Route]:
    """The routes of a kind. ``check`` refuses fields, ``named`` finds a row by what stands in the path."""
    find = named or drawer.of

    async def all_of(_: Request) -> Response:
        return answered([*drawer])

    async def make(request: Request) -> Response:
        fields = (await body_of(request, new)).model_dump(mode="json")
        check(fields)
        platform.decide(silences.CREATED)
        return answered(drawer.add(fields), 201)

    async def one(request: Request) -> Response:
        return answered(find(request.path_params["uuid"]))

    async def change(request: Request) -> Response:
        uuid = find(request.path_params["uuid"])["uuid"]
        fields = await changes_of(request, changed)
        check(fields)
        return answered(drawer.change(uuid, fields))

    async def remove(request: Request) -> Response:
        row = drawer.remove(find(request.path_params["uuid"])["uuid"])
        removed(row["uuid"])
        return answered(row)

    return [
        rest.route(path, GET=all_of, POST=make),
        rest.route(f"{path}/{{uuid}}", GET=one, PATCH=change, DELETE=remove),
    ]
