"""Adds ``campaigns``, their numbers, and the calls that somebody answered."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Double, Integer, Text

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "campaigns",
        Column("name", Text, primary_key=True),
        Column("flow", Text, nullable=False),
        Column("at", Double, nullable=False),
        Column("by", Text, nullable=False),
        Column("payload", Text, nullable=False),
    )
    op.create_table(
        "campaign_numbers",
        Column("campaign", Text, primary_key=True),
        Column("position", Integer, primary_key=True),
        Column("number", Text, nullable=False),
        Column("payload", Text, nullable=False),
        Column("state", Text, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("at", Double),
        Column("next", Double, nullable=False),
        Column("batch", Text),
        Column("reason", Text, nullable=False),
    )
    op.create_index("campaign_numbers_state", "campaign_numbers", ["campaign", "state"])
    op.create_table("campaign_calls", Column("key", Text, primary_key=True), Column("call", Text))
    op.create_index("campaign_calls_call", "campaign_calls", ["call"])
