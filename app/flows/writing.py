"""A run of a flow while it is written: the steps of a node, or of a branch in it, and where they lead."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, Final, Self

from app.errors import nearest
from app.flows.answered import Once, answered_by
from app.flows.book import Entry
from app.flows.links import Known
from app.flows.pieces import Choice, merged
from app.flows.reach import Lead
from app.flows.shapes import SOMETHING
from app.flows.steps import STEPS, apart, key_of, there, verb_or_word
from app.flows.texts import Texts
from app.flows.yaml_texts import texts_in
from app.language import Callback, Error
from app.spots import without

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.calls import Turn
    from app.flows.compiler import Compiler
    from app.flows.places import Path

CALLBACK_TIMEOUT: Final = 5000
"""What our Callbacks wait before their Error runs; documented, its unit presumed to be ms."""
BREAK_BYTES: Final = 60_000
"""After a step that ends beyond this the rest of a node is fetched."""


class Run(Texts):
    """Steps while they are written.

    ``inner``: in a verb's branch, to which nothing can come back. ``attempt`` and ``given`` are those of the entry that is
    written, while its step is.
    """

    def __init__(
        self, compiler: Compiler, node: str, *, answered: bool = False, static: bool = False, inner: bool = False
    ) -> None:
        super().__init__(compiler, node, answered=answered, static=static)
        self.inner = inner
        self.attempt = 0
        self.given = False
        self.sure = True
        """Whether every call that gets here comes by what is written."""
        self.elsewhere = False
        """The steps that follow are written in another entry."""
        self.following = ""
        """The key of the step that follows; nothing after the last."""
        if inner:
            self.silent = self.here = False
            self.asked = True

    def branch(self, *, answered: bool | None = None, inner: bool = True) -> Self:
        """An empty run inside this one: a verb's branch, or with ``inner=False`` a step under a condition."""
        made = type(self)(
            self.compiler,
            self.node,
            answered=self.answered if answered is None else answered,
            static=self.static,
            inner=self.inner or inner,
        )
        made.step, made.attempt, made.given, made.sure = self.step, self.attempt, self.given, False
        made.following = self.following if not inner else ""
        if not inner:
            made.inner, made.silent, made.here, made.asked = self.inner, self.silent, self.here, self.asked
        made.answered_where = [*self.answered_where]
        return made

    # Steps

    def steps(self, steps: Sequence[Any], path: Path, entry: Entry | None = None) -> None:
        """Write steps in order, from an entry's step on."""
        first = entry.step if entry else 0
        for index, step in enumerate(steps):
            if index < first:
                continue
            here = (*path, index)
            self.following = key_of(steps[index + 1]) if index + 1 < len(steps) else "?" * self.inner
            if self.ends:
                if self.elsewhere:
                    return
                self._never(step, here)
                continue
            if not self.inner:
                at_entry = entry if entry and index == first else Entry()
                self.step, self.attempt, self.given = index, at_entry.attempt, at_entry.given
                if not self.static and self._must_break(step):
                    self._break(index)
                    return
            self._one(step, here)

    def _never(self, step: object, path: Path) -> None:
        """Say of a step that no call gets to it, and what else is wrong with it."""
        self.error(path, "after-the-end", "this step is never reached", "the flow has gone elsewhere, or ended, before it")
        self._aside(step, path)

    def _aside(self, step: object, path: Path) -> None:
        """Say what is wrong with a step that does not count."""
        aside = self.branch(inner=False)
        aside.step, aside.attempt, aside.given = int(path[-1]) if not self.inner else self.step, 0, False
        aside.silent, aside.asked = False, True
        with self.compiler.report.errors_only():
            aside._one(step, path)  # noqa: SLF001 - its own

    def _break(self, step: int) -> None:
        """Go on at a step of this node in a document of its own, which knows whether the line was answered."""
        if self.answered_where and not self.answered:
            done = self.branch(answered=True, inner=False)
            done.fetch(self.node, Entry(step, answered=True))
            self.pieces.append(Choice(answered_by(self.answered_where), merged(done.pieces), ends=True))
            self.absorb(done)
        self.fetch(self.node, Entry(step, answered=self.answered))
        self.elsewhere = True

    def _must_break(self, step: object) -> bool:
        """Whether a step is written in a document of its own, when the call gets there."""
        return (not self.here and there(step)) or self.size > BREAK_BYTES

    def _one(self, step: object, path: Path) -> None:
        word, value, when = verb_or_word(step, path, self)
        if word:
            report = self.compiler.report
            with report.errors_only() if report.wrong_at(path) else contextlib.nullcontext():
                self._done(word, value, when, path)
        else:
            self._several(step, path)
            if when is not None:
                self.expression(when, (*path, "when"), "when")
        if self.compiler.report.wrong_at(path):
            self._trust(step)

    def _several(self, step: object, path: Path) -> None:
        """Say what else is wrong with a step that is several, which is said."""
        done = [(key, value) for key, value in step.items() if key in STEPS and value] if isinstance(step, dict) else []
        for key, value in done if len(done) > 1 else []:
            self._aside({key: value}, path)

    def _trust(self, step: object) -> None:
        """Of a step that is wrong it is not known what it does: it may be heard, and lead to any node that it names."""
        self.silent = self.mute = False
        self.asked = True
        self.compiler.reach.edges[self.node].update(self.compiler.nodes.keys() & {*texts_in(step)})

    def _done(self, word: str, value: Any, when: str | None, path: Path) -> None:  # noqa: ANN401 - dicts, lists and texts
        if when is None or (not self.inner and self.attempt):
            STEPS[word](value, (*path, word), self)
            return
        condition = self.expression(when, (*path, "when"), "when")
        under = self.branch(inner=False)
        under.note("holds", (*path, "when"))
        STEPS[word](value, (*path, word), under)
        if condition is None:
            return
        answers = under.answered and not self.answered and not under.ends
        once = Once(condition.holds) if answers else None
        other = self.comment("does not hold", (*path, "when"))
        self.choose(once or condition.holds, under, ("when", when, condition.uses), other)
        if once is not None:
            self.answered_where.append(once)

    def choose(
        self, holds: Callable[[Turn], object], under: Run, said: tuple[str, str, frozenset[str]], other: str = ""
    ) -> None:
        """Write a run that is reached where a condition holds; ``said`` are its word, its source and the names it uses.

        ``other`` is written where it does not hold.
        """
        mark = self.mark_of(*said)
        self.pieces.append(Choice(holds, merged(under.pieces), under.ends, mark, merged([other])))
        self.absorb(under)
        if not under.ends:
            self.here = self.here and under.here

    def within(self, steps: Sequence[Any], path: Path, *, answered: bool | None = None) -> Run:
        """The steps of a verb's branch; those that the call must have got to are fetched when it does."""
        branch = self.branch(answered=answered)
        if apart(steps) and not self.static:
            after = None if self.inner else (self.node, self.step + 1)
            branch.goto(self.compiler.apart(self.node, steps, path, after), path)
        else:
            branch.steps(steps, path)
        return branch

    def keeps(self, name: str, sample: object, path: Path, step: int) -> None:
        """Note what is known of a value that is kept from here on; ``step`` is the first that may carry it."""
        if self.sure:
            self.compiler.reach.kept_at[name].add((self.node, self.step))
        if sample is not None:
            written = json.dumps(sample, ensure_ascii=False, separators=(",", ":"))
            self.compiler.links.known.append(Known(name, written, self.node, self.step, step, path))

    # Going elsewhere

    def goto(self, node: str, path: Path) -> None:
        """End here and go on at a node: written in place, or fetched."""
        self.ends = True
        if self.static:
            mend = "say what is to be said, and hang up"
            self.error(path, "fallback-not-static", "the fallback cannot go to a node", mend)
            return
        if not self.known(node, path):
            return
        if self.silent:
            self.compiler.reach.silent[self.node].add(node)
        if not self.asked:
            self.compiler.reach.unasked[self.node].add(node)
        self._go(node, Entry(answered=self.answered))

    def resume(self, step: int) -> None:
        """End here and go on at a later step of this node."""
        self.ends = True
        self._go(self.node, Entry(step, answered=self.answered))

    def go_on(self, node: str, step: int) -> None:
        """End here and go on at a step of another node, to which these steps belong."""
        self.ends = True
        self._go(node, Entry(step, answered=self.answered))

    def _go(self, node: str, entry: Entry) -> None:
        self.compiler.reach.lead(self.node, Lead(self.step, node, entry.step, fetched=False))
        if self.answered_where and not self.answered:
            self.answer()
            entry = entry._replace(answered=True)
        inlined = self.compiler.inlined(node, entry)
        if inlined is None or (inlined.does and not self.here):
            self.fetch(node, entry)
        else:
            self.repeat(inlined)

    def known(self, node: str, path: Path) -> bool:
        """Whether there is such a node; notes that this one leads to it."""
        nodes = self.compiler.nodes
        if node == SOMETHING:
            self.compiler.reach.lost = True
            return False
        if node not in nodes:
            near = nearest(node, nodes)
            mend = f"did you mean {near!r}?" if near else f"there are {', '.join(self.compiler.file.nodes)}"
            self.error(path, "unknown-node", f"no node is named {node!r}", mend)
            self.compiler.reach.edges[self.node].update([near] if near else [])
            return False
        self.compiler.reach.edges[self.node].add(node)
        return True

    def fetch(self, node: str, entry: Entry) -> None:
        """Go on in a document of its own, or with the fallback where that cannot be fetched."""
        url = self.url(node, entry)
        sorry = Error(self.stand_in([self.sorry()]))
        self.write(Callback(sorry, url=url, method="GET", timeout=CALLBACK_TIMEOUT))
        self.ends = True

    def url(self, node: str, entry: Entry) -> str:
        """A mark that stands for the signed URL of a document."""
        self.compiler.reach.lead(self.node, Lead(self.step, node, entry.step, fetched=True))
        self.why.setdefault(("nodes", self.node, self.step), f"it goes on at {node!r} in a document of its own")
        return self.mark_url(self.compiler.url(node, entry))

    def sorry(self) -> str:
        """The fallback, as it stands in a document."""
        fallback = self.compiler.fallback
        answers = self.answered and without(fallback).startswith("<Answer/>")
        return fallback.replace("<Answer/>", "", 1) if answers else fallback
