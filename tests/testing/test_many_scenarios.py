"""A folder with hundreds of scenarios: each runs separately, and the failing one is reported."""

from __future__ import annotations

import asyncio

from scenario_folders import TEST_SETTINGS, write_scenario_folder

from callflows.testing.scenario_runner import run_scenarios
from waiting import run_bounded

FLOW = """\
numbers: [{number}]
timezone: America/New_York
hours: {{office: {{mon-fri: 09:00-17:00}}}}
nodes:
  start:
    - when: not hours.office.open
      goto: closed
    - collect: {{into: code, digits: 3, prompt: Your code., attempts: 1, otherwise: closed}}
    - say: "{{{{ caller.number }}}} brings {{{{ code }}}} at {{{{ now.time }}}}."
    - dial: {{to: +12015550188, no_answer: closed}}
  closed: [say: We are closed., hangup]
tests:
"""
CALLEES = ("answer", "busy", "no-answer")
WRONG = 217


def scenario(n: int) -> str:
    """At a moment, by a caller, with keys and a callee that are its own."""
    who, at, code = f"+1201777{n:04}", f"{9 + n % 8:02}:{n % 60:02}", f"{n:03}"
    said = f"{who} brings {code} at {at}." if n != WRONG else "Nobody says this."
    after = "{say: We are closed.}" if n % 3 else "{not: [{say: We are closed.}]}"
    call = f'at: 2026-11-23 {at}, from: {who}, keys: "{code}", callee: {CALLEES[n % 3]}'
    return f'  - {{name: "{n}", {call}, expect: [{{say: "{said}"}}, {{dial: +12015550188}}, {after}]}}\n'


def test_hundreds_of_scenarios_are_each_a_call_of_their_own(tmp_path):
    heads = [FLOW.format(number=f"+1201555{n:04}") for n in range(10)]
    files = {f"flow{f}": head + "".join(map(scenario, range(f, 300, 10))) for f, head in enumerate(heads)}
    folder = write_scenario_folder(tmp_path, **files)
    assert not folder.errors

    async def within_a_minute():
        return await asyncio.wait_for(run_scenarios(folder, folder.cases, TEST_SETTINGS), 60)

    done = run_bounded(within_a_minute())
    assert len(done) == 300
    assert [one.case.name for one in done if not one.has_passed] == [str(WRONG)]
