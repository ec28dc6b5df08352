"""The house: a room imports only from floors below, and within a floor no room imports another."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

APP = Path(__file__).parents[1] / "app"
FLOORS = (
    {
        "answered",
        "calls",
        "characters",
        "consent",
        "ended",
        "errors",
        "happened",
        "kept",
        "known",
        "numbers",
        "outside",
        "probes",
        "settings",
        "spots",
        "states",
        "withheld",
    },
    {"language"},
    {"flows", "effects", "journal", "opentact"},
    {"rehearsal"},
    {"setup"},
    {"web"},
    {"server"},
    {"testing"},
    {"cli"},
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
GROUND = FLOORS[0]
"""Single files, which may look at each other."""
FILES = [file for file in sorted(APP.rglob("*.py")) if file != APP / "__init__.py"]


def room_of(file: Path) -> str:
    return file.relative_to(APP).parts[0].removesuffix(".py")


def imported(file: Path) -> set[str]:
    """The rooms that a file imports, wherever in it."""
    names: list[str] = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: an import says where it is from, not how far away"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return {name.split(".")[1] for name in names if name.startswith("app.")}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(APP)))
def test_a_room_imports_only_from_floors_below(file):
    room = room_of(file)
    for other in imported(file) - {room}:
        together = room in GROUND and other in GROUND
        assert FLOOR[other] < FLOOR[room] or together, f"{room} imports {other}"


def test_every_room_has_its_floor():
    assert {room_of(file) for file in FILES} <= set(FLOOR)
