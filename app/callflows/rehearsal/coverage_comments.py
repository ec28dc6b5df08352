"""Reads coverage points from the comments of a document. Only documents rendered for rehearsals have such comments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from callflows.flows.coverage_points import (
    CONDITION_POINT,
    LAST_DIAL_POINT,
    NODE_ENTERED_POINT,
    CoveragePoint,
)
from callflows.flows.document_comments import BRANCH_END, walk_commented_elements
from callflows.language import DTMF, Call, Default, Dial, Error, Gather, Geo, Schedule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from callflows.language.element import Element


PathCoverage: TypeAlias = "Mapping[str, tuple[CoveragePoint, ...]]"
"""Coverage points by the path of the element that follows; points after the last child use the parent path and ``end``."""
BRANCH_ELEMENTS: Final = (DTMF, Default, Error)
"""Elements that are no commands: a Gather or a failed command runs their content."""


def read_coverage_comments(document: bytes) -> PathCoverage:
    """Return the coverage points of a readable document; an empty mapping if the document has no comments."""
    if b"<!--" not in document:
        return {}
    return {path: points for path, points in walk_commented_elements(document) if points}


def derive_branch_coverage(response: Element, node: str) -> PathCoverage:
    """Build coverage points for a document without comments, as a Python flow returns: one for each branch."""
    notes: dict[str, tuple[CoveragePoint, ...]] = {}
    _collect_branches(response.children, "", CoveragePoint(node, 0, 0, NODE_ENTERED_POINT), notes)
    return notes


def _collect_branches(
    children: Sequence[Element], parent_path: str, point: CoveragePoint, coverage: dict[str, tuple[CoveragePoint, ...]]
) -> None:
    for index, child in enumerate(children):
        path = f"{parent_path}{child.spec.name}[{index}]"
        if isinstance(child, Call | Geo | Schedule):
            coverage[path] = (*coverage.get(path, ()), point._replace(what=CONDITION_POINT).for_element(path))
        elif isinstance(child, Dial):
            coverage[path] = (*coverage.get(path, ()), point._replace(what=LAST_DIAL_POINT).for_element(path))
        elif isinstance(child, Gather):
            for number, branch in enumerate(child.children):
                if (what := _branch_trigger(branch)) is not None:
                    _add_at_branch_start(
                        branch,
                        f"{path}.{branch.spec.name}[{number}]",
                        point._replace(what=what).for_element(path),
                        coverage,
                    )
        _collect_branches(child.children, f"{path}.", point, coverage)


def _branch_trigger(branch: Element) -> str | None:
    """Return the input that selects a branch of a Gather; None for any other element."""
    if isinstance(branch, DTMF):
        return f"key {branch.attributes['value']}"
    return "no-match" if isinstance(branch, Default) else "no-input" if isinstance(branch, Error) else None


def _add_at_branch_start(
    branch: Element, path: str, point: CoveragePoint, coverage: dict[str, tuple[CoveragePoint, ...]]
) -> None:
    """Add a coverage point at the first command of a branch."""
    commands = ((index, child) for index, child in enumerate(branch.children) if not isinstance(child, BRANCH_ELEMENTS))
    begins = next((f"{path}.{child.spec.name}[{index}]" for index, child in commands), f"{path}.{BRANCH_END}")
    coverage[begins] = (*coverage.get(begins, ()), point)
