"""A lease knows up to when what is done under it is done."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Double

revision = "0002"


down_revision = "0001"


def upgrade() -> None:
    """Add it."""
    op.add_column("leases", Column("mark", Double))
