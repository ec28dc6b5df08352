"""The alert rules and the dashboard ask for metrics that the server has, and Prometheus itself accepts them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from callflows.server import create_app
from callflows.settings import Settings
from waiting import run_bounded, run_process

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "callflows-rules.yaml"
DASHBOARD = DEPLOY / "grafana" / "callflows.json"
METRIC_NAME = re.compile(r"\b(?:callflows|process)_[a-z_]+\b")


@pytest.fixture(scope="module")
def exposed(tmp_path_factory) -> dict[str, str]:
    """The metrics of a server with an account and an address of the console, and their types."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "desk.yaml").write_text("numbers: +12015550123\nnodes: {start: [{say: Hello}]}\n", encoding="utf-8")
    settings = Settings(_env_file=None, flows=folder, data=folder / "data", opentact_token="x", console_port=9)  # noqa: S106 - a test's
    app = create_app(settings)

    async def read_metrics() -> str:
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 40_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            return (await http.get("/metrics")).text

    families = text_string_to_metric_families(run_bounded(read_metrics()))
    return {sample: family.type for family in families for sample in list_sample_names(family.name, family.type)}


def list_sample_names(name: str, kind: str) -> list[str]:
    endings = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(kind, [""])
    return [f"{name}{ending}" for ending in endings]


@pytest.mark.parametrize("file", [RULES, DASHBOARD], ids=lambda file: file.name)
def test_every_metric_that_a_rule_or_a_picture_needs_is_exposed(file, exposed):
    text = file.read_text(encoding="utf-8")
    named = {name for name in METRIC_NAME.findall(text) if name != "callflows_token"}
    assert len(named) >= 8
    assert not named - exposed.keys()


def test_a_name_says_what_kind_of_metric_it_is_and_its_unit(exposed):
    own = {name: kind for name, kind in exposed.items() if name.startswith("callflows_")}
    assert {name for name, kind in own.items() if kind == "counter"} == {name for name in own if name.endswith("_total")}
    assert not [name for name in own if re.search(r"_(ms|millis\w*|minutes|kb|mb)(_|$)", name)]


def test_panels_have_a_place_of_their_own_and_at_least_one_query():
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len({*places}) == len(panels)
    assert all(panel["targets"] for panel in panels)


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed (Debian: prometheus)")
@pytest.mark.parametrize("arguments", ["check rules callflows-rules.yaml", "test rules callflows-rules-test.yaml"])
def test_prometheus_accepts_the_rules_and_they_raise_what_they_should(arguments):
    done = run_process(["promtool", *arguments.split()], cwd=RULES.parent)
    assert done.returncode == 0, done.stdout + done.stderr
