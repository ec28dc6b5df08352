"""What callers hear when anything goes wrong: a document that needs nothing but itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.flows.writing import Run
from app.language import Hangup, Say

if TYPE_CHECKING:
    from app.flows.compiler import Compiler

FALLBACK: Final = "fallback:"
"""The node of its steps, which is none that a call can go to."""


def fallback_of(compiler: Compiler) -> Run:
    """A file's fallback, written; the apology of the settings where it has none that can be served."""
    run = Run(compiler, FALLBACK, static=True)
    known = len(compiler.report.problems)
    run.steps(compiler.file.fallback, ("fallback",))
    if compiler.file.fallback and run.mute:
        message = "when something goes wrong, callers hear nothing"
        mend = "say that the call cannot be taken now, or leave the fallback out: then the apology of the settings is said"
        compiler.report.warning(("fallback",), "says-nothing", message, mend, key=True)
    if not run.pieces or any(problem.severity == "error" for problem in compiler.report.problems[known:]):
        run = Run(compiler, FALLBACK, static=True)
        run.write(Say(compiler.options.apology))
    elif compiler.file.fallback:
        run.pieces.insert(0, run.comment("is served", ("fallback",), key=True))
    if not run.ends:
        run.write(Hangup())
    return run
