"""What happened: calls, turns, decisions, events, messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.journal.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.calls import Turn
    from app.settings import Settings

__all__ = ["Journal", "create_journal"]


def create_journal(settings: Settings, describe_decisions: Callable[[Turn], list[dict[str, Any]]]) -> Journal:
    """That of an installation; ``told`` puts the trail of a turn into words. Raises SettingsError."""
    from app.journal.spool import Spool  # noqa: PLC0415 - heavy, and most commands do without
    from app.journal.sql import SqlStore  # noqa: PLC0415 - as above

    return Journal(SqlStore(settings.journal_url), Spool(settings.data), describe_decisions, settings.retention_days)
