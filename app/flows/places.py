"""Where things stand in a file, and what is wrong with them there."""

from __future__ import annotations

import dataclasses
from typing import Literal, TypeAlias

from app.errors import Problem

Path: TypeAlias = "tuple[str | int, ...]"
"""Where something stands in a file: ``("nodes", "start", 0, "say")``."""


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """A line and a column, from 1. ``cut``: a comment that cuts a text short; ``below``: how many lines below it begins."""

    line: int
    column: int
    cut: str = ""
    below: int = 0


class Report:
    """Collects what is wrong with one file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.places: dict[Path, Place] = {(): Place(1, 1)}
        self.keys: dict[Path, Place] = {}

    def error(self, path: Path, rule: str, message: str, mend: str = "", *, key: bool = False, line: int = 0) -> None:
        """Something is wrong at ``path`` (at its key, with ``key``), or on a line of the text there, from 1."""
        self._say("error", path, rule, message, mend, key=key, line=line)

    def warning(self, path: Path, rule: str, message: str, mend: str = "", *, key: bool = False) -> None:
        """Something is probably not meant."""
        self._say("warning", path, rule, message, mend, key=key, line=0)

    def _say(
        self, severity: Literal["error", "warning"], path: Path, rule: str, message: str, mend: str, *, key: bool, line: int
    ) -> None:
        place = self.place(path, key=key)
        below = place.below + line - 1 if line else 0
        problem = Problem(self.file, place.line + below, place.column, severity, rule, message, mend)
        if problem not in self.problems:
            self.problems.append(problem)

    def place(self, path: Path, *, key: bool = False) -> Place:
        """The place of a path, or of the nearest thing around it."""
        while path:
            place = (self.keys if key else self.places).get(path) or self.places.get(path)
            if place:
                return place
            path = path[:-1]
        return self.places[()]

    @property
    def broken(self) -> bool:
        """Whether there is an error."""
        return any(problem.severity == "error" for problem in self.problems)
