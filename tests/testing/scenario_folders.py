"""Folders of flows that a test writes, and what callflows test makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.tickets import TicketSigner
from callflows.settings import Settings
from callflows.testing.flow_coverage import describe_coverage_point, measure_coverage
from callflows.testing.scenario_runner import load_scenario_folders, run_scenarios
from waiting import run_bounded

if TYPE_CHECKING:
    from pathlib import Path

    from callflows.testing.scenario_runner import ScenarioFolder, ScenarioResult

TEST_SETTINGS = Settings(_env_file=None)  # type: ignore[call-arg]
TEST_OPTIONS = CompilerOptions(TicketSigner([b"a key of the tests"]), TEST_SETTINGS.apology)


def write_scenario_folder(path: Path, **files: str) -> ScenarioFolder:
    """A folder with these flow files."""
    for name, text in files.items():
        (path / f"{name}.yaml").write_text(text, encoding="utf-8")
    (folder,) = load_scenario_folders([path], TEST_OPTIONS)
    return folder


def run_folder(folder: ScenarioFolder) -> list[ScenarioResult]:
    """Its scenarios, run."""
    return run_bounded(run_scenarios(folder, folder.cases, TEST_SETTINGS))


def run_scenario_file(path: Path, text: str) -> list[ScenarioResult]:
    """The scenarios of one file, run; the file must be right."""
    folder = write_scenario_folder(path, acme=text)
    assert not folder.errors, "\n".join(map(str, folder.errors))
    return run_folder(folder)


def find_missing_points(path: Path, text: str) -> list[str]:
    """What the scenarios of one file do not reach."""
    folder = write_scenario_folder(path, acme=text)
    (one,) = measure_coverage(folder.tested_flows, [result.transcript for result in run_folder(folder)])
    return [describe_coverage_point(spot) for spot in sorted(one.missing_points, key=lambda spot: (spot.line, spot.column))]


def get_only(values: list[Any]) -> Any:
    """The one there is."""
    (value,) = values
    return value
