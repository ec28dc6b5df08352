"""What the table says, for people and their tools: an XML Schema, a page for each element, and an overview.

The schema accepts whatever ``to_xml`` writes. It refuses whatever ``from_xml`` refuses, but for ``UNSAYABLE``, and is
stricter in spelling: it knows the names of one dialect, and no variants.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final, NamedTuple, get_args

from lxml import etree

from app.errors import LanguageError
from app.language.dialects import BRANCHES, NO_EXTENSIONS, READING, SIP_TAG, SWITCH, WRITING, Extensions, Spelling
from app.language.element import Element
from app.language.examples import example
from app.language.markup import escape, escape_attribute
from app.language.rows import DIALECTS, Attribute, Dialect, Row
from app.language.values import NUMBER, SIP, Kind
from app.language.verbs import DTMF, ELEMENTS, ROWS, Command, Default, Gather, To

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

UNSAYABLE: Final = (
    "Of the document: its type and entities, its size, how deep it is, and attributes of XML Schema's own (xsi:…).",
    "In Say and Play: text after an element. In Play also: the form of its URL, and that it has either a URL or record.",
    "In Meta: that it has its value, and once, as attribute or as text.",
)
"""What ``from_xml`` refuses and XML Schema 1.0 cannot."""

Classes = frozenset[type[Element]]

_XS: Final = "http://www.w3.org/2001/XMLSchema"
_COMMANDS: Final[Classes] = frozenset(get_args(Command))
_ANY: Final = {"minOccurs": "0", "maxOccurs": "unbounded"}
_WORDS: Final = re.compile(r"[\w-]+(\|[\w-]+)+")


def xsd(dialect: Dialect, extensions: Extensions = NO_EXTENSIONS) -> str:
    """The XML Schema 1.0 of a dialect, with the attributes that the user declares."""
    if dialect not in DIALECTS:
        raise LanguageError(f"there is no dialect {dialect!r}; there are {' and '.join(DIALECTS)}")
    schema = _Schema(dialect, extensions)
    tree = etree.fromstring(f'<xs:schema xmlns:xs="{_XS}">{"".join(schema.parts())}</xs:schema>')
    etree.indent(tree)
    return etree.tostring(tree, encoding="unicode") + "\n"


def _xs(tag: str, *inside: str, **attributes: str) -> str:
    named = "".join(f' {name}="{escape_attribute(value)}"' for name, value in attributes.items())
    return f"<xs:{tag}{named}>{''.join(inside)}</xs:{tag}>"


def _says(text: str) -> str:
    return _xs("annotation", _xs("documentation", escape(text)))


def _simple_name(kind: Kind) -> str:
    return kind.name.replace(" ", "-") if kind.pattern is not None else "xs:string"


def _simple_type(kind: Kind) -> str:
    """A kind, as the reader takes it: with blanks around."""
    pattern, base = kind.pattern or "", "xs:token"
    if _WORDS.fullmatch(pattern):
        facets = [_xs("enumeration", value=word) for word in pattern.split("|")]
    elif kind.accepts("A B"):  # a token would make a blank of a tab inside
        facets, base = [_xs("pattern", value=rf"\s*({pattern})\s*")], "xs:string"
    else:
        facets = [_xs("pattern", value=pattern)]
    return _xs("simpleType", _says(kind.says), _xs("restriction", *facets, base=base), name=_simple_name(kind))


def _tags(dialect: Dialect, element: type[Element]) -> dict[str, Kind | None]:
    """The tags of an element, each with the kind of its text where that is all it holds; a classic target has two."""
    spelling = WRITING[dialect][element]
    if element is To and dialect == "classic":
        return {spelling.tag: NUMBER, SIP_TAG: SIP}
    name = spelling.text or spelling.loose
    return {spelling.tag: spelling.items[name].kind if name and not element.row.inside else None}


class _Schema:
    """The schema's parts. A tag has one type wherever it stands; only Response may be the root."""

    def __init__(self, dialect: Dialect, extensions: Extensions) -> None:
        self._dialect = dialect
        self._extensions = extensions
        self._spellings = WRITING[dialect]

    def parts(self) -> Iterator[str]:
        yield _says(f"Opentact call control XML, {self._dialect} dialect. It cannot say:\n" + "\n".join(UNSAYABLE))
        yield _xs("element", name="Response", type="Response")
        yield _xs("group", _xs("choice", *self._elements(_COMMANDS)), name="Command")
        for element in self._spellings:
            yield from self._types(element)
        kinds = {_simple_name(kind): kind for kind in self._kinds() if kind.pattern is not None}
        yield from (_simple_type(kinds[name]) for name in sorted(kinds))

    def _kinds(self) -> Iterator[Kind]:
        for element, spelling in self._spellings.items():
            yield from (item.kind for item in spelling.items.values())
            yield from (kind for kind in _tags(self._dialect, element).values() if kind)
            yield from self._extensions.kinds.get(element.row.name, {}).values()

    def _elements(self, classes: Iterable[type[Element]]) -> list[str]:
        """Declarations of those that the dialect has, in the table's order."""
        wanted = frozenset(classes)
        return [
            _xs("element", *self._unique(element), name=tag, type=tag)
            for element in self._spellings
            if element in wanted
            for tag in _tags(self._dialect, element)
        ]

    def _unique(self, element: type[Element]) -> list[str]:
        """No two branches of a Gather for the same keys."""
        if element is not Gather:
            return []
        branch = self._spellings[DTMF]
        path = branch.tag if self._dialect == "reference" else f"{SWITCH}/{branch.tag}"
        field = _xs("field", xpath=f"@{branch.items['value'].spelled}")
        return [_xs("unique", _xs("selector", xpath=path), field, name="keys")]

    def _types(self, element: type[Element]) -> Iterator[str]:
        """The element's type, one for each of its tags."""
        spelling, row = self._spellings[element], element.row
        attributes = [*self._attributes(row, spelling)]
        for tag, kind in _tags(self._dialect, element).items():
            if kind:
                text = _xs("simpleContent", _xs("extension", *attributes, base=_simple_name(kind)))
                yield _xs("complexType", _says(row.says), text, name=tag)
            else:
                mixed = {"mixed": "true"} if spelling.text else {}
                yield _xs("complexType", _says(row.says), self._content(row), *attributes, name=tag, **mixed)

    def _attributes(self, row: Row, spelling: Spelling) -> Iterator[str]:
        for name, item in spelling.items.items():
            if name == spelling.text:
                continue
            attribute = row.attributes[name]
            must = {"use": "required"} if attribute.required and name != spelling.loose else {}
            yield _xs("attribute", _says(attribute.means), name=item.spelled, type=_simple_name(item.kind), **must)
        for name, kind in self._extensions.kinds.get(row.name, {}).items():
            yield _xs("attribute", _says("declared by you"), name=name, type=_simple_name(kind))

    def _content(self, row: Row) -> str:
        rest = row.inside - row.first - row.once
        if row.name == Gather.__name__ and self._dialect == "classic":
            branches = _xs("complexType", self._order(rest & BRANCHES, row.once, row.needs))
            order = _xs("element", branches, name=SWITCH, minOccurs="0")
            return _xs("sequence", self._many(row.first), order)
        return self._order(rest, row.once, row.needs)

    def _many(self, classes: Classes) -> str:
        if classes >= _COMMANDS:
            return _xs("choice", _xs("group", ref="Command"), *self._elements(classes - _COMMANDS), **_ANY)
        return _xs("choice", *elements, **_ANY) if (elements := self._elements(classes)) else ""

    def _order(self, free: Classes, once: Classes, needs: Classes) -> str:
        """Any order, in a form that never asks to look ahead: after what is once or needed, all the rest again."""
        forks = [self._then(need, self._order(free, once, needs - {need})) for need in _sorted(needs)]
        forks += [self._then(single, self._order(free, once - {single}, needs)) for single in _sorted(once)]
        fork = _xs("choice", *forks, minOccurs="1" if needs else "0") if forks else ""
        return _xs("sequence", self._many(free - needs), fork)

    def _then(self, first: type[Element], rest: str) -> str:
        return _xs("sequence", _xs("choice", *self._elements([first])), rest)


# Pages


class Line(NamedTuple):
    """A line of the overview."""

    name: str
    dialects: tuple[str, ...]
    evidence: str
    says: str


def overview() -> list[Line]:
    """A line for each element, in the table's order."""
    return [
        Line(row.name, row.dialects, row.evidence.value, row.says.partition(". ")[0].rstrip(".") + ".")
        for row in ROWS.values()
    ]


def page(name: str) -> str:
    """All about one element, as Markdown. Raises LanguageError for an unknown name."""
    element = _find(name)
    row = element.row
    says, source = row.says.replace("``", "`"), row.source.replace("``", "`")
    parts = [f"# {row.name}", says, f"Source: {source}", f"Evidence: {row.evidence.value}.", _dialects(element)]
    parts += ["## Attributes", _attributes(element), "## Nesting", _nesting(element), *_examples(element)]
    return "\n\n".join(parts) + "\n"


def _find(name: str) -> type[Element]:
    names = {tag: reading.element.__name__ for tag, reading in READING.items()} | {SWITCH: Gather.__name__}
    known = {tag.lower(): element for tag, element in names.items()}
    wanted = re.sub(r"[\s<>/_-]", "", name).lower()
    if wanted in known:
        return ELEMENTS[known[wanted]]
    near = get_close_matches(wanted, known, n=1)
    mend = f"did you mean {known[near[0]]}?" if near else f"there are {', '.join(ROWS)}"
    raise LanguageError(f"there is no element {name!r}; {mend}")


def _sorted(classes: Iterable[type[Element]]) -> list[type[Element]]:
    wanted = frozenset(classes)
    return [element for element in ELEMENTS.values() if element in wanted]


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *(tuple(cell.replace("|", "\\|") or "-" for cell in row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _codes(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _written(element: type[Element], dialect: Dialect) -> str:
    if element not in WRITING[dialect]:
        return "not in it"
    tags = _codes(f"<{tag}>" for tag in _tags(dialect, element))
    return f"{tags} in `<{SWITCH}>`" if dialect == "classic" and element in (DTMF, Default) else tags


def _dialects(element: type[Element]) -> str:
    table = _table(DIALECTS, [tuple(_written(element, dialect) for dialect in DIALECTS)])
    also = _codes(f"<{tag}>" for tag in element.row.also)
    return f"{table}\n\nAlso read: {also}." if also else table


def _attributes(element: type[Element]) -> str:
    head = ("attribute", "meaning", "must be", "default", "required", "dialects", "classic name", "also read", "evidence")
    attributes = element.row.attributes.values()
    rows = (
        (
            f"`{a.name}`",
            a.means,
            _holds(element, a),
            a.default,
            "yes" if a.required else "no",
            ", ".join(d for d in a.spelling if d in element.row.dialects),
            _codes([a.spelling["classic"]] if a.spelling.get("classic", a.name) != a.name else []),
            _codes(a.also),
            a.evidence.value,
        )
        for a in attributes
    )
    more = "An attribute that `extensions.yaml` declares is given by `extra`."
    return f"{_table(head, rows)}\n\n{more}" if attributes else f"None. {more}"


def _holds(element: type[Element], attribute: Attribute) -> str:
    narrower = "".join(
        f" ({dialect}: {item.kind.says})"
        for dialect in attribute.spelling
        if element in WRITING[dialect]
        for item in [WRITING[dialect][element].items[attribute.name]]
        if item.narrower
    )
    place = {"never": "", "read": "; text is read too"}.get(attribute.text, "; written as text")
    return f"{attribute.kind.name}: {attribute.kind.says}{narrower}{place}"


def _nesting(element: type[Element]) -> str:
    row = element.row
    around = _codes(parent.__name__ for parent in ELEMENTS.values() if element in parent.row.inside)
    once = f" At most one of each: {_codes(e.__name__ for e in _sorted(row.once))}." if row.once else ""
    needs = f" At least one: {_codes(e.__name__ for e in _sorted(row.needs))}." if row.needs else ""
    inside = f"Inside: {_codes(e.__name__ for e in _sorted(row.inside))}." if row.inside else "Nothing stands inside."
    return f"{inside}{once}{needs}\n\n{f'Stands in: {around}.' if around else 'It is the root.'}"


def _examples(element: type[Element]) -> Iterator[str]:
    yield "## Example"
    for dialect in element.row.dialects:
        yield f"{dialect}:\n\n```xml\n{example(element, dialect)}\n```"
