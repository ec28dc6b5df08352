"""The steps under ``missed``: what is caused, once, when a call has ended and nobody took it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from app.flows.expressions.scope import LEAF, SCOPE
from app.flows.messages.paper import Beside
from app.flows.pieces import merged, prepared, run
from app.flows.steps import STEPS
from app.flows.working import worked

if TYPE_CHECKING:
    from app.calls import Turn
    from app.ended import Ended
    from app.flows.book import Flow
    from app.flows.compiler import Compiler
    from app.flows.expressions.scope import Scope
    from app.flows.pieces import Piece
    from app.flows.working import Do

MISSED: Final = "missed:"
"""Where in a flow it is decided, for the trail; no node is named so."""
WORDS: Final = ("sms", "notify")
"""The steps that can still be done when a call is over."""
SEEN: Final[Scope] = {
    **{name: seen for name, seen in SCOPE.items() if name != "digits"},
    "ended": dict.fromkeys(("seconds", "rang", "tags"), LEAF),
}
"""What they see, by name: of what the call itself kept, nothing."""


class Missed:
    """A flow's steps for a missed call, ready; ``apart``: workers are needed; ``counts``: the caller's calls are asked."""

    __slots__ = ("_pieces", "apart", "counts")

    def __init__(self, pieces: tuple[Piece, ...], *, apart: bool, counts: bool) -> None:
        self._pieces = pieces
        self.apart = apart
        self.counts = counts

    def act(self, turn: Turn) -> None:
        """Do the steps: effects and trail are the turn's. Raises as ``Flow.answer`` does."""
        run(self._pieces, turn, [])


async def after(flow: Flow, call: Ended, do: Do) -> Turn | None:
    """What a flow causes now that a call has ended: ``effects`` and ``trail`` of the turn; None where it causes nothing.

    Their keys are the same however often it is asked. Raises as ``worked`` does.
    """
    if flow.missed is None or not call.missed:
        return None
    turn = call.turn()
    turn.zone, turn.sight = flow.zone, flow.sight
    await worked(partial(flow.missed.act, turn), turn, do, flow.name)
    return turn


def _possible(step: object, index: int, compiler: Compiler) -> bool:
    """Whether a step can still be done; what cannot is said."""
    strange = [key for key in (step if isinstance(step, dict) else [step]) if key in STEPS and key not in WORDS]
    for key in strange:
        message = f"missed: the call is over, and {key!r} cannot be done any more"
        compiler.report.error(("missed", index, str(key)), "missed", message, f"there are {' and '.join(WORDS)}", key=True)
    return not strange


def missed_of(compiler: Compiler) -> Missed | None:
    """The steps of a file; what is wrong with them is said."""
    steps = compiler.file.missed
    if not steps:
        return None
    beside = Beside.seeing(compiler, MISSED, SEEN)
    for index, step in enumerate(steps):
        beside.step = index
        if _possible(step, index, compiler):
            beside.one(step, ("missed", index))
            if isinstance(step, dict) and "when" not in step:
                word = next(iter(step), "")
                compiler.noted.decided((MISSED, index, word, "caused"), word, ("missed", index))
    counts = "caller.calls_today" in compiler.reach.uses[MISSED]
    return Missed(prepared(merged(beside.pieces)), apart=beside.prompts.apart, counts=counts)
