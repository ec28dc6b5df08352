"""Finds the files of a flows folder that may have a problem together with some others, without compiling any."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from callflows.atomic_files import resolve_links
from callflows.flows.entry_points import UNCLAIMED_NUMBERS
from callflows.flows.loader.folder_loader import list_flow_files, read_bounded_file

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


def find_related_files(files: Collection[Path], folder: Path) -> list[Path]:
    """Return the other flow files of a folder with a name, a number or a node in common with ``files``, by their text.

    The text of included files counts as that of the file.
    """
    known = {resolve_links(file) for file in files}
    try:
        others = [file for file in list_flow_files(folder) if resolve_links(file) not in known]
    except OSError:
        return []
    if not others:
        return []
    texts = [_read_whole_text(file) for file in files]
    own = [_FileNumbers.read(text) for text in texts]
    names = {file.stem for file in files}
    return [other for other in others if other.stem in names or _is_related(other, texts, own)]


class _WrittenNumbers(NamedTuple):
    """Ends of the numbers in a text, its prefixes without the star, all numbers whole, and the presence of ``rest``."""

    ends: frozenset[str]
    prefixes: frozenset[str]
    whole: frozenset[str]
    has_rest: bool

    @classmethod
    def read(cls, text: str) -> _WrittenNumbers:
        written = [_SEPARATORS.sub("", number) for number in _NUMBER.findall(text)]
        whole = frozenset(number for number in written if number.isdecimal() and len(number) >= _END_LENGTH)
        return cls(
            frozenset(number[-_END_LENGTH:] for number in whole),
            frozenset(number.removesuffix("*") for number in written if number.endswith("*")),
            whole,
            _REST.search(text) is not None,
        )

    def meets(self, other: _WrittenNumbers) -> bool:
        """Return True if a number, a prefix or ``rest`` is in both."""
        return (
            not self.ends.isdisjoint(other.ends)
            or (self.has_rest and other.has_rest)
            or not self.prefixes.isdisjoint(other.prefixes)
            or any(number.startswith((*other.prefixes,)) for number in self.whole)
            or any(number.startswith((*self.prefixes,)) for number in other.whole)
        )


class _FileNumbers(NamedTuple):
    """The numbers that a file claims, and all that it has."""

    claimed: _WrittenNumbers
    all: _WrittenNumbers

    @classmethod
    def read(cls, text: str) -> _FileNumbers:
        section = _NUMBERS_SECTION.search(text)
        everything = _WrittenNumbers.read(text)
        return cls(_WrittenNumbers.read(section[0]) if section else everything, everything)


def _is_related(other: Path, texts: Collection[str], own: Collection[_FileNumbers]) -> bool:
    if any(f"{other.stem}/" in text for text in texts):
        return True
    # Many flows ring the same people, and have nothing else in common: one of the two must claim the number.
    there = _FileNumbers.read(_read_whole_text(other))
    return any(one.claimed.meets(there.all) or one.all.meets(there.claimed) for one in own)


def _read_whole_text(file: Path) -> str:
    text = _read_text(file)
    if "include" not in text:
        return text
    names = [name for name in _PATH.findall(text) if "/" in name and name.endswith((".yaml", ".yml"))]
    return "\n".join([text, *(_read_text(file.parent / name) for name in dict.fromkeys(names))])


def _read_text(file: Path) -> str:
    try:
        return read_bounded_file(file).decode("utf-8", errors="replace")
    except OSError:
        return ""


_END_LENGTH: Final = 7
"""Digits at the end of a number that tell it from others, however its country is written."""
_SEPARATORS: Final = re.compile(r"[^0-9*]")
_NUMBER: Final = re.compile(r"[0-9](?:[ ()./-]{0,3}[0-9])*\*?")
_NUMBERS_SECTION: Final = re.compile(r"""^["']?numbers["']?[ \t]*:.*(?:\n(?:[ \t#\]}+0-9-].*)?(?=\n|$))*""", re.MULTILINE)
_REST: Final = re.compile(rf"\b{UNCLAIMED_NUMBERS}\b")
_PATH: Final = re.compile(r"(?<![\w./-])[./-]*+(\w[\w/.-]*+)")
