"""Where calls come by in a flow, noted in the documents of rehearsals while they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callflows.flows.coverage_points import CoveragePoint

if TYPE_CHECKING:
    from callflows.flows.source.positions import ProblemReport, SourcePath


class CoverageRecorder:
    """Those of one flow: ``spots`` are all that its calls can come by. Nothing is noted in documents for calls."""

    def __init__(self, report: ProblemReport, *, enabled: bool) -> None:
        self._report = report
        self._enabled = enabled
        self._points: dict[CoveragePoint, None] = {}
        self.decision_points: dict[tuple[str, int, str, object], CoveragePoint] = {}
        """Those beside the nodes, by what the trail says there: node, step, word, outcome."""

    @property
    def coverage_points(self) -> tuple[CoveragePoint, ...]:
        """What coverage counts."""
        return tuple(self._points)

    def make_comment(self, node: str, label: str, path: SourcePath, *, key: bool) -> str:
        """A comment for a document; nothing where none is wanted."""
        if not self._enabled:
            return ""
        place = self._report.get_position(path, key=key)
        made = CoveragePoint(node.partition(".")[0].removesuffix(":"), place.line, place.column, label)
        self._points.update(dict.fromkeys(made.counted_points))
        return made.render_comment()

    def record_decision(
        self, decision: tuple[str, int, str, object], label: str, path: SourcePath, *, key: bool = False
    ) -> None:
        """Note what may be decided beside the nodes: no document says so, and the trail does."""
        if self._enabled and decision not in self.decision_points:
            place = self._report.get_position(path, key=key)
            spot = CoveragePoint(decision[0].removesuffix(":"), place.line, place.column, label)
            self._points[spot] = None
            self.decision_points[decision] = spot
