"""The documents beside the tests, and what their first lines say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from lxml import etree

DOCUMENTS = Path(__file__).parent / "language" / "documents"

_HEAD = re.compile(r"line (?P<line>\d+): (?:<(?P<element>\w+)>(?: (?P<attribute>\w+))?: )?\w.*")


class Refused(NamedTuple):
    """A document that must be refused, and where."""

    document: bytes
    line: int
    element: str
    attribute: str


def cases(folder: str, suffix: str) -> list[str]:
    """The names of the files in a folder."""
    return sorted(path.stem for path in (DOCUMENTS / folder).glob(f"*{suffix}"))


def accepted(dialect: str, name: str) -> str:
    return (DOCUMENTS / dialect / f"{name}.xml").read_text(encoding="utf-8")


def refused(name: str) -> Refused:
    head, _, document = (DOCUMENTS / "refused" / f"{name}.txt").read_text(encoding="utf-8").partition("\n")
    found = _HEAD.fullmatch(head)
    assert found, f"{name}: the first line is not `line N: <Element> attribute: reason` but {head!r}"
    return Refused(document.encode(), int(found["line"]), found["element"] or "", found["attribute"] or "")


def indented(document: bytes) -> str:
    """A document with a line an element, as the files have it."""
    tree = etree.fromstring(document)
    etree.indent(tree)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + etree.tostring(tree, encoding="unicode") + "\n"


def file_name(element: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", element).lower()
