"""The phone: a flow is rung in the browser. A person presses keys and decides who answers; nothing real happens."""

from __future__ import annotations

import asyncio
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from starlette.exceptions import HTTPException

from callflows.flows.hours.wall_clock import parse_start_moment
from callflows.rehearsal.rehearsed_call import DEFAULT_REHEARSAL_CALLER, Rehearsal
from callflows.rehearsal.stepwise_phone import HANG_UP, KEYS, SILENCE, read_decisions, run_until_decision
from callflows.rehearsal.transcript_text import OUTCOME_DESCRIPTIONS, describe_step, format_elapsed
from callflows.telephony.phone_numbers import parse_caller_number
from callflows.web.console.flow_picture import count_ways, draw_flow, light_picture

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response

    from callflows.flows.flow import Flow
    from callflows.rehearsal.stepwise_phone import StepwiseCall
    from callflows.web.console.console_frame import Console
    from callflows.web.console.console_sessions import ConsoleSession


_FIELDS: Final = ("flow", "from", "name", "at")
_EFFECT_VERBS: Final = frozenset({"sms", "notify", "voicemail", "mail", "lookup"})
_HIDDEN_VERBS: Final = frozenset({"Answer", "Callback"})
_KEYPAD: Final = ("123", "456", "789", "*0#")


def add_phone_page(console: Console) -> None:
    """Add the phone."""
    console.add_page("/phone", _PhonePage(console).show_phone)


class _PhonePage:
    def __init__(self, console: Console) -> None:
        self._console = console

    async def show_phone(self, request: Request, session: ConsoleSession) -> Response:
        flows = {
            name: flow
            for name, flow in sorted(self._console.sources.get_loaded_flows().book.flows.items())
            if not flow.problems and flow.claims
        }
        fields = {name: request.query_params.get(name, "").strip()[:100] for name in _FIELDS}
        flow = flows.get(fields["flow"])
        values: dict[str, Any] = {}
        refusal = ""
        if fields["flow"] and flow is None:
            raise HTTPException(404, "There is no such flow to ring.")
        if flow is not None:
            try:
                decisions = read_decisions(request.query_params.get("acts", ""))
                call = await self._ring(flow, fields, decisions)
                values = await self._describe_call(flow, fields, decisions, call)
            except ValueError as error:
                refusal = str(error)
        return await self._console.render(
            request,
            session,
            "phone.html",
            flows=[*flows],
            given=fields,
            refusal=refusal,
            keypad=_KEYPAD,
            default_caller=DEFAULT_REHEARSAL_CALLER,
            zone=self._console.find_zone_name(fields["flow"]),
            call=values,
        )

    async def _ring(self, flow: Flow, fields: dict[str, str], decisions: list[str]) -> StepwiseCall:
        """Ring a flow up to the next decision. Raises ValueError."""
        at = _read_moment(fields["at"], flow)
        caller = fields["from"] if fields["from"] == "anonymous" else parse_caller_number(fields["from"])
        if fields["from"] and not caller:
            raise ValueError(f"{fields['from']!r} is no number: write +12015550999, or anonymous")
        number = next((claim.number for claim in flow.claims if claim.number[-1].isdigit()), "+12015550123")
        rehearsal = Rehearsal(number=number, caller_id=caller or DEFAULT_REHEARSAL_CALLER, name=fields["name"], at=at)
        async with self._console.sources.open_rehearsal_network(flow.name) as network:
            return await run_until_decision(rehearsal, network, decisions)

    async def _describe_call(
        self, flow: Flow, fields: dict[str, str], decisions: list[str], call: StepwiseCall
    ) -> dict[str, Any]:
        steps = [
            {
                "verb": step["verb"],
                "words": describe_step(step),
                "at": format_elapsed(step["at"]),
                "is_effect": step["verb"] in _EFFECT_VERBS,
                "is_key": step["verb"] == "Gather" and bool(step.get("digits")),
                "node": step.get("node", ""),
            }
            for step in call.steps
            if step["verb"] not in _HIDDEN_VERBS
        ]
        nodes = [step["node"] for step in call.steps if step.get("node")]
        path = [node for index, node in enumerate(nodes) if not index or node != nodes[index - 1]]
        drawn = await asyncio.to_thread(draw_flow, flow.name, self._console.find_flow_file(flow.file), flow.source)
        picture = None
        if drawn is not None:
            visited, ways = count_ways(path)
            picture = light_picture(drawn, dict.fromkeys(visited, ""), dict.fromkeys(ways, ""))

        def link(more: str) -> str:
            filled_fields = {name: value for name, value in fields.items() if value}
            return f"/console/phone?{urlencode({**filled_fields, 'acts': ''.join(decisions) + more})}#end"

        return {
            "steps": steps,
            "awaited": call.awaited,
            "outcome": OUTCOME_DESCRIPTIONS.get(call.outcome, call.outcome),
            "path": path,
            "picture": picture,
            "links": {key: link(key) for key in (*KEYS, SILENCE, HANG_UP, "a", "b", "n")},
            "back": link("")[: -len("#end")].removesuffix(decisions[-1] if decisions else "") if decisions else "",
            "again": f"/console/phone?{urlencode({name: value for name, value in fields.items() if value})}",
        }


def _read_moment(text: str, flow: Flow) -> datetime | None:
    """Return the moment of a call on the clock of its flow; None for now. Raises ValueError."""
    if not text:
        return None
    moment = parse_start_moment(text.replace("T", " "), flow.zone or UTC)
    if moment is None:
        raise ValueError(f"{text!r} is no date and time: write 2026-12-24 18:00")
    return moment
