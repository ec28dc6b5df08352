"""What a row of the language's table says: an element, its attributes, how sure each is, and what may stand inside."""

from __future__ import annotations

import dataclasses
import enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.language.element import Element
    from app.language.values import Kind

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
class Attribute:
    """A row's item. ``spelling`` has one name a dialect, for those that have it; ``also`` are names that are read.

    ``text`` says whether the value stands as the element's text: ``never``, ``read`` (also understood there),
    ``written`` (there; the attribute is also understood) or ``only``. ``plain``: what a plain text given to the builder is.
    """

    name: str
    kind: Kind
    type: object
    evidence: Evidence
    means: str
    default: str
    required: bool
    spelling: Mapping[Dialect, str]
    also: tuple[str, ...]
    text: Literal["never", "read", "written", "only"]
    plain: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Says:
    """What the table says of an attribute beside its name and kind.

    ``plain`` is for the one that a plain text may give: required unless ``optional``, as are those that only a keyword
    gives and whose type says ``Required``.
    """

    evidence: Evidence
    means: str
    default: str = ""
    plain: bool = False
    optional: bool = False
    only: Dialect | None = None
    classic: str = ""
    also: tuple[str, ...] = ()
    text: Literal["never", "read", "written", "only"] = "never"

    def attribute(self, name: str, kind: Kind, typed: object, *, required: bool) -> Attribute:
        """The item of that name."""
        spelled: dict[Dialect, str] = {"reference": name, "classic": self.classic or name}
        return Attribute(
            name=name,
            kind=kind,
            type=typed,
            evidence=self.evidence,
            means=self.means,
            default=self.default,
            required=required,
            spelling=MappingProxyType({d: s for d, s in spelled.items() if self.only in (None, d)}),
            also=self.also,
            text=self.text,
            plain=self.plain,
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An element, as the table says it. ``plain`` is the attribute that a plain text means."""

    name: str
    says: str
    source: str
    evidence: Evidence
    dialects: tuple[Dialect, ...]
    also: tuple[str, ...]
    attributes: Mapping[str, Attribute]
    plain: Attribute | None
    plain_name: str
    inside: frozenset[type[Element]]
    once: frozenset[type[Element]]
    needs: frozenset[type[Element]]
    counted: bool
    """Whether how many of what stand inside is to be looked at."""
    first: frozenset[type[Element]]
    """What stands before the rest, in whatever order it is given."""
    required: tuple[str, ...]
    always: tuple[tuple[str, str], ...]
    """Attributes that are written whether they are given or not, with what they are then."""
    take: Mapping[str, Callable[[object], object]]
    """By attribute: the check of a Python value."""
    whole: Callable[[Any], None] | None
    """Refuses, with a BuildError, what the types of the parts cannot say."""

    @property
    def takes(self) -> str:
        """The names of what may stand inside, for messages."""
        return ", ".join(sorted(cls.__name__ for cls in self.inside)) or "nothing"
