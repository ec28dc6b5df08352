"""Detects the dialect of a document by its spelling. Spelling common to both dialects counts as reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lxml import etree

from callflows.language import DTMF, Gather
from callflows.language.element import walk_elements

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callflows.language import Dialect, Response


_CLASSIC_ELEMENTS: Final = frozenset({"Switch", "Case", "Number", "Sip", "Reject", "Redirect"})
_CLASSIC_GATHER_ATTRIBUTES: Final = frozenset({"numDigits", "finishOnKey", "callback", "attempts", "timeout", "method"})
_REFERENCE_GATHER_ATTRIBUTES: Final = frozenset({"dtmf_length", "length", "dtmf_stop", "url"})
_PROMPT_ELEMENTS: Final = frozenset({"Say", "Play", "Pause"})
_XML_PARSER: Final = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)


class DocumentDialect(NamedTuple):
    """The dialect of a document, and the dialects of its Gathers by path."""

    dialect: Dialect
    gather_dialects: Mapping[str, Dialect]


def detect_dialect(document: bytes, response: Response) -> DocumentDialect:
    """Detect the dialect of a document parsed as ``response``; judge each Gather separately. language: "Two dialects"."""
    root = etree.fromstring(document, _XML_PARSER)
    whole: Dialect = "classic" if any(_is_classic_element(node) for node in root.iter()) else "reference"
    at = [path for path, element in walk_elements(response) if isinstance(element, Gather)]
    return DocumentDialect(
        whole,
        {path: _detect_gather_dialect(node, whole) for path, node in zip(at, root.iter(Gather.__name__), strict=True)},
    )


def _detect_gather_dialect(gather: Any, document_dialect: Dialect) -> Dialect:  # noqa: ANN401 - lxml's element
    """Judge a Gather by its attributes, then by its branches, then by the dialect of the document."""
    if not _REFERENCE_GATHER_ATTRIBUTES.isdisjoint(gather.attrib):
        return "reference"
    if not _is_classic_element(gather) and gather.find(DTMF.__name__) is not None:
        return "reference"
    return document_dialect


def _is_classic_element(element: Any) -> bool:  # noqa: ANN401 - lxml's element
    """Return True if only the classic dialect has this spelling.

    Classic are some elements, a Gather with classic attributes or with prompts inside, and a Dial with ``record``.
    """
    if element.tag == "Gather":
        return not _CLASSIC_GATHER_ATTRIBUTES.isdisjoint(element.attrib) or any(
            child.tag in _PROMPT_ELEMENTS for child in element
        )
    return element.tag in _CLASSIC_ELEMENTS or (element.tag == "Dial" and "record" in element.attrib)
