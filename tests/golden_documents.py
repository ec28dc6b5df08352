"""The documents beside the tests, and what their first lines say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from lxml import etree

DOCUMENTS_FOLDER = Path(__file__).parent / "language" / "documents"

_HEAD_PATTERN = re.compile(r"line (?P<line>\d+): (?:<(?P<element>\w+)>(?: (?P<attribute>\w+))?: )?\w.*")


class RefusedDocument(NamedTuple):
    """A document that must be refused, and where."""

    document: bytes
    line: int
    element: str
    attribute: str


def list_documents(folder: str, suffix: str) -> list[str]:
    """The names of the files in a folder."""
    return sorted(path.stem for path in (DOCUMENTS_FOLDER / folder).glob(f"*{suffix}"))


def read_accepted_document(dialect: str, name: str) -> str:
    return (DOCUMENTS_FOLDER / dialect / f"{name}.xml").read_text(encoding="utf-8")


def read_refused_document(name: str) -> RefusedDocument:
    head, _, document = (DOCUMENTS_FOLDER / "refused" / f"{name}.txt").read_text(encoding="utf-8").partition("\n")
    match = _HEAD_PATTERN.fullmatch(head)
    assert match, f"{name}: the first line is not `line N: <Element> attribute: reason` but {head!r}"
    return RefusedDocument(document.encode(), int(match["line"]), match["element"] or "", match["attribute"] or "")


def indent_document(document: bytes) -> str:
    """A document with a line an element, as the files have it."""
    tree = etree.fromstring(document)
    etree.indent(tree)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + etree.tostring(tree, encoding="unicode") + "\n"


def make_file_name(element: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", element).lower()
