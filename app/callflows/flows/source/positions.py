"""Positions of values in a flow file, and the problems found at these positions."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from callflows.errors import Problem
from callflows.text import Suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator


UNREADABLE_DATA_RULES: Final = frozenset({"list-missing", "list-unreadable"})
"""Rules of data files that could not be read as a whole."""
DATA_FILE_RULES: Final = UNREADABLE_DATA_RULES | {"list-row", "sound-missing", "sound-format"}
"""Rules of data files beside a flow, for example a list of callers. Their errors leave the flow live."""
MAX_PROBLEMS: Final = 1000
"""Errors, and warnings, of one file that are reported."""
SourcePath: TypeAlias = "tuple[str | int, ...]"
"""Path of a value in a file: ``("nodes", "start", 0, "say")``."""


@dataclasses.dataclass(frozen=True, slots=True)
class SourcePosition:
    """A line and a column, from 1.

    ``cutting_comment`` is a YAML comment that cuts a text short; ``lines_below`` is the number of lines after which the
    text begins. ``file`` is the included file, or empty for the file of the report.
    """

    line: int
    column: int
    cutting_comment: str = ""
    lines_below: int = 0
    file: str = ""


class ProblemReport:
    """Collects the problems of one file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.positions: dict[SourcePath, SourcePosition] = {(): SourcePosition(1, 1)}
        self.key_positions: dict[SourcePath, SourcePosition] = {}
        self.fixes_of_unknown_keys: dict[SourcePath, str] = {}
        """Fixes for keys that the author may not have meant as keys."""
        self.misses_included_names = False
        """True if an included file could not be read as a whole: names of the flow may be missing."""
        self.has_transient_error = False
        """True if the machine may be the cause of an error, as a busy one is: then the file is worth another try."""
        self.notes: list[Problem] = []
        self._seen_problems: set[Problem] = set()
        self._problem_counts: collections.Counter[str] = collections.Counter()
        self._error_paths: set[SourcePath] = set()
        self._warnings_suppressed = False
        self._aliased_subtrees: set[tuple[SourcePath, SourcePath]] = set()
        self._children_by_path: dict[SourcePath, list[SourcePath]] = {}
        """Paths of the values directly inside a value, by the outer path."""

    def error(self, path: SourcePath, rule: str, message: str, fix: str = "", *, key: bool = False, line: int = 0) -> None:
        """Report an error at ``path`` (with ``key``, at the key). ``line`` is a line of the text at ``path``, from 1."""
        if rule == "unknown-key" and not isinstance(fix, Suggestion):
            fix = self.fixes_of_unknown_keys.get(path, fix)
        self._error_paths.update(path[:depth] for depth in range(len(path) + 1))
        self._add_problem("error", path, rule, message, fix, key=key, line=line)

    def unknown_name(
        self, path: SourcePath, rule: str, message: str, fix: str = "", *, key: bool = False, line: int = 0
    ) -> None:
        """Report a name that the flow does not define. If an ``include`` failed, that is the mistake, and is reported."""
        if self.misses_included_names:
            self._error_paths.update(path[:depth] for depth in range(len(path) + 1))
        else:
            self.error(path, rule, message, fix, key=key, line=line)

    def warning(self, path: SourcePath, rule: str, message: str, fix: str = "", *, key: bool = False) -> None:
        if not self._warnings_suppressed:
            self._add_problem("warning", path, rule, message, fix, key=key, line=0)

    def note(self, path: SourcePath, rule: str, message: str) -> None:
        """Add to ``notes``, which only ``check`` shows, something that is no mistake; the same message once in a file."""
        place = self.get_position(path)
        if not self._warnings_suppressed and all(note.message != message for note in self.notes):
            self.notes.append(Problem(place.file or self.file, place.line, place.column, "note", rule, message))

    @property
    def suppresses_warnings(self) -> bool:
        return self._warnings_suppressed

    @contextlib.contextmanager
    def suppress_warnings(self) -> Iterator[None]:
        """Report errors only: warnings about a partly read value may be wrong."""
        before, self._warnings_suppressed = self._warnings_suppressed, True
        try:
            yield
        finally:
            self._warnings_suppressed = before

    def has_error_at(self, path: SourcePath) -> bool:
        """Return True if an error was reported at a path or inside the value."""
        return path in self._error_paths

    def has_error_of_value(self, key: str, name: str) -> bool:
        """Return True if the value of a name in a mapping under ``key`` has an error, wherever that mapping is."""
        return any(path[-2:] == (key, name) for path in self._error_paths)

    def list_faulty_names(self, section: str) -> list[str]:
        """Return the names in a section of the file, as ``lists``, whose values have errors."""
        return sorted({str(path[1]) for path in self._error_paths if path[:1] == (section,) and len(path) > 1})

    def alias_position(self, path: SourcePath, alias: SourcePath, item_count: int = 0) -> None:
        """Register the positions of a value and of ``item_count`` items in the value under a second path."""
        self.positions.setdefault(alias, self.get_position(path))
        for index in range(item_count):
            self.positions.setdefault((*alias, index), self.get_position((*path, index)))

    def alias_subtree(self, path: SourcePath, alias: SourcePath) -> None:
        """Register the positions of a value and of everything inside under a second path."""
        if (path, alias) in self._aliased_subtrees:
            return
        self._aliased_subtrees.add((path, alias))
        if not self._children_by_path:
            for one in {**self.positions, **self.key_positions}:
                self._children_by_path.setdefault(one[:-1], []).append(one)
        left, found = [path], []
        while left:
            one = left.pop()
            found.append(one)
            left += [inner for inner in self._children_by_path.get(one, ()) if inner != one]
        for one in found:
            alias_path = (*alias, *one[len(path) :])
            self._children_by_path.setdefault(alias_path[:-1], []).append(alias_path)
            for known in (self.positions, self.key_positions):
                if one in known:
                    known[alias_path] = known[one]

    def _add_problem(
        self,
        severity: Literal["error", "warning"],
        path: SourcePath,
        rule: str,
        message: str,
        fix: str,
        *,
        key: bool,
        line: int,
    ) -> None:
        place = self.get_position(path, key=key)
        below = place.lines_below + line - 1 if line else 0
        if self._problem_counts[severity] > MAX_PROBLEMS:
            return
        if self._problem_counts[severity] == MAX_PROBLEMS:
            message, fix = f"there are more {severity}s in this file", "fix those above first"
        problem = Problem(place.file or self.file, place.line + below, place.column, severity, rule, message, fix)
        if problem not in self._seen_problems:
            self._seen_problems.add(problem)
            self._problem_counts[severity] += 1
            self.problems.append(problem)

    def add_problem_of_other_file(self, problem: Problem, path: SourcePath | None = None) -> None:
        """Add a problem that was found in an included file, or in a template. ``path`` is where the file is named."""
        if problem.severity == "error" and path is not None:
            self._error_paths.update(path[:depth] for depth in range(len(path) + 1))
        if problem.severity == "note":
            self.notes.append(problem)
        elif problem not in self._seen_problems:
            self._seen_problems.add(problem)
            self.problems.append(problem)

    def is_reported(self, path: SourcePath, rule: str) -> bool:
        """Return True if a problem with this rule is reported at the position of ``path``."""
        place = self.get_position(path)
        return any(
            (problem.rule, problem.line, problem.column) == (rule, place.line, place.column) for problem in self.problems
        )

    def is_included(self, path: SourcePath) -> bool:
        """Return True if a value stands in an included file."""
        return bool(self.get_position(path, key=True).file)

    def get_position(self, path: SourcePath, *, key: bool = False) -> SourcePosition:
        """Return the position of a path, or of the nearest enclosing value."""
        while path:
            place = (self.key_positions if key else self.positions).get(path) or self.positions.get(path)
            if place:
                return place
            path = path[:-1]
        return self.positions[()]

    @property
    def has_errors(self) -> bool:
        return any(problem.severity == "error" for problem in self.problems)

    @property
    def breaks_flow(self) -> bool:
        """Return True for an error of the flow itself. Errors of its data files leave the flow, with the readable data."""
        return any(problem.severity == "error" and problem.rule not in DATA_FILE_RULES for problem in self.problems)
