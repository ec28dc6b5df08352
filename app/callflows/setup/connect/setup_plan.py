"""The plan of a setup: steps shown before execution, and notes. Each step is written to the undo log before its change."""

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

    from callflows.opentact import Opentact
    from callflows.setup.connect.undo_log import UndoLog


PLAN_ENDING_ERRORS: Final = (
    OpentactUnavailableError,
    OpentactRateLimitError,
    OpentactAuthenticationError,
    OpentactBalanceError,
)
"""Errors that would fail every other step, too. Any other refusal of an optional step becomes a note."""


@dataclasses.dataclass(frozen=True, slots=True)
class PlanNote:
    """A remark about a plan, with the fix; level ``missing``: a desired part is not possible."""

    level: Literal["warning", "missing"]
    text: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.level}: {self.text}{f'; {self.fix}' if self.fix else ''}"


@dataclasses.dataclass(slots=True)
class PlanContext:
    """State shared by the steps; ``app`` and ``profile`` are our ids, set by the creating step at the latest."""

    opentact: Opentact
    undo_log: UndoLog
    app: str = ""
    profile: str = ""
    notes: list[PlanNote] = dataclasses.field(default_factory=list)


class SetupStep(Protocol):
    """One change at Opentact. ``kind`` names the change for programs, ``lines`` and ``json_fields`` describe it."""

    @property
    def kind(self) -> str:
        """Name of the change, as ``make-app``."""

    @property
    def lines(self) -> list[str]:
        """One line for the change, and one for each difference."""

    @property
    def json_fields(self) -> dict[str, Any]:
        """The description for programs, without secrets."""

    def record_intent(self, context: PlanContext) -> None:
        """Record the planned change and the previous state in the undo log."""

    async def apply(self, context: PlanContext, /) -> None:
        """Make the change and record its result in the undo log. Raises OpentactError."""


@dataclasses.dataclass(frozen=True, slots=True)
class RestoreStep:
    """A ``SetupStep`` that restores a previous state; the undo log already contains the change."""

    kind: str
    lines: list[str]
    json_fields: dict[str, Any]
    apply: Callable[[PlanContext], Coroutine[Any, Any, None]]

    def record_intent(self, context: PlanContext) -> None:
        """Record nothing."""


@dataclasses.dataclass(frozen=True, slots=True)
class SetupPlan:
    """Steps in order of execution; empty if the setup is as desired.

    ``app`` and ``profile`` are our ids, if they exist already.
    """

    steps: tuple[SetupStep, ...]
    notes: tuple[PlanNote, ...] = ()
    app: str = ""
    profile: str = ""

    @property
    def lines(self) -> list[str]:
        return [*(line for step in self.steps for line in step.lines), *map(str, self.notes)]

    @property
    def as_json(self) -> dict[str, Any]:
        return {
            "app": self.app,
            "steps": [{"step": step.kind, **step.json_fields} for step in self.steps],
            "notes": [dataclasses.asdict(note) for note in self.notes],
        }

    @property
    def is_complete(self) -> bool:
        """True if the whole desired setup is possible."""
        return not any(note.level == "missing" for note in self.notes)


async def execute_plan(
    plan: SetupPlan, opentact: Opentact, undo_log: UndoLog, on_done: Callable[[SetupStep], None]
) -> list[PlanNote]:
    """Execute a plan and return the notes of its steps; each step is recorded before execution.

    Raises OpentactError if Opentact refuses a step, SettingsError if a step cannot be recorded. Neither that step nor later
    ones are done then; another ``connect``, or its removal, continues from there.
    """
    doing = PlanContext(opentact, undo_log, plan.app, plan.profile)
    for step in plan.steps:
        step.record_intent(doing)
        undo_log.save()
        await step.apply(doing)
        undo_log.save()
        on_done(step)
    return doing.notes
