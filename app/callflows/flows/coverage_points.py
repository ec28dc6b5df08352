"""Places in a flow that a call can come by: a node's beginning, and each way on from a step.

Documents that are made for rehearsals say them in XML comments, which are nothing to whoever runs the document: static
branches stand inside a document, and nobody comes back to tell which of them ran.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

NODE_ENTERED_POINT: Final = "node"
"""What a call does that comes to a node."""


NODE_REENTERED_POINT: Final = "on"
"""What a call does that comes back to a node in which it was before."""


NODE_EXIT_POINT: Final = "out"
"""What a call does that comes to the end of a node, and ends there."""


DIAL_POINT: Final = "rings"


LAST_DIAL_POINT: Final = "rings last"


CONDITION_POINT: Final = "asks"


_OUTCOMES_BY_KIND: Final = {
    DIAL_POINT: {"answered": "answered"},
    LAST_DIAL_POINT: {"answered": "answered", "busy": "nobody answers", "no-answer": "nobody answers"},
    CONDITION_POINT: {"holds": "holds", "does not hold": "does not hold"},
}
"""Of what is known only when it is over: what became of it, by the step's result."""


_ELEMENT_SEPARATOR: Final = " of "
"""Stands between what happens and the path of the element, in a document that does not say where in the flow it is."""


_COMMENT_PATTERN: Final = re.compile(r"([^ ]+) ([0-9]+):([0-9]+) (.+)")


_COMMENT_ELEMENT_PATTERN: Final = re.compile(r"<!--[^ <>]+ [0-9]+:[0-9]+ (?:(?!--).)+-->")


class CoveragePoint(NamedTuple):
    """``what`` happens at a line and a column (from 1; 0: not known) of the flow file, in a node."""

    node: str
    line: int
    column: int
    what: str

    def render_comment(self) -> str:
        """As it stands in a document; XML has no ``--`` in comments."""
        return f"<!--{self.node.replace('-', '%2D')} {self.line}:{self.column} {self.what}-->"

    @property
    def counted_points(self) -> tuple[CoveragePoint, ...]:
        """What coverage counts of it: itself, nothing, or what can become of it."""
        if self.what in (NODE_REENTERED_POINT, NODE_EXIT_POINT):
            return ()
        if self.is_pending:
            return tuple(self._with_outcome(what) for what in dict.fromkeys(_OUTCOMES_BY_KIND[self._kind].values()))
        return (self,)

    @property
    def _kind(self) -> str:
        return self.what.partition(_ELEMENT_SEPARATOR)[0]

    def for_element(self, element_path: str) -> CoveragePoint:
        """The same of an element of a document."""
        return self._replace(what=f"{self.what}{_ELEMENT_SEPARATOR}{element_path}")

    def _with_outcome(self, outcome: str) -> CoveragePoint:
        return self._replace(what=f"{outcome}{self.what.removeprefix(self._kind)}")

    @property
    def is_pending(self) -> bool:
        """Whether it is known only later what became of it."""
        return self._kind in _OUTCOMES_BY_KIND

    def resolve_outcome(self, result: str) -> CoveragePoint | None:
        """What became of it; None where another will tell."""
        what = _OUTCOMES_BY_KIND[self._kind].get(result)
        return None if what is None else self._with_outcome(what)


def strip_coverage_comments(document: str) -> str:
    """A document without our comments."""
    return _COMMENT_ELEMENT_PATTERN.sub("", document)


def parse_coverage_comment(comment: str) -> CoveragePoint | None:
    """A comment of a document; None where it is none of ours."""
    found = _COMMENT_PATTERN.fullmatch(comment)
    return None if found is None else CoveragePoint(found[1].replace("%2D", "-"), int(found[2]), int(found[3]), found[4])
