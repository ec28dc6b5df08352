"""Base class of all elements: immutable, validated on construction, with a row in the language's table.

The row is derived from the class (see ``verbs``): the types of ``*content`` are the allowed children, the items of
``Attributes`` are the attributes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Required, Self, Union, get_args, get_origin, get_type_hints

from callflows.errors import VerbBuildError
from callflows.language.value_kinds import LOOSE_KIND
from callflows.language.verb_table import DIALECTS, AttributeSpec, Dialect, Evidence
from callflows.text import format_suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


MAX_ELEMENT_DEPTH: Final = 100
"""Maximum nesting of elements; a deeper document is refused (probably a flow that calls itself)."""
_set_field: Final = object.__setattr__
_EMPTY_MAPPING: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ElementSpec:
    """An element of the table. ``positional_attribute`` is the attribute given by a plain text."""

    name: str
    description: str
    source: str
    evidence: Evidence
    dialects: tuple[Dialect, ...]
    tag_variants: tuple[str, ...]
    attributes: Mapping[str, AttributeSpec]
    positional_attribute: AttributeSpec | None
    positional_name: str
    allowed_children: frozenset[type[Element]]
    at_most_once: frozenset[type[Element]]
    required_children: frozenset[type[Element]]
    limits_child_counts: bool
    """True if the number of children of some class must be checked."""
    leading_children: frozenset[type[Element]]
    """Children that are always placed first, in whatever order given."""
    required_attributes: tuple[str, ...]
    default_attributes: tuple[tuple[str, str], ...]
    """Attributes that are always written, with default values."""
    value_checks: Mapping[str, Callable[[object], object]]
    """By attribute, the check of a Python value."""
    check_whole: Callable[[Any], None] | None
    """Check of the whole element beyond the types of its parts. Raises VerbBuildError."""

    @property
    def allowed_children_text(self) -> str:
        """Names of the allowed children, for messages."""
        return ", ".join(sorted(cls.__name__ for cls in self.allowed_children)) or "nothing"


class Element:
    """An element of the language: immutable, validated on construction, equal by value, safe to share between requests."""

    only_dialect: ClassVar[Dialect | None] = None
    evidence: ClassVar[Evidence] = Evidence.DOCUMENTED
    tag_variants: ClassVar[tuple[str, ...]] = ()
    at_most_once: ClassVar[tuple[str, ...]] = ("Error",)
    required_children: ClassVar[tuple[str, ...]] = ()
    leading_children: ClassVar[tuple[str, ...]] = ()
    default_attributes: ClassVar[tuple[tuple[str, str], ...]] = ()
    check_whole: ClassVar[Callable[[Any], None] | None] = None
    spec: ClassVar[ElementSpec]

    attributes: Mapping[str, Any] = _EMPTY_MAPPING
    children: tuple[Element, ...] = ()
    extra: Mapping[str, str] = _EMPTY_MAPPING
    depth: int = 1
    """Levels of nested elements, including this element."""

    def _build(self, content: tuple[Any, ...], attribute_values: Any) -> None:  # noqa: ANN401 - a TypedDict per class
        """Validate and store the constructor's arguments."""
        row = self.spec
        take = row.value_checks
        extra = _check_extra(row, attribute_values.pop("extra")) if "extra" in attribute_values else _EMPTY_MAPPING
        name = row.positional_name
        try:
            if content and isinstance(content[0], str):
                if not name:
                    raise VerbBuildError(f"<{row.name}> takes no text, but {row.allowed_children_text}")
                if name in attribute_values:
                    raise VerbBuildError(f"<{row.name}> {name}: given twice, as text and as attribute")
                attributes = {name: take[name](content[0])}
                content = content[1:]
            else:
                attributes = {}
            if attribute_values:
                for name, value in attribute_values.items():
                    attributes[name] = take[name](value)
        except KeyError:
            raise VerbBuildError(describe_unknown_attribute(row, name)) from None
        except ValueError as error:
            raise VerbBuildError(str(error) if type(error) is VerbBuildError else f"<{row.name}> {name}: {error}") from None
        self._complete(content, attributes, extra)

    def _complete(
        self, children: tuple[Any, ...], attributes: dict[str, object], extra: Mapping[str, str] = _EMPTY_MAPPING
    ) -> None:
        """Validate the combination of checked attributes and children, and store both; the reader calls this too."""
        row = self.spec
        if children or row.required_children:
            _set_field(self, "depth", self._measure_depth(children))
            _set_field(self, "children", self._check_child_counts(children) if row.limits_child_counts else children)
        for name, value in row.default_attributes:
            attributes.setdefault(name, value)
        for name in row.required_attributes:
            if name not in attributes:
                raise VerbBuildError(f"<{row.name}> needs {name}")
        if attributes:
            _set_field(self, "attributes", MappingProxyType(attributes))
        if extra:
            _set_field(self, "extra", extra)
        if row.check_whole is not None:
            row.check_whole(self)

    def _measure_depth(self, children: tuple[Any, ...]) -> int:
        """Check that each child is allowed here; return the depth of this element."""
        row = self.spec
        inside = row.allowed_children
        deepest = 0
        for child in children:
            if type(child) not in inside:
                raise VerbBuildError(describe_misplaced_content(row, child))
            if child.depth > deepest:  # noqa: PLR1730 - max() takes three times as long
                deepest = child.depth
        if deepest >= MAX_ELEMENT_DEPTH:
            raise VerbBuildError(f"<{row.name}>: more than {MAX_ELEMENT_DEPTH} elements inside each other")
        return deepest + 1

    def _check_child_counts(self, children: tuple[Any, ...]) -> tuple[Element, ...]:
        """Check how often each class of children occurs; return the children in order, leading children first."""
        row = self.spec
        if len(children) == 1 and not row.required_children:
            return children
        kinds = [type(child) for child in children]
        for cls in row.at_most_once:
            if kinds.count(cls) > 1:
                raise VerbBuildError(f"<{row.name}> takes one <{cls.__name__}>, not {kinds.count(cls)}")
        for cls in row.required_children:
            if cls not in kinds:
                raise VerbBuildError(f"<{row.name}> needs at least one <{cls.__name__}>")
        return (
            tuple(sorted(children, key=lambda child: type(child) not in row.leading_children))
            if row.leading_children
            else children
        )

    @classmethod
    def from_checked_parts(
        cls, children: tuple[Any, ...], attributes: dict[str, object], extra: Mapping[str, str] = _EMPTY_MAPPING
    ) -> Self:
        """Create an element from individually checked parts (of a reader), and validate the combination."""
        element = cls.__new__(cls)
        element._complete(children, attributes, extra)  # noqa: SLF001 - same class
        return element

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"<{self.spec.name}> cannot change: build another")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"<{self.spec.name}> cannot change: build another")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.attributes == other.attributes and self.children == other.children and self.extra == other.extra

    def __hash__(self) -> int:
        return hash((type(self), frozenset(self.attributes.items()), self.children, frozenset(self.extra.items())))

    def __repr__(self) -> str:
        named = dict(self.attributes)
        plain = self.spec.positional_attribute
        parts = [repr(named.pop(plain.name))] if plain is not None and plain.name in named else []
        parts += [repr(child) for child in self.children]
        parts += [f"{name}={value!r}" for name, value in named.items()]
        if self.extra:
            parts.append(f"extra={dict(self.extra)!r}")
        return f"{self.spec.name}({', '.join(parts)})"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).from_checked_parts, (self.children, dict(self.attributes), dict(self.extra))


def _check_extra(spec: ElementSpec, extra_values: object) -> Mapping[str, str]:
    """Check extension attributes; whether each is declared is checked when the document is written."""
    extra: dict[str, str] = {}
    if extra_values is None:
        return _EMPTY_MAPPING
    if not isinstance(extra_values, Mapping):
        raise VerbBuildError(f"<{spec.name}> extra: must be a mapping of names and values, not {extra_values!r:.60}")
    for name, value in extra_values.items():
        if not isinstance(name, str) or not is_xml_name(name):
            raise VerbBuildError(f"<{spec.name}> extra: {name!r} cannot be the name of an attribute")
        if name in spec.attributes:
            raise VerbBuildError(f"<{spec.name}> extra: {name} is an attribute of its own, give it by its name")
        try:
            extra[name] = str(LOOSE_KIND.check_value(value))
        except ValueError as error:
            raise VerbBuildError(f"<{spec.name}> {name}: {error}") from None
    return MappingProxyType(extra) if extra else _EMPTY_MAPPING


def is_xml_name(name: str) -> bool:
    """Return True if a name can be an attribute: letters, digits, ``_ . -``; no leading digit or ``xml``, no prefix."""
    if not name or name.lower().startswith("xml"):
        return False
    return name.isascii() and name.replace("-", "_").replace(".", "_").isidentifier() and name[0] not in "-."


def describe_unknown_attribute(spec: ElementSpec, name: str) -> str:
    """Return the message for an unknown attribute of an element."""
    known = [*spec.attributes]
    has = ", ".join(known) if known else "none"
    near = format_suggestion(name, known)
    return f"<{spec.name}> has no attribute {name} (it has {has}{'; ' + near if near else ''})"


def describe_misplaced_content(spec: ElementSpec, child: object) -> str:
    """Return the message for content not allowed in an element."""
    if isinstance(child, Element):
        return f"<{child.spec.name}> is not allowed in <{spec.name}>, which takes {spec.allowed_children_text}"
    if isinstance(child, str):
        return f"<{spec.name}>: its text stands once and first, not {child[:40]!r} later"
    also = "text and " if spec.positional_attribute else ""
    return f"<{spec.name}> takes {also}{spec.allowed_children_text}, not {child!r:.60}"


def walk_elements(element: Element, path_prefix: str = "") -> Iterator[tuple[str, Element]]:
    """Yield every descendant with its path, as in Opentact's events: ``Answer[0]``, ``Gather[2].DTMF[0].Dial[1]``."""
    for index, child in enumerate(element.children):
        path = f"{path_prefix}{child.spec.name}[{index}]"
        yield path, child
        yield from walk_elements(child, f"{path}.")


def _build_element_spec(cls: type[Element], namespace: dict[str, Any]) -> ElementSpec:
    """Derive a row from a class: allowed children from the constructor's content types, attributes from ``Attributes``."""
    attributes = {
        name: _build_attribute_spec(name, hint)
        for name, hint in get_type_hints(cls.__dict__["Attributes"], namespace, include_extras=True).items()
        if name != "extra"
    }
    tag = {"tag": attributes.pop("tag")} if "tag" in attributes else {}
    attributes |= tag
    content = get_type_hints(cls.__init__, namespace, {"Attributes": cls.__dict__["Attributes"]}).get("content", ())
    inside = [part for part in _list_union_members(content) if isinstance(part, type) and issubclass(part, Element)]
    plain = next((attribute for attribute in attributes.values() if attribute.is_positional), None)
    says, _, source = (cls.__doc__ or "").partition("\n\n")
    return ElementSpec(
        name=cls.__name__,
        description=says.strip(),
        source=" ".join(source.split()),
        evidence=cls.evidence,
        dialects=(cls.only_dialect,) if cls.only_dialect else DIALECTS,
        tag_variants=cls.tag_variants,
        attributes=MappingProxyType(attributes),
        positional_attribute=plain,
        positional_name=plain.name if plain else "",
        allowed_children=frozenset(inside),
        at_most_once=frozenset(part for part in inside if part.__name__ in cls.at_most_once),
        required_children=frozenset(part for part in inside if part.__name__ in cls.required_children),
        limits_child_counts=bool(cls.at_most_once or cls.required_children),
        leading_children=frozenset(part for part in inside if part.__name__ in cls.leading_children),
        required_attributes=tuple(attribute.name for attribute in attributes.values() if attribute.is_required),
        value_checks={attribute.name: attribute.kind.check_value for attribute in attributes.values()},
        default_attributes=cls.default_attributes,
        check_whole=cls.check_whole,
    )


def _list_union_members(hint: object) -> tuple[object, ...]:
    """Return the members of a union, or the type itself if not a union."""
    return get_args(hint) if get_origin(hint) is Union or type(hint).__name__ == "UnionType" else (hint,)


def _build_attribute_spec(name: str, hint: Any) -> AttributeSpec:  # noqa: ANN401 - a type hint
    required = get_origin(hint) is Required
    typed, kind, says = get_args(get_args(hint)[0] if required else hint)
    return says.make_spec(  # type: ignore[no-any-return]
        name, kind, typed, is_required=required or (says.is_positional and not says.is_optional)
    )


def build_element_table(classes: Mapping[str, type[Element]], namespace: dict[str, Any]) -> Mapping[str, ElementSpec]:
    """Set each class's row after all classes are defined; return the rows by name, in the table's order."""
    for cls in classes.values():
        cls.spec = _build_element_spec(cls, namespace)
    return MappingProxyType({name: cls.spec for name, cls in classes.items()})
