"""Runs checks concurrently, each with a time limit. A failing check never affects the others."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar

from callflows.errors import CallflowsError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence


_FoundT = TypeVar("_FoundT")
DoctorLevel = Literal["ok", "warning", "error"]
CHECK_TIMEOUT_SECONDS: Final = 15.0
"""Default time limit of a check."""
_UNKNOWN_PREFIX: Final = "not checked: "


@dataclasses.dataclass(frozen=True, slots=True)
class DoctorFinding:
    """The result of a check, with the fix if something is wrong."""

    level: DoctorLevel
    found: str
    fix: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class DoctorCheck:
    """One check. ``is_local``: needs no network. ``failure_level``: severity if the check cannot be completed."""

    name: str
    run: Callable[[], Awaitable[Sequence[DoctorFinding]]]
    is_local: bool = False
    timeout_seconds: float = CHECK_TIMEOUT_SECONDS
    failure_level: DoctorLevel = "warning"


@dataclasses.dataclass(frozen=True, slots=True)
class DoctorResult:
    """A finding with the name of its check."""

    check: str
    level: DoctorLevel
    found: str
    fix: str


class SharedFetch(Generic[_FoundT]):
    """A fetch shared by several checks and executed once."""

    def __init__(self, fetch: Callable[[], Awaitable[_FoundT]]) -> None:
        self._fetch = fetch
        self._task: asyncio.Task[_FoundT] | None = None

    async def __call__(self) -> _FoundT:
        """Return the fetched value; raise the error of the fetch to every caller."""
        if self._task is None:
            self._task = asyncio.create_task(self._run_fetch())
            self._task.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(self._task)

    async def _run_fetch(self) -> _FoundT:
        return await self._fetch()


async def run_in_daemon_thread(work: Callable[[], _FoundT]) -> _FoundT:
    """Run blocking work, such as access to a dead disk, in a thread that does not delay the end of the process."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_FoundT] = loop.create_future()

    def set_outcome(set_future: Callable[[Any], None], value: object) -> None:
        if not future.done():
            set_future(value)

    def run_work() -> None:
        give, value = future.set_result, None
        try:
            value = work()
        except BaseException as error:  # noqa: BLE001 - raised again by the awaiting check
            give, value = future.set_exception, error  # type: ignore[assignment]
        if not loop.is_closed():
            loop.call_soon_threadsafe(set_outcome, give, value)

    threading.Thread(target=run_work, daemon=True).start()
    return await future


def wrap_local_check(check: Callable[[], Iterable[DoctorFinding]]) -> Callable[[], Awaitable[Sequence[DoctorFinding]]]:
    """Convert a synchronous check into an asynchronous one."""

    async def run_check() -> Sequence[DoctorFinding]:
        return await run_in_daemon_thread(lambda: [*check()])

    return run_check


async def run_doctor_checks(checks: Sequence[DoctorCheck], *, offline: bool = False) -> list[DoctorResult]:
    """Return the results of all checks in order; ``offline`` runs local checks only."""
    chosen_checks = [check for check in checks if check.is_local or not offline]
    check_findings = await asyncio.gather(*(_run_check(check) for check in chosen_checks))
    results = [
        DoctorResult(check.name, finding.level, finding.found, finding.fix)
        for check, findings in zip(chosen_checks, check_findings, strict=True)
        for finding in findings
    ]
    return [_shorten_repeated_reason(result, results) for result in results]


def _shorten_repeated_reason(result: DoctorResult, results: list[DoctorResult]) -> DoctorResult:
    """Replace a reason already reported as an error by another check."""
    reason = result.found.removeprefix(_UNKNOWN_PREFIX)
    where = next((other.check for other in results if other.level == "error" and reason in other.found), "")
    if reason == result.found or not where:
        return result
    return dataclasses.replace(result, found=f"{_UNKNOWN_PREFIX}first fix {where}", fix="")


async def _run_check(check: DoctorCheck) -> Sequence[DoctorFinding]:
    try:
        async with asyncio.timeout(check.timeout_seconds):
            return await check.run()
    except TimeoutError:
        return [
            DoctorFinding(
                "error",
                f"the check did not end within {check.timeout_seconds:g} s",
                "check that the server it contacts is reachable",
            )
        ]
    except CallflowsError as error:
        message = str(error) if check.failure_level == "error" else f"{_UNKNOWN_PREFIX}{error}"
        return [DoctorFinding(check.failure_level, message, getattr(error, "fix", ""))]
    except Exception as error:  # noqa: BLE001 - the other checks must still run
        return [DoctorFinding("error", f"the check itself failed: {type(error).__name__}: {error}", "please report it")]
