"""The layers of the package: a folder imports only from layers below its own."""

from __future__ import annotations

import pytest

from code_figures import ROOT, SourceFile, import_graph, largest_circle, read_source_files

LAYERS = (
    {
        "atomic_files",
        "background_work",
        "errors",
        "http_limits",
        "log",
        "outbound_http",
        "probe_tokens",
        "recent_keys",
        "settings",
        "text",
    },
    {"language", "telephony"},
    {"sandbox"},
    {"flows"},
    {"effects", "journal", "opentact"},
    {"rehearsal"},
    {"setup", "stand_in"},
    {"web"},
    {"server"},
    {"testing"},
    {"cli"},
    {"__main__"},
)
LAYER = {folder: layer for layer, folders in enumerate(LAYERS) for folder in folders}
GROUND = LAYERS[0]
"""Single modules, which may import each other."""
SOURCE_FILES = [file for file in read_source_files(ROOT) if file.module != "callflows"]
IMPORTS = import_graph(read_source_files(ROOT))


def folder_of(module: str) -> str:
    """The folder of a module, or the module itself if it stands directly in the package."""
    return module.split(".")[1]


@pytest.mark.parametrize("file", SOURCE_FILES, ids=lambda file: file.module)
def test_a_folder_imports_only_from_layers_below(file: SourceFile):
    folder = folder_of(file.module)
    for imported in IMPORTS[file.module] - {"callflows"}:
        other = folder_of(imported)
        both_ground = folder in GROUND and other in GROUND
        assert other == folder or LAYER[other] < LAYER[folder] or both_ground, f"{file.module} imports {imported}"


def test_every_folder_has_its_layer():
    assert {folder_of(file.module) for file in SOURCE_FILES} <= set(LAYER)


def test_no_modules_import_each_other_in_a_circle():
    """Imports for types alone count too."""
    assert len(largest_circle(IMPORTS)) <= 1


FLOW_LAYERS = (
    {"coverage_points", "document_comments", "entry_points", "source"},
    {"caller_lists", "country_code_check", "dial_policy", "hours"},
    {"expressions"},
    {"decisions", "python_flow", "suppositions", "tickets"},
    {"compiler", "flow", "flow_book", "messages", "steps"},
    {"checks"},
    {"flow_compilation"},
    {"loader", "static_export"},
    {"authoring"},
)
FLOW_LAYER = {part: layer for layer, parts in enumerate(FLOW_LAYERS) for part in parts}
FLOW_FILES = [file for file in SOURCE_FILES if file.module.startswith("callflows.flows.")]


@pytest.mark.parametrize("file", FLOW_FILES, ids=lambda file: file.module)
def test_inside_flows_too_a_part_imports_only_from_below(file: SourceFile):
    """Steps and the compiler are one layer: a step sees the compiler only through ``StepContext``."""
    part = file.module.split(".")[2]
    for imported in IMPORTS[file.module]:
        if imported.startswith("callflows.flows."):
            other = imported.split(".")[2]
            assert FLOW_LAYER[other] <= FLOW_LAYER[part], f"{file.module} imports {imported}"


def test_a_step_sees_of_the_compiler_only_its_context_and_the_fragments():
    seen = {
        imported.removeprefix("callflows.flows.compiler.")
        for file in FLOW_FILES
        if file.module.startswith("callflows.flows.steps.")
        for imported in IMPORTS[file.module]
        if imported.startswith("callflows.flows.compiler.")
    }
    assert seen == {"context", "fragments"}
