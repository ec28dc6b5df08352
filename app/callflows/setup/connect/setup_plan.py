"""Which errors of Opentact end a plan."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from callflows.errors import (
    OpentactAuthenticationError,
    OpentactBalanceError,
    OpentactRateLimitError,
    OpentactUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from callflows.opentact import OpentactClient
    from callflows.setup.connect.undo_log import UndoLog


PLAN_ENDING_ERRORS: Final = (
    OpentactUnavailableError,
    OpentactRateLimitError,
    OpentactAuthenticationError,
    OpentactBalanceError,
)
"""What would befall every other step too; where a step may be left out, any other refusal is only said."""


# A plan: steps that are shown before they are done, and what is said beside them.


@dataclasses.dataclass(frozen=True, slots=True)
class PlanNote:
    """What is said beside a plan, and the mend; ``missing``: something that was wanted cannot be had."""

    level: Literal["warning", "missing"]
    text: str
    fix: str = ""

    def __str__(self) -> str:
        """As a person reads it."""
        return f"{self.level}: {self.text}{f'; {self.fix}' if self.fix else ''}"


@dataclasses.dataclass(slots=True)
class PlanContext:
    """What steps work with; ``app`` and ``profile`` are the ids of ours, known when they are made at the latest."""

    opentact: OpentactClient
    undo_log: UndoLog
    app: str = ""
    profile: str = ""
    notes: list[PlanNote] = dataclasses.field(default_factory=list)


class SetupStep(Protocol):
    """One change at Opentact. ``kind`` names it for programs, ``lines`` say it to people, ``told`` is it as data."""

    @property
    def kind(self) -> str:
        """As ``make-app``."""

    @property
    def lines(self) -> list[str]:
        """What is changed, and below it each difference."""

    @property
    def json_fields(self) -> dict[str, Any]:
        """The same for programs; without secrets."""

    def record_intent(self, context: PlanContext) -> None:
        """Write into the ledger what will be changed, and what is there before."""

    async def apply(self, context: PlanContext, /) -> None:
        """Change it, and write into the ledger what came of it. Raises OpentactError."""


@dataclasses.dataclass(frozen=True, slots=True)
class RestoreStep:
    """A step back, as Step; what it changes is in the ledger already."""

    kind: str
    lines: list[str]
    json_fields: dict[str, Any]
    apply: Callable[[PlanContext], Coroutine[Any, Any, None]]

    def record_intent(self, context: PlanContext) -> None:
        """Nothing more is to be written down."""


@dataclasses.dataclass(frozen=True, slots=True)
class SetupPlan:
    """What is to be done, in this order; nothing where all is as it is wanted.

    ``app`` and ``profile`` are the ids of ours, as far as they are there already.
    """

    steps: tuple[SetupStep, ...]
    notes: tuple[PlanNote, ...] = ()
    app: str = ""
    profile: str = ""

    @property
    def lines(self) -> list[str]:
        """For people."""
        return [*(line for step in self.steps for line in step.lines), *map(str, self.notes)]

    @property
    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "app": self.app,
            "steps": [{"step": step.kind, **step.json_fields} for step in self.steps],
            "notes": [dataclasses.asdict(note) for note in self.notes],
        }

    @property
    def is_complete(self) -> bool:
        """Whether all that was wanted can be had."""
        return not any(note.level == "missing" for note in self.notes)


async def execute_plan(
    plan: SetupPlan, opentact: OpentactClient, undo_log: UndoLog, on_done: Callable[[SetupStep], None]
) -> list[PlanNote]:
    """Do what a plan says, each step written down before it is done; what came up on the way is given back.

    Raises OpentactError where Opentact refuses a step, SettingsError where it cannot be written down: then neither it nor
    what follows is done, and another ``connect`` or its removal goes on from there.
    """
    doing = PlanContext(opentact, undo_log, plan.app, plan.profile)
    for step in plan.steps:
        step.record_intent(doing)
        undo_log.save()
        await step.apply(doing)
        undo_log.save()
        on_done(step)
    return doing.notes
