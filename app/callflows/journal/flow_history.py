"""The versions of a flow with who made each, from the stored versions and the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from callflows.journal.call_story import format_moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from callflows.journal.stored_rows import JournalRow


GO_LIVE_ACTION: Final = "go-live"
"""The action of the audit log for a draft that went live; ROLLBACK_ACTION is for an earlier version that did so again."""
ROLLBACK_ACTION: Final = "roll-back"
FLOW_CHANGE_ACTIONS: Final = (GO_LIVE_ACTION, ROLLBACK_ACTION)


class VersionName(NamedTuple):
    """The name of a version for people: when it went live first (``at``), and by whom; empty if by the folder."""

    at: str
    who: str


def name_version(version: JournalRow, changes: Iterable[JournalRow]) -> VersionName:
    """Name a version of a flow. ``changes`` are those of the flow, the newest first."""
    first = [change for change in changes if change["after"] == version["version"]][-1:]
    # A server sees a version at work a moment after the change that made it live.
    return VersionName(format_moment(first[0]["at"] if first else version["since"]) or "", first[0]["who"] if first else "")


def find_live_since(versions: Iterable[JournalRow], changes: Iterable[JournalRow], live_version: str) -> VersionName | None:
    """Return since when the live version of a flow is live, and by whom; None if it is not stored yet.

    Versions and changes are those of the flow, the newest first.
    """
    last = next((change for change in changes if change["after"] == live_version), None)
    stored = next((version for version in versions if version["version"] == live_version), None)
    if last is not None:
        return VersionName(format_moment(last["at"]) or "", last["who"])
    return VersionName(format_moment(stored["since"]) or "", "") if stored is not None else None


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
