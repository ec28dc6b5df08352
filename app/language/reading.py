"""XML to verbs: both dialects and every variant spelling are read, and what is not known is refused with its line."""

from __future__ import annotations

import codecs
import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from xml.parsers import expat

from lxml import etree

from app.errors import BuildError, DocumentError, suggestion
from app.language.dialects import BRANCHES, NO_EXTENSIONS, READING, SWITCH, Extensions
from app.language.element import MAX_DEPTH
from app.language.markup import MAX_BYTES
from app.language.values import BLANK
from app.language.verbs import Gather, Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.language.dialects import Reading, TextReading
    from app.language.element import Element

MAX_ATTRIBUTES: Final = 50
"""An element with more attributes is refused."""
_WHERE: Final = re.compile(r", line \d+, column \d+.*")


def from_xml(document: bytes, *, extensions: Extensions = NO_EXTENSIONS) -> Response:
    """The document as verbs, from either dialect. Raises DocumentError with line, column and what is allowed."""
    if not isinstance(document, bytes):
        raise DocumentError(1, 1, f"a document is bytes, not {type(document).__name__}")
    if len(document) > MAX_BYTES:
        raise DocumentError(1, 1, f"the document has {len(document)} bytes, more than {MAX_BYTES}")
    root = _parse(document)
    try:
        if root.tag != Response.__name__:
            raise _At(root, f"the root is {_element(root.tag)}, not <{Response.__name__}>")  # noqa: TRY301 - one way out
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


_DOCTYPE: Final = re.compile(r"((?>[^<]|<\?(?>.*?\?>)|<!--(?>.*?-->))*+)<!DOCTYPE", re.DOTALL)
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
    wide = document[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    found = _DOCTYPE.match(document.decode("utf-16" if wide else "latin-1", "replace"))
    if found is None:
        return None
    before = found[1]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


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


def _as_written(reason: str, tag: str, reading: Reading) -> str:
    """The builder's reason, in the names that the document uses."""
    reason = reason.replace(f"<{reading.element.row.name}>", f"<{tag}>", 1)
    needed = reason.rpartition(" needs ")[2]
    spelled = next((name for name, (attribute, _) in reading.names.items() if attribute.name == needed), needed)
    return reason if spelled == needed or needed in reading.names else reason.replace(f"needs {needed}", f"needs {spelled}")


def _shown(tag: str) -> str:
    """A name without its namespace."""
    return tag.rpartition("}")[2]


def _element(tag: str) -> str:
    """An element as it is said: with its namespace, which none of ours has."""
    namespace, _, name = tag.rpartition("}")
    return f"<{name}> of the namespace {namespace[1:]}" if namespace else f"<{name}>"


class _Reader:
    """Reads elements; ``node`` is lxml's element throughout."""

    __slots__ = ("_extensions",)

    def __init__(self, extensions: Extensions) -> None:
        self._extensions = extensions

    def element(self, node: Any, reading: Reading, depth: int) -> Element:  # noqa: ANN401
        if depth > MAX_DEPTH:
            raise _At(node, f"more than {MAX_DEPTH} elements inside each other")
        attributes: dict[str, object] = {}
        if len(node.attrib) > MAX_ATTRIBUTES:
            raise _At(node, f"<{_shown(node.tag)}> has more than {MAX_ATTRIBUTES} attributes")
        items = node.items()
        extra = self._attributes(node, reading, items, attributes) if items else _NONE
        text = node.text
        if reading.text is not None:
            self._text(node, reading.text, text or "", attributes)
        elif text is not None and text.strip(BLANK):
            raise _At(node, f"<{node.tag}> takes no text, but {reading.element.row.takes}")
        children = self._children(node, reading.element, depth) if len(node) else ()
        try:
            return reading.element.of(tuple(children), attributes, extra)
        except BuildError as error:
            raise _At(node, _as_written(str(error), node.tag, reading)) from None

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
        blank = not text.strip(BLANK)
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
        inside = BRANCHES if node.tag == SWITCH else parent.row.inside
        for child in node:
            tail = child.tail
            if tail is not None and tail.strip(BLANK):
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
        if switch.text is not None and switch.text.strip(BLANK):
            raise _At(switch, f"<{SWITCH}> takes no text, but Case, Default, Error")
        return self._children(switch, Gather, depth)


_NONE: Final[Mapping[str, str]] = MappingProxyType({})


def _misplaced(tag: str, parent: str, inside: frozenset[type[Element]]) -> str:
    """The message for an element that may not stand where it does, or is none at all."""
    if tag not in READING and tag != SWITCH:
        near = "" if tag.startswith("{") else suggestion(tag, [*READING, SWITCH])
        return f"unknown element {_element(tag)}{' (' + near + ')' if near else ''}"
    takes = ", ".join(sorted(cls.__name__ for cls in inside)) or "nothing"
    return f"<{tag}> is not allowed in <{parent}>, which takes {takes}"
