"""A plan: steps that are shown before they are done, and what is said beside them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from app.opentact import Opentact
    from app.setup.connecting.ledger import Ledger


@dataclasses.dataclass(frozen=True, slots=True)
class Note:
    """What is said beside a plan, and the mend; ``missing``: something that was wanted cannot be had."""

    level: Literal["warning", "missing"]
    text: str
    mend: str = ""

    def __str__(self) -> str:
        """As a person reads it."""
        return f"{self.level}: {self.text}{f'; {self.mend}' if self.mend else ''}"


@dataclasses.dataclass(slots=True)
class Doing:
    """What steps work with; ``app`` and ``profile`` are the ids of ours, known when they are made at the latest."""

    opentact: Opentact
    ledger: Ledger
    app: str = ""
    profile: str = ""
    notes: list[Note] = dataclasses.field(default_factory=list)


class Step(Protocol):
    """One change at Opentact. ``kind`` names it for programs, ``lines`` say it to people, ``told`` is it as data."""

    @property
    def kind(self) -> str:
        """As ``make-app``."""

    @property
    def lines(self) -> list[str]:
        """What is changed, and below it each difference."""

    @property
    def told(self) -> dict[str, Any]:
        """The same for programs; without secrets."""

    def intend(self, doing: Doing) -> None:
        """Write into the ledger what will be changed, and what is there before."""

    async def do(self, doing: Doing, /) -> None:
        """Change it, and write into the ledger what came of it. Raises OpentactError."""


@dataclasses.dataclass(frozen=True, slots=True)
class Back:
    """A step back, as Step; what it changes is in the ledger already."""

    kind: str
    lines: list[str]
    told: dict[str, Any]
    do: Callable[[Doing], Coroutine[Any, Any, None]]

    def intend(self, doing: Doing) -> None:
        """Nothing more is to be written down."""


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done, in this order; nothing where all is as it is wanted.

    ``app`` and ``profile`` are the ids of ours, as far as they are there already.
    """

    steps: tuple[Step, ...]
    notes: tuple[Note, ...] = ()
    app: str = ""
    profile: str = ""

    @property
    def lines(self) -> list[str]:
        """For people."""
        return [*(line for step in self.steps for line in step.lines), *map(str, self.notes)]

    @property
    def told(self) -> dict[str, Any]:
        """For programs."""
        return {
            "app": self.app,
            "steps": [{"step": step.kind, **step.told} for step in self.steps],
            "notes": [dataclasses.asdict(note) for note in self.notes],
        }

    @property
    def complete(self) -> bool:
        """Whether all that was wanted can be had."""
        return not any(note.level == "missing" for note in self.notes)


async def carry_out(plan: Plan, opentact: Opentact, ledger: Ledger, on_done: Callable[[Step], None]) -> list[Note]:
    """Do what a plan says, each step written down before it is done; what came up on the way is given back.

    Raises OpentactError where Opentact refuses a step, SettingsError where it cannot be written down: then neither it nor
    what follows is done, and another ``connect`` or its removal goes on from there.
    """
    doing = Doing(opentact, ledger, plan.app, plan.profile)
    for step in plan.steps:
        step.intend(doing)
        ledger.save()
        await step.do(doing)
        ledger.save()
        on_done(step)
    return doing.notes
