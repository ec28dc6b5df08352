"""How each dialect spells the language, and the attributes that the user declares beyond it.

The classes are named and shaped as in ``reference``. ``classic`` has other names for some attributes (they stand in
the table), ``Case`` for DTMF, ``Number`` and ``Sip`` for To, and a ``Switch`` around the branches of a Gather.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from app.errors import LanguageError, suggestion
from app.language.element import Element, is_xml_name
from app.language.rows import DIALECTS, Attribute, Dialect
from app.language.values import KEY, KINDS, NUMBER, SIP, TEXT, Kind
from app.language.verbs import DTMF, ELEMENTS, ROWS, Default, Error, To

if TYPE_CHECKING:
    from collections.abc import Callable

SWITCH: Final = "Switch"
"""What classic puts around the branches of a Gather."""
BRANCHES: Final[frozenset[type[Element]]] = frozenset((DTMF, Default, Error))
"""The branches of a Gather."""

_TAGS: Final[Mapping[tuple[Dialect, type[Element]], str]] = {("classic", DTMF): "Case", ("classic", To): "Number"}
SIP_TAG: Final = "Sip"
"""A classic target that is no number."""
_NARROWER: Final[Mapping[tuple[Dialect, str, str], Kind]] = {("reference", "Gather", "dtmf_stop"): KEY}
"""Attributes that hold less in one dialect than in the other."""


class Item(NamedTuple):
    """How a dialect writes an attribute."""

    spelled: str
    kind: Kind
    start: str
    """What stands before the value: `` lang="``."""
    write: Callable[[object], str] | None
    """The text of a value that is not a text already."""
    narrower: bool
    """Whether this dialect takes less than the table says."""


@dataclasses.dataclass(frozen=True, slots=True)
class Spelling:
    """How a dialect writes an element: its tag and its attributes."""

    tag: str
    items: Mapping[str, Item]
    text: str | None
    """The attribute that stands as text."""
    loose: str | None
    """The attribute that stands as text where it has several lines."""


class TextReading(NamedTuple):
    """The attribute that an element's text is; only what is spoken may be blank."""

    name: str
    read: Callable[[str], object]
    may_be_blank: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """What a tag means, whichever dialect it is from: an element, with these names for its attributes."""

    element: type[Element]
    names: Mapping[str, tuple[Attribute, Callable[[str], object]]]
    text: TextReading | None


def _kind(dialect: Dialect, element: str, attribute: Attribute) -> Kind:
    return _NARROWER.get((dialect, element, attribute.name), attribute.kind)


def _item(spelled: str, kind: Kind, here: Kind) -> Item:
    return Item(spelled, here, f' {spelled}="', None if kind.keeps_text else kind.write, here is not kind)


def _spelling(dialect: Dialect, element: type[Element]) -> Spelling:
    row = element.row
    by_text = {a.text: a.name for a in row.attributes.values()}
    return Spelling(
        tag=_TAGS.get((dialect, element), row.name),
        items=MappingProxyType(
            {
                name: _item(a.spelling[dialect], a.kind, _kind(dialect, row.name, a))
                for name, a in row.attributes.items()
                if dialect in a.spelling
            }
        ),
        text=by_text.get("written") or by_text.get("only"),
        loose=by_text.get("read") if row.name == "Meta" else None,
    )


WRITING: Final[Mapping[Dialect, Mapping[type[Element], Spelling]]] = {
    dialect: {e: _spelling(dialect, e) for e in ELEMENTS.values() if dialect in e.row.dialects} for dialect in DIALECTS
}
"""Per dialect, how each element it has is written."""


def _reading(element: type[Element], spoken: tuple[Dialect, ...]) -> Reading:
    row = element.row
    names: dict[str, tuple[Attribute, Callable[[str], object]]] = {}
    for attribute in row.attributes.values():
        if attribute.text == "only":
            continue
        for dialect in spoken:
            if dialect in attribute.spelling:
                names[attribute.spelling[dialect]] = (attribute, _kind(dialect, row.name, attribute).read)
        names |= dict.fromkeys(attribute.also, (attribute, attribute.kind.read))
    text = next((a for a in row.attributes.values() if a.text != "never"), None)
    return Reading(
        element, MappingProxyType(names), TextReading(text.name, text.kind.read, text.kind is TEXT) if text else None
    )


def _readings() -> dict[str, Reading]:
    readings: dict[str, Reading] = {}
    for element in ELEMENTS.values():
        spoken: dict[str, list[Dialect]] = {}
        for dialect in element.row.dialects:
            spoken.setdefault(WRITING[dialect][element].tag, []).append(dialect)
        for tag, dialects in spoken.items():
            readings |= dict.fromkeys((tag, *element.row.also), _reading(element, tuple(dialects)))
    readings["Number"] = Reading(To, MappingProxyType({}), TextReading("target", NUMBER.read, may_be_blank=False))
    readings[SIP_TAG] = Reading(To, MappingProxyType({}), TextReading("target", SIP.read, may_be_blank=False))
    return readings


READING: Final[Mapping[str, Reading]] = MappingProxyType(_readings())
"""What each tag of either dialect means."""


@dataclasses.dataclass(frozen=True, slots=True)
class Extensions:
    """Attributes that Opentact has and its documentation lost, as ``extensions.yaml`` declares them.

    ``kinds`` is by element, then by attribute.
    """

    kinds: Mapping[str, Mapping[str, Kind]] = dataclasses.field(default_factory=dict)

    @classmethod
    def declare(cls, declared: Mapping[str, Mapping[str, str]]) -> Extensions:
        """From the file's content: ``{"Dial": {"callerId": "text"}}``. Raises LanguageError."""
        kinds: dict[str, Mapping[str, Kind]] = {}
        for element, attributes in declared.items():
            if element not in ROWS:
                raise LanguageError(f"there is no element <{element}>; {suggestion(element, [*ROWS])}".rstrip("; "))
            if not isinstance(attributes, Mapping):
                raise LanguageError(f"<{element}>: must be a mapping of attributes and kinds")
            kinds[element] = MappingProxyType({name: _declared(element, name, kind) for name, kind in attributes.items()})
        return cls(MappingProxyType(kinds))

    def kind(self, element: str, attribute: str) -> Kind | None:
        """The kind of a declared attribute; None where it is not declared."""
        return self.kinds.get(element, {}).get(attribute)


def _declared(element: str, name: str, kind: str) -> Kind:
    if not is_xml_name(name):
        raise LanguageError(f"<{element}>: {name!r} cannot be the name of an attribute")
    taken = {spelled for a in ROWS[element].attributes.values() for spelled in (a.name, *a.spelling.values(), *a.also)}
    if name in taken:
        raise LanguageError(f"<{element}> has an attribute {name} of its own")
    if kind not in KINDS:
        raise LanguageError(f"<{element}> {name}: there is no kind {kind!r}; there are {', '.join(KINDS)}")
    return KINDS[kind]


NO_EXTENSIONS: Final = Extensions()
