"""Every flow that is shipped passes its own tests, which reach all of it, and comes to no harm at random."""

from __future__ import annotations

from pathlib import Path

import pytest
from folders import OPTIONS, SETTINGS, folder_of, ran

from app.flows.gallery import begin, templates
from app.testing.coverage import covered, said
from app.testing.exploring import explore
from app.testing.running import folders_of
from app.testing.telling import failed

ROOT = Path(__file__).parents[2]


def begun(path: Path, template: str):
    """A template as ``callflows new`` writes it, with a number that is not the template's."""
    begin(path, "acme", template, "+12015550142", {})
    return folder_of(path)


@pytest.fixture(params=["shipped", *templates()])
def folder(request, tmp_path):
    if request.param == "shipped":
        return folders_of([ROOT / "callflows"], OPTIONS)[0]
    return begun(tmp_path, request.param)


def test_its_scenarios_pass_and_reach_every_node_and_branch(folder):
    assert folder.problems == ()
    done = ran(folder)
    assert done
    wrong = [line for one in done if not one.passed for line in failed(one)]
    assert not wrong, "\n".join(wrong)
    missing = [(one.flow, said(spot)) for one in covered(folder.chosen, [x.call for x in done]) for spot in one.missing]
    assert missing == []


def test_callers_at_random_come_to_no_harm(folder):
    assert [one.fault for one in explore([folder], SETTINGS, examples=60, seconds=30, seed=0)] == [None]
