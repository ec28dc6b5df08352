"""Whom a text is sent on to: numbers that the author wrote out, those of a group, or what is worked out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.errors import suggestion
from app.flows.messages.rules import texted
from app.flows.shapes import SOMETHING
from app.numbers import e164

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from app.calls import Turn
    from app.flows.messages.message import Message
    from app.flows.messages.rules import Act, Wanted
    from app.flows.places import Path
    from app.flows.writing import Run

_MEND = "as +12015550188, or a group of numbers"


def forwarding(
    run: Run, targets: Sequence[str], path: Path, noted: dict[Path, str], at: Callable[[Path, int], Path]
) -> Iterator[Act]:
    """What is done for each target; numbers that are written out are put into ``noted`` with their places."""
    for index, written in enumerate(targets):
        here = at(path, index)
        target = written.strip()
        if "{{" in target or "{%" in target:
            yield from _computed(run, target, here, index)
        elif target in run.compiler.groups:
            for member, (number, place) in enumerate(_members(run, target, here)):
                noted[place] = number
                yield _written(run, number, f"{index}.{member}")
        elif e164(target):
            noted[here] = target
            yield _written(run, e164(target), str(index))
        else:
            near = suggestion(target, [*run.compiler.groups]) or _MEND
            run.error(here, "number", f"forward: {written!r} is not a number, and texts go to numbers only", near)


def _members(run: Run, group: str, path: Path) -> list[tuple[str, Path]]:
    """The numbers of a group, with their places."""
    run.compiler.groups_used.add(group)
    found = []
    members = run.compiler.groups[group].to
    for index, member in enumerate(members):
        listed: Path = ("groups", group, "to", index)
        place = listed if listed in run.compiler.report.places else ("groups", group, index)
        if e164(member):
            found.append((e164(member), place if place in run.compiler.report.places else ("groups", group)))
        elif member != SOMETHING:
            said = f"forward: {member!r} of the group {group!r} is not a number, and gets no texts"
            run.warning(path, "number", said, "name the numbers instead of the group")
    if not found and SOMETHING not in members:
        run.error(path, "number", f"forward: there is no number in the group {group!r}", _MEND)
    return found


def _written(run: Run, number: str, which: str) -> Act:
    """To a number that is the author's own word."""
    mark, place, flow = run.mark_of("forward", number), f"{run.step}/forward/{which}", run.compiler.name
    return lambda _turn, message: iter([texted(flow, message, place, mark, told_on(message), to=number)])


def _computed(run: Run, source: str, path: Path, index: int) -> Iterator[Act]:
    """To a number that is worked out, if the file's dial policy allows it."""
    text = run.template(source, path)
    if text is None:
        return
    run.compiler.computed(path)
    policy = run.compiler.policy
    for outcome, what in (("caused", "forward"), ("refused", "forward refused")):
        run.compiler.noted.decided((run.node, run.step, "forward", outcome), what, path)
    mark, place, flow = run.mark_of("forward", source, text.uses), f"{run.step}/forward/{index}", run.compiler.name

    def forward(turn: Turn, message: Message) -> Iterator[Wanted]:
        target = text.plain(turn).strip()
        refused = policy.refusal(target) if e164(target) else "there is no number to write to"
        yield texted(flow, message, place, mark, told_on(message), to=target or "nobody", refused=refused)

    yield forward


def told_on(message: Message) -> str:
    """A text as it is sent on: from whom it is, and what it says, in no language."""
    return f"{message.sender}: {message.text}"
