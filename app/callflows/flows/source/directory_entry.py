"""The directory of a flow file: people by their extension."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, ClassVar, Final

import pydantic

from callflows.flows.source.shape_validation import UNREADABLE_TEXT, validate_shape
from callflows.flows.source.source_values import NonEmptyTextList  # noqa: TC001 - pydantic reads it

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

    from callflows.flows.source.positions import ProblemReport


EXTENSION_PATTERN: Final = re.compile("[0-9]{1,40}")
"""An extension is digits only: other keys never are part of a number."""


class DirectoryEntry(pydantic.BaseModel):
    """A person of the directory: whom to ring, and the name that callers hear."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    instead: ClassVar[Mapping[str, Any]] = {"to": UNREADABLE_TEXT}
    to: NonEmptyTextList = pydantic.Field(description="Whom to ring: numbers, SIP addresses.")
    name: str = pydantic.Field("", description="The name that callers hear; without a name the digits, one by one.")


def read_directory(entries: Mapping[str, Any], report: ProblemReport) -> dict[str, DirectoryEntry]:
    """Read the directory of a file. Entries that cannot be read are reported and left out."""
    directory = {}
    for extension, section in entries.items():
        path = ("directory", extension)
        if not EXTENSION_PATTERN.fullmatch(extension):
            message = f"directory: {extension!r} is no extension"
            report.error(
                path, "directory", message, "an extension is digits, as 401; the name stands in the entry", key=True
            )
            continue
        whole = section if isinstance(section, dict) else {"to": section}
        entry: DirectoryEntry | None = validate_shape(DirectoryEntry, whole, path, report)
        if entry is not None:
            directory[extension] = entry
    _check_beginnings(directory, report)
    return directory


def _check_beginnings(directory: Collection[str], report: ProblemReport) -> None:
    """Warn about an extension with which another begins."""
    # In this order, the extensions that begin with another stand directly after it.
    for short, long in itertools.pairwise(sorted(directory)):
        if long.startswith(short):
            message = f"directory: whoever enters {short} may have begun {long}, and is waited for"
            report.warning(("directory", short), "key-shadowed", message, "let no extension begin another", key=True)
