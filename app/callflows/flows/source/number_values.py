"""Values by the number called: ``numbers: {+12015550123: {site: Newark}}``. An expression reads them as variables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callflows.flows.source.positions import ProblemReport, SourcePath


def split_number_values(data: dict[str, Any], report: ProblemReport) -> dict[str, dict[str, str | list[str]]]:
    """Replace a mapping of numbers by the list of its numbers; return the values by number. Report other shapes."""
    numbers = data.get("numbers")
    if not isinstance(numbers, dict):
        return {}
    data["numbers"] = [*numbers]
    for index, number in enumerate(numbers):
        report.positions[("numbers", index)] = report.get_position(("numbers", number), key=True)
    return {number: _read_values(table, ("numbers", number), report) for number, table in numbers.items()}


def _read_values(table: object, path: SourcePath, report: ProblemReport) -> dict[str, str | list[str]]:
    """Return the values of a number, without those of a wrong shape."""
    if table in ("", None):
        return {}
    if not isinstance(table, dict):
        message = f"numbers: {path[-1]}: must be a mapping of names and values"
        report.error(path, "shape", message, "as +12015550123: {site: Newark}")
        return {}
    values: dict[str, str | list[str]] = {}
    for name, value in table.items():
        if isinstance(value, str) or (isinstance(value, list) and all(isinstance(part, str) for part in value)):
            values[name] = value
        else:
            report.error((*path, name), "value", f"numbers: {name}: must be a text, or a list of texts")
    return values


def check_number_values(
    values_by_number: Mapping[str, Mapping[str, object]], defaults: Mapping[str, object], report: ProblemReport
) -> None:
    """Report names that some numbers have and others lack, and names with a text for one number and a list for another."""
    kinds: dict[str, type[object]] = {name: type(value) for name, value in defaults.items()}
    for number, values in values_by_number.items():
        for name, value in values.items():
            if kinds.setdefault(name, type(value)) is not type(value):
                message = f"numbers: {name} is a text for one number and a list for another"
                report.error(("numbers", number, name), "value", message, "write a text for each, or a list for each")
    for number, values in values_by_number.items():
        missing = [name for name in kinds if name not in values and name not in defaults]
        # A number whose values could not be read is reported already.
        if missing and not report.has_error_at(("numbers", number)):
            names = ", ".join(missing)
            message = f"numbers: {number} has no {names}, and other numbers have"
            fix = f"write it there, or what the rest has under variables: {{{missing[0]}: …}}"
            report.error(("numbers", number), "number-values", message, fix, key=True)
