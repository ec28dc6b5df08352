"""All exceptions of the package. A message says where the problem is, what is wrong and how to fix it.

CallflowsError
├── LanguageError                 invalid in Opentact's XML language
│   ├── VerbBuildError            a verb was built with wrong values (also a ValueError)
│   ├── DocumentReadError         a document cannot be read: line, column, reason
│   └── DialectError              the dialect cannot express an element or attribute
├── FlowFileError                 a flow file is wrong: all its problems
├── DraftConflictError            the file of a flow has changed since a draft was begun
├── DraftRefusedError             a draft has errors: all its problems
├── ReadOnlyFlowsError            the file of a flow cannot be written: the reason, and a patch
├── ValueEditError                a value of a flow file cannot be changed by itself
├── CommandBusyError              too many commands run beside the server
├── CommandFailedError            a command beside the server failed: its messages
├── FlowCreationError             a new flow cannot be created from a template
├── ImportSourceError             a flow of another platform cannot be read: line, column, reason
├── CampaignError                 a list of people cannot be called: the list, the settings, or Opentact
├── PythonFlowError               a Python flow is written wrongly
├── TwimlError                    an app's answer in TwiML cannot be had, or cannot be translated
├── ValueTooLongError             a flow computes a value that is longer than any use of it
├── ExpressionError               a condition or a text cannot be evaluated
│   └── UnknownNameError          it has a name that the flow does not define


├── CallLimitError                a caller or a number has too many calls
├── NodeGoneError                 a call goes on at a node that its flow has no more
├── TicketError                   a signed URL cannot be used
│   ├── ForgedTicketError         the signature is not ours
│   └── ExpiredTicketError        the signature is ours, but the ticket is too old
├── SandboxError                  a process that runs an author's code returned no result
│   ├── SandboxTimeoutError       no result in time
│   ├── TooManyJobsError          a turn needs more jobs than are allowed
│   ├── SandboxCrashError         the process ended
│   └── AuthorCodeError           the author's code raised an error
├── RehearsalError                a call cannot be rehearsed
│   ├── UnknownCallError          too little is known of a recorded call
│   ├── ScenarioError             a scenario or a script is written wrongly
│   └── UndocumentedBehaviourError    Opentact's documentation does not define the behaviour
├── OutboundRequestError          an external server gave no usable answer
│   ├── BlockedRequestError       the request is not allowed, now or later
│   ├── RecipientOptedOutError    the recipient wants no messages
│   ├── RetryLaterError           nothing was done, and a later attempt may succeed
│   └── OpentactError             Opentact refused a request: status, message, fields
│       ├── OpentactAuthenticationError   401: the token or the password is not accepted
│       ├── OpentactBalanceError          402: the account has not enough money
│       ├── OpentactNotFoundError         404: the resource does not exist
│       ├── OpentactConflictError         409: the resource is taken, or exists already
│       ├── OpentactRateLimitError        429: too many requests
│       ├── OpentactUnavailableError      no answer: not reached, too late, or a server error (5xx)
│       ├── OpentactResponseError         the answer is not in Opentact's format
│       └── OpentactUndocumentedError     the documentation of the request is lost
├── JournalError                  the journal cannot be written or read
│   ├── JournalUnavailableError   the database cannot be reached, or cannot write at the moment
│   └── JournalRejectionError     the database will never accept the data
└── SettingsError                 the installation is configured wrongly
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class CallflowsError(Exception):
    """Base class of all errors of the package."""


class LanguageError(CallflowsError):
    """An error in Opentact's XML language: a value, a document or a spelling is invalid."""


class VerbBuildError(LanguageError, ValueError):
    """A verb was built with wrong values; the message says what is allowed."""


class DocumentReadError(LanguageError):
    """A document cannot be read.

    ``line`` and ``column`` count from 1; ``reason`` is the message without the line.
    """

    def __init__(self, line: int, column: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.column = column
        self.reason = reason


class DialectError(LanguageError):
    """The dialect cannot express an element or attribute; ``path`` is the element's place, as ``Gather[2].DTMF[0]``."""

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.reason = reason
        self.path = path


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """One problem in a file, with its fix; ``line`` and ``column`` count from 1.

    A ``note`` is no mistake: it names something that Opentact does not document.
    """

    file: str
    line: int
    column: int
    severity: Literal["error", "warning", "note"]
    rule: str
    message: str
    fix: str = ""

    def __str__(self) -> str:
        """Format for people: place, severity, message, fix, rule."""
        fix = f" ({self.fix})" if self.fix else ""
        return f"{self.file}:{self.line}:{self.column}: {self.severity}: {self.message}{fix} [{self.rule}]"


def sort_problems(problems: Iterable[Problem]) -> list[Problem]:
    """Return problems in the order in which a reader of the files meets them."""
    return sorted(problems, key=lambda problem: (problem.file, problem.line, problem.column))


class FlowFileError(CallflowsError):
    """A flow file is wrong; ``problems`` lists every problem."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class CompileTimeExceededError(CallflowsError):
    """The compilation of a flow file took too long and is given up."""


class CallerListAwaitedError(CallflowsError):
    """A flow cannot be compiled before a thread has read its caller list; its message is the list's file."""


class FlowCreationError(CallflowsError):
    """A flow cannot be created from a template because of the name, the number or an existing file."""


class ImportSourceError(CallflowsError):
    """A file of another platform cannot be imported; ``line`` and ``column`` count from 1."""

    def __init__(self, line: int, column: int, reason: str, fix: str = "") -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.column = column
        self.reason = reason
        self.fix = fix


class CampaignError(CallflowsError):
    """A list of people cannot be read or called; the message has the reason and the fix."""


class PythonFlowError(CallflowsError):
    """A Python flow is written wrongly."""


class TwimlError(CallflowsError):
    """The answer of an app in TwiML cannot be had, or has something at this place that Opentact has nothing for."""


class ValueTooLongError(CallflowsError):
    """A flow computes a value that is longer than any use of it."""


class ExpressionError(CallflowsError):
    """A condition or a text cannot be evaluated; ``line`` and ``column`` count from 1 within the text.

    ``column`` is 0 if it is not known.
    """

    def __init__(self, message: str, fix: str = "", line: int = 1, column: int = 0) -> None:
        super().__init__(message)
        self.fix = fix
        self.line = line
        self.column = column


class UnknownNameError(ExpressionError):
    """A condition or a text has a name that the flow does not define."""

    missing_name = ""
    """The name, if no similar one is known."""


class CallLimitError(CallflowsError):
    """A caller has called, or a number was called, more often than the settings allow."""


class NodeGoneError(CallflowsError):
    """A call goes on at a node that its flow has no more."""


class TicketError(CallflowsError):
    """A signed URL cannot be used."""


class ForgedTicketError(TicketError):
    """The signature of the ticket is not ours."""


class ExpiredTicketError(TicketError):
    """The signature of the ticket is ours, but the ticket is too old."""


class SandboxError(CallflowsError):
    """A process that runs an author's code returned no result."""


class SandboxTimeoutError(SandboxError):
    """The sandbox process returned no result in time."""


class TooManyJobsError(SandboxError):
    """A turn needs more lookups and sandbox jobs than are allowed."""


class SandboxCrashError(SandboxError):
    """The sandbox process crashed, ended itself, or could not be started."""


class AuthorCodeError(SandboxError):
    """The author's code raised an error: the name of its type, its message and its traceback as Python prints it."""

    def __init__(self, error_type: str, message: str, trace: str = "") -> None:
        super().__init__(error_type, message, trace)
        self.error_type = error_type
        self.message = message
        self.trace = trace

    def __str__(self) -> str:
        """Format like the last line of a traceback: ``ValueError: no such account``."""
        return f"{self.error_type}: {self.message}"


class BenchmarkError(CallflowsError):
    """The speed of answers cannot be measured here."""


class RehearsalError(CallflowsError):
    """A call cannot be rehearsed."""


class CommandBusyError(CallflowsError):
    """Too many commands run beside the server."""


class CommandFailedError(CallflowsError):
    """A command beside the server failed; the message is what it printed."""


class DraftConflictError(CallflowsError):
    """The file of a flow has changed since the draft was begun."""


class DraftRefusedError(CallflowsError):
    """A draft has errors, and cannot go live."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = (*problems,)
        super().__init__("; ".join(map(str, self.problems)))


class ReadOnlyFlowsError(CallflowsError):
    """The file of a flow cannot be written; ``patch`` makes the change where the flows are kept, by ``git apply``."""

    def __init__(self, reason: str, patch: str) -> None:
        super().__init__(reason)
        self.patch = patch


class ValueEditError(CallflowsError):
    """A value of a flow file cannot be changed by itself."""


class UnknownCallError(RehearsalError):
    """Too little is known of a recorded call, or it went another way than a rehearsal goes."""


class ScenarioError(RehearsalError):
    """A scenario or a script is written wrongly; ``fix`` says how to write it."""

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(f"{message} ({fix})" if fix else message)
        self.message = message
        self.fix = fix


class UndocumentedBehaviourError(RehearsalError):
    """Opentact's documentation does not define the behaviour, and no behaviour is chosen."""


class OutboundRequestError(CallflowsError):
    """An external server gave no usable answer; the message gives the reason without contents of request or answer."""


class BlockedRequestError(OutboundRequestError):
    """The request is not allowed, now or later."""


class RecipientOptedOutError(OutboundRequestError):
    """The recipient sent STOP and wants no messages from this number."""


class RetryLaterError(OutboundRequestError):
    """The request failed without effect; a later attempt may succeed. ``retry_after`` is in seconds; None if unknown."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclasses.dataclass(frozen=True, slots=True)
class OpentactFieldProblem:
    """Opentact's complaint about one field of a request: the reason and the rejected value."""

    message: str
    value: object = None


class OpentactError(OutboundRequestError):
    """Opentact refused a request, or could not be reached.

    ``status`` is the HTTP status, or the status inside the answer if HTTP says 200; None without an answer. ``message`` and
    ``fields`` (by path, as ``params.to``) are Opentact's own words. The text for people names the request by method and
    path, without ids, numbers and values, so that it is safe to log.
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
        full_message = f"{message} ({details})" if details else message
        place = f"{request}: " if request else ""
        super().__init__(f"{place}{full_message}{f' [{status}]' if status else ''}{f'; {self.fix}' if self.fix else ''}")


class OpentactAuthenticationError(OpentactError):
    """Opentact does not accept the token, or the email and the password."""

    fix = "set CALLFLOWS_OPENTACT_TOKEN to a token that is valid, or CALLFLOWS_OPENTACT_EMAIL and _PASSWORD"


class OpentactBalanceError(OpentactError):
    """The account has not enough money."""

    fix = "add money to the account in Opentact's portal"


class OpentactNotFoundError(OpentactError):
    """The resource does not exist, or belongs to another account."""

    fix = "look at its id or number, and at whose token this is"


class OpentactConflictError(OpentactError):
    """The resource is taken, or exists already."""

    fix = "look at what is there"


class OpentactRateLimitError(OpentactError):
    """Too many requests; ``retry_after`` is the number of seconds Opentact asks to wait, None if not given."""

    fix = "ask again later"
    retry_after: float | None = None


class OpentactUnavailableError(OpentactError):
    """Opentact was not reached, did not answer in time, or had a server error (5xx).

    ``may_have_happened`` is true if Opentact may have carried out the request all the same. ``retry_after`` is the number
    of seconds Opentact asks to wait, None if not given.
    """

    may_have_happened: bool = False
    retry_after: float | None = None


class OpentactResponseError(OpentactError):
    """The answer is not Opentact's: no JSON, or not in the documented envelope."""

    fix = "see whether CALLFLOWS_OPENTACT_URL is that of Opentact's REST API"


class OpentactUndocumentedError(OpentactError):
    """Opentact offers the request, but its documentation is lost; the message says where to fill it in."""


class JournalError(CallflowsError):
    """The journal cannot be written or read."""


class JournalUnavailableError(JournalError):
    """The database cannot be reached, or cannot write at the moment; a later attempt may succeed."""


class JournalRejectionError(JournalError):
    """The database will never accept the data."""


class SettingsError(CallflowsError):
    """The installation is configured wrongly."""
