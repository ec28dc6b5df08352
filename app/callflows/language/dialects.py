"""Spelling of elements and attributes in each dialect, and the user's declared extension attributes.

Class names follow the ``reference`` dialect. The ``classic`` dialect renames some attributes (in the table), and has
``Case`` for DTMF, ``Number`` and ``Sip`` for To, and a ``Switch`` around the branches of a Gather.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from callflows.errors import LanguageError
from callflows.language.element import Element, is_xml_name
from callflows.language.value_kinds import DECLARABLE_KINDS, KEY_KIND, NUMBER_KIND, SIP_KIND, TEXT_KIND, ValueKind
from callflows.language.verb_table import DIALECTS, AttributeSpec, Dialect
from callflows.language.verbs import DTMF, ELEMENT_CLASSES, ELEMENT_SPECS, Default, Error, To
from callflows.text import format_suggestion

if TYPE_CHECKING:
    from collections.abc import Callable


SWITCH_TAG: Final = "Switch"
"""Element around the branches of a classic Gather."""
GATHER_BRANCHES: Final[frozenset[type[Element]]] = frozenset((DTMF, Default, Error))
"""The branches of a Gather."""
_DIALECT_TAGS: Final[Mapping[tuple[Dialect, type[Element]], str]] = {("classic", DTMF): "Case", ("classic", To): "Number"}
SIP_TARGET_TAG: Final = "Sip"
"""Tag of a classic target that is not a number."""
_NARROWER_KINDS: Final[Mapping[tuple[Dialect, str, str], ValueKind]] = {("reference", "Gather", "dtmf_stop"): KEY_KIND}
"""Attributes with fewer allowed values in one dialect."""


class AttributeSpelling(NamedTuple):
    """Spelling of an attribute in a dialect."""

    name: str
    kind: ValueKind
    opening: str
    """Text before the value: `` lang="``."""
    format_value: Callable[[object], str] | None
    """Converts a value to text; None if values are text already."""
    is_narrower: bool
    """True if this dialect allows fewer values than the table."""


@dataclasses.dataclass(frozen=True, slots=True)
class ElementSpelling:
    """Spelling of an element in a dialect: its tag and its attributes."""

    tag: str
    attributes: Mapping[str, AttributeSpelling]
    text_attribute: str | None
    """The attribute written as the element's text."""
    multiline_attribute: str | None
    """The attribute written as the element's text if its value has several lines."""


class TextMeaning(NamedTuple):
    """The attribute given by an element's text; only spoken text may be blank."""

    name: str
    parse_text: Callable[[str], object]
    may_be_blank: bool


@dataclasses.dataclass(frozen=True, slots=True)
class TagMeaning:
    """Meaning of a tag, in any dialect: an element class and the names of its attributes."""

    element_class: type[Element]
    attributes: Mapping[str, tuple[AttributeSpec, Callable[[str], object]]]
    text: TextMeaning | None


def _find_dialect_kind(dialect: Dialect, element: str, attribute: AttributeSpec) -> ValueKind:
    return _NARROWER_KINDS.get((dialect, element, attribute.name), attribute.kind)


def _build_attribute_spelling(name: str, kind: ValueKind, dialect_kind: ValueKind) -> AttributeSpelling:
    return AttributeSpelling(
        name, dialect_kind, f' {name}="', None if kind.keeps_text else kind.format_value, dialect_kind is not kind
    )


def _build_element_spelling(dialect: Dialect, element: type[Element]) -> ElementSpelling:
    row = element.spec
    by_text = {a.text_role: a.name for a in row.attributes.values()}
    return ElementSpelling(
        tag=_DIALECT_TAGS.get((dialect, element), row.name),
        attributes=MappingProxyType(
            {
                name: _build_attribute_spelling(a.spellings[dialect], a.kind, _find_dialect_kind(dialect, row.name, a))
                for name, a in row.attributes.items()
                if dialect in a.spellings
            }
        ),
        text_attribute=by_text.get("written") or by_text.get("only"),
        multiline_attribute=by_text.get("read") if row.name == "Meta" else None,
    )


ELEMENT_SPELLINGS: Final[Mapping[Dialect, Mapping[type[Element], ElementSpelling]]] = {
    dialect: {e: _build_element_spelling(dialect, e) for e in ELEMENT_CLASSES.values() if dialect in e.spec.dialects}
    for dialect in DIALECTS
}
"""By dialect, the spelling of each element of the dialect."""


def _build_tag_meaning(element: type[Element], dialects: tuple[Dialect, ...]) -> TagMeaning:
    row = element.spec
    names: dict[str, tuple[AttributeSpec, Callable[[str], object]]] = {}
    for attribute in row.attributes.values():
        if attribute.text_role == "only":
            continue
        for dialect in dialects:
            if dialect in attribute.spellings:
                names[attribute.spellings[dialect]] = (
                    attribute,
                    _find_dialect_kind(dialect, row.name, attribute).parse_text,
                )
        names |= dict.fromkeys(attribute.spelling_variants, (attribute, attribute.kind.parse_text))
    text = next((a for a in row.attributes.values() if a.text_role != "never"), None)
    return TagMeaning(
        element,
        MappingProxyType(names),
        TextMeaning(text.name, text.kind.parse_text, text.kind is TEXT_KIND) if text else None,
    )


def _build_tag_meanings() -> dict[str, TagMeaning]:
    readings: dict[str, TagMeaning] = {}
    for element in ELEMENT_CLASSES.values():
        spoken: dict[str, list[Dialect]] = {}
        for dialect in element.spec.dialects:
            spoken.setdefault(ELEMENT_SPELLINGS[dialect][element].tag, []).append(dialect)
        for tag, dialects in spoken.items():
            readings |= dict.fromkeys((tag, *element.spec.tag_variants), _build_tag_meaning(element, tuple(dialects)))
    readings["Number"] = TagMeaning(
        To, MappingProxyType({}), TextMeaning("target", NUMBER_KIND.parse_text, may_be_blank=False)
    )
    readings[SIP_TARGET_TAG] = TagMeaning(
        To, MappingProxyType({}), TextMeaning("target", SIP_KIND.parse_text, may_be_blank=False)
    )
    return readings


TAG_MEANINGS: Final[Mapping[str, TagMeaning]] = MappingProxyType(_build_tag_meanings())
"""Meaning of each tag of both dialects."""


@dataclasses.dataclass(frozen=True, slots=True)
class Extensions:
    """Attributes of Opentact that are missing in its documentation, as declared in ``extensions.yaml``.

    ``kinds`` maps element names to attribute names to kinds.
    """

    kinds: Mapping[str, Mapping[str, ValueKind]] = dataclasses.field(default_factory=dict)

    @classmethod
    def from_declarations(cls, declarations: Mapping[str, Mapping[str, str]]) -> Extensions:
        """Create from the content of the file: ``{"Dial": {"callerId": "text"}}``. Raises LanguageError."""
        kinds: dict[str, Mapping[str, ValueKind]] = {}
        for element, attributes in declarations.items():
            if element not in ELEMENT_SPECS:
                raise LanguageError(
                    f"there is no element <{element}>; {format_suggestion(element, [*ELEMENT_SPECS])}".rstrip("; ")
                )
            if not isinstance(attributes, Mapping):
                raise LanguageError(f"<{element}>: must be a mapping of attributes and kinds")
            kinds[element] = MappingProxyType(
                {name: _check_declaration(element, name, kind) for name, kind in attributes.items()}
            )
        return cls(MappingProxyType(kinds))

    def find_kind(self, element: str, attribute: str) -> ValueKind | None:
        """Return the kind of a declared attribute; None if not declared."""
        return self.kinds.get(element, {}).get(attribute)


def _check_declaration(element: str, name: str, kind: str) -> ValueKind:
    if not is_xml_name(name):
        raise LanguageError(f"<{element}>: {name!r} cannot be the name of an attribute")
    taken = {
        spelled
        for a in ELEMENT_SPECS[element].attributes.values()
        for spelled in (a.name, *a.spellings.values(), *a.spelling_variants)
    }
    if name in taken:
        raise LanguageError(f"<{element}> has an attribute {name} of its own")
    if kind not in DECLARABLE_KINDS:
        raise LanguageError(f"<{element}> {name}: there is no kind {kind!r}; there are {', '.join(DECLARABLE_KINDS)}")
    return DECLARABLE_KINDS[kind]


NO_EXTENSIONS: Final = Extensions()
