"""``callflows import`` writes flow files of other platforms' flows, and reports what was lost."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from command_runner import run_command

from each_case import each_case

sys.path.insert(0, str(Path(__file__).parents[1] / "importing"))
from import_harness import SAMPLES

from doc_pages import list_pages, read_blocks, write_block

PAGES = list_pages()
STUDIO, TWIML, NCCO = (str(SAMPLES / name) for name in ("studio.json", "twiml.xml", "ncco.json"))


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_flow_is_written_beside_the_others_and_passes_the_check():
    done = run_command("import", STUDIO)
    assert done.code == 0
    assert "written: callflows/studio.yaml (from Twilio Studio" in done.out
    assert "not mapped  studio.json:127  shop: Opentact has no queue" in done.out
    assert "18 part(s): 12 mapped, 5 with loss, 1 not mapped; the flow has 0 warning(s)" in done.out
    assert run_command("check", "callflows/studio.yaml", "--strict").code == 0


def test_random_callers_of_an_imported_flow_find_a_way_that_has_no_end():
    run_command("import", STUDIO)
    done = run_command("test", "callflows/studio.yaml", "--explore", "--examples", "10")
    assert "10 random caller(s)" in done.out


def test_several_files_go_into_a_folder_with_a_number_each():
    done = run_command("import", STUDIO, TWIML, NCCO, "-o", "new", "--format", "json")
    reports = json.loads(done.out)
    assert done.code == 0
    assert [report["written"] for report in reports] == ["new/studio.yaml", "new/twiml.yaml", "new/ncco.yaml"]
    assert len({report["number"] for report in reports}) == 3
    assert run_command("check", "new").code == 0
    shop = next(part for part in reports[0]["parts"] if part["name"] == "shop")
    assert shop == {
        "name": "shop",
        "kind": "enqueue-call",
        "line": 127,
        "column": 5,
        "node": "shop",
        "outcome": "not mapped",
        "reasons": ["Opentact has no queue: ring a group of people with dial instead"],
    }


def test_a_file_can_be_named_and_a_number_given():
    assert run_command("import", TWIML, "-o", "flows/library.yaml", "--number", "+1 201 555 0142").code == 0
    assert "numbers: +12015550142\n" in Path("flows/library.yaml").read_text()


def test_nothing_is_written_over_without_force():
    Path("callflows").mkdir()
    target = Path("callflows/studio.yaml")
    target.write_text("mine")
    done = run_command("import", STUDIO)
    assert (done.code, target.read_text()) == (2, "mine")
    assert "studio.yaml is there already: use another name, or --force" in done.err
    assert run_command("import", STUDIO, "--force").code == 0
    assert target.read_text() != "mine"


@each_case(
    ("arguments", "message"),
    [
        (["gone.json"], "gone.json: No such file"),
        ([STUDIO, STUDIO], "would both be written to"),
        ([STUDIO, NCCO, "-o", "one.yaml"], "one.yaml is one file"),
        ([STUDIO, NCCO, "--number", "+12015550142"], "--number is for one file"),
        ([STUDIO, "--number", "hello"], "'hello' is not a number"),
        ([STUDIO, "-o", "overrides.yaml"], "cannot be a flow's name"),
    ],
)
def test_a_wrong_use_is_one_line_and_exit_code_2(arguments, message):
    done = run_command("import", *arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert not Path("callflows").exists()


def test_a_file_that_cannot_be_read_has_a_place_and_the_others_are_written():
    Path("broken.json").write_text('{"states": [\n  {"name": "a",}\n]}')
    done = run_command("import", "broken.json", NCCO)
    assert done.code == 1
    assert "broken.json:2:16: error: this is not JSON: a key in" in done.err
    assert Path("callflows/ncco.yaml").exists()
    reports = json.loads(run_command("import", "broken.json", "--format", "json").out)
    assert "broken.json:2:16" in reports[0]["error"]


def test_the_check_of_twiml_and_of_json_names_this_command():
    assert f"callflows import {TWIML} makes a flow file of it" in run_command("check", TWIML).out
    assert f"callflows import {STUDIO} makes a flow file" in run_command("check", STUDIO).out


def test_the_page_shows_the_file_that_is_written():
    page = PAGES["docs/how-to/import.md"]
    original, shown = (next(block for block in read_blocks(page) if block.language == one) for one in ("json", "yaml"))
    write_block(original, Path())
    assert run_command("import", "callflows/garage.json", "--number", "+12015550142").code == 0
    assert Path("callflows/garage.yaml").read_text() == shown.text
