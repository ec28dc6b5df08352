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
│   └── PlatformSilent       the documentation of the platform does not say what happens
├── OutsideError             a server outside gave no answer that can be used
│   ├── RefusedURL           it must not be asked, now or later
│   ├── OptedOut             whoever would be written to wants no messages
│   └── OpentactError        Opentact refused something: status, message, fields
│       ├── NotAuthenticated     401: the token or the password is not accepted
│       ├── NotEnoughBalance     402: the account has not enough money
│       ├── NotFound             404: there is no such thing
│       ├── Conflict             409: it is taken, or there already
│       ├── TooManyRequests      429: ask again later
│       ├── Unavailable          no answer: not reached, too late, or broken there (5xx)
│       ├── Unintelligible       an answer that is not Opentact's
│       └── NotDocumented        nobody knows how Opentact is asked for this
├── JournalError             what happened cannot be written or read
│   ├── StoreGone            the database cannot be reached, or cannot take anything
│   └── StoreRefused         it will never take this: what is wrong with it
└── SettingsError            the installation is configured wrongly

An error says where, what and the mend.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class CallflowsError(Exception):
    """The root of the tree."""


class LanguageError(CallflowsError):
    """Something that Opentact's XML does not have."""


class VerbBuildError(LanguageError, ValueError):
    """A verb was built wrongly; the message says what is allowed."""


class DocumentReadError(LanguageError):
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
    fix: str = ""

    def __str__(self) -> str:
        """As a person reads it: place, message, mend, rule."""
        mend = f" ({self.fix})" if self.fix else ""
        return f"{self.file}:{self.line}:{self.column}: {self.severity}: {self.message}{mend} [{self.rule}]"


class FlowFileError(CallflowsError):
    """A flow file is wrong."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class FlowCreationError(CallflowsError):
    """A flow cannot be begun from a template: the name, the number or the file is in the way."""


class PythonFlowError(CallflowsError):
    """A flow that is a program is written wrongly."""


class ExpressionError(CallflowsError):
    """A condition or a text cannot be evaluated; ``line`` counts from 1 within the text."""

    def __init__(self, message: str, fix: str = "", line: int = 1) -> None:
        super().__init__(message)
        self.fix = fix
        self.line = line


class TicketError(CallflowsError):
    """A signed URL cannot be used."""


class ForgedTicketError(TicketError):
    """Nobody of ours signed it."""


class ExpiredTicketError(TicketError):
    """It is ours, but too old."""


class SandboxError(CallflowsError):
    """A process that runs an author's work gave no answer."""


class SandboxTimeoutError(SandboxError):
    """The answer did not come in time."""


class SandboxCrashError(SandboxError):
    """The process is gone: it crashed, ended itself, or could not be started."""


class AuthorCodeError(SandboxError):
    """The work raised an error: its type's name, its message, and where as Python prints it."""

    def __init__(self, error_type: str, message: str, trace: str = "") -> None:
        super().__init__(error_type, message, trace)
        self.error_type = error_type
        self.message = message
        self.trace = trace

    def __str__(self) -> str:
        """As the last line of a traceback: ``ValueError: no such account``."""
        return f"{self.error_type}: {self.message}"


class RehearsalError(CallflowsError):
    """A call cannot be rehearsed."""


class ScenarioError(RehearsalError):
    """A scenario or a script is written wrongly; ``mend`` says how to write it."""

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(f"{message} ({fix})" if fix else message)
        self.message = message
        self.fix = fix


class UndocumentedBehaviourError(RehearsalError):
    """The documentation of the platform does not say what happens, and nothing is chosen."""


class OutboundRequestError(CallflowsError):
    """A server outside gave no answer that can be used; the message says why, without what was asked and answered."""


class BlockedRequestError(OutboundRequestError):
    """It must not be asked, now or later."""


class RecipientOptedOutError(OutboundRequestError):
    """Whoever would be written to said STOP, and wants no messages from this number."""


@dataclasses.dataclass(frozen=True, slots=True)
class OpentactFieldProblem:
    """What Opentact says of one field of a request: why it is wrong, and the value that it saw."""

    message: str
    value: object = None


class OpentactError(OutboundRequestError):
    """Opentact refused something, or could not be asked.

    ``status`` is that of HTTP, or the one in the answer where HTTP says 200; None where there was no answer.
    ``message`` and ``fields`` (by their path, as ``params.to``) are Opentact's own words. The text for people names the
    request by its method and path with ids and numbers left out, and has no values, so that it may stand in a log.
    """

    fix = ""

    def __init__(
        self,
        message: str,
        *,
        request: str = "",
        status: int | None = None,
        fields: Mapping[str, OpentactFieldProblem] | None = None,
        fix: str = "",
    ) -> None:
        self.message = message
        self.request = request
        self.status = status
        self.fields = dict(fields or {})
        self.fix = fix or self.fix
        details = "; ".join(f"{path}: {field.message}" for path, field in self.fields.items())
        said = f"{message} ({details})" if details else message
        place = f"{request}: " if request else ""
        super().__init__(f"{place}{said}{f' [{status}]' if status else ''}{f'; {self.fix}' if self.fix else ''}")


class OpentactAuthenticationError(OpentactError):
    """Opentact does not accept the token, or the email and the password."""

    fix = "set CALLFLOWS_OPENTACT_TOKEN to a token that is valid, or CALLFLOWS_OPENTACT_EMAIL and _PASSWORD"


class OpentactBalanceError(OpentactError):
    """The account has not enough money."""

    fix = "add money to the account in Opentact's portal"


class OpentactNotFoundError(OpentactError):
    """There is no such thing, or it is another account's."""

    fix = "look at its id or number, and at whose token this is"


class OpentactConflictError(OpentactError):
    """It is taken, or it is there already."""

    fix = "look at what is there"


class OpentactRateLimitError(OpentactError):
    """More was asked than Opentact allows; ``retry_after`` are the seconds that it wants to be left alone, if it said."""

    fix = "ask again later"
    retry_after: float | None = None


class OpentactUnavailableError(OpentactError):
    """Opentact was not reached, did not answer in time, or broke (5xx).

    ``done`` says whether what was asked may have been done all the same.
    """

    may_have_happened: bool = False


class OpentactResponseError(OpentactError):
    """The answer is not Opentact's: no JSON, or not in its envelope."""

    fix = "see whether CALLFLOWS_OPENTACT_URL is that of Opentact's REST API"


class OpentactUndocumentedError(OpentactError):
    """Opentact has it, but how it is asked is lost from the documentation; the message says where to fill it in."""


class JournalError(CallflowsError):
    """What happened cannot be written or read."""


class JournalUnavailableError(JournalError):
    """The database cannot be reached, or cannot take anything; later it may."""


class JournalRejectionError(JournalError):
    """The database will never take this."""


class SettingsError(CallflowsError):
    """The installation is configured wrongly."""
