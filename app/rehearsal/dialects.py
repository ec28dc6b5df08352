"""Which dialect a document is written in, as far as its spelling tells; what both spell alike is taken for reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lxml import etree

from app.language import DTMF, Gather
from app.language.element import paths

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.language import Dialect, Response

_ELEMENTS: Final = frozenset({"Switch", "Case", "Number", "Sip", "Reject", "Redirect"})
_CLASSIC: Final = frozenset({"numDigits", "finishOnKey", "callback", "attempts", "timeout", "method"})
_REFERENCE: Final = frozenset({"dtmf_length", "length", "dtmf_stop", "url"})
_PROMPTS: Final = frozenset({"Say", "Play", "Pause"})
_PARSER: Final = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)


class Spelled(NamedTuple):
    """The dialect of a document, and those of its Gathers by their paths."""

    dialect: Dialect
    gathers: Mapping[str, Dialect]


def spelled(document: bytes, response: Response) -> Spelled:
    """How a document, read as ``response``, is spelled; a Gather by its own names. language: "Two dialects"."""
    root = etree.fromstring(document, _PARSER)
    whole: Dialect = "classic" if any(_is_classic(node) for node in root.iter()) else "reference"
    at = [path for path, element in paths(response) if isinstance(element, Gather)]
    return Spelled(whole, {path: _of(node, whole) for path, node in zip(at, root.iter(Gather.__name__), strict=True)})


def _of(gather: Any, whole: Dialect) -> Dialect:  # noqa: ANN401 - lxml's element
    """Its attributes tell first, then its branches, then the document around it."""
    if not _REFERENCE.isdisjoint(gather.attrib):
        return "reference"
    if not _is_classic(gather) and gather.find(DTMF.__name__) is not None:
        return "reference"
    return whole


def _is_classic(node: Any) -> bool:  # noqa: ANN401 - lxml's element
    """Whether only the classic dialect spells this so: its elements, its Gather with prompts inside, Dial's record."""
    if node.tag == "Gather":
        return not _CLASSIC.isdisjoint(node.attrib) or any(child.tag in _PROMPTS for child in node)
    return node.tag in _ELEMENTS or (node.tag == "Dial" and "record" in node.attrib)
