"""The shape of a flow file. Every YAML scalar is text; the place in the file decides the type."""

from __future__ import annotations

import itertools
import re
from pathlib import Path  # noqa: TC003 - read by pydantic
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

import pydantic

from callflows.flows.country_code_check import suggest_written_number
from callflows.flows.entry_points import START_NODE, UNCLAIMED_NUMBERS, NumberClaim
from callflows.flows.source.included_files import read_flow_data
from callflows.flows.source.misspelt_keys import find_misspelt_word
from callflows.flows.source.number_values import split_number_values
from callflows.flows.source.shape_validation import correct_model_keys, validate_shape
from callflows.flows.source.source_values import VariableValue, schema_reference
from callflows.telephony.phone_numbers import parse_e164, strip_international_prefix, strip_number_signs
from callflows.text import find_nearest, suggest_list

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from callflows.flows.source.positions import ProblemReport, SourcePath


def _wrap_text_in_list(value: object) -> object:
    return [value] if isinstance(value, str) and value else value


FLOW_AND_NODE_NAME_PATTERN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def _empty_text_to_list(value: object) -> object:
    return [] if value == "" else value


StepList = Annotated[list[Any], pydantic.BeforeValidator(_empty_text_to_list), schema_reference("steps or nothing")]
NumberList = Annotated[list[str], pydantic.BeforeValidator(_wrap_text_in_list), schema_reference("numbers")]
_HANGUP_STEP: Final[Mapping[str, str]] = {"hangup": ""}
"""Replaces steps that cannot be read."""
MessageRuleList = Annotated[list[Any], pydantic.BeforeValidator(_empty_text_to_list), schema_reference("messages")]


class FlowFile(pydantic.BaseModel):
    """The shape of a flow file. Steps stay unparsed here; the compiler reads the steps."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    instead: ClassVar[Mapping[str, Any]] = {"nodes": {START_NODE: [_HANGUP_STEP]}}

    include: Annotated[list[str], schema_reference("included files")] = pydantic.Field(
        [],
        description="Files in folders below, as common/closed.yaml, with nodes, groups, directory, hours, lists and "
        "variables that several flows share. With {file: common/site.yaml, prefix: shop_} its names begin with shop_.",
    )
    numbers: NumberList = pydantic.Field(
        [],
        description="The numbers that the flow answers: +12015550123, a prefix +1201*, or rest (all that are left over). "
        "As a mapping, each has variables of its own: {+12015550123: {site: Newark}}.",
    )
    timezone: Annotated[str, schema_reference("timezone")] = pydantic.Field(
        "", description="The time zone of now and of hours, for example America/New_York. UTC if it is missing."
    )
    voice: Annotated[dict[str, str], schema_reference("voice")] = pydantic.Field(
        {}, description="The voice and language of every say that names none."
    )
    languages: Annotated[dict[str, Any], schema_reference("languages")] = pydantic.Field(
        {},
        description="The languages of the flow by name, each with its voice: {en: en-US, es: {lang: es-US}}. "
        "Callers hear the first until set: {language: es}.",
    )
    dialect: Literal["reference", "classic"] | None = pydantic.Field(
        None, description="The dialect of Opentact's XML. The setting DIALECT if it is missing."
    )
    auto_answer: Literal["auto", "true", "false"] = pydantic.Field(
        "auto", description="When Answer is written: if it is needed (auto), always (true), or never (false)."
    )
    hours: dict[Annotated[str, schema_reference("name")], Annotated[Any, schema_reference("hours")]] = pydantic.Field(
        {}, description="Opening hours by name. An expression asks for them with hours.NAME.open."
    )
    lists: dict[Annotated[str, schema_reference("name")], str] = pydantic.Field(
        {}, description="Lists of callers by name. Each is a CSV file beside this one, for example lists/spam.csv."
    )
    groups: dict[Annotated[str, schema_reference("name")], Annotated[Any, schema_reference("group")]] = pydantic.Field(
        {}, description="Hunt groups by name: whom to ring, and how. A dial names a group under to."
    )
    directory: dict[Annotated[str, schema_reference("extension")], Annotated[Any, schema_reference("directory entry")]] = (
        pydantic.Field(
            {}, description="People by extension. A collect takes the extension, and dial: directory rings them."
        )
    )
    variables: dict[Annotated[str, schema_reference("name")], VariableValue] = pydantic.Field(
        {}, description="Texts, or lists of texts, by name. An expression uses them as variables.NAME."
    )
    receives: Annotated[list[str], pydantic.BeforeValidator(_wrap_text_in_list), schema_reference("texts")] = (
        pydantic.Field(
            [],
            description="Names of values that calls may bring from other flows by goto: this-flow/node; else empty.",
        )
    )
    dial_policy: Annotated[Any, schema_reference("dial_policy")] = pydantic.Field(
        None, description="Which computed numbers and addresses may be rung: those from digits, a lookup or a header."
    )
    template: str = pydantic.Field(
        "", description="An XML template beside this file, for example acme.xml.j2, instead of nodes."
    )
    twiml: Annotated[Any, schema_reference("twiml")] = pydantic.Field(
        None,
        description="The URL of an app that answers Twilio's webhooks, instead of nodes: its answers are translated. "
        "As {url, method}, also with GET.",
    )
    nodes: Annotated[dict[str, StepList], schema_reference("nodes")] = pydantic.Field(
        description="The nodes by name, each a list of steps. Every call begins at start."
    )
    messages: MessageRuleList = pydantic.Field(
        [], description="What happens with text messages to the numbers: the first rule that matches is used."
    )
    ended: Annotated[list[Any], pydantic.BeforeValidator(_empty_text_to_list), schema_reference("ended")] = pydantic.Field(
        [],
        description="The sms, mail and notify steps done once after each call. Conditions see how it ended: ended.",
    )
    tests: Annotated[Any, schema_reference("tests")] = pydantic.Field(
        None, description="Scenarios, and what is expected to happen in them. callflows test runs them."
    )
    fallback: StepList = pydantic.Field(
        [], description="What the caller hears if anything goes wrong. It can use nothing else of the file."
    )
    _number_values: dict[str, dict[str, str | list[str]]] = pydantic.PrivateAttr(default_factory=dict)

    _included_files: dict[Path, bytes] = pydantic.PrivateAttr(default_factory=dict)

    @property
    def document_origin(self) -> str:
        """``template`` or ``twiml`` if whole documents come from there; an empty text if the flow has nodes."""
        return "template" if self.template else "twiml" if self.twiml is not None else ""

    @property
    def included_files(self) -> dict[Path, bytes]:
        """The included files with their content, which is empty if a file cannot be read."""
        return self._included_files

    @property
    def number_values(self) -> dict[str, dict[str, str | list[str]]]:
        """Variables of a number by number, as written; empty if the numbers are a list."""
        return self._number_values


NO_MAPPING_MESSAGE: Final = "a flow file is keys with values: numbers, nodes and more"


def suggest_flow_shape(data: object) -> str:
    """Return the fix for a file that is a list, a text or another kind of file."""
    if isinstance(data, str) and data.lstrip().startswith("<"):
        return "this looks like XML: a document is named NAME.xml, and callflows import makes a flow file of TwiML"
    if isinstance(data, list):
        return "take the - before each key of the file away"
    return "write numbers: +12015550123 and, on the next line, nodes: {start: [say: Hello]}"


def read_flow_file(text: bytes, report: ProblemReport) -> FlowFile | None:
    """Read a flow file. Returns None, with errors in ``report``, if the file has no valid shape."""
    data, included_files = read_flow_data(text, report)
    if data is None:
        return None
    if not isinstance(data, dict):
        report.error((), "shape", NO_MAPPING_MESSAGE, suggest_flow_shape(data))
        return None
    made_of = [key for key in ("template", "twiml", "nodes") if key in data and (key != "nodes" or data["nodes"])]
    if len(made_of) > 1:
        message = f"{' and '.join(made_of)}: a flow is made of the one or of the other"
        report.error((made_of[0],), "shape", message, key=True)
    elif made_of and made_of != ["nodes"]:
        data["nodes"] = {}
    data.pop("tests", None)  # read only by rehearsals; live calls do not need scenarios
    data = _indent_sections(data, report)
    nodes = data.get("nodes")
    data = correct_model_keys(FlowFile, data, (), report)  # what reads a key by its name finds it
    number_values = split_number_values(data, report)
    flow: FlowFile | None = validate_shape(FlowFile, data, (), report)
    if flow is not None:
        flow.number_values.update(number_values)
        flow.included_files.update(included_files)
    if flow is not None and isinstance(nodes, dict):
        read = {**flow.nodes}
        flow.nodes.clear()
        for name, steps in nodes.items():
            flow.nodes[name] = read[name] if name in read else _recover_steps(steps, ("nodes", name), report)
    return flow


def _indent_sections(data: dict[str, Any], report: ProblemReport) -> dict[str, Any]:
    """Return the data of a file with the keys below an empty section within it, if the file has no such keys.

    Reports the first of them: its line is not indented.
    """
    indented: dict[str, Any] = {}
    section, is_reported = "", False
    for key, value in data.items():
        is_known = key in FlowFile.model_fields or bool(find_misspelt_word(str(key), FlowFile.model_fields))
        if is_known:
            section, is_reported = (key if key in _INDENTED_SECTIONS and value == "" else ""), False
            indented[key] = value
        elif not section or not isinstance(value, _INDENTED_SECTIONS[section]):
            section = ""
            indented[key] = value
        else:
            report.alias_subtree((key,), (section, key))
            if not is_reported:
                message = f"{key} is not indented, so that it does not belong to {section}"
                fix = f"indent all that belongs to {section} by two blanks"
                report.error((section, key), "shape", message, fix, key=True)
                indented[section], is_reported = {}, True
            indented[section][key] = value
    return indented


_INDENTED_SECTIONS: Final[Mapping[str, type | tuple[type, ...]]] = {
    "nodes": (list, dict),
    "hours": dict,
    "groups": (list, dict, str),
    "lists": str,
    "variables": (list, str),
    "directory": (dict, str),
}
"""Sections whose keys the author chooses, with the types of their values."""


def _recover_steps(node_value: object, path: SourcePath, report: ProblemReport) -> list[Any]:
    """Guess the steps that the author meant by a value of the wrong shape, so that the steps are checked too.

    The wrong shape is already reported.
    """
    if not isinstance(node_value, dict) or not node_value:
        return [_HANGUP_STEP]
    if "when" in node_value:
        for key in node_value:
            report.alias_subtree((*path, key), (*path, 0, key))
        return [node_value]
    steps: list[Any] = []
    for index, (written, value) in enumerate(node_value.items()):
        key = str(written).removeprefix("-")  # the blank between dash and key is missing
        report.alias_subtree((*path, written), (*path, index, key))
        steps.append({key: value})
    return steps


def read_number_claims(numbers: Sequence[str], report: ProblemReport) -> Iterator[NumberClaim]:
    """Yield the numbers that a file answers, and report invalid numbers."""
    for index, written in enumerate(numbers):
        path: SourcePath = ("numbers", index)
        if path not in report.positions:
            path = ("numbers",)
        number = parse_claimed_number(written.strip())
        if not number:
            fix = suggest_list(written, parse_claimed_number) or _suggest_prefix(written)
            otherwise = "write it with its country code, as +12015550123; a prefix as +1201*; all that is left over as rest"
            fix = fix or suggest_written_number(written, otherwise, numbers)
            report.error(path, "number", f"numbers: {written!r} is not a number", fix)
            continue
        place = report.get_position(path)
        yield NumberClaim(number, place.file or report.file, place.line, place.column)


def _suggest_prefix(written: str) -> str:
    """Return the fix for several numbers that are written as one, as ``+1 201 555 01xx`` or ``+12015550101-09``."""
    several = _NUMBER_RANGE.fullmatch(written.strip())
    if several is None:
        return ""
    first, last = (re.sub("[^0-9]", "", several[name] or "") for name in ("first", "last"))
    end = first[: len(first) - len(last)] + last
    shared = itertools.takewhile(lambda digits: digits[0] == digits[1], zip(first, end, strict=False))
    common = "".join(digit for digit, _ in shared)
    return f"all numbers that begin alike are a prefix, as +{common}*; others are a list"


_NUMBER_RANGE: Final = re.compile(
    r"\+?(?P<first>[1-9][0-9 ().]{5,20})(?:[xX?*#_]+|\s*(?:-|\u2013|\.\.+|\bto\b)\s*\+?(?P<last>[0-9]{1,15}))"
)


def build_number_claims(numbers: Mapping[SourcePath, str], report: ProblemReport) -> tuple[NumberClaim, ...]:
    """Return numbers as claims, with the positions in the file."""
    places = [(number, report.get_position(path)) for path, number in numbers.items()]
    return tuple(NumberClaim(number, place.file or report.file, place.line, place.column) for number, place in places)


def parse_claimed_number(text: str) -> str:
    """Return a claimed number as E.164, ``+1201*`` or ``rest``; an empty text for an invalid number."""
    if text == UNCLAIMED_NUMBERS:
        return UNCLAIMED_NUMBERS
    if text.endswith("*"):
        digits = strip_international_prefix(strip_number_signs(text[:-1])).removeprefix("+")
        # No country's code begins with 0.
        return f"+{digits}*" if digits.isascii() and digits.isdecimal() and digits[0] != "0" else ""
    return parse_e164(text)


def check_node_names(nodes: Collection[str], report: ProblemReport) -> bool:
    """Report invalid node names and a missing start node; return whether the start node exists."""
    for node in nodes:
        if not FLOW_AND_NODE_NAME_PATTERN.fullmatch(node):
            message = f"{node!r} cannot be a node's name"
            report.error(("nodes", node), "node-name", message, "use letters, digits, - and _", key=True)
    if START_NODE not in nodes:
        near = find_nearest(START_NODE, nodes, 0.75)
        fix = f"every flow begins at start{f': rename {near!r}' if near else ''}"
        report.error(("nodes",), "no-start", f"no node is named {START_NODE!r}", fix, key=True)
    return START_NODE in nodes
