"""Words that reach the outside: questions to other servers, messages, webhooks."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

import pydantic

from app.flows.apart import result
from app.flows.pieces import Choice, merged
from app.flows.values import plain_value
from app.flows.words.lengths import fitting, look_at_length
from app.flows.words.once import calls_of
from app.flows.words.word import Duration, GivenName, NodeName, Word
from app.kept import Values
from app.language.values import URL
from app.numbers import e164, masked
from app.outside import Effect, Found, Lookup

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.calls import Turn
    from app.flows.places import Path
    from app.flows.trail import Mark
    from app.flows.writing import Run

    Render = Callable[[Turn], Any]

LOOKUP_TIMEOUT: Final = 800
"""Milliseconds for which an answer is waited for."""
_HEADER: Final = re.compile("[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_TEMPLATE: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_CHANGES: Final = "\ufdd0"
_NUMBER: Final = re.compile("-?(0|[1-9][0-9]{0,14})([.][0-9]{1,15})?")


class LookUp(Word):
    """Ask another server, and remember its answer."""

    instead: ClassVar[Mapping[str, Any]] = {"url": "https://unread.invalid/", "into": "unread"}
    url: Annotated[str, URL] = pydantic.Field(description="Where to ask.")
    into: GivenName = pydantic.Field(description="The name under which the answer is kept.")
    method: Literal["GET", "POST", "PUT", "PATCH"] = pydantic.Field("GET", description="How it is asked.")
    headers: dict[str, str] = pydantic.Field({}, description="Headers that it is asked with.")
    body: Any = pydantic.Field(None, description="What is sent: a text, or data, which is sent as JSON.")
    timeout: Annotated[Duration, pydantic.Field(ge=1, le=5000)] = pydantic.Field(
        LOOKUP_TIMEOUT, description="How long the answer is waited for, at most 5s."
    )
    default: Any = pydantic.Field(None, description="What is kept where there is no answer.")
    otherwise: NodeName = pydantic.Field("", description="The node where there is no answer.")

    @classmethod
    def there(cls, _value: object) -> bool:
        """Nobody is asked before the call gets there."""
        return True

    def write(self, run: Run, path: Path) -> None:
        """The question; on any failure the default, and the node under ``otherwise``."""
        if run.static:
            run.error(path, "fallback-not-static", "the fallback cannot ask another server", "take it out")
            return
        asking = self._asking(run, path)
        if asking is None:
            return
        default = {} if self.default is None else typed(self.default)
        mark = run.mark_of("lookup", f"{self.into} = {self.method} {self.url.partition('?')[0]}")
        answer = Answer(asking, self.into, default, mark)
        run.keeps(self.into, default, (*path, "default"), run.step)
        run.act(answer.take, path, "another server is asked")
        if not self.otherwise:
            fails, found = run.comment("fails", path), run.comment("found", path)
            if fails:
                run.pieces.append(Choice(answer.failed, (fails,), ends=False, other=(found,)))
        else:
            failed = run.branch(inner=False)
            failed.note("fails", path)
            failed.goto(self.otherwise, (*path, "otherwise"))
            run.pieces.append(Choice(answer.failed, merged(failed.pieces), ends=True))
            run.absorb(failed)
            run.note("found", path)

    def _asking(self, run: Run, path: Path) -> Callable[[Turn], Lookup] | None:
        url = url_of(self.url, run, (*path, "url"))
        headers = {name: self._header(name, value, run, (*path, "headers", name)) for name, value in self.headers.items()}
        body = None if self.body is None else data_of(self.body, run, (*path, "body"))
        if url is None:
            return None
        method, timeout, into = self.method, self.timeout, self.into
        place = f"{run.compiler.name}/{run.node}/{run.step}"
        structured = isinstance(self.body, (dict, list))
        if structured and not any(name.lower() == "content-type" for name in headers):
            headers["content-type"] = lambda _turn: "application/json"

        def asking(turn: Turn) -> Lookup:
            given = "" if body is None else body(turn)
            text = json.dumps(given, ensure_ascii=False) if structured else str(given)
            told = tuple((name, render(turn)) for name, render in headers.items())
            return Lookup(url(turn), method, told, text, timeout, place, into)

        return asking

    def _header(self, name: str, value: str, run: Run, path: Path) -> Render:
        if not _HEADER.fullmatch(name):
            run.error(path, "value", f"headers: {name!r} is no header's name", key=True)
        run.whole(path)
        text = run.template(value, path)
        plain = text.plain if text is not None else str
        return lambda turn: re.sub("[\r\n\x00-\x1f\x7f]", " ", plain(turn))


class Answer:
    """What a lookup gave, taken into a turn."""

    def __init__(self, asking: Callable[[Turn], Lookup], into: str, default: Any, mark: Mark) -> None:  # noqa: ANN401
        self._asking = asking
        self._into = into
        self._default = default
        self._mark = mark

    def take(self, turn: Turn) -> None:
        """Remember the answer. Raises Pending where it is not there yet."""
        found: Found = result(turn, self._asking(turn))
        turn.found[self] = found.ok
        value = plain_value(found.value) if found.ok else self._default
        turn.values = Values({**turn.values, self._into: value})
        detail = {"status": found.status, "ms": round(found.ms, 1), "reason": found.reason, "result": value}
        turn.trail.append((self._mark, "found" if found.ok else "failed", turn.values, detail))

    def failed(self, turn: Turn) -> bool:
        """Whether there was no answer."""
        return not turn.found[self]


class Notice(pydantic.BaseModel):
    """A webhook to be sent."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    instead: ClassVar[Mapping[str, Any]] = {"url": "https://unread.invalid/"}
    url: Annotated[str, URL] = pydantic.Field(description="Whom to tell.")
    payload: dict[str, Any] = pydantic.Field({}, description="Data that is sent beside the call's.")


class Notify(Word):
    """Tell another server, once the answer is on its way."""

    instead: ClassVar[Mapping[str, Any]] = {"url": "https://unread.invalid/"}
    plain: ClassVar[str] = "url"
    url: Annotated[str, URL] = pydantic.Field(description="Whom to tell.")
    payload: dict[str, Any] = pydantic.Field({}, description="Data that is sent beside the call's.")

    @classmethod
    def there(cls, _value: object) -> bool:
        """Nobody is told of what a call did not get to."""
        return True

    def write(self, run: Run, path: Path) -> None:
        """An effect of the turn."""
        cause_notice(self, run, path, kind="notify")


def cause_notice(word: Notice | Notify, run: Run, path: Path, *, kind: Literal["notify", "voicemail"]) -> None:
    """A webhook as an effect: its URL, and as its body what happened and the author's payload."""
    if run.static:
        run.error(path, "fallback-not-static", "the fallback cannot tell anybody", "take it out")
        return
    url = url_of(word.url, run, (*path, "url"))
    data = data_of(word.payload, run, (*path, "payload"))
    if url is None:
        return
    flow, node = run.compiler.name, run.node

    def payload(turn: Turn) -> dict[str, Any]:
        call = {"id": turn.call.id, "from": turn.caller.number, "to": str(turn.number)}
        body = {"type": kind, "timestamp": str(turn.now), "flow": flow, "node": node, "call": call, "data": data(turn)}
        return {"url": url(turn), "body": body}

    _cause(run, path, kind, payload, word.url.partition("?")[0])


class Sms(Word):
    """Send a text message, once the answer is on its way."""

    instead: ClassVar[Mapping[str, Any]] = {"text": "?"}
    plain: ClassVar[str] = "text"
    text: str = pydantic.Field(min_length=1, description="What to write.")
    to: str = pydantic.Field("", description="To whom; else to the caller.")
    from_: Annotated[str, pydantic.Field(alias="from")] = pydantic.Field(
        "", description="From which number; else from the one called."
    )

    @classmethod
    def there(cls, _value: object) -> bool:
        """Nobody is written to from where a call did not get."""
        return True

    def write(self, run: Run, path: Path) -> None:
        """An effect of the turn; a number that is worked out must be one that the dial policy allows."""
        if run.static:
            run.error(path, "fallback-not-static", "the fallback cannot send a message", "take it out")
            return
        run.whole((*path, "text"))
        text = run.template(self.text, (*path, "text"))
        if text is not None and text.constant is not None:
            look_at_length(text.constant, run, (*path, "text"), "text")
        to, sender = self._number(run, path, "to"), self._number(run, path, "from_")
        if text is None:
            return
        policy = run.compiler.policy
        computed = "{{" in self.to or "{%" in self.to
        if computed:
            run.compiler.computed((*path, "to"))
        elif e164(self.to):
            run.compiler.dialled(self.to, (*path, "to"))

        def payload(turn: Turn) -> dict[str, Any]:
            number = to(turn) if to else turn.caller.number
            target = e164(number)
            refused = (policy.refusal(number) if computed else "") if target else "there is no number to write to"
            return {
                "to": target,
                "from": sender(turn) if sender else str(turn.number),
                "text": fitting(text.plain(turn)),
                "": refused,
            }

        refused = _cause(run, path, "sms", payload, self.text)
        fails, sent = (run.comment(what, path) for what in ("refused", "sent")) if computed else ("", "")
        if fails:
            run.pieces.append(Choice(refused, (fails,), ends=False, other=(sent,)))

    def _number(self, run: Run, path: Path, key: str) -> Render | None:
        written = getattr(self, key)
        here = (*path, key.rstrip("_"))
        text = run.template(written, here) if written else None
        if text is not None and text.constant is not None and not e164(text.constant):
            run.error(here, "number", f"{key.rstrip('_')}: {written!r} is not a number", "as +12015550123")
        return text.plain if text is not None else None


def _cause(
    run: Run,
    path: Path,
    kind: Any,  # noqa: ANN401 - as Effect has it
    payload: Callable[[Turn], dict[str, Any]],
    says: str,
) -> Callable[[Turn], bool]:
    """An effect of the turn, and a line in its trail; gives whether it was refused.

    A text is sent once a call, step and target; anybody else is told once for each URL by which a call comes here.
    """
    mark = run.mark_of(kind, says)
    run.compiler.reach.look(run.node, ("call.id", "caller.number", "number"), path)
    flow, node, step = run.compiler.name, run.node, run.step

    def do(turn: Turn) -> None:
        made = payload(turn)
        refused = made.pop("", "")
        turn.found[do] = bool(refused)
        once = made["to"] if kind == "sms" else turn.told.get("ticket", "").rpartition(".")[2]
        if not refused:
            now, before = (f"{call}/{once}/{flow}/{node}/{step}" if call else "" for call in calls_of(turn))
            turn.effects.append(Effect(kind, now, made, before))
        to = {"to": masked(made["to"])} if "to" in made else {}
        turn.trail.append(
            (mark, "refused" if refused else "caused", turn.values, {**to, "refused": refused} if refused else to)
        )

    run.act(do, path, f"{kind} is an effect")
    return lambda turn: turn.found[do]


def url_of(source: str, run: Run, path: Path) -> Callable[[Turn], str] | None:
    """An author's URL; values in it are percent-encoded."""
    run.compiler.outside = True
    run.whole(path)
    text = run.template(source, path, url=True)
    try:
        URL.read(_TEMPLATE.sub("x", source))
    except ValueError as error:
        run.error(path, "value", f"url: {error}", "write its scheme and host; what is in braces is percent-encoded")
        return None
    if _CHANGES in re.split(r"[/?#\\]", _TEMPLATE.sub(_CHANGES, source).partition("://")[2])[0]:
        said = "url: the host of a server that is asked is written out"
        run.error(path, "value", said, "what changes stands after the host")
        return None
    return text.plain if text is not None else None


def data_of(value: Any, run: Run, path: Path) -> Render:  # noqa: ANN401 - plain data
    """Data whose texts may change from call to call."""
    if isinstance(value, dict):
        fields = {key: data_of(part, run, (*path, key)) for key, part in value.items()}
        return lambda turn: {key: render(turn) for key, render in fields.items()}
    if isinstance(value, list):
        parts = [data_of(part, run, (*path, index)) for index, part in enumerate(value)]
        return lambda turn: [render(turn) for render in parts]
    run.whole(path)
    text = run.template(str(value), path)
    if text is None or text.constant is not None:
        constant = typed(value)
        return lambda _turn: constant
    return text.plain


def typed(value: Any) -> Any:  # noqa: ANN401 - plain data
    """What an author wrote as data: ``true``, ``false``, ``null`` and numbers are what they look like."""
    if isinstance(value, dict):
        return {key: typed(part) for key, part in value.items()}
    if isinstance(value, list):
        return [typed(part) for part in value]
    if not isinstance(value, str):
        return value
    if value in ("true", "false", "null"):
        return {"true": True, "false": False, "null": None}[value]
    found = _NUMBER.fullmatch(value)
    return (float(value) if found[2] else int(value)) if found else value
