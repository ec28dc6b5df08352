"""Verbs to XML and back, read off the classes. This is the one place that escapes.

Writing is strict: what a dialect does not document is refused with the reason. Reading takes both dialects and every
variant spelling, and refuses what it does not know, with its line. What can be read can be written and the other way round.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final
from xml.parsers import expat

from lxml import etree

from app.errors import BuildError, DialectError, DocumentError, LanguageError, suggestion
from app.language.dialects import (
    NO_EXTENSIONS,
    READING,
    SIP_TAG,
    SWITCH,
    WRITING,
    Extensions,
    Item,
    Reading,
    Spelling,
    TextReading,
)
from app.language.element import DIALECTS, MAX_DEPTH, Dialect, Element, paths
from app.language.values import NUMBER, Kind
from app.language.verbs import DTMF, Default, Error, Gather, Response, To

MAX_BYTES: Final = 1_000_000
"""A document longer than this is neither written nor read."""

DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'

_WHERE: Final = re.compile(r", line \d+, column \d+.*")
_BRANCHES: Final[frozenset[type[Element]]] = frozenset((DTMF, Default, Error))
_SPECIAL: Final = re.compile(r'[&<>"\t\n\r]')
_BLANK: Final = " \t\n\r"


def escape(text: str) -> str:
    """``text`` as it stands between tags."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")


def escape_attribute(text: str) -> str:
    """``text`` as it stands between double quotes."""
    if not _SPECIAL.search(text):
        return text
    return escape(text).replace('"', "&quot;").replace("\t", "&#9;").replace("\n", "&#10;")


# Writing


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


def _writer(spelling: Spelling, writers: Mapping[type[Element], _Writer], *, switched: bool, sip: bool) -> _Writer:
    """How an element of a class is written: all that is known before is worked out here, once."""
    opening, closing, empty = f"<{spelling.tag}", f"</{spelling.tag}>", f"<{spelling.tag}/>"
    plan = {name: (item.start, _converter(item)) for name, item in spelling.items.items()}
    text_name, loose_name = spelling.text, spelling.loose

    def write(element: Element, extensions: Extensions) -> str:
        start, text = opening, ""
        for name, value in element.attributes.items():
            if name == text_name or (name == loose_name and "\n" in value and value.strip(_BLANK)):
                text = escape(value)
            else:
                before, convert = plan[name]
                start = f'{start}{before}{convert(value)}"'
        if element.extra:
            start += _declared(element, extensions)
        children = element.children
        if children:
            inside = [writers[type(child)](child, extensions) for child in children]
            return f"{start}>{text}{''.join(_switch(children, inside) if switched else inside)}{closing}"
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
    classic = dialect == "classic"
    for cls, spelling in WRITING[dialect].items():
        writers[cls] = _writer(spelling, writers, switched=classic and cls is Gather, sip=classic and cls is To)
    return writers


_WRITERS: Final = {dialect: _writers(dialect) for dialect in DIALECTS}


def _switch(children: tuple[Element, ...], written: list[str]) -> list[str]:
    """A classic Gather has its branches in a Switch, after its prompts."""
    prompts = [text for child, text in zip(children, written, strict=True) if type(child) not in _BRANCHES]
    branches = [text for child, text in zip(children, written, strict=True) if type(child) in _BRANCHES]
    return [*prompts, f"<{SWITCH}>", *branches, f"</{SWITCH}>"] if branches else prompts


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


# Reading


def from_xml(document: bytes, *, extensions: Extensions = NO_EXTENSIONS) -> Response:
    """The document as verbs, from either dialect. Raises DocumentError with line, column and what is allowed."""
    if len(document) > MAX_BYTES:
        raise DocumentError(1, 1, f"the document has {len(document)} bytes, more than {MAX_BYTES}")
    root = _parse(document)
    try:
        if root.tag != Response.__name__:
            raise _At(root, f"the root is <{_shown(root.tag)}>, not <{Response.__name__}>")  # noqa: TRY301 - one way out
        response = _Reader(extensions).element(root, READING[Response.__name__], 1)
    except _At as at:
        line, column = _place(document, at.node)
        raise DocumentError(line, column, at.reason) from None
    assert isinstance(response, Response)  # noqa: S101 - for the type checker; the root was asked above
    return response


class _At(Exception):
    def __init__(self, node: Any, reason: str) -> None:  # noqa: ANN401 - lxml's element
        self.node = node
        self.reason = reason


_ENTITIES: Final = "entities and document types are refused"


_PARSER: Final = etree.XMLParser(
    resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
)


def _parse(document: bytes) -> Any:  # noqa: ANN401 - lxml's element
    try:
        root = etree.fromstring(document, _PARSER)
    except etree.XMLSyntaxError as error:
        doctype = _doctype(document)
        if doctype:
            raise DocumentError(*doctype, _ENTITIES) from None
        line, column = error.position
        what = "empty" if not document.strip() else "too deep" if "depth" in error.msg else "not well-formed"
        raise DocumentError(max(line or 1, 1), max(column or 1, 1), f"{what}: {_WHERE.sub('', error.msg)}") from None
    except (ValueError, LookupError) as error:
        raise DocumentError(1, 1, f"not well-formed: {error}") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise DocumentError(*(_doctype(document) or (1, 1)), _ENTITIES)
    return root


def _doctype(document: bytes) -> tuple[int, int] | None:
    """Line and column of the document's type; None where it has none."""
    found = document.find(b"<!DOCTYPE")
    if found < 0:
        return None
    before = document[:found]
    return before.count(b"\n") + 1, found - before.rfind(b"\n")


def _place(document: bytes, node: Any) -> tuple[int, int]:  # noqa: ANN401 - lxml's element
    """Line and column of an element's ``<``; lxml itself only knows the line on which its start tag ends."""
    wanted = next(i for i, other in enumerate(node.getroottree().getroot().iter()) if other is node)
    seen = -1
    place = (int(node.sourceline or 1), 1)
    parser = expat.ParserCreate()

    def start(_name: str, _attributes: dict[str, str]) -> None:
        nonlocal seen, place
        seen += 1
        if seen == wanted:
            place = (parser.CurrentLineNumber, parser.CurrentColumnNumber + 1)

    parser.StartElementHandler = start
    try:
        parser.Parse(document, True)  # noqa: FBT003 - expat's own signature
    except (expat.ExpatError, ValueError):
        return place
    return place


def _shown(tag: str) -> str:
    """A name without its namespace."""
    return tag.rpartition("}")[2]


class _Reader:
    """Reads elements; ``node`` is lxml's element throughout."""

    __slots__ = ("_extensions",)

    def __init__(self, extensions: Extensions) -> None:
        self._extensions = extensions

    def element(self, node: Any, reading: Reading, depth: int) -> Element:  # noqa: ANN401
        if depth > MAX_DEPTH:
            raise _At(node, f"more than {MAX_DEPTH} elements inside each other")
        attributes: dict[str, object] = {}
        items = node.items()
        extra = self._attributes(node, reading, items, attributes) if items else _NONE
        text = node.text
        if reading.text is not None:
            self._text(node, reading.text, text or "", attributes)
        elif text is not None and text.strip(_BLANK):
            raise _At(node, f"<{node.tag}> takes no text, but {reading.element.row.takes}")
        children = self._children(node, reading.element, depth) if len(node) else ()
        try:
            return reading.element.of(tuple(children), attributes, extra)
        except BuildError as error:
            reason = str(error).replace(f"<{reading.element.row.name}>", f"<{node.tag}>", 1)
            raise _At(node, reason) from None

    def _attributes(
        self,
        node: Any,  # noqa: ANN401
        reading: Reading,
        items: list[tuple[str, str]],
        attributes: dict[str, object],
    ) -> Mapping[str, str]:
        """Read attributes into ``attributes``; gives those that the user declared."""
        extra: dict[str, str] = {}
        names = reading.names
        for name, text in items:
            found = names.get(name)
            if found is None:
                extra[name] = self._declared(node, reading, name, text)
                continue
            attribute, read = found
            if attribute.name in attributes:
                raise _At(node, f"<{node.tag}> {name}: given twice, as {attribute.name} too")
            try:
                attributes[attribute.name] = read(text)
            except ValueError as error:
                raise _At(node, f"<{node.tag}> {name}: {error}") from None
        return extra or _NONE

    def _declared(self, node: Any, reading: Reading, name: str, text: str) -> str:  # noqa: ANN401
        kind = self._extensions.kind(reading.element.row.name, name)
        if kind is None:
            known = [*reading.names]
            near = suggestion(name, known)
            has = f"it has {', '.join(known) or 'none'}{'; ' + near if near else ''}"
            raise _At(node, f"<{node.tag}> has no attribute {_shown(name)} ({has})")
        try:
            kind.read(text)
        except ValueError as error:
            raise _At(node, f"<{node.tag}> {name}: {error}") from None
        return text

    def _text(self, node: Any, meaning: TextReading, text: str, attributes: dict[str, object]) -> None:  # noqa: ANN401
        """Read an element's text into the attribute that it is."""
        name, read, may_be_blank = meaning
        blank = not text.strip(_BLANK)
        if name in attributes:
            if not blank:
                raise _At(node, f"<{node.tag}> {name}: given twice, as text and as attribute")
        elif not blank or may_be_blank:
            try:
                attributes[name] = read(text)
            except ValueError as error:
                raise _At(node, f"<{node.tag}> {name}: {error}") from None

    def _children(self, node: Any, parent: type[Element], depth: int) -> list[Element]:  # noqa: ANN401
        children: list[Element] = []
        inside = _BRANCHES if node.tag == SWITCH else parent.row.inside
        for child in node:
            tail = child.tail
            if tail is not None and tail.strip(_BLANK):
                raise _At(node, f"<{node.tag}> has text after <{_shown(child.tag)}>, where none is allowed")
            reading = READING.get(child.tag)
            if reading is not None and reading.element in inside:
                children.append(self.element(child, reading, depth + 1))
            elif child.tag == SWITCH and node.tag == Gather.__name__:
                children += self._branches(child, depth)
            else:
                raise _At(child, _misplaced(child.tag, node.tag, inside))
        return children

    def _branches(self, switch: Any, depth: int) -> list[Element]:  # noqa: ANN401
        if switch.items():
            raise _At(switch, f"<{SWITCH}> has no attribute {_shown(switch.items()[0][0])} (it has none)")
        if switch.text is not None and switch.text.strip(_BLANK):
            raise _At(switch, f"<{SWITCH}> takes no text, but Case, Default, Error")
        return self._children(switch, Gather, depth)


_NONE: Final[Mapping[str, str]] = MappingProxyType({})


def _misplaced(tag: str, parent: str, inside: frozenset[type[Element]]) -> str:
    """The message for an element that may not stand where it does, or is none at all."""
    if tag not in READING and tag != SWITCH:
        near = suggestion(_shown(tag), [*READING, SWITCH])
        return f"unknown element <{_shown(tag)}>{' (' + near + ')' if near else ''}"
    takes = ", ".join(sorted(cls.__name__ for cls in inside)) or "nothing"
    return f"<{tag}> is not allowed in <{parent}>, which takes {takes}"
