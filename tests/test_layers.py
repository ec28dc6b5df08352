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
LARGEST_CIRCLE = 28
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


def test_only_the_compiler_and_its_steps_import_each_other_in_a_circle():
    """The compiler and the steps name each other's types. The number may fall, and never rise."""
    circle = largest_circle(IMPORTS)
    assert len(circle) <= LARGEST_CIRCLE
    assert all(module.startswith("callflows.flows.") for module in circle)
