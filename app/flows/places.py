"""Where things stand in a file, and what is wrong with them there."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Literal, TypeAlias

from app.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

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
        self._wrong: set[Path] = set()
        self._errors_only = False
        self._same: set[tuple[Path, Path]] = set()
        self._inside: dict[Path, list[Path]] = {}
        """By path, what stands in it."""

    def error(self, path: Path, rule: str, message: str, mend: str = "", *, key: bool = False, line: int = 0) -> None:
        """Something is wrong at ``path`` (at its key, with ``key``), or on a line of the text there, from 1."""
        self._wrong.update(path[:depth] for depth in range(len(path) + 1))
        self._say("error", path, rule, message, mend, key=key, line=line)

    def warning(self, path: Path, rule: str, message: str, mend: str = "", *, key: bool = False) -> None:
        """Something is probably not meant."""
        if not self._errors_only:
            self._say("warning", path, rule, message, mend, key=key, line=0)

    @contextlib.contextmanager
    def errors_only(self) -> Iterator[None]:
        """While this holds, only errors are said: what stands here was read in part, and doubts may come of that."""
        before, self._errors_only = self._errors_only, True
        try:
            yield
        finally:
            self._errors_only = before

    def wrong_at(self, path: Path) -> bool:
        """Whether there is an error at a path, or at something inside."""
        return path in self._wrong

    def also(self, path: Path, other: Path, many: int = 0) -> None:
        """Have the place of a value, and of that many parts of it, known by another path too."""
        self.places.setdefault(other, self.place(path))
        for index in range(many):
            self.places.setdefault((*other, index), self.place((*path, index)))

    def same(self, path: Path, other: Path) -> None:
        """Have what is at ``path``, and inside it, known by another path too."""
        if (path, other) in self._same:
            return
        self._same.add((path, other))
        if not self._inside:
            for one in {**self.places, **self.keys}:
                self._inside.setdefault(one[:-1], []).append(one)
        left, found = [path], []
        while left:
            one = left.pop()
            found.append(one)
            left += [inner for inner in self._inside.get(one, ()) if inner != one]
        for one in found:
            made = (*other, *one[len(path) :])
            self._inside.setdefault(made[:-1], []).append(made)
            for known in (self.places, self.keys):
                if one in known:
                    known[made] = known[one]

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
