"""Writes verbs as XML. This is the only module that escapes text.

Writing is strict: content not documented for the dialect is refused, with the reason and the place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from callflows.errors import DialectError, LanguageError
from callflows.language.dialects import (
    ELEMENT_SPELLINGS,
    GATHER_BRANCHES,
    NO_EXTENSIONS,
    SIP_TARGET_TAG,
    SWITCH_TAG,
    AttributeSpelling,
    ElementSpelling,
    Extensions,
)
from callflows.language.element import Element, walk_elements
from callflows.language.value_kinds import NUMBER_KIND, XML_WHITESPACE, ValueKind
from callflows.language.verb_table import DIALECTS, Dialect
from callflows.language.verbs import Gather, Response, To

MAX_DOCUMENT_BYTES: Final = 1_000_000
"""A longer document is neither written nor read."""
XML_DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
_ESCAPED_CHARACTER: Final = re.compile(r'[&<>"\t\n\r]')


def escape_text(text: str) -> str:
    """Escape ``text`` for use between tags."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")


def escape_attribute(text: str) -> str:
    """Escape ``text`` for use between double quotes."""
    if not _ESCAPED_CHARACTER.search(text):
        return text
    return escape_text(text).replace('"', "&quot;").replace("\t", "&#9;").replace("\n", "&#10;")


def to_xml(response: Response, dialect: Dialect = "reference", *, extensions: Extensions = NO_EXTENSIONS) -> bytes:
    """Write a document in a dialect, as UTF-8.

    Raises DialectError, with the place, for content that the dialect cannot express, and LanguageError for a document
    longer than MAX_DOCUMENT_BYTES.
    """
    if dialect not in DIALECTS:
        raise LanguageError(f"there is no dialect {dialect!r}; there are {' and '.join(DIALECTS)}")
    if type(response) is not Response:
        raise LanguageError(f"a document is a Response, not {response!r:.60}")
    try:
        document = (XML_DECLARATION + _ELEMENT_WRITERS[dialect][Response](response, extensions)).encode()
    except (_NotWritableError, KeyError):
        raise _find_dialect_error(response, dialect, extensions) from None
    if len(document) > MAX_DOCUMENT_BYTES:
        raise LanguageError(f"the document has {len(document)} bytes, more than {MAX_DOCUMENT_BYTES} (a loop?)")
    return document


class _NotWritableError(Exception):
    """An element cannot be written in the dialect; ``_find_dialect_error`` finds the reason and the place."""


_ElementWriter = Callable[[Element, Extensions], str]


def _make_element_writer(
    dialect: Dialect, cls: type[Element], spelling: ElementSpelling, writers: Mapping[type[Element], _ElementWriter]
) -> _ElementWriter:
    """Make the writer of an element class; everything known in advance is computed here once."""
    opening, closing, empty = f"<{spelling.tag}", f"</{spelling.tag}>", f"<{spelling.tag}/>"
    plan = {name: (item.opening, _make_value_formatter(item)) for name, item in spelling.attributes.items()}
    text_name, loose_name = spelling.text_attribute, spelling.multiline_attribute
    inside_too = (
        _wrap_branches_in_switch
        if cls is Gather and dialect == "classic"
        else _refuse_prompts_inside
        if cls is Gather
        else None
    )
    sip = cls is To and dialect == "classic"

    def write_element(element: Element, extensions: Extensions) -> str:
        start, text = opening, ""
        for name, value in element.attributes.items():
            if name == text_name or (name == loose_name and "\n" in value and value.strip(XML_WHITESPACE)):
                text = escape_text(value)
            else:
                before, convert = plan[name]
                start = f'{start}{before}{convert(value)}"'
        if element.extra:
            start += _format_extra_attributes(element, extensions)
        children = element.children
        if children:
            inside = [writers[type(child)](child, extensions) for child in children]
            return f"{start}>{text}{''.join(inside_too(children, inside) if inside_too else inside)}{closing}"
        if sip and not NUMBER_KIND.accepts(text):
            return f"<{SIP_TARGET_TAG}{start.removeprefix(opening)}>{text}</{SIP_TARGET_TAG}>"
        return f"{start}>{text}{closing}" if text else empty if start is opening else f"{start}/>"

    return write_element


def _make_value_formatter(spelling: AttributeSpelling) -> Callable[[Any], str]:
    """Make the function that converts a stored value to the text between the quotes."""
    if spelling.is_narrower:
        return partial(_format_narrower_value, spelling.kind)
    if spelling.format_value is not None:
        return spelling.format_value
    return str if spelling.kind.is_xml_safe else escape_attribute


def _format_narrower_value(kind: ValueKind, value: str) -> str:
    if not kind.accepts(value):
        raise _NotWritableError
    return escape_attribute(value)


def _make_element_writers(dialect: Dialect) -> dict[type[Element], _ElementWriter]:
    writers: dict[type[Element], _ElementWriter] = {}
    for cls, spelling in ELEMENT_SPELLINGS[dialect].items():
        writers[cls] = _make_element_writer(dialect, cls, spelling, writers)
    return writers


def _wrap_branches_in_switch(children: tuple[Element, ...], child_texts: list[str]) -> list[str]:
    """Put the branches of a classic Gather in a Switch, after the prompts."""
    prompts = [text for child, text in zip(children, child_texts, strict=True) if type(child) not in GATHER_BRANCHES]
    branches = [text for child, text in zip(children, child_texts, strict=True) if type(child) in GATHER_BRANCHES]
    return [*prompts, f"<{SWITCH_TAG}>", *branches, f"</{SWITCH_TAG}>"] if branches else prompts


def _refuse_prompts_inside(children: tuple[Element, ...], child_texts: list[str]) -> list[str]:
    """Refuse prompts inside a Gather of the reference dialect. Raises _NotWritableError."""
    if any(type(child) in Gather.spec.leading_children for child in children):
        raise _NotWritableError
    return child_texts


def _format_extra_attributes(element: Element, extensions: Extensions) -> str:
    """Format the extension attributes for the start tag. Raises _NotWritableError."""
    if any(_find_extra_problem(element, name, value, extensions) for name, value in element.extra.items()):
        raise _NotWritableError
    return "".join(f' {name}="{escape_attribute(value)}"' for name, value in element.extra.items())


def _find_extra_problem(element: Element, name: str, value: str, extensions: Extensions) -> str:
    """Return the reason for refusing an extension attribute, or ""."""
    kind = extensions.find_kind(element.spec.name, name)
    if kind is None:
        return f"<{element.spec.name}> {name} is not declared in extensions.yaml"
    try:
        kind.parse_text(value)
    except ValueError as error:
        return f"<{element.spec.name}> {name}: {error}"
    return ""


def _find_dialect_error(response: Response, dialect: Dialect, extensions: Extensions) -> DialectError:
    """Find the first problem in the document, with its place."""
    for path, element in [("", response), *walk_elements(response)]:
        spelling = ELEMENT_SPELLINGS[dialect].get(type(element))
        name = element.spec.name
        if spelling is None:
            return DialectError(f"<{name}> is not in the {dialect} dialect", path)
        for index, child in enumerate(element.children):
            if dialect == "reference" and type(child) in element.spec.leading_children:
                reason = f"<{child.spec.name}> is not in a <{name}> in the reference dialect, but before it"
                return DialectError(reason, f"{path}.{child.spec.name}[{index}]")
        for attribute, value in element.attributes.items():
            item = spelling.attributes.get(attribute)
            if item is None:
                return DialectError(f"<{name}> {attribute} is not in the {dialect} dialect", path)
            if item.is_narrower and not item.kind.accepts(value):
                return DialectError(
                    f"<{name}> {attribute}: in the {dialect} dialect it {item.kind.make_refusal(value)}", path
                )
        for attribute, value in element.extra.items():
            reason = _find_extra_problem(element, attribute, value, extensions)
            if reason:
                return DialectError(reason, path)
    return DialectError("the document cannot be written")


_ELEMENT_WRITERS: Final = {dialect: _make_element_writers(dialect) for dialect in DIALECTS}
