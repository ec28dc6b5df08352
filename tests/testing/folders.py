"""Folders of flows that a test writes, and what callflows test makes of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from app.flows.compiler import Options
from app.flows.tickets import Signer
from app.settings import Settings
from app.testing.coverage import covered, said
from app.testing.running import folders_of, run

if TYPE_CHECKING:
    from pathlib import Path

    from app.testing.running import Folder, Ran

SETTINGS = Settings(_env_file=None)  # type: ignore[call-arg]
OPTIONS = Options(Signer([b"a key of the tests"]), SETTINGS.apology)


def folder_of(path: Path, **files: str) -> Folder:
    """A folder with these flow files."""
    for name, text in files.items():
        (path / f"{name}.yaml").write_text(text, encoding="utf-8")
    (folder,) = folders_of([path], OPTIONS)
    return folder


def ran(folder: Folder) -> list[Ran]:
    """Its scenarios, run."""
    return asyncio.run(run(folder, folder.cases, SETTINGS))


def results(path: Path, text: str) -> list[Ran]:
    """The scenarios of one file, run; the file must be right."""
    folder = folder_of(path, acme=text)
    assert not folder.errors, "\n".join(map(str, folder.errors))
    return ran(folder)


def missing(path: Path, text: str) -> list[str]:
    """What the scenarios of one file do not reach."""
    folder = folder_of(path, acme=text)
    (one,) = covered(folder.chosen, [done.call for done in ran(folder)])
    return [said(spot) for spot in sorted(one.missing, key=lambda spot: (spot.line, spot.column))]


def only(values: list[Any]) -> Any:
    """The one there is."""
    (value,) = values
    return value
