"""Paper for what stands beside the nodes of a flow and looks at something else than a call: texts, and calls that ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

from app.flows.prompts import Prompts
from app.flows.writing import Run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.flows.compiler import Compiler
    from app.flows.expressions.scope import Scope
    from app.flows.places import Path


_TOLD: Final[Mapping[str, tuple[str, object]]] = {
    "holds": ("when", True),
    "does not hold": ("when", False),
    "refused": ("sms", "refused"),
    "sent": ("sms", "caused"),
}
"""What a call may come by, by the word and the outcome in the trail."""


class Beside(Run):
    """A run with a scope of its own."""

    own: Prompts | None = None

    @classmethod
    def seeing(cls, compiler: Compiler, node: str, scope: Scope) -> Self:
        """An empty run. ``node`` is the key of the file, with its colon: no node is named so."""
        made = cls(compiler, node)
        made.own = Prompts({**scope, **compiler.around.scope}, compiler.voice.get("lang", "en-US"))
        return made

    @property
    def prompts(self) -> Prompts:
        """As ``Texts`` says, for this scope."""
        return self.own or self.compiler.prompts

    def branch(self, *, answered: bool | None = None, inner: bool = True) -> Self:
        """As ``Run`` says, with the same scope."""
        made = super().branch(answered=answered, inner=inner)
        made.own = self.own
        return made

    def comment(self, what: str, path: Path, *, key: bool = False) -> str:
        """Nothing, as no document comes by here: the trail tells of conditions."""
        if what in _TOLD:
            word, outcome = _TOLD[what]
            self.compiler.noted.decided((self.node, self.step, word, outcome), what, path, key=key)
        return ""

    def one(self, step: object, path: Path) -> None:
        """Write one step."""
        self._one(step, path)
