"""XML to verbs: both dialects and every variant spelling are read, and what is not known is refused with its line."""

from __future__ import annotations

import codecs
import contextlib
import itertools
import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from xml.parsers import expat

from lxml import etree

from app.errors import BuildError, DocumentError, nearest, suggestion
from app.language.dialects import BRANCHES, NO_EXTENSIONS, READING, SWITCH, Extensions
from app.language.element import MAX_DEPTH
from app.language.markup import MAX_BYTES
from app.language.values import BLANK
from app.language.verbs import Gather, Response

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

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
        response = _Reader(extensions).root(root)
    except _At as at:
        ((line, column),) = _places(document, root, [at.node])
        raise DocumentError(line, column, at.reason) from None
    assert isinstance(response, Response)  # noqa: S101 - for the type checker; the root was asked above
    return response


def errors_in(document: bytes, *, extensions: Extensions = NO_EXTENSIONS) -> list[DocumentError]:
    """Everything for which ``from_xml`` would refuse a document, in order; of what is no XML, what stands before that."""
    try:
        from_xml(document, extensions=extensions)
    except DocumentError as error:
        first = error
    else:
        return []
    try:
        root, end = _parse(document), None
    except DocumentError as error:
        root, end = _parsed_before(document), error
    if root is None:
        return [first]
    reader = _Finder(extensions)
    reader.root(root)
    places = _places(document, root, [at.node for at in reader.found])
    found = [(place, at.reason) for place, at in zip(places, reader.found, strict=True)]
    if end is not None:
        whole = {id(at) for at in reader.found if at.whole}
        before = [one for one, at in zip(found, reader.found, strict=True) if id(at) not in whole]
        found = [one for one in before if one[0] < (end.line, end.column)] + [((end.line, end.column), end.reason)]
    return [DocumentError(*place, reason) for place, reason in sorted(dict.fromkeys(found))]


class _At(Exception):
    """What is wrong at an element; ``whole``: it depends on everything inside."""

    def __init__(self, node: Any, reason: str, *, whole: bool = False) -> None:  # noqa: ANN401 - lxml's element
        self.node = node
        self.reason = reason
        self.whole = whole


_DOCTYPE: Final = re.compile(r"((?>[^<]|<\?(?>.*?\?>)|<!--(?>.*?-->))*+)<!DOCTYPE", re.DOTALL)
_ENTITIES: Final = "entities and document types are refused"


_HARMLESS: Final[Mapping[str, Any]] = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "huge_tree": False,
    "remove_comments": True,
    "remove_pis": True,
}
_PARSER: Final = etree.XMLParser(**_HARMLESS)


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


def _parsed_before(document: bytes) -> Any:  # noqa: ANN401 - lxml's element, or None
    """What can be read of a document that is no XML."""
    if len(document) > MAX_BYTES or _doctype(document):
        return None
    try:
        return etree.fromstring(document, etree.XMLParser(recover=True, **_HARMLESS))
    except (etree.XMLSyntaxError, ValueError, LookupError):
        return None


def _places(document: bytes, root: Any, nodes: Sequence[Any]) -> list[tuple[int, int]]:  # noqa: ANN401 - lxml's elements
    """Line and column of each element's ``<``; lxml itself only knows the line on which its start tag ends."""
    begins: list[tuple[int, int]] = []
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda *_: begins.append((parser.CurrentLineNumber, parser.CurrentColumnNumber + 1))
    with contextlib.suppress(expat.ExpatError, ValueError):
        parser.Parse(document, True)  # noqa: FBT003 - expat's own signature
    wanted = {id(node): (int(node.sourceline or 1), 1) for node in nodes}
    for index, node in enumerate(root.iter("*")):
        if id(node) in wanted and index < len(begins):
            wanted[id(node)] = begins[index]
    return [wanted[id(node)] for node in nodes]


def places_in(document: bytes) -> dict[str, tuple[int, int]]:
    """Line and column of each element of a document that can be read, by its path as events name it."""
    found: dict[str, tuple[int, int]] = {}
    within: list[tuple[str, Iterator[int]]] = []
    parser = expat.ParserCreate()

    def start(tag: str, _: object) -> None:
        if not within:
            within.append(("", itertools.count()))
        elif tag == SWITCH:
            within.append(within[-1])
        else:
            before, index = within[-1]
            path = f"{before}{READING[tag].element.row.name}[{next(index)}]"
            found[path] = (parser.CurrentLineNumber, parser.CurrentColumnNumber + 1)
            within.append((f"{path}.", itertools.count()))

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _: within.pop()
    with contextlib.suppress(expat.ExpatError, ValueError):
        parser.Parse(document, True)  # noqa: FBT003 - expat's own signature
    return found


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
    """Reads elements; ``node`` is lxml's element throughout. What is wrong is raised, as _At."""

    __slots__ = ("_extensions", "found")

    def __init__(self, extensions: Extensions) -> None:
        self._extensions = extensions
        self.found: list[_At] = []

    def _wrong(self, node: Any, reason: str, *, whole: bool = False) -> None:  # noqa: ANN401
        raise _At(node, reason, whole=whole)

    def root(self, node: Any) -> Element | None:  # noqa: ANN401
        if node.tag != Response.__name__:
            self._wrong(node, f"the root is {_element(node.tag)}, not <{Response.__name__}>")
        return self.element(node, READING[Response.__name__], 1)

    def element(self, node: Any, reading: Reading, depth: int) -> Element | None:  # noqa: ANN401
        """It; None where something in it is wrong, and was not raised."""
        before = len(self.found)
        if depth > MAX_DEPTH:
            self._wrong(node, f"more than {MAX_DEPTH} elements inside each other")
            return None
        attributes: dict[str, object] = {}
        if len(node.attrib) > MAX_ATTRIBUTES:
            self._wrong(node, f"<{_shown(node.tag)}> has more than {MAX_ATTRIBUTES} attributes")
        items = node.items()
        extra = self._attributes(node, reading, items, attributes) if items else _NONE
        text = node.text
        if reading.text is not None:
            self._text(node, reading.text, text or "", attributes)
        elif text is not None and text.strip(BLANK):
            self._wrong(node, f"<{node.tag}> takes no text, but {reading.element.row.takes}")
        own = len(self.found)
        children = self._children(node, reading.element, depth) if len(node) else ()
        if len(self.found) > before:
            if own == before:
                self._needed(node, reading, attributes)
            return None
        try:
            return reading.element.of(tuple(children), attributes, extra)
        except BuildError as error:
            self._wrong(node, _as_written(str(error), node.tag, reading), whole=True)
            return None

    def _needed(self, node: Any, reading: Reading, attributes: Mapping[str, object]) -> None:  # noqa: ANN401
        """Say which attributes are missing of an element of whose children one is wrong."""
        for name in reading.element.row.required:
            if name not in attributes:
                needs = f"<{reading.element.row.name}> needs {name}"
                self._wrong(node, _as_written(needs, node.tag, reading), whole=True)

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
                self._wrong(node, f"<{node.tag}> {name}: given twice, as {attribute.name} too")
            try:
                attributes[attribute.name] = read(text)
            except ValueError as error:
                self._wrong(node, f"<{node.tag}> {name}: {error}")
        return extra or _NONE

    def _declared(self, node: Any, reading: Reading, name: str, text: str) -> str:  # noqa: ANN401
        kind = self._extensions.kind(reading.element.row.name, name)
        if kind is None:
            known = [*reading.names]
            near = suggestion(name, known)
            has = f"it has {', '.join(known) or 'none'}{'; ' + near if near else ''}"
            self._wrong(node, f"<{node.tag}> has no attribute {_shown(name)} ({has})")
            return text
        try:
            kind.read(text)
        except ValueError as error:
            self._wrong(node, f"<{node.tag}> {name}: {error}")
        return text

    def _text(self, node: Any, meaning: TextReading, text: str, attributes: dict[str, object]) -> None:  # noqa: ANN401
        """Read an element's text into the attribute that it is."""
        name, read, may_be_blank = meaning
        blank = not text.strip(BLANK)
        if name in attributes:
            if not blank:
                self._wrong(node, f"<{node.tag}> {name}: given twice, as text and as attribute")
        elif not blank or may_be_blank:
            try:
                attributes[name] = read(text)
            except ValueError as error:
                self._wrong(node, f"<{node.tag}> {name}: {error}")

    def _children(self, node: Any, parent: type[Element], depth: int) -> list[Element]:  # noqa: ANN401
        children: list[Element] = []
        inside = BRANCHES if node.tag == SWITCH else parent.row.inside
        for child in node:
            tail = child.tail
            if tail is not None and tail.strip(BLANK):
                self._wrong(node, f"<{node.tag}> has text after <{_shown(child.tag)}>, where none is allowed")
            reading = READING.get(child.tag)
            if reading is not None and reading.element in inside:
                made = self.element(child, reading, depth + 1)
                if made is not None:
                    children.append(made)
            elif child.tag == SWITCH and node.tag == Gather.__name__:
                children += self._branches(child, depth)
            else:
                self._misplaced(child, node, inside, depth)
        return children

    def _misplaced(self, child: Any, node: Any, inside: frozenset[type[Element]], depth: int) -> None:  # noqa: ANN401, ARG002
        self._wrong(child, _misplaced(child.tag, node.tag, inside))

    def _branches(self, switch: Any, depth: int) -> list[Element]:  # noqa: ANN401
        if switch.items():
            self._wrong(switch, f"<{SWITCH}> has no attribute {_shown(switch.items()[0][0])} (it has none)")
        if switch.text is not None and switch.text.strip(BLANK):
            self._wrong(switch, f"<{SWITCH}> takes no text, but Case, Default, Error")
        return self._children(switch, Gather, depth)


class _Finder(_Reader):
    """Goes on where something is wrong; everything that is, is ``found``."""

    __slots__ = ()

    def _wrong(self, node: Any, reason: str, *, whole: bool = False) -> None:  # noqa: ANN401
        self.found.append(_At(node, reason, whole=whole))

    def _misplaced(self, child: Any, node: Any, inside: frozenset[type[Element]], depth: int) -> None:  # noqa: ANN401
        """Look into it too, as what it is, or is beyond doubt meant to be."""
        if not isinstance(child.tag, str):  # an entity, in what is no XML
            return
        super()._misplaced(child, node, inside, depth)
        reading = READING.get(child.tag) or READING.get(nearest(child.tag, READING, 0.75))
        if reading is not None:
            self.element(child, reading, depth + 1)


_NONE: Final[Mapping[str, str]] = MappingProxyType({})


def _misplaced(tag: str, parent: str, inside: frozenset[type[Element]]) -> str:
    """The message for an element that may not stand where it does, or is none at all."""
    if tag not in READING and tag != SWITCH:
        near = "" if tag.startswith("{") else suggestion(tag, [*READING, SWITCH])
        return f"unknown element {_element(tag)}{' (' + near + ')' if near else ''}"
    takes = ", ".join(sorted(cls.__name__ for cls in inside)) or "nothing"
    return f"<{tag}> is not allowed in <{parent}>, which takes {takes}"
