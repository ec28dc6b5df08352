"""Places in a flow that a call can come by: a node's beginning, and each way on from a step.

Documents that are made for rehearsals say them in XML comments, which are nothing to whoever runs the document: static
branches stand inside a document, and nobody comes back to tell which of them ran.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

NODE: Final = "node"
"""What a call does that comes to a node."""
ON: Final = "on"
"""What a call does that comes back to a node in which it was before."""
OUT: Final = "out"
"""What a call does that comes to the end of a node, and ends there."""
RINGS: Final = "rings"
RINGS_LAST: Final = "rings last"
ASKS: Final = "asks"
_ENDS: Final = {
    RINGS: {"answered": "answered"},
    RINGS_LAST: {"answered": "answered", "busy": "nobody answers", "no-answer": "nobody answers"},
    ASKS: {"holds": "holds", "does not hold": "does not hold"},
}
"""Of what is known only when it is over: what became of it, by the step's result."""
_OF: Final = " of "
"""Stands between what happens and the path of the element, in a document that does not say where in the flow it is."""
_COMMENT: Final = re.compile(r"([^ ]+) ([0-9]+):([0-9]+) (.+)")
_OURS: Final = re.compile(r"<!--[^ <>]+ [0-9]+:[0-9]+ (?:(?!--).)+-->")


class Spot(NamedTuple):
    """``what`` happens at a line and a column (from 1; 0: not known) of the flow file, in a node."""

    node: str
    line: int
    column: int
    what: str

    def comment(self) -> str:
        """As it stands in a document; XML has no ``--`` in comments."""
        return f"<!--{self.node.replace('-', '%2D')} {self.line}:{self.column} {self.what}-->"

    @property
    def counted(self) -> tuple[Spot, ...]:
        """What coverage counts of it: itself, nothing, or what can become of it."""
        if self.what in (ON, OUT):
            return ()
        if self.open:
            return tuple(self._ending(what) for what in dict.fromkeys(_ENDS[self._kind].values()))
        return (self,)

    @property
    def _kind(self) -> str:
        return self.what.partition(_OF)[0]

    def of(self, path: str) -> Spot:
        """The same of an element of a document."""
        return self._replace(what=f"{self.what}{_OF}{path}")

    def _ending(self, what: str) -> Spot:
        return self._replace(what=f"{what}{self.what.removeprefix(self._kind)}")

    @property
    def open(self) -> bool:
        """Whether it is known only later what became of it."""
        return self._kind in _ENDS

    def ended(self, result: str) -> Spot | None:
        """What became of it; None where another will tell."""
        what = _ENDS[self._kind].get(result)
        return None if what is None else self._ending(what)


def without(document: str) -> str:
    """A document without our comments."""
    return _OURS.sub("", document)


def read(comment: str) -> Spot | None:
    """A comment of a document; None where it is none of ours."""
    found = _COMMENT.fullmatch(comment)
    return None if found is None else Spot(found[1].replace("%2D", "-"), int(found[2]), int(found[3]), found[4])
