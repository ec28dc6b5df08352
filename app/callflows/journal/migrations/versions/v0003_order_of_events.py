"""Adds ``arrived`` to events: the order of events that Opentact reported with the same moment."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Double

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("events", Column("arrived", Double))
