"""The steps lookup, notify and sms: requests to other servers, webhooks and text messages."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

import pydantic

from callflows.flows.compiler.fragments import ConditionalFragment, merge_adjacent_texts
from callflows.flows.expressions.plain_values import to_plain_data
from callflows.flows.source.source_values import DurationMs, NodeName, parse_plain_data
from callflows.flows.steps.step_base import ValueName, WordStep
from callflows.language.value_kinds import URL_KIND
from callflows.sandbox.deferred_jobs import get_job_result
from callflows.telephony.phone_numbers import mask_number, parse_e164
from callflows.telephony.ports import Effect, LookupRequest, LookupResult
from callflows.telephony.turn import Variables
from callflows.text import MAX_SMS_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from callflows.flows.compiler.node_compiler import NodeCompiler
    from callflows.flows.decisions import DecisionOrigin
    from callflows.flows.source.positions import SourcePath
    from callflows.telephony.turn import Turn

    RenderFunction = Callable[[Turn], Any]


def truncate_sms_text(text: str) -> str:
    """Shorten a text to MAX_SMS_CHARACTERS."""
    return text if len(text) <= MAX_SMS_CHARACTERS else f"{text[: MAX_SMS_CHARACTERS - 1]}…"


def check_sms_length(text: str, compiler: NodeCompiler, path: SourcePath, key: str) -> None:
    """Report an author's text that is empty or too long for a message."""
    if not text.strip():
        compiler.error(
            path, "message-text", f"{key}: the text is empty, and nothing would be sent", "write what is to be sent"
        )
    elif len(text) > MAX_SMS_CHARACTERS:
        said = f"{key}: the text has {len(text)} characters, and a message at most {MAX_SMS_CHARACTERS}"
        compiler.error(path, "message-text", said, "make it shorter")


# Keys that identify a call, so that an effect happens once even if Opentact repeats a request


EFFECT_KEY_WINDOW_SECONDS: Final = 60
"""Calls without an ID from Opentact count as one call if the numbers are equal and the calls begin within these seconds.

The time is up to twice as long if the calls begin on both sides of a full minute.
"""


def call_keys_of_turn(turn: Turn) -> tuple[str, str]:
    """Return the key of a call, and the key for the minute before if Opentact gave no call ID."""
    known = turn.request_fields.get("call")
    if known:
        return known, ""
    numbers, minute = f"{turn.caller.number}>{turn.number}", int(turn.timestamp) // EFFECT_KEY_WINDOW_SECONDS
    return f"{numbers}@{minute}", f"{numbers}@{minute - 1}"


# Steps


DEFAULT_LOOKUP_TIMEOUT_MS: Final = 800
"""Default time to wait for an answer."""
_HEADER_NAME: Final = re.compile("[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_JINJA_EXPRESSION: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_HOLE_MARK: Final = "\ufdd0"


class LookupStep(WordStep):
    """Ask another server, and remember its answer."""

    caller_hears: ClassVar[str] = (
        "Silence while the other server is asked, at most for `timeout`. "
        "If there is no answer, the call goes on with `default`, or at the node of `otherwise`."
    )
    check_rules: ClassVar[tuple[str, ...]] = ("unknown-node", "value", "ticket-too-big")
    instead: ClassVar[Mapping[str, Any]] = {"url": "https://unread.invalid/", "into": "unread"}
    url: Annotated[str, URL_KIND] = pydantic.Field(description="Where to ask.")
    into: ValueName = pydantic.Field(description="The name of the value that holds the answer.")
    method: Literal["GET", "POST", "PUT", "PATCH"] = pydantic.Field("GET", description="The method of the HTTP request.")
    headers: dict[str, str] = pydantic.Field({}, description="Headers of the HTTP request.")
    body: Any = pydantic.Field(None, description="The body of the HTTP request: a text, or data that is sent as JSON.")
    timeout: Annotated[DurationMs, pydantic.Field(ge=1, le=5000)] = pydantic.Field(
        DEFAULT_LOOKUP_TIMEOUT_MS, description="How long to wait for the answer, at most 5s."
    )
    default: Any = pydantic.Field(None, description="The value if there is no answer.")
    otherwise: NodeName = pydantic.Field("", description="The node to go on at if there is no answer.")

    @classmethod
    def runs_on_arrival(cls, _value: object) -> bool:
        """Return True: the request is sent only when the call arrives."""
        return True

    def compile_step(self, compiler: NodeCompiler, path: SourcePath) -> None:
        """Compile the request. On any failure the call gets the default and continues at the node under ``otherwise``."""
        if compiler.is_static:
            compiler.error(path, "fallback-not-static", "the fallback cannot ask another server", "take it out")
            return
        asking = self._make_lookup_builder(compiler, path)
        if asking is None:
            return
        default = {} if self.default is None else parse_plain_data(self.default)
        mark = compiler.make_decision_origin("lookup", f"{self.into} = {self.method} {self.url.partition('?')[0]}")
        answer = LookupAnswer(asking, self.into, default, mark)
        compiler.record_stored_value(self.into, default, (*path, "default"), compiler.step_index)
        compiler.add_action(answer.store_answer, path, "another server is asked")
        if not self.otherwise:
            fails, found = compiler.make_coverage_comment("fails", path), compiler.make_coverage_comment("found", path)
            if fails:
                compiler.fragments.append(
                    ConditionalFragment(answer.has_failed, (fails,), terminates=False, else_fragments=(found,))
                )
        else:
            failed = compiler.make_branch(inside_branch=False)
            failed.write_coverage_comment("fails", path)
            failed.write_goto(self.otherwise, (*path, "otherwise"))
            compiler.fragments.append(
                ConditionalFragment(answer.has_failed, merge_adjacent_texts(failed.fragments), terminates=True)
            )
            compiler.absorb_branch(failed)
            compiler.write_coverage_comment("found", path)

    def _make_lookup_builder(self, compiler: NodeCompiler, path: SourcePath) -> Callable[[Turn], LookupRequest] | None:
        url = compile_url(self.url, compiler, (*path, "url"))
        headers = {
            name: self._compile_header(name, value, compiler, (*path, "headers", name))
            for name, value in self.headers.items()
        }
        body = None if self.body is None else compile_data(self.body, compiler, (*path, "body"))
        if url is None:
            return None
        method, timeout, into = self.method, self.timeout, self.into
        place = f"{compiler.flow_compiler.name}/{compiler.node}/{compiler.step_index}"
        structured = isinstance(self.body, (dict, list))
        if structured and not any(name.lower() == "content-type" for name in headers):
            headers["content-type"] = lambda _turn: "application/json"

        def build_lookup(turn: Turn) -> LookupRequest:
            given = "" if body is None else body(turn)
            text = json.dumps(given, ensure_ascii=False) if structured else str(given)
            told = tuple((name, render(turn)) for name, render in headers.items())
            return LookupRequest(url(turn), method, told, text, timeout, place, into)

        return build_lookup

    def _compile_header(self, name: str, value: str, compiler: NodeCompiler, path: SourcePath) -> RenderFunction:
        if not _HEADER_NAME.fullmatch(name):
            compiler.error(path, "value", f"headers: {name!r} is no header's name", key=True)
        compiler.check_not_cut(path)
        text = compiler.compile_text(value, path)
        plain = text.render_plain if text is not None else str
        return lambda turn: re.sub("[\r\n\x00-\x1f\x7f]", " ", plain(turn))


class LookupAnswer:
    """Stores the result of a lookup in a turn."""

    def __init__(
        self,
        build_lookup: Callable[[Turn], LookupRequest],
        into: str,
        default: Any,  # noqa: ANN401 - plain data of the author
        mark: DecisionOrigin,
    ) -> None:
        self._build_lookup = build_lookup
        self._into = into
        self._default = default
        self._mark = mark

    def store_answer(self, turn: Turn) -> None:
        """Store the answer or the default. Raises NeedsResult if the answer is not available yet."""
        found: LookupResult = get_job_result(turn, self._build_lookup(turn))
        turn.step_results[self] = found.ok
        value = to_plain_data(found.value) if found.ok else self._default
        turn.values = Variables({**turn.values, self._into: value})
        detail = {"status": found.status, "ms": round(found.duration_ms, 1), "reason": found.reason, "result": value}
        turn.trail.append((self._mark, "found" if found.ok else "failed", turn.values, detail))

    def has_failed(self, turn: Turn) -> bool:
        return not turn.step_results[self]


class WebhookNotice(pydantic.BaseModel):
    """A webhook to be sent."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    instead: ClassVar[Mapping[str, Any]] = {"url": "https://unread.invalid/"}
    url: Annotated[str, URL_KIND] = pydantic.Field(description="The URL that the webhook is sent to.")
    payload: dict[str, Any] = pydantic.Field({}, description="Data of yours that is sent too.")


class NotifyStep(WordStep):
    """Tell another server, once the answer is on its way."""

    caller_hears: ClassVar[str] = "Nothing; the webhook is sent in the background."
    check_rules: ClassVar[tuple[str, ...]] = ("value", "template")
    instead: ClassVar[Mapping[str, Any]] = {"url": "https://unread.invalid/"}
    plain_key: ClassVar[str] = "url"
    url: Annotated[str, URL_KIND] = pydantic.Field(description="The URL that the webhook is sent to.")
    payload: dict[str, Any] = pydantic.Field({}, description="Data of yours that is sent too.")

    @classmethod
    def runs_on_arrival(cls, _value: object) -> bool:
        """Return True: the webhook is sent only when the call arrives."""
        return True

    def compile_step(self, compiler: NodeCompiler, path: SourcePath) -> None:
        compile_webhook(self, compiler, path, kind="notify")


def compile_webhook(
    notice: WebhookNotice | NotifyStep, compiler: NodeCompiler, path: SourcePath, *, kind: Literal["notify", "voicemail"]
) -> None:
    """Compile a webhook as an effect. The body contains the event and the author's payload."""
    if compiler.is_static:
        compiler.error(path, "fallback-not-static", "the fallback cannot tell anybody", "take it out")
        return
    url = compile_url(notice.url, compiler, (*path, "url"))
    data = compile_data(notice.payload, compiler, (*path, "payload"))
    if url is None:
        return
    flow, node = compiler.flow_compiler.name, compiler.node

    def build_payload(turn: Turn) -> dict[str, Any]:
        call = {"id": turn.call.id, "from": turn.caller.number, "to": str(turn.number)}
        body = {"type": kind, "timestamp": str(turn.now), "flow": flow, "node": node, "call": call, "data": data(turn)}
        return {"url": url(turn), "body": body}

    _compile_effect(compiler, path, kind, build_payload, notice.url.partition("?")[0])


class SmsStep(WordStep):
    """Send a text message, once the answer is on its way."""

    caller_hears: ClassVar[str] = "Nothing; the text message is sent in the background."
    check_rules: ClassVar[tuple[str, ...]] = (
        "message-text",
        "number",
        "message-loop",
        "dial-policy-closed",
        "dial-doubtful",
    )
    instead: ClassVar[Mapping[str, Any]] = {"text": "?"}
    plain_key: ClassVar[str] = "text"
    text: str = pydantic.Field(min_length=1, description="The text of the message.")
    to: str = pydantic.Field("", description="The number to write to. The caller if it is missing.")
    from_: Annotated[str, pydantic.Field(alias="from")] = pydantic.Field(
        "", description="The number to send from. The number that was called if it is missing."
    )

    @classmethod
    def runs_on_arrival(cls, _value: object) -> bool:
        """Return True: the message is sent only when the call arrives."""
        return True

    def compile_step(self, compiler: NodeCompiler, path: SourcePath) -> None:
        """Compile the message as an effect. A computed number must be allowed by the dial policy."""
        if compiler.is_static:
            compiler.error(path, "fallback-not-static", "the fallback cannot send a message", "take it out")
            return
        compiler.check_not_cut((*path, "text"))
        text = compiler.compile_text(self.text, (*path, "text"))
        if text is not None and text.constant_text is not None:
            check_sms_length(text.constant_text, compiler, (*path, "text"), "text")
        to, sender = self._compile_number(compiler, path, "to"), self._compile_number(compiler, path, "from_")
        if text is None:
            return
        policy = compiler.flow_compiler.dial_policy
        computed = "{{" in self.to or "{%" in self.to
        if computed:
            compiler.flow_compiler.record_computed_target((*path, "to"))
        elif parse_e164(self.to):
            compiler.flow_compiler.record_literal_target(self.to, (*path, "to"))

        def build_payload(turn: Turn) -> dict[str, Any]:
            number = to(turn) if to else turn.caller.number
            target = parse_e164(number)
            refused = (policy.find_refusal(number) if computed else "") if target else "there is no number to write to"
            return {
                "to": target,
                "from": sender(turn) if sender else str(turn.number),
                "text": truncate_sms_text(text.render_plain(turn)),
                "": refused,
            }

        refused = _compile_effect(compiler, path, "sms", build_payload, self.text)
        fails, sent = (compiler.make_coverage_comment(what, path) for what in ("refused", "sent")) if computed else ("", "")
        if fails:
            compiler.fragments.append(ConditionalFragment(refused, (fails,), terminates=False, else_fragments=(sent,)))

    def _compile_number(self, compiler: NodeCompiler, path: SourcePath, key: str) -> RenderFunction | None:
        written = getattr(self, key)
        here = (*path, key.rstrip("_"))
        text = compiler.compile_text(written, here) if written else None
        if text is not None and text.constant_text is not None and not parse_e164(text.constant_text):
            compiler.error(here, "number", f"{key.rstrip('_')}: {written!r} is not a number", "as +12015550123")
        return text.render_plain if text is not None else None


def _compile_effect(
    compiler: NodeCompiler,
    path: SourcePath,
    kind: Any,  # noqa: ANN401 - a kind of Effect
    build_payload: Callable[[Turn], dict[str, Any]],
    rule_text: str,
) -> Callable[[Turn], bool]:
    """Add an effect to the turn and an entry to the trail. Returns a condition that holds if the effect was refused.

    A text message is sent once for each call, step and target. A webhook is sent once for each URL by which a call comes
    here.
    """
    mark = compiler.make_decision_origin(kind, rule_text)
    compiler.flow_compiler.flow_graph.record_used_names(compiler.node, ("call.id", "caller.number", "number"), path)
    flow, node, step = compiler.flow_compiler.name, compiler.node, compiler.step_index

    def cause_effect(turn: Turn) -> None:
        made = build_payload(turn)
        refused = made.pop("", "")
        turn.step_results[cause_effect] = bool(refused)
        once = made["to"] if kind == "sms" else turn.request_fields.get("ticket", "").rpartition(".")[2]
        if not refused:
            now, before = (f"{call}/{once}/{flow}/{node}/{step}" if call else "" for call in call_keys_of_turn(turn))
            turn.effects.append(Effect(kind, now, made, before))
        to = {"to": mask_number(made["to"])} if "to" in made else {}
        turn.trail.append(
            (mark, "refused" if refused else "caused", turn.values, {**to, "refused": refused} if refused else to)
        )

    compiler.add_action(cause_effect, path, f"{kind} is an effect")
    return lambda turn: turn.step_results[cause_effect]


def compile_url(source: str, compiler: NodeCompiler, path: SourcePath) -> Callable[[Turn], str] | None:
    """Compile an author's URL. Values in the URL are percent-encoded, and the host must be constant."""
    compiler.flow_compiler.uses_network = True
    compiler.check_not_cut(path)
    text = compiler.compile_text(source, path, url=True)
    try:
        URL_KIND.parse_text(_JINJA_EXPRESSION.sub("x", source))
    except ValueError as error:
        compiler.error(path, "value", f"url: {error}", "write its scheme and host; what is in braces is percent-encoded")
        return None
    if _HOLE_MARK in re.split(r"[/?#\\]", _JINJA_EXPRESSION.sub(_HOLE_MARK, source).partition("://")[2])[0]:
        said = "url: the host of a server that is asked is written out"
        compiler.error(path, "value", said, "what changes stands after the host")
        return None
    return text.render_plain if text is not None else None


def compile_data(value: Any, compiler: NodeCompiler, path: SourcePath) -> RenderFunction:  # noqa: ANN401 - plain data
    """Compile data with texts that may change from call to call."""
    if isinstance(value, dict):
        fields = {key: compile_data(part, compiler, (*path, key)) for key, part in value.items()}
        return lambda turn: {key: render(turn) for key, render in fields.items()}
    if isinstance(value, list):
        parts = [compile_data(part, compiler, (*path, index)) for index, part in enumerate(value)]
        return lambda turn: [render(turn) for render in parts]
    compiler.check_not_cut(path)
    text = compiler.compile_text(str(value), path)
    if text is None or text.constant_text is not None:
        constant = parse_plain_data(value)
        return lambda _turn: constant
    return text.render_plain
