"""A flow as one static document that Opentact can keep, or exactly why it cannot be one."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from app.errors import FlowError, Problem
from app.flows.book import START, Entry
from app.flows.compiler import Compiler, opened
from app.flows.pieces import EPILOGUE, PROLOGUE, constant, merged
from app.flows.places import Report

if TYPE_CHECKING:
    from pathlib import Path

    from app.flows.compiler import Options


def export(file: Path, options: Options) -> bytes:
    """The document of a file's start, if nothing in it depends on a call. Raises FlowError with the reasons why not."""
    report = Report(str(file))
    if file.suffix == ".py":
        raise FlowError([_reason(report, (), "the flow is a program, which is run for each call")])
    compiler = opened(file.stem, file.read_bytes(), report, dataclasses.replace(options, alone=True))
    flow = compiler.flow() if compiler is not None else None
    if compiler is None or flow is None or report.broken:
        raise FlowError(report.problems)
    if compiler.file.template:
        raise FlowError([_reason(report, ("template",), "the flow is a template, which is rendered for each call")])
    return _static(compiler, report)


def _static(compiler: Compiler, report: Report) -> bytes:
    run = compiler.run(START, Entry())
    pieces = merged(run.pieces)
    if constant(pieces):
        return f"{PROLOGUE}{''.join(map(str, pieces))}{EPILOGUE}".encode()
    reasons = [_reason(report, path, why) for path, why in run.why.items()]
    raise FlowError(sorted(reasons, key=lambda reason: (reason.line, reason.column)))


def _reason(report: Report, path: tuple[str | int, ...], why: str) -> Problem:
    place = report.place(path)
    mend = "a static document has nothing but what is the same for every call"
    return Problem(report.file, place.line, place.column, "error", "not-static", why, mend)
