"""Which errors of Opentact end a plan."""

from __future__ import annotations

from typing import Final

from app.errors import OpentactAuthenticationError, OpentactBalanceError, OpentactRateLimitError, OpentactUnavailableError

PLAN_ENDING_ERRORS: Final = (
    OpentactUnavailableError,
    OpentactRateLimitError,
    OpentactAuthenticationError,
    OpentactBalanceError,
)
"""What would befall every other step too; where a step may be left out, any other refusal is only said."""
