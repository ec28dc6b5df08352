"""Renames ``word`` to ``step_key`` in the stored decisions of turns."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    # a quote within a JSON text is escaped, so that no text of a caller looks like the key
    op.execute("""UPDATE turns SET trail = REPLACE(trail, '"word":', '"step_key":') WHERE trail LIKE '%"word":%'""")
