"""Every shipped flow passes its own tests, which cover all of it, and random callers find no problem."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from scenario_folders import TEST_OPTIONS, TEST_SETTINGS, run_folder, write_scenario_folder

from callflows.flows.authoring.gallery.flow_templates import create_flow, load_flow_templates
from callflows.testing.exploration import explore_flows
from callflows.testing.flow_coverage import describe_coverage_point, measure_coverage
from callflows.testing.scenario_report import format_failed_scenario
from callflows.testing.scenario_runner import load_scenario_folders
from shipped_flows import copy_shipped_flows

if TYPE_CHECKING:
    from pathlib import Path


def begun(path: Path, template: str):
    """A template as ``callflows new`` writes it, with a number that is not the template's."""
    create_flow(path, "acme", template, "+12015550142", {})
    return write_scenario_folder(path)


@pytest.fixture(scope="module", params=["shipped", *load_flow_templates()])
def folder(request, tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("flows")
    if request.param == "shipped":
        return load_scenario_folders([copy_shipped_flows(tmp_path)], TEST_OPTIONS)[0]
    return begun(tmp_path, request.param)


def test_its_scenarios_pass_and_reach_every_node_and_branch(folder):
    assert folder.problems == ()
    done = run_folder(folder)
    assert done
    wrong = [line for one in done if not one.has_passed for line in format_failed_scenario(one)]
    assert not wrong, "\n".join(wrong)
    missing = [
        (one.flow, describe_coverage_point(spot))
        for one in measure_coverage(folder.tested_flows, [x.transcript for x in done])
        for spot in one.missing_points
    ]
    assert missing == []


def test_callers_at_random_come_to_no_harm(folder):
    assert [one.fault for one in explore_flows([folder], TEST_SETTINGS, examples=12, seconds=30, seed=0)] == [None]
