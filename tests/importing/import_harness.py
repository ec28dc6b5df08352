"""Imports of files in tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from callflows.errors import ImportSourceError
from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.flow_compilation import compile_flow
from callflows.flows.tickets import TicketSigner
from callflows.importing.flow_import import FlowNumber, import_flow

if TYPE_CHECKING:
    from callflows.importing.flow_import import ImportedFlow

SAMPLES = Path(__file__).parent / "samples"
OPTIONS = CompilerOptions(TicketSigner([b"import"]), "Sorry.")
NUMBER = FlowNumber("+12015550142", "")


def import_source(source: bytes | str) -> ImportedFlow:
    written = source.encode() if isinstance(source, str) else source
    return import_flow("imported", written, "original", NUMBER, OPTIONS)


def import_or_explain(source: bytes) -> ImportedFlow | ImportSourceError:
    """The flow, whose file passes its check, or the error with its place."""
    try:
        flow = import_source(source)
    except ImportSourceError as error:
        refusal = error
    else:
        refusal = None
    if refusal is not None:
        assert min(refusal.line, refusal.column) >= 1
        assert refusal.reason
        return refusal
    compiled = compile_flow("imported", flow.text.encode(), "imported.yaml", OPTIONS)
    assert [str(problem) for problem in compiled.problems if problem.severity == "error"] == []
    assert compiled.flow is not None
    return flow
