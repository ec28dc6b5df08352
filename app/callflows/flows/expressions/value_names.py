"""Names of the values that steps store, and of the sections that expressions use."""

from __future__ import annotations

import re
from typing import Annotated, Final

import pydantic

from callflows.flows.expressions.expression_functions import NAMED_SCOPE_ROOTS
from callflows.flows.expressions.expression_scope import CALL_SCOPE
from callflows.flows.source.source_values import schema_reference

VALUE_NAME_PATTERN: Final = re.compile("[A-Za-z][A-Za-z0-9_]{0,63}")
RESERVED_VALUE_NAMES: Final = frozenset(
    {*CALL_SCOPE, *NAMED_SCOPE_ROOTS, "true", "false", "none", "and", "or", "not", "in", "is", "if", "else"}
)
"""Names with a meaning of their own in flows."""


def check_value_name(value: object) -> str:
    """Return a valid name for a value. Raises ValueError otherwise."""
    if not isinstance(value, str) or not VALUE_NAME_PATTERN.fullmatch(value):
        raise ValueError(f"must be a name of letters, digits and _, not {value!r}")
    if value in RESERVED_VALUE_NAMES:
        raise ValueError(f"{value!r} is a name that flows have already")
    return value


ValueName = Annotated[str, pydantic.BeforeValidator(check_value_name), schema_reference("name")]
