"""Every rule that ``callflows check`` knows, by its name: what it means and why it hurts, and how to mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.errors import suggestion
from app.flows.checks.rules.files import FILES
from app.flows.checks.rules.hours import HOURS
from app.flows.checks.rules.numbers import NUMBERS
from app.flows.checks.rules.texts import TEXTS
from app.flows.checks.rules.ways import WAYS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.flows.checks.rules.rule import Rule

RULES: Final[Mapping[str, Rule]] = dict(sorted({**FILES, **HOURS, **NUMBERS, **TEXTS, **WAYS}.items()))
"""In the order of their names."""


def explained(name: str) -> str:
    """The page of a rule. Raises LookupError, with what is probably meant."""
    rule = RULES.get(name)
    if rule is None:
        near = suggestion(name, [*RULES]) or "callflows check --explain all lists them"
        raise LookupError(f"there is no rule {name!r} ({near})")
    return f"{rule.means}\n{rule.mend}"
