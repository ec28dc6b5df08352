"""Replay of a thousand rehearsed calls of the shipped front desk, and of ten thousand.

Run as ``python tests/benchmarks/replay.py [CALLS]``. Prints how many calls go elsewhere with unchanged flows, then with one
key of the menu changed beside the number of calls that pressed this key, the seconds of each, and the memory at its most.
"""

from __future__ import annotations

import itertools
import resource
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests" / "testing"), str(ROOT / "tests")]

from rehearsed_journal import write_rehearsed_calls  # noqa: E402
from scenario_folders import TEST_OPTIONS, TEST_SETTINGS  # noqa: E402

from callflows.journal.call_story import build_call_story  # noqa: E402
from callflows.journal.sql_store import SqlStore  # noqa: E402
from callflows.journal.stored_rows import CallFilter  # noqa: E402
from callflows.rehearsal.rehearsed_call import Rehearsal  # noqa: E402
from callflows.rehearsal.scripted_parties import ScriptedCallees, ScriptedCaller, parse_caller_script  # noqa: E402
from callflows.testing.replay_runner import replay_calls  # noqa: E402
from callflows.testing.scenario_runner import load_scenario_folders  # noqa: E402
from waiting import run_bounded  # noqa: E402

MONDAY = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
KEYS = ("1", "2", "1", "9,2", "", ",1", "1", "2", "hangup", "2,472910")
CALLEES = ("answer", "no-answer", "busy")
CHANGED = ("2: support", "2: sales")
MAX_SECONDS = 1800.0
"""Ten thousand calls need some minutes on a busy machine."""


def build_rehearsals(number: str, count: int) -> list[Rehearsal]:
    """Calls over a week, with every combination of keys and callees; some outside the hours."""
    mix = itertools.cycle(itertools.product(KEYS, CALLEES))
    return [
        Rehearsal(
            number=number,
            caller_id=f"+1201555{index % 10_000:04}",
            at=MONDAY - timedelta(hours=index * 168 / count),
            caller=ScriptedCaller(parse_caller_script(keys)),
            callees=ScriptedCallees(callee),
        )
        for index, (keys, callee) in enumerate(itertools.islice(mix, count))
    ]


async def measure(folder: Path, count: int) -> None:
    """Write the calls, then replay them twice."""
    text = (ROOT / "callflows" / "front-desk.yaml").read_text("utf-8")
    changed = text.replace(*CHANGED, 1)
    assert changed != text
    for name, source in (("live", text), ("draft", changed)):
        (folder / name).mkdir()
        (folder / name / "front-desk.yaml").write_text(source, "utf-8")
    store = SqlStore(f"sqlite:///{folder}/journal.db")
    store.open()
    (live,) = load_scenario_folders([folder / "live"], TEST_OPTIONS)
    (draft,) = load_scenario_folders([folder / "draft"], TEST_OPTIONS)
    number = next(iter(live.loaded_flows.book.flows.values())).claims[0].number
    await write_rehearsed_calls(store, folder / "live", build_rehearsals(number, count))
    pressed = count_calls_with_key(store, "2")
    for name, flows in (("unchanged", live), ("one key changed", draft)):
        report = await replay_calls(store, CallFilter(), flows, TEST_SETTINGS)
        counts = {word: report[word] for word in ("calls", "same", "same_as_far_as_known", "elsewhere", "not_compared")}
        print(f"{name}: {counts} in {report['seconds']} s")
        for group in report["groups"]:
            print(f"  {group['calls']}: {group['why']}: {group['was']} -> {group['now']}")
        for reason in report["unknown"]:
            print(f"  {reason['calls']}: {reason['kind']}: {reason['reason']}")
    print(f"calls that pressed the changed key: {pressed}")
    print(f"memory at its most: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    store.close()


def count_calls_with_key(store: SqlStore, key: str) -> int:
    """The number of calls whose recorded path has a key."""
    calls = [*store.list_calls(CallFilter())]
    stored = (one for start in range(0, len(calls), 100) for one in store.load_calls(calls[start : start + 100]))
    return sum(any(visit["way"] == f"key {key}" for visit in build_call_story(one, 2.0)["path"]) for one in stored)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    with tempfile.TemporaryDirectory() as folder:
        run_bounded(measure(Path(folder), count), MAX_SECONDS)


if __name__ == "__main__":
    main()
