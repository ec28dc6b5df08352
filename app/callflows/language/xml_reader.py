"""Reads XML documents as verbs: both dialects and all spelling variants; unknown content is refused with its line.

Documents come from outside: document types, entities, and excessive size or depth are refused.
"""

from __future__ import annotations

import codecs
import contextlib
import itertools
import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from xml.parsers import expat

from lxml import etree

from callflows.errors import DocumentReadError, VerbBuildError
from callflows.language.dialects import GATHER_BRANCHES, NO_EXTENSIONS, SWITCH_TAG, TAG_MEANINGS, Extensions
from callflows.language.element import MAX_ELEMENT_DEPTH
from callflows.language.value_kinds import XML_WHITESPACE
from callflows.language.verbs import Gather, Response
from callflows.language.xml_writer import MAX_DOCUMENT_BYTES
from callflows.text import find_nearest, format_suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from callflows.language.dialects import TagMeaning, TextMeaning
    from callflows.language.element import Element


MAX_ELEMENT_ATTRIBUTES: Final = 50
"""An element with more attributes is refused."""
_LXML_POSITION: Final = re.compile(r", line \d+, column \d+.*")


def from_xml(document: bytes, *, extensions: Extensions = NO_EXTENSIONS) -> Response:
    """Read a document of either dialect. Raises DocumentReadError with line, column and allowed content."""
    if not isinstance(document, bytes):
        raise DocumentReadError(1, 1, f"a document is bytes, not {type(document).__name__}")
    root = parse_safe_document(document)
    try:
        response = _DocumentReader(extensions).read_root(root)
    except _ErrorAtElement as at:
        ((line, column),) = _find_positions(document, root, [at.node])
        raise DocumentReadError(line, column, at.reason) from None
    assert isinstance(response, Response)  # noqa: S101 - for the type checker; read_root checked the tag
    return response


def find_document_errors(document: bytes, *, extensions: Extensions = NO_EXTENSIONS) -> list[DocumentReadError]:
    """Return every error of a document in order; for malformed XML, the syntax error and the errors before."""
    try:
        from_xml(document, extensions=extensions)
    except DocumentReadError as error:
        first = error
    else:
        return []
    try:
        root, end = parse_safe_document(document), None
    except DocumentReadError as error:
        root, end = _parse_broken_document(document), error
    if root is None:
        return [first]
    reader = _ErrorCollector(extensions)
    reader.read_root(root)
    places = _find_positions(document, root, [at.node for at in reader.errors])
    found = [(place, at.reason) for place, at in zip(places, reader.errors, strict=True)]
    if end is not None:
        # The tag with the syntax error, and all behind it, are read by a guess.
        sure = {id(node) for node, _ in zip(root.iter("*"), find_tag_positions(document), strict=False)}
        before = [
            one for one, at in zip(found, reader.errors, strict=True) if id(at.node) in sure and not at.needs_whole_element
        ]
        found = [one for one in before if one[0] < (end.line, end.column)] + [((end.line, end.column), end.reason)]
    return [DocumentReadError(*place, reason) for place, reason in sorted(dict.fromkeys(found))]


class _ErrorAtElement(Exception):
    """An error at an element; ``needs_whole_element``: the error depends on the element's complete content."""

    def __init__(self, node: Any, reason: str, *, needs_whole_element: bool = False) -> None:  # noqa: ANN401 - of lxml
        self.node = node
        self.reason = reason
        self.needs_whole_element = needs_whole_element


_DOCTYPE_PATTERN: Final = re.compile(r"((?>[^<]|<\?(?>.*?\?>)|<!--(?>.*?-->))*+)<!DOCTYPE", re.DOTALL)
_ENTITIES_MESSAGE: Final = "entities and document types are refused"
_SAFE_PARSER_OPTIONS: Final[Mapping[str, Any]] = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "huge_tree": False,
    "remove_comments": True,
    "remove_pis": True,
}
_SAFE_PARSER: Final = etree.XMLParser(**_SAFE_PARSER_OPTIONS)


def parse_safe_document(document: bytes) -> Any:  # noqa: ANN401 - lxml's element
    """Return the root of any XML document. Raises DocumentReadError, also for entities and document types."""
    if len(document) > MAX_DOCUMENT_BYTES:
        raise DocumentReadError(1, 1, f"the document has {len(document)} bytes, more than {MAX_DOCUMENT_BYTES}")
    try:
        root = etree.fromstring(document, _SAFE_PARSER)
    except etree.XMLSyntaxError as error:
        doctype = _find_doctype(document)
        if doctype:
            raise DocumentReadError(*doctype, _ENTITIES_MESSAGE) from None
        line, column = _find_unclosed_part(document, error.msg) or error.position
        what = "empty" if not document.strip() else "too deep" if "depth" in error.msg else "not well-formed"
        raise DocumentReadError(
            max(line or 1, 1), max(column or 1, 1), f"{what}: {_describe_syntax_error(error.msg)}"
        ) from None
    except (ValueError, LookupError) as error:
        raise DocumentReadError(1, 1, f"not well-formed: {error}") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise DocumentReadError(*(_find_doctype(document) or (1, 1)), _ENTITIES_MESSAGE)
    return root


def _describe_syntax_error(message: str) -> str:
    """Return the message of libxml2 without its position; the frequent ones in words for people, with the fix."""
    for pattern, words in _SYNTAX_ERROR_WORDS.items():
        found = re.search(pattern, message)
        if found:
            return words.format(*found.groups())
    return _LXML_POSITION.sub("", message.partition("\n")[0])


def _find_unclosed_part(document: bytes, message: str) -> tuple[int, int] | None:
    """Return line and column where a comment or another part opens that never ends; libxml2 names the document's end."""
    for words, opening, closing in _ENDLESS_PARTS:
        if words in message:
            begin = document.find(opening, document.rfind(closing) + 1)
            before = document[:begin].decode("utf-8", "replace") if begin >= 0 else ""
            return (before.count("\n") + 1, len(before) - before.rfind("\n")) if begin >= 0 else None
    return None


_ENDLESS_PARTS: Final = (
    ("Comment not terminated", b"<!--", b"-->"),
    ("CData section not finished", b"<![CDATA[", b"]]>"),
    ("ParsePI: PI ", b"<?", b"?>"),
)
"""Words of libxml2, with the begin and the end of the part."""
_SYNTAX_ERROR_WORDS: Final = {
    "xmlParseEntityRef: no name": "a & begins an entity, and this is none: write &amp; for it",
    "EntityRef: expecting ';'": "a & begins an entity, and this is none: write &amp; for it",
    "Entity '(.*?)' not defined": "there is no entity &{0}; in XML: write the character itself",
    "AttValue: . or ' expected": 'the value of an attribute stands in plain quotes, as length="1000"',
    "invalid element name": "a < begins an element, and no name follows: write &lt; for the sign itself",
    "Premature end of data in tag (\\S+)": "<{0}> is not closed: write </{0}> at its end",
    "Unescaped '<' not allowed": "the value of an attribute is not closed before this <: a quote is missing",
    "invalid xmlChar value": "no document may hold this character, written as a number or not: take it out",
    "Attribute (\\S+) redefined": "the attribute {0} is given twice",
    "Extra content at the end of the document": "something stands after its end: one <Response> contains everything",
    "Opening and ending tag mismatch: (\\S+) line [0-9]+ and (\\S+?)(?:,|$)": "<{0}> is not closed before </{1}>",
    "Specification mandates value for attribute ([^\\s,]+)": 'the attribute {0} has no value: write {0}="…"',
    "error parsing attribute name": 'here a > or an attribute as length="1000" is expected',
    "attributes construct error": "a blank is missing between two attributes",
    "Couldn't find end of Start Tag (\\S+)": "the tag of <{0}> has no > at its end",
    "^expected '>'": "a closing tag has its > right after its name",
    "Comment not terminated": "the comment that opens here is not closed: write --> at its end",
    "Double hyphen within comment": "a comment may not hold --: take it out",
    "CData section not finished": "the <![CDATA[ that opens here is not closed: write ]]> at its end",
    "ParsePI: PI ": "the <? that opens here is not closed: write ?> at its end",
    "Sequence ']]>' not allowed in content": "a text may not hold ]]>: write ]]&gt;",
    "XML declaration allowed only": '<?xml version="1.0"?> may stand at the beginning only: take it out here',
    "Start tag expected": "it does not begin with <Response>",
    "Document is empty": "there is nothing in it",
    "Unsupported encoding: ([^\\s,]+)": "there is no encoding {0}: save the file as UTF-8, and say so",
    "String not started expecting|Blank needed here|Malformed declaration": 'the first line is <?xml version="1.0"?>',
    "Namespace prefix (\\S+) on (\\S+) is not defined": "write <{1}> for <{0}:{1}>",
    "invalid Char value|Invalid bytes": "no document may hold this character: take it out, and save the file as UTF-8",
    "CharRef: invalid": "a character is written as its number, as &#160;",
}


def _find_doctype(document: bytes) -> tuple[int, int] | None:
    """Return line and column of the document type declaration; None without one."""
    wide = document[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    found = _DOCTYPE_PATTERN.match(document.decode("utf-16" if wide else "latin-1", "replace"))
    if found is None:
        return None
    before = found[1]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _parse_broken_document(document: bytes) -> Any:  # noqa: ANN401 - lxml's element, or None
    """Return the readable part of malformed XML; None if unreadable."""
    if len(document) > MAX_DOCUMENT_BYTES or _find_doctype(document):
        return None
    try:
        return etree.fromstring(document, etree.XMLParser(recover=True, **_SAFE_PARSER_OPTIONS))
    except (etree.XMLSyntaxError, ValueError, LookupError):
        return None


def _find_positions(document: bytes, root: Any, nodes: Sequence[Any]) -> list[tuple[int, int]]:  # noqa: ANN401 - of lxml
    """Return line and column of each element's ``<``; lxml only knows the line of the end of a start tag."""
    begins = find_tag_positions(document)
    places = {id(node): (int(node.sourceline or 1), 1) for node in nodes}
    for index, node in enumerate(root.iter("*")):
        if id(node) in places and index < len(begins):
            places[id(node)] = begins[index]
    return [places[id(node)] for node in nodes]


def find_tag_positions(document: bytes) -> list[tuple[int, int]]:
    """Return line and column of each start tag, in the order of the document, as far as the XML can be read."""
    begins: list[tuple[int, int]] = []
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda *_: begins.append((parser.CurrentLineNumber, parser.CurrentColumnNumber + 1))
    with contextlib.suppress(expat.ExpatError, ValueError):
        parser.Parse(document, True)  # noqa: FBT003 - expat's own signature
    return begins


def find_element_positions(document: bytes) -> dict[str, tuple[int, int]]:
    """Return line and column of each element of a readable document, by the element's path in Opentact's events."""
    found: dict[str, tuple[int, int]] = {}
    within: list[tuple[str, Iterator[int]]] = []
    parser = expat.ParserCreate()

    def enter_element(tag: str, _: object) -> None:
        if not within:
            within.append(("", itertools.count()))
        elif tag == SWITCH_TAG:
            within.append(within[-1])
        else:
            before, index = within[-1]
            path = f"{before}{TAG_MEANINGS[tag].element_class.spec.name}[{next(index)}]"
            found[path] = (parser.CurrentLineNumber, parser.CurrentColumnNumber + 1)
            within.append((f"{path}.", itertools.count()))

    parser.StartElementHandler = enter_element
    parser.EndElementHandler = lambda _: within.pop()
    with contextlib.suppress(expat.ExpatError, ValueError):
        parser.Parse(document, True)  # noqa: FBT003 - expat's own signature
    return found


def _use_document_names(reason: str, tag: str, meaning: TagMeaning) -> str:
    """Replace the builder's names in a message with the names used in the document."""
    reason = reason.replace(f"<{meaning.element_class.spec.name}>", f"<{tag}>", 1)
    needed = reason.rpartition(" needs ")[2]
    spelled = next((name for name, (attribute, _) in meaning.attributes.items() if attribute.name == needed), needed)
    return (
        reason
        if spelled == needed or needed in meaning.attributes
        else reason.replace(f"needs {needed}", f"needs {spelled}")
    )


def _strip_namespace(tag: str) -> str:
    return tag.rpartition("}")[2]


def _describe_tag(tag: str) -> str:
    """Return the tag for messages, including its namespace; no known element has one."""
    namespace, _, name = tag.rpartition("}")
    return f"<{name}> of the namespace {namespace[1:]}" if namespace else f"<{name}>"


class _DocumentReader:
    """Reads elements; ``node`` is always lxml's element. The first error is raised as _ErrorAtElement."""

    __slots__ = ("_extensions", "errors")

    def __init__(self, extensions: Extensions) -> None:
        self._extensions = extensions
        self.errors: list[_ErrorAtElement] = []

    def _report_error(self, node: Any, reason: str, *, needs_whole_element: bool = False) -> None:  # noqa: ANN401
        raise _ErrorAtElement(node, reason, needs_whole_element=needs_whole_element)

    def read_root(self, node: Any) -> Element | None:  # noqa: ANN401
        if node.tag != Response.__name__:
            self._report_error(node, f"the root is {_describe_tag(node.tag)}, not <{Response.__name__}>")
        return self.read_element(node, TAG_MEANINGS[Response.__name__], 1)

    def read_element(self, node: Any, meaning: TagMeaning, depth: int) -> Element | None:  # noqa: ANN401
        """Read an element; return None after an error that was collected, not raised."""
        before = len(self.errors)
        if depth > MAX_ELEMENT_DEPTH:
            self._report_error(node, f"more than {MAX_ELEMENT_DEPTH} elements inside each other")
            return None
        attributes: dict[str, object] = {}
        if len(node.attrib) > MAX_ELEMENT_ATTRIBUTES:
            self._report_error(node, f"<{_strip_namespace(node.tag)}> has more than {MAX_ELEMENT_ATTRIBUTES} attributes")
        items = node.items()
        extra = self._read_attributes(node, meaning, items, attributes) if items else _NO_EXTRA
        text = node.text
        if meaning.text is not None:
            self._read_text(node, meaning.text, text or "", attributes)
        elif text is not None and text.strip(XML_WHITESPACE):
            self._report_error(node, f"<{node.tag}> takes no text, but {meaning.element_class.spec.allowed_children_text}")
        own = len(self.errors)
        children = self._read_children(node, meaning.element_class, depth) if len(node) else ()
        if len(self.errors) > before:
            if own == before:
                self._report_missing_attributes(node, meaning, attributes)
            return None
        try:
            return meaning.element_class.from_checked_parts(tuple(children), attributes, extra)
        except VerbBuildError as error:
            self._report_error(node, _use_document_names(str(error), node.tag, meaning), needs_whole_element=True)
            return None

    def _report_missing_attributes(
        self,
        node: Any,  # noqa: ANN401
        meaning: TagMeaning,
        attributes: Mapping[str, object],
    ) -> None:
        """Report missing required attributes of an element with broken children."""
        for name in meaning.element_class.spec.required_attributes:
            if name not in attributes:
                needs = f"<{meaning.element_class.spec.name}> needs {name}"
                self._report_error(node, _use_document_names(needs, node.tag, meaning), needs_whole_element=True)

    def _read_attributes(
        self,
        node: Any,  # noqa: ANN401
        meaning: TagMeaning,
        items: list[tuple[str, str]],
        attributes: dict[str, object],
    ) -> Mapping[str, str]:
        """Read attributes into ``attributes``; return the extension attributes."""
        extra: dict[str, str] = {}
        names = meaning.attributes
        for name, text in items:
            found = names.get(name)
            if found is None:
                extra[name] = self._read_extension(node, meaning, name, text)
                continue
            attribute, read = found
            if attribute.name in attributes:
                self._report_error(node, f"<{node.tag}> {name}: given twice, as {attribute.name} too")
            try:
                attributes[attribute.name] = read(text)
            except ValueError as error:
                self._report_error(node, f"<{node.tag}> {name}: {error}")
        return extra or _NO_EXTRA

    def _read_extension(self, node: Any, meaning: TagMeaning, name: str, text: str) -> str:  # noqa: ANN401
        kind = self._extensions.find_kind(meaning.element_class.spec.name, name)
        if kind is None:
            known = [*meaning.attributes]
            near = format_suggestion(name, known)
            has = f"it has {', '.join(known) or 'none'}{'; ' + near if near else ''}"
            self._report_error(node, f"<{node.tag}> has no attribute {_strip_namespace(name)} ({has})")
            return text
        try:
            kind.parse_text(text)
        except ValueError as error:
            self._report_error(node, f"<{node.tag}> {name}: {error}")
        return text

    def _read_text(self, node: Any, meaning: TextMeaning, text: str, attributes: dict[str, object]) -> None:  # noqa: ANN401
        """Read an element's text into its attribute."""
        name, read, may_be_blank = meaning
        blank = not text.strip(XML_WHITESPACE)
        if name in attributes:
            if not blank:
                self._report_error(node, f"<{node.tag}> {name}: given twice, as text and as attribute")
        elif not blank or may_be_blank:
            try:
                attributes[name] = read(text)
            except ValueError as error:
                self._report_error(node, f"<{node.tag}> {name}: {error}")

    def _read_children(self, node: Any, parent: type[Element], depth: int) -> list[Element]:  # noqa: ANN401
        children: list[Element] = []
        inside = GATHER_BRANCHES if node.tag == SWITCH_TAG else parent.spec.allowed_children
        for child in node:
            if not isinstance(child.tag, str):
                continue  # an entity that is not defined, in a broken document: the syntax error tells of it
            tail = child.tail
            if tail is not None and tail.strip(XML_WHITESPACE):
                reason = f"<{node.tag}> has text after <{_strip_namespace(child.tag)}>, where none is allowed"
                self._report_error(node, reason, needs_whole_element=True)
            reading = TAG_MEANINGS.get(child.tag)
            if reading is not None and reading.element_class in inside:
                element = self.read_element(child, reading, depth + 1)
                if element is not None:
                    children.append(element)
            elif child.tag == SWITCH_TAG and node.tag == Gather.__name__:
                children += self._read_switch(child, depth)
            else:
                self._report_misplaced(child, node, inside, depth)
        return children

    def _report_misplaced(
        self,
        child: Any,  # noqa: ANN401 - lxml's element
        node: Any,  # noqa: ANN401
        allowed_children: frozenset[type[Element]],
        depth: int,  # noqa: ARG002 - used by _ErrorCollector
    ) -> None:
        self._report_error(child, _describe_misplaced_tag(child.tag, node.tag, allowed_children))

    def _read_switch(self, switch: Any, depth: int) -> list[Element]:  # noqa: ANN401
        if switch.items():
            self._report_error(
                switch, f"<{SWITCH_TAG}> has no attribute {_strip_namespace(switch.items()[0][0])} (it has none)"
            )
        if switch.text is not None and switch.text.strip(XML_WHITESPACE):
            self._report_error(switch, f"<{SWITCH_TAG}> takes no text, but Case, Default, Error")
        return self._read_children(switch, Gather, depth)


class _ErrorCollector(_DocumentReader):
    """Continues after an error; ``errors`` collects every error."""

    __slots__ = ()

    def _report_error(self, node: Any, reason: str, *, needs_whole_element: bool = False) -> None:  # noqa: ANN401
        self.errors.append(_ErrorAtElement(node, reason, needs_whole_element=needs_whole_element))

    def _report_misplaced(
        self,
        child: Any,  # noqa: ANN401 - lxml's element
        node: Any,  # noqa: ANN401
        allowed_children: frozenset[type[Element]],
        depth: int,
    ) -> None:
        """Report the element, then also read its content, by its own or its unmistakably similar tag."""
        if not isinstance(child.tag, str):  # an entity in malformed XML
            return
        super()._report_misplaced(child, node, allowed_children, depth)
        reading = TAG_MEANINGS.get(child.tag) or TAG_MEANINGS.get(find_nearest(child.tag, TAG_MEANINGS, 0.75))
        if reading is not None:
            self.read_element(child, reading, depth + 1)


_NO_EXTRA: Final[Mapping[str, str]] = MappingProxyType({})


def _describe_misplaced_tag(tag: str, parent: str, allowed_children: frozenset[type[Element]]) -> str:
    """Return the message for a misplaced or unknown element."""
    if tag not in TAG_MEANINGS and tag != SWITCH_TAG:
        near = "" if tag.startswith("{") else format_suggestion(tag, [*TAG_MEANINGS, SWITCH_TAG])
        return f"unknown element {_describe_tag(tag)}{' (' + near + ')' if near else ''}"
    takes = ", ".join(sorted(cls.__name__ for cls in allowed_children)) or "nothing"
    return f"<{tag}> is not allowed in <{parent}>, which takes {takes}"
