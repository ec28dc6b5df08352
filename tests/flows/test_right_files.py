"""Files that a careful person writes, with many steps and conditions: nothing is said of them."""

from __future__ import annotations

from pathlib import Path

from flow_harness import compile_text

from each_case import each_case

FILES = sorted((Path(__file__).parent / "right").glob("*.yaml"))


@each_case("file", FILES, ids=lambda file: file.stem)
def test_nothing_is_said_of_a_right_file(file):
    made = compile_text(file.read_bytes())
    assert [str(problem) for problem in made.problems if problem.severity != "note"] == []
    assert made.flow is not None
