"""Runs commands of callflows beside the server, each in a process of its own.

Replays, scenarios and rehearsals of drafts use a processor for seconds or minutes. In a thread of the server they would
make callers wait for Python's lock. A replay of many calls has the lowest priority, gets only what the answers to callers
leave, and takes little of that while there are many (``replay_calls``). The other commands are short and a person waits for
them: on a busy machine the lowest priority would get little for minutes. A process is killed when nobody waits for its
result, or after a time limit.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from callflows.background_work import LOWEST_PRIORITY, lower_priority
from callflows.errors import CommandBusyError, CommandFailedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from callflows.settings import Settings


MAX_PROCESS_SECONDS: Final = 600.0
MAX_COMMANDS_AT_ONCE: Final = 2
"""Commands of one server process that run at once; further ones are refused."""
REPLAY_PRIORITY: Final = LOWEST_PRIORITY
SHORT_COMMAND_PRIORITY: Final = 5
"""Priorities as of ``nice``: a higher number gets less of a processor; the server has 0."""
_MAX_LINE_BYTES: Final = 64_000_000
_MAX_MESSAGE_CHARACTERS: Final = 4_000


class TriedDraft(NamedTuple):
    """A text that is tried instead of the file of a flow."""

    flow: str
    source: str
    suffix: str = ".yaml"


class CommandProcesses:
    """Starts the commands of one server process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._running = 0

    async def run_for_json(self, *arguments: str, draft: TriedDraft | None = None) -> Any:  # noqa: ANN401 - JSON
        """Run a command and return the JSON that it prints. Raises CommandBusyError and CommandFailedError."""
        lines = [line async for line in self.stream_lines(*arguments, draft=draft)]
        return json.loads("".join(lines))

    async def stream_lines(
        self, *arguments: str, draft: TriedDraft | None = None, priority: int = SHORT_COMMAND_PRIORITY
    ) -> AsyncIterator[str]:
        """Run a command and yield the lines that it prints. The command ends if the caller stops reading.

        Raises CommandBusyError if too many commands run, and CommandFailedError, with the messages of the command, if it
        prints no line, or ends with another code than 0 and 1.
        """
        if self._running >= MAX_COMMANDS_AT_ONCE:
            raise CommandBusyError
        self._running += 1
        try:
            with contextlib.ExitStack() as stack:
                command, *others = arguments
                options = _write_draft(stack, draft) if draft is not None else ()
                # The draft stands before the others, which may end with "--" and a text that is no option.
                async for line in self._run_process([command, *options, *others], priority):
                    yield line
        finally:
            self._running -= 1

    async def _run_process(self, arguments: Sequence[str], priority: int) -> AsyncIterator[str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # no Python flow in the working folder is taken for a module
            "-m",
            "callflows",
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._build_environment(),
            limit=_MAX_LINE_BYTES,
        )
        assert process.stdout is not None and process.stderr is not None  # noqa: S101, PT018 - pipes, as asked above
        messages = asyncio.create_task(process.stderr.read())
        try:
            lower_priority(process.pid, priority)
            has_output = False
            async with asyncio.timeout(MAX_PROCESS_SECONDS):
                async for line in process.stdout:
                    has_output = True
                    yield line.decode()
                code = await process.wait()
            if code not in (0, 1) or not has_output:
                raise CommandFailedError((await messages).decode("utf-8", "replace")[:_MAX_MESSAGE_CHARACTERS].strip())
        except TimeoutError:
            raise CommandFailedError(f"the command was ended after {MAX_PROCESS_SECONDS:.0f} s") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            messages.cancel()
            await process.wait()

    def _build_environment(self) -> dict[str, str]:
        """Return the environment of a command: the server may have settings that are not in its own environment."""
        settings = self._settings
        return {
            **os.environ,
            "CALLFLOWS_FLOWS": str(settings.flows),
            "CALLFLOWS_DATA": str(settings.data),
            "CALLFLOWS_DATABASE_URL": settings.journal_url,
            "CALLFLOWS_DIALECT": settings.dialect,
            "CALLFLOWS_DIAL_REGIONS": ",".join(settings.dial_regions),
            "CALLFLOWS_APOLOGY": settings.apology,
            "PYTHONIOENCODING": "utf-8",
        }


def _write_draft(stack: contextlib.ExitStack, draft: TriedDraft) -> tuple[str, str]:
    """Write a draft to a file that exists until the stack is closed; return the option for the command."""
    file = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="callflows-draft-"))) / f"{draft.flow}{draft.suffix}"
    file.write_text(draft.source, encoding="utf-8")
    return "--draft", str(file)
