"""What stands in a file as the classes that say its shape: what is wrong is said, what is right is looked at further."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, get_args

import pydantic

from app.errors import nearest, suggestion
from app.flows.yaml_texts import UNREAD
from app.language.values import DURATION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.flows.places import Path, Report

SOMETHING: Final = "\ufdd0"
"""Stands for a text that could not be read, which is said already; no author's text has it."""
ALIKE: Final = 0.75
"""How much a misspelt key is like the right one whose value is looked at in its place."""


def validate(model: type[Any], data: object, path: Path, report: Report) -> Any:  # noqa: ANN401 - the model's instance
    """``data`` as a pydantic model. What is wrong is said in ``report`` and left out; None where nothing is left.

    What is needed and cannot be read is what the model has under ``instead``, so that all the rest is looked at.
    """
    try:
        return model.model_validate(data)
    except pydantic.ValidationError:
        return _in_part(model, _respelt(model, data, path, report), path, report)


def _respelt(model: type[Any], data: object, path: Path, report: Report) -> object:
    """``data`` with keys that are misspelt beyond doubt under the right ones; that is said."""
    if not isinstance(data, dict):
        return data
    known = _keys(model)
    made = {}
    for key, value in data.items():
        right = nearest(str(key), known, ALIKE) if key not in known else ""
        if right and right not in data and right not in made:
            _unknown(model, key, (*path, key), report)
            report.same((*path, key), (*path, right))
            made[right] = value
        else:
            made[key] = value
    return made


def _in_part(model: type[Any], data: object, path: Path, report: Report) -> Any:  # noqa: ANN401 - the model's instance
    try:
        return model.model_validate(data)
    except pydantic.ValidationError as errors:
        wrong = errors.errors(include_url=False)
    for error in wrong:
        if error["type"] == "missing" or error["input"] is not UNREAD:
            where = (*path, *(part for part in error["loc"] if part != "[key]"))
            _explain(_model_at(model, error["loc"][:-1]), error, where, report)
    if not isinstance(data, dict):
        return None
    for error in wrong:
        data = _without(data, error["loc"])
    missing = {error["loc"][0] for error in wrong if error["loc"][0] not in data}
    instead = {key: value for key, value in getattr(model, "instead", {}).items() if key in missing}
    try:
        return model.model_validate({**data, **instead})
    except pydantic.ValidationError:
        return None


def _without(data: Mapping[Any, Any], place: Sequence[Any]) -> dict[Any, Any]:
    """A mapping without what is wrong in it: as little as can be taken out of mappings."""
    key, *inner = place
    part = data.get(key)
    if inner and isinstance(part, dict) and inner[0] in part:
        left = _without(part, inner)
        if left:
            return {**data, key: left}
    return {name: value for name, value in data.items() if name != key}


def _model_at(model: type[Any], place: Sequence[Any]) -> type[Any]:
    """The model that a value inside is of."""
    for key in place:
        kind = model.model_fields[key].annotation if key in model.model_fields else None
        kinds = (kind, *get_args(kind))
        model = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, pydantic.BaseModel)), model)
    return model


def _keys(model: type[Any]) -> list[str]:
    return [field.alias or key for key, field in model.model_fields.items() if not field.exclude]


def _unknown(model: type[Any], name: object, where: Path, report: Report) -> None:
    known = _keys(model)
    mend = suggestion(str(name), known) or f"there are {', '.join(known)}"
    report.error(where, "unknown-key", f"there is no key {name!r} here", mend, key=True)


def _explain(model: type[Any], error: Any, where: Path, report: Report) -> None:  # noqa: ANN401 - pydantic's details
    name = next((part for part in reversed(where) if isinstance(part, str)), "file")
    match error["type"]:
        case "extra_forbidden":
            _unknown(model, name, where, report)
        case "missing":
            report.error(where[:-1], "missing-key", f"{name} is missing")
        case "list_type":
            report.error(where, "shape", f"{name}: must be a list", "begin each line with -")
        case "dict_type" | "model_type" | "model_attributes_type":
            report.error(where, "shape", f"{name}: must be a mapping of keys and values", "as key: value, without -")
        case "string_type":
            report.error(where, "shape", f"{name}: must be a text")
        case "too_short" | "string_too_short":
            report.error(where, "value", f"{name}: must not be empty")
        case _:
            said, mend = _of_value(error)
            report.error(where, "value", f"{name}: {said}", mend)


def _of_value(error: Any) -> tuple[str, str]:  # noqa: ANN401 - pydantic's details
    """What is wrong with a value, and the mend."""
    given, more = error["input"], error.get("ctx", {})
    shown = f"{given!r:.60}"
    match error["type"]:
        case "literal_error":
            words = re.findall("'([^']*)'", more["expected"])
            return f"must be {more['expected']}, not {shown}", suggestion(str(given), words)
        case "value_error":
            return str(more["error"]), ""
        case "bool_parsing" | "bool_type":
            return f"must be true or false, not {shown}", suggestion(str(given), ("true", "false"))
        case "int_parsing" | "int_type" | "int_from_float":
            return f"must be a whole number, not {shown}", ""
        case "less_than_equal":
            return f"must be at most {_limit(more['le'], given)}, not {shown}", ""
        case "greater_than_equal":
            return f"must be at least {_limit(more['ge'], given)}, not {shown}", ""
        case _:
            return f"{error['msg'].lower()}, not {shown}", ""


def _limit(limit: int, given: object) -> str:
    """A limit as the author writes it: of a duration in ms with its unit."""
    if isinstance(given, str) and DURATION.fullmatch(given.strip()):
        return f"{limit // 1000}s" if limit % 1000 == 0 else f"{limit}ms"
    return str(limit)
