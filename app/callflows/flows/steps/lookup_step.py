"""The step lookup, which asks another server."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

import pydantic

from callflows.flows.compiler.fragments import ConditionalFragment, merge_adjacent_texts
from callflows.flows.expressions.plain_values import to_plain_data
from callflows.flows.expressions.value_names import ValueName
from callflows.flows.source.source_values import (
    LookupMs,
    NodeName,
    parse_plain_data,
)
from callflows.flows.source.stored_values import StoredValue
from callflows.flows.steps.effect_data import compile_data, compile_url
from callflows.flows.steps.step_base import FlowStep, find_into_name, mapping_of
from callflows.flows.steps.step_summary import StepWay, summarize_host, summarize_value
from callflows.language.plausible_durations import LOOKUP_DURATION
from callflows.language.value_kinds import URL_KIND
from callflows.sandbox.deferred_jobs import get_job_result
from callflows.telephony.ports import LookupRequest, LookupResult
from callflows.telephony.turn import Variables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from callflows.flows.compiler.fragments import RenderFunction
    from callflows.flows.compiler.step_context import StepContext
    from callflows.flows.decisions import DecisionOrigin
    from callflows.flows.source.positions import SourcePath
    from callflows.language.plausible_durations import PlausibleDuration
    from callflows.telephony.turn import Turn


DEFAULT_LOOKUP_TIMEOUT_MS: Final = 800
"""Default time to wait for an answer."""
_HEADER_NAME: Final = re.compile("[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")


class LookupStep(FlowStep):
    """Ask another server, and remember its answer."""

    step_key: ClassVar[str] = "lookup"
    caller_hears: ClassVar[str] = (
        "Silence while the other server is asked, at most for `timeout`. "
        "If there is no answer, or one of another shape than `default`, "
        "the call goes on with `default`, or at the node of `otherwise`."
    )
    check_rules: ClassVar[tuple[str, ...]] = ("unknown-node", "value", "ticket-too-big", "duration-doubtful")
    instead: ClassVar[Mapping[str, Any]] = {"url": "https://unread.invalid/", "into": "unread"}
    plausible_durations: ClassVar[Mapping[str, PlausibleDuration]] = {"timeout": LOOKUP_DURATION}
    url: Annotated[str, URL_KIND] = pydantic.Field(description="Where to ask.")
    into: ValueName = pydantic.Field(description="The name of the value that holds the answer.")
    method: Literal["GET", "POST", "PUT", "PATCH"] = pydantic.Field("GET", description="The method of the HTTP request.")
    headers: dict[str, str] = pydantic.Field({}, description="Headers of the HTTP request.")
    body: Any = pydantic.Field(None, description="The body of the HTTP request: a text, or data that is sent as JSON.")
    timeout: Annotated[LookupMs, pydantic.Field(ge=1, le=5000)] = pydantic.Field(
        DEFAULT_LOOKUP_TIMEOUT_MS, description="How long to wait for the answer, at most 5s."
    )
    default: Any = pydantic.Field(
        None, description="The value if there is no answer. An answer of another shape, a web page or nothing is none."
    )
    otherwise: NodeName = pydantic.Field("", description="The node to go on at if there is no answer.")

    @classmethod
    def runs_on_arrival(cls, _value: object) -> bool:
        """Return True: the request is sent only when the call arrives."""
        return True

    @classmethod
    def summarize(cls, value: Any, groups: Mapping[str, Any]) -> str:  # noqa: ANN401, ARG003 - as FlowStep has it
        keys = mapping_of(value)
        return f"look up {summarize_value(keys.get('into'))} at {summarize_host(keys.get('url'))}"

    @classmethod
    def list_ways(cls, value: Any) -> Iterable[StepWay]:  # noqa: ANN401 - as FlowStep has it
        if otherwise := mapping_of(value).get("otherwise"):
            yield StepWay("otherwise", otherwise)

    @classmethod
    def list_stored_values(cls, keys: Mapping[str, Any]) -> Iterable[StoredValue]:
        name = find_into_name(keys)
        default = mapping_of(keys.get("default"))
        kinds = {str(field): parse_plain_data(value) for field, value in default.items()}
        numbers = frozenset(field for field, value in kinds.items() if type(value) in (int, float))
        return [StoredValue(name, number_fields=numbers)] if name else []

    def compile_step(self, context: StepContext, path: SourcePath) -> None:
        """Compile the request. On any failure the call gets the default and continues at the node under ``otherwise``."""
        if context.is_static:
            context.report.error(path, "fallback-not-static", "the fallback cannot ask another server", "take it out")
            return
        asking = self._make_lookup_builder(context, path)
        if asking is None:
            return
        default = {} if self.default is None else parse_plain_data(self.default)
        origin = context.document.make_decision_origin(
            self.step_key, f"{self.into} = {self.method} {self.url.partition('?')[0]}"
        )
        answer = LookupAnswer(asking, self.into, default, origin)
        context.record_stored_value(self.into, default, (*path, "default"), context.step_index)
        context.document.add_action(answer.store_answer, path, "another server is asked")
        if not self.otherwise:
            fails, found = (
                context.document.make_coverage_comment("fails", path),
                context.document.make_coverage_comment("found", path),
            )
            if fails:
                context.document.fragments.append(
                    ConditionalFragment(answer.has_failed, (fails,), terminates=False, else_fragments=(found,))
                )
        else:
            failed = context.make_empty_branch(inside_branch=False)
            failed.document.write_coverage_comment("fails", path)
            failed.write_goto(self.otherwise, (*path, "otherwise"))
            context.document.fragments.append(
                ConditionalFragment(answer.has_failed, merge_adjacent_texts(failed.document.fragments), terminates=True)
            )
            context.document.merge_branch_properties(failed.document)
            context.document.write_coverage_comment("found", path)

    def _make_lookup_builder(self, context: StepContext, path: SourcePath) -> Callable[[Turn], LookupRequest] | None:
        url = compile_url(self.url, context, (*path, "url"))
        headers = {
            name: self._compile_header(name, value, context, (*path, "headers", name))
            for name, value in self.headers.items()
        }
        body = None if self.body is None else compile_data(self.body, context, (*path, "body"))
        if url is None:
            return None
        method, timeout, into = self.method, self.timeout, self.into
        default = None if self.default is None else parse_plain_data(self.default)
        place = f"{context.flow.name}/{context.node}/{context.step_index}"
        structured = isinstance(self.body, (dict, list))
        if structured and not any(name.lower() == "content-type" for name in headers):
            headers["content-type"] = lambda _turn: "application/json"

        def build_lookup(turn: Turn) -> LookupRequest:
            data = "" if body is None else body(turn)
            text = json.dumps(data, ensure_ascii=False) if structured else str(data)
            request_headers = tuple((name, render(turn)) for name, render in headers.items())
            return LookupRequest(url(turn), method, request_headers, text, timeout, place, into, default)

        return build_lookup

    def _compile_header(self, name: str, value: str, context: StepContext, path: SourcePath) -> RenderFunction:
        if not _HEADER_NAME.fullmatch(name):
            context.report.error(path, "value", f"headers: {name!r} is no header's name", key=True)
        context.texts.check_not_cut(path)
        text = context.texts.compile_text(value, path)
        plain = text.render_plain if text is not None else str
        return lambda turn: re.sub("[\r\n\x00-\x1f\x7f]", " ", plain(turn))


class LookupAnswer:
    """Stores the result of a lookup in a turn."""

    def __init__(
        self,
        build_lookup: Callable[[Turn], LookupRequest],
        into: str,
        default: Any,  # noqa: ANN401 - plain data of the author
        origin: DecisionOrigin,
    ) -> None:
        self._build_lookup = build_lookup
        self._into = into
        self._default = default
        self._origin = origin

    def store_answer(self, turn: Turn) -> None:
        """Store the answer or the default. Raises NeedsResult if the answer is not available yet."""
        found: LookupResult = get_job_result(turn, self._build_lookup(turn))
        turn.step_results[self] = found.ok
        value = to_plain_data(found.value) if found.ok else self._default
        turn.values = Variables({**turn.values, self._into: value})
        detail = {"status": found.status, "ms": round(found.duration_ms, 1), "reason": found.reason, "result": value}
        turn.trail.append((self._origin, "found" if found.ok else "failed", turn.values, detail))

    def has_failed(self, turn: Turn) -> bool:
        return not turn.step_results[self]
