"""Arbitrary verbs and documents, read off the table: a new element or attribute is tested without a word here."""

from __future__ import annotations

import functools
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st

from callflows.language import DTMF, Dial, Extensions, Gather, Play, Response
from callflows.language.dialects import ELEMENT_SPELLINGS
from callflows.language.verbs import ELEMENT_CLASSES, ELEMENT_SPECS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from callflows.language.element import Element
    from callflows.language.value_kinds import ValueKind
    from callflows.language.verb_table import Dialect

FEWER_EXAMPLES = settings(max_examples=max(3, settings().max_examples // 3))
"""For tests of each element alone: an element has few attributes, and each example is dear."""

XML_CHARACTERS = st.characters(
    exclude_categories=["Cs", "Cc"], include_characters="\t\n\r\x7f\x85\x9f", exclude_characters="\ufffe\uffff"
)
"""Every character that XML can hold."""

HOSTILE_TEXTS = (
    "Eve</Say><Dial><To>+882990000</To></Dial><Say>",
    "Eve</Meta></Say><Hangup/>",
    '"/><Hangup/><Say text="',
    "' onclick='",
    "]]>",
    "<![CDATA[",
    "<!-- -->",
    "<?php ?>",
    "<!DOCTYPE x>",
    "&lt;",
    "&#0;",
    "&x;",
    "a & b",
    "a\nb",
    "\n",
    "a\r\nb\rc",
    " \t ",
    "  a  ",
    "",
    "true",
    "null",
    "007",
    "\u202eevE",
    "\u200f\u2067",
    "\N{MAN}\N{ZERO WIDTH JOINER}\N{PERSONAL COMPUTER}",
    "\U0010ffff",
    "\u2028\x85\xa0",
    "{{ 7 * 7 }}",
    "x" * 10_000,
    "<" * 10_000,
)
"""What a caller might be called, to become something else."""

xml_texts = st.sampled_from(HOSTILE_TEXTS) | st.text(XML_CHARACTERS, max_size=20)
_whole_numbers = functools.partial(st.integers, max_value=10**10 - 1)

_VALUES_BY_KIND: dict[str, st.SearchStrategy[Any]] = {
    "text": xml_texts,
    "value": xml_texts | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    "boolean": st.booleans(),
    "integer": _whole_numbers(-(10**10) + 1),
    "count": _whole_numbers(1),
    "ms": _whole_numbers(0) | st.integers(0, 10**6).map(lambda ms: timedelta(milliseconds=ms)),
    "dB": st.integers(-(10**6) + 1, 0) | st.integers(0, 10**9 - 1).map(lambda thousandths: -thousandths / 1000),
}

_DECLARED_ATTRIBUTES: dict[str, tuple[str, st.SearchStrategy[Any]]] = {
    "callerId": ("text", xml_texts),
    "x-wait": ("ms", _whole_numbers(0) | st.sampled_from(["0", " 500\n"])),
    "x_on.off": ("boolean", st.booleans() | st.just("true ")),
    "ringtone": ("url", st.just("https://media.example.com/ring.mp3?a=1&b=2")),
}
SAMPLE_EXTENSIONS = Extensions.from_declarations(
    {name: {key: kind for key, (kind, _) in _DECLARED_ATTRIBUTES.items()} for name in ELEMENT_SPECS}
)
"""Four attributes beyond the documentation, on every element."""

_extra_attributes = st.just({}) | st.fixed_dictionaries(
    {}, optional={key: values for key, (_, values) in _DECLARED_ATTRIBUTES.items()}
)


def make_values(kind: ValueKind) -> st.SearchStrategy[Any]:
    """Whatever a builder may be given for an attribute of this kind."""
    if kind.name in _VALUES_BY_KIND:
        return _VALUES_BY_KIND[kind.name]
    return st.from_regex(kind.pattern or "", fullmatch=True, alphabet=XML_CHARACTERS)


def _make_attributes(cls: type[Element], dialect: Dialect) -> st.SearchStrategy[dict[str, Any]]:
    items = {name: make_values(item.kind) for name, item in ELEMENT_SPELLINGS[dialect][cls].attributes.items()}
    if cls is Play:
        either = [{name: items.pop(name)} for name in ("url", "record")]
        return st.one_of([st.fixed_dictionaries(one, optional=items) for one in either])
    required = {name: items.pop(name) for name in [*items] if cls.spec.attributes[name].is_required}
    return st.fixed_dictionaries(required, optional=items)


def _drop_excess_children(cls: type[Element], children: Iterable[Element]) -> list[Element]:
    """Without those that may stand once and stood already, and without second branches for the same keys."""
    kept_children: list[Element] = []
    for child in children:
        once = type(child) in cls.spec.at_most_once and any(type(other) is type(child) for other in kept_children)
        same = type(child) is DTMF and any(
            other.attributes.get("value") == child.attributes["value"] for other in kept_children
        )
        if not once and not same:
            kept_children.append(child)
    return kept_children


def _make_children(cls: type[Element], dialect: Dialect, depth: int) -> st.SearchStrategy[list[Element]]:
    inside = [
        child
        for child in ELEMENT_CLASSES.values()
        if child in cls.spec.allowed_children and child in ELEMENT_SPELLINGS[dialect]
    ]
    if dialect == "reference":
        inside = [child for child in inside if child not in cls.spec.leading_children]
    needed = st.tuples(*(make_elements(need, dialect, 0) for need in cls.spec.required_children))
    if not depth or not inside:
        return needed.map(list)
    some = st.lists(st.sampled_from(inside).flatmap(lambda child: make_elements(child, dialect, depth - 1)), max_size=4)
    return st.tuples(some, needed, some).map(lambda parts: _drop_excess_children(cls, [*parts[0], *parts[1], *parts[2]]))


def _build_element(
    cls: type[Element],
    attribute_values: dict[str, Any],
    children: list[Element],
    extra: dict[str, Any],
    *,
    positional: bool,
) -> Element:
    plain = cls.spec.positional_attribute
    content: list[Any] = [*children]
    if positional and plain is not None and isinstance(attribute_values.get(plain.name), str):
        attribute_values = dict(attribute_values)
        content.insert(0, attribute_values.pop(plain.name))
    return cls(*content, **attribute_values, **({"extra": extra} if extra else {}))  # type: ignore[call-arg]


@functools.cache
def make_elements(cls: type[Element], dialect: Dialect, depth: int = 2) -> st.SearchStrategy[Any]:
    """Every way to build an element that the dialect can say."""
    return st.builds(
        functools.partial(_build_element, cls),
        _make_attributes(cls, dialect),
        _make_children(cls, dialect, depth),
        _extra_attributes,
        positional=st.booleans(),
    )


def make_documents(dialect: Dialect) -> st.SearchStrategy[Response]:
    """Every document that the dialect can say."""
    return make_elements(Response, dialect, 3)


def wrap_in_document(element: Element) -> Response:
    """The smallest document in which an element stands."""
    if isinstance(element, Response):
        return element
    if type(element) in Response.spec.allowed_children:
        return Response(element)  # type: ignore[arg-type]
    parent = next(parent for parent in (Dial, Gather) if type(element) in parent.spec.allowed_children)
    return Response(parent(element))  # type: ignore[arg-type]
