"""Parts that several flows share, in files of their own."""

from __future__ import annotations

import pytest
from flow_harness import APOLOGY, SIGNER, answer_as_xml, make_turn, spoken_texts

from callflows.flows.authoring.diagram import build_flow_diagram
from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.flow_compilation import compile_flow
from callflows.flows.loader.flow_library import FlowLibrary
from callflows.flows.loader.folder_loader import find_passed_over_files
from callflows.flows.source.included_files import NODE_KEYS, join_stored_source
from callflows.flows.source.positions import ProblemReport
from callflows.flows.steps.step_table import FLOW_STEPS
from callflows.testing.flow_coverage import format_coverage, measure_coverage

OPTIONS = CompilerOptions(SIGNER, APOLOGY, "reference")
FLOW = """\
include: common/closed.yaml
numbers: +12015550123
variables: {brand: Acme}
nodes:
  start: [goto: closed]
"""
SHARED = """\
variables: {brand: Somebody, text: We are closed.}
groups: {team: +12015550188}
nodes:
  closed:
    - say: "{{ variables.brand }}. {{ variables.text }}"
    - dial: {to: team, no_answer: later}
  later: [say: Call later.]
  unused: [say: Nobody comes here.]
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "common").mkdir()
    return tmp_path


def compile_with(folder, shared=SHARED, flow=FLOW, **options):
    (folder / "common" / "closed.yaml").write_text(shared, encoding="utf-8")
    (folder / "acme.yaml").write_text(flow, encoding="utf-8")
    made = CompilerOptions(SIGNER, APOLOGY, "reference", **options)
    return compile_flow("acme", flow.encode(), str(folder / "acme.yaml"), made)


def test_nodes_groups_and_variables_of_a_shared_file_are_those_of_the_flow_whose_own_variables_win(folder):
    made = compile_with(folder)
    assert made.problems == ()
    document = answer_as_xml(made.flow, turn=make_turn())
    assert (spoken_texts(document)[0], "+12015550188" in document) == ("Acme. We are closed.", True)
    assert sorted(made.flow.fragments_by_node) == ["closed", "later", "start"]


def test_a_change_of_a_shared_file_is_another_version(folder):
    versions = {compile_with(folder, text).flow.version for text in (SHARED, SHARED.replace("closed.}", "shut.}"))}
    assert len(versions) == 2
    assert compile_with(folder).dependencies == (folder / "common" / "closed.yaml",)


def test_a_saved_shared_file_is_live_at_once_also_one_that_was_missing(folder):
    (folder / "acme.yaml").write_text(FLOW, encoding="utf-8")
    library = FlowLibrary(folder, OPTIONS, settle_seconds=0)
    assert [problem.rule for problem in library.loaded_flows.problems][:1] == ["include"]
    for said in ("We are closed.", "We are shut."):
        (folder / "common" / "closed.yaml").write_text(SHARED.replace("We are closed.", said), encoding="utf-8")
        flow = library.refresh().book.flows["acme"]
        assert said in answer_as_xml(flow, turn=make_turn())


@pytest.mark.parametrize(
    ("shared", "place", "rule"),
    [
        (SHARED.replace("no_answer: later", "no_answer: latr"), "common/closed.yaml:6:35", "unknown-node"),
        (SHARED.replace("variables.text", "variables.txt"), "common/closed.yaml:5:12", "template"),
        (f"{SHARED}  start: [say: Hello.]\n", "common/closed.yaml:9:3", "include"),
        (f"{SHARED}numbers: +12015550124\n", "common/closed.yaml:9:1", "include"),
        (f"{SHARED}include: common/more.yaml\n", "common/closed.yaml:9:1", "include"),
        ("- nodes", "common/closed.yaml:1:1", "shape"),
        ("nodes: [\n", "common/closed.yaml:2:1", "yaml"),
    ],
)
def test_a_mistake_in_a_shared_file_is_told_at_its_place_there(shared, place, rule, folder):
    problems = compile_with(folder, shared).problems
    found = [(str(problem).removeprefix(f"{folder}/").partition(": ")[0], problem.rule) for problem in problems]
    assert (place, rule) in found, found


def test_a_misspelt_key_of_a_shared_file_or_of_its_include_names_the_right_one(folder):
    problems = compile_with(folder, f"{SHARED}ndoes: {{a: [hangup]}}\n").problems
    assert [problem.fix for problem in problems if problem.rule == "include"] == ["did you mean 'nodes'?"]
    wrong = compile_with(folder, flow=FLOW.replace("common/closed.yaml", "{file: common/closed.yaml, prefx: a_}")).problems[
        0
    ]
    assert (wrong.line, wrong.column, wrong.fix) == (1, 37, "did you mean 'prefix'?")


@pytest.mark.parametrize(
    "name", ["../other.yaml", "/etc/passwd", "closed.yaml", "common/closed.txt", "common", "{a: b}", "[common/a.yaml, [b]]"]
)
def test_only_files_below_the_folder_of_the_flow_are_included(name, folder):
    problems = compile_with(folder, flow=FLOW.replace("common/closed.yaml", name)).problems
    assert "include" in {problem.rule for problem in problems}


def test_coverage_names_the_shared_file_and_check_does_not_take_it_for_a_flow(folder):
    flow = compile_with(folder, records_coverage=True).flow
    lines = [line.removeprefix(f"  {folder}/") for line in format_coverage(measure_coverage([flow], []))]
    assert "common/closed.yaml:4:3: the node closed" in lines
    assert "acme.yaml:5:3: the node start" in lines
    assert find_passed_over_files(folder) == []


SITE = """\
hours: {office: {mon-sun: "00:00-24:00"}}
variables: {city: Newark}
groups: {team: "+12015550188"}
nodes:
  desk:
    - when: hours.office.open and variables.city != "closed"
      menu: {prompt: "{{ variables.city }}, hours.office. Press 1.", keys: {1: team}, no_input: team, otherwise: team}
    - goto: team
  team:
    - say: team
    - dial: {to: team, no_answer: ring}
"""


def test_a_prefix_lets_one_shared_file_serve_twice_with_names_of_its_own(folder):
    flow = """\
include:
  - {file: common/closed.yaml, prefix: north_}
  - {file: common/closed.yaml, prefix: south_}
numbers: +12015550123
variables: {south_city: Trenton}
nodes:
  start:
    - menu: {prompt: For north press 1., keys: {1: north_desk, 2: south_desk}, otherwise: ring}
  ring: [say: Nobody is there.]
"""
    made = compile_with(folder, SITE, flow)
    assert [str(problem) for problem in made.problems if problem.severity == "error"] == []
    assert sorted(made.flow.fragments_by_node) == ["north_desk", "north_team", "ring", "south_desk", "south_team", "start"]
    assert made.flow.hours_names == ("north_office", "south_office")
    for node, city in (("north_desk", "Newark"), ("south_desk", "Trenton")):
        document = answer_as_xml(made.flow, node, make_turn())
        assert spoken_texts(document)[0] == f"{city}, hours.office. Press 1."
        assert "+12015550188" in document
        assert "team" in spoken_texts(document)  # a text that reads like a name stays a text


def test_every_key_of_a_step_that_leads_to_a_node_gets_the_prefix():
    keys = {
        name
        for step in FLOW_STEPS.values()
        for name, field in step.model_fields.items()
        if (field.description or "").startswith(("The node", "As no_answer"))
    }
    assert keys - {"keys"} <= NODE_KEYS


@pytest.mark.parametrize(
    "item", ["{file: common/closed.yaml, prefix: 1}", "{file: common/closed.yaml, prefx: a_}", "{prefix: a_}", "[a, [b]]"]
)
def test_a_prefix_that_is_no_name_is_an_error_at_its_place(item, folder):
    problems = compile_with(folder, flow=FLOW.replace("common/closed.yaml", item)).problems
    assert next((problem.line, problem.rule) for problem in problems) == (1, "include")


def test_a_stored_version_is_read_and_drawn_again_without_the_files_that_it_includes(folder):
    flow = FLOW.replace("common/closed.yaml", "[{file: common/closed.yaml, prefix: shared_}]").replace(
        "goto: closed", "goto: shared_closed"
    )
    made = compile_with(folder, flow=flow)
    stored = join_stored_source(made.flow.source, made.flow.included_files)
    (folder / "common" / "closed.yaml").unlink()
    again = compile_flow("acme", stored, str(folder / "acme.yaml"), OPTIONS)
    assert again.problems == made.problems
    assert again.flow.version == made.flow.version
    report = ProblemReport(str(folder / "acme.yaml"))
    diagram = build_flow_diagram("acme", stored, report)
    assert [box.name for box in diagram.boxes if box.node_exists] == ["start", "shared_closed", "shared_later"]
    assert report.problems == []


def test_a_flow_that_leads_to_one_whose_shared_file_is_missing_has_no_mistake_of_its_own(folder):
    (folder / "acme.yaml").write_text(FLOW, encoding="utf-8")
    other = b"numbers: +12015550124\nnodes: {start: [goto: acme/later]}\n"
    assert compile_flow("other", other, str(folder / "other.yaml"), OPTIONS).problems == ()


def test_a_node_that_only_another_flow_named_is_unreachable_once_it_names_it_no_more(folder):
    text = "numbers: +12015550123\nnodes: {start: [say: Hello.], later: [say: Call later.]}\n"
    other, rules = folder / "other.yaml", []
    for step in ("goto: acme/later", "say: Goodbye."):
        other.write_text(f"numbers: +12015550124\nnodes: {{start: [{step}]}}\n", encoding="utf-8")
        compiled = compile_flow("acme", text.encode(), str(folder / "acme.yaml"), OPTIONS)
        rules.append([problem.rule for problem in compiled.problems])
    assert rules == [[], ["unreachable-node"]]


def test_a_shared_file_with_numbers_is_told_of_them_and_not_to_be_moved(folder):
    problems = compile_with(folder, f"numbers: +12015550124\n{SHARED}").problems
    assert [problem.rule for problem in problems] == ["include"]
    assert find_passed_over_files(folder) == []
