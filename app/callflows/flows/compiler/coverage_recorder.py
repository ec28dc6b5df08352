"""Makes the comments and marks of a flow's documents, and records its coverage points for rehearsals."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from callflows.flows.compiler.fragments import PlaceMark
from callflows.flows.coverage_points import CoveragePoint
from callflows.flows.entry_points import find_root_node

if TYPE_CHECKING:
    from callflows.flows.source.positions import ProblemReport, SourcePath


class CoverageRecorder:
    """Coverage points of one flow. Documents for live calls contain no coverage comments."""

    def __init__(self, report: ProblemReport, *, enabled: bool) -> None:
        self._report = report
        self._enabled = enabled
        self._points: dict[CoveragePoint, None] = {}
        self._marks: dict[tuple[str, str, SourcePath, bool], PlaceMark] = {}
        self.decision_points: dict[tuple[str, int, str, object], CoveragePoint] = {}
        """Points outside the nodes, by node, step index, step key and outcome in the trail."""

    @property
    def coverage_points(self) -> tuple[CoveragePoint, ...]:
        return tuple(self._points)

    def make_comment(self, node: str, _step_index: int, label: str, path: SourcePath, key: bool) -> str:  # noqa: FBT001 - a CommentMaker
        """Return a coverage comment for a document; an empty text if coverage is off."""
        if not self._enabled:
            return ""
        place = self._report.get_position(path, key=key)
        point = CoveragePoint(find_root_node(node).removesuffix(":"), place.line, place.column, label)
        self._points.update(dict.fromkeys(point.counted_points))
        return point.render_comment()

    def make_mark(self, node: str, label: str, path: SourcePath, *, key: bool = False) -> PlaceMark:
        """Return a mark, in documents for calls. Equal marks share one object."""
        known = self._marks.get((node, label, path, key))
        if known is None:
            place = self._report.get_position(path, key=key)
            point = CoveragePoint(find_root_node(node), place.line, place.column, label, self._name_file(place.file))
            known = self._marks[node, label, path, key] = PlaceMark(point.render_comment())
        return known

    def _name_file(self, file: str) -> str:
        """Return an included file as seen from the flow's folder."""
        return file and PurePath(file).relative_to(PurePath(self._report.file).parent).as_posix()

    def record_decision(
        self, decision: tuple[str, int, str, object], label: str, path: SourcePath, *, key: bool = False
    ) -> None:
        """Record a possible decision outside the nodes. The trail reports the decision, because no document does."""
        if self._enabled and decision not in self.decision_points:
            place = self._report.get_position(path, key=key)
            spot = CoveragePoint(decision[0].removesuffix(":"), place.line, place.column, label)
            self._points[spot] = None
            self.decision_points[decision] = spot
