"""Templates of flows that people need, as files to begin with; ``callflows new`` writes them."""

from __future__ import annotations

import re
from importlib import resources
from typing import TYPE_CHECKING, Final, NamedTuple

from app.errors import TemplateRefused, suggestion
from app.flows.files import claims
from app.flows.places import Report
from app.flows.whole_file import replace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_NAME: Final = re.compile("[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_TAKEN: Final = frozenset({"extensions", "overrides"})
_NUMBERS: Final = re.compile(r"^numbers: \[\+[0-9]+\]( *)", re.MULTILINE)
_LISTS: Final = re.compile(r"^  \w+: (lists/[\w-]+\.csv)$", re.MULTILINE)
_FICTIONAL: Final = ("+12015550123", *(f"+120155501{place:02}" for place in range(100)))
"""Numbers that nobody has, for a flow to be tried with."""


class Template(NamedTuple):
    """A template: its name, a line about it, and its text."""

    name: str
    says: str
    text: str


class Begun(NamedTuple):
    """What was written: the flow's file, the files beside it, and the number that it answers."""

    file: Path
    beside: tuple[Path, ...]
    number: str


def templates() -> dict[str, Template]:
    """The templates by name; the first line of each says what it is."""
    files = [file for file in resources.files(__name__).iterdir() if file.name.endswith(".yaml")]
    found = {}
    for file in sorted(files, key=lambda file: file.name):
        text = file.read_text(encoding="utf-8")
        name = file.name.removesuffix(".yaml")
        found[name] = Template(name, text.partition("\n")[0].removeprefix("# "), text)
    return found


def begin(folder: Path, name: str, template: str, number: str, claimed: Mapping[str, str], *, force: bool = False) -> Begun:
    """Write a flow from a template, and the lists that it reads.

    ``claimed`` has the file of each number that is answered already; without a ``number`` the flow gets a free one.
    A list that is there is left as it is. Raises TemplateRefused where something is in the way; then nothing is written.
    """
    known = templates()
    if template not in known:
        near = suggestion(template, [*known]) or f"there are {', '.join(known)}"
        raise TemplateRefused(f"there is no template {template!r} ({near})")
    file = _file(folder, name, force=force)
    others = {number: other for number, other in claimed.items() if other != str(file)}
    claim = _number(number, others)
    text = _NUMBERS.sub(lambda found: f"numbers: [{claim}]{found[1]}", known[template].text, count=1)
    beside = []
    try:
        for written in _LISTS.findall(text):
            listed = folder / written
            listed.parent.mkdir(parents=True, exist_ok=True)
            if not listed.exists():
                replace(listed, resources.files(__name__).joinpath(written).read_text(encoding="utf-8"))
                beside.append(listed)
        folder.mkdir(parents=True, exist_ok=True)
        replace(file, text)
    except OSError as error:
        raise TemplateRefused(f"{error.filename or folder}: {error.strerror}") from None
    return Begun(file, tuple(beside), claim)


def _file(folder: Path, name: str, *, force: bool) -> Path:
    """The file of a flow of this name, which is free."""
    if not _NAME.fullmatch(name) or name in _TAKEN:
        raise TemplateRefused(f"{name!r} cannot be a flow's name: use letters, digits, - and _")
    for suffix in (".yml", ".py"):
        if (folder / f"{name}{suffix}").exists():
            raise TemplateRefused(f"{folder / f'{name}{suffix}'} is named so already")
    file = folder / f"{name}.yaml"
    if file.exists() and not force:
        raise TemplateRefused(f"{file} is there already: use another name, or --force to write over it")
    return file


def _number(written: str, claimed: Mapping[str, str]) -> str:
    """The number as it is claimed; a free one where none is given."""
    if not written:
        return next((number for number in _FICTIONAL if number not in claimed), _FICTIONAL[0])
    report = Report("")
    found = next(claims([written], report), None)
    if found is None:
        raise TemplateRefused(f"{written!r} is not a number: write it with its country code, as +12015550123")
    if found.number in claimed:
        raise TemplateRefused(f"{found.number} is answered already, by {claimed[found.number]}")
    return found.number
