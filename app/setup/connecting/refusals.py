"""Which errors of Opentact end a plan."""

from __future__ import annotations

from typing import Final

from app.errors import NotAuthenticated, NotEnoughBalance, TooManyRequests, Unavailable

ENDS: Final = (Unavailable, TooManyRequests, NotAuthenticated, NotEnoughBalance)
"""What would befall every other step too; where a step may be left out, any other refusal is only said."""
