"""The versions of a flow with who made each, from the stored versions and the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from callflows.journal.call_story import format_moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from callflows.journal.stored_rows import JournalRow


GO_LIVE_ACTION: Final = "go-live"
"""The action of the audit log for a draft that went live; ROLLBACK_ACTION is for an earlier version that did so again."""
ROLLBACK_ACTION: Final = "roll-back"
FLOW_CHANGE_ACTIONS: Final = (GO_LIVE_ACTION, ROLLBACK_ACTION)


def describe_flow_versions(
    versions: Sequence[JournalRow], changes: Iterable[JournalRow], live_version: str
) -> list[dict[str, Any]]:
    """Return the versions of a flow, newest first, each with ``who`` made it live last, when (``at``), by which ``action``.

    These are empty if the file was changed in the folder. A version was live until a change replaced it, or until it was
    seen last: servers look at times.
    """
    oldest_first = [*changes][::-1]
    changes_by_version = {change["after"]: change for change in oldest_first}
    replaced_at = {change["before"]: change["at"] for change in oldest_first}
    described = []
    for row in versions:
        change = changes_by_version.get(row["version"])
        described.append(
            {
                "version": row["version"],
                "file": row["file"] or "",
                "since": format_moment(row["since"]),
                "until": format_moment(max(row["until"], replaced_at.get(row["version"], row["until"]))),
                "is_live": row["version"] == live_version,
                "who": change["who"] if change is not None else "",
                "action": change["action"] if change is not None else "",
                "at": format_moment(change["at"]) if change is not None else "",
            }
        )
    return described
