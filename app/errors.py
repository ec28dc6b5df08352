"""Every error of ours.

CallflowsError
├── LanguageError            something that Opentact's XML does not have
│   ├── BuildError           a verb was built wrongly (also a ValueError)
│   ├── DocumentError        a document cannot be read: line, column, element
│   └── DialectError         a document cannot be said in this dialect
├── FlowError                a flow file is wrong: all its problems
├── FlowProgramError         a flow that is a program is written wrongly
├── TemplateRefused          a flow cannot be begun from a template
├── ExpressionError          a condition or a text cannot be evaluated
├── TicketError              a signed URL cannot be used
│   ├── ForgedTicket         nobody of ours signed it
│   └── StaleTicket          it is ours, but too old
├── WorkError                a process that runs an author's work gave no answer
│   ├── Overdue              not in time
│   ├── WorkerDied           the process is gone
│   └── WorkFailed           the work raised: its error
├── RehearsalError           a call cannot be rehearsed
│   ├── ScenarioError        a scenario or a script is written wrongly
│   └── NotDocumented        the documentation of the platform does not say what happens
├── OutsideError             a server outside gave no answer that can be used
│   ├── RefusedURL           it must not be asked, now or later
│   └── OptedOut             whoever would be written to wants no messages
└── SettingsError            the installation is configured wrongly

An error says where, what and the mend.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence


class CallflowsError(Exception):
    """The root of the tree."""


class LanguageError(CallflowsError):
    """Something that Opentact's XML does not have."""


class BuildError(LanguageError, ValueError):
    """A verb was built wrongly; the message says what is allowed."""


class DocumentError(LanguageError):
    """A document that cannot be read.

    ``line`` and ``column`` count from 1; ``reason`` is the message without them.
    """

    def __init__(self, line: int, column: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.column = column
        self.reason = reason


class DialectError(LanguageError):
    """What a dialect cannot say; ``path`` is the element's place, as ``Gather[2].DTMF[0]``."""

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.reason = reason
        self.path = path


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a file, and its mend; lines and columns count from 1."""

    file: str
    line: int
    column: int
    severity: Literal["error", "warning"]
    rule: str
    message: str
    mend: str = ""

    def __str__(self) -> str:
        """As a person reads it: place, message, mend, rule."""
        mend = f" ({self.mend})" if self.mend else ""
        return f"{self.file}:{self.line}:{self.column}: {self.severity}: {self.message}{mend} [{self.rule}]"


class FlowError(CallflowsError):
    """A flow file is wrong."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class TemplateRefused(CallflowsError):
    """A flow cannot be begun from a template: the name, the number or the file is in the way."""


class FlowProgramError(CallflowsError):
    """A flow that is a program is written wrongly."""


class ExpressionError(CallflowsError):
    """A condition or a text cannot be evaluated; ``line`` counts from 1 within the text."""

    def __init__(self, message: str, mend: str = "", line: int = 1) -> None:
        super().__init__(message)
        self.mend = mend
        self.line = line


class TicketError(CallflowsError):
    """A signed URL cannot be used."""


class ForgedTicket(TicketError):
    """Nobody of ours signed it."""


class StaleTicket(TicketError):
    """It is ours, but too old."""


class WorkError(CallflowsError):
    """A process that runs an author's work gave no answer."""


class Overdue(WorkError):
    """The answer did not come in time."""


class WorkerDied(WorkError):
    """The process is gone: it crashed, ended itself, or could not be started."""


class WorkFailed(WorkError):
    """The work raised an error: its type's name, its message, and where as Python prints it."""

    def __init__(self, kind: str, message: str, trace: str = "") -> None:
        super().__init__(kind, message, trace)
        self.kind = kind
        self.message = message
        self.trace = trace

    def __str__(self) -> str:
        """As the last line of a traceback: ``ValueError: no such account``."""
        return f"{self.kind}: {self.message}"


class RehearsalError(CallflowsError):
    """A call cannot be rehearsed."""


class ScenarioError(RehearsalError):
    """A scenario or a script is written wrongly; ``mend`` says how to write it."""

    def __init__(self, message: str, mend: str = "") -> None:
        super().__init__(f"{message} ({mend})" if mend else message)
        self.message = message
        self.mend = mend


class NotDocumented(RehearsalError):
    """The documentation of the platform does not say what happens, and nothing is chosen."""


class OutsideError(CallflowsError):
    """A server outside gave no answer that can be used; the message says why, without what was asked and answered."""


class RefusedURL(OutsideError):
    """It must not be asked, now or later."""


class OptedOut(OutsideError):
    """Whoever would be written to said STOP, and wants no messages from this number."""


class SettingsError(CallflowsError):
    """The installation is configured wrongly."""


def suggestion(word: str, known: Sequence[str]) -> str:
    """``did you mean 'sales'?`` where one of ``known`` is near enough, else nothing."""
    from difflib import get_close_matches  # noqa: PLC0415 - only where something is wrong already

    near = get_close_matches(word, known, n=1, cutoff=0.6) or [k for k in known if k.lower() == word.lower()]
    return f"did you mean {near[0]!r}?" if near else ""
