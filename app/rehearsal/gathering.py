"""A Gather: keys are collected, then a branch runs, or a URL is asked for what comes next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.language import DTMF, Default, Pause, Play, Say
from app.rehearsal import platform
from app.rehearsal.line import Failed, GoesOn, tagged

if TYPE_CHECKING:
    from app.language import Dialect, Gather
    from app.language.element import Element
    from app.rehearsal.interpreter import Interpreter

NOTHING_ENTERED: Final = "nothing was entered"


class Gathering:
    """One Gather while it is played."""

    def __init__(self, line: Interpreter, gather: Gather, path: str, dialect: Dialect) -> None:
        self._line = line
        self._gather = gather
        self._path = path
        self._classic = dialect == "classic"
        given = gather.attributes
        self._length: int = given.get("dtmf_length", 1 if self._classic else 0)
        self._stop: str = given.get("dtmf_stop", "*" if self._classic else "")
        self._url = given.get("url", "")

    async def run(self) -> None:
        """The attempts, until something is entered that counts. Raises GoesOn where a document was fetched."""
        if self._line.buffer:
            self._line.rules.decide(platform.EARLY_KEYS)
        attempts: int = self._gather.attributes.get("attempts", 1)
        for attempt in range(1, attempts + 1):
            self._line.bounded()
            await self._prompts()
            digits = await self._collected()
            branch = self._branch(digits)
            matched, taken = isinstance(branch, DTMF), self._taken(digits)
            result = self._result(digits, matched=matched)
            await self._line.hear("Gather", self._path, digits=digits, result=result, **tagged(self._gather))
            if self._url and self._classic:
                await self._asked_classic(digits, attempt, attempts)
            elif self._url and digits:
                await self._asked(digits, matched=matched)
            if matched or taken or attempt == attempts:
                await self._chosen(branch, digits, last=attempt > 1 and not (matched or taken))
                return

    async def _prompts(self) -> None:
        for index, child in enumerate(self._gather.children):
            if isinstance(child, (Say, Play, Pause)):
                await self._line.command(child, f"{self._path}.{child.row.name}[{index}]")

    def _branch(self, digits: str) -> Element | None:
        """The branch for these digits; none where nothing was entered."""
        children = self._gather.children if digits else ()
        for child in children:
            if isinstance(child, DTMF) and child.attributes["value"] == digits:
                return child
        return next((child for child in children if isinstance(child, Default)), None)

    async def _chosen(self, branch: Element | None, digits: str, *, last: bool) -> None:
        """Run a branch; the flow goes on behind the Gather. Raises Failed where nothing was entered: its Error runs."""
        if last:
            self._line.rules.decide(platform.LAST_ATTEMPT)
        if not digits:
            raise Failed(NOTHING_ENTERED)
        if branch is not None:
            index = next(i for i, child in enumerate(self._gather.children) if child is branch)
            await self._line.branch(branch, f"{self._path}.{branch.row.name}[{index}]")

    def _result(self, digits: str, *, matched: bool) -> str:
        if matched or not digits:
            return "matched" if matched else "no-input"
        return "collected" if self._url or self._taken(digits) else "no-match"

    def _taken(self, digits: str) -> bool:
        """Whether these digits are what was wanted because any are: nobody looks at them, no branch and no URL."""
        branches = (child for child in self._gather.children if isinstance(child, (DTMF, Default)))
        return bool(digits) and not self._url and next(branches, None) is None

    # Keys

    async def _collected(self) -> str:
        """The digits: until there are enough, the stop key, or no more within the time."""
        wait = self._wait()
        digits = ""
        while True:
            while self._line.buffer:
                key, self._line.buffer = self._line.buffer[0], self._line.buffer[1:]
                if key == self._stop:
                    self._line.rules.decide(platform.STOP_KEY)
                    self._few(digits)
                    return digits
                digits += key
                if len(digits) == self._length:
                    return digits
                self._alone(digits)
            more = await self._line.pressed("Gather", self._path, wait, self._stop)
            if not more:
                self._over(digits)
                return digits
            self._line.buffer += more

    def _wait(self) -> float:
        timeout: Any = self._gather.attributes.get("timeout")
        return float(timeout) / 1000 if timeout is not None else platform.BETWEEN_DIGITS

    def _over(self, digits: str) -> None:
        """The time is over."""
        if "timeout" not in self._gather.attributes:
            self._line.rules.decide(platform.NO_TIME_LIMIT)
        self._few(digits)

    def _few(self, digits: str) -> None:
        if digits and len(digits) < self._length:
            self._line.rules.decide(platform.FEW_DIGITS)

    def _alone(self, digits: str) -> None:
        """Say that the digits so far lead nowhere, and more are awaited all the same."""
        keys = [str(child.attributes["value"]) for child in self._gather.children if isinstance(child, DTMF)]
        if keys and not any(value.startswith(digits) for value in keys):
            self._line.rules.decide(platform.NO_BRANCH)

    # The URL

    async def _asked(self, digits: str, *, matched: bool) -> None:
        """Ask a reference Gather's URL, unless a branch is for the digits. Raises GoesOn, or Failed without a document."""
        if any(isinstance(child, (DTMF, Default)) for child in self._gather.children):
            self._line.rules.decide(platform.BRANCH_OR_URL)
        if matched:
            return
        raise GoesOn(await self._line.fetched("GET", self._line.url(self._url, digits)))

    async def _asked_classic(self, digits: str, attempt: int, attempts: int) -> None:
        """Ask a classic Gather's callback; an empty answer goes on. Raises GoesOn, or Failed."""
        if attempt < attempts:
            self._line.rules.decide(platform.ATTEMPTS)
        method = self._gather.attributes.get("method", "GET")
        url = self._line.classic_url(self._url, digits, attempt)
        body = self._line.ringing.history() if method == "POST" else None
        document = await self._line.fetched(method, url, body, may_be_empty=True)
        if document.strip():
            raise GoesOn(document)
