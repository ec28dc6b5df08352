"""Requests of commands to the platform, and output of the answers."""

from __future__ import annotations

import json
import re
import shutil
import sys
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn, TypeVar
from urllib.parse import unquote

import typer

from callflows.cli.cli_options import TableFormat, exit_with_notice, load_command_settings, print_notice
from callflows.text import replace_unprintable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from callflows.errors import OpentactError
    from callflows.opentact.pagination import RestRecord
    from callflows.opentact.rest_api import Opentact
    from callflows.opentact.rest_requests import RestRequest

    _ReplyT = TypeVar("_ReplyT")
    _RecordT = TypeVar("_RecordT", bound=RestRecord)


_DEFAULT_TEXT_ROWS: Final = 50
"""Default row limit of text output."""
TABLE_FORMAT_OPTION = Annotated[TableFormat, typer.Option("--format", help="The output format.")]
ROW_LIMIT_OPTION = Annotated[
    int | None, typer.Option(min=1, help=f"Rows at most. Default: {_DEFAULT_TEXT_ROWS} as text, all as JSON.")
]
DRY_RUN_OPTION = Annotated[bool, typer.Option("--dry-run", help="Show the request and send nothing.")]
YES_OPTION = Annotated[bool, typer.Option("--yes", help="Continue without asking.")]


def run_with_client(
    work: Callable[[Opentact], Awaitable[_ReplyT]], create_client: Callable[[], Opentact] | None = None
) -> _ReplyT:
    """Run work with a client, by default of the settings, and return the result.

    Exit with code 1 if Opentact refuses. Raises SettingsError.
    """
    import asyncio

    from callflows.errors import OpentactError
    from callflows.opentact import Opentact

    async def open_client() -> _ReplyT:
        new_client = create_client() if create_client is not None else Opentact.from_settings(load_command_settings())
        async with new_client as client:
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


def print_records(
    records: Sequence[RestRecord],
    columns: Callable[[Any], Sequence[object]],
    output: TableFormat,
    headings: Sequence[str] = (),
) -> None:
    """Print records in columns, or as JSON with all fields of Opentact."""
    if output is TableFormat.json:
        print_json([record.raw for record in records])
        return
    rows = [["" if cell is None else cell for cell in columns(record)] for record in records]
    print_fitting_table(rows, headings)


def print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))


def print_requests(requests: Sequence[RestRequest], output: TableFormat) -> None:
    """Print requests that are not sent. Raises OpentactError if a parameter is empty."""
    described = [_describe_request(request) for request in requests]
    if output is TableFormat.json:
        print_json(described[0] if len(described) == 1 else described)
        return
    for parts in described:
        query = "&".join(f"{name}={value}" for name, value in parts.get("query", {}).items())
        print(f"{parts['method']} {parts['path']}{f'?{query}' if query else ''}")
        for name, value in parts.get("headers", {}).items():
            print(f"{name}: {value}")
        if "body" in parts:
            print_json(parts["body"])
        if "file" in parts:
            print(parts["file"])


def _describe_request(request: RestRequest) -> dict[str, Any]:
    parts: dict[str, Any] = {"method": request.method, "path": unquote(request.fill_path())}
    if request.query:
        parts["query"] = dict(request.query)
    if request.headers:
        parts["headers"] = dict.fromkeys(request.headers, "…")  # a header of a sign-in is a secret
    if request.body is not None:
        parts["body"] = request.body
    if request.file:
        parts["file"] = f"a file of {len(request.file[1])} bytes as {request.file[0]!r}"
    return parts


def print_payload(payload: object, columns: Sequence[str], output: TableFormat) -> None:
    """Print what Opentact answered: a list as a table, an object with one field on each line."""
    if output is TableFormat.json:
        print_json(payload)
    elif isinstance(payload, list) and all(isinstance(row, dict) for row in payload):
        print_raw_rows(payload, columns, output)
        if not payload:
            print_notice("there is nothing")
    elif isinstance(payload, dict) and (rows := _find_rows(payload)) is not None:
        print_raw_rows(rows, columns, output)
    elif isinstance(payload, dict):
        print_fitting_table([(name, _format_cell(value)) for name, value in payload.items() if value not in (None, "")])
    elif payload is None:
        print("done")
    elif isinstance(payload, str):
        print(replace_unprintable(payload, allowed="\n\t"))
    else:
        print(json.dumps(payload, ensure_ascii=False))


def _find_rows(payload: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Return the rows of a page, which is an object with a list and numbers about it."""
    lists = [value for value in payload.values() if isinstance(value, list)]
    is_page = (
        len(lists) == 1 and "uuid" not in payload and all(isinstance(value, (int, list)) for value in payload.values())
    )
    return lists[0] if is_page and all(isinstance(row, dict) for row in lists[0]) else None


def print_raw_rows(rows: Sequence[dict[str, Any]], columns: Sequence[str], output: TableFormat) -> None:
    """Print rows with the named columns that any row has, or with the first plain fields."""
    if output is TableFormat.json:
        print_json(rows)
        return
    names = [name for name in columns if any(row.get(name) not in (None, "") for row in rows)]
    if not names:
        plain = [name for row in rows[:1] for name, value in row.items() if not isinstance(value, (dict, list))]
        names = sorted(plain, key=lambda name: (name not in ("uuid", "id", "name"), name.endswith("_on")))[:6]
    print_fitting_table([[_format_cell(row.get(name)) for name in names] for row in rows], names)


def _format_cell(value: object) -> str:
    """Return a value for one line: of an object its number, name or id."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case dict():
            known = next((value[name] for name in ("tn", "name", "uuid") if value.get(name) not in (None, "")), None)
            return str(known) if known is not None else json.dumps(value, ensure_ascii=False) if value else ""
        case list():
            return ", ".join(map(_format_cell, value))
        case str() if _PLATFORM_TIME.fullmatch(value):
            return f"{value[:10]} {value[11:16]}"
        case str():
            return value.partition("?")[0] + "?…" if value.startswith(("http://", "https://")) and "?" in value else value
        case _:
            return str(value)


_DEFAULT_TABLE_WIDTH: Final = 80
_PLATFORM_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z")


def print_fitting_table(rows: Sequence[Sequence[object]], headings: Sequence[str] = ()) -> None:
    """Print rows in columns that fit the terminal, or 80 columns; the widest cells are cut, ids and numbers never.

    Headings are printed on a terminal only. Unprintable characters are replaced, so that foreign text cannot control the
    terminal.
    """
    cells = [[replace_unprintable(str(cell)) for cell in row] for row in rows]
    if not cells:
        return
    if headings and sys.stdout.isatty():
        cells.insert(0, [*headings])
    room = shutil.get_terminal_size((_DEFAULT_TABLE_WIDTH, 24)).columns
    widths = _fit_widths([[row[index] for row in cells] for index in range(len(cells[0]))], room)
    for row in cells:
        shown = [f"{_cut_cell(cell, width):<{width}}" for cell, width in zip(row, widths, strict=True) if width]
        print("  ".join(shown).rstrip())


def _fit_widths(columns: Sequence[Sequence[str]], room: int) -> list[int]:
    """Return the width of each column; 0 for an empty column, and for one without room."""
    widths = [
        width if not index or any(_UNCUT_CELL.fullmatch(cell) for cell in column) else min(width, room)
        for index, column in enumerate(columns)
        for width in [max(map(len, column))]
    ]
    elastic = [
        index
        for index, column in enumerate(columns)
        if index and not any(_UNCUT_CELL.fullmatch(cell) for cell in column) and widths[index] > _NARROWEST_COLUMN
    ]

    def find_excess() -> int:
        return sum(width + 2 for width in widths if width) - 2 - room

    while find_excess() > 0 and elastic:
        widest = max(elastic, key=lambda index: widths[index])
        widths[widest] -= 1
        elastic = [index for index in elastic if widths[index] > _NARROWEST_COLUMN]
    for index in reversed(range(2, len(widths))):
        if find_excess() > 0:
            widths[index] = 0
    return widths


_NARROWEST_COLUMN: Final = 8
_UNCUT_CELL: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\+?[0-9]{7,15}", re.IGNORECASE)
"""Ids and numbers: half of one is worth nothing."""


def _cut_cell(cell: str, width: int) -> str:
    return cell if len(cell) <= width else f"{cell[: width - 1]}…"


def parse_number_argument(text: str) -> str:
    """Return a number argument in E.164; exit with code 2 if invalid."""
    from callflows.opentact.operation_fields import parse_written_number

    number = parse_written_number(text)
    if not number:
        exit_with_notice(f"callflows: {text!r} is not a number: write it as +12015550123", 2)
    return number


def format_record_fields(raw: dict[str, Any], names: Sequence[str]) -> list[str]:
    """Return fields as text, empty if missing: only the names of these fields are known, not their types."""
    return [", ".join(map(str, value)) if isinstance(value, list) else str(value or "") for value in map(raw.get, names)]
