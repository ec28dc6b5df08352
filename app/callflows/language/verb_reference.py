"""Reference generated from the table: an XML Schema, a page for each element, and an overview.

The schema accepts every document of ``to_xml``, and refuses every document refused by ``from_xml``, apart from
``XSD_LIMITATIONS``. The schema is stricter in spelling: it accepts the names of one dialect, and no variants.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final, NamedTuple, get_args

from lxml import etree

from callflows.errors import LanguageError
from callflows.language.dialects import (
    ELEMENT_SPELLINGS,
    GATHER_BRANCHES,
    NO_EXTENSIONS,
    SIP_TARGET_TAG,
    SWITCH_TAG,
    TAG_MEANINGS,
    ElementSpelling,
    Extensions,
)
from callflows.language.element import Element, ElementSpec
from callflows.language.value_kinds import NUMBER_KIND, SIP_KIND, ValueKind
from callflows.language.verb_examples import render_verb_example
from callflows.language.verb_table import DIALECTS, AttributeSpec, Dialect
from callflows.language.verbs import DTMF, ELEMENT_CLASSES, ELEMENT_SPECS, Command, Default, Gather, To
from callflows.language.xml_writer import escape_attribute, escape_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


XSD_LIMITATIONS: Final = (
    "Of the document: its type and entities, its size, how deep it is, and attributes of XML Schema's own (xsi:…).",
    "In Say and Play: text after an element. In Play also: the form of its URL, and that it has either a URL or record.",
    "In Meta: that it has its value, and once, as attribute or as text.",
)
"""Checks of ``from_xml`` that XML Schema 1.0 cannot express."""
ElementClasses = frozenset[type[Element]]
_XML_SCHEMA_NAMESPACE: Final = "http://www.w3.org/2001/XMLSchema"
_COMMAND_CLASSES: Final[ElementClasses] = frozenset(get_args(Command))
_ANY_NUMBER: Final = {"minOccurs": "0", "maxOccurs": "unbounded"}
_WORD_CHOICE_PATTERN: Final = re.compile(r"[\w-]+(\|[\w-]+)+")


def render_xsd(dialect: Dialect, extensions: Extensions = NO_EXTENSIONS) -> str:
    """Render the XML Schema 1.0 of a dialect, including the user's extension attributes. Raises LanguageError."""
    if dialect not in DIALECTS:
        raise LanguageError(f"there is no dialect {dialect!r}; there are {' and '.join(DIALECTS)}")
    schema = _SchemaRenderer(dialect, extensions)
    tree = etree.fromstring(f'<xs:schema xmlns:xs="{_XML_SCHEMA_NAMESPACE}">{"".join(schema.render_parts())}</xs:schema>')
    etree.indent(tree)
    return etree.tostring(tree, encoding="unicode") + "\n"


def _xs_element(tag: str, *content: str, **attributes: str) -> str:
    named = "".join(f' {name}="{escape_attribute(value)}"' for name, value in attributes.items())
    return f"<xs:{tag}{named}>{''.join(content)}</xs:{tag}>"


def _xs_annotation(text: str) -> str:
    return _xs_element("annotation", _xs_element("documentation", escape_text(text)))


def _simple_type_name(kind: ValueKind) -> str:
    return kind.name.replace(" ", "-") if kind.pattern is not None else "xs:string"


def _render_simple_type(kind: ValueKind) -> str:
    """Render a kind as a simple type; blanks around a value are accepted, as in the reader."""
    pattern, base = kind.pattern or "", "xs:token"
    if _WORD_CHOICE_PATTERN.fullmatch(pattern):
        facets = [_xs_element("enumeration", value=word) for word in pattern.split("|")]
    elif kind.accepts("A B"):  # xs:token would turn an inner tab into a blank
        facets, base = [_xs_element("pattern", value=rf"\s*({pattern})\s*")], "xs:string"
    else:
        facets = [_xs_element("pattern", value=pattern)]
    return _xs_element(
        "simpleType",
        _xs_annotation(kind.requirement),
        _xs_element("restriction", *facets, base=base),
        name=_simple_type_name(kind),
    )


def _find_element_tags(dialect: Dialect, element: type[Element]) -> dict[str, ValueKind | None]:
    """Return an element's tags, each with the kind of its text if only text is allowed; a classic target has two tags."""
    spelling = ELEMENT_SPELLINGS[dialect][element]
    if element is To and dialect == "classic":
        return {spelling.tag: NUMBER_KIND, SIP_TARGET_TAG: SIP_KIND}
    name = spelling.text_attribute or spelling.multiline_attribute
    return {spelling.tag: spelling.attributes[name].kind if name and not element.spec.allowed_children else None}


class _SchemaRenderer:
    """Renders the parts of a schema. A tag has the same type everywhere; only Response may be the root."""

    def __init__(self, dialect: Dialect, extensions: Extensions) -> None:
        self._dialect = dialect
        self._extensions = extensions
        self._spellings = ELEMENT_SPELLINGS[dialect]

    def render_parts(self) -> Iterator[str]:
        yield _xs_annotation(
            f"Opentact call control XML, {self._dialect} dialect. It cannot say:\n" + "\n".join(XSD_LIMITATIONS)
        )
        yield _xs_element("element", name="Response", type="Response")
        yield _xs_element("group", _xs_element("choice", *self._declare_elements(_COMMAND_CLASSES)), name="Command")
        for element in self._spellings:
            yield from self._render_types(element)
        kinds = {_simple_type_name(kind): kind for kind in self._list_kinds() if kind.pattern is not None}
        yield from (_render_simple_type(kinds[name]) for name in sorted(kinds))

    def _list_kinds(self) -> Iterator[ValueKind]:
        for element, spelling in self._spellings.items():
            yield from (item.kind for item in spelling.attributes.values())
            yield from (kind for kind in _find_element_tags(self._dialect, element).values() if kind)
            yield from self._extensions.kinds.get(element.spec.name, {}).values()

    def _declare_elements(self, classes: Iterable[type[Element]]) -> list[str]:
        """Declare the elements available in the dialect, in the table's order."""
        chosen = frozenset(classes)
        return [
            _xs_element("element", *self._declare_unique_keys(element), name=tag, type=tag)
            for element in self._spellings
            if element in chosen
            for tag in _find_element_tags(self._dialect, element)
        ]

    def _declare_unique_keys(self, element: type[Element]) -> list[str]:
        """Forbid two branches of a Gather for the same keys."""
        if element is not Gather:
            return []
        branch = self._spellings[DTMF]
        path = branch.tag if self._dialect == "reference" else f"{SWITCH_TAG}/{branch.tag}"
        field = _xs_element("field", xpath=f"@{branch.attributes['value'].name}")
        return [_xs_element("unique", _xs_element("selector", xpath=path), field, name="keys")]

    def _render_types(self, element: type[Element]) -> Iterator[str]:
        """Render a type for each tag of the element."""
        spelling, row = self._spellings[element], element.spec
        attributes = [*self._render_attributes(row, spelling)]
        for tag, kind in _find_element_tags(self._dialect, element).items():
            if kind:
                text = _xs_element("simpleContent", _xs_element("extension", *attributes, base=_simple_type_name(kind)))
                yield _xs_element("complexType", _xs_annotation(row.description), text, name=tag)
            else:
                mixed = {"mixed": "true"} if spelling.text_attribute else {}
                yield _xs_element(
                    "complexType",
                    _xs_annotation(row.description),
                    self._render_content(row),
                    *attributes,
                    name=tag,
                    **mixed,
                )

    def _render_attributes(self, spec: ElementSpec, spelling: ElementSpelling) -> Iterator[str]:
        for name, item in spelling.attributes.items():
            if name == spelling.text_attribute:
                continue
            attribute = spec.attributes[name]
            must = {"use": "required"} if attribute.is_required and name != spelling.multiline_attribute else {}
            yield _xs_element(
                "attribute", _xs_annotation(attribute.meaning), name=item.name, type=_simple_type_name(item.kind), **must
            )
        for name, kind in self._extensions.kinds.get(spec.name, {}).items():
            yield _xs_element("attribute", _xs_annotation("declared by you"), name=name, type=_simple_type_name(kind))

    def _render_content(self, spec: ElementSpec) -> str:
        rest = spec.allowed_children - spec.leading_children - spec.at_most_once
        if spec.name == Gather.__name__ and self._dialect == "classic":
            branches = _xs_element(
                "complexType", self._render_any_order(rest & GATHER_BRANCHES, spec.at_most_once, spec.required_children)
            )
            order = _xs_element("element", branches, name=SWITCH_TAG, minOccurs="0")
            return _xs_element("sequence", self._render_any_number(spec.leading_children), order)
        return self._render_any_order(rest, spec.at_most_once, spec.required_children)

    def _render_any_number(self, classes: ElementClasses) -> str:
        if classes >= _COMMAND_CLASSES:
            return _xs_element(
                "choice",
                _xs_element("group", ref="Command"),
                *self._declare_elements(classes - _COMMAND_CLASSES),
                **_ANY_NUMBER,
            )
        return _xs_element("choice", *elements, **_ANY_NUMBER) if (elements := self._declare_elements(classes)) else ""

    def _render_any_order(self, free: ElementClasses, single_use: ElementClasses, required_children: ElementClasses) -> str:
        """Render content in any order as a deterministic content model, without lookahead.

        After each single-use or required element, the model repeats for the remaining elements.
        """
        forks = [
            self._render_sequence(need, self._render_any_order(free, single_use, required_children - {need}))
            for need in _sort_by_table(required_children)
        ]
        forks += [
            self._render_sequence(single, self._render_any_order(free, single_use - {single}, required_children))
            for single in _sort_by_table(single_use)
        ]
        fork = _xs_element("choice", *forks, minOccurs="1" if required_children else "0") if forks else ""
        return _xs_element("sequence", self._render_any_number(free - required_children), fork)

    def _render_sequence(self, first: type[Element], remainder: str) -> str:
        return _xs_element("sequence", _xs_element("choice", *self._declare_elements([first])), remainder)


# Pages of the reference


class ElementSummary(NamedTuple):
    """A line of the overview."""

    name: str
    dialects: tuple[str, ...]
    evidence: str
    says: str


def summarize_elements() -> list[ElementSummary]:
    return [
        ElementSummary(row.name, row.dialects, row.evidence.value, row.description.partition(". ")[0].rstrip(".") + ".")
        for row in ELEMENT_SPECS.values()
    ]


def render_verb_page(name: str) -> str:
    """Render the Markdown page of an element. Raises LanguageError for an unknown name."""
    element = _find_element(name)
    row = element.spec
    says, source = row.description.replace("``", "`"), row.source.replace("``", "`")
    parts = [f"# {row.name}", says, f"Source: {source}", f"Evidence: {row.evidence.value}.", _render_dialects(element)]
    parts += [
        "## Attributes",
        _render_attribute_table(element),
        "## Nesting",
        _describe_nesting(element),
        *_render_examples(element),
    ]
    return "\n\n".join(parts) + "\n"


def is_verb_name(name: str) -> bool:
    """Return True if ``render_verb_page`` knows the name."""
    try:
        _find_element(name)
    except LanguageError:
        return False
    return True


def _find_element(name: str) -> type[Element]:
    names = {tag: reading.element_class.__name__ for tag, reading in TAG_MEANINGS.items()} | {SWITCH_TAG: Gather.__name__}
    known = {tag.lower(): element for tag, element in names.items()}
    folded = re.sub(r"[\s<>/_-]", "", name).lower()
    if folded in known:
        return ELEMENT_CLASSES[known[folded]]
    near = get_close_matches(folded, known, n=1)
    fix = f"did you mean {known[near[0]]}?" if near else f"there are {', '.join(ELEMENT_SPECS)}"
    raise LanguageError(f"there is no element {name!r}; {fix}")


def _sort_by_table(classes: Iterable[type[Element]]) -> list[type[Element]]:
    chosen = frozenset(classes)
    return [element for element in ELEMENT_CLASSES.values() if element in chosen]


def _render_table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *(tuple(cell.replace("|", "\\|") or "-" for cell in row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _format_codes(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _format_element_tags(element: type[Element], dialect: Dialect) -> str:
    if element not in ELEMENT_SPELLINGS[dialect]:
        return "not in it"
    tags = _format_codes(f"<{tag}>" for tag in _find_element_tags(dialect, element))
    return f"{tags} in `<{SWITCH_TAG}>`" if dialect == "classic" and element in (DTMF, Default) else tags


def _render_dialects(element: type[Element]) -> str:
    table = _render_table(DIALECTS, [tuple(_format_element_tags(element, dialect) for dialect in DIALECTS)])
    also = _format_codes(f"<{tag}>" for tag in element.spec.tag_variants)
    return f"{table}\n\nAlso read: {also}." if also else table


def _render_attribute_table(element: type[Element]) -> str:
    head = ("attribute", "meaning", "must be", "default", "required", "dialects", "classic name", "also read", "evidence")
    attributes = element.spec.attributes.values()
    rows = (
        (
            f"`{a.name}`",
            a.meaning,
            _describe_value(element, a),
            a.default,
            "yes" if a.is_required else "no",
            ", ".join(d for d in a.spellings if d in element.spec.dialects),
            _format_codes([a.spellings["classic"]] if a.spellings.get("classic", a.name) != a.name else []),
            _format_codes(a.spelling_variants),
            a.evidence.value,
        )
        for a in attributes
    )
    more = "An attribute that `extensions.yaml` declares is given by `extra`."
    return f"{_render_table(head, rows)}\n\n{more}" if attributes else f"None. {more}"


def _describe_value(element: type[Element], attribute: AttributeSpec) -> str:
    narrower = "".join(
        f" ({dialect}: {item.kind.requirement})"
        for dialect in attribute.spellings
        if element in ELEMENT_SPELLINGS[dialect]
        for item in [ELEMENT_SPELLINGS[dialect][element].attributes[attribute.name]]
        if item.is_narrower
    )
    place = {"never": "", "read": "; text is read too"}.get(attribute.text_role, "; written as text")
    return f"{attribute.kind.name}: {attribute.kind.requirement}{narrower}{place}"


def _describe_nesting(element: type[Element]) -> str:
    row = element.spec
    around = _format_codes(
        parent.__name__ for parent in ELEMENT_CLASSES.values() if element in parent.spec.allowed_children
    )
    once = (
        f" At most one of each: {_format_codes(e.__name__ for e in _sort_by_table(row.at_most_once))}."
        if row.at_most_once
        else ""
    )
    needs = (
        f" At least one: {_format_codes(e.__name__ for e in _sort_by_table(row.required_children))}."
        if row.required_children
        else ""
    )
    inside = (
        f"Inside: {_format_codes(e.__name__ for e in _sort_by_table(row.allowed_children))}."
        if row.allowed_children
        else "Nothing stands inside."
    )
    return f"{inside}{once}{needs}\n\n{f'Stands in: {around}.' if around else 'It is the root.'}"


def _render_examples(element: type[Element]) -> Iterator[str]:
    yield "## Example"
    for dialect in element.spec.dialects:
        yield f"{dialect}:\n\n```xml\n{render_verb_example(element, dialect)}\n```"
