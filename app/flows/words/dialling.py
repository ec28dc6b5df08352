"""The word that rings people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, NamedTuple

import pydantic

from app.errors import BuildError, suggestion
from app.flows.files import Steps  # noqa: TC001 - pydantic reads it
from app.flows.pieces import Choice, merged
from app.flows.shapes import SOMETHING
from app.flows.trail import SECRET
from app.flows.words.word import Duration, NodeName, Some, Word
from app.language.values import NUMBER
from app.language.verbs import Dial, Error, Record, To
from app.numbers import e164, is_emergency, masked
from app.spots import RINGS, RINGS_LAST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from app.calls import Turn
    from app.flows.dialing.policy import Policy
    from app.flows.pieces import Piece
    from app.flows.places import Path
    from app.flows.trail import Mark
    from app.flows.writing import Run

MOST_IN_TURN: Final = 24
"""Targets that are rung in turn in one document; the others are rung by the next."""
NOWHERE: Final = ".invalid"
"""No host is named so; where one stands while a document is written, a computed target will."""
_MEND: Final = "a number as +12015550188, or ann@acme.sip.opentact.org"


class Group(pydantic.BaseModel):
    """A hunt group of a file: whom to ring, and how."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    instead: ClassVar[Mapping[str, Any]] = {"to": SOMETHING}
    to: Some = pydantic.Field(description="Whom to ring: numbers, SIP addresses, groups of this file.")
    ring: Literal["at-once", "in-turn"] = pydantic.Field("at-once", description="All at once, or one after the other.")
    timeout: Duration | None = pydantic.Field(None, description="How long to ring.")


class Written(NamedTuple):
    """A target that the author wrote out."""

    to: To


class Dialling(Word):
    """Ring people."""

    plain: ClassVar[str] = "to"
    instead: ClassVar[Mapping[str, Any]] = {"to": SOMETHING}
    verb: ClassVar[str] = "Dial"
    to: Some = pydantic.Field(description="Whom to ring: numbers, SIP addresses, groups of this file.")
    ring: Literal["at-once", "in-turn"] | None = pydantic.Field(None, description="All at once, or one after the other.")
    timeout: Duration | None = pydantic.Field(None, description="How long to ring.")
    no_answer: NodeName = pydantic.Field("", description="The node where nobody takes the call.")
    record: bool = pydantic.Field(default=False, description="Whether the conversation is recorded.")
    tag: str = pydantic.Field("", description="Marks the dial in the events that report it.")
    meta: dict[str, str] = pydantic.Field({}, description="Variables that are passed on to callback URLs.")
    error: Steps | None = pydantic.Field(None, description="The steps where nobody takes the call, instead of no_answer.")
    extra: dict[str, str] = pydantic.Field({}, exclude=True)

    def write(self, run: Run, path: Path) -> None:
        """The Dial; with ``in-turn``, each next target in the Error of the one before."""
        groups = [run.compiler.groups[name] for name in self.to if name in run.compiler.groups]
        targets = [*self._targets(run, path)]
        ring = self.ring or next((group.ring for group in groups), "at-once")
        nobody = self._nobody(run, path)
        if not targets:
            return
        if nobody is None and not run.static and run.following in ("goto", "voicemail"):
            message = f"the {run.following} after this dial runs when a conversation is over, and when nobody answers"
            run.warning(path, "dial-then-goto", message, "name the node under no_answer if it is meant for that", key=True)
        timeout = self.timeout or next((group.timeout for group in groups if group.timeout is not None), None)
        if ring == "in-turn" and len(targets) > MOST_IN_TURN and not run.static:
            nobody, targets = self._rest(run, path, timeout), targets[:MOST_IN_TURN]
        rounds = [[target] for target in targets] if ring == "in-turn" else [targets]
        for target in targets:
            if isinstance(target, Computed):
                run.act_quietly(target.decide)
        self._round(run, path, rounds, nobody, timeout)

    def _rest(self, run: Run, path: Path, timeout: int | None) -> Run:
        """Those who are rung when nobody of the first took the call: in a document of its own, as none may be too deep."""
        everybody = [member for name in self.to for member in self._members(run, name)]
        rest: dict[str, Any] = {
            "to": everybody[MOST_IN_TURN:],
            "ring": "in-turn",
            "no_answer": self.no_answer,
            "tag": self.tag,
        }
        rest |= {"timeout": f"{timeout}ms"} if timeout is not None else {}
        rest |= {"error": self.error} if self.error is not None else {}
        rest |= {"record": "true"} if self.record else {}
        after = None if run.inner else (run.node, run.step + 1)
        given = {"dial": {key: value for key, value in {**rest, "meta": self.meta, **self.extra}.items() if value != ""}}
        branch = run.branch()
        branch.goto(
            run.compiler.apart(run.node, [given], (*path, "to", f"after {MOST_IN_TURN}"), after, fetched=True), path
        )
        return branch

    def _members(self, run: Run, name: str) -> list[str]:
        group = run.compiler.groups.get(name)
        return [name] if group is None else group.to

    def _round(
        self, run: Run, path: Path, rounds: Sequence[Sequence[Written | Computed]], nobody: Run | None, timeout: int | None
    ) -> None:
        """Ring the first round; where nobody takes it, the others."""
        missed = nobody
        if rounds[1:]:
            missed = run.branch()
            self._round(missed, path, rounds[1:], nobody, timeout)
        ringing = run.branch(inner=False)
        targets = [
            target.to if isinstance(target, Written) else ringing.target([target.piece(run.dialect)])
            for target in rounds[0]
        ]
        inside = [Error(ringing.place(missed))] if missed is not None and missed.pieces else []
        if self.record and run.dialect == "reference":
            ringing.answer()
        ringing.note(RINGS if rounds[1:] else RINGS_LAST, path)
        ringing.write(self._dial(ringing, targets, inside, path, timeout), path=path)
        computed = [target for target in rounds[0] if isinstance(target, Computed)]
        if len(computed) < len(rounds[0]):
            run.pieces += ringing.pieces
            run.take(ringing)
            return
        run.pieces.append(Choice(_any(computed), merged(ringing.pieces), ends=False))
        run.take(ringing)
        otherwise = merged([run.comment("refused", path), *(missed.pieces if missed is not None else [])])
        if otherwise:
            run.pieces.append(Choice(_none(computed), otherwise, missed is not None and missed.ends))

    def _targets(self, run: Run, path: Path) -> Iterator[Written | Computed]:
        for index, target in enumerate(self.to):
            where: Path = (*path, "to", index)
            group = run.compiler.groups.get(target)
            if group is None:
                yield from self._target(run, where, target)
                continue
            run.compiler.groups_used.add(target)
            for place, member in enumerate(group.to):
                listed: Path = ("groups", target, place)
                within = listed if listed in run.compiler.report.places else ("groups", target, "to", place)
                yield from self._target(run, within, member)

    def _target(self, run: Run, where: Path, target: str) -> Iterator[Written | Computed]:
        if target == SOMETHING:
            return
        if "{{" in target or "{%" in target:
            text = run.template(target, where)
            if text is not None and text.constant is None:
                mark = run.mark_of("dial", target, text.uses)
                run.compiler.computed(where)
                yield Computed(text.plain, run.compiler.policy, mark)
            return
        if NUMBER.accepts(target.strip()) and not e164(target) and not is_emergency(target):
            message = f"to: {target!r} is no number that can be rung from everywhere"
            mend = "write it with its country code, as +12015550188; an extension of yours is fine"
            run.warning(where, "dial-target", message, mend)
        if target.strip().endswith(NOWHERE):
            run.error(where, "dial-target", f"to: no host ends with {NOWHERE}", _MEND)
            return
        try:
            made = Written(To(target.strip()))
        except BuildError as error:
            number = f"did you mean {e164(target)!r}?" if e164(target) else ""
            near = number or suggestion(target, run.compiler.groups) or _MEND
            run.error(where, "dial-target", f"to: {_said(error)}", near)
            return
        run.compiler.dialled(target.strip(), where)
        yield made

    def _nobody(self, run: Run, path: Path) -> Run | None:
        """What happens where nobody takes the call."""
        if self.no_answer and self.error is not None:
            run.error((*path, "error"), "dial", "no_answer and error mean the same: give one", key=True)
        if not self.no_answer and self.error is None:
            return None
        if not self.no_answer:
            return run.within(self.error or [], (*path, "error"))
        nobody = run.branch()
        nobody.goto(self.no_answer, (*path, "no_answer"))
        return nobody

    def _dial(self, run: Run, targets: list[To], inside: list[Error], path: Path, timeout: int | None) -> Dial | Record:
        given: dict[str, Any] = {}
        if timeout is not None:
            given["timeout"] = timeout
        if self.extra:
            given["extra"] = self.extra
        if self.tag:
            given["tag"] = run.prose(self.tag, (*path, "tag"))
        if self.record and run.dialect == "classic":
            given["record"] = "record-from-answer"
        dial = Dial(*targets, *inside, *run.metas(self.meta, (*path, "meta")), **given)
        return Record(dial, tag="conversation") if self.record and run.dialect == "reference" else dial


def look_at_group(name: str, run: Run) -> None:
    """Say what is wrong with whom a group rings."""
    used, dials = {*run.compiler.groups_used}, {**run.compiler.dials}
    for _ in Dialling(to=[name])._targets(run, ()):  # noqa: SLF001 - its own
        pass
    run.compiler.groups_used, run.compiler.dials = used, dials


class Computed:
    """A target that is worked out when a call is there, and rung only if the file's dial policy allows it."""

    def __init__(self, text: Callable[[Turn], str], policy: Policy, mark: Mark) -> None:
        self._text = text
        self._policy = policy
        self._mark = mark

    def decide(self, turn: Turn) -> None:
        """Work it out and ask the policy; what is refused is nothing, and the trail says why."""
        written = self._text(turn)
        refusal = self._policy.refusal(written)
        turn.found[self] = "" if refusal else self._policy.target(written)
        secret = any(name.partition(".")[0] in self._mark.secrets for name in self._mark.uses)
        detail = {"target": SECRET if secret else masked(written)}
        detail |= {"refused": SECRET if secret else refusal} if refusal else {}
        turn.trail.append((self._mark, "refused" if refusal else "allowed", turn.values, detail))

    def allowed(self, turn: Turn) -> str:
        """The target, or nothing."""
        target: str = turn.found[self]
        return target

    def piece(self, dialect: str) -> Piece:
        """The element of the target."""

        def hole(turn: Turn) -> str:
            target = self.allowed(turn)
            tag = "To" if dialect == "reference" else "Sip" if "@" in target else "Number"
            return f"<{tag}>{target}</{tag}>" if target else ""

        return hole


def _any(computed: Sequence[Computed]) -> Callable[[Turn], bool]:
    return lambda turn: any(target.allowed(turn) for target in computed)


def _none(computed: Sequence[Computed]) -> Callable[[Turn], bool]:
    return lambda turn: not any(target.allowed(turn) for target in computed)


def _said(error: BuildError) -> str:
    """The message without its element."""
    return str(error).partition(": ")[2] or str(error)
