"""Checks and what they find: all at once, each within a time, and one that breaks takes no other with it."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar

from app.errors import CallflowsError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

T = TypeVar("T")
Level = Literal["ok", "warning", "error"]
SECONDS: Final = 15.0
"""For a check, unless it says otherwise."""
_UNTOLD: Final = "it cannot be told: "


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """What was found, and the mend where something is wrong."""

    level: Level
    found: str
    mend: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Check:
    """Something that is looked at. ``local``: without asking anybody. ``fails``: how bad it is that it cannot be told."""

    name: str
    look: Callable[[], Awaitable[Sequence[Finding]]]
    local: bool = False
    seconds: float = SECONDS
    fails: Level = "warning"


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """A finding, and the check that found it."""

    check: str
    level: Level
    found: str
    mend: str


class Once(Generic[T]):
    """Asked once, however many checks want to know it."""

    def __init__(self, ask: Callable[[], Awaitable[T]]) -> None:
        self._ask = ask
        self._asking: asyncio.Task[T] | None = None

    async def __call__(self) -> T:
        """What was found. Raises what asking raised, to each."""
        if self._asking is None:
            self._asking = asyncio.create_task(self._asked())
            self._asking.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(self._asking)

    async def _asked(self) -> T:
        return await self._ask()


async def beside(work: Callable[[], T]) -> T:
    """What work gives that may block, as on a disk that is gone; nobody waits for it when all is said."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(give: Callable[[Any], None], value: object) -> None:
        if not done.done():
            give(value)

    def run() -> None:
        give, value = done.set_result, None
        try:
            value = work()
        except BaseException as error:  # noqa: BLE001 - it is raised where it is awaited
            give, value = done.set_exception, error  # type: ignore[assignment]
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, give, value)

    threading.Thread(target=run, daemon=True).start()
    return await done


def looking(look: Callable[[], Iterable[Finding]]) -> Callable[[], Awaitable[Sequence[Finding]]]:
    """A look that asks nobody, as a check wants it."""

    async def looked() -> Sequence[Finding]:
        return await beside(lambda: [*look()])

    return looked


async def examine(checks: Sequence[Check], *, offline: bool = False) -> list[Result]:
    """What all checks find, in their order; ``offline``: only those that ask nobody."""
    wanted = [check for check in checks if check.local or not offline]
    found = await asyncio.gather(*(_examined(check) for check in wanted))
    results = [
        Result(check.name, finding.level, finding.found, finding.mend)
        for check, findings in zip(wanted, found, strict=True)
        for finding in findings
    ]
    return [_once(result, results) for result in results]


def _once(result: Result, results: list[Result]) -> Result:
    """A reason that another check has as its error is not told again."""
    reason = result.found.removeprefix(_UNTOLD)
    where = next((other.check for other in results if other.level == "error" and reason in other.found), "")
    if reason == result.found or not where:
        return result
    return dataclasses.replace(result, found=f"{_UNTOLD}see {where}", mend="")


async def _examined(check: Check) -> Sequence[Finding]:
    try:
        async with asyncio.timeout(check.seconds):
            return await check.look()
    except TimeoutError:
        return [
            Finding("error", f"it could not be told within {check.seconds:g} s", "see whether what it asks is reachable")
        ]
    except CallflowsError as error:
        said = str(error) if check.fails == "error" else f"{_UNTOLD}{error}"
        return [Finding(check.fails, said, getattr(error, "mend", ""))]
    except Exception as error:  # noqa: BLE001 - the others are still looked at
        return [Finding("error", f"the check itself broke: {type(error).__name__}: {error}", "please report it")]
