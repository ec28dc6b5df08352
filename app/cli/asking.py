"""How commands ask the platform, and show what it answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn, TypeVar

import typer

from app.cli.given import TableFormat, fail, say, settings_of, table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from app.errors import OpentactError
    from app.opentact.api import Opentact
    from app.opentact.records import Record

    T = TypeVar("T")
    R = TypeVar("R", bound=Record)

_ROWS: Final = 50
"""Of a list for people, unless more are asked for."""
FORMAT = Annotated[TableFormat, typer.Option("--format", help="How rows are shown.")]
LIMIT = Annotated[int | None, typer.Option(min=1, help=f"Rows at most; else {_ROWS} as text, and all as JSON.")]
YES = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]


def ask(work: Callable[[Opentact], Awaitable[T]]) -> T:
    """What Opentact answers; where it refuses, exit 1. Raises SettingsError."""
    import asyncio

    from app.errors import OpentactError
    from app.opentact import Opentact

    async def asking() -> T:
        async with Opentact.of(settings_of()) as client:
            return await work(client)

    try:
        return asyncio.run(asking())
    except OpentactError as error:
        _refused(error)


def _refused(error: OpentactError) -> NoReturn:
    values = [f"  {path} was {field.value!r}" for path, field in error.fields.items() if field.value is not None]
    fail("\n".join([f"callflows: {error}", *values]), 1)


async def some(rows: AsyncIterator[R], limit: int | None, output: TableFormat) -> list[R]:
    """As many rows as are wanted; for people, a word where there are more."""
    most = limit or (_ROWS if output is TableFormat.text else None)
    found: list[R] = []
    async for row in rows:
        if most is not None and len(found) == most:
            say(f"there are more: --limit {2 * most}")
            break
        found.append(row)
    return found


def show_records(found: Sequence[Record], columns: Callable[[Any], Sequence[object]], output: TableFormat) -> None:
    """Print what was found: in columns, or all that Opentact said of it as JSON."""
    if output is TableFormat.json:
        print(json.dumps([record.said for record in found], ensure_ascii=False, indent=2))
    else:
        table([["" if cell is None else cell for cell in columns(record)] for record in found])


def number_of(written: str) -> str:
    """A number that a person wrote, in E.164; else exit 2."""
    from app.numbers import e164

    found = e164(written)
    if not found:
        fail(f"callflows: {written!r} is no number: write it as +12015550123", 2)
    return found


def told(said: dict[str, Any], names: Sequence[str]) -> list[str]:
    """What Opentact tells besides, where it does: what is known of these fields is only their names."""
    return [", ".join(map(str, value)) if isinstance(value, list) else str(value or "") for value in map(said.get, names)]
