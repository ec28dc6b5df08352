"""Which dialect a document is written in, as far as its spelling tells; what both spell alike is taken for reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lxml import etree

if TYPE_CHECKING:
    from app.language import Dialect

_ELEMENTS: Final = frozenset({"Switch", "Case", "Number", "Sip", "Reject", "Redirect"})
_ATTRIBUTES: Final = frozenset({"numDigits", "finishOnKey", "callback", "attempts", "timeout", "method"})
_PROMPTS: Final = frozenset({"Say", "Play", "Pause"})
_PARSER: Final = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)


def dialect_of(document: bytes) -> Dialect:
    """The dialect of a document that can be read. language: "Two dialects"."""
    return "classic" if any(_is_classic(node) for node in etree.fromstring(document, _PARSER).iter()) else "reference"


def _is_classic(node: Any) -> bool:  # noqa: ANN401 - lxml's element
    """Whether only the classic dialect spells this so: its elements, its Gather with prompts inside, Dial's record."""
    if node.tag == "Gather":
        return not _ATTRIBUTES.isdisjoint(node.attrib) or any(child.tag in _PROMPTS for child in node)
    return node.tag in _ELEMENTS or (node.tag == "Dial" and "record" in node.attrib)
