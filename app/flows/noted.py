"""Where calls come by in a flow, noted in the documents of rehearsals while they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.spots import Spot

if TYPE_CHECKING:
    from app.flows.places import Path, Report


class Noted:
    """Those of one flow: ``spots`` are all that its calls can come by. Nothing is noted in documents for calls."""

    def __init__(self, report: Report, *, wanted: bool) -> None:
        self._report = report
        self._wanted = wanted
        self._spots: dict[Spot, None] = {}
        self.beside: dict[tuple[str, int, str, object], Spot] = {}
        """Those beside the nodes, by what the trail says there: node, step, word, outcome."""

    @property
    def spots(self) -> tuple[Spot, ...]:
        """What coverage counts."""
        return tuple(self._spots)

    def comment(self, node: str, what: str, path: Path, *, key: bool) -> str:
        """A comment for a document; nothing where none is wanted."""
        if not self._wanted:
            return ""
        place = self._report.place(path, key=key)
        made = Spot(node.partition(".")[0].removesuffix(":"), place.line, place.column, what)
        self._spots.update(dict.fromkeys(made.counted))
        return made.comment()

    def decided(self, mark: tuple[str, int, str, object], what: str, path: Path, *, key: bool = False) -> None:
        """Note what may be decided beside the nodes: no document says so, and the trail does."""
        if self._wanted and mark not in self.beside:
            place = self._report.place(path, key=key)
            spot = Spot(mark[0].removesuffix(":"), place.line, place.column, what)
            self._spots[spot] = None
            self.beside[mark] = spot
