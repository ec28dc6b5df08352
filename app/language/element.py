"""What every element does: it is checked when it is built, never changes, and knows its row of the table.

The row is read off the class (see ``verbs``): the types of ``*content`` are what may stand inside, the
items of ``Attributes`` are what it carries.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Required, Self, Union, get_args, get_origin, get_type_hints

from app.errors import BuildError, suggestion
from app.language.rows import DIALECTS, Attribute, Dialect, Evidence, Row
from app.language.values import LOOSE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_DEPTH: Final = 100
"""Elements inside elements; beyond it a document is refused (a flow that calls itself?)."""


_set: Final = object.__setattr__
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Element:
    """An element of the language: immutable, checked when built, equal by value, safe to share between requests."""

    only: ClassVar[Dialect | None] = None
    evidence: ClassVar[Evidence] = Evidence.DOCUMENTED
    also: ClassVar[tuple[str, ...]] = ()
    once: ClassVar[tuple[str, ...]] = ("Error",)
    needs: ClassVar[tuple[str, ...]] = ()
    first: ClassVar[tuple[str, ...]] = ()
    always: ClassVar[tuple[tuple[str, str], ...]] = ()
    whole: ClassVar[Callable[[Any], None] | None] = None
    row: ClassVar[Row]

    attributes: Mapping[str, Any] = _NOTHING
    children: tuple[Element, ...] = ()
    extra: Mapping[str, str] = _NOTHING
    depth: int = 1
    """Elements inside each other, this one counted."""

    def _build(self, content: tuple[Any, ...], given: Any) -> None:  # noqa: ANN401 - each class has its own TypedDict
        """Check what a caller of the constructor gave, and keep it."""
        row = self.row
        take = row.take
        extra = _extra(row, given.pop("extra")) if "extra" in given else _NOTHING
        name = row.plain_name
        try:
            if content and isinstance(content[0], str):
                if not name:
                    raise BuildError(f"<{row.name}> takes no text, but {row.takes}")
                if name in given:
                    raise BuildError(f"<{row.name}> {name}: given twice, as text and as attribute")
                attributes = {name: take[name](content[0])}
                content = content[1:]
            else:
                attributes = {}
            if given:
                for name, value in given.items():
                    attributes[name] = take[name](value)
        except KeyError:
            raise BuildError(unknown_attribute(row, name)) from None
        except ValueError as error:
            raise BuildError(str(error) if type(error) is BuildError else f"<{row.name}> {name}: {error}") from None
        self._settle(content, attributes, extra)

    def _settle(
        self, children: tuple[Any, ...], attributes: dict[str, object], extra: Mapping[str, str] = _NOTHING
    ) -> None:
        """Keep checked attributes and children, if they fit together; the builder and the reader both end here."""
        row = self.row
        if children or row.needs:
            _set(self, "depth", self._depth(children))
            _set(self, "children", self._counted(children) if row.counted else children)
        for name, value in row.always:
            attributes.setdefault(name, value)
        for name in row.required:
            if name not in attributes:
                raise BuildError(f"<{row.name}> needs {name}")
        if attributes:
            _set(self, "attributes", MappingProxyType(attributes))
        if extra:
            _set(self, "extra", extra)
        if row.whole is not None:
            row.whole(self)

    def _depth(self, children: tuple[Any, ...]) -> int:
        """The depth that children give, each of which may stand here."""
        row = self.row
        inside = row.inside
        deepest = 0
        for child in children:
            if type(child) not in inside:
                raise BuildError(misplaced(row, child))
            if child.depth > deepest:  # noqa: PLR1730 - max() takes three times as long
                deepest = child.depth
        if deepest >= MAX_DEPTH:
            raise BuildError(f"<{row.name}>: more than {MAX_DEPTH} elements inside each other")
        return deepest + 1

    def _counted(self, children: tuple[Any, ...]) -> tuple[Element, ...]:
        """The children, as many of each as may be, with those first that stand first."""
        row = self.row
        if len(children) == 1 and not row.needs:
            return children
        kinds = [type(child) for child in children]
        for cls in row.once:
            if kinds.count(cls) > 1:
                raise BuildError(f"<{row.name}> takes one <{cls.__name__}>, not {kinds.count(cls)}")
        for cls in row.needs:
            if cls not in kinds:
                raise BuildError(f"<{row.name}> needs at least one <{cls.__name__}>")
        return tuple(sorted(children, key=lambda child: type(child) not in row.first)) if row.first else children

    @classmethod
    def of(cls, children: tuple[Any, ...], attributes: dict[str, object], extra: Mapping[str, str] = _NOTHING) -> Self:
        """An element of parts that were checked one by one already (by a reader), checked as a whole."""
        made = cls.__new__(cls)
        made._settle(children, attributes, extra)  # noqa: SLF001 - its own
        return made

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"<{self.row.name}> cannot change: build another")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"<{self.row.name}> cannot change: build another")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.attributes == other.attributes and self.children == other.children and self.extra == other.extra

    def __hash__(self) -> int:
        return hash((type(self), frozenset(self.attributes.items()), self.children, frozenset(self.extra.items())))

    def __repr__(self) -> str:
        named = dict(self.attributes)
        plain = self.row.plain
        parts = [repr(named.pop(plain.name))] if plain is not None and plain.name in named else []
        parts += [repr(child) for child in self.children]
        parts += [f"{name}={value!r}" for name, value in named.items()]
        if self.extra:
            parts.append(f"extra={dict(self.extra)!r}")
        return f"{self.row.name}({', '.join(parts)})"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).of, (self.children, dict(self.attributes), dict(self.extra))


def _extra(row: Row, given: object) -> Mapping[str, str]:
    """Attributes that the user's extensions declare; whether they do is asked when the document is written."""
    extra: dict[str, str] = {}
    if given is None:
        return _NOTHING
    if not isinstance(given, Mapping):
        raise BuildError(f"<{row.name}> extra: must be a mapping of names and values, not {given!r:.60}")
    for name, value in given.items():
        if not isinstance(name, str) or not is_xml_name(name):
            raise BuildError(f"<{row.name}> extra: {name!r} cannot be the name of an attribute")
        if name in row.attributes:
            raise BuildError(f"<{row.name}> extra: {name} is an attribute of its own, give it by its name")
        try:
            extra[name] = str(LOOSE.take(value))
        except ValueError as error:
            raise BuildError(f"<{row.name}> {name}: {error}") from None
    return MappingProxyType(extra) if extra else _NOTHING


def is_xml_name(name: str) -> bool:
    """Whether a name can be an attribute's: letters, digits, ``_ . -``, no digit and no ``xml`` first, no prefix."""
    if not name or name.lower().startswith("xml"):
        return False
    return name.isascii() and name.replace("-", "_").replace(".", "_").isidentifier() and name[0] not in "-."


def unknown_attribute(row: Row, name: str) -> str:
    """The message for an attribute that the element does not have."""
    known = [*row.attributes]
    has = ", ".join(known) if known else "none"
    near = suggestion(name, known)
    return f"<{row.name}> has no attribute {name} (it has {has}{'; ' + near if near else ''})"


def misplaced(row: Row, child: object) -> str:
    """The message for content that may not stand in the element."""
    if isinstance(child, Element):
        return f"<{child.row.name}> is not allowed in <{row.name}>, which takes {row.takes}"
    if isinstance(child, str):
        return f"<{row.name}>: its text stands once and first, not {child[:40]!r} later"
    also = "text and " if row.plain else ""
    return f"<{row.name}> takes {also}{row.takes}, not {child!r:.60}"


def paths(element: Element, start: str = "") -> Iterator[tuple[str, Element]]:
    """Every element inside, with its place as events name it: ``Answer[0]``, ``Gather[2].DTMF[0].Dial[1]``."""
    for index, child in enumerate(element.children):
        path = f"{start}{child.row.name}[{index}]"
        yield path, child
        yield from paths(child, f"{path}.")


def _row(cls: type[Element], names: dict[str, Any]) -> Row:
    """Read a class: its constructor's content types are the nesting, its Attributes the items."""
    attributes = {
        name: _attribute(name, hint)
        for name, hint in get_type_hints(cls.__dict__["Attributes"], names, include_extras=True).items()
        if name != "extra"
    }
    tag = {"tag": attributes.pop("tag")} if "tag" in attributes else {}
    attributes |= tag
    content = get_type_hints(cls.__init__, names, {"Attributes": cls.__dict__["Attributes"]}).get("content", ())
    inside = [part for part in _parts(content) if isinstance(part, type) and issubclass(part, Element)]
    plain = next((attribute for attribute in attributes.values() if attribute.plain), None)
    says, _, source = (cls.__doc__ or "").partition("\n\n")
    return Row(
        name=cls.__name__,
        says=says.strip(),
        source=" ".join(source.split()),
        evidence=cls.evidence,
        dialects=(cls.only,) if cls.only else DIALECTS,
        also=cls.also,
        attributes=MappingProxyType(attributes),
        plain=plain,
        plain_name=plain.name if plain else "",
        inside=frozenset(inside),
        once=frozenset(part for part in inside if part.__name__ in cls.once),
        needs=frozenset(part for part in inside if part.__name__ in cls.needs),
        counted=bool(cls.once or cls.needs),
        first=frozenset(part for part in inside if part.__name__ in cls.first),
        required=tuple(attribute.name for attribute in attributes.values() if attribute.required),
        take={attribute.name: attribute.kind.take for attribute in attributes.values()},
        always=cls.always,
        whole=cls.whole,
    )


def _parts(hint: object) -> tuple[object, ...]:
    """The members of a union, flat; of anything else, itself."""
    return get_args(hint) if get_origin(hint) is Union or type(hint).__name__ == "UnionType" else (hint,)


def _attribute(name: str, hint: Any) -> Attribute:  # noqa: ANN401 - a type as typing gives it
    required = get_origin(hint) is Required
    typed, kind, says = get_args(get_args(hint)[0] if required else hint)
    return says.attribute(name, kind, typed, required=required or (says.plain and not says.optional))  # type: ignore[no-any-return]


def read_table(classes: Mapping[str, type[Element]], names: dict[str, Any]) -> Mapping[str, Row]:
    """Give each class its row, once all are defined; rows by name, in the table's order."""
    for cls in classes.values():
        cls.row = _row(cls, names)
    return MappingProxyType({name: cls.row for name, cls in classes.items()})
