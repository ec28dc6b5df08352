"""Groups of calls: ``opentact.rooms.roster(uuid="…")`` is the line ``rooms roster`` of the operation table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from callflows.opentact.pagination import MAX_PAGE_ROWS, fetch_list, fetch_record, search_records
from callflows.opentact.rest_records import OpentactRecord
from callflows.text import format_suggestion

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from callflows.opentact.rest_client import RestClient


class OperationGroup:
    """The calls of one group of the operation table, each as a method named by the other words of the line.

    ``profiles.messaging_list()`` is ``profiles messaging list``. A method takes the fields of the line, and ``more`` for
    further fields of the body; a field that is a word of Python ends with ``_`` (``from_``). A search is iterated with
    ``async for``, everything else is awaited. Every method raises OpentactError.
    """

    def __init__(self, rest: RestClient, group: str) -> None:
        self._rest = rest
        self._group = group

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._find_methods()})

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return the method of a line of the table."""
        if name.startswith("_"):
            raise AttributeError(name)
        methods = self._find_methods()
        if name not in methods:
            suggestion = format_suggestion(name, [*methods]) or f"there are {', '.join(methods)}"
            raise AttributeError(f"{self._group} has no call {name!r}: {suggestion}")
        operation = methods[name]

        def call_method(*, more: Mapping[str, Any] | None = None, **fields: Any) -> Any:  # noqa: ANN401 - as the line
            values = {field.removesuffix("_"): value for field, value in fields.items()}
            return self.run_operation(operation, values, more)

        call_method.__name__ = name
        call_method.__doc__ = self._rest.table.get_operation(operation).meaning
        return call_method

    def run_operation(self, operation: str, values: Mapping[str, Any], more: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401 - an awaitable, or an iterator of a search
        """Return an awaitable of the answer; of a search, an asynchronous iterator over all rows."""
        match self._rest.table.get_operation(operation).answer:
            case "page":
                arguments = dict(values)
                take = arguments.pop("take", MAX_PAGE_ROWS)
                arguments.pop("skip", None)
                return self._search_rows(operation, arguments, more, take)
            case "records":
                return fetch_list(self._rest, OpentactRecord, operation, values)
            case "record":
                return fetch_record(self._rest, OpentactRecord, operation, values, more)
            case _:
                return self._rest.call_operation(operation, values, more)

    def _search_rows(
        self, operation: str, values: Mapping[str, Any], more: Mapping[str, Any] | None, take: int
    ) -> AsyncIterator[OpentactRecord]:
        return search_records(self._rest, OpentactRecord, operation, values, more=more, take=take)

    def _find_methods(self) -> dict[str, str]:
        """Return the names of the methods, with the name of each operation."""
        return {_get_method_name(operation.name): operation.name for operation in self._rest.table.list_group(self._group)}

    def _split_fields(self, operation: str, fields: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the operation's fields among the given ones, and the rest, which is sent unchanged."""
        known = {field.name for field in self._rest.table.get_operation(operation).fields}
        values = {name: value for name, value in fields.items() if name in known}
        return values, {name: value for name, value in fields.items() if name not in known}


def _get_method_name(operation_name: str) -> str:
    _, _, words = operation_name.partition(" ")
    return (words or "list").replace(" ", "_").replace("-", "_")
