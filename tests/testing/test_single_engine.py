"""There is one engine: the rehearsal contains no code for flows, hours and policies."""

from __future__ import annotations

import ast
from pathlib import Path

import callflows

ROOT = Path(callflows.__file__).parent
ENGINE = (
    "callflows.flows",
    "callflows.web",
    "callflows.effects.live_effects",
    "callflows.server",
    "callflows.rehearsal_engine",
)
SHARED = {
    "callflows.flows.coverage_points",
    "callflows.flows.document_comments",
    "callflows.flows.decisions",
    "callflows.flows.source.sound_library",
}
"""Names of places in a flow and of sounds, and the words for what was decided: nothing is decided by them."""
ASKED = {"callflows.flows.hours.wall_clock"}
"""What reads a moment as people write it; it decides nothing."""


def imports(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def test_the_platform_that_is_played_imports_nothing_of_the_engine():
    files = [*(ROOT / "rehearsal").rglob("*.py")]
    assert len(files) > 10
    strange = {str(file): sorted(name for name in imports(file) - SHARED if name.startswith(ENGINE)) for file in files}
    assert {file: names for file, names in strange.items() if names} == {}


def test_tests_of_flows_ring_the_engine_and_evaluate_no_hours_conditions_or_policies_of_their_own():
    """They load flow files and ring the server; the explorer judges who is dialled by the dial policy itself."""
    deciding = (
        "callflows.flows.hours",
        "callflows.flows.expressions",
        "callflows.flows.caller_lists",
        "callflows.flows.dial_policy",
        "callflows.flows.compiler.fragments",
    )
    for file in (ROOT / "testing").rglob("*.py"):
        decides = {name for name in imports(file) if name.startswith(deciding)} - ASKED
        allowed = {"callflows.flows.dial_policy.target_policy"} if file.name == "invariants.py" else set()
        assert decides <= allowed, file


def test_a_rehearsal_is_put_together_of_the_parts_of_the_server():
    assert "callflows.rehearsal_engine" in imports(ROOT / "testing" / "scenario_runner.py")
    assert "callflows.web.answer_engine" in imports(ROOT / "rehearsal_engine.py") & imports(ROOT / "server.py")
