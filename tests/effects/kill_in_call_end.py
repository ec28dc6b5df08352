"""What becomes of the text after a missed call if the server is killed while it completes the call.

``python tests/effects/kill_in_call_end.py`` runs ``callflows serve`` beside a stand-in of Opentact, has a call missed,
and kills the server with SIGKILL at a stage: ``claimed`` (the call is claimed, and nothing else is done) or ``queued`` (the
text is queued, and the call is not marked as completed). It starts the server again, and prints how many texts were sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path += [str(Path(__file__).parents[1] / name) for name in ("", "rehearsal", "setup")]
from stand_in_harness import NUMBER, TOKEN, run_harness

from callflows.journal.journal import Journal
from callflows.web import call_end_handler
from command_process import CommandProcess, build_environment, find_free_port
from waiting import run_bounded, stop_process, wait_for_exit, wait_for_server, wait_until_async

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stand_in_harness import StandInHarness

STAGES = ("claimed", "queued")
TEXT = "Sorry that we missed your call."
FLOW = f"""
numbers: +{NUMBER.removeprefix("+")}
nodes: {{start: [say: Hello., hangup]}}
ended: [{{when: ended.missed, sms: {TEXT}}}]
"""
SECONDS_FOR_A_SECOND_TEXT = 3.0
"""The call is completed again in less; a text that is sent twice comes within."""


def kill_at(stage: str) -> None:
    """Make this process, which becomes a server, kill itself at a stage of the end of a call."""
    call_end_handler.SETTLE_SECONDS = call_end_handler.TAKEOVER_SECONDS = 0.5
    claim_key = Journal.claim_key

    async def claim_key_or_die(self: Journal, purpose: str, *given: Any, **options: Any) -> bool:
        if (stage, purpose) == ("queued", "completed"):
            os.kill(os.getpid(), signal.SIGKILL)
        is_ours = await claim_key(self, purpose, *given, **options)
        if (stage, purpose) == ("claimed", "ended"):
            os.kill(os.getpid(), signal.SIGKILL)
        return is_ours

    Journal.claim_key = claim_key_or_die


@contextlib.contextmanager
def run_doomed_server(folder: Path, port: int, stage: str, it: StandInHarness) -> Iterator[CommandProcess]:
    """Run ``callflows serve`` in a folder; it is killed at a stage, if it ever gets there."""
    environment = build_environment(
        opentact_token=TOKEN, opentact_url=it.server.rest_url, opentact_events_url=it.events_url
    )
    log = folder / "log"
    with log.open("ab") as out:
        process = CommandProcess(
            ["serve", "--port", str(port)],
            cwd=folder,
            env=environment,
            stdout=out,
            stderr=out,
            prepare=functools.partial(kill_at, stage),
        )
    try:
        wait_for_server(process, f"http://127.0.0.1:{port}/healthz", log)
        yield process
    finally:
        stop_process(process)


async def count_texts(it: StandInHarness) -> int:
    rows = await it.search_rows("/sms/search/outbound", take=100, order={"created_on": "ASC"})
    return sum(row["message"] == TEXT for row in rows)


async def count_texts_after_kill(folder: Path, stage: str) -> tuple[int, int]:
    """Return how many texts were sent before the kill, and how many in the end."""
    (folder / "callflows").mkdir()
    (folder / "callflows" / "desk.yaml").write_text(FLOW, encoding="utf-8")
    port = find_free_port()
    async with run_harness(url=f"http://127.0.0.1:{port}/call", method="GET", pace=200) as it:
        with run_doomed_server(folder, port, stage, it) as process:
            await it.start_call(**{"from": "+12015550999"})
            assert await asyncio.to_thread(wait_for_exit, process) == -signal.SIGKILL
        before = await count_texts(it)
        with run_doomed_server(folder, port, "never", it):
            with contextlib.suppress(AssertionError):
                await wait_until_async(lambda: count_texts(it), "the text", seconds=60)
            await asyncio.sleep(SECONDS_FOR_A_SECOND_TEXT)
        return before, await count_texts(it)


if __name__ == "__main__":
    for stage in STAGES:
        with tempfile.TemporaryDirectory() as scratch:
            before, after = run_bounded(count_texts_after_kill(Path(scratch), stage), 120)
            print(f"killed when {stage}: texts before the kill {before}, in the end {after}")  # noqa: T201 - the result
