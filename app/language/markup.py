"""Verbs to XML, read off the classes. This is the one place that escapes.

Writing is strict: what a dialect does not document is refused with the reason and the place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from app.errors import DialectError, LanguageError
from app.language.dialects import BRANCHES, NO_EXTENSIONS, SIP_TAG, SWITCH, WRITING, Extensions, Item, Spelling
from app.language.element import Element, paths
from app.language.rows import DIALECTS, Dialect
from app.language.values import BLANK, NUMBER, Kind
from app.language.verbs import Gather, Response, To

MAX_BYTES: Final = 1_000_000
"""A document longer than this is neither written nor read."""
DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'

_SPECIAL: Final = re.compile(r'[&<>"\t\n\r]')


def escape(text: str) -> str:
    """``text`` as it stands between tags."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")


def escape_attribute(text: str) -> str:
    """``text`` as it stands between double quotes."""
    if not _SPECIAL.search(text):
        return text
    return escape(text).replace('"', "&quot;").replace("\t", "&#9;").replace("\n", "&#10;")


def to_xml(response: Response, dialect: Dialect = "reference", *, extensions: Extensions = NO_EXTENSIONS) -> bytes:
    """The document in a dialect, UTF-8.

    Raises DialectError for what the dialect cannot say (with the place), LanguageError for a document over MAX_BYTES.
    """
    if dialect not in DIALECTS:
        raise LanguageError(f"there is no dialect {dialect!r}; there are {' and '.join(DIALECTS)}")
    if type(response) is not Response:
        raise LanguageError(f"a document is a Response, not {response!r:.60}")
    try:
        document = (DECLARATION + _WRITERS[dialect][Response](response, extensions)).encode()
    except (_Refused, KeyError):
        raise _refusal(response, dialect, extensions) from None
    if len(document) > MAX_BYTES:
        raise LanguageError(f"the document has {len(document)} bytes, more than {MAX_BYTES} (a loop?)")
    return document


class _Refused(Exception):
    """Something cannot be written; ``_refusal`` finds out what."""


_Writer = Callable[[Element, Extensions], str]


def _writer(dialect: Dialect, cls: type[Element], spelling: Spelling, writers: Mapping[type[Element], _Writer]) -> _Writer:
    """How an element of a class is written: all that is known before is worked out here, once."""
    opening, closing, empty = f"<{spelling.tag}", f"</{spelling.tag}>", f"<{spelling.tag}/>"
    plan = {name: (item.start, _converter(item)) for name, item in spelling.items.items()}
    text_name, loose_name = spelling.text, spelling.loose
    inside_too = _switch if cls is Gather and dialect == "classic" else _prompts_before if cls is Gather else None
    sip = cls is To and dialect == "classic"

    def write(element: Element, extensions: Extensions) -> str:
        start, text = opening, ""
        for name, value in element.attributes.items():
            if name == text_name or (name == loose_name and "\n" in value and value.strip(BLANK)):
                text = escape(value)
            else:
                before, convert = plan[name]
                start = f'{start}{before}{convert(value)}"'
        if element.extra:
            start += _declared(element, extensions)
        children = element.children
        if children:
            inside = [writers[type(child)](child, extensions) for child in children]
            return f"{start}>{text}{''.join(inside_too(children, inside) if inside_too else inside)}{closing}"
        if sip and not NUMBER.accepts(text):
            return f"<{SIP_TAG}{start.removeprefix(opening)}>{text}</{SIP_TAG}>"
        return f"{start}>{text}{closing}" if text else empty if start is opening else f"{start}/>"

    return write


def _converter(item: Item) -> Callable[[Any], str]:
    """From a kept value to what stands between the quotes."""
    if item.narrower:
        return partial(_narrow, item.kind)
    if item.write is not None:
        return item.write
    return str if item.kind.safe else escape_attribute


def _narrow(kind: Kind, value: str) -> str:
    if not kind.accepts(value):
        raise _Refused
    return escape_attribute(value)


def _writers(dialect: Dialect) -> dict[type[Element], _Writer]:
    writers: dict[type[Element], _Writer] = {}
    for cls, spelling in WRITING[dialect].items():
        writers[cls] = _writer(dialect, cls, spelling, writers)
    return writers


def _switch(children: tuple[Element, ...], written: list[str]) -> list[str]:
    """A classic Gather has its branches in a Switch, after its prompts."""
    prompts = [text for child, text in zip(children, written, strict=True) if type(child) not in BRANCHES]
    branches = [text for child, text in zip(children, written, strict=True) if type(child) in BRANCHES]
    return [*prompts, f"<{SWITCH}>", *branches, f"</{SWITCH}>"] if branches else prompts


def _prompts_before(children: tuple[Element, ...], written: list[str]) -> list[str]:
    """A reference Gather has no prompts."""
    if any(type(child) in Gather.row.first for child in children):
        raise _Refused
    return written


def _declared(element: Element, extensions: Extensions) -> str:
    """The attributes that the user declared, as they stand in the start tag."""
    if any(_undeclared(element, name, value, extensions) for name, value in element.extra.items()):
        raise _Refused
    return "".join(f' {name}="{escape_attribute(value)}"' for name, value in element.extra.items())


def _undeclared(element: Element, name: str, value: str, extensions: Extensions) -> str:
    """Why an extra attribute cannot be written; nothing where it can."""
    kind = extensions.kind(element.row.name, name)
    if kind is None:
        return f"<{element.row.name}> {name} is not declared in extensions.yaml"
    try:
        kind.read(value)
    except ValueError as error:
        return f"<{element.row.name}> {name}: {error}"
    return ""


def _refusal(response: Response, dialect: Dialect, extensions: Extensions) -> DialectError:
    """The first thing that cannot be written, and where it is."""
    for path, element in [("", response), *paths(response)]:
        spelling = WRITING[dialect].get(type(element))
        name = element.row.name
        if spelling is None:
            return DialectError(f"<{name}> is not in the {dialect} dialect", path)
        for index, child in enumerate(element.children):
            if dialect == "reference" and type(child) in element.row.first:
                reason = f"<{child.row.name}> is not in a <{name}> in the reference dialect, but before it"
                return DialectError(reason, f"{path}.{child.row.name}[{index}]")
        for attribute, value in element.attributes.items():
            item = spelling.items.get(attribute)
            if item is None:
                return DialectError(f"<{name}> {attribute} is not in the {dialect} dialect", path)
            if item.narrower and not item.kind.accepts(value):
                return DialectError(f"<{name}> {attribute}: in the {dialect} dialect it {item.kind.refusal(value)}", path)
        for attribute, value in element.extra.items():
            reason = _undeclared(element, attribute, value, extensions)
            if reason:
                return DialectError(reason, path)
    return DialectError("the document cannot be written")


_WRITERS: Final = {dialect: _writers(dialect) for dialect in DIALECTS}
