"""Callers at random: whatever they press, whoever answers and whatever lookups find, no call may come to harm.

A caller is a scenario that is made up by hypothesis, so that what went wrong is made as short as it can be and is told as
a scenario.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hypothesis import HealthCheck, Phase, Verbosity, given, seed
from hypothesis import settings as bounds
from hypothesis.errors import Flaky

from app.flows.places import Report
from app.rehearsal.telling import lines
from app.testing.around import around_of
from app.testing.harm import Harms
from app.testing.recording import scenario_text
from app.testing.running import on_stage, ringing
from app.testing.scenarios import case_of, number_of
from app.testing.strangers import scenario_of, strangers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from app.flows.book import Flow
    from app.flows.loader import Progress
    from app.rehearsal.asking import Network
    from app.rehearsal.transcript import Transcript
    from app.settings import Settings
    from app.testing.harm import Harm
    from app.testing.running import Folder

SHRINKING: Final = 20.0
"""Seconds that a path which went wrong is made shorter for."""


class Fault(NamedTuple):
    """A flow that came to harm: what was wrong, and the shortest way there as a scenario."""

    flow: str
    file: str
    wrong: str
    scenario: str
    transcript: list[str]


class Explored(NamedTuple):
    """A flow to which callers at random came: how many, none where no number leads to it; and the fault that one found."""

    flow: str
    file: str
    callers: int
    fault: Fault | None = None


class Wrong(Exception):
    """A call came to harm."""


def explore(
    folders: Iterable[Folder],
    settings: Settings,
    *,
    examples: int,
    seconds: float,
    seed: int,
    on_progress: Progress | None = None,
) -> list[Explored]:
    """Let callers at random loose on every flow; ``seconds`` are for all flows, each has a like part of them."""
    right = [(folder, flow, _number(folder, flow)) for folder in folders for flow in folder.chosen if not flow.problems]
    todo = [(folder, flow, number) for folder, flow, number in right if number]
    explored = [Explored(flow.name, flow.file, 0) for _, flow, number in right if not number]
    for done, (folder, flow, number) in enumerate(todo):
        told = on_progress and partial(_further, on_progress, done * examples, len(todo) * examples)
        with asyncio.Runner() as runner:
            stage = on_stage(folder, settings)
            network = runner.run(stage.__aenter__())
            try:
                exploring = _Exploring(folder, flow, number, runner, network, told)
                fault = exploring.run(examples, seconds / len(todo), seed)
            finally:
                runner.run(stage.__aexit__(None, None, None))
        explored.append(Explored(flow.name, flow.file, exploring.callers, fault))
        if told is not None:
            told(examples)
    return explored


def _number(folder: Folder, flow: Flow) -> str:
    """A number that comes to the flow; nothing where others have all of them."""
    tried = (number_of(flow), *(f"+120155501{place:02}" for place in range(100)))
    return next((number for number in tried if number and folder.loaded.book.answering(number) is flow), "")


def _further(on_progress: Progress, before: int, total: int, done: int) -> None:
    on_progress(before + done, total)


class _Exploring:
    """One flow explored."""

    def __init__(
        self,
        folder: Folder,
        flow: Flow,
        number: str,
        runner: asyncio.Runner,
        network: Network,
        told: Callable[[int], None] | None,
    ) -> None:
        """``told`` is told how many callers rang."""
        self._folder = folder
        self._number = number
        self._told = told
        self._rang = 0
        self.callers = 0
        self._flow = flow
        self._runner = runner
        self._network = network
        self._there = around_of(flow)
        self._harms = Harms(flow, folder.options)
        self._found: tuple[tuple[int, ...], dict[str, Any], Harm, Transcript] | None = None
        """The shortest path that went wrong: how long it is, its caller, what was wrong, the call."""

    def run(self, examples: int, seconds: float, seeded: int) -> Fault | None:
        """Ring as often as that, or as long; gives the shortest path that came to harm."""
        end = time.monotonic() + seconds

        @seed(seeded)
        @bounds(
            max_examples=examples,
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=[*HealthCheck],
            verbosity=Verbosity.quiet,
            report_multiple_bugs=False,
        )
        @given(strangers(self._flow))
        def rings(said: dict[str, Any]) -> None:
            self._rang += 1
            if self._told is not None:
                self._told(min(self._rang, examples))
            if time.monotonic() < (end if self._found is None else end + SHRINKING):
                self._ring(said)

        with contextlib.suppress(Wrong, Flaky):
            rings()
        return self._fault()

    def _ring(self, said: dict[str, Any]) -> None:
        """Ring as one caller. Raises Wrong."""
        self.callers += 1
        call = self._call(said)
        harm = self._harms.of(call, answers_itself=bool(said.get("answers_itself")))
        if harm is not None:
            length = (len(said.get("keys", ())), len(said), len(call.steps), len(str(said)))
            if self._found is None or length < self._found[0]:
                self._found = (length, said, harm, call)
            raise Wrong(harm.wrong)

    def _call(self, said: dict[str, Any]) -> Transcript:
        report = Report(self._flow.file)
        case = case_of(self._flow, scenario_of({"to": self._number, **said}), (), report, self._there)
        return self._runner.run(ringing(case, self._folder).ring(self._network))

    def _fault(self) -> Fault | None:
        if self._found is None:
            return None
        _, said, harm, call = self._found
        shown: dict[str, Any] = {"name": harm.wrong.partition(":")[0]}
        shown |= {"to": self._number} if number_of(self._flow) != self._number else {}
        shown |= {key: value for key, value in said.items() if key != "name"}
        shown |= {"expect": [*harm.expect]} if harm.expect else {}
        return Fault(self._flow.name, self._flow.file, harm.wrong, scenario_text(shown), [*lines(call)])
