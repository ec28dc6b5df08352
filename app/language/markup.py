"""Verbs to XML and back, read off the classes. This is the one place that escapes.

Writing is strict: what a dialect does not document is refused with the reason. Reading takes both dialects and every
variant spelling, and refuses what it does not know, with its line. What can be read can be written and the other way round.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from xml.parsers import expat

from lxml import etree

from app.errors import BuildError, DialectError, DocumentError, LanguageError, suggestion
from app.language.dialects import NO_EXTENSIONS, READING, SWITCH, WRITING, Extensions, Reading, Spelling
from app.language.element import DIALECTS, MAX_DEPTH, Dialect, Element, paths
from app.language.verbs import DTMF, Default, Error, Gather, Response

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_BYTES: Final = 1_000_000
"""A document longer than this is neither written nor read."""

DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'

_WHERE: Final = re.compile(r", line \d+, column \d+.*")
_BRANCHES: Final[frozenset[type[Element]]] = frozenset((DTMF, Default, Error))
_SPECIAL_IN_TEXT: Final = re.compile(r"[&<>\r]")
_SPECIAL_IN_ATTRIBUTE: Final = re.compile(r'[&<>"\t\n\r]')
_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_ATTRIBUTE_ESCAPES: Final = _ESCAPES | str.maketrans({'"': "&quot;", "\t": "&#9;", "\n": "&#10;"})


def escape(text: str) -> str:
    """``text`` as it stands between tags."""
    return text.translate(_ESCAPES) if _SPECIAL_IN_TEXT.search(text) else text


def escape_attribute(text: str) -> str:
    """``text`` as it stands between double quotes."""
    return text.translate(_ATTRIBUTE_ESCAPES) if _SPECIAL_IN_ATTRIBUTE.search(text) else text


# Writing


def to_xml(response: Response, dialect: Dialect = "reference", *, extensions: Extensions = NO_EXTENSIONS) -> bytes:
    """The document in a dialect, UTF-8.

    Raises DialectError for what the dialect cannot say (with the place), LanguageError for a document over MAX_BYTES.
    """
    if dialect not in DIALECTS:
        raise LanguageError(f"there is no dialect {dialect!r}; there are {' and '.join(DIALECTS)}")
    if type(response) is not Response:
        raise LanguageError(f"a document is a Response, not {response!r:.60}")
    out = [DECLARATION]
    writer = _Writer(dialect, extensions)
    try:
        writer.write(response, out)
    except _Refused as refused:
        place = next((path for path, element in paths(response) if element is refused.element), "")
        raise DialectError(refused.reason, place) from None
    document = "".join(out).encode()
    if len(document) > MAX_BYTES:
        raise LanguageError(f"the document has {len(document)} bytes, more than {MAX_BYTES} (a loop?)")
    return document


class _Refused(Exception):
    def __init__(self, element: Element, reason: str) -> None:
        self.element = element
        self.reason = reason


class _Writer:
    __slots__ = ("_dialect", "_extensions", "_spellings")

    def __init__(self, dialect: Dialect, extensions: Extensions) -> None:
        self._dialect = dialect
        self._extensions = extensions
        self._spellings: Mapping[type[Element], Spelling] = WRITING[dialect]

    def write(self, element: Element, out: list[str]) -> None:
        spelling = self._spellings.get(type(element))
        if spelling is None:
            raise _Refused(element, f"<{element.row.name}> is not in the {self._dialect} dialect")
        tag = spelling.tag
        text = ""
        if element.attributes or element.extra:
            tag = spelling.tag_for(element.attributes)
            text = self._attributes(element, tag, spelling, out)
        else:
            out.append(f"<{tag}")
        children = element.children
        if not children and not text:
            out.append("/>")
            return
        out.append(f">{text}")
        if self._dialect == "classic" and type(element) is Gather:
            self._switch(children, out)
        else:
            for child in children:
                self.write(child, out)
        out.append(f"</{tag}>")

    def _attributes(self, element: Element, tag: str, spelling: Spelling, out: list[str]) -> str:
        """Write the start tag but for its end; returns the escaped text that follows it."""
        attributes = element.attributes
        items = spelling.items
        text = ""
        out.append(f"<{tag}")
        names = attributes if len(attributes) == 1 else [name for name in items if name in attributes]
        if len(names) != len(attributes) or (len(names) == 1 and next(iter(names)) not in items):
            lost = next(name for name in attributes if name not in items)
            raise _Refused(element, f"<{element.row.name}> {lost} is not in the {self._dialect} dialect")
        for name in names:
            spelled, kind = items[name]
            value = kind.write(attributes[name])
            if kind is not element.row.attributes[name].kind and not kind.accepts(value):
                raise _Refused(
                    element, f"<{element.row.name}> {name}: in the {self._dialect} dialect {kind.refusal(value)}"
                )
            if name == spelling.text or (name == spelling.loose and "\n" in value and value.strip()):
                text = escape(value)
            else:
                out.append(f' {spelled}="{escape_attribute(value)}"')
        for name, value in element.extra.items():
            self._declared(element, name, value)
            out.append(f' {name}="{escape_attribute(value)}"')
        return text

    def _declared(self, element: Element, name: str, value: str) -> None:
        kind = self._extensions.kind(element.row.name, name)
        if kind is None:
            raise _Refused(element, f"<{element.row.name}> {name} is not declared in extensions.yaml")
        try:
            kind.read(value)
        except ValueError as error:
            raise _Refused(element, f"<{element.row.name}> {name}: {error}") from None

    def _switch(self, children: tuple[Element, ...], out: list[str]) -> None:
        """Prompts stand in a classic Gather, branches in its Switch; the element arranged them so."""
        branches = [child for child in children if type(child) in _BRANCHES]
        for child in children:
            if type(child) not in _BRANCHES:
                self.write(child, out)
        if branches:
            out.append(f"<{SWITCH}>")
            for branch in branches:
                self.write(branch, out)
            out.append(f"</{SWITCH}>")


# Reading


def from_xml(document: bytes, *, extensions: Extensions = NO_EXTENSIONS) -> Response:
    """The document as verbs, from either dialect. Raises DocumentError with line, column and what is allowed."""
    if len(document) > MAX_BYTES:
        raise DocumentError(1, 1, f"the document has {len(document)} bytes, more than {MAX_BYTES}")
    root = _parse(document)
    try:
        if root.tag != Response.__name__:
            raise _At(root, f"the root is <{_shown(root.tag)}>, not <{Response.__name__}>")  # noqa: TRY301 - one way out
        response = _Reader(extensions).read(root, READING[Response.__name__], 1)
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


def _parse(document: bytes) -> Any:  # noqa: ANN401 - lxml's element
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(document, parser)
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
    return tag.rpartition("}")[2] if isinstance(tag, str) else "?"


class _Reader:
    __slots__ = ("_extensions",)

    def __init__(self, extensions: Extensions) -> None:
        self._extensions = extensions

    def read(self, node: Any, reading: Reading, depth: int) -> Element:  # noqa: ANN401 - lxml's element
        if depth > MAX_DEPTH:
            raise _At(node, f"more than {MAX_DEPTH} elements inside each other")
        row = reading.element.row
        attributes: dict[str, object] = {}
        extra = self._attributes(node, reading, attributes) if node.attrib else None
        self._text(node, reading, attributes)
        children = tuple(self._children(node, reading.element, depth)) if len(node) else ()
        try:
            return reading.element.of(children, attributes, extra or {})
        except BuildError as error:
            raise _At(node, str(error).replace(f"<{row.name}>", f"<{_shown(node.tag)}>", 1)) from None

    def _attributes(self, node: Any, reading: Reading, attributes: dict[str, object]) -> dict[str, str] | None:  # noqa: ANN401
        extra: dict[str, str] = {}
        for name, text in node.attrib.items():
            found = reading.names.get(name)
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
        return extra

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

    def _text(self, node: Any, reading: Reading, attributes: dict[str, object]) -> None:  # noqa: ANN401
        text = node.text
        if reading.text is None:
            if text and text.strip(" \t\n\r"):
                raise _At(node, f"<{node.tag}> takes no text, but {reading.element.row.takes}")
            return
        attribute, read = reading.text
        given = bool(text and text.strip(" \t\n\r"))
        if attribute.name in attributes:
            if given:
                raise _At(node, f"<{node.tag}> {attribute.name}: given twice, as text and as attribute")
            return
        if given or (attribute.text == "written" and reading.element.row.name == "Say"):
            try:
                attributes[attribute.name] = read(text or "")
            except ValueError as error:
                raise _At(node, f"<{node.tag}> {attribute.name}: {error}") from None

    def _children(self, node: Any, parent: type[Element], depth: int) -> Iterator[Element]:  # noqa: ANN401
        for child in node:
            if child.tail and child.tail.strip(" \t\n\r"):
                raise _At(node, f"<{node.tag}> has text after <{_shown(child.tag)}>, where none is allowed")
            if child.tag == SWITCH and parent is Gather and node.tag != SWITCH:
                yield from self._branches(child, depth)
                continue
            reading = READING.get(child.tag)
            if reading is None or child.tag == SWITCH:
                near = suggestion(_shown(child.tag), [*READING, SWITCH])
                known = (
                    f"<{SWITCH}> stands in a Gather only"
                    if child.tag == SWITCH
                    else f"unknown element <{_shown(child.tag)}>"
                )
                raise _At(child, f"{known}{' (' + near + ')' if near and child.tag != SWITCH else ''}")
            if reading.element not in parent.row.inside or (node.tag == SWITCH and reading.element not in _BRANCHES):
                takes = f"<{child.tag}> is not allowed in <{node.tag}>, which takes {parent.row.takes}"
                raise _At(child, takes)
            yield self.read(child, reading, depth + 1)

    def _branches(self, switch: Any, depth: int) -> Iterator[Element]:  # noqa: ANN401
        if switch.attrib:
            raise _At(switch, f"<{SWITCH}> has no attribute {_shown(next(iter(switch.attrib)))} (it has none)")
        if switch.text and switch.text.strip(" \t\n\r"):
            raise _At(switch, f"<{SWITCH}> takes no text, but Case, Default, Error")
        return self._children(switch, Gather, depth)
