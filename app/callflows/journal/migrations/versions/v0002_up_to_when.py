"""Adds ``mark`` to leases: the work under a lease is complete up to this moment."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Double

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("leases", Column("mark", Double))
