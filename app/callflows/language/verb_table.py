"""Data types of the language's table: elements, attributes, evidence and allowed nesting."""

from __future__ import annotations

import dataclasses
import enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callflows.language.value_kinds import ValueKind


Dialect = Literal["reference", "classic"]
DIALECTS: Final[tuple[Dialect, ...]] = ("reference", "classic")


class Evidence(enum.StrEnum):
    """The reliability of what is known about an element or attribute."""

    DOCUMENTED = "documented"
    """Described on a page of the reference."""
    OBSERVED = "observed"
    """Only seen in an example, an event or a customer's program."""
    NAMED = "named"
    """Only the name is known."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AttributeSpec:
    """An attribute of an element.

    ``spellings`` has the attribute's name in each dialect that has the attribute; ``spelling_variants`` are further names,
    accepted when reading. ``text_role`` says whether the value is the element's text: ``never``, ``read`` (text is also
    accepted), ``written`` (written as text, the attribute is also accepted) or ``only``. ``is_positional``: a plain text
    passed to the constructor is this attribute.
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
    """Properties of an attribute in the table, apart from name and kind.

    A positional attribute is required unless ``is_optional``; a keyword-only attribute is required if its type is
    ``Required``.
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
