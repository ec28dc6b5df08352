"""An effect is a promise: it is on the disk until it has its result, and a restart or a kill takes nothing back."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest
import structlog
from kill_after_answer import CALLS_PER_ROUND, measure_kills
from kill_in_call_end import STAGES, count_texts_after_kill
from outside_servers import format_answer, run_live_effects, run_server

from callflows.boot_clock import read_steady_time
from callflows.effects import outbox_file
from callflows.effects.effect_outbox import EXPIRY_SECONDS
from callflows.effects.outbox_file import OutboxFile, PendingEffect
from callflows.errors import JournalUnavailableError, OutboundRequestError, RetryLaterError
from callflows.telephony.ports import Effect, InMemoryIdempotencyStore, InMemoryOptOuts
from waiting import run_bounded, run_process, wait_until_async

if TYPE_CHECKING:
    from pathlib import Path

SENDER = """
import asyncio, os, signal, sys
from pathlib import Path
from callflows.effects.live_effects import LiveEffects
from callflows.telephony.ports import Effect

async def main():
    folder, stage = Path(sys.argv[1]), sys.argv[2]
    async def send(effect):
        os.kill(os.getpid(), signal.SIGKILL)
    live = LiveEffects(send_sms=send, outbox_folder=folder)
    if stage == "sending":
        await live.start()
    for n in range(20):
        live.queue_effect(Effect("sms", f"call/{n}", {"from": "+12015550123", "to": "+12015550999", "text": "Hi"}))
    live.hold_effect(Effect("voicemail", "call/held", {"url": "http://127.0.0.1/", "body": {"pin": "4711"}}))
    if stage == "queued":
        os.kill(os.getpid(), signal.SIGKILL)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def text(key: str) -> Effect:
    return Effect("sms", key, {"from": "+12015550123", "to": "+12015550999", "text": "Hi"})


def notice(url: str, key: str, kind: str = "notify") -> Effect:
    return Effect(kind, key, {"url": url, "body": {"key": key}})


def list_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("effects-*.outbox"))


def kill_sender(folder: Path, stage: str) -> None:
    """Run a process that queues twenty texts, holds a voicemail, and is killed."""
    done = run_process([sys.executable, "-c", SENDER, str(folder), stage])
    assert done.returncode == -signal.SIGKILL, done.stderr


def send_all(folder: Path, expected: int, **options) -> tuple[list[str], dict[str, int]]:
    """Start on a folder, and return the keys of the texts that are sent and the results, once there are ``expected``."""
    keys: list[str] = []

    async def send(effect):
        keys.append(effect.key)

    async def start():
        async with run_live_effects(**{"send_sms": send, "outbox_folder": folder, **options}) as live:
            await wait_until_async(lambda: sum(live.count_results().values()) >= expected, f"{expected} results")
            return {result: count for (_, result), count in live.count_results().items()}

    return keys, run_bounded(start())


def test_what_was_queued_by_a_process_that_is_killed_at_once_is_sent_by_the_next_one_once(tmp_path):
    kill_sender(tmp_path, "queued")
    keys, results = send_all(tmp_path, 20)
    assert (keys, results) == ([f"call/{n}" for n in range(20)], {"sent": 20})
    keys, results = send_all(tmp_path, 0)
    assert (keys, results) == ([], {})


def test_a_text_that_was_being_sent_at_the_kill_is_not_sent_again_and_that_is_said(tmp_path):
    kill_sender(tmp_path, "sending")
    reported = []
    keys, results = send_all(tmp_path, 20, report_result=reported.append)
    assert results == {"sent": 19, "failed": 1}
    assert sorted(keys) == sorted({f"call/{n}" for n in range(20)} - {r.key for r in reported if r.result == "failed"})
    assert [r.reason for r in reported if r.result == "failed"] == [
        "the server ended while it was sent: it may have arrived, and is not sent again"
    ]


def test_a_voicemail_that_waits_for_the_end_of_its_call_survives_a_kill_with_its_values(tmp_path):
    kill_sender(tmp_path, "queued")

    async def start():
        async with run_live_effects(outbox_folder=tmp_path) as live:
            await wait_until_async(lambda: live.list_held_effects("call"), "the held effect")
            return live.list_held_effects("call"), live.list_held_effects("other")

    (held,), others = run_bounded(start())
    assert (held.kind, held.payload["body"], others) == ("voicemail", {"pin": "4711"}, [])


@pytest.mark.parametrize("kind", ["notify", "voicemail"])
def test_a_restart_while_the_receiver_answers_503_loses_no_webhook(tmp_path, kind):
    reported = []

    async def restart():
        async with run_server(lambda _asked: format_answer(status=503)) as server:
            async with run_live_effects(outbox_folder=tmp_path, report_result=reported.append) as live:
                for key in "abc":
                    live.queue_effect(notice(server.url(), key, kind))
                await wait_until_async(lambda: len(server.requests) >= 3, "three requests")
            assert reported == []
            server.answer = lambda _asked: format_answer()
            async with run_live_effects(outbox_folder=tmp_path, report_result=reported.append) as live:
                await wait_until_async(lambda: len(reported) == 3, "three results")
            return live.get_status()

    assert run_bounded(restart()) == {"waiting": 0, "oldest_seconds": 0}
    assert sorted((result.key, result.result) for result in reported) == [("a", "sent"), ("b", "sent"), ("c", "sent")]
    assert list_files(tmp_path) == []


def test_what_was_claimed_before_the_kill_is_not_taken_for_a_repetition(tmp_path):
    store = InMemoryIdempotencyStore()
    before = OutboxFile(tmp_path)
    pending = PendingEffect(text("a"), time.time())
    before.add(pending)
    before.change_stage(pending, "claimed")
    run_bounded(store.claim_key("sms", "a"))
    before.close()
    assert send_all(tmp_path, 1, idempotency_store=store) == (["a"], {"sent": 1})


@pytest.mark.parametrize(("kind", "hours"), [("sms", 1), ("notify", 24), ("voicemail", 72)])
def test_what_can_no_longer_be_sent_in_time_is_not_sent_and_its_story_and_the_log_say_so(tmp_path, kind, hours):
    assert EXPIRY_SECONDS[kind] == hours * 3600
    before = OutboxFile(tmp_path)
    effect = text("a") if kind == "sms" else notice("http://127.0.0.1/", "a", kind)
    before.add(PendingEffect(effect, time.time() - hours * 3600 - 60))
    before.close()
    reported = []
    with structlog.testing.capture_logs() as lines:
        assert send_all(tmp_path, 1, report_result=reported.append) == ([], {"expired": 1})
    reason = f"it waited too long for its turn; it could not be sent within {hours} hours and is given up"
    assert [(result.result, result.reason) for result in reported] == [("expired", reason)]
    assert [line["log_level"] for line in lines if line["event"] == f"{kind} expired"] == ["error"]


DAYS_SET: list[int] = [-20_000, -400, 400]
"""Days by which a clock is set."""


@pytest.mark.parametrize("days", DAYS_SET)
def test_an_effect_is_not_given_up_and_not_sent_twice_where_the_clock_is_set_while_it_waits(days, tmp_path, monkeypatch):
    now, answers, sent = time.time(), [RetryLaterError("not reached"), RetryLaterError("not reached")], []

    async def send(effect):
        if answers:
            raise answers.pop()
        sent.append(effect.key)

    async def sleep(_seconds):
        monkeypatch.setattr(time, "time", lambda: now + days * 86_400)

    async def one():
        async with run_live_effects(send_sms=send, sleep=sleep, outbox_folder=tmp_path) as live:
            live.queue_effect(text("a"))
            live.hold_effect(notice("http://127.0.0.1/", "call/held", "voicemail"))
            await wait_until_async(lambda: sent, "the text")
            held = live.list_held_effects("call"), live.list_held_effects("call", 60.0)
            return sent, dict(live.count_results()), [len(effects) for effects in held], live.get_status()["oldest_seconds"]

    assert run_bounded(one()) == (["a"], {("sms", "sent"): 1}, [1, 0], 0)


@pytest.mark.parametrize("days", DAYS_SET)
@pytest.mark.parametrize("minutes", [1, 61])
def test_the_age_of_an_effect_of_an_earlier_process_is_right_where_the_clock_was_set_between(
    days, minutes, tmp_path, monkeypatch
):
    before = OutboxFile(tmp_path)
    with monkeypatch.context() as wrong:  # the clock of the earlier process was wrong from its start
        wrong.setattr(outbox_file, "BOOTED_AT", outbox_file.BOOTED_AT + days * 86_400)
        before.add(PendingEffect(text("a"), read_steady_time() + days * 86_400 - minutes * 60))
    before.close()
    assert send_all(tmp_path, 1) == ((["a"], {"sent": 1}) if minutes == 1 else ([], {"expired": 1}))


@pytest.mark.parametrize("days", [-20_000, 400])
def test_an_effect_from_before_the_start_of_the_machine_with_a_time_that_cannot_be_is_new(days, tmp_path, monkeypatch):
    before = OutboxFile(tmp_path)
    with monkeypatch.context() as earlier:
        earlier.setattr(outbox_file, "BOOT_ID", "another start")
        before.add(PendingEffect(text("a"), time.time() + days * 86_400))
    before.close()
    assert send_all(tmp_path, 1) == (["a"], {"sent": 1})


def test_a_text_that_opentact_asks_to_send_later_is_sent_then(tmp_path):
    waits, answers = [], [RetryLaterError("429", 120.0), RetryLaterError("not reached"), None]

    async def send(_effect):
        if error := answers.pop(0):
            raise error

    async def sleep(seconds):
        waits.append(seconds)

    async def one():
        async with run_live_effects(send_sms=send, sleep=sleep, outbox_folder=tmp_path) as live:
            live.queue_effect(text("a"))
            await wait_until_async(live.count_results, "a result")
            return dict(live.count_results())

    assert run_bounded(one()) == {("sms", "sent"): 1}
    assert 110 < waits[0] <= 120
    assert waits[1] > 11


@pytest.mark.parametrize("is_killed", [False, True], ids=["stopped", "killed"])
def test_a_restart_sends_nothing_before_the_time_that_a_receiver_has_asked_for(tmp_path, is_killed):
    attempts: list[int] = []
    waits: list[float] = []

    async def send(_effect):
        attempts.append(len(waits))
        if len(attempts) <= 2:
            raise RetryLaterError("429", 120.0 * len(attempts))

    async def sleep_long(seconds):
        waits.append(seconds)
        await asyncio.sleep(3600)

    async def sleep_briefly(seconds):
        waits.append(seconds)

    async def until_first_wait() -> None:
        async with run_live_effects(send_sms=send, sleep=sleep_long, outbox_folder=tmp_path) as live:
            if not waits:
                live.queue_effect(text("a"))
            known = len(waits)
            await wait_until_async(lambda: len(waits) > known, "the wait")
            (file,) = tmp_path.glob("effects-*.outbox")
            as_killed = file.read_bytes()
        if is_killed:
            (left,) = tmp_path.glob("effects-*.outbox")
            left.write_bytes(as_killed)

    async def restart() -> dict[tuple[str, str], int]:
        async with run_live_effects(send_sms=send, sleep=sleep_briefly, outbox_folder=tmp_path) as live:
            await wait_until_async(live.count_results, "a result")
            return dict(live.count_results())

    run_bounded(until_first_wait())
    run_bounded(until_first_wait())
    assert run_bounded(restart()) == {("sms", "sent"): 1}
    assert attempts == [0, 3, 4]  # of the first start once; of the second none; of the third after its waits
    assert all(100 < wait <= 120 for wait in waits[:3])
    assert 220 < waits[3] <= 240


def test_a_text_waits_while_nobody_can_tell_who_sent_stop(tmp_path):
    class Away(InMemoryOptOuts):
        asked = 0

        async def is_opted_out(self, *pair):
            self.asked += 1
            if self.asked < 3:
                raise JournalUnavailableError("the database is gone")
            return await super().is_opted_out(*pair)

    async def one():
        sent = []

        async def send(effect):
            sent.append(effect.key)

        async def sleep(_seconds):
            pass

        async with run_live_effects(send_sms=send, sleep=sleep, opt_outs=Away(), outbox_folder=tmp_path) as live:
            live.queue_effect(text("a"))
            await wait_until_async(live.count_results, "a result")
            return sent, dict(live.count_results())

    assert run_bounded(one()) == (["a"], {("sms", "sent"): 1})


def test_a_burst_of_texts_that_are_sent_slowly_loses_none_and_repeats_none(tmp_path):
    async def burst():
        sent = []

        async def send(effect):
            await asyncio.sleep(0.01)
            sent.append(effect.key)

        async with run_live_effects(send_sms=send, outbox_folder=tmp_path) as live:
            for n in range(1_200):
                live.queue_effect(text(f"{n}"))
            waiting = live.get_status()["waiting"]
            await wait_until_async(lambda: len(sent) == 1_200, "1200 texts")
            await wait_until_async(lambda: not live.get_status()["waiting"], "the results")
            return waiting, len({*sent}), dict(live.count_results())

    assert run_bounded(burst()) == (1_200, 1_200, {("sms", "sent"): 1_200})
    assert list_files(tmp_path) == []


def test_the_age_of_the_oldest_is_told():
    now = [1_000.0]

    async def one():
        async with run_live_effects(clock=lambda: now[0], send_sms=lambda _effect: asyncio.sleep(60)) as live:
            live.queue_effect(text("a"))
            now[0] += 90
            live.queue_effect(text("b"))
            status = live.get_status()
            await live.stop(0)
            return status

    assert run_bounded(one()) == {"waiting": 2, "oldest_seconds": 90}


def test_the_file_of_a_process_that_lives_is_left_alone_and_after_its_end_is_taken_up(tmp_path):
    one, other = OutboxFile(tmp_path), OutboxFile(tmp_path)
    one.add(PendingEffect(text("a"), 1.0))
    assert other.adopt_abandoned() == []
    one.close()
    assert other.adopt_abandoned() == [PendingEffect(text("a"), 1.0)]
    assert other.adopt_abandoned() == []
    assert len(list_files(tmp_path)) == 1
    third = OutboxFile(tmp_path)
    other.close()
    assert third.adopt_abandoned() == [PendingEffect(text("a"), 1.0)]


def test_the_file_keeps_what_waits_and_not_what_is_done(tmp_path, monkeypatch):
    monkeypatch.setattr(outbox_file, "OUTBOX_REWRITE_BYTES", 20_000)
    file = OutboxFile(tmp_path)
    file.add(PendingEffect(text("waits"), 1.0))
    for n in range(2_000):
        file.add(PendingEffect(text(f"{n}"), 1.0))
        file.remove(text(f"{n}"))
    (path,) = list_files(tmp_path)
    assert path.stat().st_size < 30_000
    file.close()
    after = OutboxFile(tmp_path)
    assert [pending.effect.key for pending in after.adopt_abandoned()] == ["waits"]
    after.remove(text("waits"))
    (path,) = list_files(tmp_path)
    assert path.stat().st_size == 0
    assert path.stat().st_mode & 0o077 == 0
    after.close()
    assert list_files(tmp_path) == []


def test_a_line_that_a_kill_cut_off_harms_no_other_effect(tmp_path):
    file = OutboxFile(tmp_path)
    file.add(PendingEffect(text("a"), 1.0))
    file.close()
    (path,) = list_files(tmp_path)
    with path.open("ab") as half:
        half.write(b'{"effect":{"kind":"sms","key":"b","payl')
    assert [pending.effect.key for pending in OutboxFile(tmp_path).adopt_abandoned()] == ["a"]


def test_without_room_on_the_disk_effects_are_sent_all_the_same_and_that_is_said(tmp_path):
    (tmp_path / "data").write_text("a file where the folder should be")
    with structlog.testing.capture_logs() as lines:

        async def one():
            sent = []

            async def send(effect):
                sent.append(effect.key)

            async with run_live_effects(send_sms=send, outbox_folder=tmp_path / "data") as live:
                live.queue_effect(text("a"))
                await wait_until_async(live.count_results, "a result")
                return sent

        assert run_bounded(one()) == ["a"]
    assert "an effect waits in memory only: the disk does not take it" in [line["event"] for line in lines]


def test_a_text_that_is_refused_for_good_is_not_tried_again_after_a_restart(tmp_path):
    async def refuse(_effect):
        raise OutboundRequestError("the number does not exist")

    before = OutboxFile(tmp_path)
    before.add(PendingEffect(text("a"), time.time()))
    before.close()
    assert send_all(tmp_path, 1, send_sms=refuse)[1] == {"failed": 1}
    assert send_all(tmp_path, 0) == ([], {})


def test_an_outbox_is_written_before_queueing_returns(tmp_path):
    file = OutboxFile(tmp_path)
    file.add(PendingEffect(text("a"), 1.0))
    (path,) = list_files(tmp_path)
    assert b'"key":"a"' in path.read_bytes()
    assert path.name.split("-")[2] == str(os.getpid())
    file.close()


@pytest.mark.parametrize("is_receiver_broken", [False, True])
def test_a_server_that_is_killed_right_after_its_answers_has_sent_every_webhook_after_the_next_start(
    tmp_path, is_receiver_broken
):
    figures = measure_kills(tmp_path, 2, is_receiver_broken=is_receiver_broken, max_delay=0.01)
    assert figures.answered == figures.arrived == 2 * CALLS_PER_ROUND


@pytest.mark.parametrize("stage", STAGES)
def test_a_server_that_is_killed_while_it_completes_a_call_has_sent_one_text_after_the_next_start(tmp_path, stage):
    assert run_bounded(count_texts_after_kill(tmp_path, stage), 120) == (0, 1)
