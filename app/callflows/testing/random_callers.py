"""Random callers for a flow, as Hypothesis strategies: keys and times of calls mostly have a meaning in the flow."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

from callflows.flows.source.positions import ProblemReport
from callflows.flows.source.scenario_shape import Scenario
from callflows.flows.source.yaml_source import read_yaml
from callflows.rehearsal.rehearsed_call import DEFAULT_REHEARSAL_CALLER
from callflows.rehearsal.scripted_parties import CALLEE_BEHAVIOURS
from callflows.testing.flow_names import collect_flow_names, walk_mappings

if TYPE_CHECKING:
    from callflows.flows.flow import Flow


_TIME_PATTERN: Final = re.compile(r"\b([01]?[0-9]|2[0-4]):([0-5][0-9])\b")
_DATE_PATTERN: Final = re.compile(r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}\b")
_DIGITS_PATTERN: Final = re.compile(r"\b[0-9]{3,10}\b")
_FIRST_DAY: Final = date(2026, 11, 21)
_MINUTES_PER_DAY: Final = 24 * 60
_MAX_CALLER_ACTS: Final = 12
_CALLER_IDS: Final = (DEFAULT_REHEARSAL_CALLER, "anonymous", "+4930123456", "+18765550142", "12025550111", "alice")
_CALLER_NAMES: Final = ("", "Ann", "<Say>&\"'</Say>", "Ünal Þór")
_ODD_LOOKUP_VALUES: Final[tuple[Any, ...]] = (
    True,
    False,
    None,
    "",
    "Ann",
    0,
    7,
    -1.5,
    [],
    ["x"],
    {},
    "+12015550142",
    "+18765550142",
    "+19005550100",
    "911",
    "ann@evil.example.com",
    "</Say><Dial>+12015550142</Dial>",
    "x" * 300,
)
"""Answers of servers with unexpected types, forbidden targets or markup."""


def build_caller_strategy(flow: Flow) -> st.SearchStrategy[dict[str, Any]]:
    """Build a strategy of scenarios as data. Keys without influence on the flow are left out."""
    text = Path(flow.file).read_text(encoding="utf-8", errors="replace").partition("\ntests:")[0]
    data = read_yaml(text.encode(), ProblemReport(flow.file)) if not flow.file.endswith(".py") else None
    steps = [*walk_mappings(data)]
    fixed: dict[str, Any] = {"name": st.just("a caller at random")}
    optional: dict[str, Any] = {
        "keys": st.lists(_build_act_strategy(flow, text, steps), min_size=1, max_size=_MAX_CALLER_ACTS),
        "callee": st.one_of(
            st.sampled_from(CALLEE_BEHAVIOURS), st.lists(st.sampled_from(CALLEE_BEHAVIOURS), min_size=1, max_size=4)
        ),
        "from": st.sampled_from(_CALLER_IDS),
        "answers_itself": st.booleans(),
        "caller_name": st.sampled_from(_CALLER_NAMES[1:]),
        "attestation": st.sampled_from("ABC"),
    }
    if flow.needs.current_time or data is None:
        fixed["at"] = _build_moment_strategy(text)
    if flow.needs.calls_today:
        optional["calls_today"] = st.sampled_from((1, 2, 5, 11, 100))
    lookup_names = collect_flow_names(data).lookup_names
    if lookup_names:
        lookups = {into: _build_lookup_strategy(into, text) for into in lookup_names}
        optional["lookups"] = st.fixed_dictionaries({}, optional=lookups)
    return st.fixed_dictionaries(fixed, optional=optional)


def _build_act_strategy(flow: Flow, text: str, steps: list[tuple[str, dict[str, Any]]]) -> st.SearchStrategy[Any]:
    """Build a strategy of single actions: a menu key, digits of a requested length, other keys, none, or hanging up."""
    known = sorted({spot.what.removeprefix("key ") for spot in flow.coverage_points if spot.what.startswith("key ")})
    lengths = sorted({int(n) for _, step in steps for n in re.findall("[0-9]+", str(step.get("digits", "")))})
    digits = [st.text("0123456789", min_size=n, max_size=n) for n in lengths if n]
    worth = sorted({*_DIGITS_PATTERN.findall(text)})[:50]
    keys = [st.sampled_from(known)] * 2 if known else []
    keys += digits + ([st.sampled_from(worth)] if worth and digits else [])
    return st.one_of(*keys, st.sampled_from(["", "#", "*", "9", "12", "1#", "hangup 2s"]), st.just("hangup"))


def _build_moment_strategy(text: str) -> st.SearchStrategy[str]:
    """Build a strategy of moments: times in the file and a minute around, on dates in the file and eight other days."""
    minutes = {int(hour) * 60 + int(minute) for hour, minute in _TIME_PATTERN.findall(text)}
    edges = sorted(
        {(edge + by) % _MINUTES_PER_DAY for edge in minutes for by in (-1, 0, 1)} | {0, 600, _MINUTES_PER_DAY - 1}
    )
    days = [str(_FIRST_DAY + timedelta(days=ahead)) for ahead in range(8)] + sorted({*_DATE_PATTERN.findall(text)})
    return st.builds(
        lambda day, minute: f"{day} {minute // 60:02}:{minute % 60:02}", st.sampled_from(days), st.sampled_from(edges)
    )


def _build_lookup_strategy(into: str, text: str) -> st.SearchStrategy[Any]:
    """Build a strategy of lookup results: odd values for the fields in use, an odd value alone, or a failure."""
    fields = sorted({*re.findall(rf"\b{re.escape(into)}\.([A-Za-z_]\w*)", text)})
    odd = st.sampled_from(_ODD_LOOKUP_VALUES)
    alone = [st.just("fails"), odd]
    return st.one_of(st.fixed_dictionaries({}, optional=dict.fromkeys(fields, odd)), *alone) if fields else st.one_of(alone)


def validate_scenario_data(scenario_data: dict[str, Any]) -> Scenario:
    return Scenario.model_validate(scenario_data)
