"""Templates of common flows; ``callflows new`` writes them as files."""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import TYPE_CHECKING, Final, NamedTuple

from callflows.atomic_files import replace_file_text
from callflows.errors import FlowCreationError
from callflows.flows.authoring.flow_schema import build_flow_schema
from callflows.flows.loader.folder_loader import load_extensions
from callflows.flows.source.flow_file import read_number_claims
from callflows.flows.source.positions import ProblemReport
from callflows.flows.source.sound_library import SOUNDS_FOLDER
from callflows.text import format_suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


SCHEMA_FILE_NAME: Final = ".callflows.schema.json"
"""The JSON Schema of flow files beside new flows, which name it in their first line for editors."""
FLOW_NAME_PATTERN: Final = re.compile("[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
RESERVED_FLOW_NAMES: Final = frozenset({"extensions", "overrides"})
_NUMBERS_PATTERN: Final = re.compile(r"^(numbers: \[|numbers:\n  )\+[0-9]+", re.MULTILINE)
"""The number of a template, or the first of those that have values of their own."""
_SHARED_FILE_PATTERN: Final = re.compile(r"^include: ([\w-]+/[\w-]+\.yaml)\b", re.MULTILINE)
_LIST_FILE_PATTERN: Final = re.compile(r"^  \w+: (lists/[\w-]+\.csv)$", re.MULTILINE)
_SOUND_FILE_PATTERN: Final = re.compile(r"\bplay: ([\w-]+\.wav)\b")
_FICTIONAL_NUMBERS: Final = ("+12015550123", *(f"+120155501{place:02}" for place in range(100)))
"""Numbers without a subscriber, to try a flow with."""


class FlowTemplate(NamedTuple):
    name: str
    summary: str
    text: str


class CreatedFlow(NamedTuple):
    """The new flow file, the new lists, sounds and shared files, and the number of the flow."""

    file: Path
    other_files: tuple[Path, ...]
    number: str


def load_flow_templates() -> dict[str, FlowTemplate]:
    """Return the templates by name. The first line of each file is the summary."""
    files = [file for file in resources.files(__package__).iterdir() if file.name.endswith(".yaml")]
    found = {}
    for name, file in sorted((file.name.removesuffix(".yaml"), file) for file in files):
        text = file.read_text(encoding="utf-8")
        found[name] = FlowTemplate(name, text.partition("\n")[0].removeprefix("# "), text)
    return found


def create_flow(
    folder: Path, name: str, template: str, number: str, files_by_number: Mapping[str, str], *, force: bool = False
) -> CreatedFlow:
    """Write a flow from a template, its lists, sounds and shared files, and the schema that editors use.

    ``files_by_number`` contains the flow file of each number in use. Without a ``number``, the flow gets a free one. An
    existing list, sound or shared file is not replaced. Raises FlowCreationError without writing a flow if the template,
    name or number cannot be used, or if a file cannot be written.
    """
    known = load_flow_templates()
    if template not in known:
        near = format_suggestion(template, [*known]) or f"there are {', '.join(known)}"
        raise FlowCreationError(f"there is no template {template!r} ({near})")
    file = _choose_flow_file(folder, name, force=force)
    others = {number: other for number, other in files_by_number.items() if other != str(file)}
    claim = choose_free_number(number, others)
    text = _NUMBERS_PATTERN.sub(lambda found: f"{found[1]}{claim}", known[template].text, count=1)
    beside = []
    try:
        sounds = [f"{SOUNDS_FOLDER}/{name}" for name in dict.fromkeys(_SOUND_FILE_PATTERN.findall(text))]
        for written in [*_LIST_FILE_PATTERN.findall(text), *sounds, *_SHARED_FILE_PATTERN.findall(text)]:
            other = folder / written
            other.parent.mkdir(parents=True, exist_ok=True)
            if not other.exists():
                other.write_bytes(resources.files(__package__).joinpath(written).read_bytes())
                beside.append(other)
        folder.mkdir(parents=True, exist_ok=True)
        replace_file_text(folder / SCHEMA_FILE_NAME, json.dumps(build_flow_schema(load_extensions(folder)[0])))
        replace_file_text(file, f"# yaml-language-server: $schema={SCHEMA_FILE_NAME}\n{text}")
    except OSError as error:
        raise FlowCreationError(f"{error.filename or folder}: {error.strerror}") from None
    return CreatedFlow(file, tuple(beside), claim)


def _choose_flow_file(folder: Path, name: str, *, force: bool) -> Path:
    """Return the path for a new flow. Raises FlowCreationError if the name is invalid or taken."""
    if not FLOW_NAME_PATTERN.fullmatch(name) or name in RESERVED_FLOW_NAMES:
        raise FlowCreationError(f"{name!r} cannot be a flow's name: use letters, digits, - and _")
    for suffix in (".yml", ".py"):
        if (folder / f"{name}{suffix}").exists():
            raise FlowCreationError(f"{folder / f'{name}{suffix}'} is named so already")
    file = folder / f"{name}.yaml"
    if file.exists() and not force:
        raise FlowCreationError(f"{file} is there already: use another name, or --force to write over it")
    return file


def choose_free_number(number_text: str, files_by_number: Mapping[str, str]) -> str:
    """Return the number in E.164 format, or a free one. Raises FlowCreationError if the number is invalid or taken."""
    if not number_text:
        return next((number for number in _FICTIONAL_NUMBERS if number not in files_by_number), _FICTIONAL_NUMBERS[0])
    report = ProblemReport("")
    found = next(read_number_claims([number_text], report), None)
    if found is None:
        raise FlowCreationError(f"{number_text!r} is not a number: write it with its country code, as +12015550123")
    if found.number in files_by_number:
        raise FlowCreationError(f"{found.number} is answered already, by {files_by_number[found.number]}")
    return found.number
