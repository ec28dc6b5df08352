"""Requests of commands to the platform, and output of the answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn, TypeVar

import typer

from callflows.cli.cli_options import TableFormat, exit_with_notice, load_command_settings, print_notice, print_table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from callflows.errors import OpentactError
    from callflows.opentact.pagination import RestRecord
    from callflows.opentact.rest_api import Opentact

    _ReplyT = TypeVar("_ReplyT")
    _RecordT = TypeVar("_RecordT", bound=RestRecord)


_DEFAULT_TEXT_ROWS: Final = 50
"""Default row limit of text output."""
TABLE_FORMAT_OPTION = Annotated[TableFormat, typer.Option("--format", help="The output format.")]
ROW_LIMIT_OPTION = Annotated[
    int | None, typer.Option(min=1, help=f"Rows at most. Default: {_DEFAULT_TEXT_ROWS} as text, all as JSON.")
]
YES_OPTION = Annotated[bool, typer.Option("--yes", help="Continue without asking.")]


def run_with_client(work: Callable[[Opentact], Awaitable[_ReplyT]]) -> _ReplyT:
    """Run work with a client and return the result; exit with code 1 if Opentact refuses. Raises SettingsError."""
    import asyncio

    from callflows.errors import OpentactError
    from callflows.opentact import Opentact

    async def open_client() -> _ReplyT:
        async with Opentact.from_settings(load_command_settings()) as client:
            return await work(client)

    try:
        return asyncio.run(open_client())
    except OpentactError as error:
        _exit_with_refusal(error)


def _exit_with_refusal(error: OpentactError) -> NoReturn:
    values = [f"  {path} was {field.value!r}" for path, field in error.fields.items() if field.value is not None]
    exit_with_notice("\n".join([f"callflows: {error}", *values]), 1)


async def collect_rows(rows: AsyncIterator[_RecordT], limit: int | None, output: TableFormat) -> list[_RecordT]:
    """Return rows up to the limit; print a notice if there are more."""
    most = limit or (_DEFAULT_TEXT_ROWS if output is TableFormat.text else None)
    collected_rows: list[_RecordT] = []
    async for row in rows:
        if most is not None and len(collected_rows) == most:
            print_notice(f"there are more: --limit {2 * most}")
            break
        collected_rows.append(row)
    return collected_rows


def print_records(records: Sequence[RestRecord], columns: Callable[[Any], Sequence[object]], output: TableFormat) -> None:
    """Print records in columns, or as JSON with all fields of Opentact."""
    if output is TableFormat.json:
        print(json.dumps([record.raw for record in records], ensure_ascii=False, indent=2))
    else:
        print_table([["" if cell is None else cell for cell in columns(record)] for record in records])


def parse_number_argument(text: str) -> str:
    """Return a number argument in E.164; exit with code 2 if invalid."""
    from callflows.telephony.phone_numbers import parse_e164

    number = parse_e164(text)
    if not number:
        exit_with_notice(f"callflows: {text!r} is not a number: write it as +12015550123", 2)
    return number


def format_record_fields(raw: dict[str, Any], names: Sequence[str]) -> list[str]:
    """Return fields as text, empty if missing: only the names of these fields are known, not their types."""
    return [", ".join(map(str, value)) if isinstance(value, list) else str(value or "") for value in map(raw.get, names)]
