"""Words that lead on, and the one that remembers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import pydantic

from app.flows.files import form
from app.flows.shapes import SOMETHING, validate
from app.flows.trail import SECRET
from app.flows.values import plain_value
from app.flows.words.word import NodeName, Word, name_of
from app.kept import Values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.calls import Turn
    from app.flows.places import Path
    from app.flows.writing import Run


class Goto(Word):
    """Go on at another node."""

    plain: ClassVar[str] = "node"
    node: NodeName = pydantic.Field(description="The node.")

    def write(self, run: Run, path: Path) -> None:
        """End here, go on there."""
        run.goto(self.node, path)


class Way(pydantic.BaseModel):
    """A way of a choice."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    instead: ClassVar[Mapping[str, Any]] = {"goto": SOMETHING}
    when: str | None = None
    goto: str


class Choose(Word):
    """Go on at the node of the first condition that holds."""

    plain: ClassVar[str] = "ways"
    open: ClassVar[bool] = True
    ways: Annotated[list[Any], form("ways")]

    def write(self, run: Run, path: Path) -> None:
        """A choice for each way; the last may go without a condition."""
        for index, way in enumerate(self.ways):
            self._way(run, (*path, index), way, last=index == len(self.ways) - 1)
        if not run.ends:
            run.note("no way", path)

    def _way(self, run: Run, path: Path, given: object, *, last: bool) -> None:
        if not isinstance(given, dict):
            mend = "as - when: customer.vip, and below it goto: sales"
            run.error(path, "shape", "choose: each way is a when and a goto", mend)
            return
        way: Way | None = validate(Way, given, path, run.compiler.report)
        if way is None:
            return
        when, node = way.when, way.goto
        if when is None:
            if not last:
                said = "choose: the ways after one without when are never reached"
                run.error(path, "after-the-end", said, "give it a when, or put it last")
                run.known(node, (*path, "goto"))
                return
            run.note(f"way to {node}", path)
            run.goto(node, (*path, "goto"))
            return
        condition = run.expression(when, (*path, "when"), "when")
        under = run.branch(inner=False)
        under.note(f"way to {node}", path)
        under.goto(node, (*path, "goto"))
        if condition is not None:
            run.choose(condition.holds, under, ("choose", f"{when} → {node}", condition.uses))


class Set(Word):
    """Remember values under names."""

    plain: ClassVar[str] = "values"
    open: ClassVar[bool] = True
    values: dict[Annotated[str, form("name")], Annotated[Any, form("expression")]]

    @classmethod
    def there(cls, _value: object) -> bool:
        """Nothing is remembered of where a call did not get."""
        return True

    def write(self, run: Run, path: Path) -> None:
        """Each in order, so that one may use those before it."""
        if run.static:
            run.error(path, "fallback-not-static", "the fallback has nothing to remember", "take it out")
            return
        for name, source in self.values.items():
            here = (*path, name)
            try:
                name_of(name)
            except ValueError as error:
                run.error(here, "value", f"set: {error}", key=True)
                continue
            if not isinstance(source, str):
                run.error(here, "shape", f"{name}: must be an expression", 'as "account", 3 or caller.name')
                continue
            run.whole(here)
            made = run.expression(source, here, name)
            if made is not None:
                mark = run.mark_of("set", f"{name} = {source}", made.uses)
                run.keeps(name, made.sample, here, run.step + 1)
                run.act(_setting(name, made.holds, mark, run.compiler.secrets), here, f"{name!r} is set")


def _setting(name: str, value: Callable[[Turn], Any], mark: Any, secrets: Any) -> Callable[[Turn], None]:  # noqa: ANN401
    def do(turn: Turn) -> None:
        made = plain_value(value(turn))
        turn.trail.append((mark, SECRET if name in secrets else made, turn.values, None))
        turn.values = Values({**turn.values, name: made})

    return do
