"""What a row of the language's table says: an element, its attributes, how sure each is, and what may stand inside."""

from __future__ import annotations

import dataclasses
import enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from callflows.language.element import Element
    from callflows.language.value_kinds import ValueKind


Dialect = Literal["reference", "classic"]


DIALECTS: Final[tuple[Dialect, ...]] = ("reference", "classic")


class Evidence(enum.StrEnum):
    """How sure an element or attribute is."""

    DOCUMENTED = "documented"
    """A page of the reference says it."""
    OBSERVED = "observed"
    """Only seen in an example, an event or a customer's program."""
    NAMED = "named"
    """Only the name is known."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AttributeSpec:
    """A row's item. ``spelling`` has one name a dialect, for those that have it; ``also`` are names that are read.

    ``text`` says whether the value stands as the element's text: ``never``, ``read`` (also understood there),
    ``written`` (there; the attribute is also understood) or ``only``. ``plain``: what a plain text given to the builder is.
    """

    name: str
    kind: ValueKind
    type: object
    evidence: Evidence
    meaning: str
    default: str
    is_required: bool
    spellings: Mapping[Dialect, str]
    spelling_variants: tuple[str, ...]
    text_role: Literal["never", "read", "written", "only"]
    is_positional: bool


@dataclasses.dataclass(frozen=True, slots=True)
class AttributeDeclaration:
    """What the table says of an attribute beside its name and kind.

    ``plain`` is for the one that a plain text may give: required unless ``optional``, as are those that only a keyword
    gives and whose type says ``Required``.
    """

    evidence: Evidence
    meaning: str
    default: str = ""
    is_positional: bool = False
    is_optional: bool = False
    only_dialect: Dialect | None = None
    classic_name: str = ""
    spelling_variants: tuple[str, ...] = ()
    text_role: Literal["never", "read", "written", "only"] = "never"

    def make_spec(self, name: str, kind: ValueKind, value_type: object, *, is_required: bool) -> AttributeSpec:
        """The item of that name."""
        spelled: dict[Dialect, str] = {"reference": name, "classic": self.classic_name or name}
        return AttributeSpec(
            name=name,
            kind=kind,
            type=value_type,
            evidence=self.evidence,
            meaning=self.meaning,
            default=self.default,
            is_required=is_required,
            spellings=MappingProxyType({d: s for d, s in spelled.items() if self.only_dialect in (None, d)}),
            spelling_variants=self.spelling_variants,
            text_role=self.text_role,
            is_positional=self.is_positional,
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ElementSpec:
    """An element, as the table says it. ``plain`` is the attribute that a plain text means."""

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
    """Whether how many of what stand inside is to be looked at."""
    leading_children: frozenset[type[Element]]
    """What stands before the rest, in whatever order it is given."""
    required_attributes: tuple[str, ...]
    default_attributes: tuple[tuple[str, str], ...]
    """Attributes that are written whether they are given or not, with what they are then."""
    value_checks: Mapping[str, Callable[[object], object]]
    """By attribute: the check of a Python value."""
    check_whole: Callable[[Any], None] | None
    """Refuses, with a BuildError, what the types of the parts cannot say."""

    @property
    def allowed_children_text(self) -> str:
        """The names of what may stand inside, for messages."""
        return ", ".join(sorted(cls.__name__ for cls in self.allowed_children)) or "nothing"
