"""Coverage points: the places in a flow that a call can reach, such as a node's start or an outcome of a step.

Documents for rehearsals carry coverage points as XML comments. The comments have no effect on the call. Static branches
need the comments: one document contains several branches, and no request reports which branch ran.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

NODE_ENTERED_POINT: Final = "node"
"""A call enters a node."""
NODE_REENTERED_POINT: Final = "on"
"""A call returns to a node that it entered earlier."""
NODE_EXIT_POINT: Final = "out"
"""A call reaches the end of a node and ends."""
STEP_POINT: Final = "step"
"""A step of a node begins. Followed by the step's number in the node; only in marks, never in comments for rehearsals."""
DIAL_POINT: Final = "rings"
LAST_DIAL_POINT: Final = "rings last"
CONDITION_POINT: Final = "asks"
_OUTCOMES_BY_KIND: Final = {
    DIAL_POINT: {"answered": "answered"},
    LAST_DIAL_POINT: {"answered": "answered", "busy": "nobody answers", "no-answer": "nobody answers"},
    CONDITION_POINT: {"holds": "holds", "does not hold": "does not hold"},
}
"""Outcomes of pending points, by the result of the step."""
_ELEMENT_SEPARATOR: Final = " of "
"""Separates the kind from the element's path, in a document without positions of the flow file."""
_COMMENT_PATTERN: Final = re.compile(r"([^ ]+) ([0-9]+):([0-9]+)(?:@([^ ]+))? (.+)")
_COMMENT_ELEMENT_PATTERN: Final = re.compile(r"<!--[^ <>]+ [0-9]+:[0-9]+(?:@[^ <>]+)? (?:(?!--).)+-->")


class CoveragePoint(NamedTuple):
    """Event ``what`` in a node, at a line and column of the flow file (from 1; 0 if unknown).

    ``file`` is the included file with that line, as seen from the flow's folder; only marks for the log have it.
    """

    node: str
    line: int
    column: int
    what: str
    file: str = ""

    def render_comment(self) -> str:
        """Render the XML comment. Hyphens in names are escaped, because XML forbids ``--`` in comments."""
        file = f"@{quote(self.file).replace('-', '%2D')}" if self.file else ""
        return f"<!--{self.node.replace('-', '%2D')} {self.line}:{self.column}{file} {self.what}-->"

    @property
    def counted_points(self) -> tuple[CoveragePoint, ...]:
        """Points counted by coverage: this point, or the possible outcomes of a pending point.

        Re-entry and exit of a node do not count.
        """
        if self.what in (NODE_REENTERED_POINT, NODE_EXIT_POINT):
            return ()
        if self.is_pending:
            return tuple(self._with_outcome(what) for what in dict.fromkeys(_OUTCOMES_BY_KIND[self._kind].values()))
        return (self,)

    @property
    def _kind(self) -> str:
        return self.what.partition(_ELEMENT_SEPARATOR)[0]

    def for_element(self, element_path: str) -> CoveragePoint:
        """Return a copy for an element of a document."""
        return self._replace(what=f"{self.what}{_ELEMENT_SEPARATOR}{element_path}")

    def _with_outcome(self, outcome: str) -> CoveragePoint:
        return self._replace(what=f"{outcome}{self.what.removeprefix(self._kind)}")

    @property
    def is_pending(self) -> bool:
        """True if the outcome is known only after the step has finished."""
        return self._kind in _OUTCOMES_BY_KIND

    def resolve_outcome(self, result: str) -> CoveragePoint | None:
        """Return the point for a step's result. None if another point reports the outcome."""
        what = _OUTCOMES_BY_KIND[self._kind].get(result)
        return None if what is None else self._with_outcome(what)


def strip_coverage_comments(document: str) -> str:
    return _COMMENT_ELEMENT_PATTERN.sub("", document)


def parse_coverage_comment(comment: str) -> CoveragePoint | None:
    """Parse a coverage comment. Returns None for any other comment."""
    found = _COMMENT_PATTERN.fullmatch(comment)
    if found is None:
        return None
    return CoveragePoint(found[1].replace("%2D", "-"), int(found[2]), int(found[3]), found[5], unquote(found[4] or ""))
