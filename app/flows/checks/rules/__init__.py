"""Every rule that ``callflows check`` knows, by its name: what it means and why it hurts, and how to mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.errors import format_suggestion
from app.flows.checks.rules.files import FILE_RULES
from app.flows.checks.rules.hours import HOURS_RULES
from app.flows.checks.rules.numbers import NUMBER_RULES
from app.flows.checks.rules.texts import MESSAGE_AND_MISSED_CALL_RULES
from app.flows.checks.rules.ways import CALL_ROUTE_RULES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.flows.checks.rules.rule import CheckRule

CHECK_RULES: Final[Mapping[str, CheckRule]] = dict(
    sorted({**FILE_RULES, **HOURS_RULES, **NUMBER_RULES, **MESSAGE_AND_MISSED_CALL_RULES, **CALL_ROUTE_RULES}.items())
)
"""In the order of their names."""


def explain_rule(name: str) -> str:
    """The page of a rule. Raises LookupError, with what is probably meant."""
    rule = CHECK_RULES.get(name)
    if rule is None:
        near = format_suggestion(name, [*CHECK_RULES]) or "callflows check --explain all lists them"
        raise LookupError(f"there is no rule {name!r} ({near})")
    return f"{rule.means}\n{rule.fix}"
