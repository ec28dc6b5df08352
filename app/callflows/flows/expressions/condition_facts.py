"""Names and constants of a flow file, as the checks of its conditions need them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from callflows.flows.expressions.expression_scope import CALL_SCOPE, LIST_SCOPE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from callflows.flows.expressions.expression_scope import ExpressionScope


@dataclasses.dataclass(frozen=True, slots=True)
class ConditionFacts:
    """Names and constants of one flow file. Names are dotted, as ``variables.vips``."""

    scope: ExpressionScope = dataclasses.field(default_factory=lambda: CALL_SCOPE)
    number_names: frozenset[str] = frozenset()
    """Names of data that is surely a number, or missing."""
    doubtful_variables: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Texts that are true and probably meant to be false."""
    variables: Mapping[str, tuple[str | list[str], ...]] = dataclasses.field(default_factory=dict)
    """The values of each variable: one, or one for each number of the flow."""
    languages: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """The tag of each language of the flow by its name: ``{"en": "en-US"}``."""
    digit_counts: Mapping[str, tuple[int, int]] = dataclasses.field(default_factory=dict)
    """The least and the most digits of each value that only ``collect`` stores."""
    calling_code: str = ""
    """The country code of all the flow's numbers, as ``+1``; empty if they have several, or if it is unknown."""
    find_own_numbers: Callable[[], frozenset[str]] = frozenset
    """Returns every number that a call of the flow can have called; empty if that is unknown."""

    def has_section(self, name: str) -> bool:
        """Return True if a name is an object with fields here, as ``message`` is in the rules for messages."""
        return bool(self.scope.get(name))

    def is_text_variable(self, name: str) -> bool:
        """Return True if a name under ``variables`` is a text and no list."""
        variables = self.scope.get("variables") or {}
        return name in variables and variables[name] is not LIST_SCOPE
