"""Each row of the threat model names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

from each_case import each_case

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "threat-model.md").read_text(encoding="utf-8")
ROWS = [line.strip("|").split(" | ") for line in PAGE.splitlines() if line.startswith("| ")][1:]


def is_test(name: str) -> bool:
    path, _, function = name.partition("::")
    text = (TESTS / path).read_text(encoding="utf-8") if (TESTS / path).is_file() else ""
    return bool(re.search(rf"^(async )?def {function}\(" if function else r"^(async )?def test_", text, re.MULTILINE))


@each_case("row", ROWS, ids=lambda row: row[1].strip())
def test_a_row_names_tests_that_exist(row):
    names = re.findall(r"`([^`]+\.py[^`]*)`", row[-1])
    assert names
    assert [name for name in names if not is_test(name)] == []


def test_every_door_has_its_rows():
    doors = {row[0].strip() for row in ROWS}
    assert doors >= {"token", "ticket", "proxy", "SSRF", "template", "file", "webhook in", "webhook out"}
    assert doors >= {"console", "journal", "log", "flood", "supply"}


def test_a_test_that_does_not_exist_is_found():
    assert not is_test("web/test_call_floods.py::test_that_nobody_wrote")
    assert not is_test("web/test_nothing.py")
