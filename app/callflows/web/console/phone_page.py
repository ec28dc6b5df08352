"""The phone: a flow is rung in the browser. A person presses keys and decides who answers; nothing real happens."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote, urlencode

from starlette.exceptions import HTTPException

from callflows.flows.entry_points import START_NODE
from callflows.flows.hours.wall_clock import parse_call_moment
from callflows.rehearsal.rehearsed_call import DEFAULT_REHEARSAL_CALLER, Rehearsal
from callflows.rehearsal.scenario_recorder import record_scenario
from callflows.rehearsal.stepwise_phone import HANG_UP, KEYS, SILENCE, StepwiseCall, read_decisions, run_until_decision
from callflows.rehearsal.transcript_text import OUTCOME_DESCRIPTIONS, describe_step, format_elapsed
from callflows.telephony.phone_numbers import parse_caller_number
from callflows.text import format_date
from callflows.web.console.flow_picture import count_ways, draw_flow, light_picture
from callflows.web.console.kept_drafts import KeptDrafts, name_author
from callflows.web.console.scenario_pages import render_scenario

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from callflows.flows.flow import Flow
    from callflows.web.console.console_frame import Console
    from callflows.web.console.console_sessions import ConsoleSession


_FIELDS: Final = ("flow", "from", "name", "at")
_MAX_FIELD_CHARACTERS: Final = 100
_EFFECT_VERBS: Final = frozenset({"sms", "notify", "voicemail", "mail", "lookup"})
_HIDDEN_VERBS: Final = frozenset({"Answer", "Callback"})
_KEYPAD: Final = ("123", "456", "789", "*0#")


def add_phone_page(console: Console) -> None:
    """Add the phone, and the page that makes a test of its call."""
    pages = _PhonePage(console)
    console.add_page("/phone", pages.show_phone)
    console.add_page("/phone/test", pages.show_scenario, "author")


class RungFlow(NamedTuple):
    """A call to a flow up to its next decision; ``fields`` are those of the form, ``acts`` the decisions so far."""

    flow: Flow
    fields: Mapping[str, str]
    acts: str
    rehearsal: Rehearsal
    call: StepwiseCall

    def record_scenario(self) -> str:
        """Return the call as a scenario. Raises ValueError if it is not over."""
        if self.call.transcript is None:
            raise ValueError("the call is not over yet: hang up first")
        return record_scenario(self.call.transcript, self.rehearsal, zone=self.flow.zone)


def read_phone_fields(given: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of the phone's form."""
    return {name: given.get(name, "").strip()[:_MAX_FIELD_CHARACTERS] for name in _FIELDS}


async def ring_flow(console: Console, flow: Flow, fields: Mapping[str, str], acts: str) -> RungFlow:
    """Ring a flow up to the next decision. Raises ValueError."""
    decisions = read_decisions(acts)
    at = _read_moment(fields["at"], flow)
    caller = fields["from"] if fields["from"] == "anonymous" else parse_caller_number(fields["from"])
    if fields["from"] and not caller:
        raise ValueError(f"{fields['from']!r} is no number: write +12015550999, or anonymous")
    number = next((claim.number for claim in flow.claims if claim.number[-1].isdigit()), "+12015550123")
    rehearsal = Rehearsal(number=number, caller_id=caller or DEFAULT_REHEARSAL_CALLER, name=fields["name"], at=at)
    async with console.sources.open_rehearsal_network(flow) as network:
        return RungFlow(flow, fields, acts, rehearsal, await run_until_decision(rehearsal, network, decisions))


async def render_phone(
    console: Console,
    request: Request,
    session: ConsoleSession,
    fields: Mapping[str, str],
    rung: RungFlow | None,
    refusal: str = "",
    *,
    is_draft: bool = False,
    has_draft: bool = False,
) -> Response:
    """Render the phone, of a flow as it is or of the draft that the person keeps of it.

    ``has_draft`` is true if the flow as it is is rung although the person has a draft of it.
    """
    return await console.render(
        request,
        session,
        "phone.html",
        flows=[*_list_flows(console)],
        given=fields,
        refusal=refusal,
        draft=is_draft,
        keypad=_KEYPAD,
        default_caller=DEFAULT_REHEARSAL_CALLER,
        zone=console.find_zone_name(fields["flow"]),
        call=await _describe_call(console, rung) if rung is not None else {},
        has_draft=has_draft,
    )


def _list_flows(console: Console) -> dict[str, Flow]:
    """Return the flows that can be rung."""
    flows = console.sources.get_loaded_flows().book.flows
    return {name: flow for name, flow in sorted(flows.items()) if not flow.problems and flow.claims}


class _PhonePage:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._drafts = KeptDrafts(console.sources.journal)

    async def show_phone(self, request: Request, session: ConsoleSession) -> Response:
        fields = read_phone_fields(request.query_params)
        rung, refusal = None, ""
        if fields["flow"]:
            try:
                rung = await self._ring(request, fields)
            except ValueError as error:
                refusal = str(error)
        has_draft = False
        if fields["flow"]:
            with contextlib.suppress(HTTPException):  # the phone needs no database
                drafts = (await self._drafts.list_drafts()).get(fields["flow"], ())
                has_draft = any(draft["who"] == name_author(session.user) for draft in drafts)
        return await render_phone(self._console, request, session, fields, rung, refusal, has_draft=has_draft)

    async def _ring(self, request: Request, fields: Mapping[str, str]) -> RungFlow:
        flow = _list_flows(self._console).get(fields["flow"])
        if flow is None:
            raise HTTPException(404, "There is no such flow to ring.")
        return await ring_flow(self._console, flow, fields, request.query_params.get("acts", ""))

    async def show_scenario(self, request: Request, session: ConsoleSession) -> Response:
        """Show the call of the phone as a scenario."""
        fields = read_phone_fields(request.query_params)
        try:
            scenario = (await self._ring(request, fields)).record_scenario()
        except ValueError as error:
            raise HTTPException(400, f"The call cannot be made a test: {error}.") from None
        return await render_scenario(self._console, request, session, fields["flow"], scenario, call="")


async def _describe_call(console: Console, rung: RungFlow) -> dict[str, Any]:
    flow, call = rung.flow, rung.call
    outcome = call.transcript.outcome if call.transcript is not None else ""
    is_recording = call.awaited is not None and call.awaited.verb == "Record"
    recording = call.steps[-1] if is_recording and call.steps[-1]["verb"] == "Record" else None  # it has no length yet
    steps = [
        {
            "verb": step["verb"],
            "words": describe_step(step if step is not recording else {**step, "seconds": None}),
            "at": format_elapsed(step["at"]),
            "is_effect": step["verb"] in _EFFECT_VERBS,
            "is_key": step["verb"] == "Gather" and bool(step.get("digits")),
            "is_decision": "digits" in step or (step["verb"] == "Dial" and "result" in step),
            "node": step.get("node", ""),
        }
        for step in call.steps
        if step["verb"] not in _HIDDEN_VERBS
    ]
    # Steps that only decide are none that a caller hears: the call began in the first node anyway.
    nodes = [START_NODE, *(step["node"] for step in call.steps if step.get("node"))]
    path = [node for index, node in enumerate(nodes) if not index or node != nodes[index - 1]]
    drawn = await asyncio.to_thread(draw_flow, flow.name, console.find_flow_file(flow.file), flow.source)
    picture = None
    if drawn is not None:
        visited, ways = count_ways(path)
        passed = visited.keys() - {step["node"] for step in steps}
        picture = light_picture(drawn, dict.fromkeys(visited, ""), dict.fromkeys(ways, ""), passed=passed)
    query = {name: value for name, value in rung.fields.items() if value}

    def link(acts: str, page: str = "phone") -> str:
        return f"/console/{page}?{urlencode({**query, 'acts': acts})}"

    return {
        "moment": _describe_moment(rung.rehearsal.at, flow),
        "steps": steps,
        "awaited": call.awaited,
        "acts": rung.acts,
        "outcome": OUTCOME_DESCRIPTIONS.get(outcome, outcome),
        "path": path,
        "picture": picture,
        "links": {key: f"{link(rung.acts + key)}#end" for key in (*KEYS, SILENCE, HANG_UP, "a", "b", "n")},
        "back": f"{link(rung.acts[:-1])}#end" if rung.acts else "",
        "again": f"/console/phone?{urlencode(query)}#end",
        "page": f"/console/flows/{quote(flow.name)}/ring",
        "news": _list_news(steps),
        "test": link(rung.acts, "phone/test"),
    }


def _list_news(steps: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the words of the steps since the last decision, which a screen reader reads."""
    last = max((number for number, step in enumerate(steps) if step["is_decision"]), default=0)
    return [step["words"] for step in steps[last:]]


def _read_moment(text: str, flow: Flow) -> datetime | None:
    """Return the moment of a call on the clock of its flow; None for now. Raises ValueError."""
    if not text:
        return None
    moment = parse_call_moment(text, datetime.now(UTC), flow.zone or UTC)
    if moment is None:
        raise ValueError(f"{text!r} is no date and time: write Sat 11:00, or 2026-12-24 18:00")
    return moment


def _describe_moment(at: datetime | None, flow: Flow) -> str:
    """Return the moment of a call on the clock of its flow, as ``Saturday 5 December 2026, 11:00, New York``."""
    zone = flow.zone.key.rpartition("/")[2].replace("_", " ") if flow.zone is not None else "UTC"
    shown = (at or datetime.now(UTC)).astimezone(flow.zone or UTC)
    words = format_date(shown, "%A {day} %B %Y, %H:%M")
    return f"{words}, {zone}{'' if at is not None else ' (now)'}"
