"""The column with the fields of a request has the name that the code and the API have for them."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.alter_column("turns", "told", new_column_name="request_fields")
