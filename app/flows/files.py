"""What a flow file says, as far as its shape goes: texts take their type from where they stand."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pydantic

from app.errors import suggestion
from app.flows.book import REST, Claim
from app.flows.yaml_texts import read_yaml
from app.numbers import e164

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.flows.places import Path, Report


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) and value else value


def form(name: str) -> pydantic.WithJsonSchema:
    """Marks a type as what the schema of flow files defines under a name."""
    return pydantic.WithJsonSchema({"$ref": f"#/definitions/{name}"})


NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""The name of a flow, or of a node."""
Steps = Annotated[list[Any], pydantic.BeforeValidator(lambda value: [] if value == "" else value), form("steps or nothing")]


class FlowFile(pydantic.BaseModel):
    """What a flow file says, as far as its shape goes; steps are looked at by the compiler."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    numbers: Annotated[list[str], pydantic.BeforeValidator(_listed), form("texts")] = pydantic.Field(
        [],
        description="The numbers that it answers: as +12015550123, prefixes as +1201*, and rest, every number left over.",
    )
    timezone: Annotated[str, form("timezone")] = pydantic.Field(
        "", description="The zone of now and of hours, as America/New_York; else UTC."
    )
    voice: Annotated[dict[str, str], form("voice")] = pydantic.Field({}, description="Defaults of every say.")
    dialect: Literal["reference", "classic"] | None = pydantic.Field(
        None, description="Opentact's spelling of the language; else that of the settings."
    )
    auto_answer: Literal["auto", "true", "false"] = pydantic.Field(
        "auto", description="Whether Answer is written: where it is needed, always, or never."
    )
    hours: dict[Annotated[str, form("name")], Annotated[Any, form("hours")]] = pydantic.Field(
        {}, description="Opening hours by name, which expressions see as hours.NAME.open."
    )
    lists: dict[Annotated[str, form("name")], str] = pydantic.Field(
        {}, description="Caller lists by name: each a CSV file beside this one, as lists/spam.csv."
    )
    groups: dict[Annotated[str, form("name")], Annotated[Any, form("group")]] = pydantic.Field(
        {}, description="Hunt groups by name: whom to ring, and how. A dial names them under to."
    )
    variables: dict[Annotated[str, form("name")], str] = pydantic.Field(
        {}, description="Texts by name, which expressions see as variables.NAME."
    )
    dial_policy: Annotated[Any, form("dial_policy")] = pydantic.Field(
        None, description="Which targets may be rung that are worked out: from digits, a lookup, a header."
    )
    template: str = pydantic.Field("", description="An XML template beside this file, as acme.xml.j2, instead of nodes.")
    nodes: Annotated[dict[str, Steps], form("nodes")] = pydantic.Field(
        description="Steps by the name of their node; every call begins at start."
    )
    tests: Annotated[Any, form("tests")] = pydantic.Field(
        None, description="Scenarios of calls, and what is expected of them: callflows test runs them."
    )
    fallback: Steps = pydantic.Field([], description="Said when anything goes wrong; it needs nothing but itself.")


def read(text: bytes, report: Report) -> FlowFile | None:
    """A flow file, or None with the errors in ``report``."""
    data = read_yaml(text, report)
    if data is None:
        return None
    if not isinstance(data, dict):
        report.error((), "shape", "a flow file is a mapping of numbers, nodes and more")
        return None
    if "template" in data and "nodes" in data:
        report.error(("template",), "shape", "template and nodes: a flow is made of the one or of the other", key=True)
    elif "template" in data:
        data["nodes"] = {}
    data.pop("tests", None)  # they are read by whoever runs them; a live call has no need of them
    flow: FlowFile | None = validate(FlowFile, data, (), report)
    return flow


def validate(model: type[Any], data: object, path: Path, report: Report) -> Any:  # noqa: ANN401 - the model's instance
    """``data`` as a pydantic model; what is wrong is said in ``report`` and left out, None where nothing is left."""
    try:
        return model.model_validate(data)
    except pydantic.ValidationError as errors:
        wrong = errors.errors(include_url=False)
        for error in wrong:
            where = (*path, *(part for part in error["loc"] if part != "[key]"))
            _explain(model, error, where, report)
        return _without(model, data, {error["loc"][0] for error in wrong if error["loc"]})


def _without(model: type[Any], data: object, keys: set[Any]) -> Any:  # noqa: ANN401 - the model's instance
    """What is right of ``data``, so that one pass finds all that is wrong; None where too little is left."""
    try:
        return (
            model.model_validate({key: value for key, value in data.items() if key not in keys})
            if isinstance(data, dict)
            else None
        )
    except pydantic.ValidationError:
        return None


def _explain(model: type[Any], error: Any, where: Path, report: Report) -> None:  # noqa: ANN401 - pydantic's details
    name = where[-1] if where else "file"
    match error["type"]:
        case "extra_forbidden":
            known = [field.alias or key for key, field in model.model_fields.items()]
            near = suggestion(str(name), known)
            report.error(
                where, "unknown-key", f"there is no key {name!r} here", near or f"there are {', '.join(known)}", key=True
            )
        case "missing":
            report.error(where[:-1], "missing-key", f"{name} is missing")
        case "list_type":
            report.error(where, "shape", f"{name}: must be a list", "begin each line with -")
        case "dict_type" | "model_type" | "model_attributes_type":
            report.error(where, "shape", f"{name}: must be a mapping of keys and values")
        case "string_type":
            report.error(where, "shape", f"{name}: must be a text")
        case "literal_error":
            report.error(where, "value", f"{name}: must be {error['ctx']['expected']}, not {error['input']!r}")
        case "too_short" | "string_too_short":
            report.error(where, "value", f"{name}: must not be empty")
        case "value_error":
            report.error(where, "value", f"{name}: {error['ctx']['error']}")
        case _:
            report.error(where, "value", f"{name}: {error['msg'].lower()}, not {error['input']!r:.60}")


def claims(numbers: Sequence[str], report: Report) -> Iterator[Claim]:
    """The numbers that a file answers; what is none is said."""
    for index, written in enumerate(numbers):
        path: Path = ("numbers", index)
        if path not in report.places:
            path = ("numbers",)
        number = _claimed(written.strip())
        if not number:
            mend = "write it with its country code, as +12015550123; a prefix as +1201*; all that is left over as rest"
            report.error(path, "number", f"numbers: {written!r} is not a number", mend)
            continue
        place = report.place(path)
        yield Claim(number, report.file, place.line, place.column)


def _claimed(written: str) -> str:
    """A number as it is claimed: E.164, ``+1201*`` or ``rest``; nothing where it is none."""
    if written == REST:
        return REST
    if written.endswith("*"):
        digits = written[:-1].removeprefix("+")
        return f"+{digits}*" if digits.isascii() and digits.isdecimal() else ""
    return e164(written)


def zone_of(name: str, path: Path, report: Report) -> ZoneInfo | None:
    """A time zone by its name; none where none is named, or there is none."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        report.error(path, "timezone", f"timezone: there is no zone {name!r}", "as America/New_York")
        return None
