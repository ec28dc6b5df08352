"""Texts that all servers share."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Text

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table("shared_texts", Column("name", Text, primary_key=True), Column("text", Text, nullable=False))
