"""The layers of the package: a folder imports only from layers below its own."""

from __future__ import annotations

import functools

from code_figures import ROOT, import_graph, largest_circle, read_source_files

LAYERS = (
    {
        "atomic_files",
        "background_work",
        "boot_clock",
        "disk_errors",
        "embedded_server",
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
    {"campaigns", "setup", "stand_in"},
    {"web"},
    {"installation_parts"},
    {"rehearsal_engine"},
    {"server"},
    {"benchmark", "importing", "testing"},
    {"cli"},
    {"__main__"},
)
LAYER = {folder: layer for layer, folders in enumerate(LAYERS) for folder in folders}
GROUND = LAYERS[0]
"""Single modules, which may import each other."""


@functools.cache
def read_imports() -> dict[str, set[str]]:
    """Modules of the package and the modules they import; read once, and not while tests are collected."""
    return import_graph(read_source_files(ROOT))


def folder_of(module: str) -> str:
    """The folder of a module, or the module itself if it stands directly in the package."""
    return module.split(".")[1]


def is_allowed(importing: str, imported: str) -> bool:
    """Return whether an import is one within a folder, between modules of the ground, or of a layer below."""
    folder, other = folder_of(importing), folder_of(imported)
    both_ground = folder in GROUND and other in GROUND
    return folder == other or both_ground or LAYER[other] < LAYER[folder]


def test_a_folder_imports_only_from_layers_below():
    wrong = [
        f"{module} imports {imported}"
        for module, imports in read_imports().items()
        for imported in imports
        if "callflows" not in {module, imported} and not is_allowed(module, imported)
    ]
    assert wrong == []


def test_every_folder_has_its_layer():
    assert {folder_of(module) for module in read_imports() if module != "callflows"} <= set(LAYER)


def test_no_modules_import_each_other_in_a_circle():
    """Imports for types alone count too."""
    assert len(largest_circle(read_imports())) <= 1


FLOW_LAYERS = (
    {"country_code_check", "coverage_points", "document_comments", "entry_points", "flow_needs", "source"},
    {"caller_lists", "dial_policy", "hours", "twiml"},
    {"expressions"},
    {"audible_verbs", "decisions", "python_flow", "suppositions", "tickets"},
    {"compiler", "flow", "flow_book", "messages", "steps"},
    {"checks"},
    {"flow_compilation"},
    {"loader", "static_export"},
    {"authoring"},
)
FLOW_LAYER = {part: layer for layer, parts in enumerate(FLOW_LAYERS) for part in parts}
FLOWS = "callflows.flows."


def test_inside_flows_too_a_part_imports_only_from_below():
    """Steps and the compiler are one layer: a step sees the compiler only through ``StepContext``."""
    wrong = [
        f"{module} imports {imported}"
        for module, imports in read_imports().items()
        for imported in imports
        if module.startswith(FLOWS) and imported.startswith(FLOWS)
        if FLOW_LAYER[imported.split(".")[2]] > FLOW_LAYER[module.split(".")[2]]
    ]
    assert wrong == []


def test_a_step_sees_of_the_compiler_only_its_context_and_the_fragments():
    compiler = f"{FLOWS}compiler."
    seen = {
        imported.removeprefix(compiler)
        for module, imports in read_imports().items()
        if module.startswith(f"{FLOWS}steps.")
        for imported in imports
        if imported.startswith(compiler)
    }
    assert seen == {"fragments", "step_context"}
